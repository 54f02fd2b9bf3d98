"""The reference as a pipeline of its own, fed by hand."""
import reference as ref


def pipeline(config=None):
    rows = {kind: [] for kind in ref.KINDS}
    config = ref.make_config(config)
    features = ref.Features("BTCUSDT", config, lambda kind, row: rows[kind].append(row))
    harvest = ref.Harvest("BTCUSDT", config, "usdm", lambda kind, row: rows[kind].append(row), features)
    harvest.rest(100, [(99 * ref.SCALE, ref.SCALE)], [(101 * ref.SCALE, ref.SCALE)])
    return harvest, rows


class Feed:
    """Books and trades with consecutive ids."""

    def __init__(self, config=None):
        self.h, self.rows = pipeline(config)
        self.u, self.a = 100, 0

    def book(self, t, qty=1):
        u, self.u = self.u, self.u + 1
        self.h.arrive(t * 1_000_000, "depth", {"t": t, "e": t, "U": u, "u": u + 1, "pu": u,
                                               "b": [(99 * ref.SCALE, qty * ref.SCALE)], "a": []})

    def trade(self, t, a=None, price=100, market=True):
        self.a = self.a + 1 if a is None else a
        self.h.arrive(t * 1_000_000, "trade", {
            "a": self.a, "f": self.a, "l": self.a, "t": t, "e": t, "price": price * ref.SCALE, "qty": ref.SCALE,
            "maker": False, "market": market, "backfilled": False})
