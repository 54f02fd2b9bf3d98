"""Statistics of golden.md section 7, from algorithms.md section 10 (not used by the rows)."""
import hashlib
import math

from reference import seq_sum

Z95 = 1.959963984540054


def auc(scores, labels):
    """Mann-Whitney with midranks (10.1)."""
    order = sorted(range(len(scores)), key=lambda i: scores[i])
    ranks = [0.0] * len(scores)
    i = 0
    while i < len(order):
        j = i
        while j + 1 < len(order) and scores[order[j + 1]] == scores[order[i]]:
            j += 1
        for k in range(i, j + 1):
            ranks[order[k]] = (i + j) / 2 + 1
        i = j + 1
    n1 = sum(labels)
    n0 = len(labels) - n1
    r1 = seq_sum([r for r, y in zip(ranks, labels) if y])
    return (r1 - n1 * (n1 + 1) / 2) / (n1 * n0)


def auc_interval(a, m1, m0):
    q1, q2 = a / (2 - a), 2 * a * a / (1 + a)
    var = (a * (1 - a) + (m1 - 1) * (q1 - a * a) + (m0 - 1) * (q2 - a * a)) / (m1 * m0)
    half = Z95 * math.sqrt(max(0.0, var))
    return max(0.0, a - half), min(1.0, a + half)


def ece(p, y):
    """10.2"""
    bins = [[] for _ in range(10)]
    for pi, yi in zip(p, y):
        bins[max(0, math.ceil(10 * pi) - 1)].append((pi, yi))
    total = 0.0
    for b in bins:
        if b:
            total += len(b) / len(p) * abs(sum(x for x, _ in b) / len(b) - sum(v for _, v in b) / len(b))
    return total


def brier(p, y):
    return seq_sum([(pi - yi) ** 2 for pi, yi in zip(p, y)]) / len(p)


def platt(s, y):
    """A, B and state (10.4, without the minimum counts)."""
    n1 = sum(y)
    n0 = len(y) - n1
    t = [(n1 + 1) / (n1 + 2) if v else 1 / (n0 + 2) for v in y]

    def prob(a, b):
        return [1 / (1 + math.exp(a * x + b)) for x in s]

    def loss(a, b):
        total = 0.0
        for x, ti in zip(s, t):
            f = a * x + b
            # -[t ln p + (1-t) ln(1-p)] with p = 1/(1+exp(f)), without cancellation
            total += ti * f + math.log1p(math.exp(-f)) if f >= 0 else (ti - 1) * f + math.log1p(math.exp(f))
        return total

    a, b = 0.0, math.log((n0 + 1) / (n1 + 1))
    for _ in range(100):
        p = prob(a, b)
        ga = seq_sum([(ti - pi) * x for ti, pi, x in zip(t, p, s)])
        gb = seq_sum([ti - pi for ti, pi in zip(t, p)])
        if max(abs(ga), abs(gb)) <= 1e-9:
            return a, b, "active"
        haa = seq_sum([pi * (1 - pi) * x * x for pi, x in zip(p, s)]) + 1e-12
        hab = seq_sum([pi * (1 - pi) * x for pi, x in zip(p, s)])
        hbb = seq_sum([pi * (1 - pi) for pi in p]) + 1e-12
        det = haa * hbb - hab * hab
        da, db = -(hbb * ga - hab * gb) / det, -(haa * gb - hab * ga) / det
        slope = ga * da + gb * db
        step = 1.0
        if -slope > 1e-8:
            base = loss(a, b)
            while not loss(a + step * da, b + step * db) < base + 1e-4 * step * slope:
                step /= 2
                if step < 1e-10:
                    return a, b, "not_converged"
        a, b = a + step * da, b + step * db
    return a, b, "not_converged"


def top_k_hit_rate(scores, signs):
    """10.5: signs of the returns; rows in order of time."""
    n = len(scores)
    k = max(1, math.ceil(0.05 * n))
    chosen = sorted(range(n), key=lambda i: (-abs(scores[i]), i))[:k]
    return chosen, sum((scores[i] > 0) - (scores[i] < 0) == signs[i] for i in chosen) / k


def wilson(k, n):
    z2 = Z95 * Z95
    centre = (k / n + z2 / (2 * n)) / (1 + z2 / n)
    half = Z95 * math.sqrt(k * (n - k) / n ** 3 + z2 / (4 * n * n)) / (1 + z2 / n)
    return centre - half, centre + half


def broker_u(symbol, ts_ms):
    digest = hashlib.sha256(("%s|%d" % (symbol, ts_ms)).encode()).digest()
    return int.from_bytes(digest[:8], "big")
