"""The simulator's markets against an independent client: recordings, small captures, pace, the synthetic market.

What it must do is in services/simulator/README.md. Books are rebuilt here in Python from the recorded lines; the figures of
facts.json are ground truth computed elsewhere.
"""
import asyncio
import contextlib
import concurrent.futures
import json
import pathlib
import re
import socket
import subprocess
import time

import pytest
import websockets

from venue_client import (Book, PATIENCE_S, PREFIX, RECORDED, RECORDINGS, SIMULATOR, SMALL_STREAMS, Simulator, diff, plain,
                          play, read_all, recorded_lines, recorded_messages, recording, requests, small_capture, snapshot, trade, write_capture)


# ---- recordings -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("entry", RECORDED, ids=lambda entry: entry["recording"])
def test_a_recording_arrives_verbatim_and_its_last_book_is_right(entry):
    paths = [RECORDINGS / path for path in entry["paths"]]
    expected = recorded_messages(paths)
    with Simulator("--speed", "max", captures=paths) as simulator:
        offer = simulator.offer()
        assert offer["market"] == entry["market"]
        assert offer["messages"] == len(expected)
        assert offer["skipped"] == 0
        messages, closing, snapshots = play(simulator)
        assert closing == (1000, "end of recording")
        assert messages == expected
        recorded_answers = {json.loads(text)["lastUpdateId"]: text for _, text in recorded_lines(paths)
                            if '"lastUpdateId"' in text and '"stream":"' not in text}
        for symbol, book in entry["books"].items():
            if book.get("snapshot_lastUpdateId") is None:
                assert snapshots[symbol][0] == 400 and json.loads(snapshots[symbol][1])["code"] < 0
                continue
            assert snapshots[symbol] == (200, recorded_answers[book["snapshot_lastUpdateId"]].encode())
            last = simulator.json(PREFIX[entry["market"]] + "/depth", symbol=symbol, limit=5)
            assert last["lastUpdateId"] == book["final_book"]["last_u"]
            assert plain(last["bids"]) == book["final_book"]["bids"]
            assert plain(last["asks"]) == book["final_book"]["asks"]


def test_captures_are_merged_by_receive_time():
    paths = recording("usdm-btcusdt-2024-08") + recording("usdm-ethusdt-2024-08")
    expected = [text for _, text in sorted(recorded_lines(paths), key=lambda line: int(line[0]))
                if '"stream":"' in text]
    with Simulator("--speed", "max", captures=paths) as simulator:
        assert simulator.offer()["symbols"] == ["BTCUSDT", "ETHUSDT"]
        messages, closing, snapshots = play(simulator)
    assert closing == (1000, "end of recording")
    assert messages == expected
    assert all(status == 200 for status, _ in snapshots.values())


def test_two_markets_are_refused():
    paths = recording("usdm-btcusdt-2023-04")[:1] + recording("spot-btcusdt-2023-04")
    result = subprocess.run([SIMULATOR, "--capture", paths[0], "--capture", paths[1]], capture_output=True, text=True,
                            timeout=PATIENCE_S)
    assert result.returncode == 2
    assert "one market" in result.stderr


def test_depth_in_the_middle_is_the_book_at_that_update():
    paths = recording("usdm-btcusdt-2024-08")
    with Simulator("--speed", "max", captures=paths) as simulator:
        async def run(pool):
            """Reads in bites; between them asks where the market is."""
            answers, seen = [], 0
            async with simulator.connect(["btcusdt@depth@0ms"]) as client:
                first = simulator.depth_later(pool, "BTCUSDT")
                with contextlib.suppress(websockets.ConnectionClosed):
                    while True:
                        await client.recv()
                        seen += 1
                        if seen % 1000 == 0:
                            answers.append(await asyncio.get_running_loop().run_in_executor(
                                pool, lambda: simulator.get("/fapi/v1/depth", symbol="BTCUSDT", limit=1000)))
            return json.loads(first.result()[1]), [json.loads(body) for _, body in answers]

        with requests() as pool:
            first, answers = asyncio.run(run(pool))
    assert len(answers) == 6
    wanted = {answer["lastUpdateId"]: answer for answer in answers}
    book = Book(first)
    checked = 0
    for text in recorded_messages(paths):
        message = json.loads(text)
        if message["stream"] == "btcusdt@depth@0ms":
            book.apply(message["data"])
            if message["data"]["u"] in wanted and message["data"]["u"] == book.update_id:
                answer = wanted.pop(message["data"]["u"])
                assert (answer["bids"], answer["asks"]) == book.levels(1000)
                checked += 1
    assert not wanted and checked >= 1


