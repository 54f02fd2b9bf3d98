"""The report daemon against producers written here: Python speaks the wire of harvest, features, signal and broker.

The daemon is killed at seeded moments and must end with the figures of an undisturbed life. Figures are computed here
a second time, from the rows, with Python's own Decimal and sqlite3.
"""
import contextlib
import decimal
import json
import math
import os
import pathlib
import random
import signal
import sqlite3
import statistics
import subprocess
import threading
import time

import msgpack
import pytest
import zmq

ROOT = pathlib.Path(os.environ.get("ORDERFLOW_ROOT", pathlib.Path(__file__).resolve().parents[2]))
BUILD = pathlib.Path(os.environ.get("ORDERFLOW_BUILD", ROOT / "build" / "dev"))
REPORT = BUILD / "bin" / "report"

RUN = "run-1"
SYMBOLS = ("BTCUSDT", "ETHUSDT")
START_MS = 1723161240000
PATIENCE_S = 60
TRADE, BOOK, AUDIT, EVENT, CONTROL, STATE, SIGNAL, ORDER = 1, 2, 3, 4, 5, 14, 20, 30
HEARTBEAT, STREAM_STATUS, COUNTER, SINK_STATUS, REQUEST, ANSWER, COMMAND = 60, 61, 62, 64, 70, 71, 73
SIGNAL_FIELDS = ("run_id", "seq", "ts_ms", "symbol", "score", "z_ofi", "z_cvd", "consistency", "regime", "div_type",
                 "confirm", "gating", "signal_type", "guard_reason", "best_bid", "best_ask", "created_at",
                 "schema_version")

pytestmark = pytest.mark.skipif(not REPORT.exists(), reason=f"{REPORT} is not built")


def frame(instance, first, rows):
    return msgpack.packb([1, RUN, [instance, 1], first, time.time_ns(), rows])


# ---- a market in rows ----

def number(units, exponent):
    return decimal.Decimal(units).scaleb(-exponent)


