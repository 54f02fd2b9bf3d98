"""The orchestrator and orchctl with daemons that behave as a test wants (fakes.py): from the first start to the last exit code."""
import datetime
import json
import os
import pathlib
import re
import signal
import subprocess

import pytest
import zmq

import control
from asked import said
from fakes import PATIENCE_S, ROOT, Run, SERVICES, gated


def test_a_run_starts_in_order_says_go_ends_with_its_streams_and_stops_in_reverse(programs, tmp_path):
    with Run(programs, tmp_path, behave={"harvest": "end_after_ms=300"}) as run:
        assert run.finish() == 0, run.text()
    lines = run.text()
    starts = [lines.index(f"{name} starting") for name in SERVICES]
    assert starts == sorted(starts)
    assert lines.index("go: all ready") > max(lines.index(f"{name} ready") for name in SERVICES)
    assert "ending: end of all streams" in lines
    manifest = run.manifest()
    assert manifest["state"] == "finished" and manifest["exit_code"] == 0
    assert manifest["shutdown_order"] == SERVICES[::-1]
    assert manifest["implied_modules"] == ["archive", "features"]
    for name in SERVICES:
        process = manifest["processes"][name]
        assert process["exit_code"] == 0 and process["restart_count"] == 0 and not process["killed_on_stop"]
        assert process["started_at"] <= process["ready_at"] <= process["stopped_at"]
        assert "verb=go" in (tmp_path / f"logs/{name}/test_stderr.log").read_text()
    for event in ("Start", "Ready", "Health", "Stop"):
        for name in SERVICES:
            assert f" {event} run_id=test name={name} " in run.log(), (event, name)


def test_harvest_is_told_go_only_when_all_are_ready(programs, tmp_path):
    programs = gated(programs, tmp_path / "bin", "broker")
    with Run(programs, tmp_path / "run", behave={"harvest": "end_after_ms=100"}) as run:
        run.wait_line("signal ready")
        (stream,) = run.wait_for(lambda: run.process_status("harvest")["streams"], "harvest's heartbeat")
        assert stream["last_sequence"] == 0 and "broker starting" not in run.text()
        (programs / "gate").touch()
        assert run.finish() == 0
    assert run.text().index("broker ready") < run.text().index("go: all ready")


def test_minutes_end_the_run(programs, tmp_path):
    with Run(programs, tmp_path, "--minutes", "0.01") as run:
        assert run.finish() == 0
    assert "the planned minutes are over" in run.text()
    assert "verb=stop_intake" in (tmp_path / "logs/harvest/test_stderr.log").read_text()
    for name in SERVICES[1:]:
        assert "verb=drain" in (tmp_path / f"logs/{name}/test_stderr.log").read_text()


def test_an_interrupt_drains_and_a_second_one_does_not_wait(programs, tmp_path):
    with Run(programs, tmp_path, behave={"signal": "no_drain"}) as run:
        run.wait_line("go: all ready")
        run.process.send_signal(signal.SIGINT)
        run.wait_line("ending: interrupted")
        run.wait_for(lambda: "verb=drain" in (tmp_path / "logs/signal/test_stderr.log").read_text(), "the drain")
        refused = run.orchctl("pause", "signal")
        assert refused.returncode == 1 and re.search("the run is (stopping_intake|draining): .*nobody is paused any more", refused.stderr), refused
        run.process.send_signal(signal.SIGINT)
        run.wait_line("not waiting for whoever drains")
        assert run.finish() == 0
    assert "did not drain in time" not in run.text() and run.manifest()["state"] == "aborted"
    told = (tmp_path / "logs/report/test_stderr.log").read_text()
    assert "verb=drain" in told and "verb=summary" in told, "the day report is waited for all the same, and has the gates"


def test_a_third_interrupt_waits_for_nobody(programs, tmp_path):
    with Run(programs, tmp_path, behave={"report": "no_drain"}) as run:
        run.wait_line("go: all ready")
        run.process.send_signal(signal.SIGINT)
        run.wait_for(lambda: "verb=drain" in (tmp_path / "logs/report/test_stderr.log").read_text(), "the drain")
        run.process.send_signal(signal.SIGINT)
        run.wait_line("the day report is being written")
        run.process.send_signal(signal.SIGINT)
        run.wait_line("not waiting for the rest")
        assert run.finish() == 0
    assert run.manifest()["state"] == "aborted"