def test_streams_that_were_asked_for_and_no_others():
    paths = recording("usdm-btcusdt-2023-04")[:1]
    with Simulator("--speed", "max", captures=paths) as simulator:
        messages, _, _ = play(simulator, ["btcusdt@trade", "btcusdt@markPrice@1s", "btcusdt@nothing"])
    assert messages == [text for text in recorded_messages(paths)
                        if json.loads(text)["stream"] in ("btcusdt@trade", "btcusdt@markPrice@1s")]


# ---- small captures ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("speed", ["max", "1000"])
def test_the_market_stops_at_a_snapshot_until_it_is_fetched(tmp_path, speed):
    with Simulator("--speed", speed, captures=[small_capture(tmp_path)]) as simulator:
        async def run():
            async with simulator.connect(SMALL_STREAMS) as client:
                before = [await client.recv(), await client.recv()]
                held = simulator.wait_for(lambda state: state["state"] == "held", "the market is held")
                assert simulator.wait_still() == 2
                with pytest.raises(asyncio.TimeoutError):
                    await asyncio.wait_for(client.recv(), 0.1)
                assert simulator.json("/fapi/v1/depth", symbol="ABCUSDT") == json.loads(snapshot(5))
                after, closing = await read_all(client)
                return before, held, after, closing

        before, held, after, closing = asyncio.run(run())
    assert held["waits_for"] == "ABCUSDT"
    assert [json.loads(text)["stream"] for text in before] == SMALL_STREAMS
    assert len(after) == 10 and closing == (1000, "end of recording")


def test_at_max_the_market_stands_until_the_answer_has_been_read(tmp_path):
    """Of those who say so: what lies behind the snapshot comes on another connection, and could be read before the answer."""
    with Simulator("--speed", "max", captures=[small_capture(tmp_path)]) as simulator:
        async def run():
            async with simulator.connect(SMALL_STREAMS) as client:
                before = [await client.recv(), await client.recv()]
                for _ in range(2):  # an answer that came to nothing is asked for again
                    assert simulator.json("/fapi/v1/depth", symbol="ABCUSDT", read=1) == json.loads(snapshot(5))
                assert simulator.wait_still() == 2 and simulator.state()["state"] == "held"
                assert simulator.json("/simulator/read") == {}
                return before, await read_all(client)

        assert simulator.offer()["awaits_read"] is True
        before, (after, closing) = asyncio.run(run())
    assert len(before) == 2 and len(after) == 10 and closing == (1000, "end of recording")


def test_an_answer_does_not_wait_for_a_reader_that_has_been_sent_its_close_and_does_not_hang_up(tmp_path):
    lines = [diff("ABCUSDT", 1, 4, 0), trade("ABCUSDT", 1), trade("ABCUSDT", 2), snapshot(5), diff("ABCUSDT", 5, 10, 4), trade("ABCUSDT", 3)]
    faults = tmp_path / "faults.jsonl"
    faults.write_text('{"after": 1, "stream": "abcusdt@aggTrade", "close": 1012}\n')
    with Simulator("--speed", "max", "--inject", faults, captures=[write_capture(tmp_path, lines)]) as simulator:
        with socket.create_connection(("127.0.0.1", simulator.port)) as left:
            left.settimeout(PATIENCE_S)
            told = upgrade(left, "/stream?streams=abcusdt@aggTrade")
            while b"\x88\x02\x03\xf4" not in told:  # a close frame, code 1012
                told += left.recv(4096)

            async def run():
                async with simulator.connect(["abcusdt@depth"]) as client:
                    simulator.wait_for(lambda state: state["state"] == "held", "the market is held")
                    answer = simulator.json("/fapi/v1/depth", symbol="ABCUSDT")
                    assert simulator.state()["clients"] == 2, "it has not hung up"
                    return answer, await client.recv()

            answer, behind = asyncio.run(run())
    assert answer == json.loads(snapshot(5)) and behind == lines[4]


def test_at_a_pace_nobody_has_to_say_that_an_answer_has_been_read(tmp_path):
    with Simulator("--speed", "1000", captures=[small_capture(tmp_path)]) as simulator:
        async def run():
            async with simulator.connect(SMALL_STREAMS) as client:
                simulator.wait_for(lambda state: state["state"] == "held", "the market is held")
                simulator.json("/fapi/v1/depth", symbol="ABCUSDT", read=1)
                return await read_all(client)

        assert simulator.offer()["awaits_read"] is False
        assert len(asyncio.run(run())[0]) == 12


