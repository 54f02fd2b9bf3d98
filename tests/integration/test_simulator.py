"""The simulator against an independent client (Debian's websockets and urllib).

What it must do is in services/simulator/README.md. Books are rebuilt here in Python from the recorded lines; the figures of
facts.json are ground truth computed elsewhere.
"""
import asyncio
import contextlib
import concurrent.futures
import decimal
import gzip
import json
import os
import pathlib
import re
import signal
import socket
import ssl
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

import pytest
import websockets

ROOT = pathlib.Path(os.environ.get("ORDERFLOW_ROOT", pathlib.Path(__file__).resolve().parents[2]))
SIMULATOR = pathlib.Path(os.environ.get("ORDERFLOW_BUILD", ROOT / "build" / "dev")) / "bin" / "simulator"
RECORDINGS = pathlib.Path(os.environ.get("ORDERFLOW_RECORDINGS", ROOT.parent / "shared" / "data"))
PREFIX = {"usdm": "/fapi/v1", "coinm": "/dapi/v1", "spot": "/api/v3"}
PATIENCE_S = 60

FACTS = RECORDINGS / "facts.json"
RECORDED = json.loads(FACTS.read_text())["recordings"] if FACTS.exists() else []


def recording(name):
    found = [entry for entry in RECORDED if entry["recording"] == name]
    if not found:
        pytest.skip(f"the recordings are not here ({RECORDINGS})")
    return [RECORDINGS / path for path in found[0]["paths"]]


class Simulator:
    """A running simulator; `with Simulator(...) as simulator:`."""

    def __init__(self, *options, captures=()):
        self.command = [str(SIMULATOR), "--port", "0", *map(str, options)]
        for capture in captures:
            self.command += ["--capture", str(capture)]
        self.tls = "--tls" in self.command
        self.context = None

    def __enter__(self):
        read_end, write_end = os.pipe()
        # The child wants its descriptor 3; the shell puts it there.
        self.process = subprocess.Popen(["/bin/bash", "-c", f'exec "$@" 3>&{write_end} {write_end}>&-', "bash", *self.command],
                                        stderr=subprocess.PIPE, pass_fds=[write_end], text=True)
        os.close(write_end)
        with os.fdopen(read_end) as ready:
            line = ready.readline()
        if not line:
            raise AssertionError(f"not ready: {self.process.stderr.read()}")
        self.log = []
        self.reader = threading.Thread(target=lambda: self.log.extend(self.process.stderr), daemon=True)
        self.reader.start()
        self.port = int(re.fullmatch(r"READY port=(\d+)\n", line).group(1))
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.terminate()
            assert self.process.wait(PATIENCE_S) == 0, "".join(self.log)
        self.reader.join(PATIENCE_S)

    def get(self, path, **arguments):
        """(status, body) of a GET."""
        query = "?" + urllib.parse.urlencode(arguments) if arguments else ""
        scheme = "https" if self.tls else "http"
        try:
            with urllib.request.urlopen(f"{scheme}://127.0.0.1:{self.port}{path}{query}", timeout=PATIENCE_S,
                                        context=self.context) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def json(self, path, **arguments):
        status, body = self.get(path, **arguments)
        assert status == 200, body
        return json.loads(body)

    def offer(self):
        return self.json("/simulator/streams")

    def state(self):
        return self.json("/simulator/state")

    def wait_for(self, condition, what):
        deadline = time.monotonic() + PATIENCE_S
        while True:
            state = self.state()
            if condition(state):
                return state
            assert time.monotonic() < deadline, f"waited in vain until {what}: {state}"

    def wait_still(self):
        """The position, once it has not moved over some questions."""
        last, same = None, 0
        deadline = time.monotonic() + PATIENCE_S
        while same < 50:
            position = self.state()["position"]
            same = same + 1 if position == last else 0
            last = position
            assert time.monotonic() < deadline, "the market never stands still"
        return last

    def connect(self, streams=None, path="/stream", **options):
        query = "?streams=" + "/".join(streams) if streams else ""
        scheme = "wss" if self.tls else "ws"
        return websockets.connect(f"{scheme}://127.0.0.1:{self.port}{path}{query}", max_size=None, max_queue=None,
                                  compression=None, ping_interval=None, ssl=self.context, **options)

    def depth_later(self, pool, symbol, **arguments):
        prefix = PREFIX[self.offer()["market"]]
        return pool.submit(self.get, f"{prefix}/depth", symbol=symbol, limit=1000, **arguments)


