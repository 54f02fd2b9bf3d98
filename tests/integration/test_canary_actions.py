"""What the canary's gates decide is carried out: with daemons and an evaluation that behave as a test wants, so that minutes pass quickly, and
the orchestrator may die at any moment."""
import json
import re
import random
import signal
import time

import pytest

import fakes
from fakes import MANY, Mortal, Run
from fingerprints import Folder

SYMBOL = "TESTUSDT"
GATES = ["canary_auc", "canary_ece", "canary_platt", "canary_brier", "canary_merge", "canary_match", "canary_direction"]
# The evaluation's part: it has come to what the test has written.
EVALUATION = """#!/bin/sh
draft="artifacts/run_logs/.canary_$5.$$.tmp" # its own: the evaluation of an orchestrator that died may still be at it
[ -f fake/evaluation ] && /bin/cp fake/evaluation "$draft" && /bin/mv "$draft" "artifacts/run_logs/canary_$5.json"
exit 3
"""
FAST = {"harvest": "event_ms_per_row=30000"}  # a minute of event time every two rows


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    folder = fakes.link_programs(tmp_path_factory.mktemp("bin"))
    (folder / "evaluation").write_text(EVALUATION)
    (folder / "evaluation").chmod(0o755)
    return folder


def decision(number, rule, *, undoes=0, action="report", control=None, value=None):
    return {"number": number, "minute_ms": 1700000000000 + 60000 * number, "gate": GATES.index(rule), "rule": rule, "metric": "figure",
            "fired": not undoes, "undoes": undoes, "action": action, "control": control, "value": value, "measured": 0.25 * number}


STORY = [
    decision(1, "canary_auc", action="reduce_weight", control="slice_weight", value=0.5),
    decision(2, "canary_brier"),
    decision(3, "canary_auc", action="suspend_slice", control="slice_weight", value=0),
    decision(4, "canary_ece", action="suspend_calibration", control="suspend_calibration"),
    decision(5, "canary_merge", action="adjust_merge_tol", control="adjust_merge_tol", value=2500),
    decision(6, "canary_direction", action="lock_direction", control="lock_direction"),
    decision(7, "canary_auc", undoes=3, action="suspend_slice", control="slice_weight", value=0.5),
    decision(8, "canary_ece", undoes=4, action="suspend_calibration", control="resume_calibration"),
    decision(9, "canary_auc", undoes=1, action="reduce_weight", control="slice_weight", value=1),
]
LEFT_OPEN = {2, 5, 6}


def tell(folder, run_id, decisions, steps=None):
    """What the next evaluation will have come to."""
    gates = [{"id": gate, "op": ">=", "measured": 0.5, "threshold": 0.58, "verdict": 1, "known": True,
              "step": (steps or {}).get(gate, 0)} for gate in GATES]
    text = json.dumps({"run_id": run_id, "verdict": "FAIL", "hours": 0.5,
                       "symbols": [{"symbol": SYMBOL, "gates": gates, "decisions": decisions,
                                    "figures": {"fusion_auc_active": 0.5, "ece": 0.25, "brier": None}}]})
    draft = folder / "fake/.evaluation"
    draft.write_text(text)
    draft.rename(folder / "fake/evaluation")


def carried(run, run_id="test"):
    path = run.folder / f"artifacts/run_logs/canary_actions_{run_id}.json"
    return json.loads(path.read_text())["carried"].get(SYMBOL, 0) if path.exists() else 0


def controls(run):
    """What harvest has been told; the line that it is just writing is not there yet."""
    path = run.folder / "fake/harvest.controls"
    return [json.loads(line) for line in path.read_text().split("\n")[:-1]] if path.exists() else []


def incidents(run):
    path = run.folder / "artifacts/runtime/canary_report/incidents.json"
    return json.loads(path.read_text()) if path.exists() else []


