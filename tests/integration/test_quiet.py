"""A stack in which little happens sleeps: nothing is polled for. A bound from above: on a busy machine there are fewer wake-ups."""
import signal
import time

import control
import stack as harness

SECONDS = 3
ATTEMPTS = 5  # a machine may be busy with something of its own for some seconds; a loop that looks again and again does so all the time
SETS = {"health.heartbeat_ms": 1000, "health.heartbeat_timeout_ms": 10000, "simulator.rate": 1}
# Loops that hear a heartbeat a second of everybody they read, and a row or two: 5 to 9 a second. One that looks every 50 ms made 21 to 28.
WAKE_UPS_PER_S_MAX = 16
DAEMONS = ("orchestrator", "harvest", "archive", "features", "signal", "broker", "report")


def loops(pids):
    """Voluntary context switches of the first thread of each: how often its loop has gone to sleep."""
    return {name: int(next(line for line in open(f"/proc/{pid}/task/{pid}/status") if line.startswith("voluntary")).split()[1])
            for name, pid in pids.items()}


def rates(pids):
    """How often each goes to sleep in a second, over some."""
    before, begun = loops(pids), time.monotonic()
    harness.wait_for(lambda: time.monotonic() - begun >= SECONDS, 60, "some seconds to pass")
    after, passed = loops(pids), time.monotonic() - begun
    return {name: (after[name] - before[name]) / passed for name in pids}


def test_whoever_has_nothing_to_do_sleeps(tmp_path):
    with harness.Stack(tmp_path, speed="1", sets=SETS) as stack:
        harness.wait_for(lambda: (tmp_path / "runtime/bus/orchestrator.ctl").exists(), 60, "the control socket")
        with control.Control(tmp_path) as ctl:
            harness.wait_for(lambda: all(p["state"] == "running" for p in ctl.status().values()), 60, "all of them at work")
            pids = {"orchestrator": stack.process.pid, **{name: process["pid"] for name, process in ctl.status().items()}}
        measured = []
        while len(measured) < ATTEMPTS and not (measured and all(measured[-1][name] <= WAKE_UPS_PER_S_MAX for name in DAEMONS)):
            measured.append(rates(pids))
        assert all(measured[-1][name] <= WAKE_UPS_PER_S_MAX for name in DAEMONS), measured
        stack.process.send_signal(signal.SIGINT)
        stack.process.send_signal(signal.SIGINT)
        stack.finish()
