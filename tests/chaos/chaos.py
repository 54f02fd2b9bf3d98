"""Chaos: a run is hurt as its seed says, and must write what an undisturbed run of the same market wrote.

    chaos.py [--seed N] [--seeds K] [--capture FILE] [--speed N]

Seed n runs on recording n modulo three unless a capture is named. A run that was hurt in front of its raw capture (harvest, the
simulator) received something else, and is compared with a replay of that capture. Before a run its faults are printed; behind it what each
really did. A fault that touched nothing fails its seed, as do a row too few or too many, a gate, and a restart that nobody
caused. A failed seed's folder is kept, and the command that repeats it is printed.
"""
import argparse
import collections
import dataclasses
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import stack as harness  # noqa: E402  (found through the line above)

import compare  # noqa: E402
import cuts  # noqa: E402
import inflict  # noqa: E402
import schedule  # noqa: E402
import watch as watching  # noqa: E402

SPEED = 20
RUN_S = 240
# A daemon that is hurt again and again within seconds is the experiment's doing, not a reason to give it up.
# A reconnection need not take a second: at 20x that is a sixth of the cut.
SETS = {"supervisor.progress_restarts": 100, "supervisor.max_restarts": 100, "harvest.backoff_initial_ms": 100}


@dataclasses.dataclass
class Outcome:
    seed: int
    recording: str
    deeds: list
    difference: compare.Difference | None
    mistakes: list
    ledger: str
    seconds: float

    def line(self):
        found = self.difference or compare.Difference()
        verdict = "PASS" if not self.mistakes else "FAIL"
        return (f"seed {self.seed} {verdict} {self.recording}: {len(self.deeds)} faults, {found.compared} rows compared, "
                f"lost {found.lost}, doubled {found.doubled}, strange {found.strange}; ledger {self.ledger}; "
                f"{self.seconds:.1f} s")


class Chaos:
    """Runs seeds; the undisturbed run of each cut is made once."""

    def __init__(self, folder, captures, speed=SPEED, say=print):
        self.folder, self.captures, self.speed, self.say = pathlib.Path(folder), captures, speed, say
        self.prepared = {}

    def prepare(self, capture):
        """(cut, what its undisturbed run wrote) of a recording."""
        if capture not in self.prepared:
            folder = pathlib.Path(tempfile.mkdtemp(dir=self.folder, prefix="cut-"))
            part = cuts.cut(capture, folder)
            self.prepared[capture] = part, cuts.reference(part, folder / "undisturbed")
        return self.prepared[capture]

    def capture_of(self, seed):
        return self.captures[seed % len(self.captures)]

    def faults(self, seed):
        capture = self.capture_of(seed)
        return schedule.draw(seed, capture.name, self.prepare(capture)[1].harvest_rows)

    def run(self, seed):
        capture = self.capture_of(seed)
        part, reference = self.prepare(capture)
        faults = self.faults(seed)
        self.say(f"seed {seed} on {capture.name}, {reference.harvest_rows} rows at {self.speed}x:")
        for fault in faults:
            self.say(f"  will: {fault.text()}")
        begun = time.monotonic()
        folder = self.folder / f"seed-{seed}"
        shutil.rmtree(folder, ignore_errors=True)
        outcome = self.disturbed(seed, part, reference, faults, folder)
        outcome.seconds = time.monotonic() - begun
        for deed in outcome.deeds:
            self.say(f"  did:  {deed.text()}")
        for mistake in outcome.mistakes:
            self.say(f"  WRONG: {mistake}")
        self.say(outcome.line())
        if outcome.mistakes:
            self.say(f"  its folder is kept: {folder}")
        else:
            shutil.rmtree(folder)
        return outcome

    def disturbed(self, seed, part, reference, faults, folder):
        outcome = Outcome(seed, part.name, [], None, [], "not checked", 0)
        died = folder / "died"
        own = schedule.reference_of(faults) == schedule.OWN_CAPTURE
        crash = next((fault for fault in faults if fault.kind == "crash"), None)
        environment = {"ORDERFLOW_CRASH_POINT": f"{crash.targets[0]}/{crash.point}:{crash.passing}:{died}"} if crash else {}
        stack = harness.Stack(folder, [part], run_id="chaos", speed=self.speed, sets=SETS, environment=environment)
        watch = watching.Watch(folder, list(schedule.TARGETS))
        try:
            with stack:
                outcome.deeds = inflict.Inflictor(stack, watch).inflict(faults)
                code = stack.finish(RUN_S)
            outcome.mistakes += inflict.settle(outcome.deeds, watch, stack, died)
            judge(outcome, stack, code, lambda: compare.own_difference(stack, folder) if own
                  else compare.difference(reference, compare.Written.read(stack)))
        except (AssertionError, OSError, subprocess.SubprocessError) as mistake:
            outcome.mistakes.append(str(mistake))
        finally:
            watch.close()
        outcome.mistakes += [deed.text() for deed in outcome.deeds if deed.nothing]
        return outcome


