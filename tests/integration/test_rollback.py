"""Rollback and the direction's lock on real processes: with daemons that behave as a test wants, and with the whole pipeline."""
import json
import re
import signal

import pytest
import stack

from fakes import Mortal, Run
from fingerprints import Folder

HERE = re.compile(r"incident-\d{6}")


def decisions(run):
    """Control inputs in harvest's stream, as far as its last heartbeat tells of it."""
    (harvest,) = [process for process in run.status()["processes"] if process["name"] == "harvest"]
    (stream,) = [stream for stream in harvest["streams"] if stream["stream"] == "harvest/BTCUSDT"]
    tail = run.orchctl("tail", "harvest/BTCUSDT", "--from", "1", "--count", str(stream["last_sequence"])).stdout
    controls = [line["row"]["value_json"] for line in map(json.loads, tail.splitlines()) if line["kind"] == "control"]
    return [json.loads(control) if isinstance(control, str) else control for control in controls]


def begun(run):
    run.wait_line("go: all ready")
    return Folder(run)


def test_a_rollback_ends_when_every_process_tells_the_targets_fingerprint(programs, tmp_path):
    sets = {"signal.weak_threshold": 0.2}
    with Run(programs, tmp_path, "--minutes", 60, "--fault", "broker@400", sets=sets) as run:
        folder = begun(run)
        left = folder.fingerprints()["current"]
        target = folder.mark(signal__weak_threshold=0.31)
        pid = run.process.pid
        done = run.orchctl("rollback", "--who", "me", "--why", "a drill")
        assert done.returncode == 0, done.stderr
        assert run.process.poll() is None and run.process.pid == pid, "whoever waits for the run goes on waiting"
        status = run.status()
        assert status["run_id"] == "test-r2" and status["config_fingerprint"] == target
        assert all(folder.confirmed(target).values()) and len(folder.confirmed(target)) == 6
        assert folder.effective()["signal"]["weak_threshold"] == 0.31
        assert 55 < folder.effective()["run"]["minutes"] < 60, "what was left of the planned minutes"
        assert folder.fingerprints()["current"] == target
        (incident,) = folder.incidents()
        assert incident["action"] == "rollback" and (incident["who"], incident["why"]) == ("me", "a drill")
        assert (incident["fingerprint_from"], incident["fingerprint_to"]) == (left, target)
        assert incident["closed_at"] and incident["metrics_before_after"]["healthy_share"]["before"] is not None
        assert folder.record()["state"] == "done"
        refused = run.orchctl("rollback", target)  # to itself
        assert refused.returncode == 3 and "present configuration" in refused.stderr
        assert folder.incidents()[1]["action"] == "rollback_refused"
        run.process.send_signal(signal.SIGINT)
        assert run.finish() == 0
    assert run.manifest()["config_fingerprint"] == left and run.manifest()["state"] == "finished"
    after = json.loads((tmp_path / "artifacts/run_logs/run_manifest_test-r2.json").read_text())
    assert after["config_fingerprint"] == target and not after["fault_injection"]


def test_a_deaf_process_leaves_the_incident_open(programs, tmp_path):
    with Run(programs, tmp_path, sets={"canary.rollback_timeout_s": 20}) as run:  # time enough for the others
        folder = begun(run)
        folder.mark(signal__weak_threshold=0.31)
        (tmp_path / "fake/features").write_text("deaf\n")
        done = run.orchctl("rollback")
        assert done.returncode == 3
        assert "features" in done.stderr and "stays open" in done.stderr and "broker" not in done.stderr
        (incident,) = folder.incidents()
        assert incident["closed_at"] is None and folder.record()["state"] == "failed"
        run.process.send_signal(signal.SIGINT)
        assert run.finish() == 3, "a rollback that was not confirmed is no success of the run"


@pytest.mark.parametrize("damage, sentence", [
    ("nothing is stable", "no configuration is marked stable"),
    ("its file is another", "not the one it is named after"),
    ("its file is gone", "cannot be used"),
    ("the store is damaged", "fingerprints.json"),
])
def test_a_rollback_without_a_target_is_refused_and_nothing_happens(programs, tmp_path, damage, sentence):
    with Run(programs, tmp_path) as run:
        folder = begun(run)
        if damage != "nothing is stable":
            path = tmp_path / f"state/configs/{folder.mark(signal__weak_threshold=0.31)}.json"
            if damage == "its file is another":
                path.write_text(path.read_text().replace('"weak_threshold": 0.31', '"weak_threshold": 0.32'))
            elif damage == "its file is gone":
                path.unlink()
            else:
                (tmp_path / "state/fingerprints.json").write_text("{")
        before = {process["name"]: process["pid"] for process in run.status()["processes"]}
        done = run.orchctl("rollback")
        assert done.returncode == 3 and sentence in done.stderr and HERE.search(done.stderr), done.stderr
        assert {process["name"]: process["pid"] for process in run.status()["processes"]} == before
        (incident,) = folder.incidents()
        assert incident["action"] == "rollback_refused" and sentence in incident["why"]


def test_a_new_run_that_cannot_begin_fails_the_rollback(programs, tmp_path):
    with Run(programs, tmp_path, sets={"canary.rollback_timeout_s": 60}) as run:
        folder = begun(run)
        folder.mark(signal__weak_threshold=0.31)
        (tmp_path / "fake/harvest").write_text("exit_code=2\n")
        done = run.orchctl("rollback")
        assert done.returncode == 3 and "the run ended before" in done.stderr
        assert run.finish() == 4
        assert folder.incidents()[0]["closed_at"] is None