class Market:
    """Rows of all four services for both symbols, and what was put into them."""

    def __init__(self, seed, seconds=40):
        self.random = random.Random(seed)
        self.streams, self.signals, self.orders, self.events, self.states = {}, [], [], [], []
        self.volumes = {symbol: {"taker_buy": decimal.Decimal(0), "taker_sell": decimal.Decimal(0), "trades": 0}
                        for symbol in SYMBOLS}
        self.audits = {symbol: [0, 0] for symbol in SYMBOLS}
        self.books = {}
        self.diffs = {symbol: 0 for symbol in SYMBOLS}
        for symbol in SYMBOLS:
            self.streams[f"harvest/{symbol}"] = [row for t in range(seconds * 20) for row in self.harvest(symbol, t)]
            self.streams[f"features/{symbol}"] = [row for t in range(seconds) for row in self.features(symbol, t)]
            self.streams[f"signal/{symbol}"] = [self.signal(symbol, i) for i in range(seconds * 10)]
            self.streams[f"broker/{symbol}"] = [self.order(row) for row in self.signals if row["symbol"] == symbol
                                                and row["confirm"] and self.random.random() < 0.5]
            for service in ("harvest", "features", "signal", "broker"):
                self.streams[f"{service}/{symbol}"].append([CONTROL, START_MS, 0, "end_of_stream", "{}"])

    def harvest(self, symbol, tick):
        ts_ms = START_MS + tick * 50
        if self.random.random() < 0.5:
            units, exponent = self.random.randrange(1, 10**9), self.random.choice((3, 8))
            maker = self.random.random() < 0.5
            volume = self.volumes[symbol]
            volume["taker_sell" if maker else "taker_buy"] += number(units, exponent)
            volume["trades"] += 1
            yield [TRADE, ts_ms, ts_ms, ts_ms, [616597, 1], [units, exponent], tick, tick, tick, maker, True, 0, 1.0,
                   0, False, ts_ms, ts_ms, None]
            return
        levels = [[self.random.randrange(1, 10**7), self.random.randrange(9)] for _ in range(20)]
        self.books[symbol] = levels
        self.diffs[symbol] += 1
        columns = levels[0:5] + levels[5:10] + levels[10:15] + levels[15:20]
        yield [BOOK, ts_ms, ts_ms, ts_ms, 0, tick, tick, None, "diff", tick == 0, 5, levels[0], levels[10], 1.0, 1.0,
               *columns, ts_ms]
        agrees = self.random.random() < 0.9
        self.audits[symbol][not agrees] += 1
        yield [AUDIT, ts_ms, tick, tick, agrees] + [None] * 8
        if self.random.random() < 0.02:
            yield self.event(symbol, ts_ms, "gap", "book")

    def event(self, symbol, ts_ms, kind, channel):
        self.events.append((symbol, kind, ts_ms))
        return [EVENT, ts_ms, 0, kind, ts_ms, None, channel, "neutral", None, None, "{}", 1]

    def features(self, symbol, second):
        ts_ms = START_MS + second * 1000
        if self.random.random() < 0.1:
            yield self.event(symbol, ts_ms, "anomaly_z", "fusion")
        if second % 10 == 0:
            rate = None if second == 0 else self.random.random() * 100
            self.states.append((ts_ms, symbol, self.random.choice(("active", "quiet")), rate))
            yield [STATE, ts_ms, 0, self.states[-1][2], rate, 5.0, 0.5, None, None, True, True, False, second, None]

    def signal(self, symbol, index):
        ts_ms = START_MS + index * 100
        confirm = self.random.random() < 0.2
        kind = self.random.choice(("strong_buy", "buy", "sell", "strong_sell")) if confirm else "neutral"
        row = {"run_id": RUN, "seq": index + 1, "ts_ms": ts_ms, "symbol": symbol, "score": self.random.gauss(0, 1),
               "z_ofi": self.random.gauss(0, 1), "z_cvd": None, "consistency": 0.5,
               "regime": self.random.choice(("active", "normal", "quiet")), "div_type": None, "confirm": confirm,
               "gating": not confirm, "signal_type": kind, "guard_reason": None if confirm else "spread,weak_signal",
               "best_bid": 1.5, "best_ask": 2.5, "created_at": "2024-08-08T23:54:00.000Z", "schema_version": 1}
        self.signals.append(row)
        return [SIGNAL, *(row[name] for name in SIGNAL_FIELDS), 0]

    def order(self, row):
        side = "BUY" if "buy" in row["signal_type"] else "SELL"
        self.orders.append(side)
        return [ORDER, f"MOCK-{row['symbol']}-{row['ts_ms']}", RUN, row["symbol"], side, "NORMAL", row["signal_type"],
                1.0, row["ts_ms"], row["ts_ms"], "FILLED", None, 0.001, 1.0, 1.0, 1.0, 1.0, 2.0, 0.1, row["seq"], 0]

    def write_sinks(self, folder):
        """What the signal service would have written."""
        def text(value):
            return "null" if value is None else json.dumps(value)
        for row in self.signals:
            minute = time.strftime("%Y%m%d_%H%M", time.gmtime(row["ts_ms"] // 1000))
            path = folder / "runtime/ready/signal" / row["symbol"] / f"signals_{minute}_{RUN}.jsonl"
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(path, "a") as out:
                out.write("{" + ",".join(f'"{name}":{text(row[name])}' for name in SIGNAL_FIELDS) + "}\n")
        with contextlib.closing(sqlite3.connect(folder / "runtime/signals.db")) as database:
            integers = ("seq", "ts_ms", "confirm", "gating", "schema_version")
            numbers = ("score", "z_ofi", "z_cvd", "consistency", "best_bid", "best_ask")
            columns = ", ".join(f"{name} " + ("INTEGER" if name in integers else "REAL" if name in numbers else "TEXT")
                                for name in SIGNAL_FIELDS)
            database.execute("pragma journal_mode=wal")
            database.execute(f"create table signals({columns}, primary key(run_id, ts_ms, symbol))")
            database.execute("create index signals_index on signals(symbol, ts_ms)")
            database.executemany(f"insert into signals values({','.join('?' * len(SIGNAL_FIELDS))})",
                                 [[row[name] for name in SIGNAL_FIELDS] for row in self.signals])
            database.commit()


class Producers(threading.Thread):
    """One thread that is harvest, features, signal and broker: publishes, beats, answers catch-up requests. `pace`: thousandths of
    every stream a second; `most`: so many are said, and the rest when a test raises it."""

    def __init__(self, folder, market, pace=1000, most=1000):
        super().__init__(daemon=True)
        self.market, self.pace, self.most = market, pace, most
        self.released = {name: 0 for name in market.streams}
        self.says, self.beats = ((1, 1), None), 0  # what heartbeats say: (pid, generation), and at most so many rows, None: all
        self.ending = threading.Event()
        self.context = zmq.Context()
        self.sockets = {}
        bus = folder / "runtime" / "bus"
        bus.mkdir(parents=True, mode=0o700)
        for service in ("harvest", "features", "signal", "broker"):
            publisher, router = self.context.socket(zmq.PUB), self.context.socket(zmq.ROUTER)
            publisher.bind(f"ipc://{bus}/{service}.pub")
            router.bind(f"ipc://{bus}/{service}.ctl")
            publisher.linger = router.linger = 0
            self.sockets[service] = publisher, router

    def run(self):
        then, allowed, beat_due = time.monotonic(), 0.0, 0.0
        poller = zmq.Poller()
        for service, (_, router) in self.sockets.items():
            poller.register(router, zmq.POLLIN)
        while not self.ending.is_set():
            for router, _ in poller.poll(10):
                self.answer(router)
            now = time.monotonic()
            then, allowed = now, min(self.most, allowed + (now - then) * self.pace)
            for name, rows in self.market.streams.items():
                self.release(name, rows, min(len(rows), int(allowed * len(rows) / 1000)))
            if time.monotonic() >= beat_due:
                beat_due = time.monotonic() + 0.1
                self.beat()
        for sockets in self.sockets.values():
            for one in sockets:
                one.close()
        self.context.term()

    def release(self, name, rows, upto):
        service, first = name.split("/")[0], self.released[name]
        if upto > first:
            data = frame(service, first + 1, rows[first:upto])
            self.sockets[service][0].send_multipart([name.encode(), data])
            self.released[name] = upto

    def beat(self):
        (pid, generation), tells = self.says  # once for all: a test says something else at any moment
        for service, (publisher, _) in self.sockets.items():
            rows = [[HEARTBEAT, service, pid, generation, 1, "running", 0, 0, None, "f", 0, True, 1.0, 1, 0, 0, None]]
            for name, last in self.released.items():
                last = last if tells is None else min(last, tells)
                if name.startswith(service + "/"):
                    rows.append([STREAM_STATUS, name, True, 1, last, 0, last == len(self.market.streams[name]), 0])
            if service == "signal":
                rows += [[COUNTER, "deduplicated", 7], [SINK_STATUS, "jsonl", 1, 0, 0, 5, 0, 0, 0, None, 1],
                         [SINK_STATUS, "sqlite", 1, 0, 0, 5, 0, 0, 0, None, 1]]
            if service == "harvest":
                rows += [[COUNTER, "queue_dropped", 0], [COUNTER, "reconnect_count", 2]]
            publisher.send_multipart([b"heartbeat/" + service.encode(), frame(service, 0, rows)])
        self.beats += 1

    def answer(self, router):
        peer, *_, data = router.recv_multipart()
        for row in msgpack.unpackb(data)[5]:
            if row[0] != REQUEST:
                continue
            name, wanted = row[2], row[3]
            last = self.released[name]
            rows = self.market.streams[name][wanted - 1:min(last, wanted + 199)]
            service = name.split("/")[0]
            head = frame(service, 0, [[ANSWER, name, wanted, 1, last, len(rows), None]])
            parts = [peer, head] + ([frame(service, wanted, rows)] if rows else [])
            router.send_multipart(parts)


class Daemon:
    """report as a process, its heartbeats and its command socket."""

    def __init__(self, folder):
        self.folder, self.generation, self.process = folder, 0, None
        self.context = zmq.Context()

    def start(self, crash_point=None):
        self.generation += 1
        environment = {**os.environ, **({"ORDERFLOW_CRASH_POINT": crash_point} if crash_point else {})}
        self.log = open(self.folder / "report.log", "ab")
        self.process = subprocess.Popen(
            [str(REPORT), "--run-id", RUN, "--symbols", ",".join(SYMBOLS), "--generation", str(self.generation),
             "--set", "run.sink=dual"], cwd=self.folder, env=environment, stdout=self.log, stderr=self.log)

    def beats(self):
        """Heartbeats of this life: (state, {stream: position}, {counter: value})."""
        subscriber = self.context.socket(zmq.SUB)
        subscriber.linger = 0
        subscriber.subscribe(b"heartbeat/report")
        subscriber.connect(f"ipc://{self.folder}/runtime/bus/report.pub")
        deadline = time.monotonic() + PATIENCE_S
        try:
            while time.monotonic() < deadline:
                assert self.process.poll() is None, f"report ended: {self.text()}"
                if not subscriber.poll(200):
                    continue
                header = msgpack.unpackb(subscriber.recv_multipart()[1])
                if header[2][1] != self.generation:
                    continue
                rows = header[5]
                yield (rows[0][5], {row[1]: row[4] for row in rows if row[0] == STREAM_STATUS},
                       {row[1]: row[2] for row in rows if row[0] == COUNTER})
        finally:
            subscriber.close()
        raise AssertionError(f"nothing for {PATIENCE_S} s: {self.text()}")

    def wait(self, condition):
        for beat in self.beats():
            if condition(*beat):
                return beat

    def command(self, verb, arguments=None):
        dealer = self.context.socket(zmq.DEALER)
        dealer.linger = 0
        dealer.connect(f"ipc://{self.folder}/runtime/bus/report.ctl")
        row = [COMMAND, f"{verb}-{self.generation}", RUN, self.generation, verb, arguments]
        dealer.send(frame("test", 0, [row]))
        assert dealer.poll(PATIENCE_S * 1000), f"no answer: {self.text()}"
        answer = msgpack.unpackb(dealer.recv_multipart()[0])[5][0]
        dealer.close()
        return answer[2], answer[3]

    def wait_heard(self):
        """Until this life has heard a heartbeat of those whose counters a summary shows: they do not wait for it with the rows."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            written = self.wait(lambda *_: True)[2]["summaries_written"]
            assert self.command("summary")[0]
            self.wait(lambda state, positions, counters: counters["summaries_written"] > written)
            found = summary(self.folder, "jsonl")[1]
            if found["deduplicated"] is not None and found["harvester_metrics"]["reconnect_count"] is not None:
                return
            assert time.monotonic() < deadline, f"not heard: {found['deduplicated']}, {found['harvester_metrics']}"

    def text(self):
        return (self.folder / "report.log").read_text()[-4000:]

    def end(self, signal_number=None):
        if signal_number:
            self.process.send_signal(signal_number)
        code = self.process.wait(PATIENCE_S)
        self.log.close()
        return code


@pytest.fixture
def setting(request, tmp_path):
    """A folder with the sinks' rows in it, the market, the report that is not started yet; the producers speak. Its parameters are theirs."""
    folder = pathlib.Path(f"/tmp/orderflow-{os.getpid()}-{tmp_path.name[-20:]}")  # socket paths are short
    folder.mkdir()
    market = Market(20240808)
    market.write_sinks(prepare(folder))
    producers, daemon = Producers(folder, market, **getattr(request, "param", {})), Daemon(folder)
    producers.start()
    daemon.producers = producers
    yield folder, market, daemon
    if daemon.process and daemon.process.poll() is None:
        daemon.process.kill()
        daemon.process.wait()
    producers.ending.set()
    producers.join()
    daemon.context.term()
    subprocess.run(["rm", "-rf", str(folder)], check=True)


def prepare(folder):
    (folder / "runtime").mkdir()
    return folder


def summary(folder, sink):
    index = json.loads((folder / "runtime/report.json").read_text())
    (path,) = [entry["json"] for entry in index["summaries"] if entry["sink"] == sink]
    return index["final"], json.loads((folder / path).read_text())


def wilson(k, n):
    z = 1.959963984540054
    centre, half = (k / n + z * z / (2 * n)), z * math.sqrt(k * (n - k) / n**3 + z * z / (4 * n * n))
    return (centre - half) / (1 + z * z / n), (centre + half) / (1 + z * z / n)


def text(value):
    """A decimal as the shortest plain text."""
    plain = format(value, "f")
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


def check_figures(market, found):
    confirmed = [row for row in market.signals if row["confirm"]]
    strong = [row for row in confirmed if row["signal_type"].startswith("strong")]
    assert (found["total"], found["confirmed"]) == (len(market.signals), len(confirmed))
    assert found["strong_ratio"] == len(strong) / len(confirmed)
    assert found["buy_count"] == sum("buy" in row["signal_type"] for row in confirmed)
    assert found["gating_breakdown"] == {"spread": len(market.signals) - len(confirmed),
                                         "weak_signal": len(market.signals) - len(confirmed)}
    assert sum(minute["count"] for minute in found["per_minute"]) == len(market.signals)
    for symbol in SYMBOLS:
        volume, levels = market.volumes[symbol], market.books[symbol]
        assert found["volumes"][symbol]["trades"] == volume["trades"]
        assert found["volumes"][symbol]["taker_buy"] == text(volume["taker_buy"])
        assert found["volumes"][symbol]["taker_sell"] == text(volume["taker_sell"])
        assert found["volumes"][symbol]["total"] == text(volume["taker_buy"] + volume["taker_sell"])
        equal, different = market.audits[symbol]
        audit = found["book_audit"][symbol]
        assert (audit["comparable"], audit["equal"], audit["different"]) == (equal + different, equal, different)
        assert audit["diffs_applied"] == market.diffs[symbol]
        assert audit["gaps"] == sum(event[:2] == (symbol, "gap") for event in market.events)
        for side, first in (("bids", 0), ("asks", 10)):
            expected = [[text(number(*levels[first + i])), text(number(*levels[first + 5 + i]))] for i in range(5)]
            assert found["top5"][symbol][side] == expected
    assert found["orders"]["total"] == len(market.orders)
    assert found["orders"]["buy"] == market.orders.count("BUY")


def check_linkage_and_states(market, found):
    for kind in ("gap", "anomaly_z"):
        linked = [row["confirm"] for row in market.signals
                  if any(symbol == row["symbol"] and what == kind and row["ts_ms"] - 30000 <= ts_ms <= row["ts_ms"]
                         for symbol, what, ts_ms in market.events)]
        share = found["event_signal_linkage"]["types"][kind]
        assert share["event_count"] == sum(what == kind for _, what, _ in market.events)
        assert (share["n"], share["confirmed"]) == (len(linked), sum(linked))
        low, high = wilson(sum(linked), len(linked))
        assert abs(share["lo95"] - low) < 1e-12 and abs(share["hi95"] - high) < 1e-12
    states, rates = sorted(market.states), [rate for *_, rate in market.states if rate is not None]
    state = found["runtime_state"]["summary"]
    assert state["total_snapshots"] == len(states)
    assert state["active_share"] == sum(mode == "active" for _, _, mode, _ in states) / len(states)
    assert abs(state["avg_trades_per_min"] - statistics.fmean(rates)) < 1e-9
    assert (state["min_trades_per_min"], state["max_trades_per_min"]) == (min(rates), max(rates))
    modes = [[mode for _, symbol, mode, _ in states if symbol == wanted] for wanted in SYMBOLS]
    assert state["transitions"] == sum(a != b for mine in modes for a, b in zip(mine, mine[1:]))
    assert [(one["ts_ms"], one["symbol"]) for one in found["runtime_state"]["snapshots"]] == \
        [(ts_ms, symbol) for ts_ms, symbol, *_ in states][-20:]


def test_figures_survive_kills_at_any_moment(setting):
    folder, market, daemon = setting
    total = sum(len(rows) for rows in market.streams.values())
    seed = 5
    print(f"seed {seed}, {total} rows")
    moments = sorted(random.Random(seed).sample(range(total * 9 // 10), 5)) + [total]  # the last: behind all ends
    daemon.start()
    for moment in moments:
        daemon.wait(lambda state, positions, counters: sum(positions.values()) >= min(moment, total))
        assert daemon.end(signal.SIGKILL) == -signal.SIGKILL
        daemon.start()
    daemon.wait(lambda state, positions, counters: sum(positions.values()) >= total)
    daemon.wait_heard()
    assert daemon.command("drain")[0]
    daemon.wait(lambda state, positions, counters: state == "drained")

    final, jsonl = summary(folder, "jsonl")
    assert final
    sqlite = summary(folder, "sqlite")[1]
    check_figures(market, jsonl)
    check_linkage_and_states(market, jsonl)
    assert (jsonl["deduplicated"], jsonl["dropped"]) == (7, 0)
    assert jsonl["harvester_metrics"]["reconnect_count"] == 2
    assert jsonl["harvester_metrics"]["parse_errors"] is None  # nobody said so: not 0
    assert jsonl["streams_ended"] and jsonl["signals_published"] == len(market.signals)
    assert {key for key in jsonl if jsonl[key] != sqlite[key]} == {"sink", "files_read"}
    parity = json.loads((folder / f"artifacts/parity_diff_{RUN}.json").read_text())
    assert parity["verdict"] == "PASS" and parity["jsonl_stats"]["total"] == len(market.signals)
    assert len(list((folder / "logs/report").glob("summary_*"))) == 4  # one name over all lives
    markdown = next((folder / "logs/report").glob("summary_*_jsonl.md")).read_text()
    assert "| parity of the sinks | **PASS**" in markdown
    assert text(market.volumes["BTCUSDT"]["taker_buy"]) in markdown
    assert daemon.end(signal.SIGTERM) == 0, daemon.text()
    assert summary(folder, "jsonl")[0], "a stop behind the end keeps the final summary"


def test_heartbeats_that_rows_have_overtaken_are_no_fork_and_those_of_a_new_life_that_knows_less_are(setting):
    """A consumer that catches up holds rows which the heartbeats still in its queue do not tell of yet."""
    folder, market, daemon = setting
    producers = daemon.producers

    def told(life, tells, forks):
        """The counter of forks behind twelve heartbeats more than make one, and behind as many as there are to be, however late they are read."""
        producers.says = life, tells
        wanted = producers.beats + 22
        daemon.wait(lambda state, positions, counters: producers.beats >= wanted and counters["stage_forks"] >= forks)
        return daemon.wait(lambda *_: True)[2]["stage_forks"] == forks

    daemon.start()
    daemon.wait(lambda state, positions, counters: sum(positions.values()) >= sum(map(len, market.streams.values())))
    streams = len(market.streams)
    assert told((1, 1), 5, 0), "the life that said the rows takes none of them back"
    assert told((1, 1), None, 0)
    assert told((2, 2), None, 0), "a new life that knows all"
    assert told((3, 3), 5, streams), "a new life that knows less"
    assert told((3, 3), None, streams)
    assert told((4, 1), None, streams)
    assert told((5, 1), 5, 2 * streams), "started again by hand, under the number of the life that said the rows"


# However long its lives take to begin, the market goes on meanwhile: each of them has rows to commit again and again.
@pytest.mark.parametrize("setting", [{"pace": 8}], indirect=True)
def test_a_death_at_either_side_of_a_commit_changes_nothing(setting):
    folder, market, daemon = setting
    for point in ("before_commit:3", "after_commit:2", "before_commit:1", "after_commit:1"):
        daemon.start(f"report/{point}")
        assert daemon.end() == -signal.SIGKILL, daemon.text()
    daemon.producers.pace = 1000
    daemon.start()
    assert daemon.command("drain")[0]
    daemon.wait(lambda state, positions, counters: state == "drained")
    check_figures(market, summary(folder, "sqlite")[1])


@pytest.mark.parametrize("setting", [{"most": 500}], indirect=True)
def test_a_stop_in_the_middle_leaves_the_figures_as_of_then(setting):
    folder, market, daemon = setting
    daemon.start()
    # Of which stream it has read most depends on who comes first.
    daemon.wait(lambda state, positions, counters: sum(positions.values()) > 300 and positions.get("harvest/BTCUSDT", 0) > 100)
    assert daemon.end(signal.SIGTERM) == 0, daemon.text()
    final, found = summary(folder, "sqlite")
    assert not final and not found["streams_ended"]
    assert 0 < found["volumes"]["BTCUSDT"]["trades"] <= market.volumes["BTCUSDT"]["trades"]
    assert not (folder / f"artifacts/parity_diff_{RUN}.json").exists()


def test_commands_that_make_no_sense_are_refused_and_gates_are_taken_over(setting):
    folder, market, daemon = setting
    daemon.start()
    written = daemon.wait(lambda *beat: True)[2]["summaries_written"]
    for verb, arguments in (("summary", "[1]"), ("summary", '{"overall_verdict":"FINE"}'), ("dance", "{}"),
                            ("summary", '{"file":"nowhere.json"}')):
        ok, reason = daemon.command(verb, arguments)
        assert not ok and reason, (verb, arguments)
    assert daemon.command("summary", '{"overall_verdict":"PASS","gates":[{"id":"signals","verdict":"PASS"}]}')[0]
    daemon.wait(lambda state, positions, counters: counters["summaries_written"] > written)
    found = summary(folder, "jsonl")[1]
    assert (found["overall_verdict"], found["gates"]) == ("PASS", [{"id": "signals", "verdict": "PASS"}])
