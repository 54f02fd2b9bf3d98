"""The long day: two symbols of the synthetic market at full speed, and nothing may grow behind its first hour.

    long_day.py FOLDER [--hours H] [--rate N] [--every MINUTES]

Time is event time. Every so many minutes of it each process is looked at from outside (/proc and its journal's file): resident
memory, the part of it that is its own, open files, blocks of the journal on disk. Behind the first hour a straight line is
laid through the least value of each hour (a merge or a summary is a burst that ends; what leaks stays); its slope is printed, and the
run fails when a line rises by more than its bound to the end. All looks stay in
FOLDER/looks.csv. The journals' limit is
set so low that they are full within the first hour; what they hold from then on is given back as it comes.
"""
import argparse
import collections
import math
import os
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import stack as harness  # noqa: E402  (found through the line above)
import watch as watching  # noqa: E402

HOUR_MS = 3600 * 1000
SYMBOLS = "BTCUSDT,ETHUSDT"
JOURNAL_MB = 16
NAMES = ("simulator", "harvest", "archive", "features", "signal", "broker", "report", "orchestrator")
# figure: (unit, how much its line may rise behind the first hour). SQLite fills its page cache (20 MB a database) and LMDB's file
# keeps the size of its worst moment; what leaks an MB an hour is above the bound within a day.
FIGURES = {
    "rss": ("MB", 24),
    "own": ("MB", 24),
    "journal": ("MB", 16),
    "files": ("", 4),
}
STANDSTILL_S = 120

Sample = collections.namedtuple("Sample", "hours " + " ".join(FIGURES))


def memory_mb(pid):
    """(resident, of it anonymous) of a process; the rest is program and journal pages that the kernel may take back."""
    fields = dict(line.split(":", 1) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines())
    return tuple(int(fields[name].split()[0]) / 1024 for name in ("VmRSS", "RssAnon"))


def journal_mb(folder, name):
    files = (folder / "state/journal" / name).glob("*.mdb")
    return sum(path.stat().st_blocks * 512 for path in files) / 2**20


def look(folder, name, pid, hours):
    resident, own = memory_mb(pid)
    return Sample(hours, resident, own, journal_mb(folder, name), len(os.listdir(f"/proc/{pid}/fd")))


def floors(samples, figure):
    """(hours, value): the least of each whole hour."""
    least = {}
    for sample in samples:
        least[int(sample.hours)] = min(least.get(int(sample.hours), math.inf), getattr(sample, figure))
    return sorted((hour + 0.5, value) for hour, value in least.items())


def slope(samples, figure):
    """Least squares through the floors, per hour."""
    times, values = zip(*floors(samples, figure))
    middle, mean = sum(times) / len(times), sum(values) / len(values)
    spread = sum((time - middle) ** 2 for time in times)
    return sum((time - middle) * (value - mean) for time, value in zip(times, values)) / spread


