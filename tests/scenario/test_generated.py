"""What no recording contains, under configurations that no other test uses: the rows the daemons compute from generated
captures (tests/reference/captures.py) are those of the Python reference, written from the specification alone, to 1e-9.

ORDERFLOW_SEED=N runs every case with captures of that seed. A failure names its seed.
"""
import json
import os
import re
import sys

import pytest

import replay
import stack as harness

sys.path.insert(0, str(harness.ROOT / "tests" / "reference"))
import captures  # noqa: E402
import compare  # noqa: E402
import recordings  # noqa: E402
import reference  # noqa: E402

# Short look-backs and low limits, so that the mode changes and every silence is told within a minute or two.
LIVELY = {
    "strategy_mode.step_ms": 2000, "strategy_mode.lookback_ms": 10000, "strategy_mode.min_dwell_ms": 6000,
    "strategy_mode.market.min_trades_per_min": 60, "strategy_mode.market.min_quotes_per_sec": 1,
    "strategy_mode.market.max_spread_bps": 5000, "strategy_mode.market.min_volatility_bps": 0,
    "strategy_mode.market.min_volume_usd": 10, "harvest.trade_idle_s": 10, "harvest.book_idle_s": 12,
    "harvest.backfill": False,  # the reference inserts what REST answers, but does not wait for it (decision 0014)
}
# Windows so short that fits, and turns of the direction, come within some minutes.
SHORT_WINDOWS = {"eval.step_ms": 100, "eval.train_s": 300, "eval.test_s": 60, "eval.horizons_s": [5],
                 "eval.primary_horizon_s": 5, "cvd.freeze_min": 5, "ofi.z_window": 20}
