"""Starts: how long a program takes from its start to its end when it only says its version: loading, linking, nothing else.

    starts.py [--rounds N]

All programs in turn, N times, so that what else the machine does hurts them alike. Beside them `/bin/true`, which loads libc alone.
"""
import argparse
import pathlib
import statistics
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import stack as harness  # noqa: E402

PROGRAMS = ("keeper", "broker", "signal", "orchestrator", "features", "simulator", "harvest", "report", "archive", "orchctl")


def took_ms(command):
    begin = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return (time.perf_counter() - begin) * 1000


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=200)
    rounds = parser.parse_args().rounds
    commands = {"true": ["/bin/true"], **{name: [str(pathlib.Path(harness.BIN) / name), "--version"] for name in PROGRAMS}}
    times = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            times[name].append(took_ms(command))
    raw = statistics.median(times["true"])
    for name, all_ms in times.items():
        p50, p99 = statistics.median(all_ms), statistics.quantiles(all_ms, n=100)[98]
        print(f"{name:<14}p50 {p50:5.1f} ms  p99 {p99:5.1f} ms  {p50 / raw:4.1f} of /bin/true")


if __name__ == "__main__":
    main()
