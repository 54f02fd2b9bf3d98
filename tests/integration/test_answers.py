"""What orchctl says while a run goes on: words, members and refusals that people and programs go by."""
import contextlib
import fcntl
import json
import os
import re
import subprocess
import time

import control
import pytest
import stack as harness
import zmq

from asked import ORCHCTL, ROOT, said, verbs
from fakes import Run

ROOT_BIN = ORCHCTL.parent
PAGE = ROOT / "docs/control-protocol.md"
# Who speaks to the orchestrator or to a publisher, and so can be impatient; who says nothing that a program reads.
PATIENT = set("status health monitor top start stop restart kill pause resume scale events tail account fault shutdown drain rollback direction canary manifest".split())
WITHOUT_JSON = set("top completion".split())  # a screen and scripts
# A way to say every verb that a program can read; what cannot be answered here is refused with an empty standard output.
IN_JSON = ["status", "health broker", "monitor --once", "events --since 0 --count 1", "manifest", "logs harvest", "config check", "config show", "config fingerprint",
           "config diff runtime/effective_config.json runtime/effective_config.json", "config diff runtime/effective_config.json other.yaml",
           "export test", "keys made", "fault kinds", "fault list", "fault clear", "fault run scenario.yaml", "fault cpu orchestrator --for 100ms --force --no-wait", "pause broker", "resume broker", "stop broker", "start broker",
           "restart broker --wait 20", "kill broker --wait 20", "scale signal=1", "drain report", "tail nowhere/TESTUSDT", "direction lock", "rollback", "canary status",
           "canary report", "canary resolve", "canary mark-stable", "canary start --config nowhere.yaml", "why a/b/1", "replay nowhere.ofr --compare test", "account", "validate",
           "parity", "report", "evidence build", "evidence verify", "doctor", "preflight --symbols BTCUSDT", "clean", "clean --dry-run --keep 1", "smoke --config nowhere.yaml",
           "soak --minutes 0", "precheck --minutes 0", "shutdown"]
# What is answered here, and so must be more than nothing.
ANSWERED = ("status", "health", "manifest", "config", "keys", "fault", "pause", "resume", "scale", "doctor", "preflight", "smoke", "soak", "precheck", "shutdown")


def test_a_verb_takes_the_common_options_its_help_lists_and_no_other(tmp_path):
    seen = {verb: said(tmp_path, f"{verb} --help").stdout for verb in verbs()}
    assert {verb for verb, text in seen.items() if "--timeout SECONDS" in text} == PATIENT
    assert {verb for verb, text in seen.items() if "--json" not in text} == WITHOUT_JSON
    for verb, options in [(verb, ["--json"]) for verb in WITHOUT_JSON] + [(verb, ["--timeout", "3"]) for verb in set(seen) - PATIENT]:
        for words in ([verb, *options], [*options, verb]):
            done = said(tmp_path, words)
            assert done.returncode == 2 and f"{verb}: takes no {options[0]}" in done.stderr, (words, done)


def state_of(pid):
    return open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[0]


