"""Small cases of the ordering rules (algorithms.md section 1) on the reference."""
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import reference as ref  # noqa: E402
from feed import Feed  # noqa: E402


def ids(feed):
    return [r["agg_trade_id"] for r in feed.rows["prices"]]


def test_first_trade_waits_for_the_watermark_then_ids_follow_at_once():
    f = Feed()
    f.book(1000)
    f.trade(1010)
    assert ids(f) == []
    f.book(1060)
    assert ids(f) == [1]
    f.trade(1070)
    assert ids(f) == [1, 2]


def test_hole_waits_for_its_filler():
    f = Feed()
    f.trade(1000, 1)
    f.book(1050)
    f.trade(1060, 3)
    assert ids(f) == [1]
    f.trade(1055, 2)
    assert ids(f) == [1, 2, 3]
    f.trade(1070, 5)
    f.book(1120)
    assert ids(f) == [1, 2, 3, 5]
    f.trade(1069, 4)
    assert ids(f) == [1, 2, 3, 5]
    f.trade(1070, 5)
    assert f.h.n["late_event_dropped"] == 1 and f.h.n["dedup_hits_total"] == 1 and f.h.n["trade_gap_ids_total"] == 1
    assert [r["gap_before"] for r in f.rows["prices"]] == [0, 0, 0, 1]


def test_blocking_smaller_id_is_released_before_a_row():
    f = Feed()
    f.book(1000)
    f.trade(1000, 1)
    f.book(1060)
    f.trade(1205, 3)            # blocks: T > W
    f.trade(1190, 4)
    assert ids(f) == [1]
    f.book(1252)                # W = 1202: row 1200 needs trade 4
    assert ids(f) == [1, 3, 4]
    row = [r for r in f.rows["features"] if r["ts_ms"] == 1200][0]
    assert row["age_cvd_ms"] == 10


def test_late_trade_and_late_book():
    f = Feed({"harvest.watermark_ms": 10})
    f.book(1000)
    f.trade(1000, 1)
    f.trade(1001, 2)
    f.book(1050)
    f.trade(1215, 3)
    assert [r["ts_ms"] for r in f.rows["features"]] == [1000, 1100, 1200]
    f.trade(1190, 4)
    f.book(1195)
    assert f.h.x.late == 2
    assert ids(f)[-1] == 4
    f.book(1049)
    assert f.h.n["book_time_backward"] == 1
    f.h.finish()
    assert [r["ts_ms"] for r in f.rows["features"]][-1] == 1200


def test_non_market_trade():
    f = Feed()
    f.book(1000)
    f.trade(1000, 1)
    f.trade(1060, 2, price=1000, market=False)
    f.trade(1061, 3)
    f.book(1100)
    f.h.finish()
    assert [(r["agg_trade_id"], r["is_market"]) for r in f.rows["prices"]] == [(1, True), (2, False), (3, True)]
    assert [r["agg_trade_id"] for r in f.rows["cvd"]] == [1, 3]
    assert f.rows["prices"][2]["recv_rate_tps"] == 2 / 60
    assert f.rows["events"] == []


def test_price_anomaly_and_silence():
    f = Feed()
    f.book(1000)
    f.trade(1000, 1)
    f.trade(1100, 2, price=106)
    f.trade(200_000, 3, price=106)
    f.book(200_000)
    f.h.finish()
    events = [(r["event_type"], r["channel"], r["ts_ms"]) for r in f.rows["events"]]
    assert events == [("price_anomaly", "trade", 1100), ("gap", "trade", 200_000), ("gap", "book", 200_000)]
    assert json.loads(f.rows["events"][1]["meta_json"]) == {"from": 1100, "gap_kind": "silence", "missing": None,
                                                            "to": 200_000}


