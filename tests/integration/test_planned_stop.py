"""TERM in the middle of a run: what waits for a fuller batch is written then, and not when the batch would have been due."""
import json
import re

import pytest

import stack as harness

RECORDING = "usdm/btcusdt_20240808.gz"
CUT_LINES = 12000
ATTEMPTS = 2  # a machine may be too busy once for what takes some hundredths of a second


@pytest.fixture(scope="module")
def capture(tmp_path_factory):
    return harness.cut(harness.needed(RECORDING), CUT_LINES, tmp_path_factory.mktemp("capture"))


def test_a_daemon_whose_sinks_would_wait_longer_than_its_stop_may_last_ends_by_itself(capture, tmp_path):
    sets = {"sink.sqlite_flush_ms": 5000, "sink.fsync_interval_ms": 60000, "supervisor.stop_timeout_s": 4,
            "health.heartbeat_timeout_ms": 60000}
    stack = harness.Stack(tmp_path, [capture], speed=4, sets=sets)

    def signal():
        answer = stack.orchctl("status", "signal", "--json", check=False).stdout
        return json.loads(answer)["processes"][0] if answer else {"generation": 0, "sinks": []}

    def ends():
        log = (stack.folder / "logs/orchestrator/orchestrator.log").read_text()
        return re.findall(r" Stop run_id=\S+ name=signal .*exit_code=(-?\d+) .*reason=\"asked\"", log)

    with stack:
        market, tried = stack.simulator_pid(), 0
        while tried < ATTEMPTS and "0" not in ends():
            tried += 1
            harness.wait_for(lambda: signal()["sinks"] and all(sink["lag_rows"] > 0 for sink in signal()["sinks"]), 60, "rows that wait")
            with harness.market_held(market):
                stack.orchctl("restart", "signal")
                harness.wait_for(lambda: signal()["generation"] == 1 + tried, 60, "the next life")
        assert "0" in ends(), "it was killed in the middle of its stop"
        harness.assert_sound(stack, stack.finish())
