"""A canary whose gates act on the real pipeline: what they decide has its place in the capture, changes rows from there on, and a replay of the
capture gives the same rows, although the orchestrator was killed on the way."""
import bisect
import json
import random
import subprocess

import pytest
import servers
import stack

from canaries import Canary

SYMBOL = "BTCUSDT"
SETS = {"simulator.rate": 30, "simulator.seed": 7, "simulator.start": "1700006400000", "strategy_mode.mode": "force_active",
        "signal.weak_threshold": 0.2, "archive.rotate_s": 10, "run.time_scale": 90, "config_tag": "live-test",
        "eval.horizons_s": "5,10", "eval.primary_horizon_s": 5, "eval.tol_ms": 1000, "eval.gate_window_s": 300,
        "eval.display_window_s": 300, "eval.train_s": 300, "eval.test_s": 60, "eval.merge_tol_ms": 300,
        # none of these can be met, so every gate fires
        "canary.auc_min": 0.999, "canary.ece_max": 0.0001, "canary.merge_p99_max_ms": 1, "canary.hours": 0.2,
        "canary.p1_timeout_s": 86400, "health.heartbeat_timeout_ms": 60000}
EXPORTED = {"fusion_auc_active", "ece", "match_rate", "merge_time_diff_ms_p99", "slice_weight_active", "direction_flips_24h"}
WANTED = {"slice_weight", "suspend_calibration", "adjust_merge_tol"}


class Live(stack.Stack):
    """A run whose orchestrator can be killed and started again."""

    def start_again(self):
        self.process.kill()
        self.process.wait()
        self.output.close()
        return self.__enter__()

    def progress(self):
        path = self.folder / f"artifacts/run_logs/canary_{self.run_id}.json"
        return json.loads(path.read_text())["symbols"][0] if path.exists() else {"decisions": []}

    def carried(self):
        path = self.folder / f"artifacts/run_logs/canary_actions_{self.run_id}.json"
        return json.loads(path.read_text())["carried"].get(SYMBOL, 0) if path.exists() else 0

    def controls(self):
        """The control rows of the stream: what the capture has."""
        status = self.status()
        (harvest,) = [process for process in status["processes"] if process["name"] == "harvest"]
        (stream,) = [stream for stream in harvest["streams"] if stream["stream"] == f"harvest/{SYMBOL}"]
        tail = self.orchctl("tail", f"harvest/{SYMBOL}", "--from", "1", "--count", str(stream["last_sequence"])).stdout
        rows = [line["row"] for line in map(json.loads, tail.splitlines()) if line["kind"] == "control"]
        return [{**row, "value_json": json.loads(row["value_json"]) if isinstance(row["value_json"], str) else row["value_json"]}
                for row in rows]


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    seed = random.randrange(1 << 32)
    print("seed", seed)
    draws = random.Random(seed)
    folder = tmp_path_factory.mktemp("live")
    with servers.Pushgateway(folder / "gateway").run() as gateway:
        sets = {**SETS, "export.type": "prometheus", "export.url": gateway.url, "export.interval_s": 60}
        with Live(folder, run_id="tried", speed=90, sets=sets, sink="jsonl",
                  arguments=["--gates", "canary", "--symbols", SYMBOL, "--run-tag", "acts"]) as run:
            def both_steps():
                done = run.progress()["decisions"][:run.carried()]
                return WANTED <= {d["control"] for d in done} and sum(d["control"] == "slice_weight" for d in done) == 2
            for number in (1, 2, 3):
                stack.wait_for(lambda: run.carried() >= number, 90, f"{number} decisions carried out")
                if draws.random() < .7:
                    run.start_again()
            stack.wait_for(both_steps, 90, "a slice to be suspended")
            carried = run.carried()
            minute = run.progress()["last_end_ms"]
            stack.wait_for(lambda: run.progress()["last_end_ms"] >= minute + 120_000, 90, "two minutes more")
            run.seen_controls, run.seen_carried = run.controls(), carried
            run.seen_decisions = run.progress()["decisions"]
            run.monitor = run.orchctl("monitor", "--once").stdout
            run.pushed = stack.wait_for(lambda: EXPORTED <= (pushed := gateway.groups().get("tried", {})).keys() and pushed, 60,
                                        f"a push of {EXPORTED}")
            run.orchctl("shutdown")
            run.code = run.finish()
    run.reports = Canary(folder)
    return run


