"""A real stack in a folder of its own: the orchestrator with all daemons, started on a capture, watched and read back.

What a test compares is read from what the run wrote: JSONL shards, signals.db, mock_orders.jsonl, Parquet. Nothing
here sleeps to be lucky: everything waits for a state with a deadline.
"""
import contextlib
import csv
import gzip
import io
import json
import os
import pathlib
import signal
import sqlite3
import subprocess
import threading
import time

import patience

ROOT = pathlib.Path(os.environ.get("ORDERFLOW_ROOT", pathlib.Path(__file__).resolve().parents[2]))
BUILD = pathlib.Path(os.environ.get("ORDERFLOW_BUILD", ROOT / "build" / "dev"))
BIN = BUILD / "bin"
RECORDINGS = pathlib.Path(os.environ.get("ORDERFLOW_RECORDINGS", ROOT.parent / "shared" / "data"))
POLL_S = 0.02
# Many stacks run at once: no port by default. They write little: a small machine's disk will do. Whoever waits for that disk when he is to stop
# is not killed for it.
HERE = {"report.http_port": -1, "limits.min_disk_free_gb": 0, "supervisor.stop_timeout_s": 20}
# For runs whose rows are compared: nobody is taken for hung because the machine kept him waiting (and what a market does meanwhile is lost).
UNHURRIED = {"health.heartbeat_timeout_ms": 60000}


def recording(name):
    """The path of a recording, or None when the recordings are not on this machine."""
    path = RECORDINGS / name
    return path if path.exists() else None


def needed(name):
    """The path of a recording; the test is skipped where it is not."""
    path = recording(name)
    if not path:
        import pytest  # benches and chaos.py use this module without it
        pytest.skip(f"recording {name} is not here")
    return path


def facts(name):
    for entry in json.loads((RECORDINGS / "facts.json").read_text())["recordings"]:
        if entry["recording"] == name:
            return entry
    raise KeyError(name)


def cut(source, lines, target):
    """The first `lines` lines of a recording, gzip, under the same file name (the symbol may stand in the name)."""
    target = pathlib.Path(target) / pathlib.Path(source).name
    with gzip.open(source, "rb") as whole, gzip.open(target, "wb", compresslevel=1) as part:
        for _, line in zip(range(lines), whole):
            part.write(line)
    return target


def wait_for(condition, seconds, what):
    """Asks until the condition is true; its value is returned. The deadline names what was waited for."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} s in vain for: {what() if callable(what) else what}")
        with contextlib.suppress(OSError):
            os.sched_yield()
        signal.sigtimedwait([], POLL_S)


@contextlib.contextmanager
def market_held(pid):
    """The simulator stands still: however long a test takes for what it does, the market does not end meanwhile. Its run must not take
    that for a hang (health.heartbeat_timeout_ms)."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):  # it may have been killed
            os.kill(pid, signal.SIGCONT)


