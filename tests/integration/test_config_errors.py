"""A configuration with mistakes: all of them are shown at once, each with its place, and nothing is started."""
import os
import re
import subprocess

import pytest

import stack as harness

MISTAKES = """\
schema_version: 1
ofi:
  levels: 50
  z_windw: 100
cvd:
  half_life_sec: "ten"
"""
SHOWN = [r"bad\.yaml:3:11: ofi\.levels: .*20", r"bad\.yaml:4:3: ofi\.z_windw: ",
         r"bad\.yaml:6:18: cvd\.half_life_sec: "]
# Each a mistake of its own kind: (text of the file, what is said of it).
KINDS = [
    ("ofi: {levels: 5, levels: 6}", r"bad\.yaml:1:18: ofi\.levels: .*twice"),
    ("ofi: {levels: 5.5}", r"bad\.yaml:1:15: ofi\.levels: .*whole number"),
    ("ofi: {levels: [5]}", r"bad\.yaml:1:15: ofi\.levels: .*a list"),
    ("ofi: 5", r"bad\.yaml:1:6: ofi: "),
    ("nonsense: {a: 1}", r"bad\.yaml:1:1: nonsense: "),
    ("ofi: {levels: &x 5}", r"bad\.yaml:1:15: .*anchors"),
    ("ofi: {levels: *x}", r"bad\.yaml:1:15: "),
    ("ofi: {levels: !!int 5}", r"bad\.yaml:1:15: .*tags"),
    ("a: &b {c: 1}\nofi:\n  <<: *b", r"bad\.yaml:3:3: "),
    ("run: {data_root: '${HOME}/x'}", r"bad\.yaml:1:18: run\.data_root: "),
    ("ofi: {levels: 5", r"bad\.yaml:2:1: not YAML"),
    ("ofi:\n\tlevels: 5", r"bad\.yaml:2:1: not YAML"),
    ("run: {sink: tape}", r"bad\.yaml:1:13: run\.sink: .*jsonl, sqlite, dual"),
    ("run: {symbols: [BTCUSDT, BTCUSDT]}", r"bad\.yaml:1:\d+: run\.symbols: "),
    ("run: {symbols: [btcusdt]}", r"bad\.yaml:1:\d+: run\.symbols: "),
    ("sink: {sqlite_flush_ms: 7}", r"bad\.yaml:1:25: sink\.sqlite_flush_ms: "),
    ("archive: {rotate_s: 77}", r"bad\.yaml:1:21: archive\.rotate_s: "),
    ("export: {influx_token: x}", r"bad\.yaml:1:24: export\.influx_token: .*INFLUX_TOKEN"),
    ("[" * 50, r"bad\.yaml:1:\d+: "),
    ("{}\n---\n{}", r"bad\.yaml:2:1: "),
]
SERVICES = ["simulator", "harvest", "archive", "features", "signal", "broker", "report"]


def run(program, *arguments, folder, environment=None):
    return subprocess.run([str(harness.BIN / program), *map(str, arguments)], cwd=folder, capture_output=True,
                          text=True,
                          timeout=60, env={**os.environ, **(environment or {})})


def assert_shown(done, patterns, count=None):
    lines = [line for line in done.stderr.splitlines() if re.match(r"\S+:\d+:\d+: |\S+: \S+: ", line)]
    for pattern in patterns:
        assert any(re.match(pattern, line) for line in done.stderr.splitlines()), (pattern, done.stderr)
    assert count is None or len([line for line in lines if "bad.yaml:" in line]) == count, done.stderr


