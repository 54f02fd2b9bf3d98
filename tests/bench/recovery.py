"""Recovery: how long from the kill of a daemon until it is ready again, and until it has caught up with its producer.

    recovery.py [--kills N] [--speed N] RECORDING

In one run `orchctl kill` ends each daemon N times with SIGKILL, the next kill only after the last one has caught up and has
worked on. The times are the orchestrator's evidence in the manifest (fault_injection): death is seen through a pidfd, ready on
the readiness pipe, caught up in the heartbeat that says so (every 200 ms, and one at once when ready). That the run's gates
pass says that nothing was lost or doubled meanwhile.
"""
import argparse
import pathlib
import random
import sys
import tempfile

import evidence
import stack as harness

DAEMONS = ("signal", "features")
# A bench kills more often than a supervisor should forgive.
SETS = {"supervisor.progress_restarts": 1000, "supervisor.max_restarts": 1000}



def hurt(stack, kills, seed):
    """Kills each daemon `kills` times, in turns, after some more of its work."""
    chance = random.Random(seed)
    for daemon in DAEMONS * kills:
        rows = stack.rows_written() + chance.randint(10, 40)
        harness.wait_for(lambda: stack.rows_written() >= rows, 60, f"signal row {rows}")
        stack.orchctl("kill", daemon, "--wait", "30")


def say(manifest):
    for daemon in DAEMONS:
        faults = [fault for fault in manifest["fault_injection"] if fault["process"] == daemon]
        for figure, name in (("ready_ms", "ready"), ("recovery_ms", "caught up")):
            took = [fault[figure] for fault in faults]
            print(f"recovery {daemon}: {len(took)} kills, kill to {name} median {evidence.median(took):.0f} ms, "
                  f"p99 {evidence.percentile(took, 99):.0f} ms")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recording")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--speed", type=float, default=5)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ofb-") as temporary:
        folder = pathlib.Path(temporary)
        with harness.Stack(folder, [harness.RECORDINGS / options.recording], run_id="bench", speed=options.speed,
                           sets=SETS) as stack:
            hurt(stack, options.kills, options.seed)
            code = stack.finish(600)
        if code != 0:
            sys.exit(f"seed {options.seed}: the run ended with {code}:\n{stack.text()[-3000:]}")
        say(stack.manifest())


if __name__ == "__main__":
    main()
