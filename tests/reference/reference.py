"""Independent reference implementation of the row computations, written from the specification alone.

Numbers in comments (section sign) are sections of algorithms.md unless data.md is named. README.md lists every place
where the specification left a choice; such places carry the mark [An] here.
"""
import argparse
import heapq
import json
import math
import os
import sys
from bisect import bisect_left, bisect_right, insort
from collections import deque

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import recordings as rec  # noqa: E402

SCALE = 10 ** 8          # one exponent for everything: 8 decimals
KINDS = ("prices", "orderbook", "ofi", "cvd", "fusion", "events", "features", "strategy_state", "signals")

# --- configuration ---------------------------------------------------------------------------------------------------

DEFAULTS = {
    "run.run_id": "reference",
    "run.symbols": None,                      # null: all that occur
    "harvest.market": None,                   # null: told from the messages
    "harvest.watermark_ms": 50,
    "harvest.trade_stream": "auto",
    "harvest.dedup_lru": 8192,
    "harvest.max_clock_skew_ms": 0,           # venue simulator
    "harvest.backfill": False, "harvest.qty_field": "q", "harvest.book_source": "diff",
    "harvest.trade_idle_s": 150,
    "harvest.book_idle_s": 180,
    "harvest.max_held": 10000,                # data.md 1.4.1
    "harvest.contract_size": None,            # {symbol: USD per contract}
    "ofi.mode": "cks", "ofi.levels": 5, "ofi.weights": [0.4, 0.25, 0.2, 0.1, 0.05], "ofi.z_window": 100,
    "ofi.ema_alpha": 0.30, "ofi.z_clip": 3.0, "ofi.gap_reset_ms": 2000, "ofi.reset_on_day_change": True,
    "ofi.std_floor": 1e-4, "ofi.soft_clip_k": 0,
    "cvd.profile": "s3", "cvd.z_mode": "delta", "cvd.scale_mode": "hybrid", "cvd.mad_window_trades": 200,
    "cvd.mad_scale_factor": 1.4826, "cvd.soft_freeze_ms": 4000, "cvd.hard_freeze_ms": 5000, "cvd.tps_ref": 1.5,
    "cvd.boost_gamma": 0.7, "cvd.weight_beta": 1.0, "cvd.ema_alpha": 0.2, "cvd.z_window": 150, "cvd.warmup_min": 3,
    "features.grid_ms": 100, "features.max_age_ms": 5000,
    "fusion.profile": "rc1", "fusion.w_ofi": 0.6, "fusion.w_cvd": 0.4, "fusion.weights_active": None,
    "fusion.gate": 0, "fusion.flip_rearm_margin": 0.05, "fusion.adaptive_cooldown_k": 0.6,
    "fusion.min_cooldown_ms": 120, "fusion.hold_ttl_ms": 60000, "fusion.boost_consistency": 0.7,
    "fusion.boost_factor": 0.8, "fusion.throttle_consistency": 0.3, "fusion.compat_v13": False,
    "events.anomaly_z_ofi": 3.0, "events.anomaly_z_cvd": 2.5, "events.price_jump": 0.05, "events.rearm_ms": 10000,
    "strategy_mode.enabled": True, "strategy_mode.mode": "auto", "strategy_mode.combine": "market",
    "strategy_mode.step_ms": 10000, "strategy_mode.lookback_ms": 60000, "strategy_mode.min_active_windows": 2,
    "strategy_mode.min_quiet_windows": 4, "strategy_mode.min_dwell_ms": 60000,
    "strategy_mode.market.min_trades_per_min": 30, "strategy_mode.market.min_quotes_per_sec": 5,
    "strategy_mode.market.max_spread_bps": 5, "strategy_mode.market.min_volatility_bps": 4,
    "strategy_mode.market.min_volume_usd": 200000, "strategy_mode.schedule.timezone": "Asia/Tokyo",
    "strategy_mode.schedule.weekdays": [], "strategy_mode.schedule.holidays": [], "strategy_mode.schedule.windows": [],
    "eval.step_ms": 1000, "eval.tol_ms": 1500, "eval.primary_horizon_s": 60, "eval.horizons_s": [60, 180, 300, 900],
    "eval.train_s": 7200, "eval.test_s": 1800, "eval.auto_flip": False,
    "signal.dedupe_ms": 100, "signal.spread_bps_cap": 20, "signal.lag_cap_sec": 3.0, "signal.weak_threshold": 0.15,
    "signal.activity.active_min_tps": 3, "signal.activity.normal_min_tps": 1,
    "signal.consistency_min.normal": 0.12, "signal.consistency_min.active": 0.10,
    "signal.consistency_min.quiet": 0.15,
    "signal.thresholds.normal.buy": 0.6, "signal.thresholds.normal.strong": 1.2,
    "signal.thresholds.active.buy": 0.5, "signal.thresholds.active.strong": 1.0,
    "signal.thresholds.quiet.buy": 0.7, "signal.thresholds.quiet.strong": 1.4,
}

CVD_PROFILES = {
    "s3": dict(winsor_limit=8.0, mad_multiplier=1.80, scale_fast_weight=0.20, half_life_sec=600, freeze_min=50,
               ewma_init="debiased"),
    "step16": dict(winsor_limit=8.0, mad_multiplier=1.47, scale_fast_weight=0.325, half_life_trades=300,
                   half_life_fast_trades=80, freeze_min=50, ewma_init="debiased"),
    "v2_class": dict(winsor_limit=2.0, mad_multiplier=1.70, scale_fast_weight=0.30, half_life_sec=600,
                     half_life_fast_sec=60, freeze_min=20,
                     ewma_init="first"),
    "v2_btc": dict(winsor_limit=1.9, mad_multiplier=1.75, scale_fast_weight=0.30, half_life_sec=600,
                   half_life_fast_sec=60, freeze_min=20,
                   ewma_init="first"),
    "v2_eth": dict(winsor_limit=2.3, mad_multiplier=1.70, scale_fast_weight=0.30, half_life_sec=600,
                   half_life_fast_sec=60, freeze_min=20,
                   ewma_init="first"),
}

_FUSION_KEYS = ("fuse_buy", "fuse_strong_buy", "min_consistency", "strong_min_consistency", "z_clip", "max_lag_ms",
                "hysteresis_exit", "cooldown_ms", "min_consecutive", "min_warmup_samples")
FUSION_PROFILES = {
    "rc1": dict(zip(_FUSION_KEYS, (0.95, 1.70, 0.12, 0.45, 4.0, 250, 0.6, 300, 1, 10))),
    "conservative": dict(zip(_FUSION_KEYS, (1.5, 2.5, 0.15, 0.40, 5.0, 250, 1.2, 1000, 2, 30))),
    "harvest2": dict(zip(_FUSION_KEYS, (1.2, 2.0, 0.20, 0.60, 4.0, 250, 0.6, 300, 1, 10))),
    "oct22": dict(zip(_FUSION_KEYS, (1.5, 2.5, 0.30, 0.70, 5.0, 300, 1.2, 1000, 2, 30))),
}

_EXTRA_CVD = ("winsor_limit", "mad_multiplier", "scale_fast_weight", "half_life_sec", "half_life_fast_sec",
              "half_life_trades", "half_life_fast_trades", "freeze_min", "ewma_init")


def make_config(overrides=None):
    config = dict(DEFAULTS)
    for key, value in (overrides or {}).items():
        known = key in DEFAULTS or key.startswith("cvd.per_symbol.") \
            or (key.startswith("cvd.") and key[4:] in _EXTRA_CVD) \
            or (key.startswith("fusion.") and key[7:] in _FUSION_KEYS + ("fuse_sell", "fuse_strong_sell"))
        if not known:
            raise KeyError("unknown key " + key)
        config[key] = value
    return config


class Params:
    """Attribute access to the resolved keys of one section."""

    def __init__(self, values):
        self.__dict__.update(values)


def _section(config, prefix):
    return {k[len(prefix):].replace(".", "_"): v for k, v in config.items() if k.startswith(prefix)}


def ofi_params(config):
    p = Params(_section(config, "ofi."))
    k = p.levels
    if not 1 <= k <= 20:
        raise ValueError("ofi.levels")
    w = [max(0.0, float(x)) for x in p.weights][:k]
    w += [0.0] * (k - len(w))
    total = seq_sum(w)
    if total <= 0:
        raise ValueError("ofi.weights: sum must be positive")
    p.w = [x / total for x in w]
    return p


def cvd_params(config, symbol=""):
    values = dict(CVD_PROFILES[config["cvd.profile"]])
    for key, value in config.items():
        if key.startswith("cvd.") and not key.startswith("cvd.per_symbol."):
            values[key[4:]] = value
    prefix = "cvd.per_symbol.%s." % symbol
    for key, value in config.items():
        if key.startswith(prefix):
            values[key[len(prefix):]] = value
    values.setdefault("half_life_trades", None)
    values.setdefault("half_life_fast_trades", None)
    values.setdefault("half_life_sec", None)
    if values.get("half_life_fast_sec") is None and values["half_life_sec"] is not None:
        values["half_life_fast_sec"] = values["half_life_sec"] / 10
    p = Params(values)
    p.scale_fast_weight = min(1.0, max(0.0, p.scale_fast_weight))
    return p


def fusion_params(config):
    values = dict(FUSION_PROFILES[config["fusion.profile"]])
    for key, value in config.items():
        if key.startswith("fusion."):
            values[key[7:]] = value
    values.setdefault("fuse_sell", -values["fuse_buy"])
    values.setdefault("fuse_strong_sell", -values["fuse_strong_buy"])
    return Params(values)


# --- numbers ---------------------------------------------------------------------------------------------------------

def seq_sum(values):
    """Sum in index order from 0 (never pairwise or compensated)."""
    total = 0.0
    for v in values:
        total += v
    return total


