"""The summaries of a whole run on a recording say what facts.json and the run's own files say."""
import collections
import json
import pathlib
import sys
from decimal import Decimal

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import stack as harness  # noqa: E402

NAME, FILE = "usdm-btcusdt-2024-08", "usdm/btcusdt_20240808.gz"
DIFFERING = {"sink", "files_read"}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    capture = harness.needed(FILE)
    if not (harness.BIN / "orchestrator").exists():
        pytest.skip("orchestrator is not built")
    with harness.Stack(tmp_path_factory.mktemp("run"), [capture], run_id="report", sets=harness.UNHURRIED) as stack:
        stack.finish()
        yield stack


def test_tape_and_book_are_those_of_the_recording(run):
    facts, found = harness.facts(NAME), run.summary("jsonl")
    (trades,) = [stream for stream in facts["streams"] if stream["event"] == "trade"]
    volumes, audit = found["volumes"]["BTCUSDT"], found["book_audit"]["BTCUSDT"]
    assert volumes["trades"] == trades["n"]
    assert Decimal(volumes["taker_buy"]) == Decimal(trades["taker_buy_volume"])
    assert Decimal(volumes["taker_sell"]) == Decimal(trades["taker_sell_volume"])
    assert Decimal(volumes["total"]) == Decimal(trades["taker_buy_volume"]) + Decimal(trades["taker_sell_volume"])
    book = facts["books"]["BTCUSDT"]
    assert (audit["diffs_applied"], audit["gaps"]) == (book["diffs_applied"], 0)
    assert audit["different"] == book["bbo_check"]["different"] == 0
    assert audit["comparable"] == audit["equal"] >= book["bbo_check"]["equal"]
    for side in ("bids", "asks"):
        assert [list(map(Decimal, level)) for level in found["top5"]["BTCUSDT"][side]] == \
            [list(map(Decimal, level[:2])) for level in book["final_book"][side]]


def test_signal_figures_are_those_of_the_sinks(run):
    names, rows = run.sqlite_rows()
    rows = [dict(zip(names, row)) for row in rows]
    confirmed = [row for row in rows if row["confirm"]]
    reasons = collections.Counter(reason for row in rows for reason in set((row["guard_reason"] or "").split(",")) - {""})
    for sink in ("jsonl", "sqlite"):
        found = run.summary(sink)
        assert (found["total"], found["confirmed"]) == (len(rows), len(confirmed))
        assert found["gating_breakdown"] == dict(reasons)
        assert found["first_minute"] == min(row["ts_ms"] for row in rows) // 60000
        assert found["orders"]["total"] == len(run.orders()) > 0
        assert found["signals_published"] == len(rows)
        assert not [warning for warning in found["warnings"] if "=" in warning]
        assert None not in (found["dropped"], found["dedup"], found["write_errors"], found["deduplicated"])


def test_both_summaries_are_equal_and_the_parity_passes(run):
    jsonl, sqlite = run.summary("jsonl"), run.summary("sqlite")
    assert {key for key in jsonl if jsonl[key] != sqlite[key]} == DIFFERING
    parity = json.loads((run.folder / f"artifacts/parity_diff_{run.run_id}.json").read_text())
    assert parity["verdict"] == "PASS"
    assert parity["jsonl_stats"] == parity["sqlite_stats"] and parity["jsonl_stats"]["total"] == jsonl["total"]
