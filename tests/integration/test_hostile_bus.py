"""Hostile bus frames, control requests and connections: classified, counted, said with their place; never a crash, a
hang or unbounded memory, and what is sound goes on as if they had not been.

The daemons are built with sanitizers.
"""
import contextlib
import itertools
import json
import os
import signal
import subprocess
import time

import msgpack
import pytest
import zmq

import hostile
import sanitized
import stack as harness
import wire
from daemon import RUN, Daemon

RECORDING = "usdm/btcusdt_20240808.gz"
STREAM = "harvest/BTCUSDT"
LARGE = 64 << 20
SOCKET_BYTES_MAX = 65536  # of one request
SERVICES = ["harvest", "archive", "features", "signal", "broker", "report"]
pytestmark = sanitized.TIME


@pytest.fixture(scope="session")
def binaries(tmp_path_factory):
    return sanitized.compose(tmp_path_factory.mktemp("sanitized") / "bin", "orchestrator", "harvest", "features",
                             "signal")


# --- a producer that has gone mad -----------------------------------------------------------------------------------

class Producer:
    """Stands in harvest's place: its publisher and its ROUTER."""

    def __init__(self, bus):
        bus.mkdir(parents=True, exist_ok=True, mode=0o700)
        context = zmq.Context.instance()
        self.publisher, self.router = context.socket(zmq.XPUB), context.socket(zmq.ROUTER)
        self.publisher.setsockopt(zmq.XPUB_VERBOSE, 1)
        self.publisher.sndhwm = 0
        self.publisher.bind(f"ipc://{bus / 'harvest.pub'}")
        self.router.bind(f"ipc://{bus / 'harvest.ctl'}")

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.publisher.close(0)
        self.router.close(0)

    def await_subscriptions(self, seconds=60):
        """Until somebody has subscribed to heartbeats and to the stream: what is sent from then on arrives."""
        wanted = {b"\x01heartbeat/", b"\x01" + STREAM.encode()}
        while wanted:
            assert self.publisher.poll(int(seconds * 1000)), f"not subscribed: {wanted}"
            wanted.discard(self.publisher.recv())

    def send(self, data, topic=STREAM):
        self.publisher.send_multipart([topic.encode(), data])

    def trades(self, first, count):
        for number in range(first, first + count):
            self.send(wire.frame([wire.trade(number)], run=RUN, first=number))

    def requests(self):
        """Who has asked for rows since the last look, and from where."""
        while self.router.poll(0):
            peer, *parts = self.router.recv_multipart()
            yield from ((peer, row[3]) for row in msgpack.unpackb(parts[0])[5] if row[0] == wire.CATCH_UP_REQUEST)

    def await_catch_up(self, seconds=60):
        """The next catch-up request; registrations are passed over. Who asks, and from where."""
        until = time.monotonic() + seconds
        while True:
            left_ms = int(1000 * (until - time.monotonic()))
            assert left_ms > 0 and self.router.poll(left_ms), "nobody asks for rows"
            peer, *parts = self.router.recv_multipart()
            for row in msgpack.unpackb(parts[0])[5]:
                if row[0] == wire.CATCH_UP_REQUEST:
                    return peer, row[3]


@contextlib.contextmanager
def features_of(producer_folder, binaries):
    with Producer(producer_folder / "bus") as producer:
        with Daemon("features", producer_folder, binaries=binaries) as features:
            producer.await_subscriptions()
            yield producer, features
        assert not sanitized.REPORT.search(features.log()), features.log()[-5000:]


def test_what_a_sanitizer_finds_would_be_seen(binaries, tmp_path):
    """A fault in a daemon of these tests ends in a report in its log: else their silence would prove nothing."""
    with pytest.raises(AssertionError, match="AddressSanitizer"):
        with Daemon("features", tmp_path, binaries=binaries) as features:
            features.process.send_signal(signal.SIGSEGV)
            features.process.wait(60)
    assert sanitized.REPORT.search(features.log())


def stage_counts(daemon):
    return {name: value for name, value in daemon.counters().items() if name.startswith("stage_")}


