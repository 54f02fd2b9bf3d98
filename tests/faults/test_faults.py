"""Every fault on real processes: scenario files played by orchctl on one run, the evidence they leave, leases that outlive whoever
ordered them, and rows that no fault may change."""
import json
import pathlib
import subprocess
import time

import pytest

import stack as harness

SCENARIOS = sorted((harness.ROOT / "tests/faults/scenarios").glob("*.yaml"))
DAEMONS = ("harvest", "archive", "features", "signal", "broker", "report")
# A daemon that is hurt again and again within seconds is the experiment's doing, not a reason to give it up.
SETS = {"simulator.rate": 40, "harvest.backoff_initial_ms": 100, "harvest.backoff_cap_ms": 300,
        "supervisor.progress_restarts": 100, "supervisor.max_restarts": 100}
EVIDENCE = ("id kind process seed requested_at_s pid_before pid_after killed_at healthy_at caught_up_at recovery_ms catchup_ms "
            "restart_count_before restart_count_after event_sequence sequence_before sequence_after frames_replayed "
            "rows_expected rows_lost rows_duplicated parity_verdict touched verdict").split()
OF_ENDED = "exit_detected_at restarted_at ready_at detect_ms restart_ms backoff_ms".split()
OF_LEASES = "ttl_ms over_at end lasted_ms".split()


def start(folder, gates="smoke", sets=None):
    """On a synthetic market at the pace of a real one. Short runs have too few orders for the smoke gates."""
    return harness.Stack(folder, run_id="faults", speed=1, sets={**SETS, **(sets or {})},
                         arguments=["--symbols", "BTCUSDT", "--gates", gates])


def wait_rows(stack):
    harness.wait_for(lambda: stack.rows_written() > 0, 60, "the first signals")


def end(stack, code=0):
    stack.orchctl("shutdown")
    assert stack.finish(120) == code, stack.text()[-4000:]


def fault_list(stack):
    """All faults of the run so far; none while nobody answers."""
    done = stack.orchctl("fault", "list", "--json", check=False)
    return json.loads(done.stdout)["faults"] if done.returncode == 0 else []


def wait_recovered(stack):
    """An end takes what is open with it: nothing is recovered from then."""
    def recovered():
        faults = fault_list(stack)
        return faults and all(fault["healthy_at"] for fault in faults)
    harness.wait_for(recovered, 60, "every fault to be told as recovered")


@pytest.fixture(scope="module")
def hurt(tmp_path_factory):
    """A run on a synthetic market that all scenarios are played on, one after the other."""
    stack = start(tmp_path_factory.mktemp("hurt") / "run")
    with stack:
        wait_rows(stack)
        yield stack


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_what_a_scenario_expects_comes_true(hurt, path):
    done = hurt.orchctl("fault", "run", str(path), check=False)
    print(done.stdout, done.stderr)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_kind_of_fault_has_been_on_a_process(hurt):
    kinds = {line.split()[0] for line in hurt.orchctl("fault", "kinds").stdout.splitlines()[1:]}
    played = {fault["kind"] for fault in json.loads(hurt.orchctl("fault", "list", "--json").stdout)["faults"]
              if fault["healthy_at"]}
    assert played == kinds and len(kinds) >= 20


def test_one_run_had_all_of_it_and_lost_nothing(hurt):
    """Last of those that use the run: its end, its manifest and its report."""
    end(hurt)
    manifest = hurt.manifest()
    assert manifest["overall_verdict"] == "PASS"
    faults = manifest["fault_injection"]
    refused = manifest["faults_refused"]
    assert len(refused) == 2 and all(fault["reason"] and fault["verdict"] == "REFUSED" and fault["touched"] == 0 for fault in refused)
    assert all(f"{fault['kind']} on {fault['process']}: {fault['reason']}: REFUSED" in hurt.text() for fault in refused)
    for fault in faults:
        check_evidence(fault)
    summary = hurt.summary()
    assert summary["fault_injection"] == faults, "the report has every field of the evidence"
    assert all(name in hurt.summary_text() for name in ("descriptors", "partition", "write_error"))
    assert json.loads(hurt.ledger_bytes())["unbalanced"] == 0


