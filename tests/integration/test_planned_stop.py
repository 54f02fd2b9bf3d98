"""TERM in the middle of a run: what waits for a fuller batch is written then, and not when the batch would have been due."""
import json
import re

import pytest

import stack as harness

RECORDING = "usdm/btcusdt_20240808.gz"
CUT_LINES = 12000


@pytest.fixture(scope="module")
def capture(tmp_path_factory):
    return harness.cut(harness.needed(RECORDING), CUT_LINES, tmp_path_factory.mktemp("capture"))


def test_a_daemon_whose_sinks_would_wait_longer_than_its_stop_may_last_ends_by_itself(capture, tmp_path):
    sets = {"sink.sqlite_flush_ms": 5000, "sink.fsync_interval_ms": 60000, "supervisor.stop_timeout_s": 4,
            "health.heartbeat_timeout_ms": 60000}
    stack = harness.Stack(tmp_path, [capture], speed=8, sets=sets)

    def signal():
        answer = stack.orchctl("status", "signal", "--json", check=False).stdout
        return json.loads(answer)["processes"][0] if answer else {"generation": 0, "sinks": []}

    with stack:
        market = stack.simulator_pid()
        harness.wait_for(lambda: signal()["sinks"] and all(sink["lag_rows"] > 0 for sink in signal()["sinks"]), 60, "rows that wait")
        with harness.market_held(market):
            stack.orchctl("restart", "signal")
            harness.wait_for(lambda: signal()["generation"] == 2, 60, "the second life")
        harness.assert_sound(stack, stack.finish())
    log = (stack.folder / "logs/orchestrator/orchestrator.log").read_text()
    ends = re.findall(r" Stop run_id=\S+ name=signal .*exit_code=(-?\d+) .*generation=1 reason=\"asked\"", log)
    assert ends == ["0"], "it was killed in the middle of its stop"
