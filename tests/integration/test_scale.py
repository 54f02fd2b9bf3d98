"""Several instances of harvest, features and signal share the symbols of a run, and nobody can tell it from the rows: everything
the sinks hold is equal to what the run with one instance of each wrote."""
import json
import subprocess

import pytest

from stack import BIN, UNHURRIED, Stack, assert_equal_rows, assert_equal_runs, assert_sound

SYMBOLS = [f"{letter * 3}USDT" for letter in "ABCDEFG"]


def market(minutes, **more):
    names = ",".join(SYMBOLS)
    return {**UNHURRIED, "run.symbols": names, "simulator.symbols": names, "simulator.minutes": minutes, "simulator.rate": 20,
            "simulator.seed": 11, **more}


def run(folder, minutes=3, **scale):
    with Stack(folder, run_id="scaled", sets=market(minutes, **{f"scale.{name}": n for name, n in scale.items()})) as stack:
        assert_sound(stack, stack.finish())
    return stack


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    return run(tmp_path_factory.mktemp("alone"))


@pytest.mark.parametrize("scale", [{"signal": 3}, {"features": 2, "signal": 3}], ids=str)
def test_instances_share_the_symbols_and_the_run_is_equal_to_that_of_one(tmp_path, alone, scale):
    stack = run(tmp_path, **scale)
    assert_equal_runs(alone, stack)
    owners = json.loads((tmp_path / "runtime/plan.json").read_text())["services"]
    for service, count in scale.items():
        names = [service, *(f"{service}.{n}" for n in range(2, count + 1))]
        assert owners[service]["instances"] == names
        assert set(owners[service]["owners"]) == set(SYMBOLS)
        assert len(set(owners[service]["owners"].values())) > 1, "one instance has everything"
    manifest = stack.manifest()
    assert set(manifest["processes"]) >= {"signal", "signal.2", "signal.3"}
    assert manifest["shutdown_order"][2:5] == ["signal.3", "signal.2", "signal"]


def test_two_harvests_receive_what_one_received(tmp_path, alone):
    stack = run(tmp_path, harvest=2, features=2, signal=2)
    assert_equal_rows(alone, stack)
    assert list((tmp_path / "data/raw").rglob("*.ofr")) and list((tmp_path / "data/raw-harvest.2").rglob("*.ofr"))
    assert len(stack.manifest()["raw_files"]) == 2
    told = stack.orchctl("why", "--all").stdout  # of both captures, one after the other
    assert told.count("verdict: same bits") == 2
    assert all(told.count(f"{symbol} ") == 3 for symbol in SYMBOLS), told  # sqlite, jsonl, orders, once each
    key = json.loads(next(iter(stack.jsonl().values())).splitlines()[50])
    assert stack.orchctl("why", key["symbol"], str(key["ts_ms"])).returncode == 0
    assert stack.orchctl("account").returncode == 0
    (capture,) = (tmp_path / "data/raw-harvest.2").rglob("*.ofr")
    replayed = subprocess.run([BIN / "features", "--replay", capture], capture_output=True, text=True, timeout=60, check=True)
    owners = json.loads((tmp_path / "runtime/plan.json").read_text())["services"]["harvest"]["owners"]
    assert {json.loads(line)["symbol"] for line in replayed.stdout.splitlines()} == {
        symbol for symbol, owner in owners.items() if owner == "harvest.2"}


def test_an_instance_without_a_symbol_does_no_harm(tmp_path):
    sets = {"run.symbols": "BTCUSDT", "simulator.symbols": "BTCUSDT", "simulator.minutes": 2, "scale.harvest": 2,
            "scale.features": 3, "scale.signal": 4}
    with Stack(tmp_path, run_id="idle", sets=sets) as stack:
        assert_sound(stack, stack.finish())
    assert stack.rows_written() > 1000
