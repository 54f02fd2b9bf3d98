"""What is installed compiles, too: its preset warns of more than the one that is tested (other optimisation, checked libc calls)."""
import concurrent.futures
import json
import os
import pathlib
import shlex
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("ORDERFLOW_BUILD", ROOT / "build" / "dev"))
FOLDERS = ("common", "proto", "services", "orchestrator", "tools")


def release_flags():
    text = (ROOT / "cmake" / "OrderflowWarnings.cmake").read_text()
    line = next(line for line in text.splitlines() if line.startswith("set(CMAKE_C_FLAGS_RELEASE"))
    only = [part.removeprefix("$<$<CONFIG:Release>:").rstrip(">)") for part in text.split() if part.startswith("$<$<CONFIG:Release>:")]
    return shlex.split(line.split('"')[1]) + only


def commands():
    """Each source of ours once, with the flags of the release preset in place of the build's own."""
    seen = {}
    for entry in json.loads((BUILD / "compile_commands.json").read_text()):
        path = pathlib.Path(entry["file"])
        if not path.is_relative_to(ROOT) or path.relative_to(ROOT).parts[0] not in FOLDERS or path in seen:
            continue
        words = shlex.split(entry["command"])
        words = words[next(i for i, word in enumerate(words) if word.endswith(("cc", "gcc", "clang"))):]
        kept = [word for word in words[:words.index("-o")] if not word.startswith(("-O", "-g", "-fsanitize", "-M"))]
        seen[path] = (kept + release_flags() + ["-c", str(path), "-o", "/dev/null"], entry["directory"])
    return seen


@pytest.mark.timeout(1200)
def test_the_release_preset_compiles_without_a_warning():
    if not (BUILD / "compile_commands.json").exists():
        pytest.skip("nothing has been built: ./run build")
    everything = commands()
    assert len(everything) > 200 and "-D_FORTIFY_SOURCE=2" in release_flags()

    def compile_one(item):
        words, folder = item
        return subprocess.run(words, cwd=folder, capture_output=True, text=True)

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        done = list(pool.map(compile_one, everything.values()))
    failed = [result.stderr for result in done if result.returncode or result.stderr]
    assert not failed, "\n".join(failed[:3])
