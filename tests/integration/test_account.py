"""The loss ledger: `orchctl account` on a run that goes on, on one that has ended, and on one that something was taken from."""
import collections
import contextlib
import json
import re
import resource
import shutil
import signal
import sqlite3
import struct
import subprocess

import pytest

import stack as harness

RECORDING = "usdm/btcusdt_20240808.gz"
CUT_LINES = 12000
# A market that is held does not hang, nor does who waits for the machine: what is compared is what nobody but the test has disturbed.
HELD = {"health.heartbeat_timeout_ms": 60000}
SERVICES = ["harvest", "archive", "features", "signal", "broker", "report"]


@pytest.fixture(scope="module")
def capture(tmp_path_factory):
    return harness.cut(harness.needed(RECORDING), CUT_LINES, tmp_path_factory.mktemp("capture"))


@pytest.fixture(scope="module")
def finished(capture, tmp_path_factory):
    stack = harness.Stack(tmp_path_factory.mktemp("finished"), [capture], sets=HELD)
    with stack:
        harness.assert_sound(stack, stack.finish())
    return stack


@pytest.fixture
def copy(finished, tmp_path):
    """The finished run's folder, to be damaged."""
    shutil.copytree(finished.folder, tmp_path / "run", ignore=shutil.ignore_patterns("*.sock", "*.pub", "*.ctl"))
    return harness.Stack(tmp_path / "run")


def account(stack, code, *arguments):
    done = stack.orchctl("account", "--json", "--timeout", "60", *arguments, check=False)
    assert done.returncode == code, f"{done.returncode}: {done.stdout[-3000:]} {done.stderr}"
    ledger = json.loads(done.stdout)
    assert ledger["verdict"] == ("PASS" if code == 0 else ledger["verdict"])
    return ledger


def wrong(ledger):
    return {line["id"]: line["verdict"] for line in ledger["lines"] if line["verdict"] not in ("BALANCED", "OUTSTANDING")}


def line_of(ledger, name, symbol=None):
    (line,) = [line for line in ledger["lines"] if line["id"] == name and symbol in (None, line["symbol"])]
    return line


def record_kinds(stack):
    """{kind: records} of the raw capture."""
    kinds = collections.Counter()
    for path in (stack.folder / "data/raw").rglob("*.ofr"):
        data, at = path.read_bytes(), 32
        while at < len(data):
            (payload_bytes,), (kind,) = struct.unpack_from("<I", data, at), struct.unpack_from("<H", data, at + 32)
            kinds[kind] += 1
            at += 40 + payload_bytes
    return kinds


# ---- a run that has ended ----

def test_every_line_balances_and_counts_what_was_there(finished):
    ledger = account(finished, 0)
    assert not ledger["live"] and not ledger["problems"]
    assert ledger["balanced"] == len(ledger["lines"]) >= 45
    assert ledger["outstanding"] == ledger["unbalanced"] == ledger["unknown"] == 0
    kinds = record_kinds(finished)
    assert line_of(ledger, "capture_messages")["in"]["capture:messages"] == kinds[1] > 10000
    assert line_of(ledger, "capture_rest")["in"]["capture:rest_answers"] == kinds[4] > 0
    assert line_of(ledger, "sqlite")["out"]["sqlite:distinct.signals"] == len(finished.sqlite_rows()[1]) > 0
    assert line_of(ledger, "mock_orders")["out"]["orders:distinct.orders"] == len(finished.orders()) > 0
    for kind in harness.KINDS:
        assert line_of(ledger, f"parquet_{kind}")["out"][f"parquet:distinct.{kind}"] == len(finished.parquet(kind)), kind
    losses = {loss["id"]: loss["count"] for loss in ledger["losses"]}
    assert losses["dead_letters"] == 0 and losses["features_lost_harvest"] == 0


