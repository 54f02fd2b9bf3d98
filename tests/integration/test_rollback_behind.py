"""A rollback's next run is live before the run it left is concluded, and that one is concluded once, whoever dies on the way. The reading of the
old run's files is held up for as long as a test wants by a pipe in the place of a file."""
import contextlib
import fcntl
import json
import os
import shutil
import signal
import sqlite3
import subprocess

import pytest
import stack

from fakes import Mortal
from fingerprints import Folder
from left_behind import begun, concluded, hold, hold_ledger, left_of, let_go, unreaped

LEAVING = [f"leaving:{number}" for number in range(1, 8)]
CONCLUDING = [f"concluding:{number}" for number in (1, 3, 5, 7)]


@pytest.fixture
def held_programs(programs, tmp_path):
    return hold_ledger(shutil.copytree(programs, tmp_path / "bin", symlinks=True), tmp_path / "run")


def verdicts(run):
    """How often somebody has come to the verdict about the old run."""
    return (run.folder / "logs/orchestrator/test_conclusion.log").read_text().count("verdict PASS, exit code 0")


def ends_well(run):
    run.process.send_signal(signal.SIGINT)
    assert run.finish() == 0, run.text()


def test_the_next_run_is_live_before_the_old_one_is_concluded_and_everybody_is_told_so(held_programs, tmp_path):
    with Mortal(held_programs, tmp_path / "run") as run:
        folder, target = begun(run)
        os.mkfifo(run.folder / "held")
        done = run.orchctl("rollback")
        assert done.returncode == 0, done.stderr
        assert "run test-r2 is live" in done.stdout and "run test is still being concluded" in done.stdout
        status = run.status()
        assert (status["run_id"], status["phase"], status["concluding"]) == ("test-r2", "feeding", ["test"])
        assert all(folder.confirmed(target).values())
        end = hold(run)
        manifest = run.manifest()
        assert (manifest["state"], manifest["final"], manifest["overall_verdict"]) == ("concluding", False, None)
        assert "run test is still being concluded" in run.orchctl("manifest", "--run-id", "test").stderr
        assert "run test is still being concluded" in run.orchctl("why", "--all", "--run", "test").stderr
        (incident,) = folder.incidents()
        assert incident["closed_at"] and incident["closed_why"] == "run test-r2 is live; run test is still being concluded"
        assert folder.record()["state"] == "done" and folder.record()["conclusion"] is None
        let_go(run, end)
        manifest = concluded(run)
        assert (manifest["state"], manifest["final"], manifest["exit_code"]) == ("finished", True, 0)
        assert manifest["config_fingerprint"] != target and {p["exit_code"] for p in manifest["processes"].values()} == {0}
        assert folder.incidents()[0]["closed_why"] == "run test-r2 is live; run test is concluded: verdict PASS, exit code 0"
        assert folder.record()["conclusion"] == "verdict PASS, exit code 0"
        assert run.orchctl("manifest", "--run-id", "test").stderr == ""
        assert run.status()["run_id"] == "test-r2"
        ends_well(run)
    assert verdicts(run) == 1


@pytest.mark.parametrize("point", [*LEAVING, "after_conclude:1", "following:1", "following:2"])
def test_wherever_the_orchestrator_dies_the_next_run_begins_and_the_old_one_is_concluded_once(programs, tmp_path, point, monkeypatch):
    monkeypatch.setenv("ORDERFLOW_CRASH_POINT", f"orchestrator/{point}:{tmp_path}/died")
    with Mortal(programs, tmp_path / "run") as run:
        _, target = begun(run)
        waiting = run.popen("rollback")
        assert run.process.wait(60) == -signal.SIGKILL
        run.start_again()
        assert waiting.wait(60) == 0, run.text()
        manifest = concluded(run)
        assert manifest["final"] and manifest["exit_code"] == 0 and manifest["config_fingerprint"] != target
        status = run.status()
        assert (status["run_id"], status["config_fingerprint"]) == ("test-r2", target)
        ends_well(run)
    assert verdicts(run) == 1