@contextlib.contextmanager
def requests():
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        yield pool


async def read_all(socket_):
    """All messages until the server closes, and how it closed."""
    messages = []
    with contextlib.suppress(websockets.ConnectionClosed):
        while True:
            messages.append(await socket_.recv())
    return messages, (socket_.close_code, socket_.close_reason)


def play(simulator, streams=None):
    """Subscribes to all (or these) streams, fetches every snapshot, reads to the end."""
    offer = simulator.offer()

    async def run(pool):
        async with simulator.connect(streams or offer["streams"]) as client:
            answers = [simulator.depth_later(pool, symbol) for symbol in offer["symbols"]]
            messages, closing = await read_all(client)
        return messages, closing, dict(zip(offer["symbols"], (answer.result() for answer in answers)))

    with requests() as pool:
        return asyncio.run(run(pool))


def recorded_lines(paths):
    """(receive time, JSON text) of every message of a recording."""
    for path in paths:
        with gzip.open(path, "rt", encoding="utf-8", newline="\n") as lines:
            for line in lines:
                line = line.rstrip("\n")
                found = re.match(r"(\d{16,19}) (.*)|([0-9.]+): (.*)|http\S* -> ([0-9.]+): (.*)", line)
                if found:
                    yield found[1] or found[3] or found[5], found[2] or found[4] or found[6]


def recorded_messages(paths):
    return [text for _, text in recorded_lines(paths) if '"stream":"' in text]


class Book:
    """Snapshot and diffs, quantities as the text they came in."""

    def __init__(self, answer):
        self.update_id = answer["lastUpdateId"]
        self.sides = [dict(answer["bids"]), dict(answer["asks"])]
        self.sides = [{decimal.Decimal(price): (price, quantity) for price, quantity in side.items()}
                      for side in self.sides]

    def apply(self, data):
        if data["u"] < self.update_id:
            return
        self.update_id = data["u"]
        for side, changes in zip(self.sides, (data["b"], data["a"])):
            for price, quantity in changes:
                if decimal.Decimal(quantity) == 0:
                    side.pop(decimal.Decimal(price), None)
                else:
                    side[decimal.Decimal(price)] = (price, quantity)

    def levels(self, count):
        bids, asks = self.sides
        return ([list(bids[price]) for price in sorted(bids, reverse=True)[:count]],
                [list(asks[price]) for price in sorted(asks)[:count]])


def plain(levels):
    return [[format(decimal.Decimal(number).normalize(), "f") for number in level] for level in levels]


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


# ---- small captures ---------------------------------------------------------------------------------------------------


def envelope(stream, data):
    return json.dumps({"stream": stream, "data": data}, separators=(",", ":"))


def trade(symbol, number):
    return envelope(f"{symbol.lower()}@aggTrade", {"e": "aggTrade", "E": 1700000000000 + number, "s": symbol, "a": number,
                                                   "p": "10.5", "q": "1", "f": number, "l": number,
                                                   "T": 1700000000000 + number, "m": False})


def diff(symbol, first, last, previous):
    return envelope(f"{symbol.lower()}@depth", {"e": "depthUpdate", "E": last, "T": last, "s": symbol, "U": first, "u": last,
                                               "pu": previous, "b": [["10.00", str(last)]], "a": []})


def snapshot(number):
    return json.dumps({"lastUpdateId": number, "E": 1, "T": 1, "bids": [["10.00", "1"]], "asks": [["11.00", "1"]]})


def write_capture(folder, lines, name="abcusdt_1.dat", step_us=1000):
    path = folder / name
    path.write_text("".join(f"{1700000000000000 + i * step_us} {line}\n" for i, line in enumerate(lines)))
    return path