def test_resynchronisation():
    f = Feed()
    f.book(1000)
    f.trade(1000, 1)
    f.book(1060)
    f.u += 5                    # five ids missing
    f.book(1100)
    f.book(1150)
    assert f.h.state == "invalid"
    assert len(f.rows["orderbook"]) == 2
    f.h.rest(50, [(99 * ref.SCALE, ref.SCALE)], [(101 * ref.SCALE, ref.SCALE)])
    assert f.h.state == "invalid" and f.h.n["snapshot_too_old"] == 1
    f.h.rest(f.u - 1, [(98 * ref.SCALE, ref.SCALE)], [(101 * ref.SCALE, ref.SCALE)])
    assert f.h.state == "live"
    f.book(1200)
    resets = [r["book_reset"] for r in f.rows["orderbook"]]
    assert resets == [True, False, True, False, False][:len(resets)] and len(resets) >= 4
    assert [r["session_reset"] for r in f.rows["ofi"]][1] is True
    meta = json.loads(f.rows["events"][0]["meta_json"])
    assert meta == {"from": 102, "gap_kind": "book_seq", "missing": None, "to": 107}


def test_five_failures_publish_the_trades():
    f = Feed()
    f.h.snapshot = None
    f.h.tries = 0
    f.u = 1000
    f.trade(1000, 1)
    f.book(1000)
    for _ in range(5):
        assert f.rows["prices"] == []
        f.h.rest(10, [], [])
    f.trade(1100, 2)
    assert ids(f) == [1, 2]
    f.h.rest(1000, [(99 * ref.SCALE, ref.SCALE)], [(101 * ref.SCALE, ref.SCALE)])
    assert len(f.rows["orderbook"]) == 1


URL = "wss://x/stream?streams=btcusdt@depth@0ms/btcusdt@trade"


def message(at, kind, **data):
    data.update(E=at, T=at, s="BTCUSDT")
    stream = "btcusdt@" + kind
    return (at * 1_000_000, "msg", stream, "BTCUSDT", json.dumps({"stream": stream, "data": data}), 0)


def diff(t, first, last, previous):
    return message(t, "depth@0ms", e="depthUpdate", U=first, u=last, pu=previous, b=[["99.0", "2.5"]], a=[])


def trade(t, number):
    return message(t, "trade", e="trade", t=number, p="100.0", q="1", X="MARKET", m=True)


def snapshot(t, last):
    text = json.dumps({"lastUpdateId": last, "bids": [["99.0", "1"]], "asks": [["101.0", "1"]]})
    return (t * 1_000_000, "rest", "https://x/fapi/v1/depth?symbol=BTCUSDT&limit=1000", "BTCUSDT", text, 0)


def test_a_reconnect_names_its_hole_once_and_needs_a_new_snapshot():
    events = [(999_000_000, "open", URL, "", "", 1), diff(1000, 1, 5, 0), snapshot(1001, 3), trade(1010, 1),
              diff(1100, 6, 9, 5), (1_150_000_000, "close", URL, "", "lost", 1),
              (1_400_000_000, "open", URL, "", "", 2), diff(1500, 20, 25, 19), trade(1510, 2), snapshot(1520, 22),
              diff(1600, 26, 30, 25)]
    job = ref.Run()
    rows = job.run(events)["BTCUSDT"]
    assert [(r["last_id"], r["book_reset"]) for r in rows["orderbook"]] == [(5, True), (9, False), (25, True),
                                                                           (30, False)]
    # The hole between the two connections is one event; it is not counted as a break within one.
    assert [(r["event_type"], r["channel"], r["ts_ms"]) for r in rows["events"]] == [("reconnect", "socket", 1500),
                                                                                    ("gap", "book", 1500)]
    meta = json.loads(rows["events"][0]["meta_json"])
    assert meta["down_ms"] == 250 and meta["reason"] == "lost"
    n = job.parts["BTCUSDT"].n
    assert n["book_resync_total"] == 1 and "book_seq_gap_total" not in n


def test_malformed_messages_are_counted():
    good = [diff(1000, 1, 5, 0), snapshot(1001, 3), trade(1010, 1)]
    bad = [message(1011, "trade", e="trade", t=2, p="1e5", q="1", m=True),
           message(1012, "trade", e="trade", t=2, p="1.123456789", q="1", m=True),
           message(1013, "trade", e="trade", p="1", q="1", m=True),
           (1_014_000_000, "msg", "btcusdt@trade", "BTCUSDT", "{", 0)]
    job = ref.Run()
    rows = job.run(good + bad)
    assert job.errors == {"parse_errors": 4}
    assert rows == ref.run(good)