def test_it_is_in_the_manifest_and_its_gate_passes(finished):
    manifest = finished.manifest()
    assert manifest["ledger"] == json.loads(finished.ledger_bytes()) == account(finished, 0)
    (gate,) = [gate for gate in manifest["gates"] if gate["id"] == "ledger"]
    assert gate["verdict"] == "PASS" and gate["measured"] == 0
    path = f"artifacts/run_logs/ledger_{finished.run_id}.json"
    assert any(entry["path"].endswith(path) for entry in manifest["evidence"])


@pytest.mark.parametrize("damage", [lambda given: given.unlink(), lambda given: given.write_bytes(given.read_bytes()[:-20])], ids=["gone", "torn"])
def test_summaries_keep_what_they_say_where_it_is_not_known_what_was_given_at_the_end(copy, damage):
    """Nothing given would read as if there had been neither gates nor alerts nor faults."""
    def given():
        return subprocess.run([str(harness.BIN / "report_again"), "given"], cwd=copy.folder, capture_output=True, text=True, timeout=60)
    assert given().returncode == 0
    before = {path: path.read_bytes() for path in (copy.folder / "logs/report").glob("summary_*")}
    damage(copy.folder / "runtime/summary_given.json")
    done = given()
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done
    assert len(before) == 4 and {path: path.read_bytes() for path in before} == before
    assert copy.summary()["overall_verdict"] == "PASS" and copy.summary()["gates"]


def test_the_text_says_the_same(finished):
    done = finished.orchctl("account")
    assert f"run {finished.run_id}, finished" in done.stdout
    assert "\ntrades " in done.stdout and done.stdout.rstrip().endswith("0 outstanding, 0 unbalanced, 0 unknown")


def test_an_earlier_run_of_the_folder_can_still_be_accounted_for(copy, capture, finished):
    again = harness.Stack(copy.folder, [capture], run_id="second", sink="jsonl")
    with again:
        harness.assert_sound(again, again.finish())
    assert account(again, 0)["run_id"] == "second"
    assert account(again, 0, "--run-id", finished.run_id) == json.loads(finished.ledger_bytes())


# ---- something is missing ----

def cut_line(path):
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-1]))


def remove_jsonl_line(copy):
    cut_line(sorted((copy.folder / "runtime/ready/signal").rglob("*.jsonl"))[0])


def remove_sqlite_row(copy):
    with contextlib.closing(sqlite3.connect(copy.folder / "runtime/signals.db")) as database:
        assert database.execute("delete from signals where rowid in (select rowid from signals limit 1)").rowcount == 1
        database.commit()


def remove_order(copy):
    cut_line(copy.folder / "runtime/mock_orders.jsonl")


def remove_part(copy):
    next((copy.folder / "data/ofi_cvd").rglob("kind=cvd/*.parquet")).unlink()


def truncate_capture(copy):
    path = sorted((copy.folder / "data/raw").rglob("*.ofr"))[-1]
    with open(path, "r+b") as file:
        file.truncate(path.stat().st_size - 30000)


def double_jsonl_line(copy):
    path = sorted((copy.folder / "runtime/ready/signal").rglob("*.jsonl"))[0]
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines + lines[-1:]))


def double_part(copy):
    path = next((copy.folder / "data/ofi_cvd").rglob("kind=ofi/*.parquet"))
    shutil.copy(path, path.with_name(path.name.replace(".parquet", "9.parquet").replace("-h9", "9-h")))


def forge_counter(copy):
    path = copy.folder / f"artifacts/run_logs/ledger_{copy.run_id}/broker.json"
    ledger = json.loads(path.read_text())
    ledger["symbols"]["BTCUSDT"]["not_sampled"] += 1
    path.write_text(json.dumps(ledger))


