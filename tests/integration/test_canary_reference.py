"""Six hours of a canary at the simulator's full speed: calibrations, the slices' calibration error and the self-check are those of an independent
implementation that reads the same Parquet files."""
import json
import os
import subprocess
import sys

import pytest
import stack

from canaries import Canary

sys.path.insert(0, str(stack.ROOT / "tests/reference"))
import evaluate  # noqa: E402
import stats  # noqa: E402

SYMBOL, MINUTES, HORIZON_MS, TOL_MS, TRAIN_MS, TEST_MS, GATE_MS = "BTCUSDT", 364, 10_000, 1500, 7_200_000, 1_800_000, 7_200_000
CHECK_MS = 6 * 3_600_000
CONFIG = f"""
config_tag: six-hours
run: {{sink: jsonl, minutes: {MINUTES}}}
report: {{http_port: -1}}
simulator: {{speed: 0, minutes: {MINUTES}, rate: 6, seed: 11, start: "1700006410000"}}
strategy_mode: {{mode: force_active}}
eval: {{horizons_s: [5, 10], primary_horizon_s: 10}}
canary: {{hours: 6}}
"""


@pytest.fixture(scope="module")
def canary(tmp_path_factory):
    folder = tmp_path_factory.mktemp("six-hours")
    (folder / "canary.yaml").write_text(CONFIG)
    done = subprocess.run([str(stack.BIN / "orchctl"), "canary", "start", "--config", "canary.yaml", "--symbols", SYMBOL, "--run-id", "tried"],
                          cwd=folder, capture_output=True, text=True, timeout=240, env=os.environ)
    run = Canary(folder)
    assert done.returncode == 3, done.stdout[-3000:]  # its scores know nothing, so its gates fail; its files are looked at
    return run


@pytest.fixture(scope="module")
def market(canary):
    """Evaluation rows with their label of the primary horizon."""
    books = canary.parquet("orderbook", "ts_ms, mid", "ts_ms, last_id")
    times, mids = [int(row["ts_ms"]) for row in books], [float(row["mid"]) for row in books]
    first = min(times[0], int(canary.parquet("prices", "min(ts_ms) as t", "1")[0]["t"]))
    proba = {row["ts_ms"]: row["proba"] for row in canary.parquet("fusion", "ts_ms, proba", where="ts_ms % 1000 = 0")}
    rows = []
    for row in canary.parquet("features", where="ts_ms % 1000 = 0", order="ts_ms"):
        row = {**row, "ts_ms": int(row["ts_ms"]), "warmup": row["warmup"] == "true", "age_ofi_ms": int(row["age_ofi_ms"])}
        if evaluate.is_evaluation_row(row, 1000, TOL_MS):
            y = evaluate.label(row["ts_ms"], float(row["mid"]), times, mids, HORIZON_MS, TOL_MS)[0]
            p = proba[str(row["ts_ms"])]
            rows.append({"t": row["ts_ms"], "s": float(row["fusion_score"]), "y": y, "regime": row["regime"],
                         "p": float(p) if p else None})
    labelled = [row for row in rows if row["y"] in (0, 1)]
    assert len(labelled) > 3000
    return {"first": first, "rows": labelled}


def between(rows, begin, end):
    return [row for row in rows if begin <= row["t"] < end]


def close(text, value, tolerance=1e-9):
    """A cell or a member against a number, or against nothing."""
    if value is None:
        return text in ("", None)
    return text not in ("", None) and float(text) == pytest.approx(value, abs=tolerance, rel=tolerance)


def quality(p, y, share):
    if len(y) < 200:
        return None, None, None, None
    brier, baseline = stats.brier(p, y), stats.brier([share] * len(y), y)
    return stats.ece(p, y), brier, baseline, 100 * (1 - brier / baseline) if baseline else None


def test_every_test_window_is_summed_up(canary, market):
    rows = canary.rows("calibration_summary.csv")
    begins = [int(row["window_start_ms"]) for row in rows]
    first = market["first"] // TEST_MS * TEST_MS + TEST_MS
    assert begins == list(range(first, first + TEST_MS * len(begins), TEST_MS)) and len(begins) >= 10
    fitted = 0
    for row, begin in zip(rows, begins):
        train = [r for r in market["rows"] if evaluate.in_window(r["t"], begin - TRAIN_MS, begin, HORIZON_MS, TOL_MS)]
        test = between(market["rows"], begin, begin + TEST_MS)
        y = [r["y"] for r in test]
        a, b, state = evaluate.platt([r["s"] for r in train], [r["y"] for r in train])
        share = sum(r["y"] for r in train) / len(train) if train else None
        assert (int(row["window_end_ms"]), row["method"], row["symbol"]) == (begin + TEST_MS, "platt", SYMBOL)
        assert (int(row["train_n"]), int(row["test_n"])) == (len(train), len(test))
        assert close(row["a"], a, 1e-6) and close(row["b"], b, 1e-6)
        before = quality([evaluate.probability(-1, 0, r["s"]) for r in test], y, share)
        after = quality([evaluate.probability(a, b, r["s"]) for r in test], y, share) if state == "active" else (None,) * 4
        assert close(row["ece_before"], before[0]) and close(row["brier_before"], before[1]) and close(row["brier_baseline"], before[2])
        assert close(row["ece_after"], after[0], 1e-6) and close(row["brier_after"], after[1], 1e-6)
        assert close(row["brier_improvement_pct"], after[3], 1e-4)
        fitted += state == "active"
        assert row["calibration_state"] == state, "the run's own calibration said the same"
        if state == "active":  # and its probabilities are those of the fit
            assert all(r["p"] == pytest.approx(evaluate.probability(a, b, r["s"]), abs=1e-7) for r in test)
    assert fitted >= 8