def median(values):
    s = sorted(values)
    n = len(s)
    if n == 0:
        return None
    h = n // 2
    return s[h] if n % 2 else (s[h - 1] + s[h]) / 2


def mad(values):
    m = median(values)
    return median([abs(v - m) for v in values])


def quantile(values, q):
    s = sorted(values)
    n = len(s)
    if n == 0:
        return None
    pos = (n - 1) * q
    i = math.floor(pos)
    if i + 1 >= n:
        return s[n - 1]
    return s[i] + (pos - i) * (s[i + 1] - s[i])


def mean_sigma(values):
    n = len(values)
    m = seq_sum(values) / n
    q = 0.0
    for v in values:
        q += (v - m) * (v - m)
    return m, math.sqrt(q / (n - 1))


def clamp(x, c):
    return min(c, max(-c, x))


def f64_text(x):
    """data.md S2"""
    if x == 0:
        return "0"
    for form in ("%.15g", "%.16g", "%.17g"):
        text = form % x
        if float(text) == x:
            return text
    raise ValueError("not finite")


def json_text(value):
    """Compact JSON with S2 numbers; keys in the order they have."""
    if value is None:
        return "null"
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, float):
        return f64_text(value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, dict):
        return "{" + ",".join(json.dumps(k) + ":" + json_text(v) for k, v in value.items()) + "}"
    return "[" + ",".join(json_text(v) for v in value) + "]"


def canonical(obj):
    return json_text({k: obj[k] for k in sorted(obj)})


class BadNumber(ValueError):
    pass


def scaled(text):
    """Decimal text to an integer of 1e-8 units; BadNumber when it is no number or does not fit."""
    if not isinstance(text, str):
        raise BadNumber(repr(text))
    whole, dot, fraction = text.partition(".")
    if len(fraction) > 8:
        if fraction[8:].strip("0"):
            raise BadNumber(text)
        fraction = fraction[:8]
    digits = whole + fraction
    body = digits[1:] if digits[:1] in "+-" else digits
    if not body.isdigit():
        raise BadNumber(text)
    value = int(digits) * 10 ** (8 - len(fraction))
    if abs(value) >= 1 << 63:
        raise BadNumber(text)
    return value


def decimal_text(value, exponent=8):
    sign, value = ("-", -value) if value < 0 else ("", value)
    whole, fraction = divmod(value, 10 ** exponent)
    text = ("%0*d" % (exponent, fraction)).rstrip("0")
    return sign + str(whole) + ("." + text if text else "")


def iso_ms(ts_ms):
    import datetime
    t = datetime.datetime(1970, 1, 1) + datetime.timedelta(milliseconds=ts_ms)
    return t.strftime("%Y-%m-%dT%H:%M:%S.") + "%03dZ" % (ts_ms % 1000)


# --- book ------------------------------------------------------------------------------------------------------------

class Book:
    """Full-depth book of scaled integers."""

    def __init__(self):
        self.clear()

    def clear(self):
        self.qty = ({}, {})
        self.price = ([], [])                   # ascending on both sides

    def set(self, side, price, qty):
        levels = self.qty[side]
        if qty:
            if price not in levels:
                insort(self.price[side], price)
            levels[price] = qty
        elif price in levels:
            del levels[price]
            prices = self.price[side]
            del prices[bisect_left(prices, price)]

    def load(self, bids, asks):
        self.clear()
        for side, levels in ((0, bids), (1, asks)):
            for price, qty in levels:
                self.set(side, price, qty)

    def top(self, k):
        """(bids best first, asks best first) as lists of (price, qty)"""
        pb, pa = self.price
        qb, qa = self.qty
        bids = [(p, qb[p]) for p in reversed(pb[-k:])]
        asks = [(p, qa[p]) for p in pa[:k]]
        return bids, asks

    def best(self):
        pb, pa = self.price
        return ((pb[-1], self.qty[0][pb[-1]]) if pb else None, (pa[0], self.qty[1][pa[0]]) if pa else None)


def book_reject(bids, asks):
    """Reason of algorithms 2.2 or None."""
    for levels in (bids, asks):
        if not levels or levels[0][0] <= 0:
            return "book_empty"
    if bids[0][0] >= asks[0][0]:
        return "book_crossed"
    for levels in (bids, asks):
        for i in range(1, len(levels)):
            if levels[i][0] == levels[i - 1][0]:
                return "book_duplicate_price"
    return None


# --- OFI (section 2) -------------------------------------------------------------------------------------------------

