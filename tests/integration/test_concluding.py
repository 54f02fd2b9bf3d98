"""A run's files are read and judged for as long as that takes, and whoever asks how the run is gets his answer meanwhile. The reading is held up
for as long as a test wants by a pipe in the place of a file: who opens it waits for somebody who writes."""
import os
import shutil
import signal

import control
from fakes import Run

ANSWER_MS = 60000
QUESTIONS = 25


def end_of_pipe(run, path):
    """The writing end, once somebody waits at the other."""
    def opened():
        try:
            return os.open(path, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            return None
    return run.wait_for(opened, f"a reader of {path.name}")


def ask_everything(ctl):
    for _ in range(QUESTIONS):
        result = ctl.ask("status", timeout_ms=ANSWER_MS)
    ctl.ask("health", timeout_ms=ANSWER_MS)
    ctl.ask("gates", timeout_ms=ANSWER_MS)
    ctl.ask("events", timeout_ms=ANSWER_MS)
    return result


def heartbeats(ctl):
    """{process: number of its newest heartbeat}."""
    return {name: process["heartbeat"]["seq"] for name, process in ctl.status().items()}


def refusal(ctl, verb, **arguments):
    answer = ctl.receive(ctl.send(verb, **arguments), ANSWER_MS)
    assert answer and not answer["ok"], answer
    return answer["error"]


def test_a_run_that_is_being_judged_and_concluded_answers_whoever_asks(programs, tmp_path):
    own = shutil.copytree(programs, tmp_path / "bin", symlinks=True)
    folder = tmp_path / "run"
    held, source = folder / "held", folder / "artifacts/source_manifest_test.json"
    (own / "account").write_text(f"#!/bin/sh\nread line < '{held}'\n")
    (own / "account").chmod(0o755)
    with Run(own, folder) as run:
        source.parent.mkdir(exist_ok=True)
        os.mkfifo(held)
        os.mkfifo(source)
        run.wait_line("go: all ready")
        with control.Control(folder) as ctl:
            run.process.send_signal(signal.SIGINT)

            end = end_of_pipe(run, source)  # read by the gates that are judged before the stop
            before = ask_everything(ctl)
            assert before["phase"] == "reporting"
            beats = heartbeats(ctl)
            run.wait_for(lambda: all(seq > beats[name] for name, seq in heartbeats(ctl).items()), "that they are heard, too")
            os.unlink(source)  # of what comes now nobody needs to be held up
            os.close(end)

            end = end_of_pipe(run, held)  # read by the loss ledger, behind the last exit
            after = ask_everything(ctl)
            assert after["phase"] == "ended" and {process["state"] for process in after["processes"]} == {"stopped"}
            assert "is being concluded" in refusal(ctl, "restart", name="signal")
            assert "is being concluded" in refusal(ctl, "scale", signal=2)
            run.process.send_signal(signal.SIGTERM)  # is nothing new, and shortens nothing
            ask_everything(ctl)
            assert run.process.poll() is None
            os.write(end, b"go on\n")
            os.close(end)
        assert run.finish() == 0, run.text()
    assert run.manifest()["state"] == "finished" and run.manifest()["exit_code"] == 0
    assert "verdict PASS, exit code 0" in run.text()


def test_an_interrupt_does_not_wait_for_the_gates_that_are_being_judged_but_the_verdict_does(programs, tmp_path):
    source = tmp_path / "artifacts/source_manifest_test.json"
    with Run(programs, tmp_path) as run:
        source.parent.mkdir(exist_ok=True)
        os.mkfifo(source)
        run.wait_line("go: all ready")
        run.process.send_signal(signal.SIGINT)
        end = end_of_pipe(run, source)
        run.process.send_signal(signal.SIGINT)
        run.wait_line("harvest stopped")  # the last one
        os.unlink(source)
        os.close(end)
        assert run.finish() == 0, run.text()
    assert run.manifest()["state"] == "aborted" and run.manifest()["exit_code"] == 0


def test_a_file_that_never_answers_before_the_stop_costs_the_early_gates_and_nothing_else(programs, tmp_path):
    source = tmp_path / "artifacts/source_manifest_test.json"
    with Run(programs, tmp_path, sets={"run.conclude_timeout_s": 5}) as run:  # enough for the verdict
        source.parent.mkdir(exist_ok=True)
        os.mkfifo(source)  # nobody ever writes to it; the conclusion replaces it
        run.wait_line("go: all ready")
        run.process.send_signal(signal.SIGINT)
        run.wait_line("the gates before the stop: not done within")
        assert run.finish() == 0, run.text()
    assert 'conclude_timeout run_id=test what="the gates before the stop"' in run.log()
    assert run.manifest()["state"] == "finished" and run.manifest()["overall_verdict"] == "PASS"


def test_a_file_that_never_answers_ends_the_run_without_a_verdict_and_says_at_what(programs, tmp_path):
    orders = tmp_path / "runtime/mock_orders.jsonl"
    with Run(programs, tmp_path, sets={"run.conclude_timeout_s": 5}) as run:  # time to be asked behind the last exit
        run.wait_line("go: all ready")
        orders.unlink(missing_ok=True)
        os.mkfifo(orders)
        with control.Control(tmp_path) as ctl:
            run.process.send_signal(signal.SIGINT)
            run.wait_line("the gates before the stop: not done within")
            run.process.send_signal(signal.SIGINT)  # nothing more can be hurried
            run.wait_line("harvest stopped")  # the last one
            assert ctl.ask("status", timeout_ms=ANSWER_MS)["phase"] == "ended"
            assert run.finish() == 1, run.text()
    sentence = "no verdict: reading the rows of the sinks and of the data sets did not end within"
    assert f"orchestrator: run test has {sentence}" in run.text()
    manifest = run.manifest()
    assert manifest["state"] == "aborted" and sentence in manifest["end_reason"]
    assert manifest["overall_verdict"] is None and manifest["gates"] is None
    assert 'conclude_timeout run_id=test what="the verdict"' in run.log()
    assert not os.path.exists(tmp_path / "runtime/orchestrator.state")
