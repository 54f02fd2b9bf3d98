"""Labels and evaluation (algorithms.md sections 9 and 10), from the specification alone, and the vectors that hold the C
kernels to it:

    /usr/bin/python3 tests/reference/evaluate.py > tests/vectors/evaluate.txt
"""
import bisect
import math
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import stats  # noqa: E402

UNFIT = {"invalid_input", "stale_ofi", "stale_cvd", "cvd_frozen"}
SESSIONS = ("tokyo", "london", "ny")


def is_evaluation_row(row, step_ms, tol_ms):
    """9.1, and the age p(t) requires (9.2); `row` has the columns of a feature row."""
    codes = set(row["reason_codes"].split(",")) if row["reason_codes"] else set()
    return row["ts_ms"] % step_ms == 0 and not row["warmup"] and not codes & UNFIT and row["age_ofi_ms"] <= tol_ms


def label(t, price, times, mids, horizon_ms, tol_ms):
    """9.2, 9.3: (1, 0, "tie" or None, return); snapshots in the order accepted, T never falls."""
    i = bisect.bisect_left(times, t + horizon_ms)
    if i == len(times) or times[i] > t + horizon_ms + tol_ms:
        return None, None
    if mids[i] == price:
        return "tie", 0.0
    return (1 if mids[i] > price else 0), mids[i] / price - 1


def in_window(t, begin, end, horizon_ms, tol_ms):
    """9.5"""
    return t >= begin and t + horizon_ms + tol_ms < end


