"""`./run demo`, less the set-up and the build: where a run goes, what is shown of it, and how it ends."""
import os
import pathlib
import pty
import re
import signal
import subprocess

import pytest

import stack as harness

# The demo's own functions; what would install or build does nothing, and the time of day may stand still.
SCRIPT = """\
set -euo pipefail
. scripts/common.sh
. scripts/demo.sh
need() { :; }; setup_main() { :; }; build_preset() { :; }
date() { [ -z "${STAMP:-}" ] || [ "$1" != -u ] || { echo "$STAMP"; return; }; command date "$@"; }
demo_main "$@"
"""
SHORT = ["--minutes", "0.05", "--speed", "max", "--no-kill"]


@pytest.fixture
def house(tmp_path):
    """A top folder of its own, so that nothing is left in the source tree."""
    top = tmp_path / "top folder"
    (top / "build").mkdir(parents=True)
    (top / "scripts").symlink_to(harness.ROOT / "scripts")
    (top / "build" / "dev").symlink_to(harness.BIN.parent)
    return top


def start(house, *arguments, here=None, stamp="", **options):
    environment = {**os.environ, "ROOT": str(house), "CALLER_DIR": str(here or house), "STAMP": stamp}
    return subprocess.Popen(["bash", "-c", SCRIPT, "demo", *map(str, arguments)], cwd=house, env=environment, **options)


def demo(house, *arguments, **options):
    process = start(house, *arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    output, _ = process.communicate(timeout=240)
    return process.returncode, output


def folder_of(output):
    return pathlib.Path(re.search(r"^== running in (.*)$", output, re.M)[1])


def orchestrators(folder):
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.readlink(f"/proc/{entry}/cwd").startswith(str(folder)):
                found.append(int(entry))
        except OSError:
            pass
    return found


@pytest.fixture(autouse=True)
def nothing_stays(tmp_path):
    yield
    for process in orchestrators(tmp_path):
        os.kill(process, signal.SIGKILL)


@pytest.mark.parametrize("arguments, words", [
    (["--bogus"], "--bogus"), (["--capture"], "needs a value"), (["--capture", "none.gz"], "none.gz"),
    (["--dir", ""], "--dir"), (["--dir", "a file"], "no folder"), (["--minutes="], "must be a number"),
    (["--symbols", ""], "run.symbols"), (["--speed", "fast"], "simulator.speed"), (["--sink=tape"], "--sink tape: must be"),
])
def test_wrong_use_is_told_and_leaves_nothing(arguments, words, house, tmp_path):
    (tmp_path / "a file").touch()
    code, output = demo(house, *arguments, here=tmp_path)
    assert code == 2 and words in output, output
    assert not (house / "demo").exists() or not list((house / "demo").iterdir()), output
    assert "signals.db" not in output


def test_a_file_that_is_no_recording_is_told_where_the_user_looks(house, tmp_path):
    (tmp_path / "notes.txt").write_text("hello\n")
    code, output = demo(house, "--capture", "notes.txt", here=tmp_path)
    assert code == 2, output
    assert re.search(r"simulator: .*notes\.txt: no message of a known format", output), output
    assert "not measured" not in output, "a gate that cannot say anything says much"
    shown = re.findall(r"^   (\S+) ", output, re.M)
    assert shown == ["logs/", "artifacts/"], "what does not exist is not offered"


def test_demos_that_start_in_one_second_have_folders_of_their_own(house):
    running = [start(house, *SHORT, stamp="20260102_030405", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
               for _ in range(3)]
    outputs = [process.communicate(timeout=240)[0] for process in running]
    assert {folder_of(output).name for output in outputs} == {"20260102_030405", "20260102_030405-2", "20260102_030405-3"}
    for output in outputs:
        assert "another orchestrator" not in output and "the day report" in output, output


def test_a_second_run_in_a_folder_shows_its_own_report(house, tmp_path):
    for run_id in ("first", "other"):
        _, output = demo(house, *SHORT, "--dir", "a day", f"--run-id={run_id}", here=tmp_path)
        assert folder_of(output) == tmp_path / "a day"
        assert re.findall(r"^# Run (\S+)", output, re.M) == [run_id], output


@pytest.mark.parametrize("line", ["go: all ready", "the day report:"])
def test_an_interrupt_drains_and_the_report_and_the_verdict_follow(line, house):
    """A terminal's Ctrl-C goes to everybody in the foreground."""
    arguments = ["--minutes", "5", "--no-kill"] if line.startswith("go") else SHORT
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(house)
        os.environ.update(ROOT=str(house), CALLER_DIR=str(house))
        os.execvp("bash", ["bash", "-c", SCRIPT, "demo", *arguments])
    seen, interrupted = "", False
    while True:
        try:
            seen += os.read(terminal, 65536).decode(errors="replace")
        except OSError:  # the other side is closed
            break
        if line in seen and not interrupted:
            interrupted = os.write(terminal, b"\x03") == 1
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    os.close(terminal)
    assert interrupted and "drained in" in seen and "the day report:" in seen, seen
    assert code == 3 and "verdict: exit code 3" in seen, seen  # too short for orders of both sides


def test_the_run_ends_when_its_script_is_ended(house, tmp_path):
    with open(tmp_path / "out", "wb") as out:
        process = start(house, "--minutes", "5", stdout=out, stderr=out)
    harness.wait_for(lambda: "go: all ready" in (tmp_path / "out").read_text(), 60, "go")
    assert orchestrators(house)
    process.send_signal(signal.SIGKILL)
    process.wait()
    harness.wait_for(lambda: not orchestrators(house), 60, "the end of the orchestrator and its daemons")
    assert "drained in" in (tmp_path / "out").read_text()
