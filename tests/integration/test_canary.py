"""A canary from its start to its mark: a short market at the simulator's full speed, with horizons and windows short enough for every gate to
be known, measured from the Parquet files and compared with an independent implementation."""
import contextlib
import hashlib
import json
import random
import subprocess
import sys

import pytest
import stack

from canaries import Canary, orchctl

sys.path.insert(0, str(stack.ROOT / "tests/reference"))
import evaluate  # noqa: E402

MINUTES = 16
SYMBOL = "BTCUSDT"
HORIZONS = (5, 10)
GATE_MS, TOL_MS, MERGE_MS = 300_000, 1000, 300_000
CONFIG = f"""
config_tag: canary-test
run: {{sink: jsonl}}
report: {{http_port: -1}}
simulator: {{speed: 0, minutes: {MINUTES}, rate: 20, seed: 7, start: "1700006400000"}}
strategy_mode: {{mode: force_active}}
eval: {{horizons_s: [5, 10], primary_horizon_s: 5, tol_ms: 1000, gate_window_s: 300, display_window_s: 300, train_s: 300, test_s: 60}}
canary: {{hours: 0.2, auc_min: 0.01, ece_max: 1, brier_min_pct: -100, merge_p99_max_ms: 60000, match_min: 0.01}}
"""


@pytest.fixture(scope="module")
def canary(tmp_path_factory):
    folder = tmp_path_factory.mktemp("canary")
    (folder / "canary.yaml").write_text(CONFIG)
    done = orchctl(folder, "canary", "start", "--config", "canary.yaml", "--symbols", SYMBOL, "--run-tag", "first", "--run-id", "tried")
    run = Canary(folder)
    gates = {gate["id"]: gate["verdict"] for gate in run.manifest()["gates"]}
    assert gates["canary"] == "PASS", done.stdout[-3000:] + run.report("T+0_final_report.md")
    run.code = done.returncode
    return run


def test_a_canary_is_a_run_with_its_gates_and_its_tag(canary):
    manifest = canary.manifest()
    failed = [gate for gate in manifest["gates"] if gate["verdict"] != "PASS"]
    assert canary.code == 0 and not failed, failed
    assert manifest["conditions"]["gates"] == "canary" and manifest["run_tag"] == "first"
    effective = json.loads((canary.folder / "runtime/effective_config.json").read_text())
    assert effective["eval"]["auto_flip"] is True
    final = canary.final()
    assert final["run_tag"] == "first" and final["config_fingerprint"] == manifest["config_fingerprint"]
    assert final["verdict"] == "PASS" and final["release_recommendation"] == "advance" and final["open_p1"] == 0
    assert len(final["slo"]) == 7 and all(gate["measured"] is not None for gate in final["slo"])


def test_there_is_a_row_for_every_minute_that_has_passed_and_no_more(canary):
    rows = canary.rows("metrics_timeseries.csv")
    ends = sorted({int(row["ts_ms"]) for row in rows})
    assert len(rows) == len(ends) * len(HORIZONS) and MINUTES - 1 <= len(ends) <= MINUTES
    assert all(end % 60_000 == 0 for end in ends) and ends == list(range(ends[0], ends[-1] + 1, 60_000))
    last = int(canary.parquet("orderbook", "max(ts_ms) as t", "1")[0]["t"])
    assert ends[-1] <= last