def rss_mb(daemon):
    return next(row for row in daemon.beat() if row[0] == wire.HEARTBEAT)[12]


def last_error(daemon):
    return next(row for row in daemon.beat() if row[0] == wire.HEARTBEAT)[16]


def cvd_ids(features):
    """Ids of the trades that reached the engine."""
    return [row[3] for row in features.rows(11, "features/BTCUSDT")]


def test_malformed_frames_are_counted_and_the_next_good_one_is_read(binaries, tmp_path):
    good = wire.frame([wire.trade(1)], run=RUN, first=1)
    bad = hostile.bombs() + hostile.frames(RUN, good)
    with features_of(tmp_path, binaries) as (producer, features):
        pid, small = features.process.pid, rss_mb(features)
        producer.send(wire.frame([wire.trade(1)], run=RUN, first=1, version=2))
        harness.wait_for(lambda: last_error(features) == "frame version 2, this program reads 1", 60, "its sentence")
        for data in bad:
            producer.send(data)
        producer.publisher.send(STREAM.encode())                        # one part only
        producer.publisher.send_multipart([STREAM.encode(), b"", good])  # an empty second part, a good third
        producer.send(good, topic=STREAM + "x" * 5000)
        producer.send(good, topic=STREAM + "X")
        producer.send(wire.frame([wire.trade(1)], run="another-run", first=1))
        producer.trades(1, 300)
        features.wait_position(STREAM, 300)
        counts = stage_counts(features)
        assert counts["stage_malformed_frames"] == len(bad) + 3, counts
        assert counts["stage_foreign_frames"] == 1 and counts["stage_malformed_rows"] == 0, counts
        assert cvd_ids(features) == list(range(1, 301))
        assert features.process.pid == pid and rss_mb(features) < small + 100
    assert "frame_rejected" in features.log() and "header is wrong near byte" in features.log()


# A row whose place in the stream is right but whose content is not: its number is used up, nothing of it is believed.
WRONG_VALUES = {
    "ts_ms": [None, "1", 1.5, [], 2**63, 2**64 - 1, -2**63], "event_ts_ms": [None, "x"], "recv_ts_ms": [None, {}],
    "price": [None, 5, [], [1], [1, 2, 3], ["1", 2], [1, -1], [1, 99], [2**63, 2], [1.5, 2], [None, 2], [-2**63, 2]],
    "qty": [None, "5", [1], [1, 2**40]], "agg_trade_id": [None, "7", 2**63, 1.0],
    "is_buyer_maker": ["true", 1, [], 0.0],
    "is_market": [None, "yes"], "latency_ms": [None], "recv_rate_tps": [None, "1", []], "gap_before": [None, "0"],
    "backfilled": [None, 2], "watermark_ms": [None, "0", []], "watermark_after_ms": [None],
    "contract_size": ["1", []],
}


def test_malformed_rows_are_counted_and_passed_over(binaries, tmp_path):
    """Rows inside sound frames. An unknown kind may come from a newer harvest, surplus fields too: no mistakes."""
    with features_of(tmp_path, binaries) as (producer, features):
        producer.trades(1, 10)
        number, wrong = 11, 0
        for field, values in WRONG_VALUES.items():
            for value in values:
                producer.send(wire.frame([wire.trade(number, **{field: value})], run=RUN, first=number))
                number, wrong = number + 1, wrong + 1
        producer.send(wire.frame([[wire.BOOK, *["x"] * 40], [wire.CONTROL, 1, 1, "no_such_action", ""],
                                  [wire.CONTROL, 1, 1, "input", "{not json"]], run=RUN, first=number))
        number, wrong = number + 3, wrong + 3
        producer.send(wire.frame([[95, 1, 2], [95], [wire.COMMAND, "id", "", 0, "stop", ""]], run=RUN, first=number))
        producer.send(wire.frame([[*wire.trade(number + 3), "new", [1]]], run=RUN, first=number + 3))
        producer.trades(number + 4, 10)
        features.wait_position(STREAM, number + 13)
        counts = stage_counts(features)
        assert counts["stage_malformed_rows"] == wrong and counts["stage_malformed_frames"] == 0, counts
        assert cvd_ids(features) == list(range(1, 11)) + list(range(number + 3, number + 14))
    assert f'row_rejected run_id={RUN} stream={STREAM} sequence=11 reason="row trade.ts_ms' in features.log()


