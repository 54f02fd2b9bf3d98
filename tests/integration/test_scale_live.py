"""Symbols move between live instances, and nobody can tell it from the rows: whatever is scaled, and whoever is killed at whatever
step of a hand-over, everything the run wrote is equal, byte for byte, to what the run with one instance of each wrote, and the
ledger balances with the same figures."""
import contextlib
import json
import os
import random

import pytest

from stack import UNHURRIED, Stack, assert_equal_runs, assert_sound, wait_for

SYMBOLS = [f"{letter * 3}USDT" for letter in "ABCDEFG"]
PATIENCE_S = 60
BRAKE_BYTES = 2_200_000  # of some 3,700,000: time enough to stand still


def market(**more):
    names = ",".join(SYMBOLS)
    return {**UNHURRIED, "run.symbols": names, "simulator.symbols": names, "simulator.minutes": 2, "simulator.rate": 20,
            "simulator.seed": 5,
            # hours of rows are handed over with a symbol: here minutes of them, with fits on them
            "eval.step_ms": 100, "eval.train_s": 600, "eval.test_s": 60, "eval.horizons_s": 5, "eval.primary_horizon_s": 5, **more}


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    with Stack(tmp_path_factory.mktemp("alone"), run_id="live", sets=market()) as stack:
        assert_sound(stack, stack.finish())
    return stack


@contextlib.contextmanager
def living(folder, crash_point=None, speed=12):
    """A run at work, whose market is not over before all has been done to it: symbols move, too, while nothing comes."""
    environment = {"ORDERFLOW_CRASH_POINT": crash_point} if crash_point else {}
    with Stack(folder, run_id="live", sets=market(), speed=speed, environment=environment) as stack:
        stack.brake(BRAKE_BYTES)
        wait_for(lambda: stack.rows_written() > 20, PATIENCE_S, "the first signals")
        yield stack


def test_the_runs_compared_here_have_a_calibration(alone):
    assert sum(row["calibration_state"] == "active" for row in alone.parquet("fusion")) > 100


def scale(stack, *wishes):
    return stack.orchctl("scale", *wishes, "--wait", str(PATIENCE_S)).stdout


def accepted(stack, *wishes):
    """Asks until the scaling before has ended, or the market is over, on a machine that is too busy for all that is wished."""
    wait_for(lambda: stack.orchctl("scale", *wishes, check=False).returncode == 0 or "ending: " in stack.text(), PATIENCE_S,
             f"{wishes} to be accepted")


def plan(stack, service):
    return json.loads((stack.folder / "runtime/plan.json").read_text())["services"][service]


def test_one_to_four_to_one_under_load_changes_no_row(tmp_path, alone):
    with living(tmp_path) as stack:
        told = scale(stack, "features=2", "signal=4")
        assert plan(stack, "signal")["instances"] == ["signal", "signal.2", "signal.3", "signal.4"]
        assert "→ signal." in told and "signal has 4 instances now" in told
        refused = stack.orchctl("scale", "signal=65", check=False)
        assert refused.returncode == 2 and "from 1 to 64" in refused.stderr
        refused = stack.orchctl("scale", "broker=2", check=False)
        assert refused.returncode == 2 and "broker" in refused.stderr
        (killed,) = [line for line in stack.orchctl("kill", "signal.3", "--wait", "30").stdout.splitlines() if "signal KILL" in line]
        assert killed.startswith("signal.3 ")
        told = scale(stack, "features=1", "signal=1")
        assert "signal has 1 instance now: " in told and "features has 1 instance now: " in told
        assert plan(stack, "signal")["instances"] == ["signal"]
        processes = {p["name"]: p["state"] for p in json.loads(stack.orchctl("status", "--json", check=False).stdout)["processes"]}
        assert processes["signal.2"] in ("stopped", "stopping") and processes["signal"] == "running"
        refused = stack.orchctl("start", "signal.2", check=False)
        assert refused.returncode == 1 and "scaled away" in refused.stderr
        # it comes back under its name, with its journal
        *moves, scaled, done = map(json.loads, stack.orchctl("scale", "signal=2", "--json", "--wait", str(PATIENCE_S)).stdout.splitlines())
        assert {move["event"] for move in moves} <= {"Moved"} and (scaled["event"], scaled["name"], scaled["instances"]) == ("Scaled", "signal", 2)
        assert done["event"] == "ScaleDone"
        assert_sound(stack, stack.finish())
    assert_equal_runs(alone, stack)
    moved = [line for line in (tmp_path / "logs/orchestrator/orchestrator.log").read_text().splitlines() if " Moved " in line]
    assert len(moved) > 8