def outcomes(times, horizon_ms):
    return len({t // horizon_ms for t in times})


def auc(scores, labels, n_eff):
    """10.1: (value, low, high), None when UNKNOWN."""
    n, ones = len(labels), sum(labels)
    zeros = n - ones
    if n < 200 or ones < 30 or zeros < 30 or n_eff < 20:
        return None, None, None
    value = stats.auc(scores, labels)
    return (value, *stats.auc_interval(value, min(ones, ones * n_eff / n), min(zeros, zeros * n_eff / n)))


def platt(scores, labels):
    """10.4 with its least counts: (A, B, state)."""
    n, ones = len(labels), sum(labels)
    if n < 200 or ones < 30 or n - ones < 30:
        return None, None, "insufficient"
    mean = stats.seq_sum(scores) / n
    if math.sqrt(stats.seq_sum([(s - mean) ** 2 for s in scores]) / (n - 1)) < 1e-12:
        return None, None, "insufficient"
    a, b, state = stats.platt(scores, labels)
    return (a, b, state) if state == "active" else (None, None, state)


def probability(a, b, score):
    try:
        return 1 / (1 + math.exp(a * score + b))
    except OverflowError:
        return 0.0


def session(t):
    return SESSIONS[t // 3_600_000 % 24 // 8]


def quantile(values, q):
    """N4"""
    ordered = sorted(values)
    if not ordered:
        return None
    pos = (len(ordered) - 1) * q
    i = math.floor(pos)
    if i + 1 == len(ordered):
        return ordered[i]
    return ordered[i] + (pos - i) * (ordered[i + 1] - ordered[i])


def merge(rows, first, last, signal, tol_ms):
    """10.7; rows: (t, age_ofi, age_cvd) of feature rows on whole seconds."""
    total = len(range(-(-first // 1000) * 1000, last + 1, 1000))
    pick = {"ofi": lambda r: r[1], "cvd": lambda r: r[2], "fusion": lambda r: max(r[1:])}[signal]
    distances = [pick(r) for r in rows if r[0] % 1000 == 0 and first <= r[0] <= last]
    matched = sum(d <= tol_ms for d in distances)
    return {"n_total": total, "n_matched": matched, "match_rate": matched / total if total else None,
            **{"p%d" % q: quantile(distances, q / 100) for q in (50, 90, 99)}}


# --- vectors ---------------------------------------------------------------------------------------------------------

CASES = [
    # name, seed, seconds, horizon_s, tol_ms, lift (of scores by their outcome, in thousandths), pause (seconds without books)
    ("plain", 11, 1500, 5, 1500, 0, 0),
    ("telling", 12, 1500, 10, 1500, 700, 0),
    ("wrong_way", 13, 1500, 30, 500, -400, 40),
    ("short", 14, 260, 5, 1500, 300, 0),
    ("few_outcomes", 15, 900, 60, 1500, 300, 0),
    ("perfect", 16, 1500, 5, 1500, 9000, 0),
]
T0 = 1_700_006_400_000 - 700_000  # eleven minutes before the end of ny; goes on into tokyo


class Draws:
    """x ← (1103515245·x + 12345) mod 2³¹; a draw below k is (x div 256) mod k."""

    def __init__(self, seed):
        self.x = seed

    def below(self, k):
        self.x = (1103515245 * self.x + 12345) % 2 ** 31
        return self.x // 256 % k


def market(case):
    """Snapshots of a walk in cents, and a row at most seconds with the mid as of then; the scores know the outcome by
    `lift`."""
    _, seed, seconds, horizon_s, tol_ms, lift, pause_s = case
    draws = Draws(seed)
    times, mids, cents, t = [], [], 10000, T0 - 2000
    while t < T0 + seconds * 1000:
        t += 50 + draws.below(900)
        cents += draws.below(7) - 3
        if not 0 <= t - (T0 + 300_000) < pause_s * 1000:
            times.append(t)
            mids.append(cents / 100)
    rows = []
    for i in range(seconds):
        t = T0 + i * 1000
        if draws.below(17) == 0:
            continue
        at = bisect.bisect_right(times, t) - 1
        raw, age_cvd = draws.below(6001) - 3000, draws.below(3000)
        y, r = label(t, mids[at], times, mids, horizon_s * 1000, tol_ms)
        rows.append({"t": t, "label": y, "r": r, "age_ofi": t - times[at], "age_cvd": age_cvd,
                     "score": (raw + (lift if y == 1 else -lift if y == 0 else 0)) / 1000})
    return rows, times


def expectations(case):
    _, _, seconds, horizon_s, tol_ms, _, _ = case
    rows, times = market(case)
    horizon_ms = horizon_s * 1000
    known = [r for r in rows if r["label"] in (0, 1)]

    def columns(part):
        return [r["score"] for r in part], [r["label"] for r in part], outcomes([r["t"] for r in part], horizon_ms)

    out = {"rows": len(rows), "ones": sum(r["label"] for r in known), "zeros": sum(1 - r["label"] for r in known),
           "ties": sum(r["label"] == "tie" for r in rows), "unlabeled": sum(r["label"] is None for r in rows),
           "return_sum": stats.seq_sum([r["r"] for r in known])}
    scores, labels, n_eff = columns(known)
    out["n_eff"] = n_eff
    out["auc"], out["auc_lo95"], out["auc_hi95"] = auc(scores, labels, n_eff)
    for name in SESSIONS:
        out["auc_" + name] = auc(*columns([r for r in known if session(r["t"]) == name]))[0]
    end = T0 + seconds * 1000 * 2 // 3
    train = [r for r in known if in_window(r["t"], T0, end, horizon_ms, tol_ms)]
    test = [r for r in known if r["t"] >= end]
    out["train"], out["test"] = len(train), len(test)
    out["a"], out["b"], out["state"] = platt(*columns(train)[:2])
    out["ece"] = out["brier"] = out["brier_baseline"] = out["brier_improvement_pct"] = None
    if out["state"] == "active" and len(test) >= 200:
        p, y = [probability(out["a"], out["b"], r["score"]) for r in test], [r["label"] for r in test]
        share = sum(r["label"] for r in train) / len(train)
        out["ece"], out["brier"] = stats.ece(p, y), stats.brier(p, y)
        out["brier_baseline"] = stats.brier([share] * len(y), y)
        out["brier_improvement_pct"] = 100 * (1 - out["brier"] / out["brier_baseline"])
    signs = [(r["r"] > 0) - (r["r"] < 0) for r in known]
    out["top_k"] = stats.top_k_hit_rate(scores, signs)[1] if len(known) >= 200 else None
    for signal in ("ofi", "cvd", "fusion"):
        merged = merge([(r["t"], r["age_ofi"], r["age_cvd"]) for r in rows], times[0], times[-1], signal, 2000)
        out.update({"%s_%s" % (signal, key): value for key, value in merged.items()})
    out["wilson_lo95"], out["wilson_hi95"] = stats.wilson(out["ones"], len(known))
    return out


def text(value):
    return "null" if value is None else repr(value) if isinstance(value, float) else str(value)


def vectors():
    lines = ["# Made by tests/reference/evaluate.py; the markets come from the recurrence described there.",
             "# case: name seed seconds horizon_s tol_ms lift pause_s; then what is measured on it"]
    for case in CASES:
        lines.append("case " + " ".join(map(str, case)))
        lines += ["%s %s" % (key, text(value)) for key, value in expectations(case).items()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(vectors())
