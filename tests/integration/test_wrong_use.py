"""Words that no orchestrator could understand are wrong use (exit 2), wherever they are said; and what --help calls itself."""
import os
import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(os.environ.get("ORDERFLOW_ROOT", pathlib.Path(__file__).resolve().parents[2]))
ORCHCTL = pathlib.Path(os.environ.get("ORDERFLOW_BUILD", ROOT / "build" / "dev")) / "bin" / "orchctl"


def said(folder, *words):
    return subprocess.run([str(ORCHCTL), *words], cwd=folder, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("words, told", [
    (("direction", "lok"), "must be lock or unlock"),
    (("fault", "drop", "features", "--for", "-1s"), "'-1s' is no duration"),
    (("fault", "drop", "features", "--steady", "soon"), "'soon' is no duration"),
    (("scale", "signal=0"), "from 1 to 64"),
])
def test_wrong_words_are_wrong_use_with_or_without_a_run(tmp_path, words, told):
    done = said(tmp_path, *words)
    assert (done.returncode, told in done.stderr) == (2, True), done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("words", [("direction", "lock"), ("fault", "drop", "features", "--for", "1s")])
def test_good_words_without_a_run_are_refused(tmp_path, words):
    done = said(tmp_path, *words)
    assert (done.returncode, "no orchestrator is running" in done.stderr) == (1, True), done.stderr


def test_without_a_run_there_is_no_log_and_no_path_made_of_nothing(tmp_path):
    done = said(tmp_path, "logs", "signal")
    assert (done.returncode, done.stderr) == (1, "orchctl: no run is recorded in this folder: none was started here, or all were cleaned away; "
                                               "`orchestrator` starts one (--dir DIR asks another folder)\n")


def test_the_table_of_faults_is_a_table(tmp_path):
    lines = said(tmp_path, "fault", "kinds").stdout.splitlines()
    what = lines[0].index("WHAT")
    assert len(lines) > 20 and all(line[what - 1] == " " and line[what] != " " for line in lines)


@pytest.mark.parametrize("verb", ["monitor", "preflight", "scale"])
def test_the_first_line_of_help_ends_where_its_words_end(tmp_path, verb):
    first = said(tmp_path, verb, "--help").stdout.splitlines()[0]
    assert first.startswith(f"usage: orchctl {verb}") and first == first.rstrip()


STEPS = "name: x\nsteps:\n  - fault: drop signal\n"


@pytest.mark.parametrize("text, told", [
    (STEPS + "    for:   2s\n    speed: 3\n", "x.yaml:5:5: speed: no such key in a step; there are: fault, wait, clear, expect, for,"),
    (STEPS + "speed: 3\n", "x.yaml:4:1: speed: no such key in a scenario; there are: name, about, steps"),
    ("name: x\nstep: []\n", "x.yaml:2:1: step: no such key in a scenario"),
    ("name: x\nsteps:\n  - dance:\n      - fault: drop signal\n", "x.yaml:3:5: dance: no such key in a step"),
    (STEPS + "    for: [1, 2]\n", "x.yaml:4:10: for: must be a text"),
    (STEPS + "    for: 1s\n    for: 2s\n", "x.yaml:5:5: this key comes twice: for"),
])
def test_a_wrong_key_of_a_scenario_is_told_with_the_place_of_the_key_before_anybody_is_asked(tmp_path, text, told):
    (tmp_path / "x.yaml").write_text(text)
    done = said(tmp_path, "fault", "run", "x.yaml")
    assert (done.returncode, done.stdout) == (2, "") and told in done.stderr, done


def test_a_scenario_that_is_not_there_is_wrong_use_and_a_good_one_needs_a_run(tmp_path):
    done = said(tmp_path, "fault", "run", "x.yaml")
    assert done.returncode == 2 and "x.yaml" in done.stderr, done
    (tmp_path / "x.yaml").write_text(STEPS)
    done = said(tmp_path, "fault", "run", "x.yaml")
    assert done.returncode == 1 and "no orchestrator" in done.stderr, done


@pytest.mark.parametrize("words, whose", [(["help"], None), (["-h"], None), (["--help"], None), (["help", "kill"], "kill"), (["kill", "-h"], "kill"),
                                          (["kill", "signal", "-h"], "kill"), (["-h", "kill"], "kill"), (["fault", "-s", "TERM", "-h"], "fault"),
                                          (["help", "fault", "--help"], "fault"), (["help", "-h"], None)])
def test_help_is_printed_however_it_is_asked_for(tmp_path, words, whose):
    done = said(tmp_path, *words)
    known = said(tmp_path, whose, "--help") if whose else said(tmp_path, "--help")
    assert (done.returncode, done.stdout, done.stderr) == (0, known.stdout, ""), done
    assert known.stdout.startswith(f"usage: orchctl {whose} " if whose else "usage: orchctl [--dir DIR] VERB")


@pytest.mark.parametrize("words, told", [(["help", "dance"], "there is no verb 'dance'"), (["help", "help"], "there is no verb 'help'"),
                                         (["help", "shutdown", "x"], "'x' is too much")])
def test_help_of_what_is_not_there_is_wrong_use(tmp_path, words, told):
    done = said(tmp_path, *words)
    assert (done.returncode, done.stdout) == (2, "") and told in done.stderr, done


def test_the_help_of_doctor_lists_the_sets_of_gates_that_it_takes(tmp_path):
    listed = re.search(r"--gates SET +as for a run judged by these gates: (.+)", said(tmp_path, "doctor", "--help").stdout)[1].split(", ")
    refused = said(tmp_path, "doctor", "--gates", "nope").stderr
    assert listed == re.search("must be (.+)", refused)[1].replace(" or ", ", ").split(", ")