DAMAGES = {remove_jsonl_line: {"jsonl"}, remove_sqlite_row: {"sqlite"}, remove_order: {"mock_orders"},
           remove_part: {"parquet_cvd"}, truncate_capture: {"socket", "capture_messages", "capture_other"},
           double_jsonl_line: {"jsonl_once"}, double_part: {"parquet_once"}, forge_counter: {"orders"}}


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_what_is_missing_or_doubled_names_its_line(copy, damage):
    account(copy, 0)
    damage(copy)
    ledger = account(copy, 3)
    assert ledger["verdict"] == "FAIL"
    assert wrong(ledger) == {name: "UNBALANCED" for name in DAMAGES[damage]}
    text = copy.orchctl("account", check=False)
    assert text.returncode == 3
    for name in DAMAGES[damage]:
        assert any(row.startswith(name + " ") and row.endswith("UNBALANCED") for row in text.stdout.splitlines())


def remove_counters(copy):
    (copy.folder / f"artifacts/run_logs/ledger_{copy.run_id}/features.json").unlink()


def damage_counters(copy):
    path = copy.folder / f"artifacts/run_logs/ledger_{copy.run_id}/features.json"
    path.write_bytes(path.read_bytes()[:-40])


def mute_counter(copy):
    path = copy.folder / f"artifacts/run_logs/ledger_{copy.run_id}/features.json"
    path.write_text(path.read_text().replace('"side_unknown"', '"side_quiet"'))


def remove_database(copy):
    (copy.folder / "runtime/signals.db").unlink()


def damage_part(copy):
    path = next((copy.folder / "data/ofi_cvd").rglob("kind=cvd/*.parquet"))
    path.write_bytes(path.read_bytes()[:-10])


def damage_capture(copy):
    path = sorted((copy.folder / "data/raw").rglob("*.ofr"))[0]
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


UNREADABLE = {remove_counters: ("features_grid", "features.json"), damage_counters: ("features_grid", "features.json"),
              mute_counter: ("features_trades", None), remove_database: ("sqlite", "signals.db"),
              damage_part: ("parquet_cvd", "kind cvd"), damage_capture: ("capture_messages", ".ofr")}


@pytest.mark.parametrize("damage", UNREADABLE, ids=lambda damage: damage.__name__)
def test_what_cannot_be_read_is_unknown_and_fails(copy, damage):
    damage(copy)
    ledger = account(copy, 3)
    line, place = UNREADABLE[damage]
    assert ledger["verdict"] == "UNKNOWN" and set(wrong(ledger).values()) == {"UNKNOWN"} and line in wrong(ledger)
    assert place is None or any(place in problem for problem in ledger["problems"]), ledger["problems"]


def test_an_empty_folder_and_a_run_that_was_not_here_are_no_success(finished, tmp_path):
    empty = harness.Stack(tmp_path).orchctl("account", check=False)
    assert empty.returncode == 1 and "no run is recorded in this folder" in empty.stderr
    other = finished.orchctl("account", "--run-id", "other", check=False)
    assert other.returncode == 1 and "there is no run other here" in other.stderr
    bad = finished.orchctl("account", "--run-id", "../x", check=False)
    assert bad.returncode == 2 and "is not a run id" in bad.stderr


# ---- runs that were disturbed ----

def harvest_of(stack):
    """What the orchestrator knows of harvest; nothing, before it listens. No status file can be written on a full disk."""
    answer = stack.orchctl("status", "harvest", "--json", check=False).stdout
    return json.loads(answer)["processes"][0] if answer else {"generation": 0, "counters": {}, "heartbeat": {"seq": 0}}


def test_an_unbalanced_ledger_fails_the_run(capture, tmp_path):
    """A row taken out of signals.db behind the last signal, while the run is still judged by what it holds."""
    stack = harness.Stack(tmp_path, [capture], sink="sqlite", speed=5, sets=HELD, arguments=["--gates", "replay"])
    with stack:
        market = stack.simulator_pid()
        harness.wait_for(lambda: stack.rows_written() > 60, 60, "some signals")
        trigger = "create trigger forget after insert on signals when new.seq = 300 begin delete from signals where seq = 200; end"
        with harness.market_held(market), contextlib.closing(sqlite3.connect(tmp_path / "runtime/signals.db", timeout=10)) as database:
            database.execute(trigger)
            database.execute("delete from signals where seq = 50")
            database.commit()
        assert stack.finish() == 3
    (gate,) = [gate for gate in stack.manifest()["gates"] if gate["id"] == "ledger"]
    assert gate["verdict"] == "FAIL" and gate["measured"] == 1
    assert wrong(account(stack, 3)) == {"sqlite": "UNBALANCED"}


