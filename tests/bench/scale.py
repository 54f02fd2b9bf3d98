"""How long a symbol stands still when it moves: 1 → 4 → 1 instances of harvest, features and signal under load, several times.

Two figures per move: `pause` is the new owner's own, from the moment the old one stopped consuming to its commit (log event
`acquired`); `seen` is the orchestrator's, from asking both sides to hearing the new owner tell of the symbol (event `Moved`).
Reference of the same run: how long a commit and a heartbeat take on this machine is in both.
"""
import argparse
import pathlib
import re
import shutil
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from stack import Stack, wait_for  # noqa: E402

PATIENCE_S = 120


def quantile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def show(what, values):
    print(f"{what:<28} n {len(values):>4}   p50 {quantile(values, .5):>7.1f} ms   p90 {quantile(values, .9):>7.1f} ms"
          f"   p99 {quantile(values, .99):>7.1f} ms   max {max(values):>7.1f} ms")


def rounds(stack, count):
    for number in range(count):
        for wish in (("harvest=4", "features=4", "signal=4"), ("harvest=1", "features=1", "signal=1")):
            stack.orchctl("scale", *wish, "--wait", str(PATIENCE_S))
        print(f"round {number + 1} of {count}: 1 → 4 → 1", flush=True)


def report(folder):
    logs = (folder / "logs/orchestrator/orchestrator.log").read_text()
    for service in ("harvest", "features", "signal"):
        pauses = [float(found) for path in (folder / "logs").glob(f"{service}*/*_stderr.log")
                  for found in re.findall(r" acquired .*pause_ms=([0-9.]+)", path.read_text())]
        seen = [float(found) for found in re.findall(rf' Moved .*service="?{service}"? .*pause_ms=([0-9]+)', logs)]
        if pauses:
            show(f"{service} pause", pauses)
        if seen:
            show(f"{service} seen", seen)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--symbols", type=int, default=12)
    parser.add_argument("--rate", type=float, default=100, help="messages per second and symbol, market time")
    parser.add_argument("--speed", type=float, default=2)
    parser.add_argument("--rounds", type=int, default=18, help="more than 200 moves of each service")
    given = parser.parse_args()
    names = ",".join(f"S{number:02}USDT" for number in range(given.symbols))
    folder = pathlib.Path(tempfile.mkdtemp(prefix="orderflow-scale-"))
    sets = {"run.symbols": names, "simulator.symbols": names, "simulator.rate": given.rate}
    try:
        with Stack(folder, run_id="bench", sets=sets, speed=given.speed, arguments=["--gates", "none"]) as stack:
            wait_for(lambda: stack.rows_written() > 100, PATIENCE_S, "the first signals")
            rounds(stack, given.rounds)
            stack.orchctl("shutdown")
            stack.finish()
        print(f"{given.symbols} symbols, {given.rate * given.speed:.0f} messages/s each")
        report(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