def test_absurd_values_of_the_right_type_neither_hang_nor_poison(binaries, tmp_path):
    """Times and amounts no market has, in rows that are well formed: features rejects or bounds them, in time."""
    far = 2**62
    absurd = [{"ts_ms": far}, {"ts_ms": -far}, {"ts_ms": 0}, {"watermark_ms": far}, {"watermark_after_ms": far},
              {"watermark_ms": -far, "watermark_after_ms": -far}, {"qty": [0, 0]}, {"qty": [-5, 0]},
              {"price": [0, 2]}, {"price": [-1, 2]}, {"recv_rate_tps": float("nan")}, {"recv_rate_tps": float("inf")},
              {"contract_size": float("nan")}, {"contract_size": -1e308}, {"is_buyer_maker": None},
              {"ts_ms": far, "watermark_ms": far, "watermark_after_ms": far}]
    with features_of(tmp_path, binaries) as (producer, features):
        producer.trades(1, 10)
        for index, changes in enumerate(absurd):
            producer.send(wire.frame([wire.trade(11 + index, **changes)], run=RUN, first=11 + index))
        last = 10 + len(absurd)
        producer.trades(last + 1, 10)
        features.wait_position(STREAM, last + 10)
        assert rss_mb(features) < 600
        ids = cvd_ids(features)
        assert ids[:10] == list(range(1, 11)) and ids[-10:] == list(range(last + 1, last + 11))
        for kind in (11, 12, 13):  # cvd, fusion, feature: numbers or null, nothing else
            for row in features.rows(kind, "features/BTCUSDT"):
                assert all(value == value and abs(value) < 1e300 for value in row if isinstance(value, float)), row


def test_a_message_of_64_mb_costs_the_connection_and_nothing_else(binaries, tmp_path):
    with features_of(tmp_path, binaries) as (producer, features):
        producer.trades(1, 10)
        features.wait_position(STREAM, 10)
        small = rss_mb(features)
        producer.send(b"\xc6" + (LARGE - 5).to_bytes(4, "big") + b"x" * (LARGE - 5))
        producer.await_subscriptions()  # it has connected anew
        producer.trades(11, 10)
        features.wait_position(STREAM, 20)
        assert cvd_ids(features) == list(range(1, 21))
        assert rss_mb(features) < small + 100


def test_catch_up_answers_are_believed_no_more_than_frames(binaries, tmp_path):
    with features_of(tmp_path, binaries) as (producer, features):
        producer.send(wire.frame([wire.trade(6)], run=RUN, first=6))  # five are missing
        peer, start = producer.await_catch_up()
        assert start == 1

        def head(stream=STREAM, from_=1, oldest=1, last=6, count=5, error=""):
            return wire.frame([[wire.CATCH_UP_ANSWER, stream, from_, oldest, last, count, error]], run=RUN)

        rows = wire.frame([wire.trade(number) for number in range(1, 6)], run=RUN, first=1)
        bad = hostile.bombs()[:60] + [b"", b"x", wire.frame([], run=RUN), wire.frame([wire.trade(1)], run=RUN),
                                      wire.frame([[wire.CATCH_UP_ANSWER, 1, "x"]], run=RUN)]
        for data in bad:
            producer.router.send_multipart([peer, data])
        producer.router.send_multipart([peer, head(stream="signal/BTCUSDT"), rows])   # not what was asked for
        producer.router.send_multipart([peer, head(from_=99), rows])                    # likewise
        producer.router.send_multipart([peer, head(), hostile.ARRAY_BOMB])              # a sound head, a broken body
        harness.wait_for(lambda: features.counters()["stage_malformed_frames"] > len(bad), 60, "all of them")
        producer.send(wire.frame([wire.trade(7)], run=RUN, first=7))
        peer, start = producer.await_catch_up()
        assert start == 1
        answer = [head(), rows, b"surplus", b"parts", b"x", b"y"]
        producer.router.send_multipart([peer, *answer])
        producer.trades(6, 10)

        def arrived():
            # The one above may have been an older one that nobody waits for any more; and what was published before its answer had come was
            # a gap, which is asked for.
            for who, first in producer.requests():
                behind = wire.frame([wire.trade(number) for number in range(first, 16)], run=RUN, first=first)
                producer.router.send_multipart([who, *(answer if first == 1 else [head(from_=first, last=15, count=16 - first), behind])])
            return features.position(STREAM) >= 15

        harness.wait_for(arrived, 60, "fifteen rows")
        counts = stage_counts(features)
        assert counts["stage_malformed_frames"] == len(bad) + 1 and counts["stage_rows_lost"] == 0, counts
        assert cvd_ids(features) == list(range(1, 16))