@pytest.mark.parametrize("delay_ms", [0, 50, 500])
def test_a_delayed_answer_does_not_let_the_market_on(tmp_path, delay_ms):
    with Simulator("--speed", "max", "--rest-delay-ms", delay_ms, captures=[small_capture(tmp_path)]) as simulator:
        async def run(pool):
            async with simulator.connect(SMALL_STREAMS) as client:
                start = time.monotonic()
                answer = simulator.depth_later(pool, "ABCUSDT")
                states = []
                while not answer.done():
                    states.append(simulator.state())
                took = time.monotonic() - start
                messages, _ = await read_all(client)
                return answer.result(), states, took, messages

        with requests() as pool:
            answer, states, took, messages = asyncio.run(run(pool))
    assert answer == (200, snapshot(5).encode())
    assert took >= delay_ms / 1000
    waiting = [state["position"] for state in states if state["requests_waiting"]]
    assert all(position <= 2 for position in waiting)
    assert waiting or delay_ms < 500  # a shorter wait may pass between two looks
    assert len(messages) == 12


def test_requests_for_several_symbols_wait_for_their_snapshots(tmp_path):
    symbols = [f"S{i}USDT" for i in range(40)]
    lines = []
    for symbol in symbols:
        lines += [diff(symbol, 1, 10, 0), json.dumps({**json.loads(snapshot(5)), "symbol": symbol}), trade(symbol, 1)]
    with Simulator("--speed", "max", captures=[write_capture(tmp_path, lines)]) as simulator:
        with concurrent.futures.ThreadPoolExecutor(len(symbols)) as pool:
            # Backwards: the last snapshot is asked for first. Nobody has subscribed: the first one is not reached yet.
            answers = [simulator.depth_later(pool, symbol) for symbol in reversed(symbols)]
            simulator.wait_for(lambda state: state["requests_waiting"] == len(symbols), "all requests wait")

            async def run():
                async with simulator.connect(simulator.offer()["streams"]) as client:
                    return await read_all(client)

            messages, closing = asyncio.run(run())
            assert [json.loads(answer.result()[1])["symbol"] for answer in answers] == list(reversed(symbols))
    assert len(messages) == 80 and closing[0] == 1000


def test_a_client_that_leaves_while_waiting_does_not_release_the_market(tmp_path):
    with Simulator("--speed", "max", "--rest-delay-ms", "6000", captures=[small_capture(tmp_path)]) as simulator:
        async def run():
            async with simulator.connect(SMALL_STREAMS) as client:
                simulator.wait_for(lambda state: state["state"] == "held", "the market is held")
                with socket.create_connection(("127.0.0.1", simulator.port)) as raw:
                    raw.sendall(b"GET /fapi/v1/depth?symbol=ABCUSDT HTTP/1.1\r\nHost: x\r\n\r\n")
                    simulator.wait_for(lambda state: state["requests_waiting"] == 1, "the request is there")
                simulator.wait_for(lambda state: state["requests_waiting"] == 0, "the request is gone")
                assert simulator.state()["state"] == "held"
                assert simulator.json("/fapi/v1/depth", symbol="ABCUSDT")["lastUpdateId"] == 5
                return await read_all(client)

        messages, closing = asyncio.run(run())
    assert len(messages) == 12 and closing[0] == 1000


def test_snapshots_of_symbols_nobody_listens_to_are_passed(tmp_path):
    lines = [trade("AAUSDT", 1), json.dumps({**json.loads(snapshot(5)), "symbol": "BBUSDT"}), diff("BBUSDT", 1, 10, 0),
             trade("AAUSDT", 2)]
    with Simulator("--speed", "max", captures=[write_capture(tmp_path, lines)]) as simulator:
        async def run():
            async with simulator.connect(["aausdt@aggTrade"]) as client:
                return await read_all(client)

        messages, _ = asyncio.run(run())
        assert messages == [lines[0], lines[3]]
        # Too late for the recorded answer: the book as it is now.
        assert simulator.json("/fapi/v1/depth", symbol="BBUSDT")["lastUpdateId"] == 10