def test_who_does_not_drain_is_not_waited_for_longer_than_5_s(programs, tmp_path):
    with Run(programs, tmp_path, "--minutes", "0.001", behave={"signal": "no_drain"}) as run:
        assert run.finish() == 0
    assert "signal did not drain in time" in run.text()
    moments = {event: datetime.datetime.fromisoformat(line.split()[0]) for line in run.log().splitlines()
               for event in ("stop_intake", "drain_timeout") if f" {event} " in line}
    assert moments["drain_timeout"] - moments["stop_intake"] >= datetime.timedelta(seconds=4.9)


def test_who_ignores_term_is_killed_and_that_fails_its_gate(programs, tmp_path):
    with Run(programs, tmp_path, "--minutes", "0.001", behave={"archive": "ignore_term"}, gates="replay",
             sets={"supervisor.stop_timeout_s": 5}) as run:
        assert run.finish() == 3
    manifest = run.manifest()
    assert manifest["processes"]["archive"]["killed_on_stop"]
    assert manifest["processes"]["archive"]["exit_signal"] == signal.SIGKILL
    (gate,) = [gate for gate in manifest["gates"] if gate["id"] == "shutdown_kills"]
    assert gate["measured"] == 1 and gate["verdict"] == "FAIL"


def test_figures_that_nobody_measured_are_unknown_and_fail(programs, tmp_path):
    with Run(programs, tmp_path, "--minutes", "0.001", gates="replay") as run:
        assert run.finish() == 3
    manifest = run.manifest()
    verdicts = {gate["id"]: gate for gate in manifest["gates"]}
    assert verdicts["accounted_messages"]["verdict"] == "UNKNOWN"
    assert verdicts["accounted_messages"]["measured"] is None
    assert verdicts["accounted_drained"]["verdict"] == "PASS"
    assert verdicts["shutdown_order"]["verdict"] == "PASS"
    assert manifest["overall_verdict"] == "FAIL" and manifest["exit_code"] == 3  # no rows of prices: FAIL


def test_a_crash_loop_ends_degraded_and_the_others_go_on(programs, tmp_path):
    sets = {"supervisor.backoff_initial_ms": 20, "supervisor.max_restarts": 3}
    with Run(programs, tmp_path, behave={"broker": "crash_after_ms=0"}, sets=sets) as run:
        run.wait_line("broker is degraded")
        status = {p["name"]: p for p in run.status()["processes"]}
        assert status["broker"]["state"] == "degraded" and status["broker"]["pid"] is None
        assert status["broker"]["restart_count"] == 3 and status["broker"]["health"] == "degraded"
        assert status["signal"]["state"] in ("ready", "running")
        assert run.orchctl("status").returncode == 4
        assert run.orchctl("health", "broker").returncode == 4
        run.wait_line("go: all ready")
        run.process.send_signal(signal.SIGTERM)
        assert run.finish() == 4
    manifest = run.manifest()
    delays = manifest["restart_backoff_pattern"]["broker"]
    assert len(delays) == 3
    for delay, expected in zip(delays, (20, 40, 80)):
        assert 0.8 * expected - 1 <= delay <= 1.2 * expected
    assert len(manifest["processes"]["broker"]["restarts"]) == 4
    assert manifest["processes"]["broker"]["gave_up"]


def test_the_conservative_profile_waits_behind_progress_too_and_gives_up_at_the_third_death(programs, tmp_path):
    """Its first delay is not 10 s here but 100 ms; all else is the profile's."""
    sets = {"supervisor.profile": "conservative", "supervisor.backoff_initial_ms": 100}
    with Run(programs, tmp_path, sets=sets) as run, control.Control(tmp_path) as ctl:
        run.wait_line("go: all ready")
        for deaths in range(3):
            run.wait_for(lambda: ctl.works("broker", deaths), f"progress of broker before death {deaths + 1}")
            os.kill(ctl.status("broker")["pid"], signal.SIGKILL)
        run.wait_line("broker is degraded")
        run.process.send_signal(signal.SIGTERM)
        assert run.finish() == 4
    manifest = run.manifest()
    delays = manifest["restart_backoff_pattern"]["broker"]
    assert len(delays) == 2 and 79 <= delays[0] <= 121 and 239 <= delays[1] <= 361, delays
    assert manifest["processes"]["broker"]["gave_up"] and manifest["processes"]["broker"]["restart_count"] == 2
    assert {process["restart_count"] for name, process in manifest["processes"].items() if name != "broker"} == {0}