# --- clients that have gone mad -------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def capture(tmp_path_factory):
    return harness.cut(harness.needed(RECORDING), 12000, tmp_path_factory.mktemp("capture"))


def hostile_requests(run):
    """Requests to a daemon's ROUTER that are counted as malformed, once each."""
    good = wire.frame([[wire.COMMAND, "id", run, 0, "status", ""]], run=run, instance="test")
    rows = [wire.trade(1), [95], [wire.HEARTBEAT], [wire.CATCH_UP_REQUEST], [wire.CATCH_UP_REQUEST, "a", "b", 0],
            [wire.CATCH_UP_REQUEST, "a", "b", -5], [wire.CATCH_UP_REQUEST, 1, 2, 3],
            [wire.CATCH_UP_REQUEST, "x" * 999, "b", 1], [wire.REGISTER], [wire.REGISTER, "a", "no/such/stream", 1],
            [wire.REGISTER, "a", "b", "c"], [wire.COMMAND, 1, 2], [wire.COMMAND, "id", run, "0", "stop", ""],
            [wire.COMMAND, "x" * 500, run, 0, "stop", ""], [wire.COMMAND, "id", run, 0, "s" * 5000, ""],
            [wire.COMMAND, "id", run, 0, b"\xff\xfe", ""], [wire.COMMAND, "id", run, 0, "status", "x" * 5000]]
    return hostile.bombs() + hostile.frames(run, good) + [wire.frame([row], run=run, instance="x") for row in rows]


def phase(stack):
    return json.loads(stack.orchctl("status", "--json", check=False).stdout)["phase"]


def torment(path, requests, socket_type):
    """All of it at one ROUTER, and connections that die. How many requests were sent."""
    requests = [request for request in requests if len(request) <= SOCKET_BYTES_MAX]
    with wire.Client(path) as client:
        for request in requests:
            client.send(request)
        client.send(b"")
        client.send(b"", b"")
        client.send(b"", b"", b"", b"", b"", b"")
        while client.socket.poll(200):
            client.socket.recv_multipart()
    hostile.dying_connections(path)
    hostile.dying_connections(path.with_suffix(".pub"), socket_type)
    return len(requests) + 3


def overwhelm(path, requests):
    """Clients that ask for much and do not wait for it, or send more than the socket takes: it hangs up on them."""
    for request in requests:
        if len(request) > SOCKET_BYTES_MAX:
            with wire.Client(path) as client:
                client.send(request)
    with wire.Client(path) as client:
        for number in range(2000):
            client.send(wire.frame([[wire.CATCH_UP_REQUEST, "mad", STREAM, 1]] * 3, run="x", instance="x"))


def malformed_requests(stack):
    processes = json.loads(stack.orchctl("status", "--json", check=False).stdout)["processes"]
    return {process["name"]: process["counters"].get("stage_malformed_requests") for process in processes}