def small_capture(folder, trades=10, **options):
    """A diff, a trade, the snapshot, a diff, more trades."""
    return write_capture(folder, [diff("ABCUSDT", 1, 10, 0), trade("ABCUSDT", 1), snapshot(5),
                                  diff("ABCUSDT", 11, 20, 10)] + [trade("ABCUSDT", i) for i in range(2, trades + 1)],
                         **options)


SMALL_STREAMS = ["abcusdt@depth", "abcusdt@aggTrade"]


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
    assert waiting or delay_ms == 0
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
    with Simulator("--speed", "max", "--rest-delay-ms", "300", captures=[small_capture(tmp_path)]) as simulator:
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
            async with simulator.connect(SMALL_STREAMS) as client:
                first = time.monotonic()
                await client.recv()
                messages, _ = await read_all(client)
                return time.monotonic() - first, len(messages)

        took, count = asyncio.run(run())
    assert count == 51
    assert 0.2 < took < 20


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


def test_it_keeps_up_150_000_messages_a_second():
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
    assert rate > 150000


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


# ---- REST ------------------------------------------------------------------------------------------------------------


def test_rest_errors_are_binance_like(tmp_path):
    with Simulator("--pass-snapshots", captures=[small_capture(tmp_path)]) as simulator:
        for path, status, code in [("/fapi/v1/depth", 400, -1102), ("/fapi/v1/depth?symbol=NONE", 400, -1121),
                                   ("/fapi/v1/depth?symbol=ABCUSDT&limit=x", 400, -1130),
                                   ("/fapi/v1/aggTrades?symbol=ABCUSDT&limit=0", 400, -1130),
                                   ("/fapi/v1/nothing", 404, -5000), ("/api/v3/depth?symbol=ABCUSDT", 404, -5000),
                                   ("/", 404, -5000)]:
            got, body = simulator.get(path)
            assert (got, json.loads(body)["code"]) == (status, code), path
        request = urllib.request.Request(f"http://127.0.0.1:{simulator.port}/fapi/v1/time", data=b"x", method="POST")
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=PATIENCE_S)
        assert refused.value.code == 405
        info = simulator.json("/fapi/v1/exchangeInfo")["symbols"]
        assert [(symbol["symbol"], symbol["pricePrecision"], symbol["quantityPrecision"]) for symbol in info] == [
            ("ABCUSDT", 2, 0)]


def test_agg_trades_reach_up_to_the_present(tmp_path):
    with Simulator("--speed", "max", captures=[small_capture(tmp_path)]) as simulator:
        assert simulator.json("/fapi/v1/aggTrades", symbol="ABCUSDT", fromId=1) == []
        play(simulator)
        trades = simulator.json("/fapi/v1/aggTrades", symbol="ABCUSDT", fromId=4, limit=3)
        assert [entry["a"] for entry in trades] == [4, 5, 6]
        assert "s" not in trades[0] and trades[0]["p"] == "10.5"
        assert [entry["a"] for entry in simulator.json("/fapi/v1/aggTrades", symbol="ABCUSDT", limit=2)] == [9, 10]


def test_one_connection_serves_many_requests(tmp_path):
    import http.client

    with Simulator(captures=[small_capture(tmp_path)]) as simulator:
        connection = http.client.HTTPConnection("127.0.0.1", simulator.port, timeout=PATIENCE_S)
        for _ in range(20):
            connection.request("GET", "/fapi/v1/time")
            assert json.loads(connection.getresponse().read()) == {"serverTime": 1700000000000}
        connection.close()


# ---- TLS -------------------------------------------------------------------------------------------------------------


def test_wss_and_https_with_the_certificate_made_at_start(tmp_path):
    with Simulator("--speed", "max", "--tls", "--state-dir", tmp_path, captures=[small_capture(tmp_path)]) as simulator:
        certificate = tmp_path / "simulator" / "certificate.pem"
        assert (tmp_path / "simulator" / "key.pem").stat().st_mode & 0o777 == 0o600
        simulator.context = ssl.create_default_context(cafile=certificate)
        messages, closing, snapshots = play(simulator)
        with pytest.raises(urllib.error.URLError):
            urllib.request.urlopen(f"https://127.0.0.1:{simulator.port}/fapi/v1/time", timeout=PATIENCE_S)
    assert len(messages) == 12 and closing == (1000, "end of recording")
    assert snapshots["ABCUSDT"] == (200, snapshot(5).encode())


