"""Time-series export against the real servers: what they hold is what the run says it was; every attempt is recorded.

Pushgateway 1.5 and InfluxDB 1.6 are Debian's own. An InfluxDB 2 is not to be had there: its writes are checked by a server
of this test (servers.Influx2), and the same lines are then written to the real InfluxDB 1 and read back.
"""
import json
import random
import re
import signal
import subprocess

import pytest
import servers
import stack as harness
from fakes import Mortal, Run

# Two minutes of a thin synthetic market in six seconds; a tick each second instead of each minute. Nobody dies of a busy machine.
SETS = {"export.interval_s": 1, "simulator.rate": 20, "health.heartbeat_timeout_ms": 60000}


def run_to_its_end(folder, sets, environment=None, run_id="test-run", minutes=0.1):
    stack = harness.Stack(folder, run_id=run_id, speed=20, sets={**SETS, **sets}, environment=environment,
                          arguments=["--minutes", str(minutes), "--gates", "none"])
    with stack:
        code = stack.finish(90)
    assert code == 0, stack.text()[-3000:]
    return stack


def assert_ticks(export):
    """Each tick is listed; the counts are those of the list; the planned ones came at their seconds, and one at the end."""
    ticks = export["ticks"]
    assert export["export_count"] == sum(tick["ok"] for tick in ticks)
    assert export["error_count"] == sum(not tick["ok"] for tick in ticks)
    assert export["retry_count"] == sum(max(0, tick["attempts"] - 1) for tick in ticks)
    assert export["first_at"] == ticks[0]["at"] and export["last_at"] == ticks[-1]["at"]
    assert [tick["at"] for tick in ticks] == sorted(tick["at"] for tick in ticks)


def assert_none_failed(export):
    """One whose second had passed before a busy machine came to it is told as such; whatever was tried was taken."""
    assert all(tick["ok"] or tick["attempts"] == 0 for tick in export["ticks"]) and export["ticks"][-1]["ok"], export


def figures_of_summary(summary):
    """What the last export must have said, from the day report alone."""
    return {"signal_total": summary["total"], "signal_confirmed_total": summary["confirmed"],
            "signal_strong_ratio": summary["strong_ratio"], "signal_per_minute_total": summary["per_minute"][-2]["count"]}


SERVICES = {"simulator", "harvest", "archive", "features", "signal", "broker", "report"}
MARKET = {"queue_dropped", "ws_reconnects_total", "dedup_hits_total", "latency_ms_p50", "latency_ms_p90", "latency_ms_p99",
          "recv_rate_tps", "cvd_scale_median", "cvd_floor_hit_rate", "write_errors_total", "parquet_flush_sec"}


