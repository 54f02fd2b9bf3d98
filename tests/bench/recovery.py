"""Recovery: how long from the kill of a daemon until it is ready again, and until it has caught up with its producers.

    recovery.py [--kills N] [--rate N] [--seed N] [--below MS] RECORDING [RECORDING...]

The recordings run together at the speed that gives `rate` messages a second. Each daemon is killed N times with SIGKILL by
command, in turns, the next only after the last has caught up and some more rows have passed; as many runs as that takes. The
times are the orchestrator's evidence in the manifest (fault_injection): death is seen through a pidfd, ready on the readiness
pipe and by the first heartbeat, caught up by the heartbeat that says so. That a run's gates pass says that nothing was lost or
doubled meanwhile.
"""
import argparse
import collections
import gzip
import pathlib
import random
import sys
import tempfile

import evidence
import stack as harness
import watch as watching

DAEMONS = ("features", "signal", "broker", "archive", "report")
AIMED_AT = ("features", "signal", "broker")  # whose p99 of kill to caught up is to stay below --below
ROWS_BETWEEN = (100, 600)
SHARE_USED = 0.93  # of the market: behind it no kill that could meet the end
RECOVERED_S = 15   # the mission's own limit is 12 s
# A bench kills more often than a supervisor should forgive.
SETS = {"supervisor.progress_restarts": 1000, "supervisor.max_restarts": 1000}


def rate_of(recordings):
    """(messages, messages per second of market time) of recordings that run together."""
    messages, first, last = 0, [], []
    for path in recordings:
        with gzip.open(path, "rb") as recording:
            times = [line.split(b" ", 1)[0] for line in recording]
        seconds = [int(time) / 10 ** (len(time) - 10) for time in (times[0], times[-1])]
        messages += len(times)
        first.append(seconds[0])
        last.append(seconds[1])
    return messages, messages / (max(last) - min(first))


class Bench:
    def __init__(self, recordings, kills, rate, seed):
        self.recordings = recordings
        self.chance = random.Random(seed)
        self.messages, natural = rate_of(recordings)
        self.speed = rate / natural
        self.left = collections.deque(DAEMONS * kills)
        self.faults = []
        self.runs = 0

    def run(self):
        """One run with as many kills as its market has room for."""
        with tempfile.TemporaryDirectory(prefix="ofb-") as temporary:
            stack = harness.Stack(pathlib.Path(temporary), self.recordings, run_id="bench", speed=f"{self.speed:.2f}", sets=SETS)
            watch = watching.Watch(temporary, DAEMONS)
            try:
                with stack:
                    self.hurt(stack, watch)
                    code = stack.finish(600)
            finally:
                watch.close()
            if code != 0:
                sys.exit(f"the run ended with {code}:\n{stack.text()[-3000:]}")
            faults = stack.manifest()["fault_injection"]
        self.faults += faults
        self.runs += 1
        go, end = (watching.wall_ms(watch.find("phase", phase=name)["at"]) for name in ("feeding", "stopping_intake"))
        print(f"recovery run {self.runs}: {len(faults)} kills in {(end - go) / 1000:.1f} s, "
              f"{self.messages * 1000 / (end - go):,.0f} messages/s", flush=True)

    def hurt(self, stack, watch):
        while self.left and self.go_on(stack, watch):
            (result, error), = watch.ask(("kill", {"name": self.left[0]}))
            assert not error, error
            harness.wait_for(lambda: watch.find("fault_recovered", fault=result["fault"]), RECOVERED_S,
                             f"{self.left[0]} to catch up")
            self.left.popleft()

    def go_on(self, stack, watch):
        """After some more rows; False when the market is nearly over."""
        row = watch.rows + self.chance.randint(*ROWS_BETWEEN)
        harness.wait_for(lambda: watch.rows >= row or self.nearly_over(stack, watch), 60, f"row {row}")
        return not self.nearly_over(stack, watch)

    def nearly_over(self, stack, watch):
        received = watch.beats.get("harvest", {}).get("counters", {}).get("received_messages", 0)
        return stack.process.poll() is not None or received >= self.messages * SHARE_USED


def say(bench):
    """The table; the daemons that are above the aim."""
    print(f"{'daemon':<9} {'kills':>5}   {'kill→ready ms':^23}   {'kill→caught up ms':^23}")
    print(f"{'':<9} {'':>5}   " + "   ".join(f"{'p50':>7} {'p99':>7} {'max':>7}" for _ in range(2)))
    slow = {}
    for daemon in DAEMONS:
        faults = [fault for fault in bench.faults if fault["process"] == daemon]
        columns = []
        for figure in ("ready_ms", "recovery_ms"):
            took = [fault[figure] for fault in faults]
            columns.append(" ".join(f"{value:>7.0f}" for value in (evidence.median(took), evidence.percentile(took, 99), max(took))))
        print(f"{daemon:<9} {len(faults):>5}   {'   '.join(columns)}")
        slow[daemon] = evidence.percentile([fault["recovery_ms"] for fault in faults], 99)
    return slow


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recordings", nargs="+")
    parser.add_argument("--kills", type=int, default=50, help="of each daemon")
    parser.add_argument("--rate", type=float, default=10000, help="messages a second")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--below", type=float, help=f"ms: fail when the p99 of {', '.join(AIMED_AT)} is not below it")
    options = parser.parse_args()
    bench = Bench([harness.RECORDINGS / name for name in options.recordings], options.kills, options.rate, options.seed)
    print(f"recovery: seed {options.seed}, {bench.messages} messages at {bench.speed:.1f}x")
    while bench.left:
        bench.run()
    slow = say(bench)
    late = [daemon for daemon in AIMED_AT if options.below and slow[daemon] >= options.below]
    if late:
        sys.exit(f"p99 of kill to caught up is not below {options.below:g} ms: {', '.join(late)}")


if __name__ == "__main__":
    main()