class Stack:
    """One run: `with Stack(folder, captures=[...]) as stack: stack.finish()`."""

    process = None

    def __init__(self, folder, captures=(), *, run_id="test-run", speed="max", sink="dual", sets=None, arguments=(),
                 enable="harvest,signal,broker,report", environment=None, binaries=None, output=None):
        self.folder = pathlib.Path(folder)
        self.output_path = pathlib.Path(output or self.folder / "orchestrator.out")
        self.binaries = pathlib.Path(binaries or BIN)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.run_id = run_id
        self.command = [str(self.binaries / "orchestrator"), "--enable", enable, "--sink", sink, "--minutes", "0",
                        "--run-id", run_id, "--speed", str(speed)]
        for capture in captures:
            self.command += ["--capture", str(capture)]
        for key, value in {**HERE, **(sets or {})}.items():
            self.command += ["--set", f"{key}={value}"]
        self.command += list(arguments)
        self.environment = {**os.environ, **(environment or {})}

    def __enter__(self):
        self.output = open(self.output_path, "wb")
        self.process = subprocess.Popen(self.command, cwd=self.folder, stdout=self.output, stderr=subprocess.STDOUT,
                                        env=self.environment)
        return self

    def __exit__(self, *unused):
        self.go_on()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.output.close()
        for entry in os.listdir("/proc"):  # nothing of a failed test may live on, the keepers first
            with contextlib.suppress(OSError):
                if (entry.isdigit() and os.readlink(f"/proc/{entry}/cwd") == str(self.folder.resolve())
                        and os.readlink(f"/proc/{entry}/exe").startswith(str(self.binaries))):
                    os.kill(int(entry), signal.SIGKILL)

    def text(self):
        return self.output_path.read_text(errors="replace")

    def finish(self, seconds=240):
        """Waits for the run to end by itself; its exit code."""
        self.go_on()
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the run did not end within {seconds} s:\n{self.text()[-4000:]}")

    def orchctl(self, *arguments, check=True):
        done = patience.said(self.binaries / "orchctl", arguments, self.folder, self.process)
        assert not check or done.returncode == 0, f"orchctl {arguments}: {done.returncode} {done.stdout} {done.stderr}"
        return done

    def status(self):
        """What `orchctl status --json` says; whether everybody is healthy just now (exit code 4: not) is for the test to ask."""
        done = self.orchctl("status", "--json", check=False)
        assert done.returncode in (0, 4), f"status: {done.returncode} {done.stderr}"
        return json.loads(done.stdout)

    def kill(self, service):
        """Kills the service; one that is just being restarted, as soon as it is there again."""
        def outcome():
            if self.process.poll() is not None:
                return "over"
            return self.orchctl("kill", service, check=False).returncode == 0 and "killed"
        assert wait_for(outcome, 60, f"{service} to kill") == "killed", f"the run ended first:\n{self.text()[-3000:]}"

    def kill_pid(self, pid):
        """Kills a process of this run; whether it was there to be killed. A number may be somebody else's by now, and a status file may be of
        one that has long gone."""
        with contextlib.suppress(OSError):
            descriptor = os.pidfd_open(pid)
            try:
                if os.readlink(f"/proc/{pid}/cwd") == str(self.folder.resolve()):
                    signal.pidfd_send_signal(descriptor, signal.SIGKILL)
                    return True
            finally:
                os.close(descriptor)
        return False

    def brake(self, bytes_):
        """From so many captured bytes on the market stands still until `finish`: however long a test takes for what it does, it finds a run at
        work. Then the market makes up for the time at once. The run must not take that for a hang (health.heartbeat_timeout_ms)."""
        market, released = self.simulator_pid(), threading.Event()

        def watch():
            while not released.wait(POLL_S):
                if self.captured() >= bytes_:
                    with contextlib.suppress(ProcessLookupError), market_held(market):
                        released.wait()

        self.braking, self.release = threading.Thread(target=watch), released.set
        self.braking.start()

    braking = None

    def go_on(self):
        """Whoever brakes lets go."""
        if self.braking:
            self.release()
            self.braking.join()
            self.braking = None

    def captured(self):
        """Bytes received so far."""
        return sum(path.stat().st_size for path in (self.folder / "data").rglob("*.ofr"))

    def simulator_pid(self):
        def running():
            answer = self.orchctl("status", "simulator", "--json", check=False).stdout  # nothing, before it listens
            (process,) = json.loads(answer)["processes"] if answer else [{"state": "", "pid": None}]
            return process["state"] in ("ready", "running") and process["pid"]
        return wait_for(running, 60, "a running simulator")

    def statuses(self):
        """Status files of all daemons by name; a file that is just being replaced is passed over."""
        found = {}
        for path in (self.folder / "runtime" / "status").glob("*.json"):
            with contextlib.suppress(OSError, ValueError):
                status = json.loads(path.read_text())
                if status.get("run_id") == self.run_id:
                    found[path.stem] = status
        return found

    def rows_written(self, run_id=None):
        """Signal rows in the SQLite sink so far, of one run or of all."""
        path = self.folder / "runtime" / "signals.db"
        if not path.exists():
            return 0
        with contextlib.suppress(sqlite3.Error):
            with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=1)) as database:
                return database.execute("select count(*) from signals where ? is null or run_id = ?",
                                        (run_id, run_id)).fetchone()[0]
        return 0

    # ---- what the run left ----

    def manifest(self):
        return json.loads((self.folder / f"artifacts/run_logs/run_manifest_{self.run_id}.json").read_text())

    def summary(self, sink="sqlite"):
        suffix = f"_{sink}" if sink else ""
        (path,) = (self.folder / "logs" / "report").glob(f"summary_*{suffix}.json")
        return json.loads(path.read_text())

    def summary_text(self, sink="sqlite"):
        """The same summary as people read it."""
        (path,) = (self.folder / "logs" / "report").glob(f"summary_*_{sink}.md")
        return path.read_text()

    def ledger_bytes(self):
        """The loss ledger as the orchestrator had it written behind the last exit."""
        return (self.folder / f"artifacts/run_logs/ledger_{self.run_id}.json").read_bytes()

    def jsonl(self):
        """{relative name: bytes} of the ready shards; no shard may be left open after a run's end."""
        ready = self.folder / "runtime" / "ready" / "signal"
        open_parts = list((self.folder / "runtime" / "spool").rglob("*.part"))
        assert not open_parts, f"left open: {open_parts}"
        return {str(path.relative_to(ready)): path.read_bytes() for path in sorted(ready.rglob("*.jsonl"))}

    def sqlite_rows(self):
        with contextlib.closing(sqlite3.connect(self.folder / "runtime" / "signals.db")) as database:
            cursor = database.execute("select * from signals order by symbol, ts_ms")
            return [column[0] for column in cursor.description], cursor.fetchall()

    def orders(self):
        path = self.folder / "runtime" / "mock_orders.jsonl"
        return sorted(path.read_bytes().splitlines()) if path.exists() else []

    def parquet(self, kind, columns="*", order="symbol, ts_ms", where="true"):
        """Rows of one data set as dictionaries of text."""
        if not list((self.folder / "data" / "ofi_cvd").glob(f"date=*/symbol=*/kind={kind}/*.parquet")):
            return []
        sql = (f"select {columns} from read_parquet('data/ofi_cvd/date=*/symbol=*/kind={kind}/*.parquet', "
               f"hive_partitioning=false) where {where} order by {order}")
        done = subprocess.run([str(BIN / "query"), sql], cwd=self.folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return list(csv.DictReader(io.StringIO(done.stdout)))


KINDS = {  # order of comparison, and what data.md §8 leaves out when two runs were fed separately
    "prices": ("symbol, ts_ms, agg_trade_id", {"recv_ts_ms", "latency_ms"}),
    "orderbook": ("symbol, ts_ms, last_id", {"recv_ts_ms", "latency_ms"}),
    "ofi": ("symbol, ts_ms, last_id", set()),
    "cvd": ("symbol, ts_ms, agg_trade_id", set()),
    "fusion": ("symbol, ts_ms", set()),
    "events": ("symbol, row_id", set()),
    "features": ("symbol, ts_ms", set()),
}


def assert_equal_runs(one, other, parquet=True):
    """Everything two runs of one input wrote is equal: all rows, and the loss ledger with every counter in it."""
    assert_equal_rows(one, other, parquet)
    assert one.ledger_bytes() == other.ledger_bytes(), ledger_difference(one, other)


def assert_equal_rows(one, other, parquet=True):
    """JSONL byte for byte, SQLite and orders row for row, Parquet."""
    left, right = one.jsonl(), other.jsonl()
    assert left, "no JSONL shards at all"
    assert left.keys() == right.keys(), f"shards differ: {sorted(left.keys() ^ right.keys())[:10]}"
    for name in left:
        assert left[name] == right[name], f"{name} differs: {first_difference(left[name], right[name])}"
    assert one.sqlite_rows() == other.sqlite_rows()
    assert one.orders() == other.orders()
    for kind, (order, excluded) in KINDS.items() if parquet else ():
        rows = [[{k: v for k, v in row.items() if k not in excluded} for row in run.parquet(kind, order=order)]
                for run in (one, other)]
        assert len(rows[0]) == len(rows[1]), f"{kind}: {len(rows[0])} rows against {len(rows[1])}"
        for a, b in zip(*rows):
            assert a == b, f"{kind}: {[(k, a[k], b[k]) for k in a if a[k] != b[k]]} at {a['row_id']}"


def ledger_difference(one, other):
    lines = [{(line["id"], line["symbol"]): (line["in"], line["out"]) for line in json.loads(run.ledger_bytes())["lines"]}
             for run in (one, other)]
    return [(key, lines[0].get(key), lines[1].get(key)) for key in lines[0] | lines[1]
            if lines[0].get(key) != lines[1].get(key)]


def first_difference(left, right):
    for number, (a, b) in enumerate(zip(left.splitlines(), right.splitlines()), 1):
        if a != b:
            return f"line {number}:\n  {a[:300]}\n  {b[:300]}"
    return f"{len(left)} against {len(right)} bytes"


def assert_sound(stack, code):
    """The run ended by itself with its gates passed, and nothing was lost or doubled."""
    assert code == 0, f"exit code {code}:\n{stack.text()[-6000:]}"
    manifest = stack.manifest()
    assert manifest["overall_verdict"] == "PASS", [g for g in manifest["gates"] if g["verdict"] != "PASS"]