def test_a_person_may_start_a_degraded_process_again(programs, tmp_path):
    sets = {"supervisor.backoff_initial_ms": 10, "supervisor.max_restarts": 1}
    with Run(programs, tmp_path, behave={"broker": "crash_after_ms=0"}, sets=sets) as run:
        run.wait_line("broker is degraded")
        (tmp_path / "fake" / "broker").unlink()
        done = run.orchctl("start", "broker", "--wait", "60")
        assert done.returncode == 0, done.stderr
        assert run.process_status("broker")["state"] in ("ready", "running")
        run.process.send_signal(signal.SIGTERM)
        assert run.finish() == 0  # it has recovered


def test_exit_code_2_is_never_restarted(programs, tmp_path):
    with Run(programs, tmp_path, behave={"broker": "exit_code=2"}) as run:
        run.wait_line("broker is failed")
        assert run.process_status("broker")["restart_count"] == 0
        run.wait_line("go: all ready")
        run.process.send_signal(signal.SIGTERM)
        assert run.finish() == 4
    assert run.text().count("broker starting") == 1


def test_without_harvest_the_run_does_not_begin(programs, tmp_path):
    with Run(programs, tmp_path, behave={"harvest": "exit_code=2"}) as run:
        assert run.finish() == 4
    assert "go:" not in run.text()
    assert "not measured" not in run.text() and "no market was seen" in run.text()
    assert run.manifest()["state"] == "aborted"


def test_a_process_that_never_gets_ready_is_tried_three_times(programs, tmp_path):
    sets = {"supervisor.ready_timeout_s": 3, "supervisor.ready_backoff_s": "0.05,0.1"}  # time enough for the others
    with Run(programs, tmp_path, behave={"broker": "no_ready"}, sets=sets) as run:
        run.wait_line("broker is degraded")
        run.wait_line("go: all ready")
        run.process.send_signal(signal.SIGTERM)
        assert run.finish() == 4
    assert run.manifest()["restart_backoff_pattern"]["broker"] == [50, 100]
    assert run.text().count("broker was not ready in time") == 3


def test_a_killed_process_comes_back_at_once_and_leaves_evidence(programs, tmp_path):
    with Run(programs, tmp_path) as run:
        run.wait_line("go: all ready")
        run.wait_for(lambda: run.process_status("signal")["lag_rows"] >= 0 and
                     run.process_status("signal")["heartbeat"]["progress"] > 5, "progress of signal")
        before = run.process_status("signal")
        done = run.orchctl("kill", "signal", "--wait", "60")
        assert done.returncode == 0 and "caught up after" in done.stdout, done.stderr
        after = run.process_status("signal")
        assert after["pid"] != before["pid"] and after["generation"] == 2 and after["restart_count"] == 1
        run.process.send_signal(signal.SIGTERM)
        assert run.finish() == 0
    (fault,) = run.manifest()["fault_injection"]
    assert fault["process"] == "signal" and fault["signal_sent"] == "KILL" and fault["exit_signal"] == "KILL"
    assert fault["pid_before"] == before["pid"] and fault["pid_after"] == after["pid"]
    assert [step["event"] for step in fault["event_sequence"]] == ["kill", "exit", "restart", "ready", "healthy"]
    assert 0 < fault["detect_ms"] <= fault["restart_ms"] <= fault["ready_ms"] <= fault["recovery_ms"]
    assert fault["backoff_ms"] == 0
    assert fault["verdict"] == "UNKNOWN"  # no sink to count lost rows in


def test_kill_waits_for_the_recovery_from_its_own_fault(programs, tmp_path):
    """Not for one that was not over yet: who stands still and is killed then recovers from both at once."""
    with Run(programs, tmp_path, sets={"health.heartbeat_timeout_ms": 60000}) as run:  # nobody else may kill who stands still
        run.wait_line("go: all ready")
        run.wait_for(lambda: run.process_status("signal")["heartbeat"]["progress"] > 5, "progress of signal")
        assert run.orchctl("kill", "signal", "-s", "STOP").returncode == 0
        done = run.orchctl("kill", "signal", "--wait", "60")
        assert done.returncode == 0, done.stderr
        run.process.send_signal(signal.SIGTERM)
        run.finish()
    fault, told_ms = map(int, re.search(r"; fault (\d+)\n.* caught up after (\d+) ms", done.stdout).groups())
    stopped, killed = run.manifest()["fault_injection"]
    assert fault == killed["id"] and told_ms == int(killed["recovery_ms"]) < int(stopped["recovery_ms"])


