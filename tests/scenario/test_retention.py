"""A consumer that stands still and a journal with little room: who may wait loses nothing, who may not counts what goes."""
import json
import os
import re
import signal

import pytest

import stack as harness

RECORDING = "usdm/btcusdt_20240808.gz"
CUT_LINES = 24000
LITTLE_ROOM = {"journal.max_mb": 1, "health.heartbeat_timeout_ms": 120000}


@pytest.fixture(scope="module")
def capture(tmp_path_factory):
    return harness.cut(harness.needed(RECORDING), CUT_LINES, tmp_path_factory.mktemp("capture"))


def log_of(stack, service):
    return "".join(path.read_text(errors="replace") for path in sorted((stack.folder / "logs" / service).rglob("*"))
                   if path.is_file())


def stop_features(stack):
    harness.wait_for(lambda: stack.rows_written() > 5, 60, "the first signals")
    pid = stack.statuses()["features"]["pid"]
    os.kill(pid, signal.SIGSTOP)
    return pid


def counter(stack, service, name):
    return stack.statuses().get(service, {}).get("counters", {}).get(name, 0)


def position(stack):
    return [stream["last_sequence"] for stream in stack.statuses()["harvest"]["streams"] if stream["published"]]


def test_with_wait_the_market_stands_still_and_nothing_is_lost(capture, tmp_path):
    undisturbed = harness.Stack(tmp_path / "undisturbed", [capture], sets=harness.UNHURRIED)
    with undisturbed:
        harness.assert_sound(undisturbed, undisturbed.finish())
    stack = harness.Stack(tmp_path / "run", [capture], speed=20, sets=LITTLE_ROOM)
    with stack:
        pid = stop_features(stack)
        harness.wait_for(lambda: "journal_full" in log_of(stack, "harvest"), 60, "harvest's journal to be full")
        beats = stack.statuses()["harvest"]["seq"]
        harness.wait_for(lambda: stack.statuses()["harvest"]["seq"] > beats + 5, 60, "harvest's next words")
        before = position(stack)
        beats = stack.statuses()["harvest"]["seq"]
        harness.wait_for(lambda: stack.statuses()["harvest"]["seq"] > beats + 15, 60, "3 s of harvest")
        assert position(stack) == before
        assert counter(stack, "harvest", "stage_retention_alerts") > 0
        os.kill(pid, signal.SIGCONT)
        harness.assert_sound(stack, stack.finish())
    assert re.search(r"journal_pressure .*held_up_by=\w+", log_of(stack, "harvest"))  # whoever was last when it was looked at
    assert "data_dropped" not in log_of(stack, "harvest")
    harness.assert_equal_runs(undisturbed, stack)


def test_with_drop_the_loss_is_told_counted_and_fails_the_run(capture, tmp_path):
    stack = harness.Stack(tmp_path, [capture], speed=20, sets={**LITTLE_ROOM, "harvest.on_full": "drop", "bus.high_water_mark": 1})
    with stack:
        pid = stop_features(stack)
        harness.wait_for(lambda: counter(stack, "harvest", "stage_retention_dropped") > 0, 60, "rows to be dropped")
        harness.wait_for(lambda: all(stream["ended"] for stream in stack.statuses()["harvest"]["streams"]), 60,
                         "the market to go on to its end without features")
        os.kill(pid, signal.SIGCONT)
        code = stack.finish()
    harvest, features = log_of(stack, "harvest"), log_of(stack, "features")
    assert harvest.index("journal_pressure") < harvest.index("data_dropped")
    dropped = sum(int(rows) for rows in re.findall(r"data_dropped .*?rows=(\d+)", harvest))
    lost = sum(int(rows) for rows in re.findall(r"rows_lost .*?rows=(\d+)", features))
    manifest = stack.manifest()
    gates = {gate["id"]: gate for gate in manifest["gates"]}
    assert code == 3 and manifest["overall_verdict"] == "FAIL"
    ends = re.findall(r"data_dropped .*? to=(\d+)", harvest)  # the last may be of rows that features has read and not yet saved
    (missed_from, missed_to), = re.findall(r"rows_lost .*?from=(\d+) to=(\d+)", features)
    assert missed_to in ends and lost == int(missed_to) - int(missed_from) + 1
    assert dropped >= lost > 0  # dropped: what some consumer did not hold durably; lost: what features had not even read
    assert gates["dropped"]["verdict"] == "FAIL" and gates["dropped"]["measured"] == dropped
    assert gates["lost_rows"]["verdict"] == "FAIL" and gates["lost_rows"]["measured"] >= lost
    for sink in ("jsonl", "sqlite"):  # of the end, whatever heartbeats were lost at such a high-water mark
        summary = stack.summary(sink)
        assert summary["dropped"] == dropped and summary == manifest["report"][sink]
        assert {gate["id"]: gate["measured"] for gate in summary["gates"]}["dropped"] == dropped
    assert f"| sinks: dropped | {dropped:,} |" in stack.summary_text()


def durable(stack, stream):
    """Where archive would go on reading a stream."""
    try:
        return json.loads((stack.folder / "state/checkpoint.json").read_text())["positions"].get(stream, {}).get("resume", 0)
    except FileNotFoundError:
        return 0


def test_what_archive_has_passed_over_is_not_forgotten_when_it_is_killed_behind_it(capture, tmp_path):
    stack = harness.Stack(tmp_path, [capture], speed=5, sets={**LITTLE_ROOM, "harvest.on_full": "drop", "bus.high_water_mark": 1})
    with stack:
        stack.brake(6_500_000)  # of some 7,700,000: it must not be over before archive is killed
        harness.wait_for(lambda: stack.rows_written() > 5, 60, "the first signals")
        pid = stack.statuses()["archive"]["pid"]
        os.kill(pid, signal.SIGSTOP)
        harness.wait_for(lambda: counter(stack, "harvest", "stage_retention_dropped") > 0, 60, "rows to be dropped")
        os.kill(pid, signal.SIGCONT)
        lost = harness.wait_for(lambda: re.findall(r"rows_lost .*?stream=(\S+) from=(\d+) to=(\d+)", log_of(stack, "archive")), 60,
                                "archive to find what is gone")
        harness.wait_for(lambda: durable(stack, lost[0][0]) >= int(lost[0][2]), 60, "archive to hold rows behind the hole")
        os.kill(pid, signal.SIGKILL)
        assert stack.finish() == 3
    holes = re.findall(r"rows_lost .*?stream=(\S+) from=(\d+) to=(\d+)", log_of(stack, "archive"))
    rows = {stream: set() for stream, _, _ in holes}
    for stream, first, last in holes:
        rows[stream].update(range(int(first), int(last) + 1))
    assert stack.manifest()["processes"]["archive"]["restart_count"] == 1
    assert counter(stack, "archive", "stage_rows_lost") == sum(len(missing) for missing in rows.values())
    gates = {gate["id"]: gate for gate in stack.manifest()["gates"]}
    assert gates["lost_rows"]["measured"] >= counter(stack, "archive", "stage_rows_lost") and gates["ledger"]["verdict"] == "FAIL"