# (share of the capture at which it comes, what was decided)
DECISIONS = [
    (.0, {"decision": "lock_direction"}), (.3, {"decision": "slice_weight", "value": .5}),
    (.5, {"decision": "unlock_direction", "symbol": "AAAUSDT", "why": "a test"}),
    (.6, {"decision": "suspend_calibration"}), (.6, {"decision": "lock_direction"}), (.7, {"decision": "resume_calibration"}),
    (.8, {"decision": "slice_weight", "value": 0, "symbol": "BBBUSDT"}), (.9, {"decision": "adjust_merge_tol", "value": 2500}),
]
# name: (seed, what is generated, what is configured)
CASES = {
    "usdm": (1, {}, {}),
    "raw-trades": (2, {"trade": "trade"}, {}),
    "spot": (3, {"market": "spot", "trade": "trade"}, {}),
    "coin-margined": (4, {"market": "coinm", "trade": "trade"}, {}),
    "partial-books": (5, {"source": "partial"}, {}),
    "no-watermark": (6, {}, {"harvest.watermark_ms": 0, "harvest.dedup_lru": 5}),
    "long-watermark": (7, {}, {"harvest.watermark_ms": 2000, "features.grid_ms": 250, "strategy_mode.step_ms": 1700}),
    "clock-skew": (8, {}, {"harvest.max_clock_skew_ms": 200}),
    "nq": (9, {}, {"harvest.qty_field": "nq"}),
    "legacy": (10, {"trade": "trade"}, {"ofi.mode": "legacy"}),
    "mlofi-10": (11, {}, {"ofi.mode": "mlofi", "ofi.levels": 10, "ofi.weights": [1, 2, -1, 3]}),
    "one-level": (12, {}, {"ofi.levels": 1, "ofi.weights": [3], "ofi.z_clip": 0, "ofi.z_window": 7}),
    "soft-clip": (13, {}, {"ofi.soft_clip_k": 1.5, "ofi.z_window": 20, "ofi.std_floor": 0.02,
                           "ofi.reset_on_day_change": False}),
    "step16-conservative": (14, {}, {"cvd.profile": "step16", "fusion.profile": "conservative"}),
    "v2_class-harvest2": (15, {}, {"cvd.profile": "v2_class", "fusion.profile": "harvest2", "cvd.half_life_sec": 300}),
    "v2_btc-oct22": (16, {}, {"cvd.profile": "v2_btc", "fusion.profile": "oct22"}),
    "v2_eth-ewma": (17, {}, {"cvd.profile": "v2_eth", "cvd.scale_mode": "ewma"}),
    "level": (18, {}, {"cvd.z_mode": "level", "cvd.z_window": 40}),
    "short-memory": (67, {}, {"cvd.mad_window_trades": 60, "cvd.freeze_min": 1, "cvd.half_life_sec": 3}),
    "compat_v13": (20, {}, {"fusion.compat_v13": True, "fusion.gate": 0.4, "fusion.weights_active": [0.7, 0.3]}),
    "min-duration": (21, {}, {"fusion.min_consecutive": 3, "fusion.hold_ttl_ms": 900, "fusion.fuse_sell": -0.7,
                              "fusion.fuse_buy": 0.5, "features.max_age_ms": 900}),
    "schedule-or": (22, {}, {"strategy_mode.combine": "or", "strategy_mode.schedule.timezone": "UTC",
                             "strategy_mode.schedule.windows": ["23:59-00:01", "22:14-22:15"],
                             "strategy_mode.min_dwell_ms": 0}),
    "schedule-and": (23, {}, {"strategy_mode.combine": "and", "strategy_mode.schedule.windows": ["23:00-08:59"],
                              "strategy_mode.schedule.weekdays": ["tue", "wed"],
                              "strategy_mode.schedule.holidays": ["2023-11-15"]}),
    "force_active": (24, {}, {"strategy_mode.mode": "force_active"}),
    "strategy-off": (1003, {}, {"strategy_mode.enabled": False}),
    "calibration": (27, {"count": 5000}, SHORT_WINDOWS),
    "auto-flip": (29, {"count": 5000}, {**SHORT_WINDOWS, "eval.auto_flip": True, "eval.train_s": 3600}),
    "controls": (29, {"count": 3000, "controls": DECISIONS}, SHORT_WINDOWS),
    "signal-gates": (26, {}, {"signal.dedupe_ms": 350, "signal.spread_bps_cap": 3, "signal.lag_cap_sec": 0.2,
                              "signal.weak_threshold": 0.5}),
}
CONTROL = 5  # kind of a capture's record
KINDS = {"trade": "prices", "book": "orderbook", "event": "events", "ofi": "ofi", "cvd": "cvd", "fusion": "fusion",
         "feature": "features", "strategy_state": "strategy_state", "signal": "signals"}
ROW_IDS = {
    "prices": "{symbol}|prices|{agg_trade_id}", "cvd": "{symbol}|cvd|{agg_trade_id}", "ofi": "{symbol}|ofi|{last_id}",
    "orderbook": "{symbol}|orderbook|{last_id}", "fusion": "{symbol}|fusion|{ts_ms}",
    "features": "{symbol}|features|{ts_ms}", "events": "{symbol}|events|{event_type}|{channel}|{ts_ms}|{ordinal}",
}
IGNORED = {"run_id", "div_type"}


def write_capture(path, records):
    with open(path, "wb") as file:
        file.write(recordings.ofr_file_header())
        for number, (recv_ns, kind, conn, text) in enumerate(records, 1):
            file.write(recordings.ofr_record(number, recv_ns, kind, conn, text.encode()))


def with_controls(records, controls):
    """Control inputs in the places that their shares name."""
    records = list(records)
    for share, said in sorted(controls, key=lambda control: -control[0]):
        place = int(len(records) * share) or 1
        records.insert(place, (records[place - 1][0], CONTROL, 0, json.dumps(said)))
    return records


def setting(value):
    if isinstance(value, list):
        return ",".join(map(str, value))
    return value if isinstance(value, str) else json.dumps(value)


