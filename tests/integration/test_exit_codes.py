"""One table of exit codes (docs/operations.md): every verb of orchctl is asked without a run, about a run that is not here, and with words
that are wrong whatever runs here."""
import json
import re

import pytest

from asked import ROOT, said, verbs

DONE, NOT_ANSWERED, WRONG_USE, NOT_SO = 0, 1, 2, 3

# What a verb says in a folder where nobody has ever run anything. (precheck, smoke, soak and canary start begin a run; top wants a terminal.)
WITHOUT_A_RUN = {
    NOT_ANSWERED: ["status", "status signal", "health", "monitor --once", "start signal", "stop signal", "restart signal", "drain signal",
                   "kill signal", "kill signal -s TERM", "pause signal", "resume signal", "scale signal=2", "events", "events --since 1",
                   "tail signal/BTCUSDT", "why --all", "why BTCUSDT 1", "account", "manifest", "logs signal",
                   "fault drop signal", "fault list", "fault clear", "shutdown", "validate", "parity", "report", "evidence build",
                   "evidence verify", "rollback", "direction lock", "canary status", "canary report", "canary mark-stable", "top"],
    DONE: ["completion man", "keys keys", "config check", "config show", "config fingerprint", "clean", "fault kinds", "fault kinds --json"],
    WRONG_USE: ["replay x.ofr --compare r"],  # it reads a file that is not there
    NOT_SO: ["export test"],  # it is off
}
# About a run whose name nobody here has heard.
ABOUT_A_RUN = ["why --all", "why BTCUSDT 1", "account", "manifest", "validate", "parity", "report", "evidence build", "evidence verify", "canary report"]
UNKNOWN_RUN = ["why --all --run nobody", "why nobody/BTCUSDT/1"] + [f"{verb} {name}" for verb in ABOUT_A_RUN for name in ("--run-id nobody", "nobody")]
# Wrong whatever runs here: (words, what the sentence names).
WRONG = [("status --dance", "--dance"), ("status a b", "too much"), ("start", "NAME"), ("dance", "'dance'"),
         ("kill signal -s NOPE", "NOPE"), ("kill signal --wait soon", "--wait soon"), ("stop signal --wait -1", "--wait -1"),
         ("scale broker=2", "harvest, features, signal"), ("scale signal=0", "from 1 to 64"),
         ("scale signal=2 signal=3", "twice"), ("scale signal", "SERVICE=N"), ("events --count x", "--count x"),
         ("tail signal/A --count x", "--count x"),
         ("why", "RUN/SYMBOL/TS_MS"), ("replay x.ofr", "--run-id"), ("manifest a b", "'b' is too much"), ("manifest --run-id b a", "'a' is too much"), ("manifest a --run-id b", "named twice"), ("account --run-id ../x", "not a run id"),
         ("manifest --run-id a/b", "not a run id"), ("validate --data-root nowhere", "there is no such folder"), ("parity --run-id a/b", "not a run id"), ("evidence build --run-id a/b", "not a run id"),
         ("validate --run-id a/b", "not a run id"), ("config dance", "must be"), ("config check nofile", "nofile"), ("export dance", "must be test"),
         ("logs ../x", "../x"), ("fault drp signal", "drop"), ("fault drop signal --share 2", "share"), ("fault drop signal --share x", "'x'"),
         ("fault drop signal --count 0", "at least 1"), ("fault drop signal --seed -1", "at least 0"), ("fault cpu signal --amount 900", "threads"),
         ("fault drop signal --amount 9", "no amount"), ("fault kill signal -s NOPE", "NOPE"), ("fault drop signal -s TERM", "no signal"),
         ("fault drop signal --for 1h", "1h"), ("fault drop signal --for 30m", "600000"), ("fault kill signal --share 0.5", "no share"),
         ("fault drop", "TARGET"), ("fault clear x", "number of a fault"), ("completion fish", "fish"), ("rollback nonsense", "hexadecimal"), ("rollback abc", "hexadecimal"), ("evidence burn", "build or verify"),
         ("direction lok", "lock or unlock"), ("canary sing", "mark-stable"), ("clean --keep x", "--keep x"), ("precheck --minutes 0", "--minutes 0"),
         ("smoke --minutes x", "--minutes x"), ("soak --minutes -3", "--minutes -3"), ("--timeout x status", "--timeout x"),
         ("--dir nowhere status", "nowhere")]