@pytest.mark.parametrize("point", ["signal/before_release", "signal/after_release", "signal/before_acquire", "signal/after_acquire",
                                   "features/after_release"])
def test_a_side_that_dies_comes_back_as_before_its_commit_or_behind_it(tmp_path, alone, point):
    died = tmp_path / "died"
    with living(tmp_path / "run", f"{point}:1:{died}", speed=20) as stack:
        scale(stack, "features=3", "signal=3")
        assert_sound(stack, stack.finish())
    assert died.exists(), "nobody passed that point"
    assert_equal_runs(alone, stack)


@pytest.mark.parametrize("point", ["move_asked:2", "after_plan:3"])
def test_an_orchestrator_that_dies_is_succeeded_at_the_same_step(tmp_path, alone, point):
    died = tmp_path / "died"
    with living(tmp_path / "run", f"orchestrator/{point}:{died}", speed=20) as stack:
        stack.orchctl("scale", "signal=3", "--wait", "60", check=False)  # its orchestrator dies under it
        stack.process.wait(PATIENCE_S)
        assert died.exists(), "nobody passed that point"
        stack.output.close()
        stack.__enter__()  # another one, in the same folder
        wait_for(lambda: len(plan(stack, "signal")["instances"]) == 3 and
                 "signal has 3 instances now" in stack.text(), PATIENCE_S, "the end of scaling")
        assert_sound(stack, stack.finish())
    assert_equal_runs(alone, stack)


def test_no_step_is_taken_before_the_disk_takes_the_plan(tmp_path, alone):
    log = tmp_path / "logs/orchestrator/orchestrator.log"
    in_the_way = tmp_path / "runtime/.plan.json.tmp"  # where the next plan is written before it takes its name

    def scaled_through_a_refusal(wish, says):
        before = log.read_text().count("plan_written")
        in_the_way.mkdir()
        refused = log.read_text().count("plan.json cannot be written")
        begun = json.loads(stack.orchctl("scale", wish, "--json").stdout)
        assert begun["run_id"] == "live" and begun["plan_version"] >= 1
        wait_for(lambda: log.read_text().count("plan.json cannot be written") > refused, PATIENCE_S, "the refusal")
        yield
        assert log.read_text().count("plan_written") == before
        in_the_way.rmdir()
        wait_for(lambda: says in stack.text(), PATIENCE_S, says)
        assert log.read_text().count("plan_written") == before + 1
        yield

    with living(tmp_path) as stack:
        growing = scaled_through_a_refusal("signal=2", "signal has 2 instances now")
        next(growing)
        assert plan(stack, "signal")["instances"] == ["signal"]
        assert "signal.2" not in stack.statuses()  # who is not in the plan is not started
        next(growing)
        shrinking = scaled_through_a_refusal("signal=1", "signal has 1 instance now")
        next(shrinking)  # the first symbol has arrived
        assert "signal.2" in plan(stack, "signal")["instances"]
        next(shrinking)
        assert_sound(stack, stack.finish())
    assert_equal_runs(alone, stack)


def test_random_deaths_while_symbols_move_change_no_row(tmp_path, alone):
    seed = int(os.environ.get("ORDERFLOW_SEED", random.SystemRandom().randrange(1 << 32)))
    print(f"ORDERFLOW_SEED={seed}")
    chance = random.Random(seed)
    with living(tmp_path, speed=12) as stack:
        for _ in range(4):
            wishes = [f"features={chance.randint(1, 3)}", f"signal={chance.randint(1, 4)}"]
            accepted(stack, *wishes)
            for _ in range(3):
                victims = [status["pid"] for name, status in sorted(stack.statuses().items())
                           if name.split(".")[0] in ("features", "signal")]
                stack.kill_pid(chance.choice(victims))
        accepted(stack, "signal=2")
        assert_sound(stack, stack.finish())
    assert_equal_runs(alone, stack)
