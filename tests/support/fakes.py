"""The orchestrator and orchctl with daemons that behave as a test wants (tests/support/fake_service).

The orchestrator looks for its daemons beside itself, so a folder of links makes the fake one play all of them.
"""
import contextlib
import json
import os
import pathlib
import select
import shutil
import signal
import subprocess
import time

import patience

ROOT = pathlib.Path(os.environ.get("ORDERFLOW_ROOT", pathlib.Path(__file__).resolve().parents[2]))
BUILD = pathlib.Path(os.environ.get("ORDERFLOW_BUILD", ROOT / "build" / "dev"))
FAKE = BUILD / "tests" / "fake_service"
SERVICES = ["harvest", "archive", "features", "signal", "broker", "report"]
PATIENCE_S = 60
MANY = {"supervisor.progress_restarts": 250, "supervisor.max_restarts": 250}  # budgets have a test of their own


def link_programs(folder):
    """The real orchestrator, orchctl and keeper in a folder, beside links of the fake service under every daemon's name."""
    for name in ("orchestrator", "orchctl", "keeper"):
        shutil.copy(BUILD / "bin" / name, folder / name)
    for name in SERVICES:
        os.symlink(FAKE, folder / name)
    return folder


def gated(programs, folder, name):
    """Programs whose keeper of that slot gets no further than its birth until there is a file `gate`."""
    shutil.copytree(programs, folder, symlinks=True)
    (folder / "keeper").rename(folder / "keeper-itself")
    (folder / "keeper").write_text(f'#!/bin/sh\nwhile [ "$1" = {name} ] && [ ! -e {folder}/gate ]; do sleep 0.01; done\n'
                                   f'exec {folder}/keeper-itself "$@"\n')
    (folder / "keeper").chmod(0o700)
    return folder


class Run:
    """An orchestrator with fake daemons in a folder of its own."""

    process = None

    def __init__(self, programs, folder, *arguments, sets=None, behave=None, gates="none", enable=None):
        self.programs, self.folder = programs, folder
        (folder / "fake").mkdir(parents=True)
        for name, words in (behave or {}).items():
            (folder / "fake" / name).write_text(words.replace(" ", "\n") + "\n")
        self.command = [programs / "orchestrator", "--run-id", "test", "--gates", gates, "--symbols", "TESTUSDT",
                        "--set", "harvest.venue=binance", *arguments]
        self.command += ["--enable", enable or "harvest,signal,broker,report"]
        # They write next to nothing, and whoever comes late to his stop is not killed for it.
        for key, value in {"limits.min_disk_free_gb": 0, "supervisor.stop_timeout_s": 20, **(sets or {})}.items():
            self.command += ["--set", f"{key}={value}"]

    def __enter__(self):
        self.output = open(self.folder / "out", "wb")
        self.process = subprocess.Popen(list(map(str, self.command)), cwd=self.folder, stdout=self.output,
                                        stderr=subprocess.STDOUT)
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.output.close()
        for entry in os.listdir("/proc"):  # what this test's orchestrator started and could not end
            with contextlib.suppress(OSError):
                if entry.isdigit() and os.readlink(f"/proc/{entry}/cwd") == str(self.folder):
                    os.kill(int(entry), signal.SIGKILL)

    def text(self):
        return (self.folder / "out").read_text(errors="replace")

    def wait_for(self, condition, what, seconds=PATIENCE_S):
        deadline = time.monotonic() + seconds
        while True:
            value = condition()
            if value:
                return value
            if time.monotonic() > deadline or self.process.poll() is not None:
                value = condition()
                assert value, f"in vain for {what}:\n{self.text()[-3000:]}"
                return value
            select.select([], [], [], 0.01)

    def wait_line(self, text, count=1):
        self.wait_for(lambda: self.text().count(text) >= count, f"{count} times `{text}`")
        return self

    def finish(self, seconds=PATIENCE_S):
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the run did not end:\n{self.text()[-3000:]}") from None

    def orchctl(self, *arguments):
        return patience.said(self.programs / "orchctl", arguments, self.folder, self.process, timeout=120)

    def popen(self, *arguments):
        return subprocess.Popen([str(self.programs / "orchctl"), *arguments], cwd=self.folder, stdout=subprocess.PIPE)

    def status(self, name=None):
        done = self.orchctl("status", *([name] if name else []), "--json")
        assert done.stdout, done.stderr
        return json.loads(done.stdout)

    def process_status(self, name):
        return self.status(name)["processes"][0]

    def manifest(self):
        return json.loads((self.folder / "artifacts/run_logs/run_manifest_test.json").read_text())

    def log(self):
        return (self.folder / "logs/orchestrator/orchestrator.log").read_text()


class Mortal(Run):
    """A Run whose orchestrator can be killed and started again."""

    def kill(self):
        self.process.kill()
        self.process.wait(PATIENCE_S)

    def start_again(self):
        self.output.close()
        return self.__enter__()

    def pids(self):
        return {process["name"]: process["pid"] for process in self.status()["processes"]}

    def answering(self):
        return self.wait_for(lambda: self.orchctl("status", "--json").stdout.startswith("{"), "the control socket")

    def children(self, name):
        """Living processes of that name in the run's folder."""
        found = []
        for entry in filter(str.isdigit, os.listdir("/proc")):
            try:
                command = open(f"/proc/{entry}/cmdline").read().split("\0")
                if os.readlink(f"/proc/{entry}/cwd") == str(self.folder) and command[0].endswith(f"/{name}"):
                    found.append(int(entry))
            except OSError:
                pass
        return found


def alive(pid):
    try:
        return open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False
