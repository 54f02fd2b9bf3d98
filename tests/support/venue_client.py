"""An independent client of the simulator (Debian's websockets and urllib), its recordings' lines, a book kept in Python, and captures of a few lines."""
import asyncio
import concurrent.futures
import contextlib
import decimal
import gzip
import json
import os
import pathlib
import re
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
