"""A run that a rollback has left, and whose conclusion is held up for as long as a test wants by a pipe in the place of a file."""
import contextlib
import os

from fingerprints import Folder


def hold_ledger(programs, folder, line="read line < '{held}'"):
    """Puts a ledger into the programs that waits for a line from `held` in the run's folder, or for nothing when that is a file."""
    (programs / "account").write_text("#!/bin/sh\n" + line.format(held=folder / "held") + "\n")
    (programs / "account").chmod(0o755)
    return programs


def hold(run):
    """The pipe's writing end, once somebody waits at the other."""
    return run.wait_for(lambda: opened(run.folder / "held"), "a reader of the pipe")


def let_go(run, end):
    """Whoever reads it now is held up no more, and whoever comes later is not at all."""
    os.unlink(run.folder / "held")
    (run.folder / "held").write_text("go on\n")
    with contextlib.suppress(BrokenPipeError):  # nobody reads just now
        os.write(end, b"go on\n")
    os.close(end)


def opened(path):
    try:
        return os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        return None


def begun(run):
    run.wait_line("go: all ready")
    folder = Folder(run)
    return folder, folder.mark(signal__weak_threshold=0.31)


def told_of(pid, name):
    """What /proc knows of a process; "" of one that has just gone."""
    try:
        return open(f"/proc/{pid}/{name}").read()
    except OSError:
        return ""


def concluder(run):
    """The process that is at the conclusion."""
    def found():
        return [pid for pid in run.children("orchestrator") if "--conclude" in told_of(pid, "cmdline").split("\0")]
    (pid,) = run.wait_for(found, "somebody who concludes")
    return pid


def unreaped(run):
    """Children of the orchestrator that are dead and nobody has asked for."""
    pids = open(f"/proc/{run.process.pid}/task/{run.process.pid}/children").read().split()
    return [pid for pid in pids if told_of(pid, "stat").rpartition(")")[2].split()[:1] == ["Z"]]


def left_of(run):
    return run.folder / "state/concluding/test"


def concluded(run):
    """Waits for the end of the old run's conclusion, as the orchestrator of the next one tells it; its manifest."""
    run.wait_for(lambda: not left_of(run).exists() and run.status()["concluding"] == [], "the conclusion")
    return run.manifest()