def test_hostile_clients_of_all_daemons_change_nothing(capture, binaries, tmp_path):
    undisturbed = harness.Stack(tmp_path / "undisturbed", [capture])
    with undisturbed:
        harness.assert_sound(undisturbed, undisturbed.finish())
    stack = harness.Stack(tmp_path / "run", [capture], binaries=binaries, speed=2,
                          sets={"limits.max_rss_mb": 4000, "health.heartbeat_timeout_ms": 60000, "harvest.pong_timeout_s": 600})
    with stack:
        market = stack.simulator_pid()
        bus = stack.folder / "runtime" / "bus"
        harness.wait_for(lambda: stack.rows_written() > 10, 120, "the first rows")  # sanitizers are slow
        requests = hostile_requests(stack.run_id)
        sent = {name: torment(bus / f"{name}.ctl", requests, b"SUB") for name in [*SERVICES, "orchestrator"]}
        expected = {name: sent[name] for name in SERVICES}
        harness.wait_for(lambda: expected.items() <= malformed_requests(stack).items(), 60,
                         f"so many of each to be counted: {expected}")
        for name in sent:
            overwhelm(bus / f"{name}.ctl", requests)
        with harness.market_held(market):  # they take long to begin
            for service in SERVICES:  # a second of the same name: refused, and the first does not notice
                second = subprocess.run([str(binaries / service), "--effective", "runtime/effective_config.json"],
                                        cwd=stack.folder, capture_output=True, text=True, timeout=60)
                assert second.returncode == 5 and "holds this name" in second.stderr, (service, second)
            assert phase(stack) == "feeding", "it was over too soon"
        harness.assert_sound(stack, stack.finish())
    statuses, processes = stack.statuses(), stack.manifest()["processes"]
    for service in SERVICES:
        counts = statuses[service]["counters"]
        assert counts["stage_malformed_frames"] == counts["stage_malformed_rows"] == 0, (service, counts)
        assert processes[service]["restart_count"] == 0 and processes[service]["exit_code"] == 0
    for service in ("harvest", "features", "signal"):
        sanitized.assert_silent(stack, service)
    assert not sanitized.REPORT.search(stack.text())
    harness.assert_equal_runs(undisturbed, stack)


# --- requests to the orchestrator -----------------------------------------------------------------------------------

NUMBERS = itertools.count(1)  # an id that comes again would be answered as the first time


def request(**members):
    return json.dumps({"id": f"test-{next(NUMBERS)}", "verb": "status", "args": {}, **members}).encode()


ORCHESTRATOR_REQUESTS = [  # request, words of the sentence it must be answered with
    (b"", "not JSON"), (b"{", "not JSON"), (b"nonsense", "not JSON"), (b"\xff\xfe", "not JSON"), (b"\0", "not JSON"),
    (b"[]", "object"), (b"null", "object"), (b'"status"', "object"), (b"5", "object"),
    (b"[" * 5000, "nested"), (b'{"a":' * 50, "nested"), (b'{"id":"' + b"x" * 65_000 + b'"}', "id"),
    (b"{}", "id"), (request(id=5), "id"), (request(id=""), "id"), (request(id="x" * 65), "id"),
    (request(id="a b"), "id"), (request(id="a\nb"), "id"), (request(verb=5), "verb"),
    (request(verb="dance"), "there is no verb 'dance'"),
    (request(verb=""), "there is no verb ''"), (request(verb="x" * 5000), "there is no verb"),
    (request(args=[]), "args"), (request(args=None), "args"), (request(extra=1), "extra"),
    (request(args={"nme": "signal"}), "nme"),
    (request(args={"name": 5}), "name"), (request(args={"name": "nobody"}), "nobody"), (request(verb="kill"), "name"),
    (request(verb="kill", args={"name": "signal", "signal": "NOPE"}), "NOPE"),
    (request(verb="kill", args={"name": "signal", "generation": "1"}), "generation"),
    (request(verb="kill", args={"name": "signal", "generation": 99}), "generation"),
    (request(verb="kill", args={"name": "simulator/../.."}), "simulator/../.."),
    (request(verb="events", args={"since": -1.5}), "since"), (request(verb="events", args={"since": "1"}), "since"),
    (b'{"id":"twice","id":"two","verb":"status","args":{}}', "id"), (b'{"id":"no-args","verb":"status"}', "args"),
]
WRONG_COMMANDS = [  # words of orchctl, of its sentence, exit code
    (["dance"], "there is no verb 'dance'", 2), ([""], "there is no verb ''", 2),
    (["--nonsense"], "unknown option", 2), (["status", "--nonsense"], "unknown option", 2),
    (["kill"], "needs NAME", 2), (["status", "a", "b"], "is too much", 2),
    (["--timeout", "soon", "status"], "--timeout soon", 2), (["--timeout"], "needs a value", 2),
    (["--dir", "/nowhere/at/all", "status"], "/nowhere/at/all", 2), (["config", "dance"], "must be check, show", 2),
    (["config", "check", "no-such-file.yaml"], "no-such-file.yaml", 2), (["events", "--count", "x"], "--count x", 2),
    (["kill", "nobody"], "nobody", 1), (["restart", "nobody"], "nobody", 1), (["start", "x" * 500], "xxxx", 1),
    (["kill", "signal", "-s", "NOPE"], "NOPE", 2), (["status", "nobody"], "nobody", 1),
    (["logs", "nobody"], "nobody", None), (["tail", "nobody/BTCUSDT"], "nobody", 1),
    (["tail", "signal"], "signal", 1), (["tail", "signal/NOPE"], "no such symbol in this run; there are: BTCUSDT", 1), (["pause", "../../etc"], "../../etc", 1),
]