def test_an_orchestrator_that_has_not_said_yet_where_it_listens_is_waited_for(tmp_path):
    """It holds the folder first, and then writes its configuration: whoever asks in between must not ask at the default place."""
    (tmp_path / "runtime/there").mkdir(parents=True, mode=0o700)
    with open(tmp_path / "runtime/orchestrator.lock", "w") as lock, zmq.Context() as context, context.socket(zmq.ROUTER) as orchestrator:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        orchestrator.linger = 0
        orchestrator.bind(f"ipc://{os.path.relpath(tmp_path)}/runtime/there/orchestrator.ctl")
        asking = subprocess.Popen([str(ORCHCTL), "status", "--timeout", "60"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        looks = []
        harness.wait_for(lambda: looks.append(state_of(asking.pid)) or looks[-5:] == ["S"] * 5, 60, "orchctl to have looked, and to wait")
        (tmp_path / "runtime/.new").write_text('{"bus": {"dir": "runtime/there"}}')
        (tmp_path / "runtime/.new").rename(tmp_path / "runtime/effective_config.json")
        assert orchestrator.poll(60000), "asked elsewhere"
        peer, *_, request = orchestrator.recv_multipart()
        orchestrator.send_multipart([peer, json.dumps({"id": json.loads(request)["id"], "ok": False, "error": "here it is"}).encode()])
        assert "here it is" in asking.communicate(timeout=60)[1] and asking.returncode == 1


def parsed(text):
    """One JSON document, or one on every line."""
    with contextlib.suppress(ValueError):
        return [json.loads(text)]
    return [json.loads(line) for line in text.splitlines()]


def test_every_verb_answers_in_json(run):
    assert {words.split()[0] for words in IN_JSON} == set(verbs()) - WITHOUT_JSON
    (run.folder / "scenario.yaml").write_text("name: x\nsteps:\n  - fault: cpu orchestrator\n    for: 100ms\n    force: yes\n    background: yes\n  - wait: fault over within 20s\n")
    (run.folder / "other.yaml").write_text("run:\n  minutes: 7\n")
    answers = {}
    for words in IN_JSON:
        done = run.orchctl(*words.split(), "--json")
        answers[words] = (done, parsed(done.stdout))
        assert done.stdout or (done.returncode and done.stderr), (words, done)
        assert done.stdout or words.split()[0] not in ANSWERED, (words, done)
    (fingerprint,) = answers["config fingerprint"][1]
    assert re.fullmatch("[0-9a-f]{64}", fingerprint["fingerprint"]) and answers["config check"][1] == [{"good": True, **fingerprint}]
    assert answers[IN_JSON[9]][1] == [{"differences": []}]
    assert {"key": "run.minutes", "left": "30", "right": "7"} in answers[IN_JSON[10]][1][0]["differences"]
    assert answers["keys made"][1] == [{"path": "made/bus.keys", "made": True}]
    (played,) = answers["fault run scenario.yaml"][1]
    assert (played["scenario"], [step["step"] for step in played["steps"]]) == ("x", [1, 2]) and played["verdict"] in ("PASS", "FAIL"), answers["fault run scenario.yaml"][0]
    (ordered,) = answers["fault cpu orchestrator --for 100ms --force --no-wait"][1]
    assert [fault["kind"] for fault in ordered["faults"]] == ["cpu"]
    assert answers["soak --minutes 0"][1] == answers["precheck --minutes 0"][1] == [{"steps": [], "exit_code": 2}]
    (smoke,) = answers["smoke --config nowhere.yaml"][1]
    assert smoke == {"steps": [{"step": "run", "run_id": smoke["steps"][0]["run_id"], "exit_code": 2}], "exit_code": 2}
    run.wait_line("verdict ")
    assert run.finish() in (0, 3, 4)
    (would,), (done,) = (parsed(run.orchctl("clean", *words, "--json").stdout) for words in (["--dry-run"], []))
    assert would == {"would_remove": would["would_remove"], "dry_run": True, "files": len(would["would_remove"]), "bytes": would["bytes"], "failures": 0}
    assert done == {**would, "would_remove": [], "dry_run": False} and done["files"] > 10


REQUESTS = ROOT / "tests/vectors/requests"


def dumped(name):
    """The bytes that the page shows of a message."""
    text = re.search(rf"<!-- generated: request {name} -->\n```text\n(.*?)```", PAGE.read_text(), re.S)[1]
    return bytes.fromhex("".join(line[10:58] for line in text.splitlines()))


def test_every_request_of_the_page_is_one_that_is_understood(run):
    shown = set(re.findall(r"<!-- generated: request (\w+) -->", PAGE.read_text())) - {"event", "warden_report", "warden_order"}
    table = (ROOT / "orchestrator/control/verbs.c").read_text().split("RUN_VERBS[] = {")[1]
    assert shown == set(re.findall(r'^    \{"([a-z_]+)",', table, re.M))
    run.wait_for(lambda: all(process["heartbeat"] for process in run.status()["processes"]), "a heartbeat of everybody")
    with control.Control(run.folder) as ctl:
        ready = next(event for event in ctl.ask("events")["events"] if event["event"] == "Ready")
        assert list(ready) == list(json.loads(dumped("event"))), "an event as the page shows one"
        for name in sorted(shown, key=lambda verb: verb in ("rollback", "shutdown")):
            ctl.socket.send(dumped(name))
            assert ctl.socket.poll(20000), name
            reply, request = json.loads(ctl.socket.recv()), json.loads((REQUESTS / f"{name}.json").read_text())
            assert list(reply) == ["id", "ok", "error", "result"] and reply["id"] == request["id"], (name, reply)
            assert reply["ok"] or not re.search(r"member|args|must be a |no verb|JSON|needs", reply["error"]), (name, reply)
            answered = [example for example in documented(section_of(name)) if reply["ok"] and keys(example) >= keys(reply["result"])]
            assert answered or not reply["ok"] or name in ("manifest", "status", "gates", "events"), (name, reply)


def section_of(verb):
    """The heading of a verb, as documented() wants it."""
    return next(title for title in re.findall(r"^### (.*)$", PAGE.read_text(), re.M) if verb in title.split(", "))


def keys(value, path=""):
    """Names of all members below, with their place; a list counts by its first item, what is counted freely by nothing."""
    if isinstance(value, dict):
        free = path.endswith((".counters", ".gauges", ".heartbeat", ".canary", ".streams[]", ".sinks[]", ".triggered[]"))
        return {f"{path}.{key}" for key in value if not free}.union(*(keys(item, f"{path}.{key}") for key, item in value.items() if not free))
    return keys(value[0], path + "[]") if isinstance(value, list) and value and isinstance(value[0], dict) else set()


def documented(verb):
    """The results that the page shows for a verb: what follows its arguments in the first block."""
    block = re.search(rf"^### {verb}\b.*?```json\n(.*?)```", PAGE.read_text(), re.M | re.S)[1]
    found, at, decoder = [], 0, json.JSONDecoder()
    while block[at:].strip():
        at += len(block[at:]) - len(block[at:].lstrip())
        value, at = decoder.raw_decode(block, at)
        found.append(value)
    return found[1:]


# A name of something a run has, which this one has not: whoever is asked, and whatever the name looks like, nobody could say anything. 1.
UNKNOWN_NAMES = ["status NOSUCH", "health NOSUCH", "start NOSUCH", "stop NOSUCH", "stop NOSUCH --wait 5", "restart NOSUCH", "drain NOSUCH",
                 "kill NOSUCH", "pause NOSUCH", "resume NOSUCH", "scale NOSUCH=2", "tail NOSUCH", "tail NOSUCH/BTCUSDT", "logs NOSUCH",
                 "fault drop NOSUCH", "fault kill NOSUCH", "fault clear 99", "direction lock NOSUCH", "direction unlock NOSUCH",
                 "account NOSUCH", "manifest NOSUCH", "validate NOSUCH",
                 "parity NOSUCH", "report NOSUCH", "evidence build NOSUCH", "evidence verify NOSUCH", "canary report NOSUCH"]
# Who takes no name of that kind; what a name means to these is told by their own rules: a folder, a file, a fingerprint (0033 rule 5). why:
# test_orchestrator_chain.py, as it needs a capture.
NAMELESS = set("why monitor top events config export shutdown completion keys doctor preflight precheck smoke soak rollback clean replay".split())


def test_an_unknown_name_is_answered_alike_by_every_verb(run):
    assert {words.split()[0] for words in UNKNOWN_NAMES} | NAMELESS == set(verbs())
    before = run.status()
    for words in UNKNOWN_NAMES:
        begun = time.monotonic()
        done = run.orchctl(*words.split())
        assert (done.returncode, done.stdout) == (1, "") and re.search("NOSUCH|99", done.stderr), (words, done)
        assert done.stderr.count("\n") == 1 and time.monotonic() - begun < 10, (words, done)
    after = run.status()
    assert [p["generation"] for p in before["processes"]] == [p["generation"] for p in after["processes"]]


def orchestrate(run, *options):
    return subprocess.run([str(run.programs / "orchestrator"), *options], cwd=run.folder, capture_output=True, text=True, timeout=60)


def test_answers_of_a_run_that_goes_on(programs, tmp_path):
    with Run(programs, tmp_path) as run:
        run.wait_line("go: all ready")
        (shown,) = documented("status")
        run.wait_for(lambda: all(process["heartbeat"] for process in run.status()["processes"]), "a heartbeat of everybody")
        assert keys(run.status()) == keys(shown), "the page shows another answer than the one that is given"
        (shown,) = documented("health")
        assert keys(json.loads(run.orchctl("health", "--json").stdout)) == keys(shown)

        assert run.orchctl("pause", "broker").stdout == "broker is paused\n"
        assert run.orchctl("pause", "broker").stdout == "broker is paused (nothing to do)\n"
        paused = json.loads(run.orchctl("pause", "broker", "--json").stdout)
        assert (paused["state"], run.process_status("broker")["state"]) == ("paused", "paused")
        assert run.process_status("broker")["rows_per_s"] is None, "nobody knows how many rows pass through what stands still"
        assert keys(paused) == keys(documented("pause, resume")[0])
        assert "is running" in run.orchctl("resume", "broker").stdout and "nothing to do" in run.orchctl("resume", "broker").stdout

        live = run.orchctl("manifest")
        manifest = json.loads(live.stdout)
        (file,) = (run.folder / "artifacts/run_logs").glob("run_manifest_*.json")
        start = json.loads(file.read_text())
        assert manifest.keys() == start.keys() and "is still going on" in live.stderr and live.stderr.count("\n") == 1
        assert (manifest["state"], manifest["final"], start["processes"]["broker"]["pid"]) == ("running", False, None)
        assert manifest["config_fingerprint"] == run.status()["config_fingerprint"]
        assert manifest["duration_s"] > start["duration_s"] and manifest["written_at"] > start["written_at"]
        assert manifest["conditions"]["minutes_fed"] > 0
        for process in run.status()["processes"]:
            told = manifest["processes"][process["name"]]
            assert (told["pid"], told["state"]) == (process["pid"], "running") and told["ready_at"], told

        assert run.orchctl("fault", "list").stdout == "this run has had no fault\n"
        assert run.orchctl("fault", "clear").stdout == "no fault is open that could be cleared\n"
        assert json.loads(run.orchctl("fault", "clear", "--json").stdout) == {"cleared": 0, "faults": []}
        run.orchctl("fault", "cpu", "orchestrator", "--for", "30s", "--force", "--no-wait")
        assert "no fault is open" not in run.orchctl("fault", "clear", "1").stdout
        run.wait_line("fault 1: cpu on orchestrator is over")
        cleared = run.orchctl("fault", "clear", "1", "--json")
        assert (cleared.returncode, json.loads(cleared.stdout)["cleared"]) == (0, 0), cleared

        wrong = orchestrate(run, "--sink", "nowhere")
        assert wrong.returncode == 2 and "run.sink" in wrong.stderr and "another orchestrator" not in wrong.stderr, wrong
        second = orchestrate(run, "--sink", "jsonl")
        assert second.returncode == 2 and "another orchestrator" in second.stderr, second

        refused = run.orchctl("rollback", "nonsense")
        assert refused.returncode == 2 and "hexadecimal" in refused.stderr
        assert not list(tmp_path.glob("artifacts/**/incidents.json")), "words that are none open no incident"
        refused = run.orchctl("rollback", "0123456789abcdef")
        assert refused.returncode == 3 and re.search(r"nothing was changed: .*\(incident-\d+, closed", refused.stderr), refused
        (incident,) = json.loads(next(tmp_path.glob("artifacts/**/incidents.json")).read_text())
        assert incident["closed_at"]
        refused = run.orchctl("rollback", "0123456789abcdef", "--json")
        told = json.loads(refused.stdout)
        assert (refused.returncode, told["state"], told["to"]) == (3, "refused", None) and told["reason"] in refused.stderr, refused
        assert told["incident"] != incident["id"] and keys(told) == keys(documented("rollback")[0])

        doctor = subprocess.run([str(run.programs / "orchctl"), "doctor", "--json"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
        checks = {check["check"]: check for check in json.loads(doctor.stdout)["checks"]}
        assert doctor.returncode == 3 and checks["single_run"]["verdict"] == "failed" and "orchctl shutdown" in checks["single_run"]["remedy"]
        assert re.fullmatch(r"an orchestrator runs here: run \S+ since \S+Z, pid \d+", checks["single_run"]["cause"])
        assert checks["sockets"]["verdict"] == checks["ports"]["verdict"] == "ok" and "earlier run" not in doctor.stdout, checks
        assert "run test goes on" in run.orchctl("parity").stderr
        run.orchctl("shutdown")
        assert run.finish() == 0


def lay(folder, **keys_):
    """A folder as a run leaves it, with other folders."""
    (folder / "runtime").mkdir()
    effective = json.loads(said(folder, "config show --json").stdout)
    effective["run"].update(keys_)
    (folder / "runtime/effective_config.json").write_text(json.dumps(effective))


@pytest.mark.parametrize("place, reason", [("blocker/out", "Not a directory"), ("/proc/tty", "Operation not permitted|Permission denied"),
                                           ("/proc/orderflow", "No such file")])
def test_clean_says_what_could_not_be_done_and_why(tmp_path, place, reason):
    (tmp_path / "blocker").write_text("x")
    lay(tmp_path, output_dir=place)
    done = said(tmp_path, "clean")
    assert done.returncode == 1 and re.search(f"clean: .*{re.escape(place)}.*: ({reason})", done.stderr), done


def test_doctor_tells_of_a_folder_that_cannot_be_written_to_why_and_what_helps(tmp_path):
    (tmp_path / "blocker").write_text("x")
    for place, cause, remedy in [("/proc/tty", "No such file|denied|not permitted", "owner, mode"), ("blocker/data", "Not a directory", "is a file")]:
        (tmp_path / "wrong.yaml").write_text(f"run:\n  data_root: {place}\n")
        checks = {check["check"]: check for check in json.loads(said(tmp_path, "doctor --config wrong.yaml --json").stdout)["checks"]}
        for name in ("directories", "disk_speed"):
            found = checks[name]
            assert found["verdict"] == "failed" and place in found["cause"] and re.search(cause, found["cause"]) and remedy in found["remedy"], found


def test_evidence_that_nobody_has_built_is_one_sentence_that_says_how_to(tmp_path):
    lay(tmp_path, run_id="old")
    for options in ("", " --json", " --run-id old"):
        done = said(tmp_path, "evidence verify" + options)
        assert (done.returncode, done.stdout if "--json" not in options else "", done.stderr.count("\n")) == (1, "", 1), done
        assert "no evidence pack of run old" in done.stderr and "`orchctl evidence build --run-id old`" in done.stderr, done
        if "--json" in options:
            assert json.loads(done.stdout) == {"pack": None, "final": False, "error": done.stderr.strip().removeprefix("evidence: ")}
    done = said(tmp_path, "evidence verify --pack nowhere")
    assert (done.returncode, done.stdout) == (2, "") and "--pack nowhere: there is no such folder" in done.stderr, done
    done = said(tmp_path, ["evidence", "verify", "--json", "--pack", 'no"where'])
    assert (done.returncode, json.loads(done.stdout)) == (2, {"pack": None, "final": False, "error": '--pack no"where: there is no such folder'}), done
    done = said(tmp_path, "evidence build --json")
    assert done.returncode == 1 and json.loads(done.stdout)["error"] in done.stderr, "what was not built is said alike"
    (tmp_path / "artifacts/evidence/old").mkdir(parents=True)
    done = said(tmp_path, "evidence verify")
    assert done.returncode == 3 and "index.json is missing" in done.stdout, "a pack without its index has been looked at"


def test_kinds_of_faults_are_an_object_too(tmp_path):
    table = [line.split()[0] for line in said(tmp_path, "fault kinds").stdout.splitlines()[1:]]
    kinds = json.loads(said(tmp_path, "fault kinds --json").stdout)["kinds"]
    assert [kind["kind"] for kind in kinds] == table and {"drop", "kill", "cpu"} <= set(table)
    by_name = {kind["kind"]: kind for kind in kinds}
    assert by_name["kill"]["signal_default"] == "KILL" and by_name["drop"]["link"] and by_name["drop"]["amount"] is None
    assert by_name["cpu"]["amount"]["name"] == "threads" and set(by_name["cpu"]["amount"]) == {"name", "default", "min", "max"}


def incident(number, closed_ms=None):
    return {"id": f"incident-{number:06}", "severity": "P1", "rule": "canary_auc", "who": "gate", "why": "fired", "action": "reduce_weight",
            "fingerprint_from": None, "fingerprint_to": None, "metrics_before_after": {}, "opened_ms": 1700000000000 + number, "closed_ms": closed_ms}


def test_canary_status_names_the_incidents_that_canary_resolve_can_close(tmp_path):
    lay(tmp_path, run_id="old")
    folder = tmp_path / "artifacts/runtime/canary_report"
    folder.mkdir(parents=True)
    (folder / "incidents.json").write_text(json.dumps([incident(1, 1700000001000), incident(2), incident(3)]))
    unmeasured = said(tmp_path, "canary status")
    assert unmeasured.returncode == 3 and re.findall("incident-\\d+", unmeasured.stdout) == ["incident-000002", "incident-000003"], unmeasured
    lacking = said(tmp_path, "canary status --json")
    told = json.loads(lacking.stdout)
    assert (lacking.returncode, told["run_id"], told["gates"], told["current"], told["stable"]) == (3, None, [], None, []), lacking
    assert [entry["id"] for entry in told["incidents_open"]] == ["incident-000002", "incident-000003"]
    (tmp_path / "state").mkdir()
    stable = {"fingerprint": "b" * 64, "config_tag": "v2", "marked_at": "2024-08-08T00:00:00.000Z"}
    (tmp_path / "state/fingerprints.json").write_text(
        json.dumps({"current": "a" * 64, "stable": [stable | {"config_file": "state/configs/b.json", "evidence": "report.json"}]}))
    (folder / "monitoring_report.json").write_text('{"run_id": "old", "gates": []}')
    assert "open    incident-000002  P1 canary_auc  reduce_weight  since 2023-11-14T22:13:20.002Z: fired\n" in said(tmp_path, "canary status").stdout
    report = json.loads(said(tmp_path, "canary status --json").stdout)
    assert [entry["id"] for entry in report["incidents_open"]] == ["incident-000002", "incident-000003"] and report["run_id"] == "old"
    assert (report["current"], report["stable"]) == ("a" * 64, [stable | {"evidence": "report.json", "evidence_state": "not recorded"}]), report
    assert said(tmp_path, "canary resolve incident-000002 --reason known").returncode == 0
    assert re.findall("incident-\\d+", said(tmp_path, "canary status").stdout) == ["incident-000003"]


FILED = ["why --all", "validate", "report", "parity", "account", "manifest", "evidence build", "evidence verify", "canary status", "canary report",
         "logs signal", "tail signal/BTCUSDT"]


def test_behind_clean_every_verb_that_reads_files_says_the_same_sentence(tmp_path):
    lay(tmp_path, run_id="old")
    assert said(tmp_path, "clean").returncode == 0
    told = {said(tmp_path, words).stderr for words in FILED}
    assert told == {"orchctl: no run is recorded in this folder: none was started here, or all were cleaned away; `orchestrator` starts one "
                    "(--dir DIR asks another folder)\n"}


PROGRAMS = ["validate", "account", "evidence build", "evaluation", "report_again parity"]


def become(folder, words):
    """A program behind a verb, by itself."""
    program, *rest = words.split()
    return subprocess.run([str(ROOT_BIN / program), *rest], cwd=folder, capture_output=True, text=True, timeout=30)


@pytest.mark.parametrize("words", [*FILED, *PROGRAMS])
def test_a_configuration_of_another_build_is_refused_with_file_key_and_what_to_do(tmp_path, words):
    lay(tmp_path, run_id="old")
    path = tmp_path / "runtime/effective_config.json"
    effective = json.loads(path.read_text())
    del effective["health"]["tick_s"], effective["broker"]["fee_bps"]
    path.write_text(json.dumps(effective))
    done = become(tmp_path, words) if words in PROGRAMS else said(tmp_path, words)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1), done
    assert re.search(r"runtime/effective_config.json\S* cannot be used: (health.tick_s|broker.fee_bps) is missing \(and 1 more\); "
                     "another build wrote it.*ask with the build of that run, or start a new run here", done.stderr), done
