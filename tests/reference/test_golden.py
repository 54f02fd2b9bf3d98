"""The golden tables of golden.md sections 1, 2, 3, 5, 6, 7 against the reference."""
import math
import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import reference as ref  # noqa: E402
from feed import Feed  # noqa: E402
import stats  # noqa: E402

T0 = 1_700_000_000_000


def near(x, y, tol=1e-9):
    return abs(x - y) <= tol * max(1.0, abs(x), abs(y))


def check(x, y, tol=1e-9):
    assert near(x, y, tol), (x, y)


# --- 1. OFI ----------------------------------------------------------------------------------------------------------

def ofi(mode, **keys):
    config = ref.make_config(dict({"ofi.mode": mode}, **{"ofi." + k: v for k, v in keys.items()}))
    return ref.Ofi(ref.ofi_params(config))


def side(*rows):
    return [(round(p * 100), float(q)) for p, q in rows]


ASK0 = side((100.1, 6), (100.2, 5), (100.3, 4), (100.4, 3), (100.5, 2))
SNAPSHOTS = [
    (side((100.0, 5), (99.9, 4), (99.8, 3), (99.7, 2), (99.6, 1)), ASK0),
    (side((100.05, 2), (100.0, 5), (99.9, 4), (99.8, 3), (99.7, 2)),
     side((100.1, 4), (100.2, 5), (100.3, 4), (100.4, 3), (100.5, 2))),
    (side((100.0, 7), (99.9, 4), (99.8, 3), (99.7, 2), (99.6, 1)),
     side((100.15, 3), (100.2, 5), (100.3, 4), (100.4, 3), (100.5, 2))),
]


@pytest.mark.parametrize("mode,expected", [
    ("legacy", [(-1.0, (-.4, -.25, -.2, -.1, -.05), -1.0), (0.2, (-.4, .25, .2, .1, .05), -0.64),
                (1.8, (2.4, -.25, -.2, -.1, -.05), 0.092)]),
    ("cks", [None, (2.2, (1.6, .25, .2, .1, .05), 2.2), (0.2, (0.8, -.25, -.2, -.1, -.05), 1.6)]),
    ("mlofi", [None, (4.05, (1.6, 1.25, .8, .3, .1), 4.05), (-1.65, (.8, -1.25, -.8, -.3, -.1), 2.34)]),
])
def test_ofi_contributions(mode, expected):
    engine = ofi(mode)
    for i, ((bids, asks), want) in enumerate(zip(SNAPSHOTS, expected)):
        out = engine.update(T0 + 100 * i, bids, asks)
        if want is None:
            assert out is None
            continue
        value, components, ema = want
        check(out["ofi_value"], value)
        check(out["ema_ofi"], ema)
        for got, k in zip(out["components"], components):
            check(got, k)
        assert out["warmup"] and out["ofi_z"] is None


def ofi_sequence(mode):
    engine = ofi(mode, levels=1, weights=[1.0], z_window=25)
    rows, q = [], 50
    for i in range(40):
        q += (7 * i) % 11 - 5
        rows.append(engine.update(T0 + 100 * i, [(10000, float(q))], [(10100, 20.0)]))
    return rows


@pytest.mark.parametrize("mode", ["cks", "mlofi"])
def test_ofi_z_derived(mode):
    rows = ofi_sequence(mode)
    assert rows[0] is None
    for i, value in ((4, 1.0), (5, -3.0)):
        check(rows[i]["ofi_value"], value)
        assert rows[i]["ofi_z"] is None
    check(rows[6]["scale"], 3.2093613071762426)
    for i, value, z in ((6, 4.0, 1.0594008198445848), (10, -1.0, -0.5270462766947298), (20, 3.0, 0.8876612386236645),
                        (30, -4.0, -1.2645598806322964), (39, 4.0, 1.1911707861003022)):
        check(rows[i]["ofi_value"], value)
        check(rows[i]["ofi_z"], z)
    check(rows[39]["ema_ofi"], 1.0105460172984193)