def test_what_was_decided_stands_in_the_stream_once_and_in_its_order(live):
    controls = [row for row in live.seen_controls if row["value_json"].get("who") == "canary"]
    decided = [d for d in live.seen_decisions[:len(live.seen_decisions)] if d["control"]]
    assert len(controls) >= 4
    for row, d in zip(controls, decided):
        assert row["value_json"]["id"] == f"canary-{SYMBOL}-{d['number']}"
        assert (row["decision"], row["value"]) == (d["control"], d["value"])
        assert row["ts_ms"] > d["minute_ms"], "decided of the past only"
    weights = [row["value"] for row in controls if row["decision"] == "slice_weight"]
    assert weights == [0.5, 0]
    assert [row["value"] for row in controls if row["decision"] == "adjust_merge_tol"] == [800]


def test_the_rows_follow_from_there_on_and_a_replay_of_the_capture_gives_them_again(live):
    first = {row["decision"]: row["ts_ms"] for row in reversed(live.seen_controls)}
    suspended_ms = [row["ts_ms"] for row in live.seen_controls if row["decision"] == "slice_weight"][1]
    gated = [json.loads(line) for shard in live.jsonl().values() for line in shard.splitlines()]
    codes = {row["ts_ms"] for row in gated if "slice_suspended" in json.dumps(row)}
    assert codes and min(codes) > suspended_ms - 1000 and max(codes) > suspended_ms
    states = {row["calibration_state"] for row in live.parquet("fusion", where=f"ts_ms > {first['suspend_calibration'] + 1000}")}
    before = {row["calibration_state"] for row in live.parquet("fusion", where=f"ts_ms < {first['suspend_calibration'] - 1000}")}
    assert states == {"suspended"} and "active" in before and "suspended" not in before
    replayed = live.orchctl("why", "--all", "--run", "tried").stdout
    assert "verdict: same bits" in replayed, replayed


def test_rows_are_matched_within_the_tolerance_in_force_and_carry_the_weight(live):
    decided = {(d["rule"], d["action"]): d["minute_ms"] for d in live.seen_decisions}
    raised = decided["canary_merge", "adjust_merge_tol"]
    features = live.parquet("features", "ts_ms, age_ofi_ms, age_cvd_ms", where="ts_ms % 1000 = 0", order="ts_ms")
    ages = [(int(row["ts_ms"]), max(int(row["age_ofi_ms"]), int(row["age_cvd_ms"]))) for row in features]
    times = [t for t, _ in ages]
    firsts = [int(live.parquet(kind, "min(ts_ms) as t", "1")[0]["t"]) for kind in ("orderbook", "prices")]
    narrow = wide = 0
    for row in live.reports.rows("merge_time_diff_ms.csv"):
        end = int(row["window_end_ms"])
        begin = max(min(firsts), end - 300_000)
        window = ages[bisect.bisect_left(times, begin):bisect.bisect_left(times, end)]
        if row["signal"] == "fusion":
            matched = sum(age <= (800 if t >= raised else 300) for t, age in window)
            assert int(row["n_matched"]) == matched, (end, raised)
            narrow, wide = narrow + (end <= raised), wide + (end > raised)
            assert int(row["merge_tol_ms"]) == (800 if end > raised else 300)
    assert narrow > 3 and wide > 3
    for row in live.reports.rows("metrics_timeseries.csv"):
        end = int(row["ts_ms"])
        weight = 0 if end >= decided["canary_auc", "suspend_slice"] else .5 if end >= decided["canary_auc", "reduce_weight"] else 1
        assert float(row["slice_weight_active"]) == weight, end


