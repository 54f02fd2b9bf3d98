"""One input, one output: whatever happens on the way, the run's rows are those of the undisturbed run."""
import json
import os
import random
import signal
import subprocess

import pytest

import replay
import stack as harness

RECORDING = "usdm/btcusdt_20240808.gz"
CUT_LINES = 24000  # about 100 s of market: minutes change, files rotate, modes are decided
SEED = int(os.environ.get("ORDERFLOW_SEED", "20240808"))
# The minute that the recording crosses is a boundary of the calibration, with rows enough before it.
SETS = {"eval.step_ms": 100, "eval.train_s": 600, "eval.test_s": 60, "eval.horizons_s": 5, "eval.primary_horizon_s": 5,
        "eval.auto_flip": "true", **harness.UNHURRIED}  # nor does a market that is held hang
BRAKE_BYTES = 5_900_000  # of some 7,300,000: rows enough for all kills, and time enough to stand still


def stack_of(folder, capture, *, sets=None, **options):
    return harness.Stack(folder, [capture], sets={**SETS, **(sets or {})}, **options)


@pytest.fixture(scope="module")
def capture(tmp_path_factory):
    return harness.cut(harness.needed(RECORDING), CUT_LINES, tmp_path_factory.mktemp("capture"))


@pytest.fixture(scope="module")
def undisturbed(capture, tmp_path_factory):
    stack = stack_of(tmp_path_factory.mktemp("undisturbed"), capture)
    with stack:
        harness.assert_sound(stack, stack.finish())
    return stack


def test_the_runs_compared_here_have_a_calibration(undisturbed):
    states = [row["calibration_state"] for row in undisturbed.parquet("fusion")]
    assert states.count("active") > 100 and states.count("none") > 100, {state: states.count(state) for state in set(states)}


def run(folder, capture, **options):
    stack = stack_of(folder, capture, **options)
    with stack:
        harness.assert_sound(stack, stack.finish())
    return stack


def test_replay_at_20_times_equals_replay_at_full_speed(capture, undisturbed, tmp_path):
    harness.assert_equal_runs(undisturbed, run(tmp_path, capture, speed=20))


@pytest.mark.parametrize("delay_ms", [50, 500])
def test_the_moment_of_the_rest_answer_changes_nothing(capture, undisturbed, tmp_path, delay_ms):
    harness.assert_equal_runs(undisturbed, run(tmp_path, capture, sets={"simulator.rest_delay_ms": delay_ms}))


def test_frames_cut_at_random_change_nothing(capture, undisturbed, tmp_path):
    harness.assert_equal_runs(undisturbed, run(tmp_path, capture, sets={"bus.recut_seed": SEED}))


def test_a_high_water_mark_of_one_and_a_subscriber_stopped_for_5_s_change_nothing(capture, undisturbed, tmp_path):
    stack = stack_of(tmp_path, capture, speed=20, sets={"bus.high_water_mark": 1})
    with stack:
        harness.wait_for(lambda: stack.rows_written() > 50, 60, "the first rows")
        pid = stack.statuses()["signal"]["pid"]
        os.kill(pid, signal.SIGSTOP)
        harness.wait_for(Elapsed(5), 10, "5 s of standstill")
        os.kill(pid, signal.SIGCONT)
        harness.assert_sound(stack, stack.finish())
    harness.assert_equal_runs(undisturbed, stack)


class Elapsed:
    """True once so many seconds have passed: the time itself is the test's subject here."""

    def __init__(self, seconds):
        import time
        self.clock, self.until = time.monotonic, time.monotonic() + seconds

    def __call__(self):
        return self.clock() >= self.until


def kill_at_rows(stack, kills):
    """[(signal rows written, service)]: kills each service when so many rows are stored."""
    stack.brake(BRAKE_BYTES)
    for rows, service in kills:
        harness.wait_for(lambda: stack.rows_written() >= rows or stack.process.poll() is not None, 60, f"{rows} rows")
        if stack.process.poll() is not None:
            raise AssertionError(f"the run ended before {rows} rows:\n{stack.text()[-3000:]}")
        stack.kill(service)


@pytest.mark.parametrize("service", ["features", "signal", "broker", "archive", "report"])
def test_killing_a_daemon_three_times_changes_nothing(capture, undisturbed, tmp_path, service):
    generator = random.Random(f"{SEED} {service}")
    kills = [(generator.randint(1, 99), service), (generator.randint(150, 300), service),
             (generator.randint(330, 500), service)]  # of some 800: a kill has to be ordered before the run is over
    print(f"seed {SEED}: {kills}")
    stack = stack_of(tmp_path, capture, speed=15)
    with stack:
        kill_at_rows(stack, kills)
        code = stack.finish()
        harness.assert_sound(stack, code)
    assert stack.manifest()["processes"][service]["restart_count"] == 3
    harness.assert_equal_runs(undisturbed, stack)


