"""The orchestrator with the real daemons on a short synthetic market: what it leaves behind, and `orchctl tail`."""
import hashlib
import json
import re
import signal
import sqlite3
import subprocess

import pytest

import stack as harness

RUN = dict(run_id="chain", speed=5, sets={"simulator.minutes": 1, "simulator.seed": 3, "health.heartbeat_timeout_ms": 60000},
           arguments=["--gates", "replay"])


def waited(stack):
    """What tail says while it waits for a row that is far ahead, over several of its questions."""
    said = stack.folder / "tail-ahead"
    with open(said, "wb") as output:
        tail = subprocess.Popen([stack.binaries / "orchctl", "tail", "signal/BTCUSDT", "--from", "1000000"], cwd=stack.folder,
                                stdout=output, stderr=subprocess.STDOUT)
    try:
        harness.wait_for(lambda: said.read_text().endswith("\n"), 60, "a sentence")
        rows = stack.rows_written()
        harness.wait_for(lambda: stack.rows_written() > rows + 100, 60, "rows meanwhile")
        assert tail.poll() is None
    finally:
        tail.kill()
        tail.wait()
    return said.read_text()


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """One run, asked while it goes on; (stack, what was seen)."""
    seen = {}
    with harness.Stack(tmp_path_factory.mktemp("chain"), **RUN) as stack:
        market = stack.simulator_pid()
        harness.wait_for(lambda: stack.rows_written() > 40, 60, "rows in signals.db")
        seen["tail"] = [json.loads(line) for line in
                        stack.orchctl("tail", "signal/BTCUSDT", "--from", "1", "--count", "30").stdout.splitlines()]
        seen["live"] = [json.loads(line) for line in
                        stack.orchctl("tail", "harvest/BTCUSDT", "--count", "20").stdout.splitlines()]
        seen["ahead"] = waited(stack)
        with harness.market_held(market):
            seen["nobody"] = stack.orchctl("tail", "signal/NOBODY", check=False)
            seen["dancer"] = stack.orchctl("tail", "dancer/BTCUSDT", check=False)
            seen["same"] = [stack.orchctl("scale", "signal=1", "features=1", *more, check=False) for more in ([], ["--wait", "5"], ["--wait", "5", "--json"])]
            seen["manifest"] = json.loads(stack.orchctl("manifest").stdout)
            seen["status"] = stack.orchctl("status", check=False)
            seen["json"] = json.loads(stack.orchctl("status", "--json", check=False).stdout)
            seen["kill"] = stack.orchctl("kill", "features", "--wait", "60")
        seen["code"] = stack.finish()
    return stack, seen


def test_the_run_passes_its_gates(finished):
    stack, seen = finished
    assert seen["code"] == 0, stack.text()[-4000:]
    manifest = stack.manifest()
    assert manifest["overall_verdict"] == "PASS" and manifest["state"] == "finished"
    for gate in manifest["gates"]:
        assert gate["verdict"] == "PASS" and gate["measured"] is not None and gate["source_file"], gate


def test_tail_shows_rows_of_the_journal_and_live_ones(finished):
    stack, seen = finished
    rows = seen["tail"]
    assert [row["sequence"] for row in rows] == list(range(1, 31))
    columns, stored = stack.sqlite_rows()
    by_seq = {row[columns.index("seq")]: dict(zip(columns, row)) for row in stored
              if row[columns.index("symbol")] == "BTCUSDT"}
    for row in rows:
        for name, value in by_seq[row["row"]["seq"]].items():
            assert row["row"][name] == value or (isinstance(row["row"][name], bool) and row["row"][name] == bool(value))
    sequences = [row["sequence"] for row in seen["live"]]
    assert sequences == list(range(sequences[0], sequences[0] + 20)) and sequences[0] > 1
    assert {row["kind"] for row in seen["live"]} <= {"trade", "book", "quote_audit", "event", "control"}


def test_tail_of_what_is_not_there_is_an_error(finished):
    _, seen = finished
    assert seen["nobody"].returncode == 1 and "signal/NOBODY" in seen["nobody"].stderr
    assert seen["dancer"].returncode == 1 and "harvest, features, signal, broker" in seen["dancer"].stderr


def test_tail_says_once_which_row_it_waits_for_and_which_is_the_newest(finished):
    _, seen = finished
    found = re.fullmatch(r"orchctl: signal/BTCUSDT: waits for row 1000000; the newest one is (\d+)\n", seen["ahead"])
    assert found and int(found[1]) >= 30, seen["ahead"]


