"""The docker driver without an engine, as on many machines: wardens wait, run what they are told, and tell how it ended."""
import json
import signal
import subprocess

import pytest

import fake_engine
import stack as harness
from ports import port_pairs

DAEMONS = ("simulator", "harvest", "archive", "features", "signal", "broker", "report")
PATIENCE_S = 60

CONFIGURATION = """schema_version: 1
driver: docker
docker:
  socket: "{engine}"
run:
  symbols: [BTCUSDT]
  sink: dual
  minutes: 0
health:
  heartbeat_timeout_ms: 20000
supervisor:
  stop_timeout_s: 20
simulator:
  minutes: {minutes}
  speed: 4
  tls: true
  host: localhost
  port: {port}
bus:
  transport: tcp
  listen_address: 127.0.0.1
  hosts: [{hosts}]
"""


class Wardens:
    def __init__(self, folder, minutes, engine="", more=()):
        self.folder = folder
        names = ("orchestrator", *DAEMONS, *more)
        *ports, simulator = port_pairs(len(names) + 1)
        hosts = ", ".join(f'"{name}=127.0.0.1:{port}"' for name, port in zip(names, ports))
        (folder / "stack.yaml").write_text(CONFIGURATION.format(minutes=minutes, port=simulator, hosts=hosts, engine=engine))
        self.processes = {}

    def __enter__(self):
        assert self.run("orchctl", "keys").returncode == 0
        for name in DAEMONS:
            self.start(name)
        return self

    def __exit__(self, *unused):
        for process in self.processes.values():
            process.kill()
        for process in self.processes.values():
            process.wait()

    def run(self, program, *arguments):
        return subprocess.run([harness.BIN / program, *arguments], cwd=self.folder, capture_output=True, text=True)

    def start(self, name):
        with open(self.folder / f"warden.{name}.log", "ab") as log:
            self.processes[name] = subprocess.Popen(
                [harness.BIN / "warden", "--config", "stack.yaml", "--state", self.state(name), "--stay", name],
                cwd=self.folder, stdout=log, stderr=subprocess.STDOUT)

    def state(self, name):
        return self.folder / f"warden.{name}.state"

    def check(self, name):
        return self.run("warden", "--config", "stack.yaml", "--state", self.state(name), "--check").returncode

    def orchestrate(self):
        with open(self.folder / "orchestrator.out", "ab") as out:
            self.processes["orchestrator"] = subprocess.Popen(
                [harness.BIN / "orchestrator", "--config", "stack.yaml", "--gates", "replay"], cwd=self.folder, stdout=out,
                stderr=subprocess.STDOUT)
        harness.wait_for(lambda: self.status().get("phase") == "feeding", PATIENCE_S, "go")

    def text(self):
        return (self.folder / "orchestrator.out").read_text()

    def status(self):
        done = self.run("orchctl", "status", "--timeout", "60", "--json")
        return json.loads(done.stdout) if done.returncode in (0, 4) else {}

    def process(self, name):
        return next(one for one in self.status()["processes"] if one["name"] == name)

    def running_again(self, name, generation):
        harness.wait_for(lambda: self.process(name)["generation"] > generation and self.process(name)["state"] == "running",
                         PATIENCE_S, f"{name} of a later generation")


def test_a_run_through_wardens_with_kills_of_daemons_wardens_and_the_orchestrator_passes_every_gate(tmp_path):
    with Wardens(tmp_path, minutes=60) as wardens:  # until all has been done, however long that takes
        harness.wait_for(lambda: all(wardens.state(name).exists() for name in DAEMONS), PATIENCE_S, "the wardens")
        assert all(wardens.check(name) == 0 for name in DAEMONS), "each is ready without anybody else"
        wardens.orchestrate()
        generation = wardens.process("signal")["generation"]
        assert wardens.run("orchctl", "kill", "signal").returncode == 0
        wardens.running_again("signal", generation)

        # A warden that dies takes its daemon with it, as a machine would; the next one takes the slot when the lock is free.
        generation = wardens.process("features")["generation"]
        wardens.processes["features"].send_signal(signal.SIGKILL)
        wardens.processes["features"].wait()
        wardens.start("features")
        wardens.running_again("features", generation)

        before = {name: wardens.process(name)["generation"] for name in DAEMONS}
        wardens.processes["orchestrator"].kill()
        wardens.processes["orchestrator"].wait()
        wardens.orchestrate()
        assert {name: wardens.process(name)["generation"] for name in DAEMONS} == before, "adopted as they stood"

        assert wardens.run("orchctl", "shutdown").returncode == 0
        assert wardens.processes["orchestrator"].wait(120) == 0, wardens.text()[-3000:]
        assert "verdict PASS" in wardens.text()
        account = wardens.run("orchctl", "account")
        assert account.returncode == 0, account.stdout


def test_a_second_warden_of_a_name_waits_until_the_slot_is_free(tmp_path):
    with Wardens(tmp_path, minutes=5) as wardens:
        wardens.orchestrate()
        log = tmp_path / "warden.signal.log"
        first = wardens.processes["signal"]
        generation = wardens.process("signal")["generation"]
        wardens.start("signal")
        harness.wait_for(lambda: "slot_held" in log.read_text(), PATIENCE_S, "the second to find the slot held")
        assert wardens.process("signal")["generation"] == generation
        first.kill()
        first.wait()
        wardens.running_again("signal", generation)


def test_an_engine_that_takes_its_time_keeps_nobody_waiting(tmp_path):
    """Its answer to "make a container" is held back; whoever asks the orchestrator has his meanwhile, and what the engine refuses is tried
    again."""
    with fake_engine.FakeEngine(tmp_path / "engine", DAEMONS) as engine, \
            Wardens(tmp_path, minutes=5, engine="engine", more=("signal.2",)) as wardens:
        wardens.orchestrate()
        assert wardens.run("orchctl", "scale", "signal=2").returncode == 0
        for code in (500, 201):
            assert engine.waiting.wait(PATIENCE_S), "asked for a container"
            for _ in range(5):
                done = wardens.run("orchctl", "status", "--timeout", "20", "--json")
                assert done.returncode in (0, 4) and json.loads(done.stdout)["phase"] == "feeding", done.stderr
            assert wardens.process("signal.2")["state"] == "starting"
            assert engine.waiting.is_set(), "all of it while the engine had not answered"
            engine.waiting.clear()
            engine.let_go(code)
        harness.wait_for(lambda: "/containers/id-made/start" in engine.asked, PATIENCE_S, "what has been made to be started")
        assert "no room left, says the test" in (tmp_path / "logs/orchestrator/orchestrator.log").read_text()
        wardens.start("signal.2")  # as the engine would
        harness.wait_for(lambda: wardens.process("signal.2")["state"] == "running", PATIENCE_S, "the second instance")


@pytest.mark.parametrize("arguments, what", [((), "NAME"), (("a/b",), "NAME"), (("--state",), "--state"),
                                             (("--nonsense", "signal"), "--nonsense"),
                                             (("--config", "nowhere.yaml", "signal"), "nowhere.yaml"),
                                             (("--config", "stack.yaml", "signal"), "orchctl keys")])
def test_wrong_use_is_told_and_exits_2(tmp_path, arguments, what):
    wardens = Wardens(tmp_path, minutes=1)
    done = wardens.run("warden", *arguments)
    assert done.returncode == 2 and what in done.stderr, done
