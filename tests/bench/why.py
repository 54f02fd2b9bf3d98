"""orchctl why: how long one call takes, and a comparison of the whole run.

    why.py [--calls N] [--seed N] RECORDING

One run of the recording through the whole stack; then N single calls for keys drawn at random, one after the other, each a process
of its own that reads the capture from its first record, and one `why --all`. Each must find the same bits: an answer that is not
right has no time. Beside it, in the same minute: reading the whole capture and computing nothing (`sha256sum` of its files).
"""
import argparse
import contextlib
import json
import random
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time

import evidence
import stack as harness


def keys(stack):
    with contextlib.closing(sqlite3.connect(stack.folder / "runtime/signals.db")) as database:
        return database.execute("select symbol, ts_ms from signals order by symbol, ts_ms").fetchall()


def cpu_s():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def timed(stack, *arguments):
    begin, cpu_begin = time.perf_counter(), cpu_s()
    done = stack.orchctl(*arguments, "--json", check=False)
    took_ms, cpu_ms = (time.perf_counter() - begin) * 1000, (cpu_s() - cpu_begin) * 1000
    found = json.loads(done.stdout)
    if done.returncode != 0 or found["verdict"] != "same":
        sys.exit(f"orchctl {' '.join(arguments)}: exit code {done.returncode}, {found['verdict']}\n{done.stderr[-2000:]}")
    return took_ms, cpu_ms, found


def read_only_ms(stack):
    files = [str(path) for path in (stack.folder / "data/raw").rglob("*.ofr")]
    begin = time.perf_counter()
    subprocess.run(["sha256sum", *files], check=True, stdout=subprocess.DEVNULL)
    return (time.perf_counter() - begin) * 1000


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recording")
    parser.add_argument("--calls", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    chance = random.Random(options.seed)
    with tempfile.TemporaryDirectory(prefix="ofb-") as temporary:
        with harness.Stack(temporary, [harness.RECORDINGS / options.recording], run_id="bench") as stack:
            if stack.finish() != 0:
                sys.exit(f"the run failed:\n{stack.text()[-3000:]}")
        calls = [timed(stack, "why", f"{symbol}/{ts_ms}") for symbol, ts_ms in chance.sample(keys(stack), options.calls)]
        whole = [timed(stack, "why", "--all") for _ in range(3)]
        bare = evidence.median(read_only_ms(stack) for _ in range(3))
    took, found = [call[0] for call in calls], whole[0][2]
    print(f"why: {len(took)} single calls, median {evidence.median(took):.0f} ms, p99 {evidence.percentile(took, 99):.0f} ms, "
          f"largest {max(took):.0f} ms; CPU median {evidence.median(call[1] for call in calls):.0f} ms (seed {options.seed})")
    print(f"why --all: {found['records']} records, median {evidence.median(run[0] for run in whole):.0f} ms, "
          f"CPU {evidence.median(run[1] for run in whole):.0f} ms; "
          f"{found['same']} of {found['same'] + found['bad']} rows of the sinks bit-equal "
          f"({100 * found['same'] / (found['same'] + found['bad']):.2f} %)")
    print(f"why: reading the capture without computing (sha256sum): {bare:.0f} ms")


if __name__ == "__main__":
    main()
