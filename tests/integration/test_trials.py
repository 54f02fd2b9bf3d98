"""`orchctl preflight`, `precheck` and `smoke`: what one runs before one believes a set-up. (`soak` has test_evidence.py.) Two minutes of
market at twenty times the speed; every program is the real one."""
import json
import os
import re
import subprocess

import stack as harness

CHECKS = ["config", "single_run", "directories", "disk", "disk_speed", "limits", "ports", "sockets", "clock", "venue", "export",
          "sinks"]


def orchctl(folder, *arguments, seconds=240, free_gb=0):
    # Its gates are those of a real run: nobody may be killed for a stop that waits for a busy disk.
    (folder / "trial.yaml").write_text("health:\n  heartbeat_timeout_ms: 20000\nreport:\n  http_port: 0\nsupervisor:\n  stop_timeout_s: 20\n"
                                       f"limits:\n  min_disk_free_gb: {free_gb}\n")
    return subprocess.run([str(harness.BIN / "orchctl"), *map(str, arguments), "--config", "trial.yaml"], cwd=folder,
                          capture_output=True, text=True, timeout=seconds, env=os.environ)


def test_preflight_is_doctor_by_its_other_name(tmp_path):
    done = orchctl(tmp_path, "preflight", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert sorted(check["check"] for check in json.loads(done.stdout)["checks"]) == sorted(CHECKS)


def test_a_disk_with_too_little_room_is_refused_with_what_to_do(tmp_path):
    done = orchctl(tmp_path, "doctor", "--json", free_gb=1000000)
    (disk,) = [check for check in json.loads(done.stdout)["checks"] if check["check"] == "disk"]
    assert done.returncode == 3 and disk["verdict"] == "failed" and "1e+06 GB are asked for" in disk["cause"], done.stdout
    assert "limits.min_disk_free_gb" in disk["remedy"]
    run = subprocess.run([harness.BIN / "orchestrator", "--config", "trial.yaml", "--minutes", "0.1"], cwd=tmp_path, capture_output=True,
                         text=True, timeout=60)
    assert run.returncode == 2 and "GB free where" in run.stdout and "min_disk_free_gb" in run.stdout, run
    assert not (tmp_path / "runtime/status").exists(), "nothing was started"


def test_a_precheck_measures_each_of_its_gates_and_makes_no_signal(tmp_path):
    done = orchctl(tmp_path, "precheck", "--minutes", 2, "--time-scale", 20)
    assert done.returncode == 0, done.stdout + done.stderr
    run_id = re.search(r"^== run (\S+), 2 minutes", done.stdout, re.M).group(1)
    report = json.loads((tmp_path / f"artifacts/dq_reports/precheck_{run_id}.json").read_text())
    verdicts = {check["id"]: check["verdict"] for check in report["checks"]}
    assert verdicts == {"direction": "PASS", "reconnects": "PASS", "duplicates": "PASS", "clock": "NOT_APPLICABLE", "files": "PASS",
                        "schema": "PASS", "continuity": "PASS", "trade_gaps": "REPORTED"}
    assert all(check["measured"] is not None and check["n"] > 0 for check in report["checks"])
    assert report["rows"]["prices"] > 0 and report["rows"]["cvd"] > 0
    assert not list((tmp_path / "runtime").glob("ready/signal/*/*")) and not (tmp_path / "runtime/signals.db").exists()


def test_a_precheck_whose_machine_fails_does_not_begin(tmp_path):
    (tmp_path / "data").write_text("in the way")
    done = orchctl(tmp_path, "precheck", "--minutes", 2, "--time-scale", 20)
    assert done.returncode == 3 and "remedy" in done.stdout, done.stdout + done.stderr
    assert "== run" not in done.stdout and not (tmp_path / "artifacts/dq_reports").exists()


def test_smoke_is_one_run_per_sink_and_each_passes_its_gates(tmp_path):
    done = orchctl(tmp_path, "smoke", "--minutes", 2, "--time-scale", 20)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr
    runs = re.findall(r"^== run (\S+), 2 minutes", done.stdout, re.M)
    assert [run.split("_")[0] for run in runs] == ["jsonl", "sqlite"]
    manifests = [json.loads((tmp_path / f"artifacts/run_logs/run_manifest_{run}.json").read_text()) for run in runs]
    assert [manifest["sink"] for manifest in manifests] == ["jsonl", "sqlite"]
    assert all(gate["verdict"] == "PASS" for manifest in manifests for gate in manifest["gates"])
    reports = [json.loads(path.read_text()) for path in sorted((tmp_path / "artifacts/dq_reports").glob("dq_*.json"))]
    assert sorted(report["run_id"] for report in reports) == sorted(runs) and all(report["final"] for report in reports)
