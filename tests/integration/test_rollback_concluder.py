"""Whoever concludes a run beside the next one may be killed, and what he has started may hang: the orchestrator waits for nobody without a limit, hears of
every end without looking for it, and leaves no dead process behind where orphans come to it, as in a container."""
import json
import os
import re
import shutil
import signal
import time

import pytest

import fakes
from fakes import Mortal
from left_behind import begun, concluded, concluder, hold, hold_ledger, let_go, unreaped

SUBREAPER = "import ctypes, os, sys; ctypes.CDLL(None).prctl(36, 1, 0, 0, 0); os.execv(sys.argv[1], sys.argv[1:])"
WATCHED_S = 2
ATTEMPTS = 5  # who waits for a busy disk goes to sleep for that, too, but not for long
WAKE_UPS_PER_S_MAX = 4


def left(programs, tmp_path, ledger):
    """A run whose orchestrator gets the orphans; its ledger hangs as that script says."""
    run = Mortal(hold_ledger(shutil.copytree(programs, tmp_path / "bin", symlinks=True), tmp_path / "run", ledger), tmp_path / "run")
    run.command = ["/usr/bin/python3", "-c", SUBREAPER, *run.command]
    return run


def held_back(run):
    """Behind a rollback, while the old run's ledger hangs."""
    begun(run)
    os.mkfifo(run.folder / "held")
    assert run.orchctl("rollback").returncode == 0
    return hold(run)


def pressed(run):
    return re.findall(r" conclusion_pressed .*signal=\"(\w*)\"", run.log())


def wake_ups(pid):
    return int(next(line for line in open(f"/proc/{pid}/task/{pid}/status") if line.startswith("voluntary")).split()[1])


def rate(run):
    """How often the orchestrator goes to sleep in a second, over some."""
    before, begun_s = wake_ups(run.process.pid), time.monotonic()
    run.wait_for(lambda: time.monotonic() - begun_s > WATCHED_S, "some time to pass")
    return (wake_ups(run.process.pid) - before) / (time.monotonic() - begun_s)


@pytest.mark.parametrize("ledger, signals", [("read line < '{held}'", ["TERM"]), ("trap '' TERM\nread line < '{held}'", ["TERM", "KILL"])],
                         ids=("obedient", "deaf_to_TERM"))
@pytest.mark.parametrize("adopted", (False, True), ids=("ours", "of_an_orchestrator_that_died"))
def test_what_a_killed_concluder_leaves_is_ended_and_told_and_the_run_is_concluded(programs, tmp_path, ledger, signals, adopted):
    with left(programs, tmp_path, ledger) as run:
        end = held_back(run)
        if adopted:
            run.kill()
            run.start_again()
            run.answering()
            run.wait_for(lambda: run.status()["concluding"] == ["test"], "the conclusion in hand")
        os.kill(concluder(run), signal.SIGKILL)
        run.wait_for(lambda: pressed(run) == signals, f"signals {signals}")
        run.wait_for(lambda: run.log().count(" concluding run_id=test-r2 ") == 2, "another attempt")
        let_go(run, end)
        assert concluded(run)["final"]
        assert unreaped(run) == []
        run.process.send_signal(signal.SIGINT)
        assert run.finish() == 0, run.text()


def test_an_orchestrator_that_has_ended_waits_for_a_conclusion_asleep_and_not_for_one_that_nobody_is_at(programs, tmp_path):
    with left(programs, tmp_path, "trap '' TERM\nread line < '{held}'") as run:
        end = held_back(run)
        run.process.send_signal(signal.SIGINT)
        run.wait_for(lambda: run.status()["phase"] == "ended", "the end of the processes")
        measured = [rate(run)]
        while measured[-1] > WAKE_UPS_PER_S_MAX and len(measured) < ATTEMPTS:
            measured.append(rate(run))
        assert measured[-1] <= WAKE_UPS_PER_S_MAX, f"somebody looks again and again: {measured}"
        os.kill(concluder(run), signal.SIGKILL)
        run.wait_for(lambda: pressed(run) == ["TERM", "KILL"], "an end of what hangs")
        let_go(run, end)
        assert run.finish() == 0, run.text()
    assert run.manifest()["final"]


def test_whoever_wants_the_evidence_of_a_run_that_is_being_concluded_is_told_so_and_how_to_wait(programs, tmp_path):
    with left(programs, tmp_path, "read line < '{held}'") as run:
        for name in ("evidence", "validate", "report_again"):
            os.symlink(fakes.BUILD / "bin" / name, tmp_path / "bin" / name)
        end = held_back(run)
        sentence = "run test has ended and is still being concluded: "
        built, as_json = (run.orchctl("evidence", "build", "--run-id", "test", *how) for how in ((), ("--json",)))
        assert (built.returncode, as_json.returncode) == (1, 1) and json.loads(as_json.stdout)["final"] is False
        assert sentence + "wait until `orchctl status` names it no more under `concluding`" in built.stderr and built.stderr == as_json.stderr
        for verb in ("validate", "parity"):
            assert f"orchctl: {sentence}its rows are all there" in run.orchctl(verb, "--run-id", "test").stderr
        assert "still being concluded" not in run.orchctl("parity").stderr, "the newest run is another one"
        run.kill()
        assert sentence + "an orchestrator started here goes on with that" in run.orchctl("evidence", "build", "--run-id", "test").stderr
        run.start_again()
        run.answering()
        let_go(run, end)
        concluded(run)
        assert "concluded" not in run.orchctl("evidence", "build", "--run-id", "test").stderr
        os.unlink(run.folder / "held")
        os.mkfifo(run.folder / "held")
        run.process.send_signal(signal.SIGINT)
        end = hold(run)
        assert "run test-r2 has ended and is still being concluded: wait until its orchestrator has ended" in run.orchctl("evidence", "build").stderr
        let_go(run, end)
        assert run.finish() == 0, run.text()