def assert_carried_out(run, story):
    """Every decision led to its control input, in order; one that was said again was the same; each firing has one incident."""
    said = controls(run)
    wanted = [d for d in story if d["control"]]
    firsts = list({control["id"]: control for control in said}.values())
    assert [control["id"] for control in firsts] == [f"canary-{SYMBOL}-{d['number']}" for d in wanted]
    for control, d in zip(firsts, wanted):
        assert (control["decision"], control.get("value"), control["symbol"]) == (d["control"], d["value"], SYMBOL)
        assert all(other == control for other in said if other["id"] == control["id"]), "the same id with another meaning"
    ids = [control["id"] for control in said]
    assert ids == sorted(ids, key=lambda name: int(name.rsplit("-", 1)[1])), "nothing is said behind what followed it"
    opened = {incident["cause"]: incident for incident in incidents(run)}
    assert len(opened) == len(incidents(run)), "one incident a firing"
    undone = {d["undoes"]: d for d in story if not d["fired"]}
    assert set(opened) == {f"test {SYMBOL} {d['number']}" for d in story if d["fired"]}
    for d in filter(lambda d: d["fired"], story):
        incident = opened[f"test {SYMBOL} {d['number']}"]
        assert (incident["severity"], incident["rule"], incident["action"]) == ("P1", d["rule"], d["action"])
        assert incident["when_event_ms"] == d["minute_ms"] and SYMBOL in incident["why"]
        assert bool(incident["closed_at"]) == (d["number"] in undone)
        measured = incident["metrics_before_after"]["figure"]
        assert measured == {"before": d["measured"], "after": undone[d["number"]]["measured"] if d["number"] in undone else None}


def test_decisions_are_carried_out_in_order_and_what_is_undone_closes_its_incident(programs, tmp_path):
    with Run(programs, tmp_path, gates="canary", behave=FAST, sets={"eval.merge_tol_ms": 2200}) as run:
        run.wait_line("go: all ready")
        for count in (1, 4, 6):  # the file grows from evaluation to evaluation
            tell(tmp_path, "test", STORY[:count])
            run.wait_for(lambda: carried(run) == count, f"decision {count}")
            assert_carried_out(run, STORY[:count])
        assert [i["closed_at"] for i in incidents(run)] == [None] * 6
        opened = {incident["cause"].rsplit(" ", 1)[1]: incident["id"] for incident in incidents(run)}
        log = run.log()
        for number, old, new in ((1, "1", "0.5"), (3, "0.5", "0")):
            assert re.search(rf' slice_weight run_id=test .*old="?{old}"? new="?{new}"? effective_ts_ms=\d+ incident="?{opened[str(number)]}"? ', log), log
        tell(tmp_path, "test", STORY)
        run.wait_for(lambda: carried(run) == len(STORY), "all decisions")
        assert_carried_out(run, STORY)
        log = run.log()
        # Each is told what it was before: by the decision before it, or by the configuration, whatever the step between two of them.
        changes = re.findall(r' (?:slice_weight|merge_tolerance|calibration|direction) run_id=test .*?old="?([\w.]+)"? new="?([\w.]+)"? ', log)
        assert changes == [("1", "0.5"), ("0.5", "0"), ("on", "off"), ("2200", "2500"), ("unlocked", "locked"), ("0", "0.5"), ("off", "on"), ("0.5", "1")], changes
        for line in ("slice_weight run_id=test rule=\"canary_auc\"", "calibration run_id=test rule=\"canary_ece\"",
                     "new=\"0.5\" effective_ts_ms=1700000060000"):
            assert line in log, line


def test_an_orchestrator_may_die_at_any_moment(programs, tmp_path):
    seed = random.randrange(1 << 32)
    print("seed", seed)
    draws = random.Random(seed)
    with Mortal(programs, tmp_path, gates="canary", behave=FAST, sets=MANY) as run:
        run.wait_line("go: all ready")
        for count in range(1, len(STORY) + 1):
            tell(tmp_path, "test", STORY[:count])
            waited = time.monotonic() + draws.uniform(0, .5)  # a moment for a death, not a condition
            run.wait_for(lambda: carried(run) >= count or time.monotonic() > waited, "a moment")
            run.kill()
            run.start_again()
        run.wait_for(lambda: carried(run) == len(STORY), "all decisions")
        assert_carried_out(run, STORY)


@pytest.mark.parametrize("point", ["canary_incident", "canary_committed", "canary_told", "canary_carried"])
@pytest.mark.parametrize("time_it_comes_there", [1, 3])
def test_an_orchestrator_that_dies_between_two_steps_of_an_action_is_followed_by_one_that_ends_it(programs, tmp_path, monkeypatch, point,
                                                                                                 time_it_comes_there):
    monkeypatch.setenv("ORDERFLOW_CRASH_POINT", f"orchestrator/{point}:{time_it_comes_there}:{tmp_path}/died")
    with Mortal(programs, tmp_path, gates="canary", behave=FAST, sets=MANY) as run:
        run.wait_line("go: all ready")
        tell(tmp_path, "test", STORY)
        assert run.process.wait(60) == -signal.SIGKILL
        run.start_again()
        run.wait_for(lambda: carried(run) == len(STORY), "all decisions")
        assert_carried_out(run, STORY)