def test_the_tables_name_every_verb():
    asked = {words.split()[0] for rows in WITHOUT_A_RUN.values() for words in rows}
    began = {"precheck", "smoke", "soak", "doctor", "preflight"}
    assert len(verbs()) > 30 and set(verbs()) == asked | began


@pytest.mark.parametrize("words, code", [(words, code) for code, rows in WITHOUT_A_RUN.items() for words in rows])
def test_without_a_run(tmp_path, words, code):
    done = said(tmp_path, words)
    assert done.returncode == code, (words, done)
    if code == NOT_ANSWERED:
        assert not done.stdout and re.search("no run|no orchestrator", done.stderr), done
        assert done.stderr.count("\n") == 1 and not list(tmp_path.iterdir()), done


def test_export_that_is_off_is_an_object_too(tmp_path):
    done = said(tmp_path, "export test --json")
    told = json.loads(done.stdout)
    assert (done.returncode, told["type"], told["url"], told["ok"], told["attempts"]) == (NOT_SO, "none", None, False, 0), done
    assert told["error"].startswith("export is off: ") and told["error"] in done.stderr


@pytest.mark.parametrize("words", UNKNOWN_RUN)
def test_about_a_run_that_is_not_here(tmp_path, words):
    done = said(tmp_path, words)
    assert (done.returncode, done.stdout) == (NOT_ANSWERED, "") and re.search("no (file of )?run nobody", done.stderr), done


def test_every_verb_about_a_run_names_it_in_the_same_way(tmp_path):
    """--run-id RUN, or the last word; what its help says, and what other verbs say to a word more than they take."""
    for verb in verbs():
        text = said(tmp_path, f"{verb} --help").stdout
        about = any(words.split()[0] == verb for words in ABOUT_A_RUN) or verb == "replay"
        assert ("--run-id RUN" in text) == (about and verb != "canary"), text
        assert ("[RUN]" in text.splitlines()[0]) == (about and verb != "replay"), text
        assert "  --run " not in text and "  --compare" not in text, "one name for one thing"


def test_a_capture_is_not_compared_with_a_run_that_is_not_here(tmp_path):
    (tmp_path / "x.ofr").write_bytes(b"")
    done = said(tmp_path, "replay x.ofr --compare nobody")
    assert (done.returncode, done.stdout) == (NOT_ANSWERED, "") and "no run nobody" in done.stderr, done


@pytest.mark.parametrize("words, told", WRONG)
def test_wrong_words_are_wrong_use_whatever_runs_here(tmp_path, words, told):
    done = said(tmp_path, words)
    assert (done.returncode, done.stdout) == (WRONG_USE, "") and told in done.stderr, done
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("verb", ["status", "kill signal", "tail signal/BTCUSDT", "why --all", "account", "manifest", "logs signal", "validate",
                                  "parity", "report", "evidence build", "evidence verify", "canary status", "canary report"])
def test_a_folder_whose_own_file_is_damaged_gives_no_answer(tmp_path, verb):
    (tmp_path / "runtime").mkdir()
    (tmp_path / "runtime/effective_config.json").write_text("{\"run")
    done = said(tmp_path, verb)
    assert done.returncode == NOT_ANSWERED and ("effective_config.json" in done.stderr or "no orchestrator" in done.stderr), done


def test_help_and_documentation_show_the_same_table():
    rows = re.findall(r"^  (\d)  (.+)$", said(ROOT, "--help").stdout, re.M)
    page = (ROOT / "docs/operations.md").read_text()
    assert [row[0] for row in rows] == ["0", "1", "2", "3", "4"]
    for code, text in rows:
        assert f"| {code} | {text} |" in page, (code, text)