def test_a_pushgateway_holds_the_last_figures_of_a_run_until_the_next_run_of_the_folder_exports(tmp_path):
    with servers.Pushgateway(tmp_path / "gateway").run() as gateway:
        sets = {"export.type": "prometheus", "export.url": gateway.url}
        stack = run_to_its_end(tmp_path / "run", sets)
        export, summary = stack.manifest()["timeseries_export"], stack.summary()
        assert export["type"] == "prometheus" and export["start_check"] == "reachable"
        assert_ticks(export)
        assert_none_failed(export)
        assert len(export["ticks"]) >= 7, "six seconds from second 0, and the end"
        assert summary["timeseries_export"] == {"export_count": export["export_count"], "error_count": export["error_count"]}
        pushed = gateway.groups()["test-run"]
        for name, value in figures_of_summary(summary).items():
            assert pushed[name] == {"": pytest.approx(value, rel=1e-12)}, name
        assert pushed["signal_gating_breakdown"] == summary["gating_breakdown"] and summary["total"] > 100
        assert pushed["process_up"].keys() == SERVICES and set(pushed["process_up"].values()) == {1}
        assert MARKET <= pushed.keys(), MARKET - pushed.keys()
        log = (stack.folder / "logs/orchestrator/orchestrator.log").read_text()
        said = {event: re.search(rf" {event} (.*)$", log, re.M).group(1) for event in ("config_loaded", "go", "stop_intake")}
        assert re.search(r"path=\S* .*overrides=[1-9]", said["config_loaded"]), said
        assert "sequence=0" in said["go"] and int(re.search(r"sequence=(\d+)", said["stop_intake"]).group(1)) > 100, said
        assert " rotate " in next((stack.folder / "logs/archive").glob("*_stderr.log")).read_text()
        for name in ("cvd_scale_median", "cvd_floor_hit_rate", "p_abs_z_gt2", "p_abs_z_gt3", "recv_rate_tps"):
            assert pushed[name].keys() == {"BTCUSDT", "ETHUSDT"}, (name, pushed[name])
        counters = json.loads((stack.folder / "artifacts/run_logs/status_test-run.json").read_text())["processes"]
        (features,) = [process for process in counters if process["name"] == "features"]
        for name in ("cvd_scale_median", "p_abs_z_gt2"):  # each has its own; the name alone is the worst of them
            own = [features["gauges"][f"{name}/features/{symbol}"] for symbol in ("BTCUSDT", "ETHUSDT")]
            assert features["gauges"][name] == max(own), own
            # Shares of a thousand rows may well be the same for once.
            assert name == "p_abs_z_gt2" or len(set(own)) == 2, own
        lines = (stack.folder / "artifacts/run_logs/export_test-run.jsonl").read_text().splitlines()
        assert [json.loads(line)["number"] for line in lines] == [*range(len(lines) - 1), -1]
        # A test of the target is no tick of a run and leaves nothing behind; the next run's first export drops this one's group.
        tested = stack.orchctl("export", "test", "--json")
        assert json.loads(tested.stdout) == {"type": "prometheus", "reachable": True, "ok": True, "attempts": 1, "error": None,
                                             "http_status": 200,
                                             "url": f"{gateway.url}/metrics/job/signal_reporter/run_id/export-test"}
        assert set(gateway.groups()) == {"test-run"}, gateway.groups().keys()
        run_to_its_end(tmp_path / "run", sets, run_id="next-run", minutes=0.01)
        assert gateway.groups().keys() == {"next-run"}


def test_an_influxdb_1_holds_every_tick(tmp_path):
    with servers.Influx1(tmp_path / "influx").run() as influx:
        # The mission's recipe: type, URL and data base in the environment are enough.
        environment = {"TIMESERIES_TYPE": "influxdb1", "INFLUX_URL": influx.url, "INFLUX_DB": influx.database}
        stack = run_to_its_end(tmp_path / "run", {}, environment)
        export, summary = stack.manifest()["timeseries_export"], stack.summary()
        assert export["type"] == "influxdb1" and export["start_check"] == "reachable"
        assert_ticks(export)
        assert_none_failed(export)
        assert {tick["http_status"] for tick in export["ticks"] if tick["ok"]} == {204}
        totals = influx.rows("signal_total")
        assert len(totals) == export["export_count"]
        assert [row["value"] for row in totals] == sorted(row["value"] for row in totals)
        assert all(row["run_id"] == "test-run" and row["sink"] == "dual" for row in totals)
        for name, value in figures_of_summary(summary).items():
            assert influx.rows(name)[-1]["value"] == pytest.approx(value, rel=1e-12), name
        newest = totals[-1]["time"]
        reasons = {row["reason"]: row["value"] for row in influx.rows("signal_gating_breakdown") if row["time"] == newest}
        assert reasons == summary["gating_breakdown"]
        assert MARKET <= influx.measurements()


def test_an_influxdb_2_gets_token_bucket_and_lines_and_a_refused_attempt_is_repeated(tmp_path):
    with servers.Influx2(refuse=2).run() as influx2, servers.Influx1(tmp_path / "influx").run() as influx1:
        environment = {"TIMESERIES_TYPE": "influxdb", "INFLUX_URL": influx2.url, "INFLUX_ORG": influx2.ORG,
                       "INFLUX_BUCKET": influx2.BUCKET, "INFLUX_TOKEN": influx2.TOKEN}
        stack = run_to_its_end(tmp_path / "run", {}, environment)
        manifest = stack.manifest()
        export = manifest["timeseries_export"]
        assert not influx2.complaints and influx2.checks == 1
        assert_ticks(export)
        first = next(tick for tick in export["ticks"] if tick["attempts"])  # a second may have passed before it could be tried
        assert export["retry_count"] == 2 and first | {"at": ""} == {"at": "", "ok": True, "attempts": 3, "http_status": 204}
        assert export["export_count"] == len(influx2.bodies)
        written = [path for path in stack.folder.rglob("*") if path.is_file() and influx2.TOKEN.encode() in path.read_bytes()]
        assert not written and manifest["env_overrides"]["INFLUX_TOKEN"] == "set"
        # The real server of the version before takes the very same lines and gives the same numbers back.
        assert influx1.write(influx2.bodies[-1]) == (204, "")
        for name, value in figures_of_summary(stack.summary()).items():
            assert influx1.rows(name)[-1]["value"] == pytest.approx(value, rel=1e-12), name
        assert len(influx1.rows("process_up")) == len(SERVICES)
        influx2.TOKEN = "another"
        refused = subprocess.run([str(harness.BIN / "orchctl"), "export", "test"], cwd=stack.folder, text=True,
                                 capture_output=True, env={**stack.environment, "INFLUX_TOKEN": "wrong"})
        assert refused.returncode == 3 and "401" in refused.stdout and "unauthorized" in refused.stdout, refused