def test_who_asks_when_the_run_is_over_is_told_so(finished):
    stack, _ = finished
    done = stack.orchctl("status", check=False)
    assert done.returncode == 1 and "run chain is over; `orchctl report` and `orchctl manifest` tell how it was" in done.stderr, done


def test_an_unknown_symbol_or_run_is_an_unknown_name_for_why_too(finished):
    stack, _ = finished
    for words in (["NOSUCH", "1"], ["NOSUCH/BTCUSDT/1"], ["--all", "NOSUCH"], ["BTCUSDT", "1", "NOSUCH"]):
        done = stack.orchctl("why", *words, check=False)
        assert (done.returncode, done.stdout) == (1, "") and "NOSUCH" in done.stderr, done


def test_scaling_to_what_is_there_already_says_so_and_moves_nobody(finished):
    stack, seen = finished
    said, waited_for, as_json = seen["same"]
    assert [done.returncode for done in seen["same"]] == [0, 0, 0]
    assert said.stdout == waited_for.stdout == "signal already has 1 instance: nothing to do\nfeatures already has 1 instance: nothing to do\n"
    assert json.loads(as_json.stdout) == {"run_id": "chain", "plan_version": 1, "note": "nothing to do"}
    assert " Scale " not in (stack.folder / "logs/orchestrator/orchestrator.log").read_text()


def test_the_manifest_of_a_run_that_goes_on_is_of_that_moment(finished):
    stack, seen = finished
    live, last = seen["manifest"], stack.manifest()
    assert live.keys() == last.keys() and (live["state"], live["final"], live["gates"]) == ("running", False, None)
    assert live["config_fingerprint"] == last["config_fingerprint"] and 0 < live["duration_s"] < last["duration_s"]
    assert live["processes"]["signal"]["pid"] and live["harvester_metrics"]["queue_dropped"] == 0


def test_status_shows_every_process(finished):
    _, seen = finished
    names = [process["name"] for process in seen["json"]["processes"]]
    assert names == ["simulator", "harvest", "archive", "features", "signal", "broker", "report"]
    for name in names:
        assert f"\n{name} " in seen["status"].stdout
    assert seen["status"].returncode in (0, 4)


def test_the_fault_is_in_manifest_and_summary(finished):
    stack, seen = finished
    assert "features caught up after" in seen["kill"].stdout
    (fault,) = stack.manifest()["fault_injection"]
    assert fault["verdict"] == "PASS" and fault["rows_lost"] == 0 and fault["rows_duplicated"] == 0
    assert fault["parity_verdict"] == "PASS" and fault["recovery_ms"] < 12000
    (copy,) = stack.summary("jsonl")["fault_injection"]
    assert copy["process"] == "features" and copy["recovery_ms"] == fault["recovery_ms"]


def test_the_summaries_carry_every_gate_of_the_run_those_too_that_only_its_end_decides(finished):
    stack, _ = finished
    manifest = stack.manifest()
    assert {"ledger", "shutdown_order", "shutdown_kills"} <= {gate["id"] for gate in manifest["gates"]}
    for sink in ("jsonl", "sqlite"):
        summary = stack.summary(sink)
        assert (summary["gates"], summary["overall_verdict"]) == (manifest["gates"], manifest["overall_verdict"])
        assert manifest["report"][sink] == summary
        (page,) = (stack.folder / "logs/report").glob(f"summary_*_{sink}.md")
        table = page.read_text().split("\n## Gates\n")[1].split("\n## ")[0]
        assert re.findall(r"^\| ([a-z]\w+) \|", table, re.M)[1:] == [gate["id"] for gate in manifest["gates"]]


def test_between_the_last_exit_and_the_verdict_it_says_what_is_being_done(finished):
    stack, _ = finished
    last = stack.text().split("simulator stopped: ")[1]
    steps = re.findall(r"concluding: (.+) …$", last, re.M)
    assert "the loss ledger" in steps and "the last figures' place in the summaries" in steps, last
    before = re.findall(r"concluding: (.+) …$", stack.text().split("simulator stopped: ")[0], re.M)
    assert "report reads the sinks, for summaries and parity" in before and "the gates that can be judged before the stop" in before
    log = (stack.folder / "logs/orchestrator/orchestrator.log").read_text()
    assert re.findall(r'concluding run_id=chain step="(.+)"', log) == before + steps