def test_ofi_z_legacy():
    rows = ofi_sequence("legacy")
    check(rows[0]["ofi_value"], 25.0)
    assert rows[0]["ofi_z"] is None and rows[4]["ofi_z"] is None
    for i, z in ((5, -0.8516328386), (6, -0.0643090141), (10, -0.4968328473), (20, 0.2512036412),
                 (30, -1.2645598806), (39, 1.1911707861)):
        check(rows[i]["ofi_z"], z, 1e-9)
    check(rows[39]["ema_ofi"], 1.0105669368, 1e-9)


# --- 2. CVD ----------------------------------------------------------------------------------------------------------

def cvd_rows(profile, extra=False):
    engine = ref.Cvd(ref.cvd_params(ref.make_config({"cvd.profile": profile})))
    t, rows = T0, []
    for i in range(120):
        t += 4500 if i == 70 else 6000 if i == 90 else 400
        rows.append(engine.update(t, 100.0, ((37 * i) % 23 + 1) / 10, (5 * i) % 7 < 3))
    if extra:
        rows.append(engine.update(t + 400, 100.0, 40.0, False))
    return rows


CVD_COLUMN = {18: 4.6, 19: 6.0, 20: 5.5, 49: 6.2, 50: 7.3, 69: 12.5, 70: 11.0, 71: 11.6, 72: 13.6, 90: 13.0, 91: 12.0,
              92: 12.1, 93: 13.6, 119: 17.9}


@pytest.mark.parametrize("profile", ["v2_class", "s3"])
def test_cvd_column(profile):
    rows = cvd_rows(profile)
    for i, value in CVD_COLUMN.items():
        check(rows[i]["cvd"], value)


def test_cvd_v2_class():
    rows = cvd_rows("v2_class")
    assert all(rows[i]["z_cvd"] is None and rows[i]["warmup"] for i in range(19))
    check(rows[19]["z_raw"], 12.058764768714411)
    check(rows[19]["z_cvd"], 2.0)
    check(rows[20]["z_raw"], -4.286068774501818)
    check(rows[20]["z_cvd"], -2.0)
    # scales of rows without the MAD floor are facts of floating seconds (golden.md 2.1)
    for i, scale in ((19, 0.116098124323), (20, 0.116657015138)):
        check(rows[i]["scale"], scale, 3e-8)
        assert rows[i]["floor_used"] is False
    for i, z, scale in ((49, -0.457265551411, 4.373826092582), (50, 0.266597731406, 4.126066618035),
                        (69, -0.030250549575, 3.305725066305), (72, 0.623046755550, 3.210031963389),
                        (93, 0.517512091670, 2.898483), (119, -0.379508867225, 2.898483)):
        check(rows[i]["z_raw"], z)
        check(rows[i]["scale"], scale)
        assert rows[i]["z_cvd"] == rows[i]["z_raw"] and rows[i]["floor_used"] is True
    for i in (70, 71, 90, 91, 92):
        assert rows[i]["z_cvd"] is None and rows[i]["frozen"]
    assert [i for i in range(120) if rows[i]["frozen"]] == [70, 71, 90, 91, 92]
    r = rows[50]
    for key, value in (("ewma_fast", 0.3285806968932863), ("ewma_slow", 0.12530677496041104),
                       ("ewma_mix", 0.15986334168899985), ("tps", 0.85), ("boost", 1.4882319822723054)):
        check(r[key], value)
    check(rows[119]["ema_cvd"], 18.546318132738)
    check(rows[119]["tps"], 2.0)