def test_what_does_not_come_true_is_told_with_its_place_and_a_fault_that_touched_nothing_fails(tmp_path):
    """In a run of its own: a fault that failed stays in the manifest."""
    path = tmp_path / "idle.yaml"
    path.write_text("name: idle\nsteps:\n  - fault: drop signal\n    share: 0.000001\n    seed: 1\n    for: 200ms\n    background: yes\n"
                    "  - wait: fault over within 60s\n  - expect: \"recovered within 12s\"\n  - expect: \"touched: 0, restarts: 77\"\n"
                    "  - wait: signal degraded within 10ms\n")
    with start(tmp_path / "run") as stack:
        wait_rows(stack)
        done = stack.orchctl("fault", "run", str(path), check=False)
    assert done.returncode == 3 and "idle: FAIL" in done.stdout
    told = done.stderr.splitlines()
    assert [line.split(": ")[1] for line in told] == [f"{path}:{place}" for place in ("9:13", "10:13", "11:11")], done.stderr
    assert "1 of 1 recovered" in told[0] and "1 touched nothing" in told[0] and "restarts: 77: 0" in told[1]


def check_evidence(fault):
    missing = [name for name in EVIDENCE if fault[name] is None]
    ended = fault["exit_detected_at"] is not None
    missing += [name for name in OF_ENDED if ended and fault[name] is None]
    missing += [name for name in OF_LEASES if fault["kind"] != "kill" and fault[name] is None]
    missing += ["signal_sent"] if fault["kind"] == "kill" and not fault["signal_sent"] else []
    missing += ["exit_code, exit_signal"] if ended and fault["exit_code"] is None and fault["exit_signal"] is None else []
    assert not missing, (missing, fault)
    assert fault["verdict"] == "PASS", json.dumps(fault)
    assert fault["touched"] > 0 and fault["rows_lost"] == 0 and fault["rows_duplicated"] == 0
    moments = [event["at"] for event in fault["event_sequence"]]
    assert moments == sorted(moments)
    names = [event["event"] for event in fault["event_sequence"]]
    if ended:
        assert [name for name in names if name not in ("expired", "cleared")][1:] == ["exit", "restart", "ready", "healthy"]
    else:
        assert names == ["fault", fault["end"], "healthy"]


# ---- what a lease is ----

def state_of(pid):
    return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def counter(stack, service, name):
    return stack.statuses().get(service, {}).get("counters", {}).get(name, 0)


def test_leases_end_when_orchestrator_and_injector_are_both_dead(tmp_path):
    # With patience for silence, so that what stands still is not taken for hung by the orchestrator that comes later.
    stack = start(tmp_path / "run", "none", sets={"health.heartbeat_timeout_ms": 30000})
    with stack:
        wait_rows(stack)
        harness.wait_for(lambda: set(DAEMONS) <= set(stack.statuses()), 60, "every daemon's status file")
        pids = {name: stack.statuses()[name]["pid"] for name in DAEMONS}
        stack.orchctl("fault", "hang", "broker", "--for", "10s", "--no-wait")
        stack.orchctl("fault", "drop", "features", "--share", "1", "--for", "10s", "--no-wait", "--force")
        harness.wait_for(lambda: state_of(pids["broker"]) == "T", 60, "broker to stand still")
        harness.wait_for(lambda: counter(stack, "features", "stage_faults_active") == 1, 60, "features to have its fault")
        stack.process.kill()
        stack.process.wait()
        harness.wait_for(lambda: state_of(pids["broker"]) in "RS", 60, "the keeper to let broker go on")
        harness.wait_for(lambda: counter(stack, "features", "stage_faults_active") == 0, 60, "features to end its fault")
        assert {name: stack.statuses()[name]["pid"] for name in DAEMONS} == pids
        stack.output.close()
        stack.__enter__()
        harness.wait_for(lambda: "goes on" in stack.text(), 60, "another orchestrator")
        wait_recovered(stack)
        end(stack)
    faults = stack.manifest()["fault_injection"]
    assert [fault["kind"] for fault in faults] == ["hang", "drop"]
    assert all(fault["verdict"] == "PASS" and fault["restart_count_after"] == 0 for fault in faults), faults