def test_the_source_manifest_is_read_from_the_capture(finished):
    stack, _ = finished
    source = json.loads((stack.folder / "artifacts/source_manifest_chain.json").read_text())
    assert source["symbols"] == ["BTCUSDT", "ETHUSDT"] and source["input_mode"] == "raw"
    (endpoint,) = source["ws_endpoints"]
    assert endpoint["url"].startswith("ws://127.0.0.1:") and endpoint["messages"] > 100
    assert any(name.startswith("btcusdt@depth") for name in endpoint["streams"])
    assert endpoint["opened_at"] <= endpoint["closed_at"]
    assert source["session_start"] <= source["session_end"]
    assert set(source["config_snapshot"]) == {"harvest", "features", "signal", "broker"}


def test_the_manifest_says_which_versions_were_loaded(finished):
    versions = finished[0].manifest()["versions"]
    libraries = {name: versions[name] for name in ("zmq", "msgpack", "duckdb", "sqlite", "libyaml", "libwebsockets")}
    assert all(re.fullmatch(r"\d+\.\d+(\.\d+)?", version) for version in libraries.values()), libraries
    assert libraries["sqlite"] == sqlite3.sqlite_version, "the system has one"


def test_files_in_the_manifest_have_the_content_it_says(finished):
    stack, _ = finished
    manifest = stack.manifest()
    assert manifest["raw_files"] and len(manifest["evidence"]) == 4
    for entry in manifest["raw_files"] + manifest["evidence"]:
        data = (stack.folder / entry["path"]).read_bytes()
        assert len(data) == entry["bytes"] and hashlib.sha256(data).hexdigest() == entry["sha256"], entry
    assert set(manifest["report"]) == {"jsonl", "sqlite"}
    assert manifest["report"]["jsonl"]["total"] == len(stack.sqlite_rows()[1])


def test_the_effective_configuration_says_what_the_simulator_served(finished):
    stack, _ = finished
    shown = stack.orchctl("config", "show").stdout
    assert "harvest.combined_url = ws://127.0.0.1:" in shown and "run.run_id = chain" in shown
    fingerprint = stack.orchctl("config", "fingerprint").stdout.strip()
    assert fingerprint == stack.manifest()["config_fingerprint"]
    same = stack.orchctl("config", "diff", "runtime/effective_config.json", "runtime/effective_config.json")
    assert same.stdout == "0 keys differ\n"


def test_a_capture_that_is_not_there_ends_at_once(tmp_path):
    with harness.Stack(tmp_path, ["/nowhere.gz"]) as stack:
        assert stack.finish(60) == 2
    assert "/nowhere.gz cannot be read" in stack.text()


def test_symbols_that_are_not_served_are_a_mistake_of_configuration(tmp_path):
    with harness.Stack(tmp_path, run_id="r", sets={"simulator.minutes": 0.1, "simulator.symbols": "AAAUSDT"},
                       arguments=["--symbols", "BBBUSDT"]) as stack:
        assert stack.finish(60) == 2
    assert "BBBUSDT is not in what the simulator serves" in stack.text()


def test_a_report_that_reads_nobody_is_not_waited_for(tmp_path):
    with harness.Stack(tmp_path / "run", enable="simulator,report", arguments=["--minutes", "0.01", "--gates", "none"]) as stack:
        stack.finish(90)
    assert "report stopped: exit 0" in stack.text() and "did not drain in time" not in stack.text(), stack.text()


def test_a_second_interrupt_skips_the_drain_and_not_the_day_report(tmp_path):
    with harness.Stack(tmp_path / "run", run_id="chain", speed=1, arguments=["--gates", "none"]) as stack:
        harness.wait_for(lambda: stack.rows_written() > 40, 60, "rows in signals.db")
        stack.process.send_signal(signal.SIGINT)
        harness.wait_for(lambda: "ending: interrupted" in stack.text(), 60, "the first interrupt to be heard")
        stack.process.send_signal(signal.SIGINT)
        stack.finish(120)
    parity = json.loads((stack.folder / "artifacts/parity_diff_chain.json").read_text())
    summaries = [json.loads(path.read_text()) for path in (stack.folder / "logs/report").glob("summary_*.json")]
    assert parity["verdict"] == "PASS" and len(summaries) == 2, stack.text()
    assert all(summary["total"] > 40 for summary in summaries), summaries
