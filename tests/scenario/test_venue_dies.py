"""harvest killed, the simulator killed: what the venue sent meanwhile is fetched again where it can be, the book is
synchronised anew, what is gone for good is named once; and such a run equals the replay of its own capture.
"""
import gzip
import itertools
import json
import os
import random
import re

import pytest

import own_capture
import stack as harness

RAW_TRADES = "usdm/btcusdt_20240808.gz"
CUT_LINES = 24000  # about 100 s of market, 7 MB of capture
AGG_TRADES = {"usdm": "cryptofeed/BINANCE_FUTURES-1125a2.0.gz", "spot": "cryptofeed/BINANCE-ee25be.0.gz"}
SEED = int(os.environ.get("ORDERFLOW_SEED", "20240808"))
# A reconnection need not take a second here, and a market that is held (below) does not hang.
QUICK = {**harness.UNHURRIED, "harvest.backoff_initial_ms": 100}


@pytest.fixture(scope="module")
def capture(tmp_path_factory):
    return harness.cut(harness.needed(RAW_TRADES), CUT_LINES, tmp_path_factory.mktemp("capture"))


def restarts(stack, service):
    """Times the service was started again, as the orchestrator said it."""
    return stack.text().count(f"{service} restarted")


def simulator_of(stack, lives):
    """The pid of the simulator in the last of so many lives, as the orchestrator said it: nobody is asked while the market goes on."""
    def said():
        return re.findall(r"simulator (?:starting|restarted) \(pid (\d+)", stack.text())
    harness.wait_for(lambda: len(said()) == lives, 60, f"{lives} lives of the simulator")
    return int(said()[-1])


def wait_captured(stack, bytes_):
    harness.wait_for(lambda: stack.captured() >= bytes_ or stack.process.poll() is not None, 60, f"{bytes_} captured bytes")
    assert stack.process.poll() is None, f"the run ended before {bytes_} bytes:\n{stack.text()[-3000:]}"


def kill(stack, *services):
    for service in services:
        stack.kill(service)


def kill_at(stack, kills):
    """[(captured bytes, services)]: kills them together when so much has been received."""
    lives = 1
    for bytes_, services in kills:
        pid = simulator_of(stack, lives)
        wait_captured(stack, bytes_)
        with harness.market_held(pid):
            kill(stack, *services)
        lives += "simulator" in services


def finish(stack, folder):
    """Its gates hold, its ledger names every hole, and the replay of its own capture is the same run."""
    code = stack.finish()
    harness.assert_sound(stack, code)
    missing = own_capture.assert_holes_are_named_once(stack)
    own_capture.Replay(stack, folder).assert_equals_run()
    return missing


def seeded(name, *ranges):
    generator = random.Random(f"{SEED} {name}")
    values = [generator.randint(low, high) for low, high in ranges]
    print(f"seed {SEED}, {name}: {values}")
    return values