@pytest.fixture
def bad(tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_text(MISTAKES)
    return path


@pytest.mark.parametrize("program, arguments", [("orchctl", ["config", "check", "bad.yaml"]),
                                                ("orchctl", ["config", "show", "bad.yaml"]),
                                                ("orchctl", ["config", "fingerprint", "bad.yaml"]),
                                                ("orchestrator", ["--config", "bad.yaml"]),
                                                *[(service, ["--config", "bad.yaml"]) for service in SERVICES]])
def test_three_mistakes_are_all_three_shown_and_nothing_is_started(program, arguments, bad, tmp_path):
    done = run(program, *arguments, folder=tmp_path)
    assert done.returncode == 2 and not done.stdout, done
    assert_shown(done, SHOWN, count=3)
    assert [path.name for path in tmp_path.iterdir()] == ["bad.yaml"], "something was made all the same"


@pytest.mark.parametrize("text, shown", KINDS, ids=range(len(KINDS)))
def test_each_kind_of_mistake_has_its_sentence_and_place(text, shown, tmp_path):
    (tmp_path / "bad.yaml").write_text(text + "\n")
    done = run("orchctl", "config", "check", "bad.yaml", folder=tmp_path)
    assert done.returncode == 2 and not done.stdout, done
    assert_shown(done, [shown])


NO_TEXT = [b"\xff\xfe\x00", b"a: \xc3\x28", b"\0", b"x" * (2 << 20), b"{" * 100_000]


@pytest.mark.parametrize("content", NO_TEXT, ids=range(len(NO_TEXT)))
def test_files_that_are_no_configuration(content, tmp_path):
    (tmp_path / "bad.yaml").write_bytes(content)
    done = run("orchctl", "config", "check", "bad.yaml", folder=tmp_path)
    assert done.returncode == 2 and "bad.yaml" in done.stderr and not done.stdout, done


def test_mistakes_of_options_and_environment_are_shown_together(bad, tmp_path):
    done = run("orchestrator", "--config", "bad.yaml", "--set", "no.such=1", "--set", "fusion.gate=much",
               "--minutes", "-3",
               folder=tmp_path, environment={"V13_SINK": "tape", "HALF_LIFE_SEC": "soon"})
    assert done.returncode == 2, done
    assert_shown(done, [*SHOWN, r".*no\.such", r".*fusion\.gate", r".*run\.minutes|.*--minutes", r".*V13_SINK",
                        r".*HALF_LIFE_SEC"])


@pytest.mark.parametrize("arguments, words", [
    (["--enable", "harvest,nobody"], "nobody"), (["--nonsense"], "--nonsense"), (["--minutes"], "--minutes"),
    (["--run-id", "a b"], "run_id"), (["--gates", "golden"], "golden"), (["--sink", "tape"], "tape"),
    (["--config", "no-such.yaml"], "no-such.yaml"), (["word"], "word"),
    (["--fault", "nobody@5"], "nobody"), (["--speed", "fast"], "fast")])
def test_wrong_options_of_the_orchestrator_end_with_a_sentence(arguments, words, tmp_path):
    done = run("orchestrator", *arguments, folder=tmp_path)
    assert done.returncode == 2 and words in done.stderr, done


def test_what_only_the_start_can_tell_is_told_with_its_name(tmp_path):
    """Folders and files of a sound configuration that cannot be used."""
    long = run("orchestrator", "--set", "bus.dir=" + "x" * 200, folder=tmp_path)
    assert long.returncode == 2 and "bus.dir" in long.stdout, long
    missing = run("orchestrator", "--capture", "no-such-file.gz", "--run-id", "missing", folder=tmp_path)
    assert missing.returncode in (2, 4), missing
    log = tmp_path / "logs" / "simulator" / "missing_stderr.log"
    assert "no-such-file.gz" in missing.stdout + missing.stderr + (log.read_text() if log.exists() else "")


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("arguments, words", [(["--nonsense"], "--nonsense"), (["word"], "word"),
                                              (["--config", "no-such.yaml"], "no-such.yaml")])
def test_wrong_options_of_a_daemon_end_with_a_sentence(service, arguments, words, tmp_path):
    done = run(service, *arguments, folder=tmp_path)
    assert done.returncode == 2 and words in done.stderr and not done.stdout, done


@pytest.mark.parametrize("service", SERVICES[1:])
@pytest.mark.parametrize("setting, words", [("ofi.levels", "ofi.levels"), ("ofi.levels=50", "ofi.levels"), ("=", "="),
                                            ("no.such=1", "no.such"), ("export.influx_token=x", "INFLUX_TOKEN")])
def test_wrong_settings_of_a_daemon_end_with_a_sentence(service, setting, words, tmp_path):
    done = run(service, "--set", setting, folder=tmp_path)
    assert done.returncode == 2 and words in done.stderr and not done.stdout, done