@pytest.mark.parametrize("point", [*CONCLUDING, "concluded:1", "taking_away:1"])
def test_wherever_whoever_concludes_dies_somebody_goes_on_and_comes_to_one_verdict(programs, tmp_path, point, monkeypatch):
    monkeypatch.setenv("ORDERFLOW_CRASH_POINT", f"orchestrator/{point}:{tmp_path}/died")
    with Mortal(programs, tmp_path / "run") as run:
        begun(run)
        assert run.orchctl("rollback").returncode == 0
        manifest = concluded(run)
        assert (tmp_path / "died").exists() and manifest["final"] and manifest["exit_code"] == 0
        ends_well(run)
    assert run.log().count(" concluded run_id=test-r2 ") == 1


def test_a_conclusion_goes_on_without_the_orchestrator_and_the_next_one_finds_it_done(held_programs, tmp_path):
    with Mortal(held_programs, tmp_path / "run") as run:
        folder, _ = begun(run)
        os.mkfifo(run.folder / "held")
        assert run.orchctl("rollback").returncode == 0
        end = hold(run)
        run.kill()
        run.start_again()
        run.answering()
        assert run.status()["run_id"] == "test-r2" and run.status()["concluding"] == ["test"]
        run.kill()
        let_go(run, end)
        stack.wait_for(lambda: not left_of(run).exists(), 60, "the end of the conclusion")
        run.start_again()
        run.answering()
        assert concluded(run)["final"]
        run.wait_for(lambda: folder.record()["conclusion"] == "verdict PASS, exit code 0", "somebody who tells how it ended")
        assert folder.incidents()[0]["closed_why"].endswith("run test is concluded: verdict PASS, exit code 0")
        ends_well(run)
    assert verdicts(run) == 1


def test_two_rollbacks_while_the_first_run_is_concluded_leave_nothing_untold(held_programs, tmp_path):
    with Mortal(held_programs, tmp_path / "run") as run:
        folder, target = begun(run)
        os.mkfifo(run.folder / "held")
        assert run.orchctl("rollback").returncode == 0
        end = hold(run)
        first = json.loads((run.folder / "state/fingerprints.json").read_text())["current"]
        assert first == target
        assert run.orchctl("rollback", folder.mark(signal__weak_threshold=0.33)).returncode == 0
        assert (run.status()["run_id"], run.status()["concluding"]) == ("test-r3", ["test", "test-r2"])
        let_go(run, end)
        concluded(run)
        run.wait_for(lambda: not unreaped(run), "an orchestrator that asks for all its children")
        assert [incident["closed_why"] for incident in folder.incidents()] == [
            "run test-r2 is live; run test is concluded: verdict PASS, exit code 0",
            "run test-r3 is live; run test-r2 is concluded: verdict PASS, exit code 0"]
        ends_well(run)


def test_an_orchestrator_with_other_words_goes_on_with_those_of_the_run_that_was_left(programs, tmp_path, monkeypatch):
    monkeypatch.setenv("ORDERFLOW_CRASH_POINT", f"orchestrator/after_conclude:1:{tmp_path}/died")
    with Mortal(programs, tmp_path / "run") as run:
        begun(run)
        waiting = run.popen("rollback")
        assert run.process.wait(60) == -signal.SIGKILL
        run.command += ["--gates", "smoke"]  # these daemons would not pass them
        run.start_again()
        assert waiting.wait(60) == 0, run.text()
        concluded(run)
        ends_well(run)


def test_a_run_that_cannot_be_left_is_concluded_before_the_next_one_begins(programs, tmp_path):
    with Mortal(programs, tmp_path / "run") as run:
        folder, _ = begun(run)
        (run.folder / "state/concluding").write_text("no folder\n")
        done = run.orchctl("rollback")
        assert done.returncode == 0 and "still being concluded" not in done.stdout, done.stderr
        manifest = run.manifest()
        assert manifest["final"] and manifest["state"] == "finished" and run.status()["concluding"] == []
        assert "concluded before the next run begins: ./state/concluding/" in run.text()
        ends_well(run)