def test_one_killed_right_behind_its_first_heartbeat_had_worked_and_comes_back_at_once(programs, tmp_path):
    """Its first heartbeat already tells of all the work it ever does: no later one could show progress."""
    with Run(programs, tmp_path, behave={"signal": "stands_at=100"}) as run:
        run.wait_line("go: all ready")
        for _ in range(3):
            assert run.orchctl("kill", "signal", "--wait", "60").returncode == 0
        run.process.send_signal(signal.SIGTERM)
        run.finish()
    assert [fault["backoff_ms"] for fault in run.manifest()["fault_injection"]] == [0, 0, 0]


def test_faults_of_the_command_line_happen_in_time(programs, tmp_path):
    with Run(programs, tmp_path, "--fault", "features@0.3:TERM", "--fault", "broker@0.1") as run:
        run.wait_line("broker ready", 2).wait_line("features ready", 2)
        run.process.send_signal(signal.SIGINT)
        assert run.finish() == 0
    faults = run.manifest()["fault_injection"]
    assert [(f["process"], f["signal_sent"]) for f in faults] == [("broker", "KILL"), ("features", "TERM")]
    assert 0.1 <= faults[0]["requested_at_s"] and 0.3 <= faults[1]["requested_at_s"]
    assert faults[1]["exit_code"] == 0  # it stopped cleanly, and was started again all the same
    assert run.manifest()["processes"]["features"]["restart_count"] == 1


def test_a_hang_is_noticed_killed_and_its_evidence_kept(programs, tmp_path):
    with Run(programs, tmp_path) as run:
        run.wait_line("go: all ready")  # one that was never heard is not ready, and that has another limit
        (tmp_path / "fake" / "broker").write_text("hangs\n")
        run.wait_line("broker hangs")
        (tmp_path / "fake" / "broker").unlink()
        run.wait_line("broker restarted")
        run.process.send_signal(signal.SIGTERM)
        run.finish()
    evidence = list((tmp_path / "logs/broker").glob("test_hang_*.txt"))
    assert evidence and "/proc/" in evidence[0].read_text()
    assert run.manifest()["processes"]["broker"]["restarts"][0]["exit_signal"] == signal.SIGKILL


def test_a_stopped_process_is_hung_but_a_paused_one_is_not(programs, tmp_path):
    with Run(programs, tmp_path, sets={"health.heartbeat_timeout_ms": 2000}) as run:  # nobody else may hang meanwhile
        run.wait_line("go: all ready")
        assert run.orchctl("pause", "report").returncode == 0
        os.kill(run.process_status("broker")["pid"], signal.SIGSTOP)
        run.wait_line("broker hangs")
        run.wait_line("broker ready", 2)
        status = run.process_status("report")
        assert status["state"] == "paused" and status["restart_count"] == 0 and status["failed_conditions"] == "paused"
        assert run.orchctl("resume", "report").returncode == 0
        run.wait_for(lambda: run.process_status("report")["health"] == "healthy", "health of report")
        run.process.send_signal(signal.SIGTERM)
        assert run.finish() == 0
    assert run.manifest()["processes"]["report"]["restart_count"] == 0


def test_stop_start_and_restart_are_no_failures(programs, tmp_path):
    with Run(programs, tmp_path) as run:
        run.wait_line("go: all ready")
        assert run.orchctl("stop", "broker", "--wait", "60").returncode == 0
        status = run.process_status("broker")
        assert (status["state"], status["heartbeat_age_ms"]) == ("stopped", None), "nobody waits for its heartbeats"
        assert "nothing to do" in run.orchctl("stop", "broker").stdout
        assert run.orchctl("start", "broker", "--wait", "60").returncode == 0
        assert run.orchctl("restart", "broker", "--wait", "60").returncode == 0
        status = run.process_status("broker")
        assert status["generation"] == 3 and status["restart_count"] == 0
        assert "verb=go" in (tmp_path / "logs/broker/test_stderr.log").read_text()
        assert run.orchctl("shutdown").returncode == 0
        assert run.finish() == 0
    assert "asked by orchctl" in run.text()


