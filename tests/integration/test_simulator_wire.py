"""The simulator's wire against an independent client: REST, TLS, faults on purpose, nonsense from clients, start and stop."""
import asyncio
import contextlib
import json
import signal
import socket
import ssl
import subprocess
import urllib.error
import urllib.request

import pytest
import websockets

from venue_client import PATIENCE_S, SIMULATOR, SMALL_STREAMS, Simulator, play, read_all, small_capture, snapshot


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
