"""Daemons that loop, flood, fork, ignore TERM or never get ready, with victims between them; and who lives in a folder."""
import contextlib
import os

TORTURE = {"archive": "flood_kb=64", "features": "forks=3", "signal": "ignore_term", "broker": "crash_after_ms=0",
           "report": "no_ready"}
TORTURE_SETS = {"supervisor.backoff_initial_ms": 20, "supervisor.max_restarts": 3, "supervisor.ready_timeout_s": 4,
                "supervisor.ready_backoff_s": "0.05,0.1", "supervisor.stop_timeout_s": 10, "logs.max_mb": 1, "logs.keep": 2,
                "supervisor.progress_restarts": 250}
VICTIMS = ("features", "archive", "harvest")


def processes_of(folder):
    """{pid: (name, state)} of everything that lives in a folder, zombies of such parents included."""
    found = {}
    for entry in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            stat = open(f"/proc/{entry}/stat").read()
            name, rest = stat[stat.index("(") + 1:].rsplit(")", 1)
            state, parent = rest.split()[:2]
            where = os.readlink(f"/proc/{parent if state == 'Z' else entry}/cwd")
            if where == str(folder):
                found[int(entry)] = (name, state)
    return found


def open_files(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def resident_kb(pid):
    return next(int(line.split()[1]) for line in open(f"/proc/{pid}/status") if line.startswith("VmRSS:"))
