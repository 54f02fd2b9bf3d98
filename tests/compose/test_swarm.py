"""The stack on two machines: a swarm places its containers on both, one machine dies, and the run goes on without a row lost."""
import json
import os
import pathlib
import subprocess
import tempfile
import time

import pytest

import engine as harness
import machines

DAEMONS = ("simulator", "harvest", "archive", "features", "signal", "broker", "report")
PATIENCE_S = harness.PATIENCE_S
pytestmark = pytest.mark.timeout(1200)  # two engines, an image for each, and as much patience as each step may need


@pytest.fixture(scope="module")
def swarm(engine):
    """Both engines, and the folder that both share; it goes when nobody can write to it any more."""
    try:
        with tempfile.TemporaryDirectory(prefix="orderflow-swarm-") as folder, machines.Machines() as (manager, worker):
            os.chmod(folder, 0o755)
            image = subprocess.Popen(["docker", "save", "orderflow:local"], env=engine.environment, stdout=subprocess.PIPE)
            archive = manager.folder / "image.tar"
            with open(archive, "wb") as file:
                subprocess.run(["cat"], stdin=image.stdout, stdout=file, check=True)
            assert image.wait() == 0
            for one in (manager, worker):
                one.docker("load", "-q", "-i", archive)
            yield manager, worker, pathlib.Path(folder)
    except harness.Unavailable as reason:
        pytest.skip(str(reason))


class Stack:
    def __init__(self, manager, worker, folder):
        self.manager, self.worker, self.folder = manager, worker, folder
        run = folder / "run"  # what all machines share
        run.mkdir()
        os.chown(run, 10001, 10001)
        keys = manager.docker("run", "--rm", "--user", "0:0", "-v", f"{folder}:/out", "orderflow:local", "orchctl", "keys", "/out/keys")
        assert keys.returncode == 0
        environment = {**manager.environment, "ORDERFLOW_KEYS": str(folder / "keys/bus.keys"), "ORDERFLOW_RUN": str(run),
                       "ORDERFLOW_CONFIG": str(harness.configuration(folder)), "ORDERFLOW_ENGINE": str(manager.socket),
                       "ORDERFLOW_ENGINE_GID": str(manager.socket.stat().st_gid)}
        files = [word for name in ("stack.yaml", "stack-scale.yaml") for word in ("-c", harness.ROOT / "compose" / name)]
        done = subprocess.run(["docker", "stack", "deploy", "--resolve-image", "never", *files, "orderflow"], env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr

    def orchestrator(self):
        return self.manager.docker("ps", "-aq", "--filter", "name=orderflow_orchestrator").stdout.split()

    def orchctl(self, *arguments):
        running = self.manager.docker("ps", "-q", "--filter", "name=orderflow_orchestrator").stdout.split()
        return self.manager.docker("exec", running[0], "orchctl", *harness.patient(arguments), check=False) if running else None

    def status(self):
        """Nothing, while no orchestrator answers."""
        done = self.orchctl("status", "--json")
        return json.loads(done.stdout) if done and done.returncode in (0, 4) else {"phase": "-", "processes": []}

    def processes(self):
        """{process: what is known of it}, when an orchestrator tells."""
        told = harness.wait_for(lambda: self.status()["processes"], PATIENCE_S, self.log)
        return {process["name"]: process for process in told}

    def generations(self):
        return {name: process["generation"] for name, process in self.processes().items()}

    def text(self):
        """All that the orchestrator has said; nothing of a container that is just being removed."""
        return "\n".join(self.manager.docker("logs", one, check=False).stdout for one in self.orchestrator())

    def log(self):
        return self.text()[-4000:]

    def on(self, machine):
        names = machine.docker("ps", "--format", "{{.Names}}").stdout.split()
        return {name.split(".")[0].removeprefix("orderflow_") for name in names}


    def services(self):
        return set(self.manager.docker("service", "ls", "--format", "{{.Name}}").stdout.split())


def running(stack, least_generation, others=()):
    found = {process["name"]: process for process in stack.status()["processes"]}
    return set(found) == {*DAEMONS, *others} and all(process["state"] == "running" and
                                             process["generation"] >= least_generation.get(name, 1)
                                             for name, process in found.items())


def scaled(stack):
    return stack.text().count("signal has ")


def scale(stack):
    """The services of further instances are made by the orchestrator, and serve the next time too."""
    for times, instances in enumerate((3, 1, 2), 1):
        asked = stack.orchctl("scale", f"signal={instances}")
        assert asked.returncode == 0, asked.stderr
        harness.wait_for(lambda: scaled(stack) == times, PATIENCE_S, stack.log)
        if instances == 3:
            harness.wait_for(lambda: running(stack, {}, {"signal.2", "signal.3"}), PATIENCE_S, lambda: stack.status())
            owners = {name: [stream["stream"] for stream in process["streams"] if stream["published"]]
                      for name, process in stack.processes().items() if name.startswith("signal")}
            print(f"symbols with three instances: {owners}")
    assert {"orderflow_signal-2", "orderflow_signal-3"} <= stack.services()
    fault = stack.orchctl("fault", "hang", "signal.2", "--for", "1s", "--steady", "60s", "--json")
    assert fault.returncode == 0 and json.loads(fault.stdout)["faults"][-1]["end"] == "expired", fault.stdout + fault.stderr


def test_a_stack_across_two_machines_survives_the_death_of_one(swarm):
    manager, worker, folder = swarm
    stack = Stack(manager, worker, folder)
    harness.wait_for(lambda: stack.status()["phase"] == "feeding", PATIENCE_S, stack.log)
    harness.wait_for(lambda: running(stack, {}), PATIENCE_S, stack.log)
    here, there = stack.on(manager), stack.on(worker)
    assert "orchestrator" in here and len(there & set(DAEMONS)) >= 2, f"not across both: {here} and {there}"
    print(f"machine 1: {', '.join(sorted(here))}\nmachine 2: {', '.join(sorted(there))}")

    # A signal goes over the bus to whichever machine.
    victim = sorted(there - {"simulator"})[0]
    generation = stack.generations()
    killed = stack.orchctl("kill", victim)
    assert killed.returncode == 0, killed.stderr
    harness.wait_for(lambda: running(stack, {victim: generation[victim] + 1}), PATIENCE_S, stack.log)

    generation = stack.generations()
    worker.process.kill()
    dead = time.monotonic()
    harness.wait_for(lambda: running(stack, {name: generation[name] + 1 for name in there}), PATIENCE_S, stack.log)
    print(f"machine 2 killed; {', '.join(sorted(there))} run on machine 1 {time.monotonic() - dead:.1f} s later")
    now = stack.generations()
    assert {name: now[name] for name in here & set(DAEMONS)} == {name: generation[name] for name in here & set(DAEMONS)}, \
        "whoever was on the other machine was left alone"

    harness.wait_for(lambda: stack.processes()["broker"]["counters"].get("orders", 0) >= 40, PATIENCE_S, "orders")
    scale(stack)
    # Of who does not answer in time the ledger says so, and is asked again; a row that is lost stays lost.
    harness.wait_for(lambda: harness.balances(stack.orchctl("account")), PATIENCE_S, lambda: str(stack.orchctl("account")))
    assert stack.orchctl("shutdown").returncode == 0
    harness.wait_for(lambda: "verdict" in stack.log(), PATIENCE_S, stack.log)
    print("\n".join(line for line in stack.log().splitlines() if "gates" in line or "verdict" in line))
    assert "verdict PASS" in stack.log(), stack.log()