def test_a_decision_that_harvest_does_not_answer_is_waited_for_and_the_next_one_with_it(programs, tmp_path):
    with Run(programs, tmp_path, gates="canary", behave={"harvest": "event_ms_per_row=30000 no_control"}) as run:
        run.wait_line("go: all ready")
        tell(tmp_path, "test", STORY)
        run.wait_for(lambda: len(controls(run)) > 5, "its being said again")
        assert {control["id"] for control in controls(run)} == {f"canary-{SYMBOL}-1"} and carried(run) == 0
        run.process.send_signal(signal.SIGINT)
        assert run.finish() == 3, "the gate canary does not pass"
    assert carried(run) == len(STORY), "what can follow no more is told"
    assert {i["cause"] for i in incidents(run)} == {f"test {SYMBOL} {d['number']}" for d in STORY if d["fired"]}
    assert "before anything could follow" in incidents(run)[1]["why"]
    assert {control["id"] for control in controls(run)} == {f"canary-{SYMBOL}-1"}


def test_gates_in_force_are_critical_alerts_and_stand_in_status_monitor_and_export_figures(programs, tmp_path):
    with Run(programs, tmp_path, "--set", "health.alert_interval_s=1", gates="canary", behave=FAST) as run:
        run.wait_line("go: all ready")
        assert run.status()["canary"]["state"] in ("not measured yet", "measuring")
        tell(tmp_path, "test", STORY[:1], {"canary_auc": 1})
        run.wait_line(f"alert canary_auc critical ({SYMBOL})")
        canary = run.status()["canary"]
        assert canary["verdict"] == "FAIL" and [gate["id"] for gate in canary["gates"]] == GATES
        assert canary["gates"][0] == {"id": "canary_auc", "symbol": SYMBOL, "measured": 0.5, "op": ">=", "threshold": 0.58,
                                      "verdict": "FAIL", "step": 1}
        shown = run.orchctl("monitor", "--once").stdout
        assert f"FAIL     canary_auc        {SYMBOL}" in shown and "0.5000 >= 0.58  step 1 in force" in shown
        def gauges():
            return json.loads((tmp_path / "runtime/status/orchestrator.json").read_text())["gauges"]
        run.wait_for(lambda: gauges().get(f"canary_auc_step/canary/{SYMBOL}") == 1, "the next status file: there is one a second")
        assert gauges()[f"canary_ece/canary/{SYMBOL}"] == 0.25
        tell(tmp_path, "test", STORY[:1], {"canary_auc": 0})
        run.wait_line("alert canary_auc is over")


ALL_BACK = STORY[:1] + [decision(2, "canary_auc", undoes=1, action="reduce_weight", control="slice_weight", value=1)]


def test_an_incident_that_stays_open_leads_back_to_the_stable_configuration(programs, tmp_path):
    sets = {"canary.p1_timeout_s": 2, "signal.weak_threshold": 0.2, "run.time_scale": 1}
    with Run(programs, tmp_path, gates="canary", behave=FAST, sets=sets) as run:
        run.wait_line("go: all ready")
        folder = Folder(run)
        left = folder.fingerprints()["current"]
        target = folder.mark(signal__weak_threshold=0.31)
        tell(tmp_path, "test", STORY[:2])
        run.wait_for(lambda: (tmp_path / "state/rollback.json").exists() and folder.record()["state"] == "done", "the rollback")
        assert run.status()["run_id"] == "test-r2" and run.status()["config_fingerprint"] == target
        first, second, third = folder.incidents()
        assert (third["action"], third["severity"], third["who"]) == ("rollback", "P1", "canary")
        assert "incident-000001 (canary_auc) was not closed within canary.p1_timeout_s" in third["why"]
        assert (third["fingerprint_from"], third["fingerprint_to"]) == (left, target)
        assert 2000 <= third["opened_ms"] - first["opened_ms"]
        run.wait_for(lambda: all(i["closed_at"] for i in folder.incidents()), "that the rollback answers the incidents that led to it")
        assert (first["action"], second["action"]) == ("reduce_weight", "report")


