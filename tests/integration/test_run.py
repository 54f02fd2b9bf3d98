"""`./run`: wrong use is told with exit code 2 before anything is installed, built or removed."""
import os
import shutil
import subprocess

import pytest

import stack as harness

VERBS = sorted(path.stem for path in (harness.ROOT / "scripts").glob("*.sh") if path.stem != "common")


@pytest.fixture
def house(tmp_path):
    """A copy: what is wrong with the verb `clean` must not be found out on the tree that is tested."""
    shutil.copy(harness.ROOT / "run", tmp_path)
    shutil.copytree(harness.ROOT / "scripts", tmp_path / "scripts")
    shutil.copy(harness.ROOT / "CMakePresets.json", tmp_path)
    (tmp_path / "build" / "dev").mkdir(parents=True)
    (tmp_path / "demo").mkdir()
    return tmp_path


def run(house, *arguments):
    before = sorted(house.rglob("*"))
    done = subprocess.run([str(house / "run"), *arguments], cwd=os.sep, capture_output=True, text=True, timeout=60)
    assert sorted(house.rglob("*")) == before, "something was made or removed"
    return done


@pytest.mark.parametrize("option", ["--help", "-h"])
@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_tells_what_it_does_and_does_nothing(verb, option, house):
    done = run(house, verb, option)
    assert done.returncode == 0 and not done.stderr, done
    summary = run(house, "help").stdout
    first = done.stdout.splitlines()[0]
    assert first in summary and f"{verb}_main" not in done.stdout, done.stdout


@pytest.mark.parametrize("arguments", [["dance"], ["clean", "dance"], ["build", "dance"], ["test", "unit", "dance"], ["bench", "dance"],
                                       ["check", "dance"], ["soak", "--dance"], ["demo", "--dance"], ["demo", "dance"], ["demo", "--minutes", "dance"],
                                       ["demo", "--sink", "dance"], ["soak", "--minutes", "dance"], ["soak", "--day", "--hours", "dance"]])
def test_wrong_use_is_told_before_anything_is_done(arguments, house):
    done = run(house, *arguments)
    assert done.returncode == 2 and "dance" in done.stderr or "./run soak" in done.stderr, done


@pytest.mark.parametrize("arguments", [["demo", "--minutes", "0"], ["soak", "--minutes", "0"], ["soak", "--minutes", "0.0"], ["soak", "--time-scale", "-1"]])
def test_no_length_is_told_before_anything_is_built(arguments, house):
    done = run(house, *arguments)
    assert (done.returncode, done.stdout) == (2, "") and "must be a number above 0" in done.stderr, done


def test_clean_removes_what_was_built_and_keeps_what_was_fetched(house):
    (house / "build" / "deps").mkdir()
    subprocess.run([str(house / "run"), "clean"], check=True, stdout=subprocess.DEVNULL)
    assert [path.name for path in (house / "build").iterdir()] == ["deps"] and not (house / "demo").exists()
    subprocess.run([str(house / "run"), "clean", "all"], check=True, stdout=subprocess.DEVNULL)
    assert not list((house / "build").iterdir())