def test_killing_every_daemon_leaves_the_same_ledger(capture, finished, tmp_path):
    stack = harness.Stack(tmp_path, [capture], speed=5, sets=HELD)
    with stack:
        for rows, service in enumerate(SERVICES[1:], 1):
            harness.wait_for(lambda: stack.rows_written() >= 20 * rows, 60, f"{20 * rows} rows")
            stack.kill(service)
        harness.assert_sound(stack, stack.finish())
    assert stack.ledger_bytes() == finished.ledger_bytes(), harness.ledger_difference(stack, finished)


def test_a_killed_harvest_still_balances_and_names_what_it_missed(capture, tmp_path):
    stack = harness.Stack(tmp_path, [capture], speed=5, sets=HELD)
    with stack:
        market = stack.simulator_pid()
        harness.wait_for(lambda: stack.rows_written() > 60, 60, "rows")
        with harness.market_held(market):
            stack.orchctl("kill", "harvest")
            harness.wait_for(lambda: harvest_of(stack)["generation"] == 2, 60, "its second life: there is a market for it")
        stack.finish()
    ledger = account(stack, 0)
    assert loss(ledger, "reconnects") >= 1


def loss(ledger, name):
    (count,) = [loss["count"] for loss in ledger["losses"] if loss["id"] == name]
    return count


def test_what_never_got_into_the_capture_is_known_after_harvest_was_killed(capture, tmp_path):
    """Messages above 8 MiB: no record of the capture says so."""
    large = "x" * (8 * 1024 * 1024 + 1)
    faults = tmp_path / "faults"
    faults.write_text("".join(json.dumps({"after": after, "raw": large}) + "\n" for after in (500, 1000)))
    stack = harness.Stack(tmp_path / "run", [capture], speed=5, sets={**HELD, "simulator.inject": faults, "journal.state_interval_ms": 50})

    def harvest(counter):
        return stack.statuses().get("harvest", {}).get("counters", {}).get(counter, 0)

    with stack:
        harness.wait_for(lambda: harvest("messages_too_large") == 2, 60, "two messages too large")
        commits = harvest("stage_commits")
        harness.wait_for(lambda: harvest("stage_commits") > commits, 60, "a second's commits behind them")
        stack.orchctl("kill", "harvest")
        stack.finish()
    assert stack.manifest()["processes"]["harvest"]["restart_count"] == 1
    ledger = account(stack, 0)
    assert loss(ledger, "messages_too_large") == 2 and loss(ledger, "queue_dropped") == 0


def messages_before_the_restart(stack):
    """Messages in the raw capture in front of the record that a second life of harvest begins with."""
    count = 0
    for path in sorted((stack.folder / "data/raw").rglob("*.ofr"), key=lambda path: path.name.rsplit("-", 1)[1]):
        data, at = path.read_bytes(), 32
        while at < len(data):
            (payload_bytes,), (kind,) = struct.unpack_from("<I", data, at), struct.unpack_from("<H", data, at + 32)
            at += 40 + payload_bytes
            if kind == 3 and data[at - payload_bytes:at] == b"harvest was restarted":
                return count
            count += kind == 1
    raise AssertionError("harvest was not restarted")


