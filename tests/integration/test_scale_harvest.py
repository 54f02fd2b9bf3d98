"""Symbols move between live instances of harvest. Undisturbed, nobody can tell it from the rows: they are those of the run with one
instance. With instances killed in the middle of a move, what they did not receive is told, and all that was stored comes out of the
captures again, which are read as one chain."""
import contextlib
import json
import os
import random
import subprocess

import pytest

from stack import BIN, UNHURRIED, Stack, assert_equal_rows, assert_sound, wait_for

SYMBOLS = [f"{letter * 3}USDT" for letter in "ABCDE"]
PATIENCE_S = 60


def market(**more):
    names = ",".join(SYMBOLS)
    return {**UNHURRIED, "run.symbols": names, "simulator.symbols": names, "simulator.minutes": 1, "simulator.rate": 30,
            "simulator.seed": 7, **more}


@contextlib.contextmanager
def living(folder, environment=None, speed=5):
    with Stack(folder, run_id="moved", sets=market(), speed=speed, environment=environment) as stack:
        wait_for(lambda: stack.rows_written() > 20, PATIENCE_S, "the first signals")
        yield stack


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    with Stack(tmp_path_factory.mktemp("alone"), run_id="moved", sets=market()) as stack:
        assert_sound(stack, stack.finish())
    return stack


def scale(stack, *wishes):
    return stack.orchctl("scale", *wishes, "--wait", str(PATIENCE_S)).stdout


def captures(stack):
    return sorted(str(path) for path in (stack.folder / "data").rglob("*.ofr"))


def source_manifest(stack):
    return json.loads((stack.folder / "artifacts/source_manifest_moved.json").read_text())


def harvest_rows(captured):
    """What harvest makes of captures, by symbol, without what a replay says of itself."""
    replayed = subprocess.run([BIN / "harvest", "--replay", captured[0], *(word for path in captured[1:] for word in ("--replay", path))],
                              capture_output=True, text=True, timeout=60, check=True)
    rows = {symbol: [] for symbol in SYMBOLS}
    for line in replayed.stdout.splitlines():
        row = json.loads(line)
        for key in ("recv_ts_ms", "latency_ms"):
            row["row"].pop(key, None)
        rows[row["symbol"]].append(row)
    return rows


def assert_replays(stack):
    """All that is stored comes out of the captures again, bit for bit; every message in them is accounted for."""
    compared = stack.orchctl("replay", *captures(stack), "--compare", "moved").stdout
    assert compared.count("verdict: same bits") == 1, compared
    assert stack.orchctl("account").returncode == 0
    for symbol, rows in harvest_rows(captures(stack)).items():
        assert [row["sequence"] for row in rows] == list(range(1, len(rows) + 1)), symbol
        assert rows[-1]["kind"] == "control" and rows[-1]["row"]["action"] == "end_of_stream", symbol


def moves(stack):
    log = (stack.folder / "logs/orchestrator/orchestrator.log").read_text()
    return [line for line in log.splitlines() if " Moved " in line and "service=\"harvest\"" in line]


def test_one_to_three_to_one_under_load_changes_no_row(tmp_path, alone):
    with living(tmp_path, speed=3) as stack:  # a fifth of the market is enough for all this, but for a busy machine
        told = scale(stack, "harvest=3", "features=2", "signal=2")
        assert "→ harvest." in told and "harvest has 3 instances now" in told
        scale(stack, "harvest=2")
        scale(stack, "harvest=1", "features=1", "signal=1")
        wait_for(lambda: "UNBALANCED" not in stack.orchctl("account", check=False).stdout, PATIENCE_S, "the figures of those who left")
        scale(stack, "harvest=2")  # what was there before comes back, with its journal and its capture
        assert_sound(stack, stack.finish())
    assert len(moves(stack)) > 8
    assert_equal_rows(alone, stack)
    assert_replays(stack)
    folders = {path.split("/data/")[1].split("/")[0] for path in captures(stack)}
    assert folders == {"raw", "raw-harvest.2", "raw-harvest.3"}
    assert harvest_rows(captures(stack)) == harvest_rows(captures(alone))
    source = source_manifest(stack)
    assert source["symbols"] == SYMBOLS and source["watch_enabled"] is True
    assert [path.split("/")[-1] for path in source["capture_dirs"]] == ["raw", "raw-harvest.2", "raw-harvest.3"]
    later = {name for endpoint in source["ws_endpoints"] for name in endpoint["streams"] if name not in endpoint["url"]}
    assert later, "symbols that moved were subscribed to on a socket that was open already"
    times = {key for key in source_manifest(alone) if key.startswith("session_") and key.endswith("_event_ms")}
    assert len(times) == 2 and all(source_manifest(stack)[key] == source_manifest(alone)[key] for key in times), "those who left count too"
    assert stack.orchctl("why", "--all").stdout.count("verdict: same bits") == 1
    key = json.loads(next(iter(stack.jsonl().values())).splitlines()[-1])
    assert "verdict   same bits" in stack.orchctl("why", key["symbol"], str(key["ts_ms"])).stdout