def test_a_killed_daemon_is_drained_again_after_it_came_back(programs, tmp_path):
    with Run(programs, tmp_path, behave={"signal": "no_drain"}) as run:
        run.wait_line("go: all ready")
        run.process.send_signal(signal.SIGTERM)
        log = tmp_path / "logs/signal/test_stderr.log"
        run.wait_for(lambda: "verb=drain generation=1\n" in log.read_text(), "the first drain")
        assert run.orchctl("kill", "signal").returncode == 0
        run.wait_for(lambda: "verb=drain generation=2\n" in log.read_text(), "the drain of its next life")
        (tmp_path / "fake" / "signal").unlink()  # before that it would be drained, and stopped, whenever it looks
        assert run.finish() == 0
    assert run.manifest()["shutdown_order"] == SERVICES[::-1]


def test_who_dies_behind_its_end_is_stopped_when_it_has_said_everything_again(programs, tmp_path):
    with Run(programs, tmp_path, behave={"report": "no_drain"}) as run:
        run.wait_line("go: all ready")
        run.process.send_signal(signal.SIGTERM)
        log, report = (tmp_path / f"logs/{name}/test_stderr.log" for name in ("harvest", "report"))
        run.wait_for(lambda: "verb=drain" in report.read_text(), "that only report drains still")
        assert "verb=stop_intake" in log.read_text()
        (tmp_path / "fake/harvest").write_text("end_late_ms=2000\n")
        assert run.orchctl("kill", "harvest").returncode == 0
        run.wait_for(lambda: "verb=stop_intake generation=2\n" in log.read_text(), "its next life")
        (tmp_path / "fake/report").unlink()
        assert run.finish() == 0
    assert " ended" in log.read_text(), "it was ended while it had not come to its end again"
    assert run.manifest()["shutdown_order"] == SERVICES[::-1]


def test_a_second_orchestrator_exits_at_once(programs, tmp_path):
    with Run(programs, tmp_path) as run:
        run.wait_line("go: all ready")
        second = subprocess.run(list(map(str, run.command)), cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE_S)
        assert second.returncode == 2
        assert "another orchestrator is using this folder" in second.stderr and '"run_id":"test"' in second.stderr
        assert run.status()["processes"][0]["restart_count"] == 0
        run.process.send_signal(signal.SIGTERM)
        assert run.finish() == 0


@pytest.mark.parametrize("arguments, words", [
    (["--enable", "harvest,dancer"], ["run.enable", "dancer"]),
    (["--sink", "paper"], ["option --sink", "run.sink"]),
    (["--set", "ofi.levls=3", "--set", "bus.high_water_mark=0"], ["ofi.levls", "bus.high_water_mark"]),
    (["--gates", "soaked"], ["--gates"]),
    (["--dance"], ["--dance"]),
    (["--run-id", "a/b"], ["run.run_id"]),
])
def test_wrong_use_is_exit_code_2_and_starts_nothing(programs, tmp_path, arguments, words):
    done = subprocess.run([str(programs / "orchestrator"), *arguments], cwd=tmp_path, capture_output=True, text=True,
                          timeout=60)
    assert done.returncode == 2
    for word in words:
        assert word in done.stderr, done.stderr
    assert not (tmp_path / "logs").exists()


