"""What a rollback has decided and done stands, or is made to stand, whatever the disk refuses and whoever dies on the way; nothing is done twice. A folder in
the place of the file that is written first refuses as a full disk does. The labels of the next run are those of its configuration."""
import json
import signal

import pytest

import fakes
from fakes import Mortal
from fingerprints import Folder
from left_behind import begun, concluded


def obstacle(run):
    return run.folder / "state/.rollback.json.tmp"


def told(run, event):
    return run.log().count(f" {event} ")


def dones(run):
    return run.log().count(' rollback run_id=test-r2 state="done"')


def ends_well(run):
    run.process.send_signal(signal.SIGINT)
    assert run.finish() == 0, run.text()


def test_a_done_that_the_disk_refuses_is_told_and_tried_until_it_stands_and_not_done_again_by_who_comes_after(programs, tmp_path, monkeypatch):
    monkeypatch.setenv("ORDERFLOW_CRASH_POINT", f"orchestrator/told:1:{tmp_path}/died")
    gated = fakes.gated(programs, tmp_path / "bin", "signal")
    (gated / "gate").touch()
    with Mortal(gated, tmp_path / "run") as run:
        folder, target = begun(run)
        (gated / "gate").unlink()
        waiting = run.popen("rollback")
        run.wait_for(lambda: (run.folder / "state/rollback.json").exists() and folder.record()["state"] == "starting", "the next run")
        obstacle(run).mkdir()
        (gated / "gate").touch()
        assert run.process.wait(60) == -signal.SIGKILL and dones(run) == 1
        assert folder.record()["state"] == "starting" and "it is tried again until it stands" in run.text()
        assert folder.incidents()[0]["closed_at"], "what can be written is"
        run.start_again()
        run.answering()
        concluded(run)
        assert run.status()["run_id"] == "test-r2" and folder.record()["state"] == "starting"
        obstacle(run).rmdir()
        assert waiting.wait(60) == 0, run.text()
        assert folder.record()["state"] == "done" and folder.record()["to"] == target
        assert dones(run) == 1, "it was done once"
        assert folder.record()["conclusion"] == "verdict PASS, exit code 0"
        ends_well(run)


def test_a_run_of_the_old_name_does_not_repeat_a_rollback_whose_record_could_not_be_brought_up_to_date(programs, tmp_path, monkeypatch):
    monkeypatch.setenv("ORDERFLOW_CRASH_POINT", f"orchestrator/after_conclude:1:{tmp_path}/died")
    with Mortal(programs, tmp_path / "run") as run:
        folder, target = begun(run)
        waiting = run.popen("rollback")
        assert run.process.wait(60) == -signal.SIGKILL
        obstacle(run).mkdir()
        run.start_again()
        run.wait_for(lambda: dones(run) == 1, "the end of the rollback")
        assert folder.record()["state"] == "draining"
        concluded(run)
        waiting.kill()
        waiting.wait()
        ends_well(run)
        assert f"the rollback to {target[:16]} is done, whatever it says" in run.text()
        obstacle(run).rmdir()
        run.start_again()
        run.wait_line("go: all ready")
        assert run.status()["run_id"] == "test"
        ends_well(run)
    assert dones(run) == 1 and folder.record()["state"] == "draining"
    assert run.manifest()["state"] == "finished" and run.manifest()["config_fingerprint"] != target


def test_a_rollback_that_cannot_be_recorded_does_not_begin_and_leaves_no_open_incident(programs, tmp_path):
    with Mortal(programs, tmp_path / "run") as run:
        folder, _ = begun(run)
        obstacle(run).mkdir()
        refused = run.orchctl("rollback")
        assert refused.returncode == 1 and "rollback.json cannot be written" in refused.stderr
        (incident,) = folder.incidents()
        assert incident["closed_at"] and incident["closed_why"].startswith("not begun: ./state/rollback.json cannot be written")
        assert run.status()["run_id"] == "test" and run.status()["phase"] == "feeding"
        obstacle(run).rmdir()
        assert run.orchctl("rollback").returncode == 0
        concluded(run)
        ends_well(run)


@pytest.mark.parametrize("point", ["deciding:1", "deciding:2", "confirmed:1", "confirmed:2"])
def test_wherever_the_orchestrator_dies_while_a_rollback_is_decided_or_confirmed_it_happens_once_or_not_at_all(programs, tmp_path, point, monkeypatch):
    monkeypatch.setenv("ORDERFLOW_CRASH_POINT", f"orchestrator/{point}:{tmp_path}/died")
    with Mortal(programs, tmp_path / "run") as run:
        folder, target = begun(run)
        waiting = run.popen("rollback")
        assert run.process.wait(60) == -signal.SIGKILL
        run.start_again()
        run.answering()
        waiting.wait(60)
        if point == "deciding:1":
            (incident,) = folder.incidents()
            assert incident["closed_why"] == "not begun: the orchestrator died before it was decided" and incident["closed_at"]
            assert run.status()["run_id"] == "test" and not (run.folder / "state/rollback.json").exists()
            assert run.orchctl("rollback").returncode == 0
        run.wait_for(lambda: (run.folder / "state/rollback.json").exists() and folder.record()["state"] == "done", "the rollback")
        run.answering()
        assert run.status()["run_id"] == "test-r2" and run.status()["config_fingerprint"] == target
        concluded(run)
        assert dones(run) <= 1 and all(incident["closed_at"] for incident in folder.incidents())
        ends_well(run)


def test_the_next_run_has_the_labels_of_its_configuration_and_the_old_one_keeps_its_own(programs, tmp_path):
    with Mortal(programs, tmp_path / "run", "--run-tag", "newer", sets={"config_tag": "v9"}) as run:
        run.wait_line("go: all ready")
        folder = Folder(run)
        folder.mark(signal__weak_threshold=0.31)
        store = folder.fingerprints()
        store["stable"][0].update(config_tag="v1", run_tag="older")
        (run.folder / "state/fingerprints.json").write_text(json.dumps(store))
        tags = run.folder / "artifacts/runtime/run_tag.txt"
        assert {"run_tag=newer", "config_tag=v9"} <= set(tags.read_text().splitlines())
        assert run.orchctl("rollback").returncode == 0
        assert folder.effective()["config_tag"] == "v1"
        assert {"run_tag=older", "config_tag=v1"} <= set(tags.read_text().splitlines())
        assert concluded(run)["run_tag"] == "newer"
        run.kill()
        run.start_again()
        run.answering()
        ends_well(run)
    after = json.loads((run.folder / "artifacts/run_logs/run_manifest_test-r2.json").read_text())
    assert after["run_tag"] == "older" and after["final"]


def test_a_conclusion_that_is_no_pass_says_what_speaks_against_the_run(programs, tmp_path):
    with Mortal(programs, tmp_path / "run", gates="smoke") as run:  # these daemons do not pass them
        folder, _ = begun(run)
        assert run.orchctl("rollback").returncode == 0
        manifest = concluded(run)
        failed = [gate for gate in manifest["gates"] if gate["verdict"] != "PASS"]
        assert len(failed) > 3
        names = ", ".join(f"gate {gate['id']} {gate['verdict']}" for gate in failed[:3])
        reason = f"verdict FAIL, exit code 3: {names} and {len(failed) - 3} more"
        run.wait_for(lambda: folder.record()["conclusion"] == reason, reason)
        assert folder.incidents()[0]["closed_why"] == f"run test-r2 is live; run test is concluded: {reason}"
        assert f'exit_code=3 reason="{names} and {len(failed) - 3} more"' in run.log()
