"""Restart latency and memory of our supervisor beside supervisord, s6 and runit, in one run, with the same child.

    rivals.py [--kills N]

Theirs is a script that writes its pid and then does nothing, ours a fake daemon. What is measured: from SIGKILL of the child until the
next one exists (has written its pid; Start on our status feed). The others are fetched from
Debian's archive into a folder of this bench (apt-get download, dpkg-deb -x): nothing is installed. Those with a floor between two
starts of a service (s6, runit, supervisord: a second) are killed only after it, as they are meant to be used; that they start a
second copy when they die themselves is measured, too.
"""
import argparse
import concurrent.futures
import contextlib
import os
import pathlib
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import supervision as bench  # noqa: E402

PACKAGES = {"s6": ["s6", "libs6-2.11", "libskarnet2.13", "libexecline2.9", "execline"], "runit": ["runit"], "supervisor": ["supervisor"]}
PATIENCE_S = 20
FLOOR_S = 1.2


def fetch(folder):
    """{name: root of the unpacked packages}; a name whose packages are not to be had is left out, and said."""
    found = {}
    for name, packages in PACKAGES.items():
        root = folder / name
        root.mkdir()
        for package in packages:
            done = subprocess.run(["apt-get", "download", "-q", package], cwd=root, capture_output=True, text=True)
            if done.returncode:
                print(f"rivals: {package} cannot be fetched: {done.stderr.strip().splitlines()[-1:]}", flush=True)
        for archive in root.glob("*.deb"):
            subprocess.run(["dpkg-deb", "-x", str(archive), str(root)], check=True)
        if list(root.glob("*.deb")):
            found[name] = root
    return found


class Child:
    """What every one of them starts: a script that writes its pid into a pipe of ours, then is a process that does nothing. A pipe,
    so that nobody has to look again and again whether a line has come."""

    def __init__(self, folder):
        pipe = folder / "starts"
        os.mkfifo(pipe)
        self.descriptor = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)  # never at its end, though no child lives
        self.script = folder / "child"
        self.script.write_text(f"#!/bin/sh\necho $$ > {pipe}\nexec sleep 100000\n")
        self.script.chmod(0o755)
        self.pids, self.lives = [], []  # a descriptor each: a number may have been given to somebody else by the end
        self.text = ""

    def next(self, patience_s=PATIENCE_S):
        """Its pid; None: nobody has been started for so long."""
        deadline = time.monotonic() + patience_s
        while "\n" not in self.text:
            if not select.select([self.descriptor], [], [], max(0, deadline - time.monotonic()))[0]:
                return None
            self.text += os.read(self.descriptor, 4096).decode()
        line, self.text = self.text.split("\n", 1)
        self.pids.append(int(line))
        with contextlib.suppress(ProcessLookupError):
            self.lives.append(os.pidfd_open(self.pids[-1]))
        return self.pids[-1]

    def alive(self):
        """Descriptors of those that live."""
        return [life for life in self.lives if not select.select([life], [], [], 0)[0]]

    def end(self):
        for life in self.alive():
            signal.pidfd_send_signal(life, signal.SIGKILL)
        for descriptor in [*self.lives, self.descriptor]:
            os.close(descriptor)


def measure(child, kills, floor_s):
    """[ms] from the kill of the child to the next one's line."""
    took, pid = [], child.pids[-1]
    for number in range(kills):
        time.sleep(floor_s)
        begun = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        pid = child.next()
        took.append((time.monotonic() - begun) * 1000)
        if pid is None:
            raise AssertionError(f"nobody started the child again after kill {number}")
    return took


def children(pid):
    """All descendants."""
    found = []
    with contextlib.suppress(OSError):
        for child in map(int, open(f"/proc/{pid}/task/{pid}/children").read().split()):
            found += [child, *children(child)]
    return found


def start(folder, command, environment):
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def own_death(folder, command, environment, child, process, supervisors):
    """(the next supervisor, living children) after a SIGKILL of all its processes and its return."""
    for pid in supervisors:
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)
    process.wait()
    process = start(folder, command, environment)
    child.next()
    time.sleep(FLOOR_S)  # whoever is one too many could still be ended
    return process, len(child.alive())


