"""`orchctl soak`: a real run of ten minutes of market time at twenty times the speed, with a fault in the middle, exported to a
real Pushgateway, judged by every gate; and what `orchctl evidence verify` says when anything in the pack or in the data is not as
it was. Also validate, parity, report and clean on what the run left."""
import hashlib
import json
import os
import re
import shutil
import sqlite3
import subprocess

import pytest

import servers
import stack as harness

RUN = "soaked"


def orchctl(folder, *arguments, environment=None, seconds=240):
    return subprocess.run([str(harness.BIN / "orchctl"), *map(str, arguments)], cwd=folder, capture_output=True, text=True,
                          timeout=seconds, env={**os.environ, **(environment or {})})


@pytest.fixture(scope="module")
def pushgateway(tmp_path_factory):
    with servers.Pushgateway(tmp_path_factory.mktemp("gateway")).run() as gateway:
        yield gateway.url


@pytest.fixture(scope="module")
def soaked(pushgateway, tmp_path_factory):
    """The folder of the run, and what orchctl said. Patience with heartbeats is not what is tested here: the machine may have
    much else to do."""
    folder = tmp_path_factory.mktemp("soak")
    (folder / "patient.yaml").write_text("health:\n  heartbeat_timeout_ms: 20000\nscale:\n  harvest: 2\nsupervisor:\n  stop_timeout_s: 20\n")
    done = orchctl(folder, "soak", "--minutes", 10, "--time-scale", 20, "--run-id", RUN, "--config", "patient.yaml",
                   environment={"TIMESERIES_TYPE": "prometheus", "TIMESERIES_URL": pushgateway})
    return folder, done


@pytest.fixture
def copy(soaked, tmp_path):
    """The run's folder, to be damaged."""
    shutil.copytree(soaked[0], tmp_path / "run", ignore=shutil.ignore_patterns("*.sock", "*.pub", "*.ctl"))
    return tmp_path / "run"


def pack_of(folder):
    return folder / "artifacts" / "evidence" / RUN


def verify(folder, *arguments):
    done = orchctl(folder, "evidence", "verify", "--run-id", RUN, "--json", *arguments)
    answer = json.loads(done.stdout)
    assert (done.returncode == 0) == (answer["verdict"] == "PASS") == (not answer["findings"]), done.stdout + done.stderr
    assert done.returncode in (0, 3)
    return answer["findings"]


def rehash(pack):
    """What somebody does who wants a changed pack to look whole: the index and the sums follow the files."""
    index = json.loads((pack / "index.json").read_text())
    for entry in index["files"]:
        if entry["scope"] == "pack" and (pack / entry["path"]).exists():
            data = (pack / entry["path"]).read_bytes()
            entry["bytes"], entry["sha256"] = len(data), hashlib.sha256(data).hexdigest()
    index["files"] = [entry for entry in index["files"] if entry["scope"] != "pack" or (pack / entry["path"]).exists()]
    (pack / "index.json").write_text(json.dumps(index))
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in sorted(pack.iterdir())
             if path.name != "SHA256SUMS"]
    (pack / "SHA256SUMS").write_text("".join(lines))


def test_a_soak_run_passes_every_gate_and_its_pack_verifies(soaked):
    folder, done = soaked
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr
    manifest = json.loads((folder / f"artifacts/run_logs/run_manifest_{RUN}.json").read_text())
    index = json.loads((pack_of(folder) / "index.json").read_text())
    assert {gate["verdict"] for gate in index["gates"]} == {"PASS"} and len(index["gates"]) >= 40
    assert manifest["conditions"]["time_scale"] == 20 == index["time_scale"]
    assert index["release_evidence"] is False and "60 minutes at time scale 1" in index["release_refusal"], "only real time is"
    (fault,) = manifest["fault_injection"]
    assert fault["process"] == "signal" and 14 <= fault["requested_at_s"] <= 25, "ten minutes have their middle after 15 s"
    assert manifest["timeseries_export"]["export_count"] >= 10
    roles = {entry["role"] for entry in index["files"]}
    assert roles >= {"run_manifest", "source_manifest", "parity_diff", "summary_json", "summary_md", "dq_report",
                     "orchestrator_log", "status_snapshot", "fault_evidence", "ledger", "raw_capture", "data_set",
                     "signals_jsonl", "signals_sqlite", "orders"}
    assert len([entry for entry in index["files"] if entry["role"].startswith("summary_")]) == 4
    assert subprocess.run(["sha256sum", "--quiet", "-c", "SHA256SUMS"], cwd=pack_of(folder)).returncode == 0
    assert verify(folder) == []


