"""Twelve seeds of chaos, and that chaos itself would notice: a schedule that repeats, a fault that hits nothing, a row too few."""
import copy
import os
import pathlib
import signal
import sqlite3
import subprocess
import sys
import types

import pytest

import chaos as chaos_module
import compare
import cuts
import inflict
import schedule
import stack as harness

SEEDS = range(1, 13)  # the last two are hurt in front of the capture
HERE = pathlib.Path(__file__).parent


# --- the schedule ---

def schedules(count=300):
    return {seed: schedule.draw(seed, "a recording", 9000) for seed in range(count)}


def test_the_same_seed_gives_the_same_faults_in_another_process():
    program = ("import schedule; print([[fault.text() for fault in schedule.draw(seed, 'a recording', 9000)]"
               " for seed in range(50)])")
    again = subprocess.run([sys.executable, "-c", program], cwd=HERE, capture_output=True, text=True, check=True,
                           env={**os.environ, "PYTHONHASHSEED": "7"})
    assert again.stdout.strip() == str([[fault.text() for fault in schedule.draw(seed, "a recording", 9000)]
                                        for seed in range(50)])


def test_another_seed_another_recording_or_length_gives_other_faults():
    assert schedule.draw(1, "a", 9000) != schedule.draw(2, "a", 9000)
    assert schedule.draw(1, "a", 9000) != schedule.draw(1, "b", 9000)
    assert schedule.draw(1, "a", 9000) != schedule.draw(1, "a", 9001)


def test_every_kind_every_target_and_every_crash_point_comes_up():
    faults = [fault for faults in schedules().values() for fault in faults]
    assert {fault.kind for fault in faults} == set(schedule.KINDS)
    for kind in set(schedule.KINDS) - {"crash"}:
        able = {target.name for target in schedule.TARGETS.values() if not target.kinds or kind in target.kinds}
        assert {name for fault in faults if fault.kind == kind for name in fault.targets} == able, kind
    assert {(fault.targets[0], fault.point) for fault in faults if fault.kind == "crash"} == {
        (target.name, point) for target in schedule.TARGETS.values() for point in target.crash_points}


def test_a_quarter_of_the_runs_is_hurt_in_front_of_the_capture():
    own = [seed for seed, faults in schedules().items() if schedule.reference_of(faults) == schedule.OWN_CAPTURE]
    assert 0.2 < len(own) / len(schedules()) < 0.3


def test_faults_come_in_order_and_leave_room_for_those_that_last():
    for seed, faults in schedules().items():
        timed = [fault for fault in faults if fault.kind != "crash"]
        ends = [fault.at_row + fault.hold_rows for fault in timed]
        assert all(fault.at_row >= end for fault, end in zip(timed[1:], ends)), seed
        assert all(end < 9000 for end in ends), seed
        assert sum(fault.kind == "crash" for fault in faults) <= 1
        assert all(len(set(fault.targets)) == (2 if fault.kind == "kill_two" else 1) for fault in faults)


# --- the comparison ---

@pytest.fixture
def written():
    rows = {"jsonl": [b"one", b"two"], "ofi": [("1",), ("2",)]}
    return compare.Written(rows, {"a.jsonl": b"one\ntwo\n"}, 9)


def test_equal_runs_are_equal(written):
    found = compare.difference(written, copy.deepcopy(written))
    assert found.equal() and found.compared == 4


@pytest.mark.parametrize("change, expected", [
    (lambda rows: rows.pop(), (1, 0, 0)),
    (lambda rows: rows.append(rows[0]), (0, 1, 0)),
    (lambda rows: rows.append(("3",)), (0, 0, 1)),
    (lambda rows: rows.__setitem__(0, ("3",)), (1, 0, 1)),
    (lambda rows: rows.reverse(), (0, 0, 0)),
])
def test_a_row_lost_doubled_changed_or_out_of_place_is_told(written, change, expected):
    other = copy.deepcopy(written)
    change(other.rows["ofi"])
    found = compare.difference(written, other)
    assert (found.lost, found.doubled, found.strange) == expected
    assert not found.equal() and found.sentences


def test_a_shard_that_differs_is_told(written):
    other = copy.deepcopy(written)
    other.shards["b.jsonl"] = other.shards.pop("a.jsonl")
    assert len(compare.difference(written, other).sentences) == 2