@pytest.mark.parametrize("point", ["before_conclude", "after_conclude"])
def test_an_orchestrator_that_dies_on_the_way_goes_on_with_the_rollback(programs, tmp_path, point, monkeypatch):
    monkeypatch.setenv("ORDERFLOW_CRASH_POINT", f"orchestrator/{point}:1:{tmp_path}/died")
    with Mortal(programs, tmp_path) as run:
        folder = begun(run)
        target = folder.mark(signal__weak_threshold=0.31)
        waiting = run.popen("rollback")
        assert run.process.wait(60) == -signal.SIGKILL
        run.start_again()
        assert waiting.wait(60) == 0
        assert run.status()["run_id"] == "test-r2" and run.status()["config_fingerprint"] == target
        run.kill()
        run.start_again()  # with the run id of old: it is the run that followed that one
        run.wait_for(lambda: run.orchctl("status", "--json").stdout.startswith("{"), "the control socket")
        assert run.status()["run_id"] == "test-r2" and run.status()["orchestrator"]["adoptions"] == 1


def test_a_drill_that_is_not_confirmed_is_recorded_as_failed(programs, tmp_path):
    with Run(programs, tmp_path, sets={"canary.rollback_timeout_s": 2}) as run:
        folder = begun(run)
        folder.mark(signal__weak_threshold=0.31)
        (tmp_path / "fake/features").write_text("deaf\n")
        told = run.orchctl("rollback", "--drill")
        assert told.returncode == 3 and re.search(r"^drill FAIL: \d+\.\d s of at most 2 s; recorded in", told.stdout.splitlines()[-1]), told
        drill = json.loads((tmp_path / "artifacts/runtime/canary_report/rollback_drill.json").read_text())
        assert drill["verdict"] == "FAIL" and drill["took_ms"] >= 2000 and drill["limit_ms"] == 2000


def test_what_a_rollback_did_is_measured_again_ten_minutes_later(tmp_path):
    sets = {"signal.weak_threshold": 0.2, "simulator.rate": 40, "run.time_scale": 60}  # ten minutes are ten seconds
    with stack.Stack(tmp_path, run_id="one", speed=20, sets=sets, sink="sqlite", arguments=["--gates", "none", "--symbols", "BTCUSDT"]) as run:
        stack.wait_for(lambda: run.rows_written() > 50, 60, "signals")
        folder = Folder(run)
        run.orchctl("rollback", folder.mark(signal__weak_threshold=0.31))
        (incident,) = folder.incidents()
        assert all(pair["after"] is None for pair in incident["metrics_before_after"].values())
        measured = stack.wait_for(lambda: (i := folder.incidents()[0])["metrics_before_after"]["healthy_share"]["after"] is not None and i, 60,
                                  "the second measurement")
        figures = measured["metrics_before_after"]
        assert set(figures) == {"confirmed_share", "healthy_share", "latency_ms_p99", "recv_rate_tps", "queue_dropped", "reconnect_count"}
        told = figures["latency_ms_p99"]
        assert (told["before"], told["after"]) == (None, None) and "recorded" in told["reason"], "a market of 2023 has no latency"
        assert figures["queue_dropped"] == {"before": 0, "after": 0} and figures["confirmed_share"]["after"] is not None
        assert measured["closed_ms"] == incident["closed_ms"]
        run.orchctl("shutdown")
        assert run.finish() == 0, run.text()


def test_a_decision_takes_its_place_in_the_stream_and_a_rollback_leaves_two_runs_that_replay(tmp_path):
    """The whole pipeline: each run's rows are what its own capture gives, the decision among them."""
    sets = {"signal.weak_threshold": 0.2, "simulator.rate": 40}
    arguments = ["--gates", "none", "--symbols", "BTCUSDT"]
    with stack.Stack(tmp_path, run_id="one", speed=20, sets=sets, arguments=arguments) as run:
        stack.wait_for(lambda: run.rows_written() > 50, 60, "signals")
        folder = Folder(run)
        assert "in the stream" in run.orchctl("direction", "lock", "BTCUSDT", "--why", "the book is thin").stdout
        assert run.orchctl("direction", "lock", "NOPEUSDT", check=False).returncode == 1
        assert "in the stream" in run.orchctl("direction", "unlock").stdout
        controls = stack.wait_for(lambda: len(found := decisions(run)) >= 2 and found, 60, "a heartbeat of harvest behind both")
        assert [control["decision"] for control in controls] == ["lock_direction", "unlock_direction"]
        assert controls[0]["why"] == "the book is thin" and "symbol" not in controls[1]
        target = folder.mark(signal__weak_threshold=0.31)
        told = run.orchctl("rollback", target, "--drill")
        assert re.search(r"^drill PASS: \d+\.\d s of at most 120 s; recorded in", told.stdout.splitlines()[-1]), told
        stack.wait_for(lambda: run.rows_written("one-r2") > 50, 60, "signals of the new run")
        actions = [incident["action"] for incident in folder.incidents()]
        assert actions == ["lock_direction", "unlock_direction", "rollback"]
        drill = json.loads((tmp_path / "artifacts/runtime/canary_report/rollback_drill.json").read_text())
        assert (drill["verdict"], drill["fingerprint_to"], drill["to_run"]) == ("PASS", target, "one-r2")
        assert 0 < drill["took_ms"] <= drill["limit_ms"] == 120_000 and drill["version"]
        assert folder.incidents()[2]["why"] == "a drill"
        assert all(incident["closed_at"] for incident in folder.incidents())
        run.orchctl("shutdown")
        assert run.finish() == 0, run.text()
        for name in ("one", "one-r2"):
            replayed = run.orchctl("why", "--all", "--run", name).stdout
            assert "verdict: same bits" in replayed, replayed
            assert run.orchctl("account", "--run-id", name).returncode == 0