MB = 1 << 20
MOMENTS = {  # captured bytes of some 7.4 MB
    "first rows": [(20_000, 60_000)],
    "near the end": [(6 * MB + 500_000, 6 * MB + 700_000)],  # two seconds of it are left
    "three times": [(MB // 2, MB), (3 * MB // 2, 2 * MB), (5 * MB // 2, 3 * MB)],  # what is missed is missing in the sum
}
SPEEDS = {"first rows": 20, "near the end": 5, "three times": 8}  # a busy machine misses more, and has less time before the end


@pytest.mark.parametrize("services", ["harvest", "simulator", "harvest simulator"])
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_run_equals_the_replay_of_its_own_capture(capture, tmp_path, services, moment):
    services = services.split()
    kills = [(bytes_, services) for bytes_ in seeded(f"{services} {moment}", *MOMENTS[moment])]
    stack = harness.Stack(tmp_path / "run", [capture], speed=SPEEDS[moment], sets=QUICK)
    with stack:
        kill_at(stack, kills)
        finish(stack, tmp_path)
    for service in services:
        assert stack.manifest()["processes"][service]["restart_count"] == len(kills)
    assert stack.manifest()["harvester_metrics"]["reconnect_count"] >= 1  # a life may end before it has opened its socket


@pytest.mark.parametrize("services", ["harvest", "simulator", "harvest simulator"])
def test_killed_in_the_first_synchronisation(capture, tmp_path, services):
    """The snapshot has been asked for and is not there yet; everything received so far is held back."""
    stack = harness.Stack(tmp_path / "run", [capture], speed=20, sets={**QUICK, "simulator.rest_delay_ms": 6000})
    with stack:
        # All of them: were one still on its way to the disk when harvest dies, nothing would join the snapshot to what comes
        # behind it, and the book would rightly be synchronised twice.
        held_back = diffs_before_the_snapshot(capture)
        pid = simulator_of(stack, 1)
        harness.wait_for(lambda: raw_bytes(stack).count(b'"depthUpdate"') >= held_back, 60, "the diffs before the snapshot")
        with harness.market_held(pid):
            assert b"/depth?" not in raw_bytes(stack), "the snapshot came too early for what is tested here"
            kill(stack, *services.split())
        finish(stack, tmp_path)
    (audit,) = stack.summary()["book_audit"].values()
    assert audit["book_resets"] == 1 and audit["different"] == 0


def diffs_before_the_snapshot(capture):
    """The simulator sends no more before the snapshot has been fetched."""
    with gzip.open(capture, "rt") as lines:
        diffs = sum('"depthUpdate"' in line for line in itertools.takewhile(lambda line: "lastUpdateId" not in line, lines))
    assert diffs > 3
    return diffs


def raw_bytes(stack):
    return b"".join(path.read_bytes() for path in sorted((stack.folder / "data" / "raw").rglob("*.ofr")))


@pytest.mark.parametrize("service", ["harvest", "simulator"])
def test_killed_again_as_soon_as_it_is_back(capture, tmp_path, service):
    """The second life ends before what the first one missed is settled."""
    stack = harness.Stack(tmp_path / "run", [capture], speed=20, sets=QUICK)
    with stack:
        pid = simulator_of(stack, 1)
        wait_captured(stack, *seeded(f"{service} twice", (MB, 4 * MB)))
        with harness.market_held(pid):  # it must not be over before the second kill
            kill(stack, service)
            harness.wait_for(lambda: restarts(stack, service) == 1, 60, "the second life")
            if service == "harvest":
                harness.wait_for(lambda: b"harvest was restarted" in raw_bytes(stack), 60, "its first record")
            kill(stack, service)
        finish(stack, tmp_path)
    assert stack.manifest()["processes"][service]["restart_count"] == 2


@pytest.mark.parametrize("services", ["harvest", "harvest simulator"])
def test_killed_at_full_speed(tmp_path, services):
    """At max the market stands still while nobody reads: only what was on its way is lost."""
    stack = harness.Stack(tmp_path / "run", [harness.needed(RAW_TRADES)], speed="max", sets=QUICK)
    with stack:
        kill_at(stack, [(bytes_, services.split()) for bytes_ in seeded(f"{services} max", (2 * MB, 8 * MB))])
        finish(stack, tmp_path)


def test_a_simulator_killed_at_full_speed_loses_nothing(tmp_path):
    undisturbed = harness.Stack(tmp_path / "undisturbed", [harness.needed(RAW_TRADES)], sets=harness.UNHURRIED)
    with undisturbed:
        harness.assert_sound(undisturbed, undisturbed.finish())
    stack = harness.Stack(tmp_path / "run", [harness.needed(RAW_TRADES)], sets=QUICK)
    with stack:
        kill_at(stack, [(bytes_, ["simulator"]) for bytes_ in seeded("simulator max", (2 * MB, 6 * MB), (10 * MB, 14 * MB))])
        assert finish(stack, tmp_path) == 0
    assert own_capture.events(stack, "reconnect") and not own_capture.events(stack, "gap")
    harness.assert_equal_rows(undisturbed, stack, parquet=False)
    for kind in ("prices", "orderbook", "ofi", "cvd", "features"):
        order, excluded = harness.KINDS[kind]
        rows = [[{name: cell for name, cell in row.items() if name not in excluded} for row in run.parquet(kind, order=order)]
                for run in (undisturbed, stack)]
        assert rows[0] == rows[1], kind


@pytest.mark.parametrize("services", ["harvest", "simulator", "harvest simulator"])
@pytest.mark.parametrize("market", AGG_TRADES)
def test_aggregate_trades_are_complete_after_the_back_fill(tmp_path, market, services):
    capture = harness.needed(AGG_TRADES[market])
    recorded = sum(b"\"e\":\"aggTrade\"" in line for line in gzip.open(capture, "rb"))
    stack = harness.Stack(tmp_path / "run", [capture], speed=10, sets=QUICK)
    with stack:
        share = seeded(f"{market} {services}", (200, 500), (600, 850))
        kills = [(per_mille * MB * (2 if market == "usdm" else 3) // 1000 // 2, services.split()) for per_mille in share]
        kill_at(stack, kills)
        assert finish(stack, tmp_path) == 0
    prices = stack.parquet("prices", order="symbol, agg_trade_id")
    assert not any(own_capture.holes(prices).values())
    assert any(row["backfilled"] == "true" for row in prices)
    assert not [gap for gap in own_capture.events(stack, "gap") if gap["channel"] == "trade"]
    assert len(prices) == recorded


def test_killed_during_the_back_fill(tmp_path):
    """REST refuses for some seconds what the restarted harvest asks for; it dies a second time while it waits."""
    faults = tmp_path / "faults"
    faults.write_text(json.dumps({"rest": "aggTrades", "status": 503, "body": "{\"code\":-1001,\"msg\":\"try again\"}",
                                  "times": 3}) + "\n")
    stack = harness.Stack(tmp_path / "run", [harness.needed(AGG_TRADES["usdm"])], speed=20,
                          sets={**QUICK, "simulator.inject": faults})
    with stack:
        kill_at(stack, [(bytes_, ["harvest"]) for bytes_ in seeded("back-fill", (300_000, 900_000))])
        harness.wait_for(lambda: b"/aggTrades?" in raw_bytes(stack), 60, "the first refusal")
        kill(stack, "harvest")
        assert finish(stack, tmp_path) == 0
    prices = stack.parquet("prices", order="symbol, agg_trade_id")
    assert not any(own_capture.holes(prices).values()) and any(row["backfilled"] == "true" for row in prices)


def test_trades_that_rest_does_not_have_are_one_gap(tmp_path):
    faults = tmp_path / "faults"
    faults.write_text(json.dumps({"rest": "aggTrades", "status": 400, "body": "{\"code\":-1130}", "times": 10_000}) + "\n")
    stack = harness.Stack(tmp_path / "run", [harness.needed(AGG_TRADES["usdm"])], speed=10,
                          sets={**QUICK, "simulator.inject": faults})
    with stack:
        kill_at(stack, [(bytes_, ["harvest"]) for bytes_ in seeded("no back-fill", (300_000, 500_000))])
        assert finish(stack, tmp_path) > 0
    said = "".join(path.read_text() for path in (tmp_path / "run/logs/harvest").glob("*_stderr.log"))
    assert " gap " in said and "gap_kind" in said


@pytest.mark.parametrize("service", ["harvest", "simulator"])
def test_a_planned_restart_equals_the_replay_of_its_own_capture(capture, tmp_path, service):
    stack = harness.Stack(tmp_path / "run", [capture], speed=20, sets=QUICK)
    with stack:
        wait_captured(stack, *seeded(f"{service} planned", (2 * MB, 4 * MB)))
        stack.orchctl("restart", service)
        finish(stack, tmp_path)
    assert not stack.manifest()["fault_injection"]


@pytest.mark.parametrize("services", ["harvest", "simulator", "harvest simulator"])
def test_the_synthetic_market_goes_on_at_its_own_pace(tmp_path, services):
    """Same seed, same bytes: after its death the market says what it would have said, at the time it would have."""
    services = services.split()
    stack = harness.Stack(tmp_path / "run", speed=1, sets={**QUICK, "simulator.minutes": 0.25, "simulator.seed": SEED},
                          arguments=["--gates", "replay"])
    with stack:
        kill_at(stack, [(bytes_, services) for bytes_ in seeded(f"{services} synthetic", (100_000, 250_000))])
        assert finish(stack, tmp_path) == 0
    undisturbed = harness.Stack(tmp_path / "undisturbed", speed="max",
                                sets={**harness.UNHURRIED, "simulator.minutes": 0.25, "simulator.seed": SEED}, arguments=["--gates", "replay"])
    with undisturbed:
        harness.assert_sound(undisturbed, undisturbed.finish())
    seen = [{(row["symbol"], row["agg_trade_id"]): (row["ts_ms"], row["price"], row["qty"]) for row in run.parquet("prices")}
            for run in (undisturbed, stack)]
    assert seen[0] == seen[1]
