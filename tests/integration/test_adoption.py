"""The orchestrator may die at any moment: its daemons do not notice, and another one goes on with the run."""
import os
import random
import signal
import subprocess
import time

import control
import pytest
from fakes import MANY, Mortal, PATIENCE_S, SERVICES, alive, gated

ROUNDS = 100


def test_no_daemon_notices_and_the_run_ends_as_if_nothing_had_happened(run):
    before = run.pids()
    run.kill()
    assert all(alive(pid) for pid in before.values())
    told = run.orchctl("status")
    assert told.returncode == 1 and "but its daemons are: start `orchestrator` here again" in told.stderr
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


@pytest.mark.parametrize("run", [{"run.output_dir": "elsewhere"}], indirect=True)
def test_a_run_is_not_over_because_its_bus_is_elsewhere(run):
    run.kill()
    told = run.orchctl("status")
    assert told.returncode == 1 and "but its daemons are" in told.stderr
    shown, cleaned = run.orchctl("manifest"), run.orchctl("clean")
    assert shown.returncode == 0 and "is still going on" in shown.stderr, shown.stderr
    assert cleaned.returncode == 1 and "still alive here" in cleaned.stderr
    run.start_again().wait_line("run test goes on")
    run.process.send_signal(signal.SIGINT)
    assert run.finish() == 0, run.text()


def test_what_has_been_answered_is_known_to_the_orchestrator_that_comes_after(programs, tmp_path, monkeypatch):
    """Else it would end what a person has paused for a hang."""
    monkeypatch.setenv("ORDERFLOW_CRASH_POINT", f"orchestrator/answered:1:{tmp_path}/died")
    with Mortal(programs, tmp_path / "run") as run:
        run.wait_line("go: all ready")
        asking = run.popen("pause", "broker")
        assert run.process.wait(PATIENCE_S) == -signal.SIGKILL
        asking.kill()  # its answer may have died with the orchestrator
        asking.wait(PATIENCE_S)
        run.start_again()
        run.answering()
        assert run.process_status("broker")["state"] == "paused"
        assert run.orchctl("resume", "broker").returncode == 0
        run.wait_for(lambda: run.process_status("broker")["health"] == "healthy", "health of broker")
        assert run.process_status("broker")["restart_count"] == 0
        run.process.send_signal(signal.SIGINT)
        assert run.finish() == 0, run.text()


def all_back(processes, expected):
    """They, when all are up and have been restarted so often, which they would never be again had there been one more."""
    up = all(process["state"] in ("ready", "running") for process in processes.values())
    return up and {name: process["restart_count"] for name, process in processes.items()} == expected and processes


@pytest.mark.parametrize("run", [MANY], indirect=True)
def test_a_hundred_orchestrators_and_never_two_of_a_kind(run):
    """No child is restarted that was not hurt, and at no moment do two of a name live: each is its own witness of that."""
    seed = random.randrange(1 << 30)
    print(f"seed {seed}")
    chance = random.Random(seed)
    expected = dict.fromkeys(SERVICES, 0)
    back_ms = []
    with control.Control(run.folder) as ctl:
        for number in range(1, ROUNDS + 1):
            before = {name: process["pid"] for name, process in ctl.status().items()}
            victim = chance.choice(SERVICES)
            moment = chance.choice(("before", "while dead", "none", "none"))
            if moment == "before":
                ctl.ask("kill", name=victim)
            run.kill()
            if moment == "while dead":
                os.kill(before[victim], signal.SIGKILL)
            begun = time.monotonic()
            run.start_again()
            identity = ctl.send("status")
            while not ctl.receive(identity, 50):
                identity = ctl.send("status")
            back_ms.append((time.monotonic() - begun) * 1000)
            expected[victim] += moment != "none"
            after = run.wait_for(lambda: all_back(ctl.status(), expected), f"{expected} in round {number}: {victim} {moment}")
            for name in SERVICES:
                hurt = name == victim and moment != "none"
                assert (after[name]["pid"] != before[name]) == hurt, f"round {number}: {name}, {victim} {moment}"
            assert len(run.children("harvest")) == 1
        assert ctl.itself()["adoptions"] == ROUNDS
    assert not (run.folder / "fake/doubled").exists(), (run.folder / "fake/doubled").read_text()
    assert {name: len(run.children(name)) for name in SERVICES} == dict.fromkeys(SERVICES, 1)
    log = run.log()
    assert log.count("exit_signal=\"KILL\"") >= sum(expected.values()), "how they ended was not forgotten"
    back_ms.sort()
    print(f"control back after p50 {back_ms[ROUNDS // 2]:.0f} ms, p99 {back_ms[-2]:.0f} ms")
    run.process.send_signal(signal.SIGINT)
    assert run.finish() == 0