def test_a_target_that_is_gone_is_counted_alerted_and_the_alert_closes_when_it_is_back(programs, tmp_path):
    gateway = servers.Pushgateway(tmp_path / "gateway")
    sets = {"export.type": "prometheus", "export.url": gateway.url, "export.interval_s": 2, "health.alert_interval_s": 0.5}
    with Run(programs, tmp_path / "run", sets=sets) as run:
        run.wait_line("alert timeseries_export_failure warning", 1)
        assert "figures will be tried all the same" in run.text()
        status = run.status()
        assert status["timeseries_export"]["failed_in_a_row"] >= 3 and status["alerts"]["active_count"] >= 1
        tested = run.orchctl("export", "test")
        assert tested.returncode == 3 and "reachable  no" in tested.stdout, tested
        with gateway.run():
            run.wait_line("alert timeseries_export_failure is over")
            run.orchctl("shutdown")
            assert run.finish() == 0
    manifest = run.manifest()
    export, alerts = manifest["timeseries_export"], manifest["alerts"]
    assert_ticks(export)
    assert export["error_count"] >= 3 and export["export_count"] >= 1 and export["start_check"] == "unreachable"
    assert all(tick["attempts"] in (0, 3) for tick in export["ticks"] if not tick["ok"])
    (alert,) = [alert for alert in alerts["triggered"] if alert["rule"] == "timeseries_export_failure"]
    assert alert["level"] == "warning" and alert["recovered_at"] > alert["triggered_at"]
    assert alert in alerts["recovered"] and alerts["total_recovered"] == len(alerts["recovered"])
    assert alert["details"] | {"value": 0} == {"figure": "export_failed_in_a_row", "value": 0, "op": ">=", "threshold": 3,
                                               "for_s": 0}
    assert "timeseries_export_failure" in manifest["run_tags"]
    for event in ("alert_open", "alert_close"):
        assert re.search(rf' {event} run_id=test rule="timeseries_export_failure" level="warning" .*details="', run.log()), event


def test_a_run_without_export_says_so(programs, tmp_path):
    with Run(programs, tmp_path, behave={"harvest": "end_after_ms=300"}) as run:
        assert run.finish() == 0
        export = run.manifest()["timeseries_export"]
        assert export == {"type": "none", "start_check": None, "export_count": 0, "error_count": 0, "retry_count": 0,
                          "first_at": None, "last_at": None, "ticks": []}
        assert run.manifest()["alerts"] == {"triggered": [], "recovered": [], "total_triggered": 0, "total_recovered": 0,
                                            "active_count": 0, "evaluations": 0}
        tested = run.orchctl("export", "test")
        assert tested.returncode == 3 and "export is off" in tested.stderr
        wrong = run.orchctl("export", "dance")
        assert wrong.returncode == 2


def test_dropped_rows_end_the_run_early_with_exit_code_3(programs, tmp_path):
    with Run(programs, tmp_path, behave={"harvest": "queue_dropped=0"}, sets={"health.alert_interval_s": 0.3}) as run:
        run.wait_line("go: all ready")
        run.wait_for(lambda: run.process_status("harvest")["counters"].get("queue_dropped") == 0, "the counter")
        (tmp_path / "fake" / "harvest").write_text("queue_dropped=7\n")
        assert run.finish() == 3
    manifest = run.manifest()
    assert manifest["end_reason"] == "critical alert data_dropped" and "data_dropped" in manifest["run_tags"]
    (alert,) = [alert for alert in manifest["alerts"]["triggered"] if alert["rule"] == "data_dropped"]
    assert alert["level"] == "critical" and alert["details"]["value"] == 7 and "recovered_at" not in alert
    assert manifest["alerts"]["active_count"] >= 1


