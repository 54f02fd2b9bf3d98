"""Books, audits and volumes of the reference on the recordings against their facts.json."""
import json
import os
import sys
from decimal import Decimal

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import recordings as rec  # noqa: E402
import reference as ref  # noqa: E402

FOLDER = rec.find_recordings()
FACTS = []
if FOLDER:
    with open(os.path.join(FOLDER, "facts.json"), encoding="utf-8") as handle:
        FACTS = json.load(handle)["recordings"]

needs_recordings = pytest.mark.skipif(
    not FOLDER, reason="no recordings: set ORDERFLOW_RECORDINGS to the folder that holds facts.json")


class NoFeatures:
    """Stands in for Features where only the harvest side is of interest."""
    next_c = None
    late = row_count = 0
    first_g = last_g = mode = None

    class fusion:
        n = {}

    class signal:
        n = {}

    class ofi:
        tail = ()

    def __init__(self):
        self.events = []

    def event(self, *args):
        self.events.append(args)

    def book(self, *args):
        pass

    trade = row = boundary = book


class HarvestOnly(ref.Run):
    def _symbol(self, symbol):
        if symbol not in self.parts:
            self.parts[symbol] = ref.Harvest(symbol, dict(self.c, **{"features.grid_ms": 10 ** 15}), self.market,
                                             lambda kind, row: None, NoFeatures())
        return self.parts[symbol]


@needs_recordings
@pytest.mark.parametrize("fact", FACTS, ids=[f["recording"] for f in FACTS])
def test_facts(fact):
    job = HarvestOnly()
    job.run(list(rec.read_recordings([os.path.join(FOLDER, p) for p in fact["paths"]])))
    assert job.market == fact["market"]
    assert not job.errors
    for symbol, book in fact["books"].items():
        part = job.parts[symbol]
        got = part.stats()
        counters = got["counters"]
        if book.get("snapshot", "") is None:
            assert counters.get("diffs_applied", 0) == 0
            continue
        assert counters["diffs_applied"] == book["diffs_applied"]
        assert counters.get("diffs_dropped", 0) == book["diffs_dropped_before_snapshot"]
        assert counters.get("book_resync_total", 0) == book["sequence_breaks_while_applying"] == 0
        assert counters.get("book_crossed", 0) == book["crossed_book_states"] == 0
        assert counters["snapshots"] == book["diffs_applied"]
        final = book["final_book"]
        for name in ("bids", "asks", "n_bid_levels", "n_ask_levels"):
            assert got["final_book"][name] == final[name], name
        assert part.last_u == final["last_u"]
        check = book.get("bbo_check")
        if check:
            # the facts leave out the diffs that were buffered at synchronisation; the specification counts them
            audit = got["audit"]
            assert audit["equal_live"] == check["equal"]
            assert audit["different_live"] == audit["different"] == check["different"]
            assert audit["equal"] <= check["equal"] + part.applied_sync
    for stream in fact["streams"]:
        if stream["event"] in ("trade", "aggTrade"):
            got = job.parts[stream["symbol"]].stats()
            assert got["counters"]["trades"] == stream["n"]
            for key in ("volume", "taker_buy_volume", "taker_sell_volume"):
                assert Decimal(got[key]) == Decimal(stream[key])
            venue_internal = stream.get("X", {}).get("INSURANCE_FUND", 0)
            assert got["counters"].get("non_market_trades", 0) == venue_internal
            assert got["last_agg_trade_id"] == stream["last_id"]


def small_recording():
    return [os.path.join(FOLDER, "usdm", "btcusdt_20230404.dat.gz")]


def comparable(rows):
    return {symbol: {kind: [{k: v for k, v in r.items() if k not in ("recv_ts_ms", "latency_ms")} for r in lines]
                     for kind, lines in kinds.items()} for symbol, kinds in rows.items()}


