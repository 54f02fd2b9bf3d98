"""Daemons built with the address and undefined-behaviour sanitizers, in a bin folder that is else the ordinary one.

The orchestrator finds daemons beside its own executable, so the folder holds links to (or copies of) all programs.
The build is shared: whoever comes second finds it done.
"""
import contextlib
import fcntl
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import pytest

import stack as harness

BUILD = pathlib.Path(os.environ.get("ORDERFLOW_ASAN_BUILD", harness.ROOT / "build" / "asan"))
# Of whoever needs such programs first: that it has to build them is not counted.
TIME = pytest.mark.timeout(300, func_only=True)
# What a sanitizer says on stderr; the daemon's log file receives it.
REPORT = re.compile(r"AddressSanitizer|LeakSanitizer|UndefinedBehaviorSanitizer|runtime error:|SUMMARY: ")


@contextlib.contextmanager
def locked(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def compiler_can():
    """Whether the C compiler links a program with both sanitizers."""
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder) / "try.c"
        source.write_text("int main(void) { return 0; }\n")
        done = subprocess.run([os.environ.get("CC", "cc"), "-fsanitize=address,undefined", str(source), "-o",
                               str(source.with_suffix(""))], capture_output=True)
        return done.returncode == 0


def build(*targets):
    """Builds the targets of the asan preset; the folder of its programs."""
    if not compiler_can():
        pytest.skip("the C compiler has no address and undefined-behaviour sanitizers")
    with locked(BUILD.parent / f".{BUILD.name}.lock"):
        run(["cmake", "--preset", "asan", "-S", str(harness.ROOT), "-B", str(BUILD)])
        run(["cmake", "--build", str(BUILD), "-j", "2", "--target", *targets])
    return BUILD / "bin"


def run(command):
    done = subprocess.run(command, cwd=harness.ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, f"{' '.join(command)}:\n{done.stdout[-4000:]}"


def place(program, target):
    """The program under another name: a hard link where it can be one, so that its own folder is the new one."""
    try:
        os.link(program, target)
    except OSError:
        shutil.copy2(program, target)


def compose(folder, *targets):
    """A folder of all programs, those named being sanitized ones."""
    sanitized = build(*targets)
    folder.mkdir(parents=True)
    for program in harness.BIN.iterdir():
        if program.is_file():
            place(sanitized / program.name if program.name in targets else program, folder / program.name)
    return folder


def assert_silent(stack, service):
    """No sanitizer had anything to say, and the process that started is the one that ended."""
    for log in (stack.folder / "logs" / service).glob("*_std*.log"):
        found = REPORT.search(log.read_text(errors="replace"))
        assert not found, f"{log}:\n{log.read_text(errors='replace')[-6000:]}"
    process = stack.manifest()["processes"][service]
    assert process["restart_count"] == 0 and process["exit_code"] == 0, process