def test_a_planned_end_writes_what_waited_for_the_disk(capture, tmp_path):
    """TERM while the disk takes nothing: the fault ends with it, and all the socket gave is in the capture."""
    stack = harness.Stack(tmp_path / "run", [capture], speed=3, sets=HELD)

    def harvest(counter):
        return harvest_of(stack)["counters"].get(counter, 0)

    with stack:
        harness.wait_for(lambda: harvest("socket_messages") > 500, 60, "messages")
        stack.orchctl("fault", "disk_full", "harvest", "--for", "60s", "--force", "--no-wait")
        harness.wait_for(lambda: harvest("receiver_pauses") > 0, 60, "a batch that the disk did not take")
        stack.orchctl("restart", "harvest")
        harness.wait_for(lambda: harvest_of(stack)["generation"] == 2, 60, "the second life")
        ledger = json.loads((stack.folder / f"artifacts/run_logs/ledger_{stack.run_id}/harvest.json").read_text())
        stack.finish()
    assert ledger["run"]["socket_messages"] == messages_before_the_restart(stack) > 500
    assert ledger["run"]["queue_dropped"] == 0 and loss(account(stack, 0), "queue_dropped") == 0


def test_a_planned_end_whose_losses_nothing_would_keep_fails_the_run(capture, tmp_path):
    """TERM while neither capture nor journal can be written, to the end: the next life cannot know what was lost."""
    stack = harness.Stack(tmp_path / "run", [capture], speed=3, sets=HELD)

    def harvest():
        return harvest_of(stack)

    def told_by_now():
        """What harvest has counted by now: of a heartbeat that was not on its way already."""
        seq = harvest()["heartbeat"]["seq"]
        return harness.wait_for(lambda: (now := harvest())["heartbeat"]["seq"] > seq + 3 and now["counters"], 60, "heartbeats")

    with stack:
        harness.wait_for(lambda: harvest()["counters"].get("socket_messages", 0) > 500, 60, "messages")
        stack.orchctl("fault", "disk_full", "harvest", "--for", "200ms", "--force", check=False)  # from then on SIGXFSZ is only counted
        before = told_by_now()["receiver_pauses"]
        resource.prlimit(harvest()["pid"], resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))  # no lease: TERM does not end it
        harness.wait_for(lambda: harvest()["counters"].get("receiver_pauses", 0) > before, 60, "a batch that the disk did not take")
        stack.orchctl("restart", "harvest")
        harness.wait_for(lambda: harvest()["generation"] == 2, 60, "the second life")
        assert stack.finish() == 3
    log = (stack.folder / f"logs/harvest/{stack.run_id}_stderr.log").read_text()
    assert re.search(r"records_dropped .*records=[1-9]", log)
    process = stack.manifest()["processes"]["harvest"]
    assert process["untold_losses"] == 1 and not process["killed_on_stop"]
    gates = {gate["id"]: gate for gate in stack.manifest()["gates"]}
    assert gates["dropped"]["verdict"] == "UNKNOWN" and gates["dropped"]["measured"] is None