@pytest.mark.parametrize("point", ["after_leave", "before_release", "after_release", "after_expect", "before_acquire", "after_acquire"])
def test_a_side_that_dies_in_a_move_loses_nothing_that_was_received(tmp_path, point):
    died = tmp_path / "died"
    with living(tmp_path / "run", {"ORDERFLOW_CRASH_POINT": f"harvest/{point}:2:{died}"}, speed=6) as stack:
        scale(stack, "harvest=2")
        scale(stack, "harvest=1")
        stack.finish()
    assert died.exists(), "nobody passed that point"
    assert_replays(stack)


def harvest_ended(stack):
    processes = stack.status()["processes"]
    rows = [row for process in processes if process["name"].startswith("harvest") for row in process["streams"] if row["published"]]
    return len(rows) == len(SYMBOLS) and all(row["ended"] for row in rows)


def test_a_symbol_whose_recording_has_ended_stays_where_it_is_and_the_run_ends(tmp_path):
    with living(tmp_path, speed=8) as stack:
        scale(stack, "harvest=2")
        stack.orchctl("fault", "partition", "report", "--for", "240s", "--force", "--no-wait")  # somebody has not heard of the end yet: the run goes on
        wait_for(lambda: harvest_ended(stack), PATIENCE_S, "the end of the recording")
        told = stack.orchctl("scale", "harvest=1", "--wait", str(PATIENCE_S), check=False)
        assert told.returncode == 1 and "harvest has 2 instances now" in told.stdout, told
        assert "no more, the recording is at its end" in told.stdout
        stack.orchctl("fault", "clear")
        assert stack.finish() == 0, stack.text()[-2000:]
    assert "ending: end of all streams" in stack.text()
    assert_replays(stack)


def accepted(stack, wish):
    """Or the market is over, on a machine that is too busy for all that is wished."""
    return stack.orchctl("scale", wish, check=False).returncode == 0 or "ending: " in stack.text()


def test_random_deaths_while_symbols_move(tmp_path):
    seed = int(os.environ.get("ORDERFLOW_SEED", random.SystemRandom().randrange(1 << 32)))
    print(f"ORDERFLOW_SEED={seed}")
    chance = random.Random(seed)
    with living(tmp_path, speed=6) as stack:
        for _ in range(4):
            wish = f"harvest={chance.randint(1, 3)}"
            wait_for(lambda: accepted(stack, wish), PATIENCE_S, f"{wish} to be accepted")
            victims = [status["pid"] for name, status in sorted(stack.statuses().items()) if name.startswith("harvest")]
            stack.kill_pid(chance.choice(victims))
        wait_for(lambda: accepted(stack, "harvest=1"), PATIENCE_S, "the end of the scaling before")
        stack.finish()
    assert_replays(stack)


def test_there_and_back_while_a_clock_is_behind_for_longer_gives_all_rows_again(tmp_path):
    with living(tmp_path) as stack:
        stack.orchctl("fault", "clock", "harvest", "--amount", "-40000", "--for", "60s", "--force", "--no-wait")
        for wish in ("harvest=2", "harvest=1", "harvest=2"):
            scale(stack, wish)
        stack.orchctl("fault", "clear")
        stack.finish()
    assert len(moves(stack)) > 3
    assert_replays(stack)


def test_a_decision_is_heard_once_by_every_symbol_while_symbols_move(tmp_path):
    with living(tmp_path) as stack:
        assert stack.orchctl("scale", "harvest=3").returncode == 0
        stack.orchctl("direction", "lock", "--who", "test", "--why", "symbols move")
        wait_for(lambda: "harvest has 3 instances now" in stack.text(), PATIENCE_S, "the end of scaling")
        assert_sound(stack, stack.finish())
    for symbol, rows in harvest_rows(captures(stack)).items():
        assert sum(row["kind"] == "control" and row["row"]["decision"] == "lock_direction" for row in rows) == 1, symbol