def test_nothing_is_injected_into_a_pipeline_that_is_not_steady(tmp_path):
    stack = start(tmp_path / "run", "none")
    with stack:
        wait_rows(stack)
        stack.orchctl("pause", "archive")

        def refused():
            steady = stack.orchctl("fault", "drop", "signal", "--for", "200ms", "--steady", "1s", check=False)
            assert steady.returncode == 1, steady
            return "archive is paused" in steady.stderr  # it names one: another may just have to catch up, too
        harness.wait_for(refused, 60, "archive to be named")
        forced = stack.orchctl("fault", "duplicate", "signal", "--share", "1", "--for", "3s", "--force")
        assert "PASS" in forced.stdout
        stack.orchctl("resume", "archive")
        end(stack)


def test_a_fault_that_touched_nothing_fails(tmp_path):
    stack = start(tmp_path / "run", "none")
    with stack:
        wait_rows(stack)
        done = stack.orchctl("fault", "rest_error", "simulator", "--for", "100ms", check=False)  # nobody asks for anything
        assert done.returncode == 3 and "0 answers" in done.stdout and "FAIL" in done.stdout
        end(stack)
    assert [fault["verdict"] for fault in stack.manifest()["fault_injection"]] == ["FAIL"]


def test_a_service_means_all_its_instances_and_its_first_has_a_number_too(tmp_path):
    stack = start(tmp_path / "run", "none", sets={"scale.signal": 2, "health.heartbeat_timeout_ms": 30000})
    with stack:
        wait_rows(stack)
        first = stack.orchctl("fault", "hang", "signal.1", "--for", "2s").stdout.splitlines()
        both = stack.orchctl("fault", "hang", "signal", "--for", "2s").stdout.splitlines()
        assert [" on signal " in line and "PASS" in line for line in first] == [True]
        assert [line.split(" expired")[0] for line in both] == ["fault 2: hang on signal", "fault 3: hang on signal.2"], both
        ordered = json.loads(stack.orchctl("fault", "hang", "signal", "--for", "2s", "--no-wait", "--json").stdout)
        assert [fault["process"] for fault in ordered["faults"]] == ["signal", "signal.2"]
        absent = stack.orchctl("fault", "hang", "signal.3", "--force", check=False)
        assert absent.returncode == 1 and "there is no process 'signal.3'" in absent.stderr

        def logs_agree():
            """What one instance has said, and all of them; not while one says something more."""
            one, other, all_of_it = (stack.orchctl("logs", name).stdout for name in ("signal.1", "signal.2", "signal"))
            assert "==>" not in one + other
            return one and all_of_it == f"==> signal <==\n{one}\n==> signal.2 <==\n{other}"
        harness.wait_for(logs_agree, 60, "logs of one instance and of all to agree")
        heard = {json.loads(line)["process"] for line in stack.orchctl("logs", "signal", "--json").stdout.splitlines()}
        assert heard == {"signal", "signal.2"}
        wait_recovered(stack)
        end(stack)
    faults = stack.manifest()["fault_injection"]
    assert [fault["process"] for fault in faults] == ["signal", "signal", "signal.2", "signal", "signal.2"]
    assert {fault["verdict"] for fault in faults} == {"PASS"}, faults


def test_a_scenario_asks_only_the_instances_that_are_there(tmp_path):
    stack = start(tmp_path / "run", "none", sets={"scale.signal": 2, "health.heartbeat_timeout_ms": 30000})
    path = tmp_path / "scenario.yaml"
    path.write_text("name: x\nsteps:\n  - fault: disk_full signal\n    for: 10m\n    background: yes\n"
                    "  - wait: signal degraded within 60s\n  - wait: signal up within 60s\n  - clear: all\n"
                    "  - wait: fault recovered within 60s\n  - fault: stuck archive\n    for: 2s\n  - expect: \"restarts: 0\"\n")
    with stack:
        wait_rows(stack)
        stack.orchctl("scale", "signal=1", "--wait", "60")
        told = {process["name"]: process for process in stack.status()["processes"]}
        assert (told["signal.2"]["retired"], told["signal.2"]["health"], told["signal"]["retired"]) == (True, "unknown", False)
        played = stack.orchctl("fault", "run", str(path), check=False)
        assert played.returncode == 0 and "x: PASS" in played.stdout, (played.stdout, played.stderr)
        path.write_text("name: x\nsteps:\n  - wait: signal.2 up within 100ms\n")
        assert stack.orchctl("fault", "run", str(path), check=False).returncode == 3, "who is asked by name and is not there is in no state"
        absent = stack.orchctl("fault", "drop", "nobody", "--force", check=False)
        assert absent.returncode == 1 and absent.stderr.startswith("orchctl: fault: there is no process 'nobody'"), absent.stderr
        end(stack)