def test_what_is_lost_at_the_last_exit_stands_in_the_summaries(capture, tmp_path):
    """harvest gives up at TERM what the disk never took: its counter moves behind the summaries that report wrote."""
    stack = harness.Stack(tmp_path / "run", [capture], speed=10, sets={"supervisor.stop_timeout_s": 2})

    def harvest():
        answer = stack.orchctl("status", "harvest", "--json", check=False).stdout
        return json.loads(answer)["processes"][0] if answer else {"counters": {}}

    with stack:
        harness.wait_for(lambda: harvest()["counters"].get("socket_messages", 0) > 500, 60, "messages")
        stack.orchctl("fault", "disk_full", "harvest", "--for", "200ms", "--force", check=False)  # from then on SIGXFSZ is only counted
        before = harvest()["counters"]["receiver_pauses"]
        resource.prlimit(harvest()["pid"], resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        harness.wait_for(lambda: harvest()["counters"].get("receiver_pauses", 0) > before, 60, "a batch that the disk did not take")
        for said in ("ending: interrupted", "interrupted again"):  # whoever cannot drain is not waited for
            stack.process.send_signal(signal.SIGINT)
            harness.wait_for(lambda: said in stack.text(), 60, said)
        assert stack.finish() in (3, 4)  # 4: found not healthy when it was looked at last
    log = (stack.folder / f"logs/harvest/{stack.run_id}_stderr.log").read_text()
    lost = sum(int(records) for records in re.findall(r"records_dropped .*records=(\d+)", log))
    manifest = stack.manifest()
    assert manifest["harvester_metrics"]["queue_dropped"] == lost > 0
    for sink in ("jsonl", "sqlite"):
        summary = stack.summary(sink)
        assert summary["harvester_metrics"] == manifest["harvester_metrics"] and summary == manifest["report"][sink]
        assert f"| queue_dropped | {lost:,} |" in stack.summary_text(sink)


# ---- a run that goes on ----

@pytest.fixture(scope="module")
def living(tmp_path_factory):
    stack = harness.Stack(tmp_path_factory.mktemp("living"), run_id="living", speed=5, sets=HELD)
    with stack:
        harness.wait_for(lambda: stack.rows_written() > 30, 60, "the first signals")
        yield stack


def test_a_living_run_balances_but_for_what_is_on_its_way(living):
    for _ in range(5):
        ledger = account(living, 0)
        assert ledger["live"] and not ledger["problems"] and ledger["unknown"] == 0
        assert all(line["difference"] >= 0 for line in ledger["lines"])
        assert line_of(ledger, "trades", "BTCUSDT")["verdict"] == "BALANCED"
        assert {line["id"] for line in ledger["lines"] if line["verdict"] == "OUTSTANDING"} >= {"parquet_prices"}
    assert "still running" in living.orchctl("account").stdout


def test_a_run_whose_orchestrator_died_is_a_living_one(tmp_path):
    """Its daemons work on: what is on its way is outstanding, and nothing is final."""
    stack = harness.Stack(tmp_path, run_id="orphaned", speed=5, sets=HELD)
    with stack:
        harness.wait_for(lambda: stack.rows_written() > 30, 60, "the first signals")
        stack.process.kill()
        stack.process.wait()
        ledger = account(stack, 0)
        assert ledger["live"] and ledger["unbalanced"] == 0
        assert "final figures" not in stack.orchctl("report", check=False).stdout
        stack.output.close()
        stack.__enter__()
        harness.wait_for(lambda: "goes on" in stack.text(), 60, "another orchestrator")
        stack.orchctl("shutdown")
        assert stack.finish() in (0, 3)


def test_a_living_run_with_a_row_too_few_is_outstanding_with_one_too_many_it_fails(living):
    with contextlib.closing(sqlite3.connect(living.folder / "runtime/signals.db", timeout=10)) as database:
        row = database.execute("select * from signals where run_id = 'living' limit 1").fetchone()
        columns = [column[1] for column in database.execute("pragma table_info(signals)")]
        for n in range(1000):
            forged = list(row)
            forged[columns.index("ts_ms")] = 1 + n
            forged[columns.index("seq")] = 10**9 + n
            database.execute(f"insert into signals values ({','.join('?' * len(row))})", forged)
        database.commit()
        try:
            assert wrong(account(living, 3)) == {"sqlite": "UNBALANCED"}
        finally:
            database.execute("delete from signals where seq >= ?", (10**9,))
            database.commit()
    account(living, 0)


def test_a_service_that_does_not_answer_is_said(living):
    living.orchctl("pause", "broker")
    try:
        done = subprocess.run([str(harness.BIN / "orchctl"), "account", "--json", "--timeout", "0.5"], cwd=living.folder,
                              capture_output=True, text=True)
        ledger = json.loads(done.stdout)
        assert done.returncode == 3 and ledger["verdict"] == "UNKNOWN"
        assert any("broker does not answer" in problem for problem in ledger["problems"])
        assert line_of(ledger, "orders", "BTCUSDT")["missing"] == "broker:confirmed_signals"
    finally:
        living.orchctl("resume", "broker")