def test_an_incident_that_is_closed_in_time_does_not(programs, tmp_path):
    with Run(programs, tmp_path, gates="canary", behave=FAST, sets={"canary.p1_timeout_s": 6, "signal.weak_threshold": 0.2}) as run:
        run.wait_line("go: all ready")
        Folder(run).mark(signal__weak_threshold=0.31)
        tell(tmp_path, "test", ALL_BACK)
        run.wait_for(lambda: carried(run) == 2, "both decisions")
        (incident,) = incidents(run)
        run.wait_for(lambda: time.time() * 1000 > incident["opened_ms"] + 7000, "the time it would have had")
        assert not (tmp_path / "state/rollback.json").exists() and run.status()["run_id"] == "test"


def test_an_incident_that_a_person_closes_leads_nowhere_and_says_who_closed_it_and_why(programs, tmp_path):
    with Run(programs, tmp_path, gates="canary", behave=FAST, sets={"canary.p1_timeout_s": 10, "signal.weak_threshold": 0.2}) as run:
        run.wait_line("go: all ready")
        Folder(run).mark(signal__weak_threshold=0.31)
        tell(tmp_path, "test", STORY[:1])
        run.wait_for(lambda: carried(run) == 1, "the decision")
        (incident,) = incidents(run)
        assert (incident["closed_at"], incident["closed_by"], incident["closed_why"]) == (None, None, None)
        assert "open    incident-000001  P1 canary_auc  " in run.orchctl("canary", "status").stdout
        done = run.orchctl("canary", "resolve", incident["id"], "--reason", 'a "known" gap', "--who", "anna")
        assert (done.returncode, done.stdout) == (0, "incident-000001 is closed\n"), done.stderr
        (closed,) = incidents(run)
        assert closed == {**incident, **{name: closed[name] for name in ("closed_ms", "closed_at")},
                          "closed_by": "anna", "closed_why": 'a "known" gap'}
        assert closed["closed_ms"] > incident["opened_ms"] and closed["closed_at"]

        again = run.orchctl("canary", "resolve", incident["id"], "--reason", "once more", "--who", "bert")
        assert again.returncode == 3
        assert again.stderr == f"orchctl: canary resolve: incident-000001 is closed since {closed['closed_at']}, by anna\n"
        unknown = run.orchctl("canary", "resolve", "incident-000077", "--reason", "a guess")
        assert unknown.returncode == 3 and "canary resolve: there is no incident incident-000077 in" in unknown.stderr
        assert incidents(run) == [closed]
        run.wait_for(lambda: time.time() * 1000 > incident["opened_ms"] + 11000, "the time it would have had")
        assert not (tmp_path / "state/rollback.json").exists() and run.status()["run_id"] == "test"
        assert 'incident_resolved run_id=test id="incident-000001"' in run.log()

        tell(tmp_path, "test", STORY[:2])
        run.wait_for(lambda: carried(run) == 2, "the next decision")
        run.process.send_signal(signal.SIGINT)
        run.finish()
        for words, sentence in ((("resolve",), "which incident?"), (("resolve", "incident-000002"), "--reason TEXT says why"),
                                (("resolve", "incident-000002", "--reason", ""), "--reason TEXT says why"),
                                (("status", "incident-000002"), "takes no further word")):
            wrong = run.orchctl("canary", *words)
            assert wrong.returncode == 2 and sentence in wrong.stderr, (words, wrong.stderr)
        late = run.orchctl("canary", "resolve", "incident-000002", "--reason", "seen the day after")  # nobody runs here any more
        assert late.returncode == 0, late.stderr
        assert [i["closed_why"] for i in incidents(run)] == ['a "known" gap', "seen the day after"]
        assert run.orchctl("canary", "resolve", "incident-000002", "--reason", "again").returncode == 3


def test_without_a_stable_configuration_the_rollback_is_refused_once(programs, tmp_path):
    with Mortal(programs, tmp_path, gates="canary", behave=FAST, sets={"canary.p1_timeout_s": 1}) as run:
        run.wait_line("go: all ready")
        tell(tmp_path, "test", STORY[:1])
        run.wait_line("there is no way back")
        run.kill()
        run.start_again().wait_line("run test goes on")
        tell(tmp_path, "test", STORY[:2])
        run.wait_for(lambda: carried(run) == 2, "the next decision")
        assert [i["action"] for i in incidents(run)] == ["reduce_weight", "rollback_refused", "report"]
