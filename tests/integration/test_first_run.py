"""What a first run leaves: of the synthetic market as it is when nobody configures it, with both sinks, from its start to its quality report."""
import json

import pytest
import stack

SYMBOL = "BTCUSDT"


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    run = stack.Stack(tmp_path_factory.mktemp("first"), sets={"simulator.minutes": 6}, arguments=["--symbols", SYMBOL])
    with run:
        assert run.finish() in (0, 3), run.text()  # gates of half an hour are not those of six minutes
    return run


def test_the_sinks_are_read_once_for_the_summary_and_its_second_edition_with_the_gates(first):
    log = (first.folder / f"logs/report/{first.run_id}_stderr.log").read_text()
    assert log.count(" sinks_read ") == 1 and log.count("summary run_id=test-run final=1 written=1") == 2, log
    (summary,) = (first.folder / "logs/report").glob("summary_*_jsonl.json")
    assert json.loads(summary.read_text())["gates"], "the second edition"


def test_its_data_pass_and_what_cannot_be_judged_of_such_a_market_says_why(first):
    done = first.orchctl("validate", check=False)
    (path,) = (first.folder / "artifacts/dq_reports").glob("dq_*.json")
    report = json.loads(path.read_text())
    verdicts = {check["id"]: check["verdict"] for check in report["checks"]}
    assert set(verdicts.values()) <= {"PASS", "REPORTED", "NOT_APPLICABLE"}, verdicts
    assert done.returncode == 0 and report["overall_verdict"] == "PASS", done.stdout
    (consistency,) = [check for check in report["checks"] if check["id"] == "consistency"]
    assert consistency["verdict"] == "NOT_APPLICABLE" and "simulator.size_sigma is 0" in consistency["detail"]["reason"]
    assert consistency["detail"]["clamp_violations"] == 0 and consistency["detail"]["scale_distinct_least"] > 1
    assert "sizes have no tail" in done.stdout