def test_a_report_over_the_whole_run_is_what_the_live_ones_came_to(live):
    names = ["metrics_timeseries.csv", "merge_time_diff_ms.csv", "calibration_summary.csv", "slices_overview.csv", "monitoring_report.json"]
    before = {name: live.reports.report(name) for name in names}
    whole = subprocess.run([str(stack.BIN / "evaluation"), "--out", str(live.folder / "whole")], cwd=live.folder, capture_output=True, text=True)
    assert whole.returncode == 3, whole.stderr
    for name in names:
        assert (live.folder / "whole" / name).read_text() == before[name], name


def test_a_suspended_calibration_is_measured_as_if_it_had_gone_on(live):
    """Else a suspension could not be taken back: no row would have a probability."""
    suspended = [row for row in live.reports.rows("metrics_timeseries.csv") if row["calibration_state"] == "suspended" and row["horizon_s"] == "5"]
    assert suspended and all(row["platt_test_samples"] != "0" and row["ece"] for row in suspended[-2:])


def test_firings_are_incidents_alerts_figures_and_lines(live):
    incidents = json.loads(live.reports.report("incidents.json"))
    causes = [incident["cause"] for incident in incidents]
    assert causes == [f"tried {SYMBOL} {d['number']}" for d in live.progress()["decisions"] if d["fired"]]
    assert all(incident["severity"] == "P1" and not incident["closed_at"] for incident in incidents)
    manifest = live.manifest()
    assert {"canary_auc", "canary_ece", "canary_merge"} <= {alert["rule"] for alert in manifest["alerts"]["triggered"]}
    assert live.code == 3 and live.reports.final()["open_p1"] == len(incidents)
    assert f"FAIL     canary_auc        {SYMBOL}" in live.monitor and "step" in live.monitor
    assert EXPORTED <= live.pushed.keys()


def test_the_folder_tells_what_ran(live):
    tag = dict(line.split("=", 1) for line in (live.folder / "artifacts/runtime/run_tag.txt").read_text().splitlines())
    assert list(tag) == ["run_tag", "config_tag", "config_fingerprint", "cvd_direction", "merge_tol_ms", "fusion_w_ofi", "fusion_w_cvd",
                         "fusion_gate", "labels", "tol_ms", "calibration", "train_s", "test_s", "symbols", "started_at"]
    assert (tag["run_tag"], tag["config_tag"], tag["merge_tol_ms"], tag["labels"]) == ("acts", "live-test", "300", "mid 5,10")
    assert tag["config_fingerprint"] == live.manifest()["config_fingerprint"] and tag["symbols"] == SYMBOL
    line = (live.folder / "logs/orchestrator/orchestrator.log").read_text().splitlines()[0]
    for word in ("config_fingerprint=", "cvd_direction=as_is", "merge_tol_ms=300", "fusion_w_ofi=0.6", "fusion_w_cvd=0.4", "fusion_gate=0"):
        assert word in line
    processes = json.loads(live.reports.report("process_info.json"))
    assert set(processes) == {"simulator", "harvest", "archive", "features", "signal", "broker", "report"}
    for process in processes.values():
        assert process["pid"] > 0 and process["started_at"] and (live.folder / process["log_file"]).exists()
        assert process["state"] == "stopped"
    panels = json.loads(live.reports.report("monitoring_dashboard.json"))
    assert all(list(panel) == ["title", "metric", "unit", "threshold"] for panel in panels)
    thresholds = {panel["metric"]: panel["threshold"] for panel in panels}
    assert thresholds["fusion_auc_active"] == 0.999 and thresholds["merge_time_diff_ms_p99"] == 1 and "recv_rate_tps" in thresholds