def test_a_warning_marks_the_run_and_does_not_end_it(programs, tmp_path):
    with Run(programs, tmp_path, behave={"archive": "deadletter_rows=1"}, sets={"health.alert_interval_s": 0.3}) as run:
        run.wait_line("alert deadletter_nonempty warning")
        assert "alert warning deadletter_nonempty since 2" in run.orchctl("status").stdout
        (tmp_path / "fake" / "archive").write_text("deadletter_rows=0\n")
        run.wait_line("alert deadletter_nonempty is over")
        assert run.status()["phase"] == "feeding" and "deadletter_nonempty" not in run.orchctl("status").stdout
        run.orchctl("shutdown")
        assert run.finish() == 0
    assert run.manifest()["run_tags"] == ["deadletter_nonempty"]


def test_a_process_that_lacks_its_disk_is_alerted_also_for_a_moment_and_costs_the_exit_code_when_it_lasts(programs, tmp_path):
    sets = {"health.alert_interval_s": 0.3, "health.tick_s": 1}
    with Run(programs, tmp_path, behave={"features": "lacks_disk"}, sets=sets) as run:
        run.wait_line("alert process_degraded critical (features)")
        (alert,) = [alert for alert in run.status()["alerts"]["triggered"] if alert["rule"] == "process_degraded"]
        assert alert["level"] == "critical" and alert["subject"] == "features" and "degraded" in alert["message"]
        (tmp_path / "fake" / "features").write_text("\n")
        run.wait_line("alert process_degraded is over (features)")
        (tmp_path / "fake" / "archive").write_text("lacks_disk\n")
        run.wait_line("alert process_degraded critical (archive)")
        run.orchctl("shutdown")
        assert run.finish() == 4
    assert run.manifest()["run_tags"] == ["process_degraded"] and run.manifest()["alerts"]["total_triggered"] == 2


def test_an_orchestrator_that_goes_on_with_a_run_goes_on_with_its_ticks_and_alerts(programs, tmp_path):
    with servers.Pushgateway(tmp_path / "gateway").run() as gateway:
        sets = {"export.type": "prometheus", "export.url": gateway.url, "export.interval_s": 1, "health.alert_interval_s": 0.3}
        with Run(programs, tmp_path / "run", sets=sets, behave={"archive": "deadletter_rows=1"}) as run:
            run.wait_line("go: all ready")
            run.wait_for(lambda: run.status()["timeseries_export"]["export_count"] >= 2, "two ticks")
            run.wait_line("alert deadletter_nonempty warning")
            run.process.kill()
            run.process.wait()
            run.output.close()
            lines = (run.folder / "artifacts/run_logs/export_test.jsonl").read_text().splitlines()
            run.__enter__()
            run.wait_line("goes on: its orchestrator died")
            status = run.wait_for(lambda: (now := run.status())["timeseries_export"]["export_count"] > len(lines) and now,
                                  "a further tick")
            assert status["alerts"]["active_count"] == status["alerts"]["total_triggered"] == 1
            (run.folder / "fake" / "archive").write_text("deadletter_rows=0\n")
            run.wait_line("alert deadletter_nonempty is over")
            run.orchctl("shutdown")
            assert run.finish() == 0
    export, alerts = run.manifest()["timeseries_export"], run.manifest()["alerts"]
    assert_ticks(export)
    numbers = [json.loads(line)["number"] for line in
               (run.folder / "artifacts/run_logs/export_test.jsonl").read_text().splitlines()]
    assert numbers == [*range(len(numbers) - 1), -1] and len(numbers) == len(export["ticks"]), "none twice, none left out"
    assert alerts["total_triggered"] == alerts["total_recovered"] == 1 and alerts["active_count"] == 0


@pytest.mark.parametrize("name, counter, rule, code", [("archive", "deadletter_rows", "deadletter_nonempty", 0),
                                                       ("harvest", "queue_dropped", "data_dropped", 3)])
