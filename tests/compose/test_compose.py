"""The stack on one machine, one container per daemon, on a real engine: compose starts them, the orchestrator does the rest."""
import json
import os
import subprocess
import urllib.request

import pytest

import engine as harness
from ports import port_pairs

DAEMONS = ("simulator", "harvest", "archive", "features", "signal", "broker", "report")
PATIENCE_S = harness.PATIENCE_S
pytestmark = pytest.mark.timeout(900)  # an image that has to be made, and as much patience as each step may need


@pytest.fixture(scope="module")
def stack(engine, tmp_path_factory):
    folder = tmp_path_factory.mktemp("compose")
    for one in (folder, folder.parent):
        one.chmod(0o755)
    report, prometheus, grafana = port_pairs(3)
    ports = {"REPORT_PORT": str(report), "PROMETHEUS_PORT": str(prometheus), "GRAFANA_PORT": str(grafana),
             "ORDERFLOW_CONFIG": str(harness.configuration(folder))}
    with harness.Stack(engine, f"orderflow-test-{os.getpid()}", ports) as stack:
        stack.prometheus = f"http://127.0.0.1:{prometheus}"
        # The orchestrator last: whoever needs it waits, and is healthy in the meantime.
        stack.compose("up", "-d", "--no-deps", "keys")
        harness.wait_for(lambda: stack.container("keys_1")["State"]["Status"] == "exited", PATIENCE_S, "the keys")
        stack.compose("up", "-d", *DAEMONS, "pushgateway", "prometheus")
        stack.healthy_alone = harness.wait_for(lambda: healthy(stack), PATIENCE_S, lambda: stack.compose("ps").stdout)
        stack.before = {name: stack.container(f"{name}_1")["State"]["StartedAt"] for name in DAEMONS}
        stack.compose("up", "-d", "orchestrator")
        harness.wait_for(lambda: feeding(stack), PATIENCE_S, lambda: stack.logs("orchestrator"))
        yield stack


def healthy(stack):
    states = [stack.container(f"{name}_1")["State"] for name in DAEMONS]
    return all(state["Status"] == "running" and state["Health"]["Status"] == "healthy" for state in states)


def feeding(stack):
    done = stack.orchctl("status", "--json", check=False)
    return done.returncode in (0, 4) and json.loads(done.stdout)["phase"] == "feeding"


def caught_up(stack, name, generation):
    process = stack.process(name)
    return process["generation"] >= generation and process["state"] == "running"


def moving(stack):
    """Signals come out: the whole chain lives."""
    rows = [stream["last_sequence"] for stream in stack.process("signal")["streams"] if stream["published"]]
    return sum(rows)


def started(stack, name):
    return stack.container(name)["State"]["StartedAt"]


@pytest.mark.parametrize("arguments", [("compose.yaml",), ("compose.yaml", "--profile", "grafana"), ("stack.yaml",),
                                       ("stack.yaml", "-f", harness.ROOT / "compose/stack-scale.yaml")], ids=lambda one: " ".join(map(str, one)))