def test_what_is_not_concluded_is_neither_cleaned_away_nor_begun_again_and_costs_another_run_nothing(programs, tmp_path):
    with Mortal(programs, tmp_path / "run") as run:
        left = run.folder / "state/concluding/other"
        left.mkdir(parents=True)
        (left / "orchestrator.state").write_bytes(b"orderflow run 0\n" * 100)
        run.wait_line("go: all ready")
        ends_well(run)  # which does not wait for a better time to try again
        assert "run other, before this one, is concluded: not concluded" in run.text()
        assert (run.folder / "logs/orchestrator/other_conclusion.log").read_text().count("damaged, or of another build") == 3
        refused = run.orchctl("clean")
        assert refused.returncode == 1 and "run other has ended and is not concluded yet" in refused.stderr
        assert run.manifest()["final"], "nothing was removed"
        left.rename(left_of(run))
        with open(left_of(run) / "lock", "w") as lock:
            fcntl.lockf(lock, fcntl.LOCK_EX)
            run.start_again()
            assert run.finish() == 2 and "run test is still being concluded: wait until" in run.text()
        assert left_of(run).exists()
        shutil.rmtree(left_of(run))
        assert run.orchctl("clean").returncode == 0


def test_what_report_left_outlives_an_orchestrator_that_dies_behind_leaving_it(tmp_path):
    """The whole pipeline; both runs begin within a minute, in which their summaries would have one name."""
    environment = {"ORDERFLOW_CRASH_POINT": f"orchestrator/leaving:7:{tmp_path}/died"}
    sets = {"signal.weak_threshold": 0.2, "simulator.rate": 40}
    with stack.Stack(tmp_path, run_id="one", speed=20, sets=sets, arguments=["--gates", "smoke", "--symbols", "BTCUSDT"],
                     environment=environment) as run:
        stack.wait_for(lambda: run.rows_written() > 50, 60, "signals")
        Folder(run).mark(signal__weak_threshold=0.31)
        with subprocess.Popen([run.binaries / "orchctl", "rollback"], cwd=tmp_path) as waiting:
            assert run.process.wait(60) == -signal.SIGKILL
            run.output.close()
            run.__enter__()
            assert waiting.wait(60) == 0, run.text()
        stack.wait_for(lambda: run.status()["concluding"] == [], 60, "the conclusion")
        run.orchctl("shutdown")
        run.finish()
    manifest = json.loads((tmp_path / "artifacts/run_logs/run_manifest_one.json").read_text())
    assert {name: summary["run_id"] for name, summary in manifest["report"].items()} == {"jsonl": "one", "sqlite": "one"}
    owners = [json.loads(path.read_text())["run_id"] for path in (tmp_path / "logs/report").glob("summary_*.json")]
    assert sorted(owners) == ["one", "one", "one-r2", "one-r2"]


def test_a_conclusion_that_never_ends_costs_the_old_run_its_verdict_and_the_next_one_nothing(programs, tmp_path):
    with Mortal(programs, tmp_path / "run", sets={"run.conclude_timeout_s": 10}) as run:  # enough for the next run's verdict
        folder, _ = begun(run)
        source = run.folder / "artifacts/source_manifest_test.json"
        source.parent.mkdir(exist_ok=True)
        os.mkfifo(source)  # the gates that the summaries tell read it; nobody ever writes to it
        assert run.orchctl("rollback").returncode == 0
        manifest = concluded(run)
        sentence = "no verdict: reading the rows of the sinks, for the gates in the summaries did not end"
        assert manifest["state"] == "aborted" and manifest["overall_verdict"] is None and sentence in manifest["end_reason"]
        assert sentence in folder.incidents()[0]["closed_why"]
        assert {process["state"] for process in run.status()["processes"]} == {"running"}
        run.process.send_signal(signal.SIGINT)
        assert run.finish() == 1, "the worse of both runs counts"
    assert json.loads((run.folder / "artifacts/run_logs/run_manifest_test-r2.json").read_text())["exit_code"] == 0


def orders(run):
    """There is a gate for doubled ones only where there are any, and for their number one with a least."""
    answer = run.orchctl("status", "broker", "--json", check=False).stdout  # nothing, before it listens
    return json.loads(answer)["processes"][0]["counters"].get("orders", 0) if answer else 0


