"""The evaluation vectors are what the reference makes of them, and the reference itself on cases done by hand."""
import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import evaluate  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def test_the_vectors_are_the_references():
    with open(os.path.join(ROOT, "tests", "vectors", "evaluate.txt")) as file:
        written = file.read().splitlines()
    made = evaluate.vectors().splitlines()
    assert len(written) == len(made)
    for old, new in zip(written, made):
        if old == new:
            continue
        key, value = new.split()
        assert old.split()[0] == key
        assert float(old.split()[1]) == pytest.approx(float(value), rel=1e-9, abs=1e-9), new


def test_the_vectors_hold_known_and_unknown_figures():
    seen = {case[0]: evaluate.expectations(case) for case in evaluate.CASES}
    assert seen["plain"]["auc"] and seen["plain"]["auc_ny"] and seen["plain"]["auc_london"] is None
    assert seen["telling"]["state"] == "active" and seen["telling"]["a"] < -0.1 and seen["telling"]["ece"] is not None
    assert seen["wrong_way"]["a"] > 0.1 and seen["wrong_way"]["unlabeled"] > 0 and seen["wrong_way"]["auc"] < 0.45
    assert seen["short"]["state"] == "insufficient" and seen["short"]["ece"] is None
    assert seen["few_outcomes"]["auc"] is None and seen["few_outcomes"]["n_eff"] < 20
    assert seen["perfect"]["auc"] == 1.0
    assert all(case["ties"] > 0 for case in seen.values())


def test_a_label_reads_the_first_snapshot_at_or_behind_the_horizon_only():
    times, mids = [0, 5000, 5000, 7000], [10.0, 11.0, 9.0, 10.0]
    assert evaluate.label(0, 10.0, times, mids, 5000, 0)[0] == 1
    assert evaluate.label(1, 10.0, times, mids, 5000, 1998)[0] is None
    assert evaluate.label(1, 10.0, times, mids, 5000, 1999)[0] == "tie"
    assert evaluate.label(2001, 10.0, times, mids, 5000, 60000)[0] is None


def test_a_rising_series_is_all_ones_and_has_no_auc():
    times = list(range(0, 600_000, 500))
    mids = [100 + t / 1000 for t in times]
    labels = [evaluate.label(t, 100 + t / 1000, times, mids, 5000, 1500)[0] for t in range(0, 590_000, 1000)]
    assert labels == [1] * len(labels)
    assert evaluate.auc(list(range(len(labels))), labels, 100) == (None, None, None)