def test_subscriptions_change_while_connected(tmp_path):
    with Simulator("--speed", "max", "--pass-snapshots", captures=[small_capture(tmp_path)]) as simulator:
        async def ask(client, method, *params):
            await client.send(json.dumps({"method": method, "params": params, "id": 7}))
            return json.loads(await client.recv())

        async def run():
            async with simulator.connect() as client:
                assert await ask(client, "LIST_SUBSCRIPTIONS") == {"result": [], "id": 7}
                assert await ask(client, "SUBSCRIBE", "abcusdt@nothing") == {"result": None, "id": 7}
                assert simulator.state()["state"] == "idle"
                assert await ask(client, "UNSUBSCRIBE", "abcusdt@nothing") == {"result": None, "id": 7}
                assert await ask(client, "GET_PROPERTY", "combined") == {"result": True, "id": 7}
                assert await ask(client, "SET_PROPERTY", "combined", False) == {"result": None, "id": 7}
                assert await ask(client, "SUBSCRIBE", "abcusdt@depth") == {"result": None, "id": 7}
                return await read_all(client)

        messages, closing = asyncio.run(run())
    assert [json.loads(text)["u"] for text in messages] == [10, 20]
    assert closing == (1000, "end of recording")


@pytest.mark.parametrize("path", ["/ws/abcusdt@aggTrade", "/market/ws/abcusdt@aggTrade", "/public/ws/abcusdt@aggTrade"])
def test_single_streams_come_without_envelope(tmp_path, path):
    with Simulator("--speed", "max", "--pass-snapshots", captures=[small_capture(tmp_path)]) as simulator:
        async def run():
            async with simulator.connect(path=path) as client:
                return await read_all(client)

        messages, _ = asyncio.run(run())
    assert messages == [json.dumps(json.loads(trade("ABCUSDT", i))["data"], separators=(",", ":")) for i in range(1, 11)]


@pytest.mark.parametrize("path", ["/public/stream", "/market/stream"])
def test_routed_paths(tmp_path, path):
    with Simulator("--speed", "max", "--pass-snapshots", captures=[small_capture(tmp_path)]) as simulator:
        async def run():
            async with simulator.connect(["abcusdt@depth"], path=path) as client:
                return await read_all(client)

        messages, _ = asyncio.run(run())
    assert messages == [diff("ABCUSDT", 1, 10, 0), diff("ABCUSDT", 11, 20, 10)]


def test_two_connections_share_one_market(tmp_path):
    with Simulator("--speed", "max", captures=[small_capture(tmp_path, trades=3000)]) as simulator:
        async def run(pool):
            async with simulator.connect(["abcusdt@depth"]) as books, simulator.connect(["abcusdt@aggTrade"]) as trades:
                answer = simulator.depth_later(pool, "ABCUSDT")
                both = await asyncio.gather(read_all(books), read_all(trades))
                return answer.result()[0], both

        with requests() as pool:
            status, (books, trades) = asyncio.run(run(pool))
    assert status == 200
    assert len(books[0]) == 2 and books[1][0] == 1000
    # The second connection may come when the first has already read the first trade's place.
    assert 2999 <= len(trades[0]) <= 3000 and trades[1][0] == 1000


def test_receive_times_set_the_pace(tmp_path):
    # 40 ms apart, 51 intervals: 2.04 s of market time at 8×.
    capture = small_capture(tmp_path, trades=50, step_us=40000)
    with Simulator("--speed", "8", "--pass-snapshots", captures=[capture]) as simulator:
        async def run():
            before = time.monotonic()  # the market begins with the subscription
            async with simulator.connect(SMALL_STREAMS) as client:
                messages, _ = await read_all(client)
                return time.monotonic() - before, len(messages)

        took, count = asyncio.run(run())
    assert count == 52
    assert took >= 51 * 0.040 / 8


def test_a_start_time_moves_the_recording(tmp_path):
    with Simulator("--speed", "max", "--start", "1800000000000", captures=[small_capture(tmp_path)]) as simulator:
        assert simulator.offer()["first_recv_ms"] == 1800000000000
        assert simulator.json("/fapi/v1/time") == {"serverTime": 1800000000000}
        messages, _, _ = play(simulator, ["abcusdt@aggTrade"])
    assert json.loads(messages[0])["data"]["T"] == 1800000000001


# ---- pace without end -------------------------------------------------------------------------------------------------


def test_at_max_a_reader_that_stops_stops_the_market():
    with Simulator("--speed", "max", "--symbols", "BTCUSDT", "--pass-snapshots") as simulator:
        with socket.create_connection(("127.0.0.1", simulator.port)) as raw:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            upgrade(raw, "/stream?streams=btcusdt@aggTrade/btcusdt@depth@100ms/btcusdt@bookTicker")
            simulator.wait_for(lambda state: state["position"] > 1000, "the market moves")
            position = simulator.wait_still()
            assert simulator.state()["bytes_sent"] < 16 << 20
            assert resident_bytes(simulator) < 100 << 20
            taken = 0
            while taken < 4 << 20:
                taken += len(raw.recv(1 << 16))
            simulator.wait_for(lambda state: state["position"] > position, "the market moves on")
        simulator.wait_for(lambda state: state["clients"] == 0, "the client is gone")
        position = simulator.wait_still()
        assert simulator.state()["state"] == "idle"
        assert simulator.state()["position"] == position