class Ofi:
    def __init__(self, p):
        self.p = p
        self.prev = None
        self.history = deque()
        self.ema = None
        self.last_t = None
        self.session_reset = False
        self.bad_points = 0
        self.tail = [0, 0, 0]                   # > 2, > 3, total

    def _side(self, levels, sign):
        """K rows (price or None, quantity as double); sign +1 for bids (descending), -1 for asks."""
        k = self.p.levels
        rows = list(levels[:k])
        repaired = False
        clean = []
        for price, qty in rows:
            if price is not None and isinstance(price, float) and not math.isfinite(price):
                price, qty, repaired = None, 0.0, True
            if not math.isfinite(qty) or qty < 0:
                qty, repaired = 0.0, True
            clean.append((price, qty))
        present = [r for r in clean if r[0] is not None]
        for i in range(1, len(present)):
            if not (present[i - 1][0] - present[i][0]) * sign > 0:
                present.sort(key=lambda r: -r[0] * sign)
                break
        missing = (0, 0.0) if self.p.mode == "legacy" else (None, 0.0)
        return present + [missing] * (k - len(present)), repaired

    def update(self, t, bids, asks, synchronised=False):
        """bids, asks: [(comparable price, quantity as double)], best first. Returns the result or None (priming)."""
        p = self.p
        b, bad_b = self._side(bids, 1)
        a, bad_a = self._side(asks, -1)
        # 2.4.1
        last = self.last_t
        if synchronised or (last is not None and (                  # [A43]
                t - last > p.gap_reset_ms or (p.reset_on_day_change and t // 86400000 != last // 86400000))):
            self.history.clear()
            self.ema = None
            self.tail = [0, 0, 0]
            self.bad_points = 0
            self.session_reset = True
            if p.mode != "legacy":
                self.prev = None
        self.last_t = t
        self.bad_points += bad_b + bad_a        # [A36]
        prev = self.prev
        self.prev = (b, a)
        if prev is None:
            if p.mode != "legacy":
                return None
            zero = [(0, 0.0)] * p.levels
            prev = (zero, zero)
        components = []
        for k in range(p.levels):
            bp, bq = b[k]
            ap, aq = a[k]
            bp0, bq0 = prev[0][k]
            ap0, aq0 = prev[1][k]
            aware = p.mode == "mlofi" or (p.mode == "cks" and k == 0)
            if not aware:
                components.append(p.w[k] * ((bq - bq0) - (aq - aq0)))
                continue
            # a missing bid lies below, a missing ask above every price
            if bp == bp0:
                up = bq - bq0
            elif bp0 is None or (bp is not None and bp > bp0):
                up = bq
            else:
                up = -bq0
            if ap == ap0:
                down = aq - aq0
            elif ap0 is None or (ap is not None and ap < ap0):
                down = aq
            else:
                down = -aq0
            components.append(p.w[k] * (up - down))
        value = seq_sum(components)
        out = {"ofi_value": value, "components": components, "ofi_z": None, "ofi_z_raw": None, "scale": None,
               "warmup": False, "std_zero": False, "session_reset": self.session_reset}
        self.session_reset = False
        h = self.history
        n = len(h)
        if n < max(5, p.z_window // 5):
            out["warmup"] = True
        else:
            m, s = mean_sigma(h)
            if s < p.std_floor:
                s = p.std_floor
                out["std_zero"] = True
            x = value
            if p.soft_clip_k > 0 and n > 10:
                md = median(h)
                d = median([abs(v - md) for v in h])
                if d > 0:
                    c = p.soft_clip_k * 1.4826 * d
                    x = min(md + c, max(md - c, value))
            out["scale"] = s
            out["ofi_z_raw"] = (value - m) / s
            z = (x - m) / s
            out["ofi_z"] = clamp(z, p.z_clip) if p.z_clip > 0 else z
            self.tail[0] += abs(out["ofi_z_raw"]) > 2
            self.tail[1] += abs(out["ofi_z_raw"]) > 3
            self.tail[2] += 1
        self.ema = value if self.ema is None else p.ema_alpha * value + (1 - p.ema_alpha) * self.ema
        out["ema_ofi"] = self.ema
        h.append(value)
        if len(h) > p.z_window:
            h.popleft()
        out["bad_points"] = self.bad_points
        return out


# --- CVD (section 3) -------------------------------------------------------------------------------------------------

class Cvd:
    def __init__(self, p):
        self.p = p
        self.cvd = 0.0
        self.ema = None
        self.n = 0
        self.t_prev = None
        self.p_prev = None
        self.fast = [0.0, 0.0]                  # N, D or e
        self.slow = [0.0, 0.0]
        self.buffer = deque()
        self.rate = []
        self.freeze = 0
        self.bad_points = 0
        self.last_side = 0
        self.repeats = 0
        self.levels = deque()

    def _ewma(self, state, dt, half_life, per_trade, a):
        alpha = 1 - exp2(-1.0 / per_trade) if per_trade else 1 - exp2(-dt / half_life)
        if self.p.ewma_init == "debiased":
            state[0] = (1 - alpha) * state[0] + alpha * a
            state[1] = (1 - alpha) * state[1] + alpha
            return state[0] / state[1]
        if self.n == 1:
            state[0] = a
        else:
            state[0] += alpha * (a - state[0])
        return state[0]

    def _side(self, t, price, maker):
        if maker is not None:
            return (-1 if maker else 1), "venue"
        side = 0
        if self.p_prev is not None:
            if price > self.p_prev:
                side = 1
            elif price < self.p_prev:
                side = -1
            elif self.last_side and self.repeats < 5 and t - self.t_seen <= 2000:
                self.repeats += 1
                return self.last_side, "tick"
        if side:
            self.repeats = 0
        return side, "tick"

    def update(self, t, price, qty, maker):
        """Result of one trade, or None when it is rejected."""
        p = self.p
        if not (math.isfinite(qty) and qty > 0 and math.isfinite(price) and price > 0):
            self.bad_points += 1
            return None
        side, source = self._side(t, price, maker)
        self.p_prev = price
        self.t_seen = t
        if side == 0:
            self.bad_points += 1
            return None
        self.last_side = side
        delta = side * qty
        self.n += 1
        self.cvd += delta
        self.ema = self.cvd if self.ema is None else p.ema_alpha * self.cvd + (1 - p.ema_alpha) * self.ema
        gap = 0 if self.t_prev is None else t - self.t_prev
        dt = 1.0 if self.t_prev is None else max(0.001, gap / 1000.0)
        self.t_prev = t
        out = {"cvd": self.cvd, "delta": delta, "ema_cvd": self.ema, "z_raw": None, "z_cvd": None, "scale": None,
               "sigma_floor": None, "floor_used": None, "ewma_fast": None, "ewma_slow": None, "ewma_mix": None,
               "boost": None, "tps": None, "warmup": False, "frozen": False, "std_zero": False,
               "side_source": source}
        if p.z_mode == "level":
            self._level(out)
            return out
        a = abs(delta)
        e_fast = self._ewma(self.fast, dt, getattr(p, "half_life_fast_sec", None), p.half_life_fast_trades, a)
        e_slow = self._ewma(self.slow, dt, p.half_life_sec, p.half_life_trades, a)
        out["ewma_fast"], out["ewma_slow"] = e_fast, e_slow
        self.buffer.append(delta)
        if len(self.buffer) > p.mad_window_trades:
            self.buffer.popleft()
        insort(self.rate, t)
        cut = bisect_right(self.rate, t - 60000)
        if cut:
            del self.rate[:cut]
        if self.n < p.freeze_min:
            out["warmup"] = True
            return out
        tps = len(self.rate) / 60.0 if len(self.rate) >= 2 else 0.0
        w_f = p.scale_fast_weight * min(1.0, (tps / p.tps_ref) ** p.weight_beta)
        mix = w_f * e_fast + (1 - w_f) * e_slow
        sigma_mad = 0.0
        if len(self.buffer) >= max(50, p.mad_window_trades // 5):
            sigma_mad = p.mad_scale_factor * mad(self.buffer)
        boost = max(1.0, (p.tps_ref / max(tps, 0.2)) ** p.boost_gamma)
        if p.scale_mode == "ewma":
            scale, floor, used = max(e_slow, 1e-9), 0.0, False
        else:
            floor = sigma_mad * p.mad_multiplier * boost
            used = floor >= mix * (1 - 1e-6)
            scale = max(mix, floor, 1e-9)
        out.update(tps=tps, ewma_mix=mix, boost=boost, sigma_floor=floor, floor_used=used, scale=scale)
        if scale <= 1e-9:
            out["std_zero"] = True
            return out
        need = 3 if gap > p.hard_freeze_ms else 2 if gap > p.soft_freeze_ms else 0
        self.freeze = max(self.freeze, need)
        if self.freeze > 0:
            self.freeze -= 1
            out["frozen"] = True
            return out
        out["z_raw"] = delta / scale
        out["z_cvd"] = clamp(out["z_raw"], p.winsor_limit)
        return out

    def _level(self, out):
        p = self.p
        h = self.levels
        n = len(h)
        if n < max(p.z_window // 5, p.warmup_min):
            out["warmup"] = True
        else:
            m = seq_sum(h) / n
            s = math.sqrt(seq_sum([(v - m) * (v - m) for v in h]) / n)
            out["scale"] = s
            if s <= 1e-9:
                out["std_zero"] = True
                out["z_raw"] = out["z_cvd"] = 0.0
            else:
                out["z_raw"] = (self.cvd - m) / s
                out["z_cvd"] = clamp(out["z_raw"], p.winsor_limit)
        h.append(self.cvd)
        if len(h) > p.z_window:
            h.popleft()


def exp2(x):
    return math.exp2(x) if hasattr(math, "exp2") else 2.0 ** x


# --- fusion (section 5) ----------------------------------------------------------------------------------------------

class Fusion:
    COUNTERS = ("total_updates", "warmup_returns", "invalid_inputs", "lag_exceeded", "downgrades", "cooldown_blocks",
                "min_duration_blocks", "flip_rearm", "adaptive_cooldown_used")

    def __init__(self, p):
        self.p = p
        total = p.w_ofi + p.w_cvd
        self.w = (p.w_ofi / total, p.w_cvd / total)
        self.w_active = None
        if p.weights_active:
            total = p.weights_active[0] + p.weights_active[1]
            self.w_active = (p.weights_active[0] / total, p.weights_active[1] / total)
        self.valid = 0
        self.streak = 0
        self.last_raw = "neutral"
        self.last_emit = None
        self.direction = 0
        self.last_signal = "neutral"
        self.history = deque()
        self.n = dict.fromkeys(self.COUNTERS, 0)

    def update(self, z_ofi, z_cvd, g, lag_ms, regime="normal"):
        p, n = self.p, self.n
        n["total_updates"] += 1
        reasons = []
        w = self.w_active if regime == "active" and self.w_active else self.w
        out = {"score": 0.0, "score_z": None, "signal": "neutral", "consistency": 0.0, "comp_ofi": 0.0,
               "comp_cvd": 0.0, "w_ofi": w[0], "w_cvd": w[1]}

        def done(signal="neutral"):
            out["signal"] = signal
            out["warmup"] = self.valid <= p.min_warmup_samples
            out["reasons"] = reasons
            return out

        if z_ofi is None or z_cvd is None:
            n["invalid_inputs"] += 1
            reasons.append("invalid_input")
            return done()
        self.valid += 1
        if self.valid <= p.min_warmup_samples:
            n["warmup_returns"] += 1
            reasons.append("warmup")
            return done()
        zo, zc = clamp(z_ofi, p.z_clip), clamp(z_cvd, p.z_clip)
        degraded = lag_ms > p.max_lag_ms
        if degraded:
            n["lag_exceeded"] += 1
            n["downgrades"] += 1
            reasons.append("lag_exceeded")
            if abs(zo) >= abs(zc):
                w = (1.0, 0.0)
                reasons.append("degraded_ofi_only")
            else:
                w = (0.0, 1.0)
                reasons.append("degraded_cvd_only")
        comp_ofi, comp_cvd = w[0] * zo, w[1] * zc
        score = comp_ofi + comp_cvd
        if p.gate > 0 and abs(score) <= p.gate:
            score = 0.0
        if degraded:
            consistency = 1.0 if p.compat_v13 else p.min_consistency
        elif abs(zo) < 1e-9 or abs(zc) < 1e-9 or (zo > 0) != (zc > 0):
            consistency = 0.0
        else:
            consistency = min(abs(zo), abs(zc)) / max(abs(zo), abs(zc))
        out.update(score=score, consistency=consistency, comp_ofi=comp_ofi, comp_cvd=comp_cvd, w_ofi=w[0], w_cvd=w[1])
        h = self.history
        if len(h) >= 30:
            m, s = mean_sigma(h)
            out["score_z"] = (score - m) / max(s, 1e-6)
        h.append(score)
        if len(h) > 300:
            h.popleft()
        weak = degraded and not p.compat_v13    # the mode that never gives strong and skips step 12
        # 7
        raw = "neutral"
        if weak:
            if score > p.fuse_buy:
                raw = "buy"
            elif score < p.fuse_sell:
                raw = "sell"
        elif score > p.fuse_strong_buy and consistency > p.strong_min_consistency:
            raw = "strong_buy"
        elif score < p.fuse_strong_sell and consistency > p.strong_min_consistency:
            raw = "strong_sell"
        elif score > p.fuse_buy and consistency > p.min_consistency:
            raw = "buy"
        elif score < p.fuse_sell and consistency > p.min_consistency:
            raw = "sell"
        sign = 0 if raw == "neutral" else 1 if raw.endswith("buy") else -1
        # 8
        if sign == 0:
            self.streak = 0
        elif raw == self.last_raw:
            self.streak += 1
        else:
            self.streak = 1
        self.last_raw = raw
        # 9
        if not p.compat_v13 and self.last_emit is not None and g - self.last_emit > p.hold_ttl_ms:
            self.last_signal = "neutral"
        # 10
        is_sell = (sign or score) < 0 and not p.compat_v13
        thr, strong = (-p.fuse_sell, -p.fuse_strong_sell) if is_sell else (p.fuse_buy, p.fuse_strong_buy)
        flip = sign != 0 and self.direction != 0 and self.direction != sign \
            and abs(score) >= thr * (1 + p.flip_rearm_margin)
        cooling = self.last_emit is not None and g - self.last_emit < p.cooldown_ms
        if flip and (cooling or p.compat_v13):
            n["flip_rearm"] += 1
            reasons.append("flip_rearm")
        if cooling:
            strength = 0.0
            if abs(score) >= thr:
                strength = min(1.0, max(0.0, (abs(score) - thr) / (strong - thr))) if strong > thr else 1.0
            effective = max(p.min_cooldown_ms, p.cooldown_ms * (1 - p.adaptive_cooldown_k * strength))
            if effective < p.cooldown_ms:
                n["adaptive_cooldown_used"] += 1
            if not flip and sign != 0 and g - self.last_emit < effective:
                n["cooldown_blocks"] += 1
                reasons.append("cooldown")
                return done()
        # 11
        if sign:
            self.direction = sign
        signal = raw
        # 12
        kept = False
        if not weak:
            exit_ = p.hysteresis_exit + 0.5 * max(0.0, consistency - 0.3)
            last = self.last_signal
            held = None
            if last == "strong_buy" and signal == "buy" and score > exit_:
                held = "strong_buy"
            elif last == "strong_sell" and signal == "sell" and score < -exit_:
                held = "strong_sell"
            elif last in ("buy", "strong_buy") and signal == "neutral" and score > exit_:
                held = last
            elif last in ("sell", "strong_sell") and signal == "neutral" and score < -exit_:
                held = last
            if held:
                signal, kept = held, True
                reasons.append("hysteresis_hold")
            if consistency > p.boost_consistency and signal == "neutral":
                if score > p.boost_factor * p.fuse_buy:
                    signal, kept = "buy", True
                elif score < p.boost_factor * p.fuse_sell:
                    signal, kept = "sell", True
                if kept:
                    reasons.append("consistency_boost")
            if consistency < p.throttle_consistency and signal != "neutral":
                signal = "neutral"
                reasons.append("low_consistency_throttle")
        # 13
        if signal != "neutral" and self.streak < p.min_consecutive and not kept:
            n["min_duration_blocks"] += 1
            reasons.append("min_duration")
            signal = "neutral"
        # 14
        if signal != "neutral":
            self.last_emit = g
            self.last_signal = signal
        return done(signal)


# --- StrategyMode (section 7) ----------------------------------------------------------------------------------------

class Schedule:
    DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

    def __init__(self, p):
        import zoneinfo
        self.zone = zoneinfo.ZoneInfo(p.schedule_timezone)
        self.days = {self.DAYS.index(d) for d in p.schedule_weekdays} or set(range(7))
        self.holidays = set(p.schedule_holidays)
        self.windows = []
        for text in p.schedule_windows:
            start, end = text.split("-")
            self.windows.append(tuple(int(x[:2]) * 60 + int(x[3:]) for x in (start, end)))
        if p.combine != "market" and not self.windows:
            raise ValueError("strategy_mode.schedule.windows is empty")

    def active(self, ts_ms):
        import datetime
        if not self.windows:
            return False
        t = datetime.datetime.fromtimestamp(ts_ms // 1000, datetime.timezone.utc).astimezone(self.zone)
        ms = (t.hour * 60 + t.minute) * 60000 + t.second * 1000 + ts_ms % 1000

        def allowed(day):
            return day.weekday() in self.days and day.isoformat() not in self.holidays

        today = t.date()
        yesterday = today - datetime.timedelta(days=1)
        for start, end in self.windows:
            start, end = start * 60000, end * 60000
            if start <= end:
                if start <= ms < end and allowed(today):
                    return True
            elif (ms >= start and allowed(today)) or (ms < end and allowed(yesterday)):
                return True
        return False


class StrategyMode:
    def __init__(self, p):
        if p.mode not in ("auto", "force_active", "force_quiet"):
            raise ValueError("strategy_mode.mode")
        self.p = p
        self.schedule = Schedule(p)
        self.mode = "quiet"
        self.last_transition = None
        self.wants = []
        self.unknown_count = 0
        self.changes = []

    def _set(self, mode, reason, c):
        if mode != self.mode:
            self.changes.append({"from": self.mode, "to": mode, "reason": reason, "ts_ms": c})
            self.mode = mode
            self.last_transition = c

    def boundary(self, c, market):
        """market: True, False or None (unknown). Returns (schedule, market, unknown)."""
        p = self.p
        schedule = self.schedule.active(c)
        unknown = market is None
        self.unknown_count += unknown
        market = bool(market)
        want = {"market": market, "schedule": schedule, "and": market and schedule,
                "or": market or schedule}[p.combine]
        self.wants.append(want)
        keep = max(p.min_active_windows, p.min_quiet_windows)
        del self.wants[:-keep]
        if p.mode != "auto":
            self._set("active" if p.mode == "force_active" else "quiet", "manual", c)
            return schedule, market, unknown
        dwell = self.last_transition is None or c - self.last_transition >= p.min_dwell_ms
        w = self.wants
        if self.mode == "quiet":
            n = p.min_active_windows
            if dwell and len(w) >= n and all(w[len(w) - n:]):
                self._set("active", "schedule" if schedule and p.combine != "market" else "market", c)
        else:
            n = p.min_quiet_windows
            if dwell and len(w) >= n and not any(w[len(w) - n:]):
                self._set("quiet", "hysteresis", c)
        return schedule, market, unknown


# --- signal (section 8) ----------------------------------------------------------------------------------------------

class Signal:
    def __init__(self, config):
        self.p = Params(_section(config, "signal."))
        self.c = config
        self.run_id = config["run.run_id"]
        self.last = {}
        self.seq = {}
        self.weight = 1                         # of active rows; a control input changes it
        self.n = {"bad_feature_row": 0, "deduplicated": 0, "late_feature_row": 0}

    def tps_regime(self, tps):
        if tps is None:
            return "normal"
        if tps >= self.p.activity_active_min_tps:
            return "active"
        return "normal" if tps >= self.p.activity_normal_min_tps else "quiet"

    def decide(self, f):
        """Signal row of one feature row, or None."""
        p = self.p
        for key in ("ts_ms", "symbol", "z_ofi", "z_cvd", "spread_bps", "lag_sec", "consistency", "warmup"):
            if key not in f or (f[key] is None and key not in ("z_ofi", "z_cvd")):
                self.n["bad_feature_row"] += 1
                return None
        ts, symbol = f["ts_ms"], f["symbol"]
        last = self.last.get(symbol)
        if last is not None and ts < last + p.dedupe_ms:
            self.n["late_feature_row" if ts < last else "deduplicated"] += 1
            return None
        self.last[symbol] = ts
        score = f.get("fusion_score")
        if score is None:
            score = 0.6 * (f["z_ofi"] or 0.0) + 0.4 * (f["z_cvd"] or 0.0)
        regime = f.get("regime") or self.tps_regime(f.get("tps"))
        if regime == "active":
            score *= self.weight
        buy = self.c["signal.thresholds.%s.buy" % regime]
        strong = self.c["signal.thresholds.%s.strong" % regime]
        reasons = []
        if f["warmup"]:
            reasons.append("warmup")
        if f["spread_bps"] > p.spread_bps_cap:
            reasons.append("spread")
        if f["lag_sec"] > p.lag_cap_sec:
            reasons.append("lag")
        if f["consistency"] < self.c["signal.consistency_min." + regime]:
            reasons.append("low_consistency")
        if abs(score) < p.weak_threshold and not f["warmup"]:
            reasons.append("weak_signal")
        for code in (f.get("reason_codes") or "").split(","):
            if code:
                reasons.append("reason:" + code)
        if regime == "active" and self.weight == 0:
            reasons.append("reason:slice_suspended")
        candidate = 1 if score >= buy else -1 if score <= -buy else 0
        gating = bool(reasons)
        confirm = candidate != 0 and not gating
        if candidate == 0 and not reasons:
            reasons = ["below_threshold"]
        if confirm:
            kind = ("strong_buy" if score >= strong else "buy") if candidate > 0 \
                else ("strong_sell" if score <= -strong else "sell")
        else:
            kind = "pending" if candidate else "neutral"
        self.seq[symbol] = self.seq.get(symbol, 0) + 1
        return {"run_id": self.run_id, "seq": self.seq[symbol], "ts_ms": ts, "symbol": symbol, "score": score,
                "z_ofi": f["z_ofi"], "z_cvd": f["z_cvd"], "consistency": f["consistency"], "regime": regime,
                "div_type": f.get("div_type"), "confirm": confirm, "gating": gating, "signal_type": kind,
                "guard_reason": None if confirm else ",".join(reasons),
                "best_bid": f.get("best_bid"), "best_ask": f.get("best_ask"), "created_at": iso_ms(ts),
                "schema_version": 1}


# --- the features side of one symbol ---------------------------------------------------------------------------------

class SortedWindow:
    """Times in ascending order with an attached exact weight; count and weight over (lo, hi]."""

    def __init__(self):
        self.t = []
        self.cum = [0]

    def add(self, t, weight=0):
        if not self.t or t >= self.t[-1]:
            self.t.append(t)
            self.cum.append(self.cum[-1] + weight)
            return
        i = bisect_right(self.t, t)
        self.t.insert(i, t)
        self.cum.insert(i + 1, self.cum[i] + weight)
        for j in range(i + 2, len(self.cum)):
            self.cum[j] += weight

    def over(self, lo, hi):
        i, j = bisect_right(self.t, lo), bisect_right(self.t, hi)
        return j - i, self.cum[j] - self.cum[i]

    def later_than(self, lo):
        return len(self.t) - bisect_right(self.t, lo)


class Features:
    """OFI, CVD, grid, fusion, StrategyMode, events and signal of one symbol, fed in stream order."""

    def __init__(self, symbol, config, emit, market="usdm", signal=None):
        self.symbol = symbol
        self.c = config
        self.emit = emit
        self.coinm = market == "coinm"
        self.ofi = Ofi(ofi_params(config))
        self.cvd = Cvd(cvd_params(config, symbol))
        self.fusion = Fusion(fusion_params(config))
        self.sm_params = Params(_section(config, "strategy_mode."))
        self.mode = StrategyMode(self.sm_params) if config["strategy_mode.enabled"] else None
        self.signal = signal or Signal(config)
        from calibration import Calibration     # which needs this module's sums
        self.calibration = Calibration(config)
        self.grid = config["features.grid_ms"]
        self.max_age = config["features.max_age_ms"]
        sizes = config["harvest.contract_size"] or {}
        self.contract = sizes.get(symbol, 100 if symbol.startswith("BTCUSD") else 10)
        # accepted snapshots, T never falling
        self.book_t = []
        self.book_rows = []
        self.book_mid = []
        self.book_spread = []
        # accepted market trades in the order fed
        self.trade_t = []
        self.trade_rows = []
        self.trades = SortedWindow()
        self.first_t = None
        self.next_c = None
        self.p_prev = None
        self.last_g = None                      # newest emitted grid row
        self.first_g = None
        self.row_count = 0
        self.late = 0
        self.event_n = {}
        self.anomaly_was = False
        self.anomaly_last = None
        self.vol_key = None
        self.vol = None

    # -- helpers
    def event(self, kind, channel, t, meta):
        key = (kind, channel, t)
        self.event_n[key] = n = self.event_n.get(key, 0) + 1
        self.emit("events", {
            "ts_ms": t, "symbol": self.symbol, "row_id": "%s|events|%s|%s|%d|%d" % (self.symbol, kind, channel, t, n),
            "event_type": kind, "detected_ts_ms": t, "pivot_ts_ms": None, "channel": channel, "direction": "neutral",
            "event_score": None, "strength": None, "meta_json": canonical(meta)})

    def regime_now(self, t):
        if self.mode:
            return self.mode.mode
        return self.signal.tps_regime(self.trades.over(t - 60000, t)[0] / 60.0)        # [A30]

    def _first(self, t):
        if self.first_t is None:
            self.first_t = t
            step = self.sm_params.step_ms
            self.next_c = -(-t // step) * step
        if self.last_g is not None and t <= self.last_g:
            self.late += 1

    # -- inputs
    def book(self, t, u, bids, asks, synchronised):
        """Accepted snapshot; scaled prices and quantities, best first."""
        self._first(t)
        out = self.ofi.update(t, [(p, q / SCALE) for p, q in bids], [(p, q / SCALE) for p, q in asks], synchronised)
        bid, ask = bids[0][0] / SCALE, asks[0][0] / SCALE
        mid = (bid + ask) / 2
        spread = (ask - bid) / mid * 1e4
        self.book_t.append(t)
        self.book_rows.append((out, bid, ask))
        self.book_mid.append(mid)
        self.book_spread.append(spread)
        if out is None:
            return
        row = {"ts_ms": t, "symbol": self.symbol, "row_id": "%s|ofi|%d" % (self.symbol, u), "last_id": u,
               "ofi_value": out["ofi_value"], "ema_ofi": out["ema_ofi"], "ofi_z": out["ofi_z"],
               "ofi_z_raw": out["ofi_z_raw"], "scale": out["scale"]}
        k = out["components"]
        for i in range(max(5, len(k))):
            row["k%d" % i] = k[i] if i < len(k) else 0.0
        row.update(regime=self.regime_now(t), warmup=out["warmup"], std_zero=out["std_zero"],
                   session_reset=out["session_reset"], bad_points=out["bad_points"], ofi_mode=self.ofi.p.mode)
        self.emit("ofi", row)

    def trade(self, t, a, price, qty, maker):
        """Accepted market trade; scaled price and quantity."""
        p, q = price / SCALE, qty / SCALE
        out = self.cvd.update(t, p, q, maker)
        if out is None:
            return
        self._first(t)
        self.trade_t.append(t)
        self.trade_rows.append((out, p))
        self.trades.add(t, qty if self.coinm else price * qty)
        row = {"ts_ms": t, "symbol": self.symbol, "row_id": "%s|cvd|%d" % (self.symbol, a), "agg_trade_id": a}
        for key in ("cvd", "delta", "ema_cvd", "z_raw", "z_cvd", "scale", "sigma_floor", "floor_used", "ewma_fast",
                    "ewma_slow", "ewma_mix", "boost", "tps"):
            row[key] = out[key]
        row["regime"] = self.regime_now(t)
        for key in ("warmup", "frozen", "std_zero", "side_source"):
            row[key] = out[key]
        self.emit("cvd", row)
        if self.p_prev is not None:
            change = p / self.p_prev - 1
            if abs(change) > self.c["events.price_jump"]:
                self.event("price_anomaly", "trade", t, {"price": p, "price_prev": self.p_prev, "change": change})
        self.p_prev = p

    def control(self, decision, value, t):
        for meta in self.calibration.control(decision, t):
            self.event("incident", "cvd", t, meta)
        if decision == "slice_weight":
            self.signal.weight = value

    # -- as-of values
    def _volume(self, lo, hi):
        n, w = self.trades.over(lo, hi)
        return n, (w * self.contract / SCALE if self.coinm else w / (SCALE * SCALE))

    def _mid_at(self, t):
        i = bisect_right(self.book_t, t)
        return self.book_mid[i - 1] if i else None

    def _volatility(self, g):
        s = g // 1000 * 1000
        lo, hi = bisect_right(self.book_t, s - 60000), bisect_right(self.book_t, s)
        key = (s, lo, hi)
        if key == self.vol_key:
            return self.vol
        self.vol_key = key
        self.vol = None
        if lo:
            total, previous = 0.0, self.book_mid[lo - 1]
            for j in range(1, 61):
                m = self._mid_at(s - 60000 + 1000 * j)
                r = math.log(m / previous)
                total += r * r
                previous = m
            self.vol = 1e4 * math.sqrt(total)
        return self.vol

    # -- boundaries and rows
    def boundary(self, c):
        p = self.sm_params
        self.next_c = c + p.step_ms
        if not self.mode:
            return
        lo = c - p.lookback_ms
        n, volume = self._volume(lo, c)
        per_min = n * 60000.0 / p.lookback_ms
        i, j = bisect_right(self.book_t, lo), bisect_right(self.book_t, c)
        quotes = (j - i) * 1000.0 / p.lookback_ms
        spread = median(self.book_spread[i:j])
        vol = self._volatility(c)
        market = None
        if spread is not None and vol is not None and c - self.first_t >= p.lookback_ms:
            market = (per_min >= p.market_min_trades_per_min and quotes >= p.market_min_quotes_per_sec
                      and spread <= p.market_max_spread_bps and vol >= p.market_min_volatility_bps
                      and volume >= p.market_min_volume_usd)
        schedule, market, unknown = self.mode.boundary(c, market)
        self.emit("strategy_state", {
            "ts_ms": c, "symbol": self.symbol, "mode": self.mode.mode, "trades_per_min": per_min,
            "quotes_per_sec": quotes, "spread_bps": spread, "volatility_bps": vol, "volume_usd": volume,
            "schedule_active": schedule, "market_active": market, "market_unknown": unknown,
            "history_size": len(self.mode.wants), "last_transition_ms": self.mode.last_transition})

    def row(self, g):
        i = bisect_right(self.book_t, g) - 1
        if i < 0 or not self.trade_t:
            return
        k = len(self.trade_t) - 1
        while k >= 0 and self.trade_t[k] > g:
            k -= 1
        if k < 0:
            return
        t_book, t_trade = self.book_t[i], self.trade_t[k]
        age_ofi, age_cvd = g - t_book, g - t_trade
        if min(age_ofi, age_cvd) > self.max_age:
            return
        ofi, bid, ask = self.book_rows[i]
        cvd, price = self.trade_rows[k]
        mid, spread = self.book_mid[i], self.book_spread[i]
        ofi_warm = ofi is None or ofi["warmup"]
        stale_ofi, stale_cvd = age_ofi > self.max_age, age_cvd > self.max_age
        z_ofi = None if ofi is None or stale_ofi else ofi["ofi_z"]
        z_cvd = None if stale_cvd else cvd["z_cvd"]
        lag = abs(t_book - t_trade)
        n, volume = self._volume(g - 60000, g)
        tps = n / 60.0
        quotes = (i + 1 - bisect_right(self.book_t, g - 60000)) / 60.0
        regime = self.mode.mode if self.mode else self.signal.tps_regime(tps)
        for meta in self.calibration.advance(g, self.book_t, self.book_mid):
            self.event("incident", "cvd", g, meta)
        f = self.fusion.update(z_ofi, self.calibration.oriented(z_cvd), g, lag, regime)
        dispersion = sign = None
        if z_ofi is not None and z_cvd is not None:
            dispersion = abs(z_ofi - z_cvd)
            if abs(z_ofi) < 1e-9 or abs(z_cvd) < 1e-9:
                sign = 0
            else:
                sign = 1 if (z_ofi > 0) == (z_cvd > 0) else -1
        self.emit("fusion", {
            "ts_ms": g, "symbol": self.symbol, "row_id": "%s|fusion|%d" % (self.symbol, g), "score": f["score"],
            "score_z": f["score_z"], "regime": regime, "signal": f["signal"], "consistency": f["consistency"],
            "dispersion": dispersion, "sign_agree": sign, "comp_ofi": f["comp_ofi"], "comp_cvd": f["comp_cvd"],
            "w_ofi": f["w_ofi"], "w_cvd": f["w_cvd"], "lag_ms": lag,
            "proba": self.calibration.probability(f["score"]), "calibration_state": self.calibration.state,
            "cvd_direction": self.calibration.direction, "warmup": f["warmup"], "reason_codes": ",".join(f["reasons"])})
        # anomaly_z
        ofi_raw = ofi["ofi_z_raw"] if ofi else None
        part_ofi = ofi_raw is not None and abs(ofi_raw) > self.c["events.anomaly_z_ofi"]
        part_cvd = cvd["z_raw"] is not None and abs(cvd["z_raw"]) > self.c["events.anomaly_z_cvd"]
        now = part_ofi or part_cvd
        if now and not self.anomaly_was \
                and (self.anomaly_last is None or g - self.anomaly_last >= self.c["events.rearm_ms"]):
            self.anomaly_last = g
            self.event("anomaly_z", "ofi" if part_ofi else "cvd", g, {"ofi_z_raw": ofi_raw, "z_raw": cvd["z_raw"]})
        self.anomaly_was = now
        warmup = ofi_warm or cvd["warmup"] or f["warmup"]
        codes = []
        if stale_ofi:
            codes.append("stale_ofi")
        if stale_cvd:
            codes.append("stale_cvd")
        if cvd["frozen"]:
            codes.append("cvd_frozen")
        if (z_ofi is None or z_cvd is None) and not warmup and not codes:
            codes.append("invalid_input")
        if "lag_exceeded" in f["reasons"]:
            codes.append("lag_exceeded")
        before = self._mid_at(g - 1000)
        row = {
            "ts_ms": g, "symbol": self.symbol, "row_id": "%s|features|%d" % (self.symbol, g),
            "price": price, "mid": mid, "best_bid": bid, "best_ask": ask, "spread_bps": spread,
            "z_ofi": z_ofi, "ofi_z_raw": ofi_raw, "ofi_value": ofi["ofi_value"] if ofi else None,
            "ema_ofi": ofi["ema_ofi"] if ofi else None, "z_cvd": z_cvd, "z_raw": cvd["z_raw"], "cvd": cvd["cvd"],
            "floor_used": cvd["floor_used"], "fusion_score": f["score"], "consistency": f["consistency"],
            "dispersion": dispersion, "score_z": f["score_z"], "sign_agree": sign, "div_type": None,
            "regime": regime, "tps": tps, "trade_rate": float(n), "quote_rate": quotes, "volume_usd": volume,
            "realized_vol_bps": self._volatility(g), "return_1s": mid / before - 1 if before is not None else None,
            "age_ofi_ms": age_ofi, "age_cvd_ms": age_cvd, "lag_ms": lag, "lag_sec": lag / 1000.0,
            "warmup": warmup, "reason_codes": ",".join(codes)}
        self.emit("features", row)
        self.calibration.add(row)
        self.last_g = g
        if self.first_g is None:
            self.first_g = g
        self.row_count += 1
        out = self.signal.decide(row)
        if out:
            self.emit("signals", out)


# --- harvest side of one symbol: synchronisation, ordering -----------------------------------------------------------

class Trade:
    __slots__ = ("a", "f", "l", "t", "e", "recv", "price", "qty", "maker", "market", "backfilled", "valid")


class Harvest:
    """Section 1 and data.md 1.4 for one symbol. Feeds a Features object in stream order."""

    def __init__(self, symbol, config, market, emit, features):
        self.symbol, self.c, self.market, self.emit, self.x = symbol, config, market, emit, features
        self.spot = market == "spot"
        self.levels = max(5, config["ofi.levels"])
        self.watermark = config["harvest.watermark_ms"]
        self.skew = config["harvest.max_clock_skew_ms"]
        self.grid = config["features.grid_ms"]
        self.clock = None
        self.w = None
        self.next_g = None
        self.last_a = None
        self.lru = deque()
        self.lru_set = set()
        self.buffer = {}
        self.heap = []
        self.all_trades = SortedWindow()        # accepted market trades, for recv_rate_tps
        self.t_trade = self.t_book = None       # for silences
        # book
        self.book = Book()
        self.last_u = None
        self.last_book_t = None                 # of accepted snapshots [A12]
        self.source = config["harvest.book_source"]
        # hold, invalid, live; partial books need no synchronisation
        self.state = "hold" if self.source == "diff" else "live"
        self.held = []                          # before the first synchronisation: everything
        self.held_diffs = 0
        self.pending = deque()                  # while invalid later: diffs
        self.snapshot = None
        self.tries = 0
        self.trades_free = False                # trades published without a book
        self.fresh = False                      # next accepted snapshot is the first after synchronisation
        self.reconnect = None
        self.silent_from = None
        self.n = {}
        self.applied = []                       # (u, best bid, best ask, live)
        self.tickers = []
        self.volume = [0, 0]                    # taker buy, taker sell (market trades)
        self.volume_all = [0, 0]                # with venue-internal prints
        self.applied_sync = 0

    def count(self, name, by=1):
        self.n[name] = self.n.get(name, 0) + by

    # -- clock and releases
    def _move(self, t):
        if self.clock is None or t > self.clock:
            self.clock = t
        self._advance(self.clock - self.watermark, None)

    def _advance(self, w, limit):
        self.w = w
        while self.heap and self.buffer[self.heap[0]].t <= w:
            self._release()
            self._consecutive()
        if self.next_g is None:
            self.next_g = -(-w // self.grid) * self.grid     # [A16]
        x = self.x
        stop = w if limit is None else limit
        while True:
            c, g = x.next_c, self.next_g
            at = g if c is None else min(c, g)
            if at > stop:
                return
            self._force(at)
            c = x.next_c
            if c is not None and c <= at:
                x.boundary(c)
                continue
            x.row(g)
            self.next_g = g + self.grid

    def _force(self, g):
        while self.heap and any(b.t <= g for b in self.buffer.values()):
            self._release()
            self._consecutive()

    def _consecutive(self):
        while self.last_a is not None and self.last_a + 1 in self.buffer:
            self._release()

    def _release(self):
        a = heapq.heappop(self.heap)
        trade = self.buffer.pop(a)
        gap = 0
        if self.last_a is not None and a > self.last_a + 1:
            gap = a - self.last_a - 1
            self.count("trade_gap_ids_total", gap)
            self.x.event("gap", "trade", trade.t,
                         {"gap_kind": "trade_id", "missing": gap, "from": self.last_a, "to": a})     # [A1] [A9]
        self.last_a = a
        self.lru.append(a)
        self.lru_set.add(a)
        if len(self.lru) > self.c["harvest.dedup_lru"]:
            self.lru_set.discard(self.lru.popleft())
        if not trade.valid:
            self.count("invalid_trade")         # [A11]
            return
        if trade.market:                        # [A10]
            if self.t_trade is not None and trade.t - self.t_trade > self.c["harvest.trade_idle_s"] * 1000:
                self.x.event("gap", "trade", trade.t, {"gap_kind": "silence", "missing": None, "from": self.t_trade,
                                                       "to": trade.t})
            self.t_trade = trade.t
            self.all_trades.add(trade.t)
        self.volume_all[trade.maker] += trade.qty
        self.count("trades")
        recv_ms = trade.recv // 1_000_000
        self.emit("prices", {
            "ts_ms": trade.t, "symbol": self.symbol, "row_id": "%s|prices|%d" % (self.symbol, a),
            "event_ts_ms": trade.e, "recv_ts_ms": recv_ms, "price": trade.price / SCALE, "qty": trade.qty / SCALE,
            "agg_trade_id": a, "first_trade_id": trade.f, "last_trade_id": trade.l, "is_buyer_maker": trade.maker,
            "is_market": trade.market, "latency_ms": recv_ms - trade.e,
            "recv_rate_tps": self.all_trades.later_than(trade.t - 60000) / 60.0, "gap_before": gap,
            "backfilled": trade.backfilled})
        if not trade.market:
            self.count("non_market_trades")
            return
        self.volume[trade.maker] += trade.qty
        self.x.trade(trade.t, a, trade.price, trade.qty, trade.maker)

    # -- arrivals
    def arrive(self, recv, what, data, conn_first=False):
        """what: trade, depth; data: decoded message. Held until the first synchronisation."""
        if self.state == "hold" and not (self.trades_free and what != "depth"):
            self.held.append((recv, what, data, conn_first, self.snapshot is not None))
            if what == "depth":
                self.held_diffs += 1
                if self.held_diffs > self.c["harvest.max_held"]:
                    at = next(i for i, h in enumerate(self.held) if h[1] == "depth")
                    del self.held[at]
                    self.held_diffs -= 1
                    self.count("held_overflow")
                self._try_first()
            return
        self._process(recv, what, data, conn_first, True)

    def _process(self, recv, what, data, conn_first, live):
        if what == "reconnect":
            self.reconnect = data
            return
        if self.reconnect is not None and not data.get("backfilled") and self._timely(recv, data):
            meta, self.reconnect = self.reconnect, None
            self.x.event("reconnect", "socket", data["t"], meta)
        if what == "trade":
            self._trade(recv, data)
        elif self.source == "partial":
            self._partial(recv, data, conn_first)
        else:
            self._depth(recv, data, conn_first, live)

    def _timely(self, recv, item):
        """Rule 1, and what would be absurd whatever the skew limit [A41]."""
        age = recv // 1_000_000 - item["t"]
        day = 86_400_000
        return not (self.skew and abs(age) > self.skew) and age >= -366 * day and abs(item["e"] - item["t"]) <= day

    def _trade(self, recv, trade):
        if not trade["backfilled"] and not self._timely(recv, trade):
            self.count("invalid_time")
            return
        a = trade["a"]
        if a in self.buffer:
            self.count("dedup_hits_total")
            return
        if self.last_a is not None and a <= self.last_a:
            self.count("dedup_hits_total" if a in self.lru_set else "late_event_dropped")     # [A8]
            return
        item = Trade()
        item.a, item.f, item.l, item.t, item.e = a, trade["f"], trade["l"], trade["t"], trade["e"]
        item.price, item.qty, item.maker = trade["price"], trade["qty"], trade["maker"]
        item.market, item.backfilled, item.recv = trade["market"], trade["backfilled"], recv
        item.valid = not item.market or (item.price > 0 and item.qty > 0)
        self.buffer[a] = item
        heapq.heappush(self.heap, a)
        self._consecutive()
        if item.valid:
            self._move(item.t)

    def _bridges(self, d):
        """-1: older than the snapshot, 1: bridges it, 0: snapshot too old"""
        last = self.snapshot[0]
        if self.spot:
            if d["u"] <= last:
                return -1
            return 1 if d["U"] <= last + 1 else 0
        if d["u"] < last:
            return -1
        return 1 if d["U"] <= last or d["pu"] == last else 0        # [A42]

    def rest(self, last_id, bids, asks):
        if self.state == "live":
            self.count("snapshot_unused")
            return
        self.snapshot = (last_id, bids, asks)
        if self.state == "hold":
            self._try_first()
        else:
            self._try_again()

    def _refused(self):
        self.snapshot = None
        self.tries += 1
        self.count("snapshot_too_old")
        if self.state == "hold" and self.tries >= 5:
            self.free_trades()

    def free_trades(self):
        """No synchronisation in five tries: trades are published, books are not."""
        self.trades_free = True
        held, self.held = self.held, []
        for item in held:
            if item[1] == "depth":
                self.held.append(item)
            else:
                self._process(*item)

    def _try_first(self):
        if self.snapshot is None:
            return
        for _, what, d, _, _ in self.held:
            if what == "depth":
                verdict = self._bridges(d)
                if verdict < 0:
                    continue
                if verdict == 0:
                    self._refused()
                    return
                break
        else:
            return
        held, self.held = self.held, []
        self._load()
        self.state = "live"
        for item in held:
            self._process(*item)

    def _try_again(self):
        if self.snapshot is None:
            return
        while self.pending and self._bridges(self.pending[0][1]) < 0:
            self.pending.popleft()
            self.count("diffs_dropped")
        if not self.pending:
            return
        if self._bridges(self.pending[0][1]) == 0:
            self._refused()
            return
        self._load()
        self.state = "live"
        while self.pending and self.state == "live":
            recv, d = self.pending.popleft()
            self._apply(recv, d, False, False)      # [A3]

    def _load(self):
        last, bids, asks = self.snapshot
        self.book.load(bids, asks)
        self.bridge = self.snapshot[0]
        self.last_u = None
        self.fresh = True
        self.count("synchronisations")

    def _depth(self, recv, d, conn_first, live):
        t = d["t"]
        timely = self._timely(recv, d)
        if timely:                              # [A2] [A4] also while invalid, also if dropped as old
            if self.t_book is not None and t - self.t_book > self.c["harvest.book_idle_s"] * 1000:
                self.silent_from = self.t_book
            self.t_book = t
            self._move(t)
        else:
            self.count("invalid_time")
        if self.state == "invalid":
            self._silence(t)
            self.pending.append((recv, d))
            if len(self.pending) > self.c["harvest.max_held"]:
                self.pending.popleft()
                self.count("held_overflow")
        else:
            self._apply(recv, d, conn_first, live)
        if self.state == "invalid":
            self._try_again()

    def _silence(self, t):
        """The gap event of a silent book stream, before the row of the message that ended it."""
        if self.silent_from is not None:
            self.x.event("gap", "book", t, {"gap_kind": "silence", "missing": None, "from": self.silent_from, "to": t})
            self.silent_from = None

    def _apply(self, recv, d, conn_first, live):
        t, u = d["t"], d["u"]
        if self.last_u is None:
            # first after a snapshot: older ones are dropped, this one bridges (checked before)
            self.snapshot = self.snapshot or (self.bridge, None, None)
            verdict = self._bridges(d)
            if verdict < 0:
                self._silence(t)
                self.count("diffs_dropped")
                return
            if verdict == 0:
                self._break(recv, d, conn_first, self.bridge)
                return
            self.snapshot = None
        else:
            if u <= self.last_u:
                self._silence(t)
                self.count("book_backward")     # [A13]
                return
            linked = d["U"] == self.last_u + 1 if self.spot else d["pu"] == self.last_u
            if not linked:
                self._break(recv, d, conn_first, self.last_u)
                return
        self._silence(t)
        self.last_u = u
        for side, levels in ((0, d["b"]), (1, d["a"])):
            put = self.book.set
            for price, qty in levels:
                put(side, price, qty)
        self.count("diffs_applied")
        if not live:
            self.applied_sync += 1
        best_bid, best_ask = self.book.best()
        self.applied.append((u, best_bid, best_ask, live))
        if self._timely(recv, d):
            self._publish(recv, d, *self.book.top(self.levels))

    def _partial(self, recv, d, conn_first):
        """Book source partial: each message is the whole top of the book (data.md 1.5)."""
        t, u = d["t"], d["u"]
        if not self._timely(recv, d):
            self.count("invalid_time")
            return
        silent_from, self.t_book = self.t_book, t
        self._move(t)
        backward = self.last_u is not None and u <= self.last_u
        if not backward and not conn_first and self.last_u is not None and d["pu"] != self.last_u:
            self.count("book_seq_gap_total")
            self.x.event("gap", "book", t, {"gap_kind": "book_seq", "missing": None, "from": self.last_u, "to": d["pu"]})
        if silent_from is not None and t - silent_from > self.c["harvest.book_idle_s"] * 1000:
            self.silent_from = silent_from
            self._silence(t)
        if backward:
            self.count("book_backward")
            return
        self.last_u = u
        self._publish(recv, d, sorted(d["b"], key=lambda level: -level[0]), sorted(d["a"], key=lambda level: level[0]))

    def _publish(self, recv, d, bids, asks):
        """The row of a book as it stands, unless rule 2 or section 2.2 forbids it."""
        t, u = d["t"], d["u"]
        if self.last_book_t is not None and t < self.last_book_t:
            self.count("book_time_backward")
            return
        reason = book_reject(bids, asks)
        if reason and self.c["ofi.mode"] != "legacy":
            self.count(reason)
            return
        if not bids or not asks:
            self.count("book_empty")
            return
        self.last_book_t = t
        fresh, self.fresh = self.fresh, False
        recv_ms = recv // 1_000_000
        bid, ask = bids[0][0] / SCALE, asks[0][0] / SCALE
        mid = (bid + ask) / 2
        row = {"ts_ms": t, "symbol": self.symbol, "row_id": "%s|orderbook|%d" % (self.symbol, u),
               "event_ts_ms": d["e"], "recv_ts_ms": recv_ms, "latency_ms": recv_ms - d["e"], "first_id": d["U"],
               "last_id": u, "prev_last_id": d["pu"], "source": self.source, "book_reset": fresh,
               "levels": min(len(bids), len(asks), self.levels), "best_bid": bid, "best_ask": ask, "mid": mid,
               "spread_bps": (ask - bid) / mid * 1e4}
        for name, side in (("bid", bids), ("ask", asks)):
            for i in range(self.levels):
                row["%s%d_p" % (name, i + 1)] = side[i][0] / SCALE if i < len(side) else None
            for i in range(self.levels):
                row["%s%d_q" % (name, i + 1)] = side[i][1] / SCALE if i < len(side) else None
        self.emit("orderbook", row)
        self.count("snapshots")
        self.x.book(t, u, bids, asks, fresh)

    def _break(self, recv, d, conn_first, last):
        """Sequence broken: invalid until synchronised again; the breaking message is the first kept one."""
        self.count("book_resync_total")
        if not conn_first:                       # [A3] the event is told in either case (decision 0014)
            self.count("book_seq_gap_total")
        self.x.event("gap", "book", d["t"], {"gap_kind": "book_seq", "missing": None, "from": last,
                                             "to": d["U"] if self.spot else d["pu"]})
        self._silence(d["t"])
        self.state = "invalid"
        self.snapshot = None
        self.last_u = None
        # what follows of the messages being replayed goes behind it
        self.pending.appendleft((recv, d))

    # -- connections, end
    def reconnected(self, meta):
        self.arrive(0, "reconnect", meta)

    def finish(self):
        if self.state == "hold" and not self.trades_free:
            self.count("never_synchronised")    # [A6]
            self.free_trades()
        if self.clock is None:
            return
        while self.heap:
            self._release()
            self._consecutive()
        if self.reconnect is not None:          # nothing came behind it (decision 0014)
            meta, self.reconnect = self.reconnect, None
            self.x.event("reconnect", "socket", self.clock, meta)
        self._advance(self.clock, self.clock)

    def audit(self):
        """Best bid/ask after each applied diff against the last bookTicker with id <= u (by id, not by arrival)."""
        first = {}
        for i, item in enumerate(self.tickers):
            first[item[0]] = i
        ids = sorted(first)
        equal = different = equal_live = different_live = 0
        examples = []
        for u, bid, ask, live in self.applied:
            i = bisect_right(ids, u)
            if not i:
                continue
            _, b, bq, a, aq = self.tickers[first[ids[i - 1]]]
            if bid == (b, bq) and ask == (a, aq):
                equal += 1
                equal_live += live
            else:
                different += 1
                different_live += live
                examples.append(u)
        return {"equal": equal, "different": different, "equal_live": equal_live, "different_live": different_live,
                "different_ids": examples[:10]}

    def stats(self):
        bids, asks = self.book.top(5)
        return {
            "market": self.market, "counters": dict(self.n), "late_for_grid": self.x.late,
            "grid_rows": self.x.row_count,
            "grid_rows_skipped": 0 if self.x.first_g is None
            else (self.x.last_g - self.x.first_g) // self.grid + 1 - self.x.row_count,
            "audit": self.audit(), "clock_ms": self.clock, "last_agg_trade_id": self.last_a, "last_u": self.last_u,
            "final_book": {
                "bids": [[decimal_text(p), decimal_text(q)] for p, q in bids],
                "asks": [[decimal_text(p), decimal_text(q)] for p, q in asks],
                "n_bid_levels": len(self.book.price[0]), "n_ask_levels": len(self.book.price[1])},
            "volume": decimal_text(sum(self.volume_all)), "taker_buy_volume": decimal_text(self.volume_all[0]),
            "taker_sell_volume": decimal_text(self.volume_all[1]),
            "market_volume": decimal_text(sum(self.volume)), "fusion": dict(self.x.fusion.n),
            "signal": dict(self.x.signal.n), "mode_changes": self.x.mode.changes if self.x.mode else [],
            "market_unknown": self.x.mode.unknown_count if self.x.mode else None,
            "ofi_tail": list(self.x.ofi.tail)}


# --- messages --------------------------------------------------------------------------------------------------------

def _levels(rows):
    return [(scaled(p), scaled(q)) for p, q in rows]


def parse_depth(d, spot):
    e = int(d["E"])
    return {"t": e if spot and "T" not in d else int(d["T"]), "e": e, "U": int(d["U"]), "u": int(d["u"]),
            "pu": None if spot else int(d["pu"]), "b": _levels(d["b"]), "a": _levels(d["a"])}


def parse_trade(d, raw, qty_field):
    a = int(d["t"] if raw else d["a"])
    qty = d.get("nq", d["q"]) if qty_field == "nq" else d["q"]
    maker = d["m"]
    if not isinstance(maker, bool):
        raise ValueError("m")
    market = not ("X" in d and d["X"] is not None and d["X"] != "MARKET")
    if market and (scaled(d["p"]) <= 0 or scaled(d["q"]) <= 0):
        raise ValueError("p, q")  # no number of a venue: nothing of it is believed, its id neither
    return {"a": a, "f": a if raw else int(d["f"]), "l": a if raw else int(d["l"]), "t": int(d["T"]),
            "e": int(d["E"]), "price": scaled(d["p"]), "qty": scaled(qty), "maker": maker,
            "market": market, "backfilled": False}


def guess_market(events):
    """usdm, coinm or spot, from the first depth message (or the symbols)."""
    for _, kind, stream, symbol, text, _ in events:
        if kind == rec.MSG and "@depth" in stream:
            if '"pu"' not in text:
                return "spot"
            return "coinm" if "USD_" in symbol else "usdm"
    for _, kind, _, symbol, _, _ in events:
        if kind == rec.MSG and symbol:
            return "coinm" if "USD_" in symbol else "usdm"
    return "usdm"


def is_book_stream(stream, source):
    """The stream's name alone tells a diff from a complete top."""
    kind = stream.split("@")[1] if "@" in stream else ""
    return kind == "depth" if source == "diff" else kind in ("depth5", "depth10", "depth20")


class Run:
    """Feeds events to one Harvest and Features pair per symbol."""

    def __init__(self, config=None, sink=None):
        self.c = make_config(config)
        self.sink = sink
        self.rows = {}
        self.parts = {}
        self.errors = {}
        self.open_urls = {}
        self.closed = {}
        self.first_diff_due = set()
        self.contracts = {}

    def _error(self, name):
        self.errors[name] = self.errors.get(name, 0) + 1

    def _symbol(self, symbol):
        part = self.parts.get(symbol)
        if part is None:
            if self.sink:
                sink = self.sink

                def emit(kind, row):
                    sink(symbol, kind, row)
            else:
                rows = self.rows[symbol] = {kind: [] for kind in KINDS}

                def emit(kind, row):
                    rows[kind].append(row)
            features = Features(symbol, self.c, emit, self.market)
            features.contract = self.contracts.get(symbol, features.contract)
            part = self.parts[symbol] = Harvest(symbol, self.c, self.market, emit, features)
        return part

    def run(self, events):
        events = events if isinstance(events, list) else list(events)
        c = self.c
        self.market = c["harvest.market"] or guess_market(events)
        spot = self.market == "spot"
        wanted = set(c["run.symbols"]) if c["run.symbols"] else None
        stream_kind = c["harvest.trade_stream"]
        if stream_kind == "auto":
            # decided once for the whole input: aggTrade if it is offered anywhere
            offered = any((e[1] == rec.MSG and e[2].endswith("@aggTrade"))
                          or (e[1] == rec.OPEN and "@aggTrade" in e[2]) for e in events)
            stream_kind = "aggTrade" if offered else "trade"
        suffix = "@" + stream_kind
        raw = stream_kind == "trade"
        qty_field = c["harvest.qty_field"]
        source = c["harvest.book_source"]
        for recv, kind, stream, symbol, text, conn in events:
            if kind == rec.MSG:
                if wanted is not None and symbol not in wanted:
                    continue
                is_trade = stream.endswith(suffix)
                is_depth = not is_trade and is_book_stream(stream, source)
                is_ticker = not is_trade and not is_depth and stream.endswith("@bookTicker")
                if not (is_trade or is_depth or is_ticker):
                    if not stream:
                        self._error("parse_errors")
                    continue
                try:
                    d = json.loads(text)["data"]
                    if is_trade:
                        item = parse_trade(d, raw, qty_field)
                    elif is_depth:
                        item = parse_depth(d, spot)
                    else:
                        item = (int(d["u"]), scaled(d["b"]), scaled(d["B"]), scaled(d["a"]), scaled(d["A"]))
                except (ValueError, KeyError, TypeError):
                    self._error("parse_errors")
                    continue
                part = self._symbol(symbol)
                if is_ticker:
                    part.tickers.append(item)
                elif is_trade:
                    part.arrive(recv, "trade", item)
                else:
                    first = symbol in self.first_diff_due
                    if first:
                        self.first_diff_due.discard(symbol)
                    part.arrive(recv, "depth", item, first)
            elif kind == rec.REST:
                self._rest(stream, symbol, text, recv, wanted)
            elif kind == rec.OPEN:
                key = tuple(sorted(rec.url_streams(stream))) or (stream,)
                for s in rec.url_streams(stream):
                    if is_book_stream(s, source):
                        self.first_diff_due.add(rec.stream_symbol(s))
                if key in self.closed and not self.open_urls.get(key):
                    closed_at, reason = self.closed.pop(key)
                    for name in sorted({rec.stream_symbol(s) for s in rec.url_streams(stream)}):
                        if name in self.parts:
                            self.parts[name].reconnected({"socket": stream, "down_ms": (recv - closed_at) // 1_000_000,
                                                          "reason": reason})
                self.open_urls[key] = self.open_urls.get(key, 0) + 1
            elif kind == rec.CLOSE:
                key = tuple(sorted(rec.url_streams(stream))) or (stream,)
                self.open_urls[key] = max(0, self.open_urls.get(key, 0) - 1)
                self.closed[key] = (recv, text)
            elif kind == rec.CONTROL:
                self._control(json.loads(text), wanted)
        for part in self.parts.values():
            part.finish()
        return self.rows

    def _control(self, said, wanted):
        """A control input, for one symbol or for all; applied where it stands."""
        for symbol in [said["symbol"]] if "symbol" in said else sorted(wanted or self.parts):
            part = self._symbol(symbol)
            part.x.control(said["decision"], said.get("value"), part.clock)

    def _rest(self, url, symbol, text, recv, wanted):
        if wanted is not None and symbol not in wanted:
            return
        if "/depth" in url:
            part = self._symbol(symbol)
            try:
                d = json.loads(text)
                part.rest(int(d["lastUpdateId"]), _levels(d["bids"]), _levels(d["asks"]))
            except (ValueError, KeyError, TypeError):
                self._error("rest_errors")
                if part.state == "hold" and not part.trades_free:
                    part._refused()
        elif "/exchangeInfo" in url:
            try:
                for d in json.loads(text).get("symbols", []):
                    name = d.get("symbol", "")
                    if "contractSize" in d and name in self.parts:
                        self.parts[name].x.contract = d["contractSize"]
                    elif "contractSize" in d:
                        self.contracts[name] = d["contractSize"]
            except (ValueError, AttributeError, TypeError):
                self._error("rest_errors")
        elif "/aggTrades" in url:
            part = self._symbol(symbol)
            if part.state == "hold" and not part.trades_free:
                return                          # [A44]
            try:
                trades = json.loads(text)
            except ValueError:
                self._error("rest_errors")
                return
            for d in trades:                    # one that is none costs itself, not those beside it
                try:
                    item = parse_trade(dict(d, E=d["T"]), False, self.c["harvest.qty_field"])
                except (ValueError, KeyError, TypeError):
                    self._error("rest_errors")
                    continue
                if part.last_a is not None and item["a"] <= part.last_a or item["a"] in part.buffer:
                    continue
                item["backfilled"] = True
                part.arrive(recv, "trade", item)

    def stats(self):
        return {"errors": dict(self.errors), "market": self.market,
                "symbols": {s: p.stats() for s, p in sorted(self.parts.items())}}


def run(events, config=None):
    """{symbol: {kind: [rows]}} of arrival-ordered events."""
    return Run(config).run(events)


# --- command line ----------------------------------------------------------------------------------------------------

def main(argv=None):
    ap = argparse.ArgumentParser(description="reference rows of recordings or raw captures, one JSON-lines file per "
                                             "symbol and kind")
    ap.add_argument("--recording", action="append", default=[], help="recorded file (several are merged)")
    ap.add_argument("--ofr", nargs="+", default=[], help="files of one raw capture")
    ap.add_argument("--verify-crc", action="store_true", help="check the CRC of every capture record (slow)")
    ap.add_argument("--out", required=True)
    ap.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="VALUE is JSON, else text")
    args = ap.parse_args(argv)
    if bool(args.recording) == bool(args.ofr):
        ap.error("give either --recording or --ofr")
    overrides = {}
    for item in args.set:
        key, _, value = item.partition("=")
        try:
            overrides[key] = json.loads(value)
        except ValueError:
            overrides[key] = value
    events = list(rec.read_recordings(args.recording) if args.recording else rec.read_ofr(args.ofr, args.verify_crc))
    os.makedirs(args.out, exist_ok=True)
    files = {}

    def sink(symbol, kind, row):
        key = (symbol, kind)
        if key not in files:
            files[key] = open(os.path.join(args.out, "%s.%s.jsonl" % key), "w", encoding="utf-8")
        files[key].write(json_text(row) + "\n")

    job = Run(overrides, sink)
    job.run(events)
    for symbol in job.parts:
        for kind in KINDS:
            if (symbol, kind) not in files:
                files[(symbol, kind)] = open(os.path.join(args.out, "%s.%s.jsonl" % (symbol, kind)), "w")
    for f in files.values():
        f.close()
    with open(os.path.join(args.out, "stats.json"), "w", encoding="utf-8") as f:
        json.dump(job.stats(), f, indent=1, sort_keys=True)
        f.write("\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
