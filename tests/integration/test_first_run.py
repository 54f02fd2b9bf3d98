"""What a first run leaves: of the synthetic market as it is when nobody configures it, with both sinks, from its start to its quality report."""
import json
import re

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
    # The second edition is written once more when its order came twice: one that is not answered within 100 ms is said again.
    assert log.count(" sinks_read ") == 1 and log.count("summary run_id=test-run final=1 written=1") >= 2, log
    (summary,) = (first.folder / "logs/report").glob("summary_*_jsonl.json")
    assert json.loads(summary.read_text())["gates"], "the second edition"


def test_its_data_pass_and_what_cannot_be_judged_of_such_a_market_says_why(first):
    (path,) = (first.folder / "artifacts/dq_reports").glob("dq_*.json")
    report = json.loads(path.read_text())
    assert report["final"], "the run has left one itself"
    done = first.orchctl("validate", check=False)
    verdicts = {check["id"]: check["verdict"] for check in report["checks"]}
    assert set(verdicts.values()) <= {"PASS", "REPORTED", "NOT_APPLICABLE"}, verdicts
    assert done.returncode == 0 and report["overall_verdict"] == "PASS", done.stdout
    (consistency,) = [check for check in report["checks"] if check["id"] == "consistency"]
    assert consistency["verdict"] == "NOT_APPLICABLE" and "simulator.size_sigma is 0" in consistency["detail"]["reason"]
    assert consistency["detail"]["clamp_violations"] == 0 and consistency["detail"]["scale_distinct_least"] > 1
    assert "sizes have no tail" in done.stdout


def test_of_a_check_that_does_not_apply_no_figure_is_printed(first):
    lines = {line.split()[0]: line.split() for line in first.orchctl("validate", check=False).stdout.splitlines() if " NOT_APPLICABLE " in line}
    assert lines and all(words[2:5] == ["-", "must", "be"] for words in lines.values()), lines


def test_report_prints_no_log_line(first):
    done = first.orchctl("report", "--json")
    assert done.stderr == "" and [json.loads(line)["run_id"] for line in done.stdout.splitlines()] == ["test-run"] * 2


def test_the_canary_report_of_a_run_without_a_tag_has_a_whole_heading_and_short_figures(first, tmp_path):
    done = first.orchctl("canary", "report", "--out", str(tmp_path), check=False)
    assert done.returncode == 3 and done.stdout.startswith("# Canary\n\nVerdict **UNKNOWN**"), done
    assert "| canary_auc | BTCUSDT | not measured | >= 0.58 |" in done.stdout
    assert not re.search(r"\d\.\d{6,}", done.stdout), done.stdout