def test_the_first_and_last_hour_are_kept_as_samples(soaked):
    (samples,) = (soaked[0] / "artifacts/samples").iterdir()
    index = json.loads((samples / "index.json").read_text())
    assert index["run_id"] == RUN and {"dq.json"} <= {entry["path"] for entry in index["files"]}
    kinds = {re.search(r"kind=(\w+)", entry["path"])[1] for entry in index["files"] if "kind=" in entry["path"]}
    assert len(kinds) == 7
    for entry in index["files"]:
        assert hashlib.sha256((samples / entry["path"]).read_bytes()).hexdigest() == entry["sha256"]


def test_one_changed_number_in_any_file_of_the_pack_is_found(copy):
    pack, seen = pack_of(copy), set()
    for path in sorted(pack.iterdir()):
        kind = re.sub(r"snapshot_.*", "snapshot", path.name)
        if kind in seen:
            continue
        seen.add(kind)
        whole = path.read_text()
        digit = list(re.finditer(r"[0-8]", whole))
        at = digit[len(digit) // 2].start()
        path.write_text(whole[:at] + str(int(whole[at]) + 1) + whole[at + 1:])
        assert any(path.name in finding or path.name == "SHA256SUMS" for finding in verify(copy)), path.name
        path.write_text(whole)
    assert len(seen) >= 13
    assert verify(copy) == []


@pytest.mark.parametrize("name", ["index.json", "SHA256SUMS", f"run_manifest_{RUN}.json", f"source_manifest_{RUN}.json",
                                  f"parity_diff_{RUN}.json", f"status_{RUN}.json", f"ledger_{RUN}.json", "orchestrator.log",
                                  "summary_*_sqlite.json", "summary_*_jsonl.md", "dq_*.json"])
def test_a_removed_file_never_passes_even_if_the_sums_are_made_to_fit(copy, name):
    pack = pack_of(copy)
    (path,) = pack.glob(name)
    path.unlink()
    assert verify(copy)
    if name not in ("index.json", "SHA256SUMS"):
        rehash(pack)
        assert verify(copy), "the file is not missed when nothing names it any more"


FIGURES = [("run_manifest", '"export_count":', '"export_counted":'), ("run_manifest", '"active_count":', '"active":'),
           ("run_manifest", '"duration_s":', '"duration":'), ("run_manifest", '"healthy_checks":', '"healthy":'),
           ("run_manifest", '"recovery_ms":', '"recovery":'), ("run_manifest", '"queue_dropped":', '"dropped":'),
           ("run_manifest", '"max_rss_mb":', '"rss":'), ("run_manifest", '"shutdown_order":', '"order":'),
           ("source_manifest", '"session_end_event_ms":', '"end":'), ("parity_diff", '"content_hash":', '"hash":'),
           ("status", '"stage_rows_lost":', '"rows":'), ("status", '"deadletter_rows":', '"dead":'),
           ("ledger", '"unbalanced":', '"balance":'), ("dq_", '"measured":', '"found":')]


def test_a_removed_figure_never_passes_even_if_the_sums_are_made_to_fit(copy):
    pack = pack_of(copy)
    kept = {path.name: path.read_bytes() for path in pack.iterdir()}
    for name, figure, other in FIGURES:
        (path,) = pack.glob(f"{name}*.json")
        text = path.read_text()
        assert figure in text, (name, figure)
        path.write_text(text.replace(figure, other))
        rehash(pack)
        assert verify(copy), f"{figure} of {name} is not missed"
        for each, data in kept.items():
            (pack / each).write_bytes(data)
    assert verify(copy) == []


def test_a_better_number_with_fitting_sums_is_found_by_computing_it_again(copy):
    pack = pack_of(copy)
    (parity,) = pack.glob("parity_diff_*.json")
    (quality,) = pack.glob("dq_*.json")
    for path, change in ((parity, lambda text: re.sub(r'"confirmed":(\d+)', lambda hit: f'"confirmed":{int(hit[1]) + 1}', text)),
                         (quality, lambda text: text.replace('"missing_ids":0', '"missing_ids":1', 1))):
        whole = path.read_text()
        assert change(whole) != whole
        path.write_text(change(whole))
        rehash(pack)
        assert any("made again" in finding for finding in verify(copy)), path.name
        path.write_text(whole)
    manifest = pack / f"run_manifest_{RUN}.json"
    manifest.write_text(re.sub(r'"export_count":\d+', '"export_count":9999', manifest.read_text()))
    rehash(pack)
    assert any("another gate export" in finding for finding in verify(copy))


def damage_shard(folder):
    path = max((folder / "runtime/ready").rglob("*.jsonl"), key=lambda shard: shard.stat().st_size)
    path.write_bytes(path.read_bytes().replace(b'"score":', b'"score": ', 1))


def damage_row(folder):
    with sqlite3.connect(folder / "runtime/signals.db") as database:
        database.execute("update signals set score = score + 1e-9 where seq = 100 and symbol = 'BTCUSDT'")


def damage_order(folder):
    path = folder / "runtime/mock_orders.jsonl"
    path.write_text(path.read_text().replace("BUY", "SELL", 1))


def damage_part(folder):
    next((folder / "data/ofi_cvd").rglob("*.parquet")).unlink()


def damage_capture(folder):
    damage_bit(folder / "data/raw")


def damage_capture_of_the_second(folder):
    damage_bit(folder / "data/raw-harvest.2")


def damage_bit(folder):
    path = next(folder.rglob("*.ofr"))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def lose_captures_of_the_second(folder):
    (folder / "data/raw-harvest.2").rename(folder / "elsewhere")


@pytest.mark.parametrize("damage", [damage_shard, damage_row, damage_order, damage_part, damage_capture,
                                    damage_capture_of_the_second, lose_captures_of_the_second])
def test_changed_data_are_found(copy, damage):
    damage(copy)
    assert verify(copy)


def test_a_capture_that_was_lost_before_the_pack_was_built_is_found(copy):
    lose_captures_of_the_second(copy)
    assert orchctl(copy, "evidence", "build").returncode == 0, "all gates pass"
    assert any("raw-harvest.2" in finding for finding in verify(copy))


def test_a_later_run_in_the_same_folder_changes_nothing(copy):
    order = next(line for line in (copy / "runtime/mock_orders.jsonl").read_text().splitlines())
    with open(copy / "runtime/mock_orders.jsonl", "a") as orders:
        orders.write(order.replace(RUN, "later") + "\n")
    with sqlite3.connect(copy / "runtime/signals.db") as database:
        database.execute("create temp table one as select * from signals limit 1")
        database.execute("update one set run_id = 'later'")
        database.execute("insert into signals select * from one")
    with open(copy / "logs/orchestrator/orchestrator.log", "a") as log:
        log.write("2026-01-01T00:00:00.000Z INFO orchestrator Start run_id=later name=harvest pid=1\n")
    assert verify(copy) == []


def test_a_log_that_was_turned_over_is_packed_as_a_whole(copy):
    log, packed = copy / "logs/orchestrator/orchestrator.log", pack_of(copy) / "orchestrator.log"
    lines, before = log.read_text().splitlines(keepends=True), packed.read_bytes()
    for name, part in (("orchestrator.log.2", lines[:9]), ("orchestrator.log.1", lines[9:99]), ("orchestrator.log", lines[99:])):
        (log.parent / name).write_text("".join(part))
    assert orchctl(copy, "evidence", "build").returncode == 0
    assert packed.read_bytes() == before


def test_a_pack_that_is_not_there_is_no_pass(copy):
    shutil.rmtree(pack_of(copy))
    done = orchctl(copy, "evidence", "verify", "--json")
    told = json.loads(done.stdout)
    assert (done.returncode, told["pack"], told["final"]) == (1, None, False) and f"no evidence pack of run {RUN}" in told["error"], done
    pack_of(copy).mkdir()
    assert verify(copy), "an empty one is looked at"


def test_a_pack_may_be_moved(copy):
    pack_of(copy).rename(copy / "elsewhere")
    assert verify(copy, "--pack", "elsewhere") == []


def test_validate_writes_a_report_with_every_check(copy):
    done = orchctl(copy, "validate", "--out", "reports", "--json")
    report = json.loads(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(next((copy / "reports").glob("dq_*.json")).read_text()) == report
    verdicts = {check["id"]: check["verdict"] for check in report["checks"]}
    assert verdicts["schema"] == verdicts["conservation"] == verdicts["completeness"] == "PASS"
    assert verdicts["latency"] == "NOT_APPLICABLE" and report["range"]["source"] == "manifest"
    assert report["summary"]["failed"] == report["summary"]["unknown"] == 0
    assert set(report["minutes"]) == {"BTCUSDT", "ETHUSDT"}
    assert report["minutes"]["BTCUSDT"]["prices"]["expected"] >= 8


@pytest.mark.parametrize("arguments, code", [(["--data-root", "nowhere"], 2), (["--data-root", "logs"], 3), (["--run-id", "other"], 1),
                                             (["--from", "1"], 2), (["--from", "5", "--to", "1"], 2),
                                             (["--from", "x", "--to", "1"], 2), (["--symbols", "NOSUCH"], 3)])
def test_validate_without_data_is_no_pass(copy, arguments, code):
    done = orchctl(copy, "validate", *arguments)
    assert done.returncode == code, done.stdout + done.stderr


def test_validate_says_why_a_figure_is_not_known(copy):
    done = orchctl(copy, "validate", "--data-root", "logs")
    lines = [line for line in done.stdout.splitlines() if " UNKNOWN " in line]
    assert lines and all(line.endswith("(the data folder has no file of what is asked for)") or "no run is named" in line for line in lines), done
    short = json.loads(orchctl(copy, "validate", "--from", "1723161255001", "--to", "1723161255002", "--json").stdout)
    reasons = {check["id"]: check["detail"]["reason"] for check in short["checks"] if check["verdict"] == "UNKNOWN"}
    assert "no whole minute" in reasons["completeness"] and "of the 1000 trades" in reasons["latency"], reasons


def test_parity_and_report_come_out_as_the_run_wrote_them(copy):
    path = copy / f"artifacts/parity_diff_{RUN}.json"
    before = path.read_bytes()
    path.unlink()
    assert orchctl(copy, "parity").returncode == 0
    assert path.read_bytes() == before
    done = orchctl(copy, "report", "--json")
    assert done.returncode == 0, done
    made = {summary["sink"]: summary for summary in map(json.loads, done.stdout.splitlines())}
    assert set(made) == {"jsonl", "sqlite"}
    for sink, summary in made.items():
        there = json.loads(next((copy / "logs/report").glob(f"summary_*_{sink}.json")).read_text())
        assert summary.pop("timestamp") and there.pop("timestamp") and summary == there
    assert re.findall(r"\| input, sink \| \w+, (\w+) \|", orchctl(copy, "report").stdout) == ["jsonl", "sqlite"]
    damage_row(copy)
    assert orchctl(copy, "parity").returncode == 3


def test_clean_removes_what_runs_left_and_nothing_else(copy, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("x")
    (copy / "runtime/link").symlink_to(outside)
    (copy / "logs/link").symlink_to(outside / "precious")
    (copy / "config").mkdir()
    (copy / "config/mine.yaml").write_text("x")
    kept = [path for folder in ("data", "state", "config", "artifacts/dq_reports")
            for path in (copy / folder).rglob("*") if path.is_file()]
    everything = sorted(path for path in copy.rglob("*"))
    dry = orchctl(copy, "clean", "--dry-run")
    assert dry.returncode == 0 and sorted(copy.rglob("*")) == everything
    assert orchctl(copy, "clean", "--keep", 1).returncode == 0
    assert (copy / f"artifacts/run_logs/run_manifest_{RUN}.json").exists() and pack_of(copy).exists()
    assert orchctl(copy, "clean").returncode == 0
    assert all(path.exists() for path in kept) and len(kept) > 20
    assert (outside / "precious").exists()
    left = {path.relative_to(copy).as_posix() for folder in ("runtime", "logs", "artifacts") for path in (copy / folder).rglob("*")}
    assert {name for name in left if not name.startswith(("artifacts/dq_reports", "artifacts/samples"))} <= {"runtime/orchestrator.lock"}


def test_a_pack_of_a_run_that_was_never_concluded_says_so_and_fails(copy):
    """As an orchestrator that was killed leaves it: without verdict."""
    path = copy / f"artifacts/run_logs/run_manifest_{RUN}.json"
    manifest = json.loads(path.read_text())
    manifest.update(state="running", final=False, overall_verdict=None, gates=None, exit_code=None)
    path.write_text(json.dumps(manifest))
    shown = orchctl(copy, "manifest")
    assert shown.returncode == 0 and "was never concluded" in shown.stderr and json.loads(shown.stdout)["final"] is False
    built = orchctl(copy, "evidence", "build")
    assert built.returncode == 3 and "UNFINISHED" in built.stdout
    assert json.loads((pack_of(copy) / "index.json").read_text())["final"] is False
    built = orchctl(copy, "evidence", "build", "--json")
    assert built.returncode == 3 and json.loads(built.stdout)["final"] is False
    assert any("was not concluded when this pack was built" in finding for finding in verify(copy))
    index = json.loads((pack_of(copy) / "index.json").read_text())
    (pack_of(copy) / "index.json").write_text(json.dumps({**index, "final": True}))
    rehash(pack_of(copy))
    assert any("was not concluded" in finding for finding in verify(copy)), "the manifest in it tells"


def test_clean_keeps_the_newest_runs(copy):
    logs = copy / "artifacts/run_logs"
    older = json.loads((logs / f"run_manifest_{RUN}.json").read_text())
    older.update(run_id="older", started_at="2001-01-01T00:00:00.000Z")
    (logs / "run_manifest_older.json").write_text(json.dumps(older))
    for name in ("run", "signal", RUN[:4], f"{RUN}0"):  # as parts of paths, and of the kept run's name, are called
        (logs / f"run_manifest_{name}.json").write_text(json.dumps({**older, "run_id": name}))
    shared = [copy / "runtime" / name for name in ("signals.db", "mock_orders.jsonl", "effective_config.json", "status/signal.json")]
    shards = sorted((copy / "runtime/ready").rglob(f"*_{RUN}.jsonl"))
    (logs / "ledger_older.json").write_text("{}")
    (copy / "artifacts/source_manifest_older.json").write_text("{}")
    reports = copy / "logs/report"
    kept = sorted(reports.glob("summary_*"))
    for minute in range(16):  # a folder lists its files in any order
        (reports / f"summary_20010101_00{minute:02}_jsonl.json").write_text('{"run_id": "older"}')
        (reports / f"summary_20010101_00{minute:02}_jsonl.md").write_text("# Day report")
    would = orchctl(copy, "clean", "--keep", 1, "--dry-run").stdout.splitlines()[-1]
    done = orchctl(copy, "clean", "--keep", 1)
    assert done.returncode == 0 and would == f"would {done.stdout.strip().replace('removed', 'remove')}"
    assert [path.name for path in logs.glob("run_manifest_*")] == [f"run_manifest_{RUN}.json"]
    assert all(path.exists() for path in (*shared, *shards)) and shards
    assert not list((copy / "artifacts").rglob("*older*")) and sorted(reports.glob("summary_*")) == kept != []
    assert verify(copy) == [], "what is kept is whole"


def test_clean_refuses_folders_that_hold_more(copy):
    effective = copy / "runtime/effective_config.json"
    text = effective.read_text()
    for folder in (".", "..", "/"):
        effective.write_text(re.sub(r'"output_dir":"[^"]*"', f'"output_dir":"{folder}"', text))
        done = orchctl(copy, "clean")
        assert done.returncode == 1 and "holds" in done.stderr, done.stdout + done.stderr
    assert effective.exists() and (copy / "data").exists()


def test_clean_refuses_while_somebody_works_there(tmp_path):
    sets = {"simulator.minutes": 0, "archive.quality_interval_s": 1}
    with harness.Stack(tmp_path, sets=sets, speed=60) as stack:
        harness.wait_for(lambda: "go: all ready" in stack.text(), 60, "go")
        report = harness.wait_for(lambda: next((tmp_path / "artifacts/dq_reports").glob("dq_*.json"), None), 60, "a quality report")
        report = json.loads(report.read_text())
        assert report["range"]["source"] == "option" and not report["final"] and report["run_id"] == "test-run"
        done = stack.orchctl("clean", check=False)
        assert done.returncode == 1 and "orchestrator" in done.stderr
        assert stack.orchctl("doctor", check=False).returncode == 3
        unfinished = stack.orchctl("manifest")
        assert json.loads(unfinished.stdout)["final"] is False and "test-run is still going on: this is not its final manifest" in unfinished.stderr
        refused = stack.orchctl("evidence", "build", check=False), stack.orchctl("evidence", "build", "--json", check=False)
        assert [done.returncode for done in refused] == [1, 1] and all("still going on" in done.stderr for done in refused)
        assert json.loads(refused[1].stdout)["final"] is False and not (tmp_path / "artifacts/evidence").exists()
        harness.wait_for(stack.orders, 60, "an order")
        before = stack.orchctl("status", "broker", "--json", check=False).stdout
        drained = stack.orchctl("drain", "broker", "--wait", "60", "--timeout", "60")
        assert "stopped" in drained.stdout, before
        stack.orchctl("start", "broker", "--wait", "60", "--timeout", "60")
        stack.orchctl("drain", "harvest", "--timeout", "60")
        stack.finish()
    ended = stack.orchctl("manifest")
    assert json.loads(ended.stdout)["final"] is True and not ended.stderr
    assert "ending: end of all streams" in stack.text()
    broker = stack.manifest()["processes"]["broker"]
    assert broker["exit_code"] == 0 and not broker["killed_on_stop"] and broker["restart_count"] == 0
    ledger = json.loads(stack.ledger_bytes())
    assert ledger["unbalanced"] == 0 and stack.orders(), "who was drained and started again has lost nothing"