def test_the_cut_reads_the_receive_times_of_both_text_formats():
    assert cuts.received_s(b'1723161255123456789 {"stream":"x"}') == pytest.approx(1723161255.123456789)
    assert cuts.received_s(b'1680652700123456 {}') == pytest.approx(1680652700.123456)
    assert cuts.received_s(b'1617647797.25: {}') == 1617647797.25
    assert cuts.received_s(b'https://fapi.binance.com/x?symbol=A -> 1617647797.5: {}') == 1617647797.5
    assert cuts.received_s(b"configuration: {}") is None


# --- what is done ---

class Watching:
    """A run in which the first life to be hit has just ended."""

    def __init__(self):
        self.answers = [[(None, "signal has no process of generation 1 now")], [({"pid": 12}, None)]]

    def ask(self, *unused):
        return self.answers.pop(0)

    def process(self, name):
        return {"name": name, "state": "running", "pid": 10 + len(self.answers), "generation": 3 - len(self.answers)}

    def wait_rows(self, row, seconds):
        return row

    def position(self, name):
        return 0


def test_who_has_just_ended_is_hit_in_the_next_life():
    stack = types.SimpleNamespace(process=types.SimpleNamespace(poll=lambda: None))
    deed = inflict.Inflictor(stack, Watching()).one(schedule.Fault("kill", ("signal",), at_row=1))
    assert not deed.nothing and [(hit.pid, hit.generation) for hit in deed.hits] == [(12, 2)]


# --- the whole ---

@pytest.fixture(scope="module")
def chaos(tmp_path_factory):
    if any(harness.recording(name) is None for name in cuts.RECORDINGS):
        pytest.skip("the recordings are not here")
    # Socket paths must stay short, which pytest's own folders are not.
    with harness_folder() as folder:
        yield chaos_module.Chaos(folder, [harness.recording(name) for name in cuts.RECORDINGS])


def harness_folder():
    import tempfile
    return tempfile.TemporaryDirectory(prefix="ofc-", ignore_cleanup_errors=True)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_disturbed_run_equals_the_undisturbed_one(chaos, seed):
    outcome = chaos.run(seed)
    assert not outcome.mistakes, f"repeat with: ./run chaos --seed {seed}"
    assert outcome.difference.compared > 10000 and outcome.difference.equal()


def test_a_fault_that_touched_nothing_fails(chaos, monkeypatch):
    never = schedule.Fault("crash", ("archive",), point="after_commit", passing=100000)
    late = schedule.Fault("kill", ("signal",), at_row=10**9)
    monkeypatch.setattr(schedule, "draw", lambda *unused: [never, late])
    outcome = chaos.run(2)
    assert len(outcome.mistakes) == 2 and all("TOUCHED NOTHING" in mistake for mistake in outcome.mistakes), outcome.mistakes
    assert "never came to passing" in outcome.mistakes[0] and "the run was over" in outcome.mistakes[1]


class OneKilledBehindOurBack(inflict.Inflictor):
    """Hurts one daemon that its schedule does not name."""

    def wait_row(self, row):
        rows = super().wait_row(row)
        os.kill(self.watch.process("broker")["pid"], signal.SIGKILL)
        return rows


def test_a_restart_that_nobody_caused_fails(chaos, monkeypatch):
    monkeypatch.setattr(schedule, "draw", lambda *unused: [schedule.Fault("kill", ("signal",), at_row=2000)])
    monkeypatch.setattr(inflict, "Inflictor", OneKilledBehindOurBack)
    outcome = chaos.run(2)
    assert len(outcome.mistakes) == 1 and "nobody had touched it" in outcome.mistakes[0], outcome.mistakes


@pytest.mark.parametrize("taken", [None, "signals.db", "a gap event"])
def test_a_run_that_missed_something_equals_the_replay_of_its_own_capture(chaos, monkeypatch, taken):
    """And is found to differ from it when something is taken from its sinks, or a hole from their rows."""
    monkeypatch.setattr(schedule, "draw", lambda *unused: [schedule.Fault("kill", ("harvest",), at_row=2000)])
    real = compare.own_difference

    def own_difference(stack, folder):
        if taken == "signals.db":
            with sqlite3.connect(stack.folder / "runtime/signals.db") as database:
                database.execute("delete from signals where rowid = (select max(rowid) from signals)")
        if taken == "a gap event":
            parquet = stack.parquet
            stack.parquet = lambda kind, **how: [row for row in parquet(kind, **how) if '"gap_kind":"trade_id"' not in row.get("meta_json", "")]
        return real(stack, folder)

    monkeypatch.setattr(compare, "own_difference", own_difference)
    outcome = chaos.run(0)
    assert outcome.difference.compared > 10000 and bool(outcome.mistakes) == bool(taken), outcome.mistakes