def in_slice(row, name):
    return row["regime"] == name if name in ("active", "quiet") else evaluate.session(row["t"]) == name


def test_slices_have_a_calibration_error_of_their_own(canary, market):
    end = max(int(row["ts_ms"]) for row in canary.rows("metrics_timeseries.csv"))
    window = between(market["rows"], end - GATE_MS, end - HORIZON_MS - TOL_MS + 1)
    measured = 0
    for row in canary.rows("slices_overview.csv"):
        scored = [r for r in window if in_slice(r, row["slice"]) and r["p"] is not None]
        wanted = stats.ece([r["p"] for r in scored], [r["y"] for r in scored]) if len(scored) >= 200 else None
        wanted = wanted if row["horizon_s"] == "10" else None  # calibrated is the primary horizon
        assert close(row["ece"], wanted), row
        measured += wanted is not None
    assert measured >= 1


def roc(rows):
    """TPR at false alarm rates k/20, on the polygon through the corners, at its upper end where it is upright; precision where k/20 of
    the rises have been found."""
    outcomes = {}
    for row in rows:
        outcomes.setdefault(row["s"], []).append(row["y"])
    path = [(0, 0)]
    for score in sorted(outcomes, reverse=True):
        falls, rises = path[-1]
        path.append((falls + outcomes[score].count(0), rises + outcomes[score].count(1)))
    zeros, ones = path[-1]
    tpr, precision = [], []
    for k in range(1, 21):
        left = max(i for i, (falls, _) in enumerate(path) if 20 * falls <= k * zeros)
        value = path[left][1]
        if left + 1 < len(path):
            (f0, r0), (f1, r1) = path[left], path[left + 1]
            value += (r1 - r0) * (k * zeros / 20 - f0) / (f1 - f0)
        tpr.append(value / ones)
        falls, rises = next((f, r) for f, r in path if r and 20 * r >= k * ones)
        precision.append(rises / (rises + falls))
    return tpr, precision


def test_a_self_check_every_six_hours(canary, market):
    check = json.loads(canary.report("selfcheck_1.json"))
    assert (check["number"], check["run_id"]) == (1, "tried") and len(check["symbols"]) == 1
    one = check["symbols"][0]
    begin = market["first"] // 60_000 * 60_000
    assert (one["symbol"], one["window_start_ms"], one["window_end_ms"]) == (SYMBOL, begin, begin + CHECK_MS)
    rows = between(market["rows"], begin, begin + CHECK_MS)
    overall = evaluate.auc([r["s"] for r in rows], [r["y"] for r in rows], evaluate.outcomes([r["t"] for r in rows], HORIZON_MS))[0]
    assert one["n"] == len(rows) and close(one["auc"], overall)
    tpr, precision = roc(rows)
    assert [point["fpr"] for point in one["roc_points"]] == [k / 20 for k in range(1, 21)]
    assert [point["tpr"] for point in one["roc_points"]] == pytest.approx(tpr, abs=1e-12)
    assert [point["recall"] for point in one["pr_points"]] == [k / 20 for k in range(1, 21)]
    assert [point["precision"] for point in one["pr_points"]] == pytest.approx(precision, abs=1e-12)
    scored = [r for r in rows if r["p"] is not None]
    assert one["platt_test_samples"] == len(scored)
    last = (begin + CHECK_MS - 1) // TEST_MS * TEST_MS
    train = [r for r in market["rows"] if evaluate.in_window(r["t"], last - TRAIN_MS, last, HORIZON_MS, TOL_MS)]
    assert one["platt_train_samples"] == len(train)
    for number, bin in enumerate(one["reliability_bins"]):
        inside = [r for r in scored if (number / 10 < r["p"] <= (number + 1) / 10) or (number == 0 and r["p"] == 0)]
        assert bin["n"] == len(inside)
        assert close(bin["mean_p"], sum(r["p"] for r in inside) / len(inside) if inside else None)
        assert close(bin["mean_y"], sum(r["y"] for r in inside) / len(inside) if inside else None)
    for name in ("tokyo", "london", "ny", "active", "quiet"):
        part = [r for r in rows if in_slice(r, name)]
        value = evaluate.auc([r["s"] for r in part], [r["y"] for r in part], evaluate.outcomes([r["t"] for r in part], HORIZON_MS))[0]
        assert close(one["delta_auc"][name], None if value is None else value - overall)
    assert one["max_abs_delta_tpr"] is None, "there was no day before"
    assert one["verdict"] == check["verdict"] == "FAIL" and one["auc_active"] < 0.58