def test_cvd_s3():
    rows = cvd_rows("s3", extra=True)
    assert all(rows[i]["z_raw"] is None and rows[i]["scale"] is None and rows[i]["warmup"] for i in range(49))
    table = {
        49: (-0.43186190966588817, 4.631109980380786, 1.1624499347441024, 1.1569438280805628, 1.157555617709845),
        50: (0.2517867463283326, 4.368776419095501, 1.1611133842093386, 1.15584622734015, 1.1564431717853247),
        69: (-0.02856996348761617, 3.500179481970484, 1.1664141150829834, 1.1620588150988087, 1.1627363062074583),
        72: (0.5884330469080155, 3.3988573729997227, 1.2219221621797125, 1.2109633307934848, 1.2127410967739172),
        93: (0.48876141991057626, 3.068982, 1.313529463773181, 1.2896931124459452, 1.2944603827113923),
        119: (-0.358425041267756, 3.068982, 1.2883470823073406, 1.2739651390858793, 1.2768415277301717),
    }
    for i, want in table.items():
        for key, value in zip(("z_raw", "scale", "ewma_fast", "ewma_slow", "ewma_mix"), want):
            check(rows[i][key], value)
        assert rows[i]["z_cvd"] == rows[i]["z_raw"]
    check(rows[70]["scale"], 3.465597315633, 1e-12)
    check(rows[71]["scale"], 3.431833388136, 1e-12)
    for i in (70, 71, 90, 91, 92):
        assert rows[i]["z_cvd"] is None and rows[i]["frozen"]
    assert all(r["floor_used"] for r in rows[49:])
    check(rows[120]["cvd"], 57.9)
    check(rows[120]["scale"], 3.202416)
    check(rows[120]["z_raw"], 12.490569619936949)
    check(rows[120]["z_cvd"], 8.0)


# --- 3. fusion -------------------------------------------------------------------------------------------------------

LAG_OFI, LAG_CVD = "lag_exceeded,degraded_ofi_only", "lag_exceeded,degraded_cvd_only"
FUSION = [
    # z_ofi, z_cvd, T, lag, score, consistency, compat, default (None: same)
    (2.0, 1.5, 2000000, 0, 1.80, 0.75, ("strong_buy", ""), None),
    (2.0, 1.5, 2000050, 0, 1.80, 0.75, ("neutral", "cooldown"), None),
    (2.0, 1.5, 2000200, 0, 1.80, 0.75, ("strong_buy", ""), None),
    (2.0, 1.9, 2010000, 0, 1.96, 0.95, ("strong_buy", ""), None),
    (1.0, 0.9, 2011000, 0, 0.96, 0.90, ("strong_buy", "hysteresis_hold"), None),
    (0.9, 0.7, 2012000, 0, 0.82, 7 / 9, ("buy", "consistency_boost"), None),
    (-2.0, -1.8, 2012100, 0, -1.92, 0.90, ("strong_sell", "flip_rearm"), None),
    (3.0, 0.2, 2020000, 0, 1.88, 0.2 / 3, ("neutral", ""), None),
    (3.0, 0.2, 2021000, 500, 3.00, 1.0, ("strong_buy", LAG_OFI + ",flip_rearm"), ("buy", LAG_OFI, 0.12)),
    (0.2, -3.0, 2022000, 500, -3.00, 1.0, ("strong_sell", LAG_CVD + ",flip_rearm"), ("sell", LAG_CVD, 0.12)),
    (5.0, 5.0, 2030000, 0, 4.00, 1.0, ("strong_buy", "flip_rearm"), ("strong_buy", "", 1.0)),
    (0.8, 0.8, 2040000, 0, 0.80, 1.0, ("buy", "consistency_boost"), None),
    (1.2, -1.2, 2050000, 0, 0.24, 0, ("neutral", ""), None),
    (None, 1.0, 2060000, 0, 0, 0, ("neutral", "invalid_input"), None),
]
COUNTERS = dict(total_updates=24, warmup_returns=10, invalid_inputs=1, lag_exceeded=2, downgrades=2,
                cooldown_blocks=1, min_duration_blocks=0, flip_rearm=4, adaptive_cooldown_used=3)


def fusion_engine(compat):
    engine = ref.Fusion(ref.fusion_params(ref.make_config({"fusion.compat_v13": compat})))
    for i in range(10):
        out = engine.update(0.1, 0.1, 1_990_000 + 100 * i, 0)
        assert out["warmup"] and out["score"] == 0
    return engine


