"""A daemon by hand on a capture: `features --replay X.ofr` prints its rows as JSON lines."""
import json
import pathlib
import subprocess

import stack as harness


def command(service, captures, *arguments, binaries=None):
    line = [str((binaries or harness.BIN) / service), *map(str, arguments)]
    for capture in captures:
        line += ["--replay", str(capture)]
    return line


def lines(service, captures, *arguments, folder, binaries=None):
    """What the daemon prints, line by line, once it has ended well. What it has logged lies in the folder as SERVICE.log."""
    done = subprocess.run(command(service, captures, *arguments, binaries=binaries), cwd=folder, capture_output=True,
                          text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-4000:]
    pathlib.Path(folder, f"{service}.log").write_text(done.stderr)
    return done.stdout.splitlines()


def rows(stack, kind, folder):
    """Rows of one kind of the service of that name, computed again from what a run received."""
    captures = sorted((stack.folder / "data" / "raw").rglob("*.ofr"))
    assert captures
    effective = stack.folder / "runtime" / "effective_config.json"
    printed = map(json.loads, lines(kind, captures, "--effective", effective, folder=folder))
    return [line["row"] for line in printed if line["kind"] == kind]