def resident_bytes(simulator):
    status = pathlib.Path(f"/proc/{simulator.process.pid}/status").read_text()
    if "asan" in pathlib.Path(f"/proc/{simulator.process.pid}/maps").read_text():
        return 0  # the sanitizer's own memory says nothing
    return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) * 1024


def upgrade(raw, target):
    raw.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode())
    head = b""
    while b"\r\n\r\n" not in head:
        part = raw.recv(4096)
        assert part, head
        head += part
    assert head.startswith(b"HTTP/1.1 101"), head
    return head.split(b"\r\n\r\n", 1)[1]
    return head.split(b"\r\n\r\n", 1)[1]


def test_at_max_speed_a_reader_that_only_reads_gets_every_message():
    """How fast is printed; ./run bench measures it."""
    paths = recording("usdm-btcusdt-2024-08")
    with Simulator("--speed", "max", "--pass-snapshots", captures=paths) as simulator:
        offer = simulator.offer()
        with socket.create_connection(("127.0.0.1", simulator.port)) as raw:
            start = time.monotonic()
            tail = upgrade(raw, "/stream?streams=" + "/".join(offer["streams"]))
            while b"end of recording" not in tail:
                part = raw.recv(1 << 20)
                assert part
                tail = tail[-40:] + part
            rate = offer["messages"] / (time.monotonic() - start)
        assert simulator.state()["messages_sent"] == offer["messages"]
    print(f"{rate:.0f} messages/s")


def test_the_venue_pings():
    with Simulator("--ping-interval", "1", "--symbols", "BTCUSDT") as simulator:
        with socket.create_connection(("127.0.0.1", simulator.port)) as raw:
            raw.settimeout(PATIENCE_S)
            data = upgrade(raw, "/ws")
            while len(data) < 2:
                data += raw.recv(1024)
            assert data[0] == 0x89


# ---- the synthetic market ---------------------------------------------------------------------------------------------


def test_same_seed_same_bytes_at_any_speed():
    runs = []
    for speed in ("max", "300"):
        with Simulator("--speed", speed, "--minutes", "1", "--seed", "11", "--symbols", "BTCUSDT,ETHUSDT") as simulator:
            runs.append(play(simulator))
    assert len(runs[0][0]) > 4000
    assert runs[0] == runs[1]
    with Simulator("--speed", "max", "--minutes", "1", "--seed", "12", "--symbols", "BTCUSDT,ETHUSDT") as simulator:
        assert play(simulator)[0] != runs[0][0]


@pytest.mark.parametrize("market, symbol", [("usdm", "BTCUSDT"), ("coinm", "BTCUSD_PERP"), ("spot", "ETHUSDT")])
def test_synthetic_books_and_trades_fit_together(market, symbol):
    with Simulator("--speed", "max", "--minutes", "2", "--market", market, "--symbols", symbol) as simulator:
        offer = simulator.offer()
        assert (offer["market"], offer["source"], offer["symbols"]) == (market, "synthetic", [symbol])
        messages, closing, snapshots = play(simulator)
        prefix = PREFIX[market]
        last = simulator.json(prefix + "/depth", symbol=symbol, limit=1000)
        trades = simulator.json(prefix + "/aggTrades", symbol=symbol, fromId=1, limit=1000)
        info = simulator.json(prefix + "/exchangeInfo")["symbols"][0]
    assert closing == (1000, "end of recording")
    assert info["symbol"] == symbol and info.get("contractSize") == (100 if market == "coinm" else None)
    book = Book(json.loads(snapshots[symbol][1]))
    data = [json.loads(text)["data"] for text in messages]
    for event in data:
        if event.get("e") == "depthUpdate":
            book.apply(event)
    assert last["lastUpdateId"] == book.update_id
    assert (last["bids"], last["asks"]) == book.levels(1000)
    said = [event for event in data if event.get("e") == "aggTrade"]
    assert [event["a"] for event in said] == list(range(1, len(said) + 1))
    assert trades == [{key: event[key] for key in event if key not in ("e", "E", "s")} for event in said][:1000]