def judge(outcome, stack, code, difference):
    """Gates and rows: those of a run that failed its gates are counted all the same."""
    try:
        harness.assert_sound(stack, code)
    except AssertionError as mistake:
        outcome.mistakes.append(str(mistake))
    outcome.difference = difference()
    outcome.mistakes += outcome.difference.sentences
    outcome.ledger, mistakes = ledger(stack)
    outcome.mistakes += mistakes


def ledger(stack):
    """(what `orchctl account` says of the run, mistakes)."""
    done = stack.orchctl("account", check=False)
    return ("balanced", []) if done.returncode == 0 else ("NOT BALANCED", [f"orchctl account: {done.stdout}{done.stderr}"])


# --- the table ---

def percentile(values, share):
    """Nearest rank: the smallest value that is not below `share` of them."""
    values = sorted(values)
    return values[max(0, -(-len(values) * share // 100) - 1)]


def figures(values):
    if not values:
        return f"{'–':>7} {'–':>7}"
    return f"{percentile(values, 50):>7} {percentile(values, 99):>7}"


def table(outcomes):
    """Lines: every kind and target with what was done to it and how long it took to recover."""
    rows = collections.defaultdict(list)
    for outcome in outcomes:
        for deed in outcome.deeds:
            for hit in deed.hits:
                rows[deed.fault.kind, hit.name].append((deed, hit))
    yield f"{'fault':<9} {'target':<9} {'done':>5} {'ended':>6}   end→ready ms     end→caught up ms"
    yield f"{'':<9} {'':<9} {'':>5} {'':>6} {'p50':>7} {'p99':>7} {'p50':>9} {'p99':>7}"
    order = list(schedule.KINDS)
    for (kind, name), hits in sorted(rows.items(), key=lambda row: (order.index(row[0][0]), row[0][1])):
        yield table_row(kind, name, hits)
    every = [both for hits in rows.values() for both in hits]
    yield table_row("all", "", every)


def table_row(kind, name, hits):
    ready = [hit.ready_ms for _, hit in hits if hit.ready_ms is not None]
    caught_up = [hit.caught_up_ms for _, hit in hits if hit.caught_up_ms is not None]
    ended = sum(bool(hit.ended) for _, hit in hits)
    return f"{kind:<9} {name:<9} {len(hits):>5} {ended:>6} {figures(ready)}   {figures(caught_up)}"


def summary(outcomes):
    found = [outcome.difference for outcome in outcomes if outcome.difference]
    failed = [outcome for outcome in outcomes if outcome.mistakes]
    nothing = sum(bool(deed.nothing) for outcome in outcomes for deed in outcome.deeds)
    ledgers = collections.Counter(outcome.ledger for outcome in outcomes)
    yield (f"{len(outcomes)} seeds, {len(failed)} failed; {sum(len(outcome.deeds) for outcome in outcomes)} faults, "
           f"{nothing} touched nothing; {sum(one.compared for one in found)} rows compared, "
           f"lost {sum(one.lost for one in found)}, doubled {sum(one.doubled for one in found)}, "
           f"strange {sum(one.strange for one in found)}")
    yield "ledger: " + ", ".join(f"{what} {count}" for what, count in ledgers.items())
    seconds = [round(outcome.seconds, 1) for outcome in outcomes]
    yield f"one seed took {percentile(seconds, 50)} s (p50), {max(seconds)} s (longest)"


def repeat_command(outcome, options):
    capture = f" --capture {options.capture}" if options.capture else ""
    speed = f" --speed {options.speed:g}" if options.speed != SPEED else ""
    return f"./run chaos --seed {outcome.seed}{capture}{speed}"


def parse():
    parser = argparse.ArgumentParser(prog="./run chaos", description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1, help="the first seed (default 1)")
    parser.add_argument("--seeds", type=int, default=1, help="so many seeds, from that one on")
    parser.add_argument("--capture", help=f"a recording of your own; its first {cuts.MARKET_S} s are used")
    parser.add_argument("--speed", type=float, default=SPEED, help=f"market time per wall time (default {SPEED})")
    return parser.parse_args()


def captures_of(options):
    wanted = [pathlib.Path(options.capture)] if options.capture else [harness.RECORDINGS / name for name in cuts.RECORDINGS]
    for path in wanted:
        if not path.is_file():
            sys.exit(f"chaos: there is no recording {path}" + ("" if options.capture else "; ORDERFLOW_RECORDINGS names their folder"))
    return wanted


def main():
    options = parse()
    captures = captures_of(options)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="ofc-"))
    chaos = Chaos(folder, captures, options.speed, say=lambda text: print(text, flush=True))
    outcomes = [chaos.run(seed) for seed in range(options.seed, options.seed + options.seeds)]
    print("\n".join(["", *table(outcomes), "", *summary(outcomes)]))
    failed = [outcome for outcome in outcomes if outcome.mistakes]
    for outcome in failed:
        print(f"FAIL seed {outcome.seed}: {repeat_command(outcome, options)}")
    if not failed:
        shutil.rmtree(folder)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
