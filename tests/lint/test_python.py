"""Tests, benches and scripts in Python: nothing imported or assigned in vain, nothing used that is not there; what two files need is in support."""
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
FILES = [path for folder in ("tests", "scripts") for path in sorted((ROOT / folder).rglob("*.py"))]


def test_pyflakes_finds_nothing():
    done = subprocess.run(["/usr/bin/python3", "-m", "pyflakes", *FILES], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_nothing_is_taken_from_a_file_of_tests():
    taken = {str(path.relative_to(ROOT)): re.findall(r"^(?:from|import) test_\w+", path.read_text(), re.MULTILINE) for path in FILES}
    assert not {path: lines for path, lines in taken.items() if lines}