# ---- faults ----------------------------------------------------------------------------------------------------------


def with_faults(folder, *faults, trades=10):
    path = folder / "faults.jsonl"
    path.write_text("".join(json.dumps(fault) + "\n" for fault in faults))
    return Simulator("--speed", "max", "--pass-snapshots", "--inject", path,
                     captures=[small_capture(folder, trades=trades)])


def trade_ids(messages):
    return [json.loads(text)["data"]["a"] for text in messages]


def test_raw_faults_arrive_as_written(tmp_path):
    megabyte = '{"stream":"abcusdt@aggTrade","data":{"x":"' + "y" * (1 << 20) + '"}}'
    faults = ["{malformed", '{"stream":"zzz@new","data":{}}', '{"stream":"abcusdt@aggTrade","data":{"p":"1e999"}}', megabyte]
    with with_faults(tmp_path, *[{"after": 3 + i, "raw": raw} for i, raw in enumerate(faults)]) as simulator:
        messages, closing, _ = play(simulator)
        state = simulator.state()
    assert (state["faults"], state["faults_applied"]) == (4, 4)
    assert closing[0] == 1000
    assert messages[3:11:2] == faults
    assert len(messages) == 16


def test_a_frame_that_breaks_off(tmp_path):
    with with_faults(tmp_path, {"after": 4, "stream": "abcusdt@aggTrade", "truncate": True}) as simulator:
        async def run():
            async with simulator.connect(["abcusdt@aggTrade"]) as client:
                first = await read_all(client)
            async with simulator.connect(["abcusdt@aggTrade"]) as client:
                return first, await read_all(client)

        first, second = asyncio.run(run())
    assert trade_ids(first[0]) == [1, 2, 3, 4] and first[1][0] == 1006
    assert trade_ids(second[0]) == [6, 7, 8, 9, 10] and second[1][0] == 1000


def test_messages_dropped_repeated_and_swapped(tmp_path):
    stream = "abcusdt@aggTrade"
    with with_faults(tmp_path, {"after": 1, "stream": stream, "drop": 2}, {"after": 4, "stream": stream, "duplicate": 1},
                     {"after": 6, "stream": stream, "swap": True}) as simulator:
        messages, _, _ = play(simulator, [stream])
        assert trade_ids(messages) == [1, 4, 5, 5, 6, 8, 7, 9, 10]
        # The venue itself knows all of them.
        trades = simulator.json("/fapi/v1/aggTrades", symbol="ABCUSDT", fromId=1)
        assert [entry["a"] for entry in trades] == list(range(1, 11))


def test_a_close_with_a_code(tmp_path):
    with with_faults(tmp_path, {"after": 5, "close": 1012, "reason": "restart"}) as simulator:
        _, closing, _ = play(simulator)
    assert closing == (1012, "restart")


def test_wrong_rest_answers_do_not_count_as_fetched(tmp_path):
    faults = tmp_path / "faults.jsonl"
    faults.write_text('{"rest":"depth","symbol":"ABCUSDT","status":429,"body":"{\\"code\\":-1003}","retry_after_s":1}\n'
                      '{"rest":"depth","body":"{\\"lastUpdateId\\":1,\\"bids\\":[],\\"asks\\":[]}"}\n'
                      '{"rest":"depth","status":418,"body":"teapot"}\n')
    with Simulator("--speed", "max", "--inject", faults, captures=[small_capture(tmp_path)]) as simulator:
        async def run():
            async with simulator.connect(SMALL_STREAMS) as client:
                simulator.wait_for(lambda state: state["state"] == "held", "the market is held")
                answers = [simulator.get("/fapi/v1/depth", symbol="ABCUSDT") for _ in range(3)]
                assert simulator.state()["state"] == "held"
                answers.append(simulator.get("/fapi/v1/depth", symbol="ABCUSDT"))
                return answers, await read_all(client)

        answers, (messages, _) = asyncio.run(run())
    assert answers == [(429, b'{"code":-1003}'), (200, b'{"lastUpdateId":1,"bids":[],"asks":[]}'), (418, b"teapot"),
                       (200, snapshot(5).encode())]
    assert len(messages) == 12