@needs_recordings
def test_rows_are_consistent():
    rows = ref.run(rec.read_recordings(small_recording()))["BTCUSDT"]
    assert len(rows["prices"]) == 2197
    cvd = 0.0
    for r in rows["cvd"]:
        cvd += r["delta"]
        assert abs(r["cvd"] - cvd) <= 1e-9 * max(1, abs(cvd))
        if r["z_raw"] is not None:
            assert r["z_cvd"] == max(-8.0, min(8.0, r["z_raw"]))
    primings = sum(r["session_reset"] for r in rows["ofi"])
    assert len(rows["ofi"]) == len(rows["orderbook"]) - primings
    for a, b in ((rows["fusion"], rows["features"]), (rows["features"], rows["signals"])):
        assert [r["ts_ms"] for r in a] == [r["ts_ms"] for r in b]
    steps = {b["ts_ms"] - a["ts_ms"] for a, b in zip(rows["features"], rows["features"][1:])}
    assert steps == {100}
    assert all(r["guard_reason"] for r in rows["signals"] if not r["confirm"])


@needs_recordings
def test_moment_of_the_snapshot_changes_nothing():
    events = list(rec.read_recordings(small_recording()))
    at = next(i for i, e in enumerate(events) if e[1] == rec.REST)
    rest = events.pop(at)
    rows = []
    for place in (at, 0, at + 300):
        moved = events[:place] + [rest] + events[place:]
        rows.append(comparable(ref.run(moved)))
    assert rows[0] == rows[1] == rows[2]


@needs_recordings
def test_capture_gives_the_rows_of_the_recording(tmp_path):
    events = list(rec.read_recordings(small_recording()))[:4000]
    half = len(events) // 2
    paths = [str(tmp_path / "raw-b.ofr"), str(tmp_path / "raw-a.ofr")]
    seq = 0
    for path, part in zip(paths, (events[:half], events[half:])):
        with open(path, "wb") as f:
            f.write(rec.ofr_file_header())
            f.write(rec.ofr_record(seq, 0, 6, 0, b"{}"))
            for recv, kind, stream, _, text, _ in part:
                seq += 1
                if kind == rec.REST:
                    f.write(rec.ofr_record(seq, recv, 4, 1, (stream + "\n" + text).encode()))
                else:
                    f.write(rec.ofr_record(seq, recv, 1, 0, text.encode()))
            seq += 1
            if path == paths[1]:
                f.write(rec.ofr_record(seq, 0, 3, 0, b"end of recording")[:-3])   # torn at the very end: ignored
    again = list(rec.read_ofr(paths[::-1], verify=True))
    assert ref.run(events) == ref.run(again)


@needs_recordings
def test_duplicates_change_nothing_and_holes_are_seen():
    events = list(rec.read_recordings(small_recording()))
    doubled = []
    for e in events:
        doubled.append(e)
        if e[1] == rec.MSG and e[2].endswith("@trade"):
            doubled.append(e)
    assert ref.run(events) == ref.run(doubled)
    trades = [i for i, e in enumerate(events) if e[1] == rec.MSG and e[2].endswith("@trade")]
    diffs = [i for i, e in enumerate(events) if e[1] == rec.MSG and "@depth" in e[2]]
    cut = {trades[500], trades[501], diffs[1000]}
    job = ref.Run()
    rows = job.run([e for i, e in enumerate(events) if i not in cut])["BTCUSDT"]
    metas = [json.loads(r["meta_json"]) for r in rows["events"] if r["event_type"] == "gap"]
    assert [m["gap_kind"] for m in metas] == ["trade_id", "book_seq"]
    assert metas[0]["missing"] == 2 and metas[0]["to"] - metas[0]["from"] == 3
    assert [r["gap_before"] for r in rows["prices"] if r["gap_before"]] == [2]
    assert job.parts["BTCUSDT"].n["book_resync_total"] == 1
    # no second snapshot in the recording: the book ends there
    assert len(rows["orderbook"]) == 1000
