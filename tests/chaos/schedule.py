"""What is done to a run, drawn from a seed: the same seed, cut and number of rows give the same list, on any machine.

A fault begins at a row: the so-manieth row that harvest has published. Where a crash point strikes is not chosen by row but
by its n-th passing in one life of the daemon.
"""
import dataclasses
import random

# What the rows of a disturbed run are compared with. A daemon that stands before the raw capture cannot receive while it is
# dead; its run has rows of its own, and is compared with a replay of its own capture.
UNDISTURBED, OWN_CAPTURE = "undisturbed", "own capture"


@dataclasses.dataclass(frozen=True)
class Target:
    """One process that may be hurt: its crash points with the last passing that every cut is sure to reach; the kinds of faults
    that can be done to it (none: all)."""
    name: str
    crash_points: dict
    reference: str = UNDISTURBED
    kinds: tuple = ()


TARGETS = {
    target.name: target for target in (
        # While one of the first two stands still no row goes by, so nobody can be measured to be behind; the simulator sends no
        # heartbeat that could be missed, and writes nothing.
        Target("harvest", {"before_commit": 20, "after_commit": 20, "after_write": 40}, OWN_CAPTURE,
               ("kill", "kill_two", "term", "stop", "hang", "crash")),
        Target("simulator", {}, OWN_CAPTURE, ("kill", "kill_two", "term", "stop")),
        Target("features", {"before_commit": 40, "after_commit": 40}),
        Target("signal", {"before_commit": 40, "after_commit": 40, "after_write": 5, "after_rename": 1}),
        Target("broker", {"before_commit": 5, "after_commit": 5, "after_write": 2}),
        Target("archive", {"before_commit": 1, "after_commit": 1, "after_write": 4, "after_rename": 4}),
        Target("report", {"before_commit": 4, "after_commit": 4}),
    )
}

KINDS = {  # kind: (weight in the draw, what it does)
    "kill": (4, "SIGKILL"),
    "kill_two": (2, "SIGKILL to two daemons at once"),
    "term": (2, "SIGTERM, as from outside: the daemon winds down and is started again"),
    "stop": (2, "SIGSTOP, some rows later SIGCONT, before the supervisor takes it for hung"),
    "hang": (1, "SIGSTOP and no SIGCONT: the supervisor must find the hang and kill"),
    "behind": (2, "paused by command while the others run thousands of rows on"),
    "crash": (2, "SIGKILL from within, at a named crash point"),
}

IN_FRONT = 0.25  # of the seeds also hurt what stands before the raw capture
FAULTS_PER_SEED = (3, 5)
FIRST, LAST = 0.04, 0.85  # of the cut's rows: behind the start, and before the end with time left to recover
APART = 0.05
STOP_ROWS = (20, 120)     # rows that go on while one is stopped
BEHIND = (0.25, 0.35)     # likewise, of the cut's rows
HANG = 0.2                # of the cut's rows pass until a hang is found
MISSED = {"hang": 0.3, "stop": 0}  # of the cut's rows are never made when one before the capture is away
MISSED_ELSE = 0.15


@dataclasses.dataclass(frozen=True)
class Fault:
    kind: str
    targets: tuple
    at_row: int = 0    # harvest's; 0 with a crash point
    hold_rows: int = 0 # rows of harvest that must pass before it ends
    point: str = ""
    passing: int = 0

    def text(self):
        where = f"at passing {self.passing} of {self.point}" if self.kind == "crash" else f"at row {self.at_row}"
        hold = f" for {self.hold_rows} rows" if self.hold_rows else ""
        return f"{self.kind} {'+'.join(self.targets)} {where}{hold}"


def draw(seed, cut_name, rows):
    """The faults of one run in the order of their rows; at most one crash point, since a process can be given only one, and
    at most one that lasts, since the run is short. A quarter of the runs are hurt in front of the capture too, at most twice:
    what is not received makes them shorter."""
    chance = random.Random(f"{seed} {cut_name} {rows}")
    fronts = chance.randint(1, 2) if chance.random() < IN_FRONT else 0
    kinds = []
    for _ in range(chance.randint(*FAULTS_PER_SEED)):
        once = ("crash", ) if "crash" in kinds else ()
        once += ("hang", "behind") if {"hang", "behind"} & set(kinds) else ()
        if len(kinds) < fronts:
            once += tuple(kind for kind in KINDS if not able(kind, OWN_CAPTURE))
        open_kinds = [kind for kind in KINDS if kind not in once]
        kinds += chance.choices(open_kinds, [KINDS[kind][0] for kind in open_kinds])
    rows = round(rows * (1 - sum(MISSED.get(kind, MISSED_ELSE) for kind in kinds[:fronts])))
    faults = [draw_fault(chance, kind, rows, number < fronts) for number, kind in enumerate(kinds)]
    chance.shuffle(faults)
    crashes = [fault for fault in faults if fault.kind == "crash"]
    return crashes + place(chance, [fault for fault in faults if fault.kind != "crash"], rows)


def able(kind, reference):
    """Targets of that reference that a kind can be done to."""
    return [target for target in TARGETS.values() if target.reference == reference and (not target.kinds or kind in target.kinds)]


def draw_fault(chance, kind, rows, in_front):
    if kind == "crash":
        return draw_crash(chance, in_front)
    first = chance.choice(able(kind, OWN_CAPTURE if in_front else UNDISTURBED)).name
    targets = (first,)
    if kind == "kill_two":
        others = [target.name for target in able(kind, UNDISTURBED) + (able(kind, OWN_CAPTURE) if in_front else [])]
        targets += (chance.choice([name for name in others if name != first]),)
    hold = 0
    if kind == "stop" and not in_front:
        hold = chance.randint(*STOP_ROWS)
    elif kind == "behind":
        hold = round(rows * chance.uniform(*BEHIND))
    return Fault(kind, targets, hold_rows=hold)


def place(chance, faults, rows):
    """Gives each its row: rising, with room for those that last and APART between them."""
    lengths = [HANG if fault.kind == "hang" else fault.hold_rows / rows for fault in faults]
    free = max(0, LAST - FIRST - sum(lengths) - APART * max(len(faults) - 1, 0))
    shares = sorted(chance.uniform(0, free) for _ in faults)
    before = [sum(lengths[:number]) + APART * number for number in range(len(faults))]
    return [dataclasses.replace(fault, at_row=max(1, round(rows * (FIRST + share + passed))))
            for fault, share, passed in zip(faults, shares, before)]


def draw_crash(chance, in_front):
    target = chance.choice([target for target in able("crash", OWN_CAPTURE if in_front else UNDISTURBED) if target.crash_points])
    point = chance.choice(list(target.crash_points))
    return Fault("crash", (target.name,), point=point, passing=chance.randint(1, target.crash_points[point]))


def reference_of(faults):
    """What a run with these faults is compared with."""
    kinds = {TARGETS[name].reference for fault in faults for name in fault.targets}
    return OWN_CAPTURE if OWN_CAPTURE in kinds else UNDISTURBED