# ---- bad clients, start and stop -------------------------------------------------------------------------------------


def test_nonsense_from_clients_is_answered(tmp_path):
    with Simulator("--speed", "max", captures=[small_capture(tmp_path)]) as simulator:
        async def run():
            async with simulator.connect() as client:
                for text, code in [("nonsense", 3), ("[]", 3), ('{"method":"SHOUT","id":1}', 2),
                                   ('{"method":"SUBSCRIBE","params":"x","id":"a"}', 2), ('{"method":"SUBSCRIBE","params":[1]}', 2),
                                   ('{"method":"SET_PROPERTY","params":["colour",1],"id":1}', 0),
                                   ('{"method":"SET_PROPERTY","params":["combined",1],"id":1}', 1)]:
                    await client.send(text)
                    assert json.loads(await client.recv())["error"]["code"] == code, text
                await client.send(b"\x00\xff" * 10)
                assert "error" in json.loads(await client.recv())
                await client.send("x" * 100000)
                _, closing = await read_all(client)
                assert closing[0] == 1009
            with pytest.raises(websockets.InvalidStatusCode):
                async with simulator.connect(path="/elsewhere"):
                    pass
            async with simulator.connect([f"x{i}usdt@trade" for i in range(1100)]) as client:
                _, closing = await read_all(client)
                assert closing == (1008, "too many streams")

        asyncio.run(run())
        for garbage in (b"\x00" * 100, b"GET\r\n\r\n", b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 20000,
                        b"GET /stream?" + b"a" * 70000 + b" HTTP/1.1\r\n\r\n"):
            with socket.create_connection(("127.0.0.1", simulator.port)) as raw:
                with contextlib.suppress(OSError):
                    raw.sendall(garbage)
        assert simulator.state()["state"] == "idle"


def test_terminating_closes_cleanly(tmp_path):
    port_file = tmp_path / "port"
    with Simulator("--port-file", port_file, captures=[small_capture(tmp_path)]) as simulator:
        assert int(port_file.read_text()) == simulator.port

        async def run():
            async with simulator.connect(SMALL_STREAMS) as client:
                simulator.wait_for(lambda state: state["state"] == "held", "the market is held")
                simulator.process.send_signal(signal.SIGTERM)
                return (await read_all(client))[1]

        assert asyncio.run(run()) == (1001, "going away")
        assert simulator.process.wait(PATIENCE_S) == 0


@pytest.mark.parametrize("options, code, text", [
    (["--speed", "fast"], 2, "speed"),
    (["--nothing"], 2, "nothing"),
    (["stray"], 2, "stray"),
    (["--capture", "/missing.gz"], 2, "/missing.gz"),
    (["--inject", "/missing.jsonl"], 2, "/missing.jsonl"),
    (["--host", "0.0.0.0"], 2, "--tls"),
    (["--symbols", "BTC/USDT"], 2, "symbols"),
    (["--config", "/missing.yaml"], 2, "/missing.yaml"),
])
def test_mistakes_end_it_with_a_sentence(options, code, text):
    result = subprocess.run([SIMULATOR, *options], capture_output=True, text=True, timeout=PATIENCE_S)
    assert result.returncode == code, result.stderr
    assert text in result.stderr


def test_a_taken_port_is_a_temporary_failure(tmp_path):
    with Simulator(captures=[small_capture(tmp_path)]) as simulator:
        result = subprocess.run([SIMULATOR, "--port", str(simulator.port)], capture_output=True, text=True,
                                timeout=PATIENCE_S)
    assert result.returncode == 5
    assert str(simulator.port) in result.stderr


def test_a_configuration_file_is_read(tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text(f"simulator:\n  captures: [{small_capture(tmp_path)}]\n  speed: 0\n  symbols: [ABCUSDT]\n")
    with Simulator("--config", config) as simulator:
        assert simulator.offer()["streams"] == SMALL_STREAMS
        assert simulator.offer()["speed"] == 0