def test_every_file_and_profile_is_good(engine, arguments):
    settings = {"ORDERFLOW_KEYS": "/dev/null", "ORDERFLOW_ENGINE": "/var/run/docker.sock", "ORDERFLOW_ENGINE_GID": "7"}
    name, *more = arguments
    done = subprocess.run(["docker-compose", "-f", harness.ROOT / "compose" / name, *more, "config", "-q"],
                          env={**engine.environment, **settings}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_daemon_is_ready_without_its_upstream_and_is_adopted_as_it_stands(stack):
    assert stack.healthy_alone
    assert {name: started(stack, f"{name}_1") for name in DAEMONS} == stack.before, "adopted, not started anew"
    assert {process["name"] for process in stack.status()["processes"]} == set(DAEMONS)
    harness.wait_for(lambda: moving(stack) > 10, PATIENCE_S, "signals")


def test_containers_are_closed(stack):
    for name, container in stack.containers().items():
        host, config = container["HostConfig"], container["Config"]
        assert host["ReadonlyRootfs"] and host["CapDrop"] == ["ALL"] and not host["Privileged"], name
        assert any(option.startswith("no-new-privileges") for option in host["SecurityOpt"]), name
        assert config["User"] not in ("", "0", "root", "0:0"), name
        assert host["Memory"] > 0 and host["PidsLimit"] > 0, name
        assert host["LogConfig"]["Config"].get("max-size"), name
        assert host["RestartPolicy"]["Name"] in ("no", ""), name
        has_engine = any(mount["Destination"] == "/var/run/docker.sock" for mount in container["Mounts"])
        assert has_engine == (name == "orchestrator_1"), f"{name}: only the orchestrator may have the engine's socket"
        for bindings in (host["PortBindings"] or {}).values():
            assert all(binding["HostIp"] == "127.0.0.1" for binding in bindings), name
    who = stack.run_in("signal", "id", "-u").stdout.strip()
    assert who == "10001"
    assert stack.run_in("signal", "touch", "/opt/x", check=False).returncode != 0
    mode = stack.run_in("signal", "stat", "-c", "%a", "/etc/orderflow/keys/bus.keys").stdout.strip()
    assert mode == "600"
    assert stack.run_in("signal", "touch", "/etc/orderflow/keys/x", check=False).returncode != 0


@pytest.mark.parametrize("name", ["signal", "harvest", "archive"])
def test_a_killed_container_is_started_again_and_nothing_is_lost(stack, name):
    before, generation = started(stack, f"{name}_1"), stack.process(name)["generation"]
    if name == "signal":  # as a person would say it
        stack.compose("exec", "-T", "orchestrator", "orchctl", "kill", name)
    else:
        stack.orchctl("kill", name)
    harness.wait_for(lambda: caught_up(stack, name, generation + 1), PATIENCE_S, lambda: stack.logs("orchestrator")[-2000:])
    assert started(stack, f"{name}_1") > before, "that very container"
    stack.wait_balanced()


def test_a_container_killed_by_somebody_else_is_missed(stack):
    generation = stack.process("features")["generation"]
    stack.engine.docker("kill", f"{stack.project}_features_1")
    harness.wait_for(lambda: caught_up(stack, "features", generation + 1), PATIENCE_S, lambda: stack.logs("orchestrator")[-2000:])


def test_a_daemon_that_dies_alone_is_started_again_in_its_container(stack):
    before, generation = started(stack, "signal_1"), stack.process("signal")["generation"]
    stack.orchctl("kill", "-s", "SEGV", "signal")
    harness.wait_for(lambda: caught_up(stack, "signal", generation + 1), PATIENCE_S, lambda: stack.logs("orchestrator")[-2000:])
    fault = json.loads(stack.orchctl("fault", "list", "--json").stdout)["faults"][-1]
    assert fault["exit_signal"] == "SEGV", fault
    assert started(stack, "signal_1") == before, "the engine had nothing to do"


def test_stop_start_pause_and_resume_act_on_the_container(stack):
    state = lambda: stack.container("broker_1")["State"]  # noqa: E731
    stack.orchctl("stop", "broker")
    harness.wait_for(lambda: state()["Status"] == "exited", PATIENCE_S, "the container's end")
    assert state()["ExitCode"] == 0
    generation = stack.process("broker")["generation"]
    stack.orchctl("start", "broker")
    harness.wait_for(lambda: caught_up(stack, "broker", generation + 1), PATIENCE_S, "broker")
    stack.orchctl("pause", "broker")
    harness.wait_for(lambda: state()["Status"] == "paused", PATIENCE_S, "the pause")
    stack.orchctl("resume", "broker")
    harness.wait_for(lambda: state()["Status"] == "running", PATIENCE_S, "the end of the pause")


def test_the_orchestrators_death_harms_nobody_and_the_next_one_adopts(stack):
    run_id, before = stack.status()["run_id"], {name: started(stack, f"{name}_1") for name in DAEMONS}
    rows = moving(stack)
    stack.engine.docker("kill", f"{stack.project}_orchestrator_1")
    stack.compose("start", "orchestrator")
    harness.wait_for(lambda: feeding(stack), PATIENCE_S, lambda: stack.logs("orchestrator")[-2000:])
    assert stack.status()["run_id"] == run_id
    harness.wait_for(lambda: moving(stack) > rows, PATIENCE_S, "more signals")
    assert {name: started(stack, f"{name}_1") for name in DAEMONS} == before


def hurt(stack, kind, name, lasts):
    """The evidence of a fault, when its victim has recovered."""
    done = stack.orchctl("fault", kind, name, "--for", lasts, "--steady", "60s", "--json", check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    return json.loads(done.stdout)["faults"][-1]


def test_a_process_that_stands_still_goes_on_by_its_warden(stack):
    fault = hurt(stack, "hang", "features", "1s")
    assert (fault["end"], fault["touched"], fault["restart_count_after"] - fault["restart_count_before"]) == ("expired", 1, 0), fault
    assert fault["late_ms"] >= 0 and fault["lasted_ms"] >= 1000, fault


def test_a_process_that_hangs_longer_than_may_be_is_missed_by_its_silence(stack):
    generation = stack.process("broker")["generation"]
    fault = hurt(stack, "hang", "broker", "60s")
    assert (fault["end"], fault["touched"], fault["exit_signal"]) == ("ended", 1, "KILL"), fault
    assert stack.process("broker")["generation"] == generation + 1


@pytest.mark.parametrize("kind", ["stall", "malformed"])
def test_the_venue_is_hurt_over_the_network(stack, kind):
    fault = hurt(stack, kind, "simulator", "3s")
    assert fault["end"] == "expired" and fault["touched"] > 0, fault


def test_scaling_makes_containers(stack):
    stack.orchctl("scale", "signal=3")
    harness.wait_for(lambda: {"signal.2", "signal.3"} <= {process["name"] for process in stack.status()["processes"]
                                                          if process["state"] == "running"},
                     PATIENCE_S, lambda: stack.logs("orchestrator")[-2000:])
    aliases = [alias for network in stack.container("signal_3")["NetworkSettings"]["Networks"].values()
               for alias in network["Aliases"]]
    assert "signal-3" in aliases
    generation = stack.process("signal.2")["generation"]
    stack.orchctl("kill", "signal.2")
    harness.wait_for(lambda: caught_up(stack, "signal.2", generation + 1), PATIENCE_S, "signal.2")


def query(stack, what):
    """What Prometheus has of it; nothing, when it does not answer (yet)."""
    try:
        with urllib.request.urlopen(f"{stack.prometheus}/api/v1/query?query={what}", timeout=20) as answer:
            return json.loads(answer.read())["data"]["result"]
    except OSError:
        return []


def up_targets(stack):
    return {one["metric"]["job"] for one in query(stack, "up") if one["value"][1] == "1"}


def test_prometheus_sees_the_stack_and_what_was_pushed(stack):
    harness.wait_for(lambda: {"orderflow", "pushgateway"} <= up_targets(stack), PATIENCE_S, "both targets")
    harness.wait_for(lambda: query(stack, "signal_total"), PATIENCE_S, "the orchestrator's export")


def test_a_shutdown_is_judged_and_everything_goes_down(stack):
    harness.wait_for(lambda: stack.process("broker")["counters"].get("orders", 0) >= 40, PATIENCE_S, "orders")
    stack.orchctl("shutdown")
    state = lambda: stack.container("orchestrator_1")["State"]  # noqa: E731
    harness.wait_for(lambda: state()["Status"] == "exited", 2 * PATIENCE_S, lambda: stack.logs("orchestrator")[-3000:])
    log = stack.logs("orchestrator")
    assert state()["ExitCode"] == 0, log[-3000:]
    assert "verdict PASS" in log
    # Whom the orchestrator has seen end, the engine has to note as well.
    harness.wait_for(lambda: {one["State"]["Status"] for name, one in stack.containers().items() if name.split("_")[0] in DAEMONS} == {"exited"},
                     PATIENCE_S, lambda: stack.compose("ps").stdout)
    why = stack.compose("run", "--rm", "--no-deps", "-T", "orchestrator", "orchctl", "why", "--all", check=False)
    assert why.returncode == 0, why.stdout[-2000:] + why.stderr
    stack.compose("down", "--volumes", "--timeout", "5")
    harness.wait_for(lambda: stack.containers() == {}, PATIENCE_S, lambda: str(list(stack.containers())))
    volumes = stack.engine.docker("volume", "ls", "-q", "--filter", f"label=com.docker.compose.project={stack.project}").stdout
    assert volumes == ""
