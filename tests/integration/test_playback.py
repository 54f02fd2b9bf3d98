"""input_mode preview over rows of kind=features: features plays them, and what is behind it makes the rows of the run that wrote them."""
import ctypes
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess

import pytest

import stack as harness

MINUTES = 2


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run on the simulator; what it archived lies in `rows`, without its captures."""
    stack = harness.Stack(tmp_path_factory.mktemp("played") / "run", sets={**harness.UNHURRIED, "simulator.minutes": MINUTES, "simulator.rate": 40},
                          arguments=["--gates", "replay"])
    with stack:
        harness.assert_sound(stack, stack.finish())
    stack.rows = stack.folder.parent / "rows"
    shutil.copytree(stack.folder / "data/ofi_cvd", stack.rows)
    assert len(stack.orders()) > 50 and len(stack.sqlite_rows()[1]) > MINUTES * 1000
    return stack


def playback(folder, source, *arguments, sets=None, **options):
    stack = harness.Stack(folder, arguments=["--input-mode", "preview", "--input-dir", str(source), *arguments],
                          sets={**harness.UNHURRIED, **(sets or {})}, **options)
    at = stack.command.index("--speed")
    del stack.command[at:at + 2]
    return stack


def play(folder, source, *arguments, **options):
    stack = playback(folder, source, *arguments, **options)
    with stack:
        harness.assert_sound(stack, stack.finish())
    return stack


def assert_same_signals(again, run):
    harness.assert_equal_rows(again, run, parquet=False)


def source_of(stack):
    return json.loads(next((stack.folder / "artifacts").rglob("source_manifest*.json")).read_text())


def features_of(folder):
    return sorted(folder.rglob("kind=features/*.parquet"))


def sql(statement):
    """With the library that playback itself has: the files of the tests are Parquet like any other."""
    listed = subprocess.run(["ldd", harness.BIN / "playback"], capture_output=True, text=True, check=True).stdout
    duckdb = ctypes.CDLL(re.search(r"libduckdb\S* => (\S+)", listed)[1])
    database, connection, result = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.create_string_buffer(256)
    assert duckdb.duckdb_open(None, ctypes.byref(database)) == 0
    assert duckdb.duckdb_connect(database, ctypes.byref(connection)) == 0
    duckdb.duckdb_result_error.restype = ctypes.c_char_p
    assert duckdb.duckdb_query(connection, statement.encode(), result) == 0, duckdb.duckdb_result_error(result)
    duckdb.duckdb_destroy_result(result)
    duckdb.duckdb_disconnect(ctypes.byref(connection))
    duckdb.duckdb_close(ctypes.byref(database))


def altered(path, select, to):
    sql(f"COPY (SELECT {select} FROM read_parquet('{path}', hive_partitioning = false)) TO '{to}' (FORMAT parquet)")


def test_the_signals_of_a_playback_are_those_of_the_run_that_wrote_the_rows(tmp_path, run):
    again = play(tmp_path / "again", run.rows)
    assert_same_signals(again, run)
    manifest, source, text = again.manifest(), source_of(again), again.text()
    assert "harvest is not started: rows are the input" in text
    assert list(manifest["processes"]) == ["features", "signal", "broker", "report"] == manifest["shutdown_order"][::-1]
    assert (source["input_mode"], source["replay_mode"], source["watch_enabled"]) == ("preview", 1, False)
    count = len(run.sqlite_rows()[1])
    inputs = sorted(source["input_rows"].pop("inputs"), key=lambda file: file["path"])
    assert inputs == hashes_of(run.rows)
    assert source["input_rows"] == {"folder": str(run.rows), "files": len(features_of(run.rows)), "rows": count, "played": count,
                                    "repeated": 0, "rejected": 0, "left": 0}
    assert source["symbols"] == ["BTCUSDT", "ETHUSDT"] and source["session_start_event_ms"] > 1_600_000_000_000
    gates = {gate["id"]: gate for gate in manifest["gates"]}
    assert gates["played"]["measured"] == count and gates["accounted_played"]["verdict"] == "PASS"
    assert not {"accounted_messages", "gaps_named", "kind_ofi", "kind_prices"} & set(gates), "nothing that there is not is judged"
    assert "The input is recorded (preview)" in again.summary_text()
    assert not (again.folder / "preview/ofi_cvd").exists() and not (again.folder / "data").exists()
    ledger = json.loads(again.ledger_bytes())
    assert {"features_played", "signal_decisions"} <= {line["id"] for line in ledger["lines"]} and ledger["verdict"] == "PASS", ledger
    again.orchctl("evidence", "build")
    again.orchctl("evidence", "verify")
    check_a_changed_input_is_noticed(again, run.rows)
    for verb in (["validate"], ["why", "--all"], ["why", "BTCUSDT", "1"]):
        lacking = again.orchctl(*verb, check=False)
        assert lacking.returncode == 1 and f"played rows that lie in {run.rows} and has no " in lacking.stderr, lacking


def hashes_of(folder):
    return [{"path": str(path), "bytes": path.stat().st_size, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
            for path in features_of(folder)]


def check_a_changed_input_is_noticed(again, rows):
    """Also by a pack that is built when it had changed already."""
    changed = features_of(rows)[0]
    whole = changed.read_bytes()
    try:
        changed.write_bytes(whole + b" ")
        told = again.orchctl("evidence", "verify", check=False)
        assert told.returncode == 3 and f"{changed} is not what the index says" in told.stdout + told.stderr, told
        again.orchctl("evidence", "build")
        told = again.orchctl("evidence", "verify", check=False)
        assert told.returncode == 3 and f"{changed} holds rows that were played" in told.stdout + told.stderr, told
    finally:
        changed.write_bytes(whole)


def test_parts_of_one_folder_play_with_the_symbols_that_are_chosen(tmp_path, run):
    (tmp_path / "parts").mkdir()
    for path in features_of(run.rows):  # copied out of their partitions
        shutil.copy(path, tmp_path / "parts")
    again = play(tmp_path / "again", tmp_path / "parts", "--symbols", "ETHUSDT", sets={"scale.features": 2})
    columns, rows = run.sqlite_rows()
    at = columns.index("symbol")
    assert again.sqlite_rows()[1] == [row for row in rows if row[at] == "ETHUSDT"]
    assert source_of(again)["symbols"] == ["ETHUSDT"]


def test_whoever_is_killed_while_rows_are_played_loses_and_doubles_none(tmp_path, run):
    # 20 s: on a busy machine whoever was killed needs some of them until he is back, and the last kill must find rows that are left.
    stack = playback(tmp_path / "again", run.rows, "--set", f"run.replay_speed={MINUTES * 60 / 20}")
    with stack:
        for service, rows in ("features", 200), ("signal", 500), ("features", 900):
            harness.wait_for(lambda: stack.rows_written() > rows, 60, f"{rows} signals")
            stack.kill(service)
        harness.assert_sound(stack, stack.finish())
    assert_same_signals(stack, run)
    processes = stack.manifest()["processes"]
    assert (processes["features"]["restart_count"], processes["signal"]["restart_count"]) == (2, 1)
    assert [fault["verdict"] for fault in stack.manifest()["fault_injection"]] == ["PASS"] * 3, stack.manifest()["fault_injection"]


def test_symbols_move_between_instances_while_they_are_played(tmp_path, run):
    # --speed means the same here; 20 s, since two instances have to start while there are rows, however busy the machine is
    stack = playback(tmp_path / "again", run.rows, "--speed", str(MINUTES * 60 / 20))
    with stack:
        harness.wait_for(lambda: stack.rows_written() > 50, 60, "the first signals")
        moved = stack.orchctl("scale", "features=2", "--wait", "60").stdout
        back = stack.orchctl("scale", "features=1", "--wait", "60").stdout
        assert "features.2" in moved and "features.2" in back
        harness.assert_sound(stack, stack.finish())
    assert_same_signals(stack, run)


def test_a_playback_that_is_interrupted_and_killed_ends_its_streams_and_says_what_it_left(tmp_path, run):
    stack = playback(tmp_path / "again", run.rows, sets={"run.replay_speed": 1})
    with stack:
        harness.wait_for(lambda: stack.rows_written() > 5, 60, "the first signals")
        refused = stack.orchctl("direction", "lock", "--why", "no", check=False)
        assert refused.returncode != 0 and "plays rows that have been computed" in refused.stderr, refused
        (features,) = (process["pid"] for process in stack.status()["processes"] if process["name"] == "features")
        os.kill(features, signal.SIGSTOP)  # it must not have ended well before it is killed
        stack.process.send_signal(signal.SIGINT)
        harness.wait_for(lambda: "ending: " in stack.text(), 60, "the interruption")
        os.kill(features, signal.SIGKILL)
        harness.assert_sound(stack, stack.finish())
    assert stack.manifest()["processes"]["features"]["restart_count"] == 1
    rows = source_of(stack)["input_rows"]
    assert rows["left"] > 0 and rows["left"] + rows["played"] == rows["rows"] and rows["played"] == len(stack.sqlite_rows()[1])
    assert "left where it was stopped" in stack.text()


def test_rows_that_stand_twice_are_one_and_rows_that_are_not_fit_are_counted(tmp_path, run):
    rows = tmp_path / "rows"
    shutil.copytree(run.rows, rows)
    twice, unfit = features_of(rows)
    shutil.copy(twice, twice.with_name("part-again.parquet"))
    altered(unfit, "* REPLACE (CASE WHEN ts_ms % 1000 = 0 THEN NULL ELSE mid END AS mid)", unfit.with_name(".new"))
    os.rename(unfit.with_name(".new"), unfit)
    again = play(tmp_path / "again", rows)
    input_rows = source_of(again)["input_rows"]
    of_one = input_rows["repeated"]
    assert of_one > 1000 and input_rows["rejected"] > 100 and input_rows["rows"] == sum(
        input_rows[member] for member in ("played", "repeated", "rejected"))
    columns, signals = run.sqlite_rows()
    at = columns.index("ts_ms"), columns.index("symbol")
    wanted = [(row[at[0]], row[at[1]]) for row in signals if row[at[1]] == "BTCUSDT" or row[at[0]] % 1000]
    assert [(row[at[0]], row[at[1]]) for row in again.sqlite_rows()[1]] == wanted
    status = json.loads((again.folder / "artifacts/run_logs/status_test-run.json").read_text())
    counters = next(process["counters"] for process in status["processes"] if process["name"] == "features")
    assert counters["rejected_missing_required"] == input_rows["rejected"] and "rejected" in again.text()


@pytest.mark.parametrize("what, told", [
    ("broken", r"rows/.*kind=features/part-broken\.parquet: .*"),
    ("column", r"rows/.*kind=features/part-column\.parquet: column mid is missing"),
    ("differs", r"rows/.*part-.*\.parquet and rows/.*part-.*\.parquet hold different rows of BTCUSDT at ts_ms \d+"),
    ("symbol", r"run\.symbols: there is no row of DOGEUSDT below rows"),
    ("kinds", r"rows/.* holds nothing to play"),
])
def test_what_cannot_be_played_is_told_with_its_file_before_anything_starts(tmp_path, run, what, told):
    shutil.copytree(run.rows, tmp_path / "rows")
    first = features_of(tmp_path / "rows")[0]
    source, more = "rows", []
    if what == "broken":
        first.with_name("part-broken.parquet").write_bytes(first.read_bytes()[:-200])
    elif what == "column":
        altered(first, "* EXCLUDE (mid)", first.with_name("part-column.parquet"))
    elif what == "differs":
        altered(first, "* REPLACE (mid + 1 AS mid)", first.with_name("part-differs.parquet"))
    elif what == "symbol":
        more = ["--symbols", "BTCUSDT,DOGEUSDT"]
    else:
        source = str(next(path for path in (tmp_path / "rows").rglob("kind=fusion") if path.is_dir()).relative_to(tmp_path))
    done = subprocess.run([harness.BIN / "orchestrator", "--input-mode", "preview", "--input-dir", source, *more], cwd=tmp_path,
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and re.search(told, done.stderr), done
    assert "nothing was started" in done.stderr and not (tmp_path / "runtime").exists()