def test_killing_all_of_them_in_turn_changes_nothing(capture, undisturbed, tmp_path):
    generator = random.Random(SEED)
    services = ["features", "signal", "broker", "archive", "report"] * 2
    generator.shuffle(services)
    kills = sorted(generator.sample(range(20, 600), len(services)))
    kills = list(zip(kills, services))
    print(f"seed {SEED}: {kills}")
    stack = stack_of(tmp_path, capture, speed=12)
    with stack:
        kill_at_rows(stack, kills)
        harness.assert_sound(stack, stack.finish())
    harness.assert_equal_runs(undisturbed, stack)


@pytest.mark.parametrize("service", ["features", "signal", "broker", "archive", "report"])
def test_killing_a_daemon_after_the_end_of_stream_changes_nothing(capture, undisturbed, tmp_path, service):
    """The end has been consumed, sinks and parts are being closed: the daemon dies right then. On a busy machine it may have ended
    before its turn comes: then another run has to do."""
    for attempt in range(10):
        stack = stack_of(tmp_path / f"run-{attempt}", capture)
        with stack:
            pid = harness.wait_for(lambda: stack.statuses().get(service, {}).get("pid"), 60, f"the pid of {service}")
            harness.wait_for(lambda: "ending: end of all streams" in stack.text() or stack.process.poll() is not None, 60,
                             "the end of all streams")
            hit = stack.kill_pid(pid)
            harness.assert_sound(stack, stack.finish())
        harness.assert_equal_runs(undisturbed, stack)
        if hit:
            return
    raise AssertionError(f"{service} had always ended already")


# Passings that a life is sure to come to, also where a busy machine gives each turn as many rows as at full speed.
CRASHES = [f"{program}/{point}_commit:{passing}" for program, passing in (("features", 15), ("signal", 15), ("broker", 5))
           for point in ("before", "after")]
CRASHES += ["signal/after_write:5", "signal/after_rename:1", "broker/after_write:2", "archive/after_rename:2"]


@pytest.mark.parametrize("point", CRASHES)
def test_dying_at_a_crash_point_changes_nothing(capture, undisturbed, tmp_path, point):
    died = tmp_path / "died"
    stack = stack_of(tmp_path / "run", capture, speed=40, environment={"ORDERFLOW_CRASH_POINT": f"{point}:{died}"})
    with stack:
        harness.assert_sound(stack, stack.finish())
    assert died.exists(), "nothing died there"
    assert stack.manifest()["processes"][point.split("/")[0]]["restart_count"] == 1
    harness.assert_equal_runs(undisturbed, stack)


def signals_again(undisturbed, folder, *arguments):
    """The signal rows that the run's own capture gives, and those the run stored."""
    captures = sorted((undisturbed.folder / "data" / "raw").rglob("*.ofr"))
    assert captures
    printed = map(json.loads, replay.lines("signal", captures, *arguments, folder=folder))
    again = [line["row"] for line in printed if line["kind"] == "signal"]
    return sorted(again, key=lambda row: (row["symbol"], row["ts_ms"])), *undisturbed.sqlite_rows()


def assert_same_signals(again, columns, rows):
    assert len(again) == len(rows)
    for new, old in zip(again, rows):
        for name, value in zip(columns, old):
            assert new[name] == value, (name, new, old)  # SQLite's 0 and 1 equal Python's False and True


def test_a_replay_of_the_own_capture_equals_the_run(undisturbed, tmp_path):
    effective = undisturbed.folder / "runtime/effective_config.json"
    assert_same_signals(*signals_again(undisturbed, tmp_path, "--effective", effective))


def test_a_replay_by_hand_takes_from_the_recording_what_a_configuration_does_not_choose(undisturbed, tmp_path):
    """The list of all defaults says BTCUSDT, ETHUSDT and aggregated trades; the recording knows better, whoever is asked how."""
    (tmp_path / "empty.yaml").touch()
    assert_same_signals(*signals_again(undisturbed, tmp_path, "--config", tmp_path / "empty.yaml"))
    assert_same_signals(*signals_again(undisturbed, tmp_path, "--config", harness.ROOT / "config/defaults.yaml"))
    assert_same_signals(*signals_again(undisturbed, tmp_path))


@pytest.mark.parametrize("service", ["archive", "report"])
def test_a_service_without_rows_refuses_to_replay(service, undisturbed, tmp_path):
    capture = next((undisturbed.folder / "data" / "raw").rglob("*.ofr"))
    done = subprocess.run([str(harness.BIN / service), "--replay", str(capture)], cwd=tmp_path, capture_output=True, text=True,
                          timeout=60)
    assert done.returncode == 2 and "makes none" in done.stderr and not list(tmp_path.iterdir()), done
