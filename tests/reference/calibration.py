"""Calibration and direction of one symbol (algorithms.md sections 9, 10.4, 11; docs/decisions/0026-evaluation.md): all rows
are kept, and every boundary labels and fits its window anew."""
import evaluate

HOUR_MS = 3_600_000


class Calibration:
    def __init__(self, config):
        self.step_ms = config["eval.step_ms"]
        self.train_ms = config["eval.train_s"] * 1000
        self.test_ms = config["eval.test_s"] * 1000
        self.horizon_ms = config["eval.primary_horizon_s"] * 1000
        self.tol_ms = config["eval.tol_ms"]
        self.auto_flip = config["eval.auto_flip"]
        self.rows = []                          # (t, mid, score, z_cvd) of evaluation rows
        self.next_b = None
        self.fit = (None, None, "none")
        self.suspended = False
        self.flipped = self.locked = False
        self.flips = []                         # boundaries at which the direction turned

    @property
    def state(self):
        return "suspended" if self.suspended else self.fit[2]

    @property
    def direction(self):
        return "flipped" if self.flipped else "as_is"

    def oriented(self, z_cvd):
        return -z_cvd if self.flipped and z_cvd is not None else z_cvd

    def probability(self, score):
        return evaluate.probability(self.fit[0], self.fit[1], score) if self.state == "active" else None

    def add(self, row):
        """A complete feature row."""
        if evaluate.is_evaluation_row(row, self.step_ms, self.tol_ms):
            self.rows.append((row["ts_ms"], row["mid"], row["fusion_score"], row["z_cvd"]))

    def advance(self, g, times, mids):
        """The boundaries up to the grid row g; yields the meta of each incident."""
        if self.next_b is None:
            self.next_b = g // self.test_ms * self.test_ms + self.test_ms
        while self.next_b <= g:
            yield from self._boundary(self.next_b, times, mids)
            self.next_b += self.test_ms

    def _boundary(self, b, times, mids):
        window = [r for r in self.rows if evaluate.in_window(r[0], b - self.train_ms, b, self.horizon_ms, self.tol_ms)]
        labels = [evaluate.label(t, mid, times, mids, self.horizon_ms, self.tol_ms)[0] for t, mid, _, _ in window]
        known = [(row, y) for row, y in zip(window, labels) if y in (0, 1)]
        y = [label for _, label in known]
        self.fit = evaluate.platt([row[2] for row, _ in known], y)
        if not self.auto_flip or self.locked or len(known) < 1000 or (self.flips and b - self.flips[-1] < 6 * HOUR_MS):
            return
        value = evaluate.auc([row[3] for row, _ in known], y,
                             evaluate.outcomes([row[0] for row, _ in known], self.horizon_ms))[0]
        if value is None:
            return
        same = 1 - value if self.flipped else value
        if (1 - same) - same > 0.04:
            self.flipped = not self.flipped
            self.flips.append(b)
            yield self._incident("direction_changed", "rule", b)
            if sum(b - flip < 24 * HOUR_MS for flip in self.flips) > 2:
                self.locked = True
                yield self._incident("direction_locked", "rule", b)

    def _incident(self, rule, by, effective):
        return {"by": by, "cvd_direction": self.direction, "effective_ts_ms": effective, "rule": rule}

    def control(self, decision, t):
        """A control input at event time t (None before the first item); yields the meta of an incident."""
        if decision in ("suspend_calibration", "resume_calibration"):
            self.suspended = decision == "suspend_calibration"
        elif decision in ("lock_direction", "unlock_direction"):
            locked, self.locked = self.locked, decision == "lock_direction"
            if locked != self.locked and t is not None:
                yield self._incident("direction_locked" if self.locked else "direction_unlocked", "control", t)