def fusion_row(engine, row, compat):
    z_ofi, z_cvd, t, lag, score, consistency, fact, derived = row
    if compat or derived is None:
        signal, reasons = fact
    else:
        signal, reasons, consistency = derived
    out = engine.update(z_ofi, z_cvd, t, lag)
    check(out["score"], score)
    check(out["consistency"], consistency)
    assert (out["signal"], ",".join(out["reasons"])) == (signal, reasons), row


@pytest.mark.parametrize("compat", [True, False])
def test_fusion(compat):
    engine = fusion_engine(compat)
    for row in FUSION:
        fusion_row(engine, row, compat)
    want = dict(COUNTERS) if compat else dict(COUNTERS, flip_rearm=1)
    assert engine.n == want


@pytest.mark.parametrize("compat", [True, False])
def test_fusion_extra(compat):
    engine = fusion_engine(compat)
    for row in FUSION:
        fusion_row(engine, row, compat)
        if row[2] == 2040000:
            fusion_row(engine, (0.9, 0.4, 2041000, 0, 0.70, 4 / 9, ("buy", "hysteresis_hold"), None), compat)
        if row[2] == 2050000:
            fusion_row(engine, (1.0, 0.32, 2111000, 0, 0.728, 0.32, ("buy", "hysteresis_hold"),
                                ("neutral", "", 0.32)), compat)


# --- 5. signal -------------------------------------------------------------------------------------------------------

def feature(ts, score, **keys):
    row = {"ts_ms": ts, "symbol": "BTCUSDT", "z_ofi": None, "z_cvd": None, "spread_bps": 1.0, "lag_sec": 0.05,
           "consistency": 0.5, "warmup": False, "fusion_score": score, "tps": 2.0, "reason_codes": ""}
    row.update(keys)
    return row


SIGNALS = [
    (dict(score=.7), "normal", "buy", True, None),
    (dict(score=1.2), "normal", "strong_buy", True, None),
    (dict(score=1.3), "normal", "strong_buy", True, None),
    (dict(score=-.6), "normal", "sell", True, None),
    (dict(score=.59), "normal", "neutral", False, "below_threshold"),
    (dict(score=.1), "normal", "neutral", False, "weak_signal"),
    (dict(score=.9, spread_bps=20.0), "normal", "buy", True, None),
    (dict(score=.9, spread_bps=20.01), "normal", "pending", False, "spread"),
    (dict(score=.9, lag_sec=3.5, warmup=True, consistency=.05), "normal", "pending", False,
     "warmup,lag,low_consistency"),
    (dict(score=.9, consistency=0.0), "normal", "pending", False, "low_consistency"),
    (dict(score=.55, tps=5), "active", "buy", True, None),
    (dict(score=.65, tps=.2), "quiet", "neutral", False, "below_threshold"),
    (dict(score=None, z_cvd=-.4367943154662559, tps=None), "normal", "neutral", False, "below_threshold"),
    (dict(score=.9, reason_codes="lag_exceeded"), "normal", "pending", False, "reason:lag_exceeded"),
]


def test_signal():
    engine = ref.Signal(ref.make_config())
    for i, (keys, regime, kind, confirm, reason) in enumerate(SIGNALS):
        keys = dict(keys)
        score = keys.pop("score")
        out = engine.decide(feature(T0 + 1000 * i, score, **keys))
        got = (out["regime"], out["signal_type"], out["confirm"], out["guard_reason"], out["seq"])
        assert got == (regime, kind, confirm, reason, i + 1), keys
        if score is None:
            check(out["score"], -.1747177261865024)
    assert engine.decide(feature(T0 + 1000 * (len(SIGNALS) - 1), .7)) is None
    assert engine.n["deduplicated"] == 1
    assert engine.decide(feature(T0, .7)) is None
    assert engine.n["late_feature_row"] == 1
    assert engine.decide(feature(T0 + 10 ** 6, .7, spread_bps=None)) is None
    assert engine.n["bad_feature_row"] == 1
    assert out["created_at"] == "2023-11-14T22:13:33.000Z"


