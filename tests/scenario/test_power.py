"""A power cut in the middle of a whole run: every daemon's writes, syncs and renames are recorded in one log; a tree is made as a
cut at some place could have left it; signal, broker and archive go on from there with harvest's capture as it was saved, and what they
end with is what a replay of that capture gives."""
import contextlib
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess

import pytest

import stack as harness

RECORDING = "usdm/btcusdt_20240808.gz"
CUT_LINES = 12000
SEED = int(os.environ.get("ORDERFLOW_SEED", "20240808"))
CUTS = int(os.environ.get("ORDERFLOW_POWER_CUTS", "4"))
RECORDER = harness.BUILD / "tests" / "libdisk_recorder.so"
DAEMONS = ("harvest", "features", "signal", "broker", "archive", "report")


def recording_binaries(folder, run):
    """A folder of programs: the orchestrator's own, and for each daemon a way to it with the recorder in front. (The environment
    that the orchestrator gives its daemons is a closed list.)"""
    binaries = folder / "bin"
    binaries.mkdir()
    for program in harness.BIN.iterdir():
        if program.name in DAEMONS:
            (binaries / program.name).write_text(f"#!/bin/sh\nLD_PRELOAD={RECORDER} DISK_ROOT={run} DISK_LOG={folder}/disk.log "
                                                 f"exec {program} \"$@\"\n")
            (binaries / program.name).chmod(0o755)
        else:
            shutil.copy2(program, binaries / program.name)
    return binaries


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A whole run under journal.durability power, and the log of its disk."""
    path = harness.needed(RECORDING)
    if "fsanitize" in (harness.BUILD / "build.ninja").read_text():
        pytest.skip("a sanitizer wants to be the first library of a program")
    folder = tmp_path_factory.mktemp("power")
    capture = harness.cut(path, CUT_LINES, folder)
    run = folder / "run"
    environment = {"LD_PRELOAD": str(RECORDER), "DISK_ROOT": str(run), "DISK_LOG": str(folder / "disk.log")}
    stack = harness.Stack(run, [capture], binaries=recording_binaries(folder, run), environment=environment,
                          sets={**harness.UNHURRIED, "journal.durability": "power"})
    with stack:
        harness.assert_sound(stack, stack.finish())
    return stack, folder / "disk.log"


def cut_tree(recorded, target, seed, cut):
    stack, log = recorded
    done = subprocess.run([harness.BUILD / "tests" / "disk_cut", log, stack.folder, target, str(seed), str(cut)],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return target


def records(recorded):
    done = subprocess.run([harness.BUILD / "tests" / "disk_cut", "--show", recorded[1]], capture_output=True, text=True)
    return done.stdout.splitlines()


class Daemons:
    """The daemons on a tree that a cut left, without orchestrator and venue: harvest has what its capture has."""

    def __init__(self, folder):
        self.folder = folder
        self.processes = {}

    def __enter__(self):
        (self.folder / "logs").mkdir(exist_ok=True)
        for name in DAEMONS:
            log = open(self.folder / "logs" / f"after-{name}.log", "wb")
            self.processes[name] = subprocess.Popen(
                [harness.BIN / name, "--effective", "runtime/effective_config.json", "--generation", "1000"],
                cwd=self.folder, stdout=log, stderr=log)
        return self

    def __exit__(self, *unused):
        for process in self.processes.values():
            with contextlib.suppress(OSError):
                process.kill()
            process.wait()

    def text(self, name):
        return (self.folder / "logs" / f"after-{name}.log").read_text(errors="replace")[-3000:]

    def status(self, name):
        process = self.processes[name]
        assert process.poll() is None, f"{name} ended with {process.poll()}:\n{self.text(name)}"
        with contextlib.suppress(OSError, ValueError):
            status = json.loads((self.folder / f"runtime/status/{name}.json").read_text())
            return status if status["pid"] == process.pid else None
        return None

    def level(self):
        """Everybody has read what its producers have, and the sinks hold it: the figures of this moment, else None. Parquet
        waits for the end of its windows: rows of open ones always lag."""
        statuses = {name: self.status(name) for name in DAEMONS}
        if not all(statuses.values()) or not all(status["caught_up"] for status in statuses.values()):
            return None
        if any(sink["lag_rows"] for status in statuses.values() for sink in status["sinks"] if sink["sink"] != "parquet"):
            return None
        return {name: [(stream["stream"], stream["last_sequence"]) for stream in status["streams"]]
                for name, status in statuses.items()}

    def settle(self):
        seen = []

        def twice_the_same():
            now = self.level()
            seen.append((now, [self.processes[name].pid for name in DAEMONS]))
            beats = {name: (self.status(name) or {}).get("seq") for name in DAEMONS}
            seen[-1] += (beats,)
            earlier = [entry for entry in seen if entry[0] == now and now and
                       all(entry[2][name] and beats[name] and beats[name] >= entry[2][name] + 10 for name in DAEMONS)]
            return bool(earlier)
        harness.wait_for(twice_the_same, 90, "the daemons to be level")

    def stop(self):
        for name in reversed(DAEMONS):
            self.processes[name].send_signal(signal.SIGTERM)
            code = self.processes[name].wait(60)
            assert code == 0, f"{name} ended with {code}:\n{self.text(name)}"


def signals(folder):
    path = folder / "runtime" / "signals.db"
    if not path.exists():
        return []
    with contextlib.closing(sqlite3.connect(path)) as database:
        with contextlib.suppress(sqlite3.OperationalError):
            return database.execute("select symbol, seq, ts_ms, score, confirm from signals order by symbol, seq").fetchall()
    return []


def json_lines(folder):
    """Rows of ready and open shards; a half line anywhere is an error."""
    rows = []
    for place, suffix in (("ready", "*.jsonl"), ("spool", "*.part")):
        for path in sorted((folder / "runtime" / place / "signal").rglob(suffix)):
            rows += [json.loads(line) for line in path.read_text().splitlines()]
    return sorted((row["symbol"], row["seq"], row["ts_ms"], row["score"], int(row["confirm"])) for row in rows)


def replayed(folder):
    """What signal makes of the capture that is there."""
    raw = sorted((folder / "data" / "raw").rglob("*.ofr"))
    if not raw:
        return []
    command = [harness.BIN / "signal", "--effective", folder / "runtime" / "effective_config.json"]
    for path in raw:
        command += ["--replay", path]
    elsewhere = folder.parent / "replay"
    shutil.rmtree(elsewhere, ignore_errors=True)
    elsewhere.mkdir()
    done = subprocess.run(command, cwd=elsewhere, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-3000:]
    rows = [json.loads(line)["row"] for line in done.stdout.splitlines() if '"kind":"signal"' in line]
    return sorted((row["symbol"], row["seq"], row["ts_ms"], row["score"], int(row["confirm"])) for row in rows)


@pytest.mark.parametrize("number", range(CUTS))
def test_a_cut_in_a_whole_run_loses_and_doubles_nothing(recorded, tmp_path, number):
    lines = records(recorded)
    begun = next(i for i, line in enumerate(lines) if "signals_" in line)
    generator = random.Random(f"{SEED} {number}")
    cut = generator.randint(begun, len(lines))
    print(f"seed {SEED}, cut {cut} of {len(lines)}")
    folder = cut_tree(recorded, tmp_path / "run", generator.randrange(1 << 60), cut)
    with Daemons(folder) as daemons:
        daemons.settle()
        daemons.stop()
    found = signals(folder)
    assert found == json_lines(folder)
    expected = replayed(folder)
    assert found == expected[:len(found)]
    # What the end of a capture still decides (the last grid row) a harvest that is only interrupted does not decide.
    assert len(expected) - len(found) <= 20, (len(found), len(expected))
    orders = (folder / "runtime" / "mock_orders.jsonl")
    if orders.exists():
        ids = [json.loads(line)["order_id"] for line in orders.read_text().splitlines()]
        assert len(ids) == len(set(ids))
