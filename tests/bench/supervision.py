"""Supervision: how quick the orchestrator is, and how little it needs, with daemons that do nothing but behave (fake_service).

    supervision.py [--rounds N] [--seconds N] [PART…]

Parts: takeover, kill, hang, shutdown, control, cold, idle, wakeups, load, abuse. Every time is taken from outside or from the run's own
history (manifest, status feed), p50 and p99 of at least --rounds events.
"""
import argparse
import concurrent.futures
import contextlib
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time

import zmq

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.path.insert(0, str(HERE.parent / "support"))

import control  # noqa: E402
import evidence  # noqa: E402
import fakes  # noqa: E402
import stack as harness  # noqa: E402
import strangers  # noqa: E402

MANY = {"supervisor.progress_restarts": 250, "supervisor.max_restarts": 250}
HUNG_STATES = ("ready", "running")
SHUTDOWNS_AT_ONCE = 6
LOOK_S = 0.002


def say(what, took, unit="ms", aim=None):
    took = sorted(took)
    print(f"{what:<34} {len(took):>5}   p50 {evidence.median(took):>8.1f}   p99 {evidence.percentile(took, 99):>8.1f}   "
          f"max {took[-1]:>8.1f} {unit}" + (f"   aim: {aim}" if aim else ""), flush=True)


@contextlib.contextmanager
def folder():
    with tempfile.TemporaryDirectory(prefix="ofs-") as temporary:
        yield pathlib.Path(temporary)


def programs(at):
    at.mkdir()
    return fakes.link_programs(at)


@contextlib.contextmanager
def running(behave=None, sets=None):
    """(run, control) of six fake daemons at work."""
    with folder() as at, fakes.Mortal(programs(at / "bin"), at / "run", behave=behave, sets={**MANY, **(sets or {})}) as run:
        run.wait_line("go: all ready")
        with control.Control(run.folder) as ctl:
            yield run, ctl
        if run.process.poll() is None:
            run.process.send_signal(signal.SIGINT)
            run.finish(60)


class Feed:
    """The status feed, with the time at which each event arrived here."""

    def __init__(self, run):
        self.socket = zmq.Context.instance().socket(zmq.SUB)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.setsockopt(zmq.SUBSCRIBE, b"event")
        self.socket.connect(f"ipc://{os.path.relpath(run.folder)}/runtime/bus/orchestrator.pub")

    def wait(self, event, name, seconds=20, **members):
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0 and self.socket.poll(left * 1000):
            _, body = self.socket.recv_multipart()
            found = json.loads(body)
            if found["event"] == event and found["name"] == name and all(found.get(key) == value for key, value in members.items()):
                return time.monotonic()
        raise AssertionError(f"no {event} of {name} within {seconds} s")

    def drain(self):
        while self.socket.poll(0):
            self.socket.recv_multipart()


def private_mb(pid):
    fields = dict(line.split(":") for line in open(f"/proc/{pid}/smaps_rollup").read().splitlines()[1:])
    return sum(int(fields[name].split()[0]) for name in ("Private_Clean", "Private_Dirty")) / 1024


def switches(pid):
    """How often all its threads together have gone to sleep, so how often they woke up."""
    return sum(int(line.split()[1]) for task in os.listdir(f"/proc/{pid}/task")
               for line in open(f"/proc/{pid}/task/{task}/status") if line.startswith("voluntary_ctxt"))


def processor_ms(pid):
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) * 1000 / os.sysconf("SC_CLK_TCK")


# --- parts ---