def test_an_empty_enable_is_only_the_preflight_check(programs, tmp_path):
    done = subprocess.run([str(programs / "orchestrator"), "--enable", ""], cwd=tmp_path, capture_output=True,
                          text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "preflight directories: ok" in done.stdout and "starting" not in done.stdout


def test_orchctl_refuses_what_it_does_not_know(programs, tmp_path):
    with Run(programs, tmp_path) as run:
        run.wait_line("go: all ready")
        for arguments, code, word in [
                (["dance"], 2, "no verb 'dance'"), (["status", "--dance"], 2, "--dance"), (["kill"], 2, "NAME"),
                (["kill", "dancer"], 1, "dancer"), (["status", "dancer"], 1, "dancer"),
                (["kill", "broker", "-s", "DANCE"], 2, "DANCE"), (["restart", "broker", "broker"], 2, "too much"),
                (["events", "--count", "-1"], 2, "--count"), (["tail", "nonsense"], 1, "SERVICE/SYMBOL"), (["--timeout", "0.5", "tail", "features/TESTUSDT"], 1, "does not answer"),
                (["tail", "features/X"], 1, "no such symbol in this run; there are: TESTUSDT"),
                (["logs", "dancer"], 1, "no log"), (["config", "dance"], 2, "check, show"),
                (["--timeout", "x", "status"], 2, "--timeout")]:
            done = run.orchctl(*arguments)
            assert done.returncode == code and word in done.stderr, (arguments, done)
        run.process.send_signal(signal.SIGTERM)
        assert run.finish() == 0
    done = run.orchctl("status")
    assert done.returncode == 1 and "no orchestrator is running" in done.stderr
    for verb in "status health start stop restart kill pause resume events tail config manifest logs shutdown".split():
        help_text = run.orchctl(verb, "--help")
        assert help_text.returncode == 0 and f"orchctl {verb}" in help_text.stdout
    assert json.loads(run.orchctl("manifest").stdout)["run_id"] == "test"
    assert "go" in run.orchctl("logs", "orchestrator").stdout
    assert "run.run_id = test" in run.orchctl("config", "show").stdout


def test_events_begin_with_a_snapshot_and_have_no_holes(programs, tmp_path):
    with Run(programs, tmp_path) as run:
        run.wait_line("go: all ready")
        events = subprocess.Popen([str(programs / "orchctl"), "events", "--json"], cwd=tmp_path, text=True,
                                  stdout=subprocess.PIPE)
        snapshot = [json.loads(events.stdout.readline()) for _ in SERVICES]
        assert [event["name"] for event in snapshot] == SERVICES
        assert {event["event"] for event in snapshot} == {"snapshot"}
        for _ in range(3):
            assert run.orchctl("kill", "broker", "--wait", "60").returncode == 0
        run.process.send_signal(signal.SIGTERM)
        assert run.finish() == 0
        seen = [json.loads(line) for line in events.stdout]
        assert events.wait(60) == 0  # it ends with the run
    serials = [event["serial"] for event in seen]
    assert serials == list(range(snapshot[0]["serial"] + 1, serials[-1] + 1))
    kinds = [event["event"] for event in seen if event["name"] == "broker"]
    recovery = [kinds.index(kind) for kind in ("fault_injected", "Exit", "Restart", "Start", "Ready", "fault_recovered")]
    assert recovery == sorted(recovery) and kinds.count("fault_recovered") == 3


def request(folder, message, timeout_ms=1000 * PATIENCE_S):
    """One request by pyzmq's REQ, as another language would."""
    context = zmq.Context()
    socket = context.socket(zmq.REQ)
    socket.linger = 0
    socket.connect(f"ipc://{folder}/runtime/bus/orchestrator.ctl")
    try:
        socket.send(message if isinstance(message, bytes) else json.dumps(message).encode())
        assert socket.poll(timeout_ms), "no answer"
        return json.loads(socket.recv())
    finally:
        socket.close()
        context.term()


def test_another_language_may_ask_and_a_repeated_id_changes_nothing(programs, tmp_path):
    with Run(programs, tmp_path) as run:
        run.wait_line("go: all ready")
        kill = {"id": "k-1", "verb": "kill", "args": {"name": "broker"}}
        first = request(tmp_path, kill)
        assert first["ok"] and first["result"]["fault"] == 1
        run.wait_line("broker restarted")
        assert request(tmp_path, kill) == first
        assert not request(tmp_path, {**kill, "args": {"name": "signal"}})["ok"]
        late = request(tmp_path, {"id": "k-2", "verb": "kill", "args": {"name": "broker", "generation": 1}})
        assert not late["ok"] and "generation 2" in late["error"]
        run.wait_line("broker ready", 2)
        assert run.process_status("broker")["restart_count"] == 1
        run.process.send_signal(signal.SIGTERM)
        assert run.finish() == 0


def test_an_orchestrator_that_does_not_answer_is_told_in_time_and_takes_nobody_for_hung_when_it_goes_on(programs, tmp_path):
    with Run(programs, tmp_path) as run:
        run.wait_line("go: all ready")
        run.process.send_signal(signal.SIGSTOP)
        for words, verb, limit_ms in ((["status"], "status", 2000), (["--timeout", "0.3", "restart", "nobody"], "restart", 300)):
            done = said(tmp_path, words)  # with its own patience
            sentence = f"orchctl: {verb}: the orchestrator did not answer within {limit_ms} ms\n"
            assert (done.returncode, done.stdout, done.stderr) == (1, "", sentence), done
        run.process.send_signal(signal.SIGCONT)
        beats = {process["name"]: process["heartbeat"]["seq"] for process in run.status()["processes"]}
        run.wait_for(lambda: all(process["heartbeat"]["seq"] > beats[process["name"]] + 5 for process in run.status()["processes"]), "more heartbeats of everybody")
        assert {process["restart_count"] for process in run.status()["processes"]} == {0} and " Hung " not in run.log()
        run.process.send_signal(signal.SIGTERM)
        assert run.finish() == 0


def test_hostile_requests_are_answered_or_dropped_and_harm_nobody(programs, tmp_path):
    with Run(programs, tmp_path) as run:
        run.wait_line("go: all ready")
        for message in [b"", b"{", b"\xff\xfe\x00", b"[" * 60000, b'{"id":"x"}', b"null", b"\xdd\xff\xff\xff\xff",
                        b'{"id":"y","verb":"status","args":{"name":' + b"1" * 60000 + b"}}",
                        b'{"id":"z","verb":"status","args":{},"id":"z"}', json.dumps({"id": "v", "verb": 7}).encode()]:
            answer = request(tmp_path, message)
            assert answer["ok"] is False and answer["error"], message[:40]
        with pytest.raises(AssertionError):
            request(tmp_path, b" " * 70000, 300)  # beyond the socket's limit: the connection is cut
        assert request(tmp_path, {"id": "s", "verb": "status", "args": {}})["ok"]
        run.process.send_signal(signal.SIGTERM)
        assert run.finish() == 0


def test_the_sockets_are_private(programs, tmp_path):
    with Run(programs, tmp_path) as run:
        run.wait_line("go: all ready")
        bus = tmp_path / "runtime" / "bus"
        assert bus.stat().st_mode & 0o777 == 0o700
        for name in ("orchestrator.ctl", "orchestrator.pub"):
            assert (bus / name).stat().st_mode & 0o777 == 0o600
        run.process.send_signal(signal.SIGTERM)
        assert run.finish() == 0


def test_children_get_a_minimal_environment(programs, tmp_path, monkeypatch):
    monkeypatch.setenv("EDITOR", "ed")
    monkeypatch.setenv("INFLUX_TOKEN", "secret-token")
    monkeypatch.setenv("V13_SINK", "sqlite")
    with Run(programs, tmp_path) as run:
        run.wait_line("go: all ready")
        for name, wanted in (("signal", True), ("archive", False)):
            text = pathlib.Path(f"/proc/{run.process_status(name)['pid']}/environ").read_text()
            names = {entry.split("=")[0] for entry in text.split("\0") if entry}
            assert "TZ=UTC" in text and "EDITOR" not in names and "INFLUX_TOKEN" not in names
            assert ("V13_SINK" in names) == wanted
        run.process.send_signal(signal.SIGTERM)
        assert run.finish() == 0
    manifest = run.manifest()
    assert manifest["sink"] == "sqlite"
    assert manifest["env_overrides"] == {"V13_SINK": "sqlite", "INFLUX_TOKEN": "set"}
    for path in tmp_path.rglob("*"):
        if path.is_file() and not path.is_symlink():
            assert b"secret-token" not in path.read_bytes(), path


def test_the_protocol_page_names_every_verb_and_no_other(programs, tmp_path):
    page = (ROOT / "docs" / "control-protocol.md").read_text()
    section = page[page.index("## 2. Verbs"):page.index("## 3.")]
    documented = {verb.strip() for line in section.splitlines() if line.startswith("### ")
                  for verb in line[4:].split(",")}
    with Run(programs, tmp_path) as run:
        run.wait_line("go: all ready")
        for number, verb in enumerate(sorted(documented - {"shutdown"})):
            answer = request(tmp_path, {"id": f"d-{number}", "verb": verb, "args": {}})
            assert answer["ok"] or "there is no verb" not in answer["error"], (verb, answer)
        assert request(tmp_path, {"id": "end", "verb": "shutdown", "args": {}})["ok"]
        assert run.finish() == 0
    source = (ROOT / "orchestrator" / "control" / "verbs.c").read_text()
    table = source[source.index("RUN_VERBS[] = {"):]
    assert documented == {line.split('"')[1] for line in table.splitlines() if line.startswith('    {"')}