def test_the_witness_would_tell(run):
    """A second copy, started by hand in the folder, is told of: the test above can fail."""
    second = subprocess.run([run.programs / "broker", "--effective", "runtime/effective_config.json", "--instance", "broker"],
                            cwd=run.folder, timeout=PATIENCE_S, capture_output=True)
    assert second.returncode == 5  # the bus refuses a second one of the name
    assert (run.folder / "fake/doubled").read_text() == "broker generation 0\n"
    run.process.send_signal(signal.SIGINT)
    assert run.finish() == 0


def test_a_restart_that_was_waiting_still_waits_and_its_budget_is_kept(programs, tmp_path):
    sets = {"supervisor.backoff_initial_ms": 1000, "supervisor.backoff_factor": 1, "supervisor.max_restarts": 4}
    with Mortal(programs, tmp_path, behave={"broker": "crash_after_ms=0"}, sets=sets) as run:
        run.wait_for(lambda: run.folder.joinpath("out").read_text().count("broker restarted") >= 2, "two restarts")
        run.kill()
        run.start_again().wait_line("broker is degraded")
        status = run.process_status("broker")
        assert status["restart_count"] == 4, "the budget of the whole run, not of one orchestrator"
        run.process.send_signal(signal.SIGINT)
        assert run.finish() == 4
    assert len(run.manifest()["processes"]["broker"]["restarts"]) == 5


def test_who_had_made_progress_and_died_with_the_orchestrator_comes_back_at_once(run):
    with control.Control(run.folder) as ctl:
        def works():
            process = ctl.status("signal")
            return process["state"] == "running" and (process["heartbeat"] or {}).get("progress", 0) > 0 and process["pid"]

        for _ in range(8):  # more than the budget of those without progress
            pid = run.wait_for(works, "progress of signal")
            run.kill()
            os.kill(pid, signal.SIGKILL)
            run.start_again()
            run.wait_for(lambda: ctl.status("signal")["pid"] not in (None, pid), "another signal")
        assert ctl.status("signal")["restart_count"] == 8
    run.process.send_signal(signal.SIGINT)
    assert run.finish() == 0
    assert {restart["delay_ms"] for restart in run.manifest()["processes"]["signal"]["restarts"]} == {0}


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
    for at in range(0, len(damaged), 1000):  # both of its places
        damaged[at] ^= 1
    path.write_bytes(damaged)
    run.start_again()
    assert run.finish() == 2
    assert "orchestrator.state cannot be read" in run.text() and "still alive in this folder" in run.text()
    assert all(alive(pid) for pid in before.values())


@pytest.mark.parametrize("point", ["keeper_begun", "keeper_told"])
@pytest.mark.parametrize("name", ["harvest", "broker"])
def test_one_that_died_at_the_birth_of_a_keeper_finds_its_slot(programs, tmp_path, monkeypatch, point, name):
    """The keeper exists, and has not done anything: no second copy, no restart, nobody given up."""
    programs = gated(programs, tmp_path / "bin", name)
    monkeypatch.setenv("ORDERFLOW_CRASH_POINT", f"orchestrator/{point}:{SERVICES.index(name) + 1}:{tmp_path}/died")
    with Mortal(programs, tmp_path / "run") as run:
        assert run.finish() == -signal.SIGKILL
        run.start_again().wait_line("run test goes on")
        (programs / "gate").touch()
        run.wait_line("go: all ready")
        assert {service: len(run.children(service)) for service in SERVICES} == dict.fromkeys(SERVICES, 1)
        assert not (run.folder / "fake/doubled").exists(), (run.folder / "fake/doubled").read_text()
        assert {process["restart_count"] for process in run.status()["processes"]} == {0}
        assert {process["generation"] for process in run.status()["processes"]} == {1}
        assert len(run.children("keeper") + run.children("keeper-itself")) == len(SERVICES)
        run.process.send_signal(signal.SIGINT)
        assert run.finish() == 0, run.text()
    assert run.children("keeper-itself") == []


@pytest.mark.parametrize("point", ["before_conclude:1", *(f"concluding:{n}" for n in range(1, 5)), "after_conclude:1", "released:1"])
def test_one_that_died_while_it_concluded_is_concluded(programs, tmp_path, monkeypatch, point):
    monkeypatch.setenv("ORDERFLOW_CRASH_POINT", f"orchestrator/{point}:{tmp_path}/died")
    with Mortal(programs, tmp_path, "--minutes", "0.001") as run:
        assert run.finish() == -signal.SIGKILL
        run.start_again()
        assert run.finish() == 0, run.text()
        manifest = run.manifest()
        assert manifest["state"] == "finished" and manifest["exit_code"] == 0
        assert manifest["shutdown_order"] == SERVICES[::-1]
        assert not list((run.folder / "runtime").glob("orchestrator.state"))