def test_both_runs_of_a_rollback_have_their_own_summaries_ledgers_and_gates(tmp_path):
    """The whole pipeline: what is concluded behind the next run is what would have been concluded before it."""
    sets = {"signal.weak_threshold": 0.2, "simulator.rate": 40}
    with stack.Stack(tmp_path, run_id="one", speed=20, sets=sets, sink="dual", arguments=["--gates", "smoke", "--symbols", "BTCUSDT"]) as run:
        stack.wait_for(lambda: orders(run) >= 40, 60, "orders")
        folder = Folder(run)
        run.orchctl("rollback", folder.mark(signal__weak_threshold=0.31))
        told, pending = run.orchctl("status", check=False).stdout, run.status()["concluding"]
        assert "run one, before this one, is still being concluded\n" in told or not pending, told
        stack.wait_for(lambda: run.status()["concluding"] == [], 60, "the conclusion")
        assert "concluded" not in run.orchctl("status", check=False).stdout
        stack.wait_for(lambda: orders(run) >= 40, 60, "orders of the new run")
        run.orchctl("shutdown")
        run.finish()
    logs = tmp_path / "artifacts/run_logs"
    manifests = {name: json.loads((logs / f"run_manifest_{name}.json").read_text()) for name in ("one", "one-r2")}
    left, right = ({gate["id"] for gate in manifests[name]["gates"]} for name in ("one", "one-r2"))
    assert left == right, "the same gates"
    for name, manifest in manifests.items():
        assert manifest["final"] and set(manifest["report"]) == {"jsonl", "sqlite"}
        for summary in manifest["report"].values():
            assert summary["run_id"] == name and summary["total"] > 0 and summary["gates"], "the gates are in it"
            assert summary["overall_verdict"] == manifest["report"]["sqlite"]["overall_verdict"]
        assert manifest["ledger"]["verdict"] == "PASS" and manifest["ledger"]["run_id"] == name
        parity = json.loads((tmp_path / f"artifacts/parity_diff_{name}.json").read_text())
        assert parity["run_id"] == name and parity["jsonl_stats"]["total"] == manifest["report"]["jsonl"]["total"]
    assert json.loads((tmp_path / "runtime/report.json").read_text())["run_id"] == "one-r2"


def test_what_a_killed_report_wrote_last_is_in_the_summaries_and_in_the_database_that_is_kept(tmp_path):
    """Killed when all is stored and nothing of it has left SQLite's log: the log is moved, read and kept with the database."""
    environment = {"ORDERFLOW_CRASH_POINT": f"report/before_close:1:{tmp_path}/died"}
    sets = {"signal.weak_threshold": 0.2, "simulator.rate": 40}
    with stack.Stack(tmp_path, run_id="one", speed=20, sets=sets, arguments=["--gates", "none", "--symbols", "BTCUSDT"], environment=environment) as run:
        stack.wait_for(lambda: run.rows_written() > 50, 60, "signals")
        target = Folder(run).mark(signal__weak_threshold=0.31)
        (tmp_path / "state/report.db.aside").write_bytes(b"of an earlier run")
        (tmp_path / "state/report.db.aside-wal").write_bytes(b"of an earlier run")
        run.orchctl("rollback", target)
        stack.wait_for(lambda: run.status()["concluding"] == [], 60, "the conclusion")
        run.orchctl("shutdown")
        run.finish()
    assert (tmp_path / "died").exists()
    manifest = json.loads((tmp_path / "artifacts/run_logs/run_manifest_one.json").read_text())
    assert manifest["processes"]["report"]["exit_signal"] == signal.SIGKILL
    assert {summary["run_id"] for summary in manifest["report"].values()} == {"one"} and all(s["total"] > 50 for s in manifest["report"].values())
    assert not list((tmp_path / "state").glob("report.db.aside-*"))
    with contextlib.closing(sqlite3.connect(f"file:{tmp_path}/state/report.db.aside?mode=ro", uri=True)) as database:
        assert database.execute("pragma integrity_check").fetchone() == ("ok",)
        assert database.execute("select value from meta where key = 'run_id'").fetchone() == ("one",)
        tables = [name for (name,) in database.execute("select name from sqlite_master where type = 'table'")]
        assert any(database.execute(f"select count(*) from {name}").fetchone()[0] for name in tables if name != "meta"), "what it counted"