def test_an_alert_that_was_told_is_known_to_the_orchestrator_that_comes_after(programs, tmp_path, monkeypatch, name, counter, rule, code):
    """It is told once, and a run that must not go on with it ends."""
    monkeypatch.setenv("ORDERFLOW_CRASH_POINT", f"orchestrator/alert_told:1:{tmp_path}/died")
    opened = f' alert_open run_id=test rule="{rule}" '
    with Mortal(programs, tmp_path / "run", behave={name: f"{counter}=0"}, sets={"health.alert_interval_s": 0.3}) as run:
        run.wait_line("go: all ready")
        run.wait_for(lambda: run.process_status(name)["counters"].get(counter) == 0, "the counter")
        (run.folder / "fake" / name).write_text(f"{counter}=7\n")
        assert run.process.wait(60) == -signal.SIGKILL and opened in run.log()
        run.start_again().wait_line("run test goes on")
        if not code:
            known = run.status()["alerts"]["evaluations"]
            run.wait_for(lambda: run.status()["alerts"]["evaluations"] > known + 1, "what the next one evaluates")
            run.orchctl("shutdown")
        assert run.finish() == code, run.text()
    assert run.log().count(opened) == 1 and run.manifest()["alerts"]["total_triggered"] == 1
    assert run.manifest()["end_reason"] == (f"critical alert {rule}" if code else "asked by orchctl")


def test_a_run_is_not_ended_for_an_alert_of_an_earlier_one_of_its_name(programs, tmp_path):
    with Mortal(programs, tmp_path / "run", behave={"harvest": "queue_dropped=0"}, sets={"health.alert_interval_s": 0.3}) as run:
        run.wait_line("go: all ready")
        run.wait_for(lambda: run.process_status("harvest")["counters"].get("queue_dropped") == 0, "the counter")
        (run.folder / "fake/harvest").write_text("queue_dropped=7\n")
        assert run.finish() == 3 and run.manifest()["end_reason"] == "critical alert data_dropped"
        (run.folder / "fake/harvest").write_text("queue_dropped=0\n")
        run.command += ["--set", "health.alert_interval_s=600"]
        run.start_again().wait_line("go: all ready")
        run.kill()
        run.start_again().wait_line("run test goes on")
        turns = run.status()["orchestrator"]["loop_turns"]
        run.wait_for(lambda: run.status()["orchestrator"]["loop_turns"] > turns, "another turn")
        assert run.status()["phase"] == "feeding" and run.status()["alerts"]["active_count"] == 0
        run.process.send_signal(signal.SIGINT)
        assert run.finish() == 0, run.text()


def test_totals_of_a_run_that_is_gone_on_with_continue(tmp_path):
    """The orchestrator is killed again and again: every tick has every total, and none falls. Report has been stopped: what it said last
    stays known to orchestrators that have never heard it."""
    seed = random.randrange(1 << 30)
    print(f"seed {seed}")
    chance = random.Random(seed)
    with servers.Influx1(tmp_path / "influx").run() as influx:
        sets = {**SETS, "scale.features": 2, "scale.signal": 2, "export.type": "influxdb1", "export.influx_url": influx.url,
                "export.influx_db": influx.database}
        stack = harness.Stack(tmp_path / "run", speed=20, sets=sets, arguments=["--minutes", "0", "--gates", "none"])
        ticks = tmp_path / "run/artifacts/run_logs/export_test-run.jsonl"

        def count():
            return len(ticks.read_text().splitlines()) if ticks.exists() else 0

        with stack:
            harness.wait_for(lambda: stack.rows_written() > 100, 60, "signals")
            stack.orchctl("stop", "report")
            known = count()
            harness.wait_for(lambda: count() > known + 1, 60, "ticks without report")
            for _ in range(4):
                stack.process.kill()
                stack.process.wait()
                stack.output.close()
                signal.sigtimedwait([], chance.uniform(0, 1))  # the next one may begin anywhere between two ticks
                stack.__enter__()
                known = count()
                harness.wait_for(lambda: count() > known, 60, "the next tick")
            stack.orchctl("shutdown")
            assert stack.finish(60) == 0, stack.text()[-3000:]
        pushed = sorted({row["time"] for row in influx.rows("process_up")})
        for name in ("signal_total", "signal_confirmed_total", "dedup_hits_total", "write_errors_total", "queue_dropped"):
            rows = {row["time"]: row["value"] for row in influx.rows(name)}
            assert sorted(rows) == pushed[-len(rows):] and len(rows) >= len(pushed) - 1, f"{name}: a tick lacks it"
            assert list(rows.values()) == sorted(rows.values()), name
        reasons = sorted({row["time"] for row in influx.rows("signal_gating_breakdown")})
        assert reasons == pushed[-len(reasons):] and influx.rows("signal_total")[-1]["value"] > 0