class Day:
    def __init__(self, folder, hours, rate, every_minutes):
        self.folder, self.hours, self.rate, self.every_ms = pathlib.Path(folder), hours, rate, every_minutes * 60000
        self.samples = {name: [] for name in NAMES}
        self.first_ms = None
        self.wall_s = 0

    def run(self):
        sets = {"simulator.minutes": self.hours * 60, "simulator.rate": self.rate, "journal.max_mb": JOURNAL_MB,
                "archive.compact_hourly": "true"}
        stack = harness.Stack(self.folder, run_id="day", speed="max", sets=sets, arguments=["--symbols", SYMBOLS])
        watch = watching.Watch(self.folder, [name for name in NAMES if name not in ("simulator", "harvest", "orchestrator")])
        begun = time.monotonic()
        try:
            with stack:
                self.observe(stack, watch)
                code = stack.finish(600)
        finally:
            watch.close()
        self.wall_s = time.monotonic() - begun
        restarted = [name for name, process in stack.manifest()["processes"].items() if process["restart_count"]]
        if restarted:
            sys.exit(f"restarted by themselves: {restarted}")
        if code != 0:
            sys.exit(f"the run ended with {code}:\n{stack.text()[-3000:]}")
        return stack

    def pids(self, stack, watch):
        """Asked for once: the orchestrator remembers its answers for a while, and is being looked at itself."""
        (result, error), = watch.ask(("status", {}))
        assert not error, error
        return {process["name"]: process["pid"] for process in result["processes"]} | {"orchestrator": stack.process.pid}

    def event_ms(self, watch):
        return watch.beats.get("harvest", {}).get("event_ts_ms") or 0

    def observe(self, stack, watch):
        harness.wait_for(lambda: self.event_ms(watch) or stack.process.poll() is not None, 60, "the first event")
        self.first_ms = self.event_ms(watch)
        pids = self.pids(stack, watch)
        due_ms = self.first_ms
        while not watch.find("phase", phase="draining"):
            due_ms += self.every_ms
            harness.wait_for(lambda: self.event_ms(watch) >= due_ms or watch.find("phase", phase="draining")
                             or stack.process.poll() is not None, STANDSTILL_S, f"event time {due_ms}")
            if self.event_ms(watch) < due_ms:
                break
            hours = (self.event_ms(watch) - self.first_ms) / HOUR_MS
            for name, pid in pids.items():
                self.samples[name].append(look(self.folder, name, pid, hours))

    def keep(self):
        with open(self.folder / "looks.csv", "w") as file:
            print("process," + ",".join(Sample._fields), file=file)
            for name, samples in self.samples.items():
                for sample in samples:
                    print(name + "," + ",".join(f"{value:.3f}" for value in sample), file=file)

    def report(self):
        """Lines of the table, and the sentences about what grew."""
        lines = [f"{'process':<13}" + "".join(f"{figure + ' ' + unit:>11} {'most':>7} {'per hour':>9}"
                                              for figure, (unit, _) in FIGURES.items())]
        grown = []
        for name, samples in self.samples.items():
            later = [sample for sample in samples if sample.hours >= 1]
            if len({int(sample.hours) for sample in later}) < 3:
                sys.exit(f"{name} was looked at in less than three hours behind the first: too short a day to say anything")
            slopes = {figure: slope(later, figure) for figure in FIGURES}
            lines.append(f"{name:<13}" + "".join(
                f"{floors(later, figure)[0][1]:>11.1f} {max(getattr(sample, figure) for sample in later):>7.1f} {steep:>+9.3f}"
                for figure, steep in slopes.items()))
            hours = later[-1].hours - later[0].hours
            grown += [f"{name}: {figure} grows by {steep * hours:.1f} {FIGURES[figure][0]} in {hours:.1f} h, bound {FIGURES[figure][1]}"
                      for figure, steep in slopes.items() if steep * hours > FIGURES[figure][1]]
        return lines, grown


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("--hours", type=float, default=24, help="of event time (default 24)")
    parser.add_argument("--rate", type=float, default=50, help="messages a second and symbol (default 50)")
    parser.add_argument("--every", type=float, default=6, help="minutes of event time between looks (default 6)")
    options = parser.parse_args()
    day = Day(options.folder, options.hours, options.rate, options.every)
    stack = day.run()
    day.keep()
    messages = stack.statuses()["harvest"]["counters"]["received_messages"]
    print(f"long day: {options.hours:g} h of {SYMBOLS} at {options.rate:g} messages/s each, {messages} messages in "
          f"{day.wall_s:.0f} s ({messages / day.wall_s:,.0f} messages/s); {len(day.samples['harvest'])} looks; journal.max_mb {JOURNAL_MB}; "
          "of each three: least of the second hour, greatest of all, slope of the hours' least")
    lines, grown = day.report()
    print("\n".join(lines))
    for sentence in grown:
        print(f"GROWN {sentence}")
    sys.exit(1 if grown else 0)


if __name__ == "__main__":
    main()