# --- 6. grid, StrategyMode -------------------------------------------------------------------------------------------

def test_grid():
    f = Feed()
    f.book(1000)
    f.book(1080)
    f.trade(1100)
    f.book(1180)
    f.trade(1200, price=100)
    f.trade(1200, price=101)
    f.book(1310)
    f.h.finish()
    got = [(r["ts_ms"], r["age_ofi_ms"], r["age_cvd_ms"], r["lag_ms"]) for r in f.rows["features"]]
    assert got == [(1100, 20, 0, 20), (1200, 20, 0, 20), (1300, 120, 100, 20)]
    assert f.rows["features"][1]["price"] == 101
    assert f.h.x.late == 0
    assert [r["ts_ms"] for r in f.rows["ofi"]] == [1080, 1180, 1310]
    assert [r["session_reset"] for r in f.rows["ofi"]] == [True, False, False]
    assert [r["book_reset"] for r in f.rows["orderbook"]] == [True, False, False, False]


def test_strategy_mode():
    p = ref.Params(ref._section(ref.make_config(), "strategy_mode."))
    mode = ref.StrategyMode(p)
    seen = []
    for i, want in enumerate("FTTTFFFFFF"):
        mode.boundary(10000 * i, want == "T")
        seen.append(mode.mode)
    assert seen == ["quiet"] * 2 + ["active"] * 6 + ["quiet"] * 2
    assert [c["ts_ms"] for c in mode.changes] == [20000, 80000]
    assert [c["reason"] for c in mode.changes] == ["market", "hysteresis"]


# --- 7. statistics ---------------------------------------------------------------------------------------------------

S = [((37 * i) % 23 - 11) / 5 for i in range(40)]
Y = [int((13 * i) % 17 < (10 if S[i] > 0 else 6)) for i in range(40)]


def test_quantiles():
    x = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3]
    for q, value in ((.5, 3.5), (.9, 6.3), (.99, 8.73)):
        check(ref.quantile(x, q), value)
    assert ref.median(x) == 3.5
    assert ref.median([]) is None


def test_auc():
    assert (sum(Y), 40 - sum(Y)) == (19, 21)
    a = stats.auc(S, Y)
    check(a, 0.5651629072681704)
    for m1, m0, lo, hi in ((19, 21, 0.38527416040840967, 0.7450516541279312),
                           (9.5, 10.5, 0.3076571452806472, 0.8226686692556937)):
        got = stats.auc_interval(a, m1, m0)
        check(got[0], lo)
        check(got[1], hi)


def test_platt():
    a, b, state = stats.platt(S, Y)
    assert state == "active"
    check(a, -0.15189492613598, 1e-8)
    check(b, 0.09421100948594, 1e-8)
    p = [1 / (1 + math.exp(a * s + b)) for s in S]
    check(stats.ece(p, Y), 0.03856523041720)
    value = stats.brier(p, Y)
    check(value, 0.24633194265778)
    baseline = stats.brier([0.6] * 40, Y)
    check(baseline, 0.265)
    check(100 * (1 - value / baseline), 7.04454994, 1e-8)


def test_small_ones():
    chosen, rate = stats.top_k_hit_rate(S, [2 * y - 1 for y in Y])
    assert sorted(chosen) == [0, 18] and rate == 0.0
    lo, hi = stats.wilson(8, 10)
    check(lo, 0.4901624715366, 1e-12)
    check(hi, 0.9433178485456, 1e-12)
    texts = ["0.1", "1", "0.3333333333333333", "1e-07", "1e+21", "0.30000000000000004"]
    assert [ref.f64_text(x) for x in (0.1, 1.0, 1 / 3, 1e-7, 1e21, 0.1 + 0.2)] == texts
    assert ref.f64_text(-0.0) == "0"
    got = [stats.broker_u(s, t) % 10000
           for s, t in (("BTCUSDT", T0), ("BTCUSDT", T0 + 100), ("ETHUSDT", T0))]
    assert got == [1435, 3408, 3317]
