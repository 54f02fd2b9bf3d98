"""The orchestrator may die at any moment: its daemons do not notice, and another one goes on with the run."""
import os
import random
import signal
import subprocess

import pytest

from test_orchestrator import PATIENCE_S, SERVICES, Run, programs  # noqa: F401 (a fixture)

ROUNDS = 12


class Mortal(Run):
    """A Run whose orchestrator can be killed and started again."""

    def kill(self):
        self.process.kill()
        self.process.wait(PATIENCE_S)

    def start_again(self):
        self.output.close()
        return self.__enter__()

    def pids(self):
        return {process["name"]: process["pid"] for process in self.status()["processes"]}

    def answering(self):
        return self.wait_for(lambda: self.orchctl("status", "--json").stdout.startswith("{"), "the control socket")

    def children(self, name):
        """Living processes of that name in the run's folder."""
        found = []
        for entry in filter(str.isdigit, os.listdir("/proc")):
            try:
                command = open(f"/proc/{entry}/cmdline").read().split("\0")
                if os.readlink(f"/proc/{entry}/cwd") == str(self.folder) and command[0].endswith(f"/{name}"):
                    found.append(int(entry))
            except OSError:
                pass
        return found


def alive(pid):
    try:
        return open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


@pytest.fixture
def run(programs, tmp_path):  # noqa: F811
    with Mortal(programs, tmp_path) as run:
        run.wait_line("go: all ready")
        yield run


def test_no_daemon_notices_and_the_run_ends_as_if_nothing_had_happened(run):
    before = run.pids()
    run.kill()
    assert all(alive(pid) for pid in before.values())
    run.start_again().wait_line("run test goes on")
    run.answering()
    assert run.pids() == before
    assert {process["restart_count"] for process in run.status()["processes"]} == {0}
    assert {process["generation"] for process in run.status()["processes"]} == {1}
    run.process.send_signal(signal.SIGINT)
    assert run.finish() == 0, run.text()
    manifest = run.manifest()
    assert manifest["state"] == "finished" and manifest["shutdown_order"] == SERVICES[::-1]
    assert manifest["processes"]["harvest"]["started_at"] < manifest["processes"]["report"]["ready_at"]
    assert "goes on" not in run.log() and "Adopting" in run.log()
    assert not list((run.folder / "runtime").glob("orchestrator.state")), "nothing is left to adopt"
    for name in ("keeper", *SERVICES):
        assert run.children(name) == []


def test_again_and_again_and_never_two_of_a_kind(run):
    seed = random.randrange(1 << 30)
    print(f"seed {seed}")
    chance = random.Random(seed)
    expected = dict.fromkeys(SERVICES, 0)
    for number in range(1, ROUNDS + 1):
        victim = chance.choice(SERVICES)
        moment = chance.choice(("before", "while dead", "none"))
        pid = run.pids()[victim]
        if moment == "before":
            assert run.orchctl("kill", victim).returncode == 0
        run.kill()
        if moment == "while dead":
            os.kill(pid, signal.SIGKILL)
        run.start_again().wait_line("run test goes on")
        run.answering()
        expected[victim] += moment != "none"
        run.wait_for(lambda: all(process["state"] in ("ready", "running") for process in run.status()["processes"]),
                     f"all of them in round {number}")
        assert {name: len(run.children(name)) for name in SERVICES} == dict.fromkeys(SERVICES, 1)
        counts = {process["name"]: process["restart_count"] for process in run.status()["processes"]}
        assert counts == expected, f"round {number}, {victim} {moment}"
    log = run.log()
    assert log.count("exit_signal=\"KILL\"") >= sum(expected.values()), "how they ended was not forgotten"
    run.process.send_signal(signal.SIGINT)
    assert run.finish() == 0


def test_a_restart_that_was_waiting_still_waits_and_its_budget_is_kept(programs, tmp_path):  # noqa: F811
    sets = {"supervisor.backoff_initial_ms": 300, "supervisor.backoff_factor": 1, "supervisor.max_restarts": 4}
    with Mortal(programs, tmp_path, behave={"broker": "crash_after_ms=0"}, sets=sets) as run:
        run.wait_for(lambda: run.folder.joinpath("out").read_text().count("broker restarted") >= 2, "two restarts")
        run.kill()
        run.start_again().wait_line("broker is degraded")
        status = run.process_status("broker")
        assert status["restart_count"] == 4, "the budget of the whole run, not of one orchestrator"
        run.process.send_signal(signal.SIGINT)
        assert run.finish() == 4
    assert len(run.manifest()["processes"]["broker"]["restarts"]) == 5


def test_another_run_is_not_begun_in_its_folder(run):
    run.kill()
    index = run.command.index("test")
    run.command[index] = "other"
    run.start_again()
    assert run.finish() == 2
    assert "run test still lives" in run.text()
    run.command[index] = "test"
    run.start_again().wait_line("run test goes on")
    run.process.send_signal(signal.SIGINT)
    assert run.finish() == 0


def test_a_second_orchestrator_leaves_the_first_unharmed(run):
    before = run.pids()
    second = subprocess.run(list(map(str, run.command)), cwd=run.folder, capture_output=True, text=True, timeout=PATIENCE_S)
    assert second.returncode == 2
    assert "another orchestrator" in second.stderr
    assert run.pids() == before
    run.process.send_signal(signal.SIGINT)
    assert run.finish() == 0


def test_a_damaged_record_is_refused_and_said(run):
    before = run.pids()
    run.kill()
    path = run.folder / "runtime/orchestrator.state"
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    path.write_bytes(damaged)
    run.start_again()
    assert run.finish() == 2
    assert "orchestrator.state cannot be read" in run.text() and "still alive in this folder" in run.text()
    assert all(alive(pid) for pid in before.values())


@pytest.mark.parametrize("point", ["before_conclude:1", *(f"concluding:{n}" for n in range(1, 5)), "after_conclude:1"])
def test_one_that_died_while_it_concluded_is_concluded(programs, tmp_path, monkeypatch, point):  # noqa: F811
    monkeypatch.setenv("ORDERFLOW_CRASH_POINT", f"orchestrator/{point}:{tmp_path}/died")
    with Mortal(programs, tmp_path, "--minutes", "0.001") as run:
        assert run.finish() == -signal.SIGKILL
        run.start_again()
        assert run.finish() == 0, run.text()
        manifest = run.manifest()
        assert manifest["state"] == "finished" and manifest["exit_code"] == 0
        assert manifest["shutdown_order"] == SERVICES[::-1]
        assert not list((run.folder / "runtime").glob("orchestrator.state"))