def daemon_rows(capture, config, folder):
    """{(symbol, kind): rows} of harvest, features and signal, each run by hand on the capture."""
    found = {}
    arguments = ["--run-id", "generated", "--symbols", ",".join(captures.SYMBOLS)]
    for key, value in config.items():
        arguments += ["--set", f"{key}={setting(value)}"]
    for service in ("harvest", "features", "signal"):
        for line in map(json.loads, replay.lines(service, [capture], *arguments, folder=folder)):
            kind = KINDS.get(line["kind"])
            if not kind:
                continue
            row = {**line["row"], "symbol": line["symbol"]}
            if kind == "events":
                row["meta_json"] = json.dumps(row["meta_json"])
            if kind in ROW_IDS:
                row["row_id"] = ROW_IDS[kind].format(**row)
            found.setdefault((line["symbol"], kind), []).append(row)
    return found


def reference_rows(capture, config):
    rows = reference.run(recordings.read_ofr([str(capture)]), {**config, "run.symbols": list(captures.SYMBOLS)})
    return {(symbol, kind): found for symbol, kinds in rows.items() for kind, found in kinds.items() if found}


def assert_it_happened(name, rows):
    """What a case is there for is in its rows."""
    fusion = [row for (_, kind), found in rows.items() if kind == "fusion" for row in found]
    incidents = [json.loads(row["meta_json"])["rule"] for (_, kind), found in rows.items() if kind == "events"
                 for row in found if row["event_type"] == "incident"]
    signals = [row for (_, kind), found in rows.items() if kind == "signals" for row in found]
    if name in ("calibration", "controls"):
        assert {"none", "insufficient", "active"} <= {row["calibration_state"] for row in fusion}
        assert sum(row["proba"] is not None for row in fusion) > 500
    if name == "auto-flip":
        assert "direction_changed" in incidents and {"as_is", "flipped"} == {row["cvd_direction"] for row in fusion}
    if name == "controls":
        assert any(row["calibration_state"] == "suspended" for row in fusion)
        assert {"direction_locked", "direction_unlocked"} <= set(incidents)
        assert any("reason:slice_suspended" in (row["guard_reason"] or "") for row in signals)


@pytest.mark.parametrize("name", CASES)
def test_daemons_and_reference_agree_on_a_generated_capture(name, tmp_path):
    seed, generated, configured = CASES[name]
    seed = int(os.environ.get("ORDERFLOW_SEED", seed))
    generated = dict(generated)
    controls = generated.pop("controls", [])
    # trade_stream stays auto: the capture decides.
    config = {**LIVELY, "harvest.market": generated.get("market", "usdm"),
              "harvest.book_source": generated.get("source", "diff"), **configured}
    capture = tmp_path / "raw-generated-0-000001.ofr"
    write_capture(capture, with_controls(captures.generate(seed, **generated), controls))
    theirs, ours = reference_rows(capture, config), daemon_rows(capture, config, tmp_path)
    assert len(theirs) >= 2 * 8, f"seed {seed}: too little was generated: {sorted(theirs)}"
    assert theirs.keys() == ours.keys(), f"seed {seed}"
    if seed == CASES[name][0]:
        assert_it_happened(name, theirs)
    if name == "calibration":
        said = (tmp_path / "features.log").read_text()
        assert re.search(r" calibration .*old=none new=\w+ effective_ts_ms=\d+ ", said) and " old=active " in said, said[-2000:]
    if name == "auto-flip":
        said = (tmp_path / "features.log").read_text()
        assert re.search(r" direction_changed .*symbol=(\w+) old=(as_is|flipped) new=(?!\2)\w+ effective_ts_ms=\d+ "
                         r"incident=\1\|events\|incident\|cvd\|\d+\|\d", said), said[-2000:]
    for (symbol, kind), rows in theirs.items():
        columns, notes = compare.compare_rows(kind, rows, ours[symbol, kind], IGNORED)
        assert not columns and not notes, (f"seed {seed}, {symbol} {kind}: {notes} "
                                           f"{ {column: found[:2] for column, found in columns.items()} }")