def pids(stack):
    return {process["name"]: process["pid"] for process in stack.status()["processes"]}


def test_wrong_requests_get_a_sentence_and_change_nothing(binaries, tmp_path):
    stack = harness.Stack(tmp_path, [harness.needed(RECORDING)], binaries=binaries, speed=4, sets={"limits.max_rss_mb": 4000})
    with stack:
        harness.wait_for(lambda: stack.rows_written() > 10, 120, "the first rows")  # sanitizers are slow
        before = pids(stack)
        with wire.Client(tmp_path / "runtime" / "bus" / "orchestrator.ctl") as client:
            for data, words in ORCHESTRATOR_REQUESTS:
                client.send(data)
                (answer,) = client.receive()
                answer = json.loads(answer)
                assert answer.keys() == {"id", "ok", "error", "result"}, data[:200]
                assert answer["ok"] is False and answer["result"] is None, (data[:200], answer)
                assert words in answer["error"], (data[:200], answer)
            client.send(b" " * 70_000)  # more than the socket takes: it hangs up, and no answer can come
            assert not client.socket.poll(300)
            client.send(request(id="good"))
            assert json.loads(client.receive()[0])["ok"] is True
        for words, sentence, code in WRONG_COMMANDS:
            done = stack.orchctl(*words, check=False)
            assert sentence in done.stderr and not done.stdout, (words, done)
            assert done.returncode == code if code else done.returncode in (1, 2), (words, done)
        assert phase(stack) == "feeding"
        assert pids(stack) == before
        stack.orchctl("shutdown")
        stack.finish(60)
    assert not sanitized.REPORT.search(stack.text())


def test_without_an_orchestrator_orchctl_says_so(tmp_path):
    for verb in (["status"], ["kill", "signal"], ["shutdown"], ["events"]):
        done = subprocess.run([str(harness.BIN / "orchctl"), *verb], cwd=tmp_path, capture_output=True, text=True,
                              timeout=60)
        assert done.returncode == 1 and "no orchestrator is running" in done.stderr and not done.stdout, (verb, done)


def test_sockets_are_for_their_owner_alone(binaries, tmp_path):
    """Nobody else can publish in a daemon's place: the folder is 0700, its files 0600; a link is refused."""
    folder = tmp_path / "bus"
    folder.mkdir(mode=0o777)
    os.chmod(folder, 0o777)
    with Daemon("features", tmp_path, binaries=binaries) as features:
        assert folder.stat().st_mode & 0o777 == 0o700
        assert {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()} == {
            "features.pub": 0o600, "features.ctl": 0o600, "features.lock": 0o600}
        assert features.position("features/BTCUSDT") == 0
    elsewhere = tmp_path / "linked"
    elsewhere.mkdir()
    os.symlink(folder, elsewhere / "bus")
    done = subprocess.run(features.command, cwd=elsewhere, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "a link is not accepted" in done.stderr, done