def test_the_figures_are_those_of_an_independent_implementation(canary):
    books = canary.parquet("orderbook", "ts_ms, mid", "ts_ms, last_id")
    times, mids = [int(row["ts_ms"]) for row in books], [float(row["mid"]) for row in books]
    first = min(times[0], int(canary.parquet("prices", "min(ts_ms) as t", "1")[0]["t"]))
    last = max(times[-1], int(canary.parquet("prices", "max(ts_ms) as t", "1")[0]["t"]))
    features = [{**row, "ts_ms": int(row["ts_ms"]), "warmup": row["warmup"] == "true", "age_ofi_ms": int(row["age_ofi_ms"])}
                for row in canary.parquet("features", where="ts_ms % 1000 = 0", order="ts_ms")]
    usable = [row for row in features if evaluate.is_evaluation_row(row, 1000, TOL_MS)]
    assert len(usable) > 600
    compared = 0
    for figures in canary.rows("metrics_timeseries.csv"):
        end, horizon_ms = int(figures["ts_ms"]), 1000 * int(figures["horizon_s"])
        scores, labels, labelled, unlabeled = [], [], [], 0
        for row in usable:
            if not (end - GATE_MS <= row["ts_ms"] <= end - horizon_ms - TOL_MS):
                continue
            outcome = evaluate.label(row["ts_ms"], float(row["mid"]), times, mids, horizon_ms, TOL_MS)[0]
            unlabeled += outcome is None
            if outcome in (0, 1):
                scores.append(float(row["fusion_score"]))
                labels.append(outcome)
                labelled.append(row["ts_ms"])
        n_eff = evaluate.outcomes(labelled, horizon_ms)
        assert (int(figures["n"]), int(figures["n_eff"]), int(figures["unlabeled"])) == (len(labels), n_eff, unlabeled)
        value = evaluate.auc(scores, labels, n_eff)[0]
        assert (figures["auc_all"] == "") == (value is None)
        if value is not None:
            assert float(figures["auc_all"]) == pytest.approx(value, abs=1e-12)
            compared += 1
        window = [(row["ts_ms"], row["age_ofi_ms"], int(row["age_cvd_ms"])) for row in features]
        begin, stop = max(first, end - MERGE_MS), min(last, end - 1)
        ages = [max(row[1:]) for row in window if begin <= row[0] <= stop]
        seconds = len(range(-(-begin // 1000) * 1000, stop + 1, 1000))
        assert float(figures["match_rate"]) == pytest.approx(sum(age <= 2000 for age in ages) / seconds, abs=1e-12)
    assert compared > 10, "most minutes had enough outcomes"


def test_a_report_made_again_is_the_same(canary):
    names = ["metrics_timeseries.csv", "slices_overview.csv", "merge_time_diff_ms.csv", "T+0_final_report.json",
             "monitoring_report.json"]
    before = [canary.report(name) for name in names]
    again = orchctl(canary.folder, "canary", "report", "--json")
    assert again.returncode == 0 and json.loads(again.stdout) == canary.final()
    assert [canary.report(name) for name in names] == before


REPORTS = ["metrics_timeseries.csv", "slices_overview.csv", "merge_time_diff_ms.csv", "calibration_summary.csv", "monitoring_report.json",
           "monitoring_dashboard.json", "T+0_final_report.json", "T+0_final_report.md"]


def evaluation(folder, *arguments):
    return subprocess.run([str(stack.BIN / "evaluation"), *map(str, arguments)], cwd=folder, capture_output=True, text=True, timeout=60)


@contextlib.contextmanager
def told_by_the_archive(folder, below_ms):
    """The checkpoint as it was when the archive had written what lies before a time."""
    path = folder / "state/checkpoint.json"
    whole = path.read_text()
    checkpoint = json.loads(whole)
    for position in checkpoint["positions"].values():
        position["below_ms"] = below_ms
    path.write_text(json.dumps(checkpoint))
    try:
        yield
    finally:
        path.write_text(whole)


def test_an_evaluation_that_goes_on_every_minute_gives_what_one_over_the_whole_run_gives(canary, tmp_path):
    seed = random.randrange(1 << 32)
    print("seed", seed)
    draws = random.Random(seed)
    progress = canary.folder / "artifacts/run_logs/canary_tried.json"
    progress.unlink()
    rows = canary.rows("metrics_timeseries.csv")
    ends = sorted({int(row["ts_ms"]) for row in rows})
    for end in ends:
        if draws.random() < .3:
            continue  # an evaluation that was late
        with told_by_the_archive(canary.folder, end + draws.choice([1, 30_000, 60_000])):
            assert evaluation(canary.folder, "--live", "--out", tmp_path).returncode in (0, 3)
        accident = draws.random()
        if accident < .1:
            progress.unlink()  # lost
        elif accident < .2:
            (tmp_path / "merge_time_diff_ms.csv").write_text("cut o")
        elif accident < .3:  # killed between the tables and the progress: the tables are newer
            for name in ("metrics_timeseries.csv", "merge_time_diff_ms.csv", "calibration_summary.csv"):
                (tmp_path / name).write_text(canary.report(name))
        elif accident < .4:
            assert evaluation(canary.folder, "--live", "--out", tmp_path).returncode in (0, 3)
    assert evaluation(canary.folder, "--live", "--out", tmp_path).returncode in (0, 3)
    incidents = canary.folder / "artifacts/runtime/canary_report/incidents.json"
    assert not incidents.exists() or json.loads(incidents.read_text()) == []
    for name in REPORTS:
        assert (tmp_path / name).read_text() == canary.report(name), name


def test_a_minute_is_measured_when_the_archive_has_written_all_of_it_and_not_before(canary, tmp_path):
    ends = sorted({int(row["ts_ms"]) for row in canary.rows("metrics_timeseries.csv")})
    whole = canary.report("metrics_timeseries.csv").splitlines()
    for below, last in ((ends[5], ends[4]), (ends[5] + 1, ends[5])):  # a label may read the book at the very end
        with told_by_the_archive(canary.folder, below):
            evaluation(canary.folder, "--out", tmp_path)
        measured = (tmp_path / "metrics_timeseries.csv").read_text().splitlines()
        assert int(measured[-1].split(",")[0]) == last and measured == whole[:len(measured)]


def test_only_a_canary_that_passed_is_marked_stable(canary):
    path = canary.folder / "runtime/effective_config.json"
    good = path.read_text()
    fingerprint = canary.final()["config_fingerprint"]
    for change, verdict in (({"auc_min": 0.999}, "FAIL"), ({"hours": 24}, "UNKNOWN")):
        config = json.loads(good)
        config["canary"].update(change)
        path.write_text(json.dumps(config))
        assert orchctl(canary.folder, "canary", "report").returncode == 3 and canary.final()["verdict"] == verdict
        codes = {orchctl(canary.folder, "canary", "status", *how).returncode for how in ((), ("--json",))}
        assert len(codes) == 1 and (verdict != "FAIL" or codes == {3}), "people and programs are told alike"
        refused = orchctl(canary.folder, "canary", "mark-stable")
        assert refused.returncode == 3 and verdict in refused.stderr
    assert json.loads((canary.folder / "state/fingerprints.json").read_text())["stable"] == []
    path.write_text(good)
    assert orchctl(canary.folder, "canary", "report").returncode == 0
    assert orchctl(canary.folder, "canary", "mark-stable").returncode == 0
    (stable,) = json.loads((canary.folder / "state/fingerprints.json").read_text())["stable"]
    assert (stable["fingerprint"], stable["config_tag"]) == (fingerprint, "canary-test")
    status = orchctl(canary.folder, "canary", "status")
    assert status.returncode == 0 and fingerprint[:16] in status.stdout and status.stdout.count("PASS") == 7


def test_a_folder_without_a_canary_proves_nothing(tmp_path):
    for word in ("status", "report", "mark-stable"):
        assert orchctl(tmp_path, "canary", word).returncode == 1
    assert orchctl(tmp_path, "canary", "sing").returncode == 2


def check_a_report_of_an_old_run(canary):
    """`later` is the newest run: what its evaluations go on with stays as it is, whatever is asked of the run before."""
    def of_the_newest():
        return {path.name: path.read_bytes() for path in reports.iterdir() if path.is_file()}
    reports = canary.folder / "artifacts/runtime/canary_report"
    before = of_the_newest()
    assert orchctl(canary.folder, "canary", "mark-stable", "tried").returncode == 3, "there is none of it yet"
    asked = orchctl(canary.folder, "canary", "report", "tried", "--json")
    assert asked.returncode == 0 and json.loads(asked.stdout)["run_id"] == "tried", asked.stderr
    assert of_the_newest() == before
    assert asked.stdout == (reports / "tried/T+0_final_report.json").read_text()
    assert orchctl(canary.folder, "canary", "mark-stable").returncode == 3, "the newest run has not passed"
    marked = orchctl(canary.folder, "canary", "mark-stable", "tried")
    assert marked.returncode == 0, marked.stderr


def test_what_was_marked_stable_keeps_its_evidence_whatever_later_canaries_write(canary):
    def marked():
        return json.loads((canary.folder / "state/fingerprints.json").read_text())["stable"]

    def states():
        return [entry["evidence_state"] for entry in json.loads(orchctl(canary.folder, "canary", "status", "--json").stdout)["stable"]]
    assert orchctl(canary.folder, "canary", "report").returncode == 0
    assert orchctl(canary.folder, "canary", "mark-stable").returncode == 0
    evidence, sums = canary.folder / marked()[0]["evidence"], {}
    assert marked()[0]["run_tag"] == "first"
    for line in (evidence.parent / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split("  ")
        sums[name] = digest
    assert {"T+0_final_report.json", "T+0_final_report.md", "metrics_timeseries.csv", "monitoring_report.json"} <= set(sums)
    assert sums["T+0_final_report.json"] == marked()[0]["evidence_sha256"]
    (canary.folder / "later.yaml").write_text(CONFIG.replace("minutes: 16", "minutes: 3").replace("seed: 7", "seed: 8"))
    orchctl(canary.folder, "canary", "start", "--config", "later.yaml", "--symbols", SYMBOL, "--run-tag", "later", "--run-id", "later")
    assert canary.final()["run_id"] == "later", "another canary has written its report"
    check_a_report_of_an_old_run(canary)
    assert {name: hashlib.sha256((evidence.parent / name).read_bytes()).hexdigest() for name in sums} == sums
    assert json.loads(evidence.read_text())["run_id"] == "tried" and states() == ["as marked"]
    good = evidence.read_bytes()
    evidence.write_bytes(good + b" ")
    assert states() == ["changed"]
    evidence.unlink()
    assert states() == ["gone"] and "evidence gone: " in orchctl(canary.folder, "canary", "status").stdout
    evidence.write_bytes(good)
    assert states() == ["as marked"]
    assert orchctl(canary.folder, "clean").returncode == 0 and not (canary.folder / "runtime/effective_config.json").exists()
    assert evidence.read_bytes() == good, "it is left alone"