def rival(folder, command, environment, child, kills):
    """(latencies, private MB of the supervisor's processes, living children after its own death and return)."""
    process = start(folder, command, environment)
    try:
        assert child.next(), f"{command[0]} does not start the child"
        took = measure(child, kills, FLOOR_S)
        supervisors = [pid for pid in [process.pid, *children(process.pid)] if pid not in child.pids]
        private = sum(bench.private_mb(pid) for pid in supervisors)
        process, copies = own_death(folder, command, environment, child, process, supervisors)
        return took, private, copies
    finally:
        for pid in [*children(process.pid), process.pid]:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        process.wait()
        child.end()


def s6(folder, root, script):
    """Its supervisor proper: the scanner above it runs /usr/bin/s6-supervise and nothing else, so it would have to be installed."""
    service = folder / "child.d"
    service.mkdir(parents=True)
    shutil.copy(script, service / "run")
    libraries = ":".join(str(path) for path in {path.parent for path in root.rglob("*.so*")})
    return [str(next(root.rglob("s6-supervise"))), str(service)], {**os.environ, "LD_LIBRARY_PATH": libraries}


def runit(folder, root, script):
    service = folder / "scan/child"
    service.mkdir(parents=True)
    shutil.copy(script, service / "run")
    binary = next(root.rglob("bin/runsvdir"))
    return [str(binary), str(folder / "scan")], {**os.environ, "PATH": f"{binary.parent}:{os.environ['PATH']}"}


def supervisor(folder, root, script):
    (folder / "supervisord.conf").write_text(
        f"[supervisord]\nnodaemon=true\nlogfile={folder}/log\npidfile={folder}/pid\n"
        f"[program:child]\ncommand={script}\nautorestart=true\nstartsecs=0\n")
    path = next(root.rglob("supervisor/__init__.py")).parent.parent
    return (["/usr/bin/python3", "-c", "import sys; from supervisor.supervisord import main; main()", "-c",
             str(folder / "supervisord.conf")], {**os.environ, "PYTHONPATH": str(path)})


def ours(kills):
    """The same figures of the orchestrator: its child does much more before it is one, so the line comes from the driver's start."""
    took = []
    with bench.running() as (run, ctl):
        feed = bench.Feed(run)
        for number in range(kills):
            run.wait_for(lambda: ctl.works("broker", number), f"broker before kill {number}")
            pid = ctl.status("broker")["pid"]
            feed.drain()
            begun = time.monotonic()
            os.kill(pid, signal.SIGKILL)
            took.append((feed.wait("Start", "broker") - begun) * 1000)
        private = bench.private_mb(run.process.pid) + sum(bench.private_mb(pid) for pid in run.children("keeper"))
        run.kill()
        run.start_again()
        run.wait_for(lambda: ctl.receive(ctl.send("status"), 100), "the next orchestrator")
        copies = len(run.children("broker"))
    return took, private, copies


def all_of_them(folder, kills):
    """[(name, figures)]: ours first and alone; the others, which mostly wait, side by side."""
    yield "orchestrator", ours(kills)
    commands = {"s6": s6, "runit": runit, "supervisor": supervisor}
    with concurrent.futures.ThreadPoolExecutor(len(commands)) as pool:
        running = {}
        for name, root in fetch(folder).items():
            place = folder / f"{name}-run"
            place.mkdir()
            child = Child(place)
            running[name] = pool.submit(rival, place, *commands[name](place, root, child.script), child, kills)
        for name, figures in running.items():
            yield name, figures.result()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    options = parser.parse_args()
    print(f"{'supervisor':<14} {'kills':>5} {'p50 ms':>8} {'p99 ms':>8}   {'private MB':>10}   children after its own death and return")
    with tempfile.TemporaryDirectory(prefix="ofr-") as temporary:
        for name, (took, private, copies) in all_of_them(pathlib.Path(temporary), options.kills):
            took = sorted(took)
            print(f"{name:<14} {len(took):>5} {bench.evidence.median(took):>8.1f} {bench.evidence.percentile(took, 99):>8.1f}   "
                  f"{private:>10.2f}   {copies}", flush=True)


if __name__ == "__main__":
    main()