# A first step that would hurt the run, were it played.
SOUND = "name: x\nsteps:\n  - fault: drop signal\n    force: yes\n"


@pytest.mark.parametrize("text, complaint", [
    ("name: x\nsteps:\n  - fault: drop\n", "3:12: 'drop': must be a kind and a target"),
    ("name: x\nsteps:\n  - fault: drop signal\n    fr: 2s\n", "4:5: fr: no such key in a step"),
    ("name: x\nname: y\nsteps: []\n", "2:1: this key comes twice: name"),
    ("name: x\nsteps: []\n", "2:8: must have 1 to 200 steps"),
    ("name: x\nsteps:\n  - expect: \"lost: few\"\n", "3:13: lost: 'few' must be a whole number"),
    ("name: x\nsteps:\n  - wait: signal happy within 5s\n", "3:11: 'signal happy': waits are for"),
    ("name: x\nsteps:\n  - wait: signal healthy\n", "needs 'within' and a time"),
    ("name: &a x\nsteps: [*a]\n", "1:7: anchors, aliases and tags are not taken"),
    ("name: [x\n", "2:1"),
    ("", "scenario.yaml:1:1"),
    (SOUND + "  - fault: dorp signal\n", "5:12: there is no fault 'dorp'; there are: kill, hang"),
    (SOUND + "  - fault: drop signal\n    for: 2 weeks\n", "6:10: '2 weeks' is no duration"),
    (SOUND + "  - fault: drop signal\n    for: 1s\n    share: 2\n", "7:12: drop: share must be above 0"),
    (SOUND + "  - fault: delay signal\n    amount: 1e300\n    force: yes\n", "6:13: amount: '1e300' is no whole number"),
    (SOUND + "  - fault: drop signal\n    background: ye\n", "6:17: background: 'ye' must be yes or no"),
    (SOUND + "  - wait: signal happy within 5s\n", "5:11: 'signal happy': waits are for"),
    (SOUND + "  - wait: signal healthy within soon\n", "5:11: 'soon' is no duration"),
    (SOUND + "  - wait: fault touched 0 within 1s\n", "5:11: 'fault touched 0': waits are for"),
    (SOUND + "  - wait: fault touched few within 1s\n", "5:11: 'fault touched few': waits are for"),
    (SOUND + "  - wait: fault over 5 within 1s\n", "5:11: 'fault over 5': waits are for"),
    (SOUND + "  - expect: \"lost: few\"\n", "5:13: lost: 'few' must be a whole number"),
    (SOUND + "  - expect: \"lost: 0, verdict: GOOD\"\n", "5:13: verdict: 'GOOD' must be PASS, FAIL or UNKNOWN"),
    (SOUND + "  - expect: \"found: 0\"\n", "5:13: 'found': there is no such expectation"),
    (SOUND + "  - clear: 2\n", "5:12: '2': must be 'all', or which fault of this scenario"),
    ("name: x\nsteps:\n  - wait: fault over within 1s\n", "3:11: no fault has been begun"),
    ("name: x\nsteps:\n  - expect: \"recovered within 5s\"\n", "3:13: no fault has been begun"),
])
def test_a_mistake_in_a_scenario_is_told_with_its_place(hurt_short, tmp_path, text, complaint):
    path = tmp_path / "scenario.yaml"
    path.write_text(text)
    done = hurt_short.orchctl("fault", "run", str(path), check=False)
    assert done.returncode == 2 and complaint in done.stderr and str(path) in done.stderr, (done.returncode, done.stderr)
    assert hurt_short.orchctl("fault", "list").stdout == "this run has had no fault\n", "nothing may be injected"
    alone = subprocess.run([str(hurt_short.binaries / "orchctl"), "fault", "run", str(path)], cwd=tmp_path, capture_output=True, text=True)
    assert (alone.returncode, alone.stderr) == (2, done.stderr), "the file is as wrong where nothing runs"


