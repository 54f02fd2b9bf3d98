"""Restart latency and memory of our supervisor beside supervisord, s6 and runit, in one run, with the same child.

    rivals.py [--kills N]

Theirs is a script that writes its pid and then does nothing, ours a fake daemon. What is measured: from SIGKILL of the child until the
next one exists (has written its pid; Start on our status feed). The others are fetched from
Debian's archive into a folder of this bench (apt-get download, dpkg-deb -x): nothing is installed. Those with a floor between two
starts of a service (s6, runit, supervisord: a second) are killed only after it, as they are meant to be used; that they start a
second copy when they die themselves is measured, too.
"""
import argparse
import contextlib
import os
import pathlib
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


def child_script(folder):
    """Writes its pid, then is a process that does nothing: what every one of them starts."""
    script = folder / "child"
    script.write_text(f"#!/bin/sh\necho $$ >> {folder}/starts\nexec sleep 100000\n")
    script.chmod(0o755)
    return script


def starts(folder):
    with contextlib.suppress(OSError):
        return [int(line) for line in (folder / "starts").read_text().split()]
    return []


def wait_start(folder, count):
    deadline = time.monotonic() + PATIENCE_S
    while len(found := starts(folder)) < count:
        if time.monotonic() > deadline:
            raise AssertionError(f"start {count} did not come")
        time.sleep(0.0005)
    return found[-1]


def measure(folder, kills, floor_s):
    """[ms] from the kill of the child to the next one's line."""
    took = []
    count = len(starts(folder)) or 1
    pid = wait_start(folder, count)
    for _ in range(kills):
        time.sleep(floor_s)
        begun = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        count += 1
        pid = wait_start(folder, count)
        took.append((time.monotonic() - begun) * 1000)
    return took


def alive(pids):
    return [pid for pid in pids if bench.adoption.alive(pid)]


def rival(folder, command, environment):
    """(latencies, private MB of the supervisor's processes, living copies of the child after its supervisor was killed and started
    again)."""
    process = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_start(folder, 1)
        took = measure(folder, rival.kills, FLOOR_S)
        family = [process.pid, *children(process.pid)]
        supervisors = [pid for pid in family if pid not in starts(folder)]
        private = sum(bench.private_mb(pid) for pid in supervisors)
        for pid in supervisors:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        process.wait()
        count = len(starts(folder))
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with contextlib.suppress(AssertionError):
            wait_start(folder, count + 1)
        copies = len(alive(starts(folder)))
        return took, private, copies
    finally:
        for pid in [*children(process.pid), process.pid, *starts(folder)]:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        process.wait()


def children(pid):
    """All descendants."""
    found = []
    with contextlib.suppress(OSError):
        for child in map(int, open(f"/proc/{pid}/task/{pid}/children").read().split()):
            found += [child, *children(child)]
    return found


def s6(folder, root):
    """Its supervisor proper: the scanner above it runs /usr/bin/s6-supervise and nothing else, so it would have to be installed."""
    service = folder / "child.d"
    service.mkdir(parents=True)
    shutil.copy(child_script(folder), service / "run")
    libraries = ":".join(str(path) for path in {path.parent for path in root.rglob("*.so*")})
    return [str(next(root.rglob("s6-supervise"))), str(service)], {**os.environ, "LD_LIBRARY_PATH": libraries}


def runit(folder, root):
    service = folder / "scan/child"
    service.mkdir(parents=True)
    shutil.copy(child_script(folder), service / "run")
    binary = next(root.rglob("bin/runsvdir"))
    return [str(binary), str(folder / "scan")], {**os.environ, "PATH": f"{binary.parent}:{os.environ['PATH']}"}


def supervisor(folder, root):
    (folder / "supervisord.conf").write_text(
        f"[supervisord]\nnodaemon=true\nlogfile={folder}/log\npidfile={folder}/pid\n"
        f"[program:child]\ncommand={child_script(folder)}\nautorestart=true\nstartsecs=0\n")
    path = next(root.rglob("supervisor/__init__.py")).parent.parent
    return (["/usr/bin/python3", "-c", "import sys; from supervisor.supervisord import main; main()", "-c",
             str(folder / "supervisord.conf")], {**os.environ, "PYTHONPATH": str(path)})


def ours(kills):
    """The same figures of the orchestrator: its child does much more before it is one, so the line comes from the driver's start."""
    took = []
    with bench.running() as (run, ctl):
        feed = bench.Feed(run)
        for number in range(kills):
            run.wait_for(lambda: bench.rogues.works(ctl, "broker", number), f"broker before kill {number}")
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


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50)
    options = parser.parse_args()
    rival.kills = options.kills
    print(f"{'supervisor':<14} {'kills':>5} {'p50 ms':>8} {'p99 ms':>8}   {'private MB':>10}   children after its own death and return")
    with tempfile.TemporaryDirectory(prefix="ofr-") as temporary:
        folder = pathlib.Path(temporary)
        rows = [("orchestrator", ours(options.kills))]
        for name, root in fetch(folder).items():
            place = folder / f"{name}-run"
            place.mkdir()
            command, environment = {"s6": s6, "runit": runit, "supervisor": supervisor}[name](place, root)
            rows.append((name, rival(place, command, environment)))
        for name, (took, private, copies) in rows:
            took = sorted(took)
            print(f"{name:<14} {len(took):>5} {bench.evidence.median(took):>8.1f} {bench.evidence.percentile(took, 99):>8.1f}   "
                  f"{private:>10.2f}   {copies}", flush=True)


if __name__ == "__main__":
    main()
