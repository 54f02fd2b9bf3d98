"""./run bench containers: the stack of compose/compose.yaml on this machine's engine: how long until it is caught up, and from a kill of
`signal` until it is healthy again: of its container (restarted by the orchestrator through the engine) and, in turn, of the daemon alone
(restarted by its warden in the container that lives).

    containers.py [--kills 20]      so many of each
"""
import argparse
import json
import os
import pathlib
import sys
import tempfile
import time

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "compose"), str(TESTS / "support")]

import engine as harness  # noqa: E402
from ports import port_pairs  # noqa: E402


# KILL is for the container; any other signal the warden hands on to its daemon, and stays.
SIGNALS_MEAN = {"KILL": "container killed", "SEGV": "daemon killed alone"}
SIGNALS = list(SIGNALS_MEAN)
KILLS_OF_A_STACK = 34  # in less time than signal may be without a finished file (alert rotation_stalled)
STEPS = {"its end is known": "detect_ms", "it has been started": "restart_ms", "it is ready": "ready_ms"}


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(share * (len(ordered) - 1)))]


def running(stack):
    done = stack.orchctl("status", "--json", check=False)
    if done.returncode not in (0, 4):
        return False
    status = json.loads(done.stdout)
    return status["phase"] == "feeding" and all(process["state"] == "running" for process in status["processes"])


def tell(what, faults):
    took = [fault["recovery_ms"] for fault in faults]
    print(f"{what} -> healthy, {len(took)} times: p50 {percentile(took, 0.5):.0f} ms, p99 {percentile(took, 0.99):.0f} ms, most {max(took):.0f} ms")
    print("  of which p50 until " + ", ".join(f"{what} {percentile([fault[key] for fault in faults], 0.5):.0f} ms"
                                            for what, key in STEPS.items()))


def hurt(engine, kills, folder):
    """One stack, `kills` of each kind: what the orchestrator says of them, and its verdict."""
    report, prometheus, grafana = port_pairs(3)
    settings = {"REPORT_PORT": str(report), "PROMETHEUS_PORT": str(prometheus), "GRAFANA_PORT": str(grafana),
                "ORDERFLOW_CONFIG": str(harness.configuration(folder))}
    with harness.Stack(engine, f"orderflow-bench-{os.getpid()}", settings) as stack:
        begin = time.monotonic()
        stack.compose("up", "-d", "orchestrator", "simulator", "harvest", "archive", "features", "signal", "broker", "report")
        created = time.monotonic()
        harness.wait_for(lambda: running(stack), 120, lambda: stack.logs("orchestrator"))
        print(f"docker-compose up returned after {created - begin:.1f} s; all caught up after {time.monotonic() - begin:.1f} s")
        for number in range(2 * kills):
            stack.orchctl("kill", "-s", SIGNALS[number % 2], "signal")
            before = stack.process("signal")["generation"]
            harness.wait_for(lambda: stack.process("signal")["generation"] > before or
                             stack.process("signal")["state"] == "running", 60, "signal")
            harness.wait_for(lambda: running(stack), 60, lambda: stack.logs("orchestrator"))
        faults = json.loads(stack.orchctl("fault", "list", "--json").stdout)["faults"]
        stack.orchctl("shutdown")
        harness.wait_for(lambda: stack.container("orchestrator_1")["State"]["Status"] == "exited", 120, "the end")
        return faults, stack.logs("orchestrator").rstrip().splitlines()[-1].split("|")[-1].strip()


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--kills", type=int, default=20)
    left, faults = options.parse_args().kills, []
    with harness.Engine() as engine:
        engine.image("--no-monitoring")
        while left > 0:
            with tempfile.TemporaryDirectory() as folder:
                os.chmod(folder, 0o755)
                of_stack, verdict = hurt(engine, min(left, KILLS_OF_A_STACK), folder)
            faults += of_stack
            left -= KILLS_OF_A_STACK
            print(verdict)
    for signal, what in SIGNALS_MEAN.items():
        tell(what, [fault for fault in faults if fault["signal_sent"] == signal])
    print(f"load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    try:
        main()
    except harness.Unavailable as reason:
        print(f"not measured: {reason}")