@pytest.mark.parametrize("step, place", [("fault: drop nobody", "5:12"), ("fault: drop signal.x", "5:12"), ("wait: nobody up within 1s", "5:11")])
def test_a_process_that_the_run_does_not_have_is_a_mistake_in_the_scenario(hurt_short, tmp_path, step, place):
    path = tmp_path / "scenario.yaml"
    path.write_text(SOUND + f"  - {step}\n")
    for how in ((), ("--json",)):
        done = hurt_short.orchctl("fault", "run", str(path), *how, check=False)
        name = step.split()[2 if step.startswith("fault") else 1]
        assert (done.returncode, done.stdout) == (2, ""), "nothing is begun, a table neither"
        assert f"{path}:{place}: there is no process '{name}' in this run" in done.stderr, done.stderr
    assert hurt_short.orchctl("fault", "list").stdout == "this run has had no fault\n", "nothing may be injected"


def test_an_instance_that_is_not_there_when_its_step_is_played_is_a_played_result_without_a_table(hurt_short, tmp_path):
    path = tmp_path / "scenario.yaml"
    path.write_text("name: x\nsteps:\n  - fault: drop signal.2\n    force: yes\n")
    done = hurt_short.orchctl("fault", "run", str(path), check=False)
    assert (done.returncode, done.stdout) == (3, "x: FAIL\n") and f"{path}:3:12: " in done.stderr and "signal.2" in done.stderr, done


@pytest.fixture(scope="module")
def hurt_short(tmp_path_factory):
    stack = start(tmp_path_factory.mktemp("short") / "run")
    with stack:
        wait_rows(stack)
        yield stack


# ---- rows ----

RECORDING = "usdm/btcusdt_20240808.gz"
WRONG_CLOCKS = [("clock", name, ["--amount", str(amount)])
                for name, amount in zip(("harvest", "features", "signal", "broker", "archive", "report"),
                                        (3600000, -86400000, 7200000, -3600000, 60000, -60000))]
LOSSY = [("drop", "features", ["--share", "0.5"]), ("corrupt", "signal", ["--share", "0.5"]),
         ("delay", "archive", ["--amount", "200"]), ("duplicate", "broker", ["--share", "1"]),
         ("partition", "report", []), ("disk_full", "features", []), ("disk_full", "signal", []),
         ("descriptors", "archive", [])]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    path = harness.needed(RECORDING)
    folder = tmp_path_factory.mktemp("undisturbed")
    capture = harness.cut(path, 24000, folder)
    stack = harness.Stack(folder / "run", [capture])
    with stack:
        harness.assert_sound(stack, stack.finish())
    return capture, stack


def wait_fed(stack):
    def fed():
        told = json.loads(stack.orchctl("status", "--json", check=False).stdout or "{}")
        return told.get("phase") == "feeding" and all(process["state"] == "running" for process in told["processes"] if process["name"] != "simulator")
    harness.wait_for(fed, 60, "a market that everybody reads")


def clear_when_touched(stack, count):
    """Each fault lasts 1.5 s, and until it has touched something, and one that keeps others from it is over by then."""
    begun = time.monotonic()

    def over():
        faults = fault_list(stack)
        for fault in faults:
            if fault["end"] == "lasts" and fault["touched"] and time.monotonic() > begun + 1.5:
                stack.orchctl("fault", "clear", str(fault["id"]))
        return len(faults) == count and all(fault["end"] == "cleared" for fault in faults)
    harness.wait_for(over, 60, lambda: f"every fault to touch something: {fault_list(stack)}")


@pytest.mark.parametrize("faults", (WRONG_CLOCKS, LOSSY), ids=("wrong_clocks", "lossy_links_and_full_disks"))
def test_rows_are_those_of_an_undisturbed_run(undisturbed, tmp_path, faults):
    capture, reference = undisturbed
    # With patience for silence, so that a market that is held is not taken for one that hangs.
    stack = harness.Stack(tmp_path / "run", [capture], speed=10, sets={**SETS, "health.heartbeat_timeout_ms": 30000})
    with stack:
        wait_fed(stack)
        with harness.market_held(stack.simulator_pid()):  # the market is short
            for kind, target, more in faults:
                stack.orchctl("fault", kind, target, "--for", "10m", "--force", "--no-wait", *more)
        clear_when_touched(stack, len(faults))
        harness.assert_sound(stack, stack.finish())
    evidence = stack.manifest()["fault_injection"]
    assert len(evidence) == len(faults) and all(fault["touched"] > 0 for fault in evidence), evidence
    harness.assert_equal_rows(reference, stack)
