"""A canary that follows a canary, by a rollback, is measured while the one before it is still being concluded; each keeps its own reports."""
import contextlib
import json
import os
import shutil

import fakes
import stack

from fingerprints import Folder
from left_behind import hold_ledger, let_go, opened

SYMBOL = "BTCUSDT"
SETS = {"simulator.rate": 20, "simulator.seed": 7, "simulator.start": "1700006400000", "strategy_mode.mode": "force_active", "signal.weak_threshold": 0.2,
        "archive.rotate_s": 10, "run.time_scale": 90, "eval.horizons_s": "5", "eval.primary_horizon_s": 5, "eval.tol_ms": 1000,
        "eval.gate_window_s": 300, "eval.display_window_s": 300, "eval.train_s": 300, "eval.test_s": 60, "canary.hours": 0.02,
        "canary.p1_timeout_s": 86400, "health.heartbeat_timeout_ms": 60000}


def programs_held(folder):
    """All programs; the loss ledger waits, and so does what is behind it: the canary's last evaluation."""
    own = folder / "bin"
    own.mkdir()
    for program in (fakes.BUILD / "bin").iterdir():
        if program.name in ("orchestrator", "orchctl", "keeper"):
            shutil.copy(program, own / program.name)
        elif program.name != "account":
            os.symlink(program, own / program.name)
    return hold_ledger(own, folder / "run")


def test_the_next_canary_is_measured_while_the_one_before_is_concluded_and_each_keeps_its_reports(tmp_path):
    reports = tmp_path / "run/artifacts/runtime/canary_report"

    def run_of(name):
        with contextlib.suppress(FileNotFoundError):  # it moves aside when the next run has its own
            return json.loads((reports / name).read_text())["run_id"]
    def minutes(run_id):
        progress = tmp_path / f"run/artifacts/run_logs/canary_{run_id}.json"
        return json.loads(progress.read_text())["symbols"][0]["minutes"] if progress.exists() else 0
    with stack.Stack(tmp_path / "run", run_id="one", speed=90, sets=SETS, sink="jsonl", arguments=["--gates", "canary", "--symbols", SYMBOL],
                     binaries=programs_held(tmp_path)) as run:
        stack.wait_for(lambda: minutes("one") >= 2, 60, "two minutes measured")
        os.mkfifo(run.folder / "held")
        run.orchctl("rollback", Folder(run).mark(signal__weak_threshold=0.31))
        end = stack.wait_for(lambda: opened(run.folder / "held"), 60, "the ledger of the old run")
        stack.wait_for(lambda: run_of("T+0_final_report.json") == "one-r2", 60, "a measurement of the next run")
        assert run.status()["concluding"] == ["one"] and run.status()["canary"]["verdict"]
        assert run_of("one/T+0_final_report.json") == "one"
        let_go(run, end)
        stack.wait_for(lambda: run.status()["concluding"] == [], 60, "the conclusion")
        assert run_of("one/T+0_final_report.json") == "one" and run_of("T+0_final_report.json") == "one-r2"
        run.orchctl("shutdown")
        run.finish()
    assert run.manifest()["final"]
    run.orchctl("evidence", "build", "--run-id", "one", check=False)
    packed = json.loads((run.folder / "artifacts/evidence/one/T+0_final_report.json").read_text())
    final = json.loads((reports / "one/T+0_final_report.json").read_text())
    assert packed == final and final["run_id"] == "one"
    assert final["window"]["hours"] * 60 >= 1.99
    assert len((reports / "one/metrics_timeseries.csv").read_text().splitlines()) == 1 + minutes("one") >= 3
    assert final["incidents"]["total"] == len([i for i in json.loads((reports / "incidents.json").read_text())
                                               if not (i["cause"] or "").startswith("one-r2 ")])
