"""The bus over TCP: the rows of a run are those it has over sockets in a folder, and without keys nothing starts."""
import subprocess

import pytest

import stack as harness
from ports import port_pairs

RECORDING = "usdm/btcusdt_20240808.gz"
CUT_LINES = 12000
INSTANCES = ("orchestrator", "simulator", "harvest", "archive", "features", "signal", "broker", "report")


@pytest.fixture(scope="module")
def capture(tmp_path_factory):
    return harness.cut(harness.needed(RECORDING), CUT_LINES, tmp_path_factory.mktemp("capture"))


def tcp():
    hosts = ",".join(f"{name}=127.0.0.1:{port}" for name, port in zip(INSTANCES, port_pairs(len(INSTANCES))))
    return {"bus.transport": "tcp", "bus.listen_address": "127.0.0.1", "bus.hosts": hosts}


def orchctl(folder, *arguments):
    return subprocess.run([harness.BIN / "orchctl", *arguments], cwd=folder, capture_output=True, text=True)


def test_over_tcp_and_with_a_kill_the_rows_are_those_of_a_run_over_ipc(capture, tmp_path):
    runs = {}
    for name, sets, arguments in (("ipc", {}, ()), ("tcp", tcp(), ("--fault", "features@40%"))):
        runs[name] = harness.Stack(tmp_path / name, [capture], sets={**harness.UNHURRIED, **sets}, arguments=arguments)
        made = orchctl(tmp_path / name, "keys")
        assert made.returncode == 0, made
        with runs[name]:
            harness.assert_sound(runs[name], runs[name].finish())
    harness.assert_equal_runs(runs["ipc"], runs["tcp"])
    assert len(runs["tcp"].manifest()["fault_injection"]) == 1
    assert not list((tmp_path / "tcp" / "runtime" / "bus").glob("*.ctl")), "nothing may be left open beside TCP"
    assert (tmp_path / "tcp" / "state" / "keys" / "bus.keys").stat().st_mode & 0o777 == 0o600
    account = orchctl(tmp_path / "tcp", "account", "--json")
    assert account.returncode == 0, account


def test_without_keys_nothing_starts(tmp_path):
    (tmp_path / "none").mkdir()
    refused = subprocess.run([harness.BIN / "features", "--set", "bus.transport=tcp"], cwd=tmp_path / "none",
                             capture_output=True, text=True)
    assert refused.returncode == 2 and "orchctl keys" in refused.stderr, refused
    stack = harness.Stack(tmp_path / "stack", sets=tcp())
    with stack:
        assert stack.finish(60) == 2
    assert "bus.keys" in stack.text() and "orchctl keys" in stack.text(), stack.text()
    assert orchctl(tmp_path / "none", "keys").returncode == 0
    (tmp_path / "none/state/keys/bus.keys").chmod(0o644)
    refused = subprocess.run([harness.BIN / "features", "--set", "bus.transport=tcp"], cwd=tmp_path / "none",
                             capture_output=True, text=True)
    assert refused.returncode == 2 and "chmod 600" in refused.stderr, refused
