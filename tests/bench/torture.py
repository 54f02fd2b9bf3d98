"""Torture: daemons that loop, ignore TERM, flood their log, fork, never get ready, and the rest killed without a pause.

    torture.py [--kills N] [--seconds N]

The kills are spread over the seconds. In the end: states as the specification says, nobody left, no zombie, no descriptor and no
memory more than after the first tenth; figures are printed.
"""
import argparse
import pathlib
import signal
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import supervision as bench  # noqa: E402

import rogues  # noqa: E402  (tests/support, by the line above)

VICTIMS = rogues.VICTIMS


def zombies(folder):
    return sum(state == "Z" for _, state in rogues.processes_of(folder).values())


def snapshot(run, ctl):
    mine = ctl.itself()
    return {"files": rogues.open_files(run.process.pid), "private MB": round(bench.private_mb(run.process.pid), 2),
            "longest turn ms": round(mine["loop_ms_max"], 1), "on a processor ms": round(mine["loop_cpu_ms_max"], 1),
            "keepers MB": round(sum(bench.private_mb(pid) for pid in run.children("keeper")), 2)}


def at_work(ctl, name, restarts):
    """It has been restarted so often at least: where the machine is busy one may be too late with its readiness, which costs another."""
    process = ctl.status(name)
    return (process["state"] in bench.HUNG_STATES and process["restart_count"] >= restarts and
            (process["heartbeat"] or {}).get("progress", 0) > 0 and process)


def all_work(run, ctl, counts):
    """One that is down has no connections: snapshots are comparable when all are up."""
    for name in VICTIMS:
        run.wait_for(lambda: at_work(ctl, name, counts[name]), f"{name} at work")


def torture(run, ctl, options):
    counts = dict.fromkeys(VICTIMS, 0)
    first, seen_zombies, begun = None, 0, time.monotonic()
    for number in range(options.kills):
        name = VICTIMS[number % len(VICTIMS)]
        due = begun + options.seconds * number / options.kills
        while time.monotonic() < due:
            time.sleep(0.001)
        victim = run.wait_for(lambda: at_work(ctl, name, counts[name]), f"{name} before kill {number}")
        if number == max(options.kills // 10, min(40, options.kills // 2)):  # the ring of events is full by then
            all_work(run, ctl, counts)
            for _ in range(300):  # answers are kept for repeated ids, 256 of them and 4 MiB at most: let them be so many
                ctl.status()
            first = snapshot(run, ctl)
            victim = ctl.status(name)
        bench.os.kill(victim["pid"], signal.SIGKILL)  # not told to the orchestrator: such faults are kept, 256 of a run
        counts[name] = victim["restart_count"] + 1
        if number % 50 == 0:
            seen_zombies = max(seen_zombies, zombies(run.folder))
    all_work(run, ctl, counts)
    return first, snapshot(run, ctl), seen_zombies, time.monotonic() - begun


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seconds", type=int, default=300)
    options = parser.parse_args()
    with bench.running(behave=rogues.TORTURE, sets={**rogues.TORTURE_SETS, "supervisor.progress_restarts": 250,
                                                    "supervisor.progress_window_s": 1}) as (run, ctl):
        first, last, seen_zombies, took = torture(run, ctl, options)
        states = {name: process["state"] for name, process in ctl.status().items()}
        restarts = sum(process["restart_count"] for name, process in ctl.status().items() if name in VICTIMS)
        family = len(run.children("features"))
        run.process.send_signal(signal.SIGINT)
        code = run.finish(60)
        left = rogues.processes_of(run.folder)
        doubled = (run.folder / "fake/doubled").exists()
        flood_mb = sum(path.stat().st_size for path in (run.folder / "logs/archive").glob("*.log*")) / (1 << 20)
    print(f"torture: {options.kills} kills in {took:.0f} s, {restarts} restarts of their victims, states {states}", flush=True)
    print(f"  after a tenth {first}\n  in the end    {last}")
    print(f"  zombies seen {seen_zombies}, processes left {len(left)}, second copies {doubled}, family of features {family}, exit code {code}, "
          f"flooded log {flood_mb:.1f} MB")
    assert states["broker"] == states["report"] == "degraded" and family == 7 and code == 4
    assert not left and not doubled and last["files"] == first["files"] and flood_mb < 3.1
    assert last["private MB"] < first["private MB"] + 1, "memory"


if __name__ == "__main__":
    main()