def takeover(options):
    """SIGKILL of the orchestrator; until a new one, started at once, answers."""
    took = []
    with running() as (run, ctl):
        before = run.pids()
        for _ in range(options.rounds):
            run.kill()
            begun = time.monotonic()
            run.start_again()
            identity = ctl.send("status")
            while not ctl.receive(identity, 20):
                identity = ctl.send("status")
            took.append((time.monotonic() - begun) * 1000)
        assert run.pids() == before and {p["restart_count"] for p in ctl.status().values()} == {0}
        assert not (run.folder / "fake/doubled").exists()
        second = []
        for _ in range(options.rounds):
            begun = time.monotonic()
            done = subprocess.run(list(map(str, run.command)), cwd=run.folder, capture_output=True)
            second.append((time.monotonic() - begun) * 1000)
            assert done.returncode == 2
    say("orchestrator killed → control back", took, aim="100")
    say("a second orchestrator leaves", second, aim="50")


def kill(options):
    """SIGKILL of daemons in turn: the run's own evidence. What is measured is not asked meanwhile: it says when it is ready."""
    faults = []
    while len(faults) < options.rounds:
        with running() as (run, ctl):
            feed = Feed(run)
            for number in range(min(240, options.rounds - len(faults))):
                name = fakes.SERVICES[number % len(fakes.SERVICES)]
                run.wait_for(lambda: ctl.works(name, number // len(fakes.SERVICES)), f"{name} before kill {number}")
                feed.drain()
                ctl.ask("kill", name=name)
                feed.wait("Ready", name)
            run.wait_for(lambda: all(p["state"] in HUNG_STATES for p in ctl.status().values()), "all of them")
            run.process.send_signal(signal.SIGINT)
            run.finish(60)
            faults += run.manifest()["fault_injection"]
    say("kill → exit seen", [fault["detect_ms"] for fault in faults])
    say("kill → started again", [fault["restart_ms"] for fault in faults])
    say("kill → ready", [fault["ready_ms"] for fault in faults], aim="10 / 50")
    say("kill → caught up", [fault["recovery_ms"] for fault in faults], aim="p99 250")


def hang(options):
    """SIGSTOP from outside; until it is told as hung, and until another one is ready."""
    detected, healed = [], []
    chance = random.Random(1)
    with running(sets={"health.heartbeat_ms": 200}) as (run, ctl):
        feed = Feed(run)
        counts = dict.fromkeys(fakes.SERVICES, 0)
        for _ in range(options.rounds):
            name = chance.choice(fakes.SERVICES)
            run.wait_for(lambda: ctl.works(name, counts[name]), f"{name} at work")
            pid = ctl.status(name)["pid"]
            feed.drain()
            begun = time.monotonic()
            os.kill(pid, signal.SIGSTOP)
            detected.append((feed.wait("Hung", name, pid=pid) - begun) * 1000)
            healed.append((feed.wait("Ready", name) - begun) * 1000)
            counts[name] += 1
    say("hang → detected", detected, aim="600")
    say("hang → healed", healed, aim="1000")


def one_shutdown(number):
    with running(behave={"signal": "ignore_term"}) as (run, ctl):
        os.kill(ctl.status("signal")["pid"], signal.SIGSTOP)
        begun = time.monotonic()
        run.process.send_signal(signal.SIGINT)
        run.finish(60)
        drained = all(process["stopped_at"] for process in run.manifest()["processes"].values())
        return (time.monotonic() - begun) * 1000, drained


def shutdown(options):
    """The whole shutdown while one daemon hangs and, restarted, ignores TERM."""
    with concurrent.futures.ThreadPoolExecutor(SHUTDOWNS_AT_ONCE) as pool:  # each of them mostly waits
        took = list(pool.map(one_shutdown, range(options.rounds)))
    assert all(drained for _, drained in took)
    say("shutdown with a hung daemon", [ms for ms, _ in took], aim="8000")


def echo_server(context, address, stop):
    server = context.socket(zmq.ROUTER)
    server.bind(address)
    while not stop.is_set():
        if server.poll(100):
            server.send_multipart(server.recv_multipart())
    server.close(0)


def round_trips(ask, count):
    took = []
    for _ in range(count):
        begun = time.perf_counter()
        ask()
        took.append((time.perf_counter() - begun) * 1000)
    return took


def control_part(options):
    """Requests one by one while a hundred listen to the status feed; beside them the same through a bare ROUTER in Python."""
    context = zmq.Context.instance()
    with running() as (run, ctl), folder() as at:
        watchers = [Feed(run) for _ in range(100)]
        for watcher in watchers:
            watcher.socket.setsockopt(zmq.RCVHWM, 100)
        ctl.ask("health")
        say("control round trip, 100 watchers", round_trips(lambda: ctl.ask("health"), options.requests), aim="p99 1")
        say("… of `status`", round_trips(lambda: ctl.ask("status"), options.requests))
        for watcher in watchers:
            watcher.socket.close()
        stop = threading.Event()
        echo = threading.Thread(target=echo_server, args=(context, f"ipc://{at}/echo", stop))
        echo.start()
        bare = context.socket(zmq.DEALER)
        bare.connect(f"ipc://{at}/echo")

        def bounce():
            bare.send(b'{"id":"1","verb":"health","args":{}}')
            bare.recv()

        bounce()
        say("… bare ROUTER echo", round_trips(bounce, options.requests))
        stop.set()
        echo.join()
        bare.close(0)


@contextlib.contextmanager
def daemons(at, **sets):
    """All real daemons on the synthetic market, for as long as the caller wants."""
    with harness.Stack(at, speed="1", run_id="bench", sets=sets) as stack:
        yield stack
        stack.process.send_signal(signal.SIGINT)
        stack.process.send_signal(signal.SIGINT)  # what is under way is of no interest
        stack.finish(60)


def one_cold_start():
    """(ms until go, until everybody has caught up, of it the simulator)."""
    with folder() as at:
        begun = time.monotonic()
        with daemons(at) as stack:
            harness.wait_for(lambda: (at / "runtime/bus/orchestrator.ctl").exists(), 30, "the control socket")
            with control.Control(at) as ctl:
                go, states = None, []
                while not states or any(state != "running" for state in states):
                    time.sleep(LOOK_S)  # asking without a pause would take a core from what is measured
                    answer = ctl.receive(ctl.send("status"), 1000)
                    if answer:
                        states = [process["state"] for process in answer["result"]["processes"]]
                        now = (time.monotonic() - begun) * 1000
                        go = go or (now if answer["result"]["phase"] == "feeding" else None)
            (venue,) = [float(line.split(" ready in ")[1].split()[0]) for line in stack.text().splitlines() if "simulator ready in" in line]
    return go, now, venue


def cold(options):
    """All real daemons, the synthetic market: from the start of the orchestrator until everybody has caught up."""
    one_cold_start()  # the programs are in memory then
    go, caught_up, venue = zip(*(one_cold_start() for _ in range(options.rounds)))
    say("cold start → go", go)
    say("cold start → all caught up", caught_up, aim="150 beside the venue")
    say("… of it the simulator", venue)


def wakeups(options):
    """What real daemons and their keepers do while the market is closed: nobody has anything to do but to say that it lives."""
    with folder() as at, daemons(at, **{"simulator.rate": 1}) as stack:
        harness.wait_for(lambda: (at / "runtime/bus/orchestrator.ctl").exists(), 30, "the control socket")
        with control.Control(at) as ctl:
            harness.wait_for(lambda: all(p["state"] == "running" for p in ctl.status().values()), 30, "all of them")
            pids = {"orchestrator": stack.process.pid, **{name: process["pid"] for name, process in ctl.status().items()}}
        keepers = [int(pid) for pid in open(f"/proc/{stack.process.pid}/task/{stack.process.pid}/children").read().split()]
        before = {pid: (switches(pid), processor_ms(pid)) for pid in [*pids.values(), *keepers]}
        begun = time.monotonic()
        time.sleep(options.seconds)
        passed = time.monotonic() - begun

        def per_second(pid):
            return f"{(switches(pid) - before[pid][0]) / passed:6.1f}/s, processor {(processor_ms(pid) - before[pid][1]) / passed / 10:.2f} %"

        print(f"wake-ups of all threads in {passed:.0f} s, one message a second, a heartbeat each 200 ms:", flush=True)
        for name, pid in pids.items():
            print(f"  {name:<14} {per_second(pid)}, private {private_mb(pid):.2f} MB", flush=True)
        print(f"  {len(keepers)} keepers together {sum(switches(pid) - before[pid][0] for pid in keepers) / passed:.2f}/s", flush=True)


def idle(options):
    """What it needs while nothing happens but heartbeats."""
    with running(sets={"health.heartbeat_ms": 200}) as (run, ctl):
        ctl.status()
        pid = run.process.pid
        before, turns, begun = switches(pid), ctl.itself()["loop_turns"], time.monotonic()
        time.sleep(options.seconds)
        passed = time.monotonic() - begun
        mine = ctl.itself()
        keepers = [private_mb(keeper) for keeper in run.children("keeper")]
        print(f"orchestrator private memory {private_mb(pid):.2f} MB (aim 4), RSS {mine['rss_mb']:.1f} MB; "
              f"keepers {max(keepers):.2f} MB each", flush=True)
        print(f"in {passed:.0f} s with 6 daemons: {(mine['loop_turns'] - turns) / passed:.1f} turns/s, "
              f"{(switches(pid) - before) / passed:.1f} wake-ups/s of all its threads, longest turn {mine['loop_ms_max']:.1f} ms, "
              f"on a processor {mine['loop_cpu_ms_max']:.1f} ms", flush=True)


def load(options):
    """No false alarm: all cores kept busy four times over, and still nobody is taken for hung."""
    count = 4 * os.cpu_count()
    with running(sets={"health.heartbeat_ms": 200}) as (run, ctl):
        burners = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
        try:
            oldest, begun = 0.0, time.monotonic()
            while time.monotonic() - begun < options.seconds:
                oldest = max([oldest] + [process["heartbeat_age_ms"] or 0 for process in ctl.status().values()])
                time.sleep(0.01)
            alarms = run.log().count(" Hung ")
            restarts = sum(process["restart_count"] for process in ctl.status().values())
        finally:
            for burner in burners:
                burner.kill()
                burner.wait()
        print(f"load: {count} busy processes for {options.seconds} s: {alarms} hang alarms, {restarts} restarts, oldest heartbeat seen "
              f"{oldest:.0f} ms", flush=True)
        assert alarms == restarts == 0


def abuse(options):
    """Strangers at the socket, and requests as fast as they can be said."""
    with running() as (run, ctl):
        before = run.pids()
        chance = random.Random(1)
        begun, sent = time.monotonic(), 0
        while time.monotonic() - begun < options.seconds:
            one = strangers.burst(run.folder, 10000)
            strangers.abuse(run.folder, chance)
            while sent < 10000 * 10000 and one.poll(200):
                one.recv()
                sent += 1
            one.close(0)
        passed = time.monotonic() - begun
        mine = ctl.itself()
        assert run.pids() == before
        print(f"abuse: {sent / passed:,.0f} requests/s answered for {passed:.0f} s among garbage, 64 MB messages and dying clients; longest "
              f"turn {mine['loop_ms_max']:.1f} ms (aim 50), on a processor {mine['loop_cpu_ms_max']:.1f} ms, mean {mine['loop_ms_mean']:.2f} ms; nobody restarted; "
              f"{mine['max_rss_mb']:.1f} MB", flush=True)


PARTS = {"takeover": takeover, "kill": kill, "hang": hang, "shutdown": shutdown, "control": control_part, "cold": cold, "idle": idle,
         "wakeups": wakeups, "load": load, "abuse": abuse}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="all when none is named")
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--seconds", type=int, default=20)
    options = parser.parse_args()
    for part in options.parts or PARTS:
        begun = time.monotonic()
        print(f"{part}: load {' '.join(open('/proc/loadavg').read().split()[:3])}", flush=True)
        PARTS[part](options)
        print(f"{part}: took {time.monotonic() - begun:.0f} s", flush=True)


if __name__ == "__main__":
    main()
