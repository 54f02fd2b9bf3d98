"""Completion and manual page: made from the table of verbs, and used as their readers use them."""
import os
import pathlib
import re
import shutil
import subprocess

ROOT = pathlib.Path(os.environ.get("ORDERFLOW_ROOT", pathlib.Path(__file__).resolve().parents[2]))
ORCHCTL = pathlib.Path(os.environ.get("ORDERFLOW_BUILD", ROOT / "build" / "dev")) / "bin" / "orchctl"


def made(kind):
    return subprocess.run([str(ORCHCTL), "completion", kind], capture_output=True, text=True, check=True, timeout=60).stdout


def verbs():
    """{verb: its options} as --help lists them."""
    text = subprocess.run([str(ORCHCTL), "--help"], capture_output=True, text=True, check=True, timeout=60).stdout
    names = re.findall(r"^  ([a-z-]+) ", text, re.M)
    found = {}
    for name in names:
        own = subprocess.run([str(ORCHCTL), name, "--help"], capture_output=True, text=True, check=True, timeout=60).stdout
        found[name] = re.findall(r"^  (-[-a-z]+)", own, re.M)
    return found


def complete(words, folder):
    """What bash offers behind these words."""
    script = f"""{made("bash")}
COMP_WORDS=({" ".join(repr(word) for word in ["orchctl", *words])})
COMP_CWORD={len(words)}
_orchctl
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    environment = {**os.environ, "PATH": f"{ORCHCTL.parent}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", script], cwd=folder, env=environment, capture_output=True, text=True, check=True, timeout=60)
    assert not done.stderr, done.stderr
    return done.stdout.split()


def test_bash_offers_every_verb_and_every_option(tmp_path):
    known = verbs()
    assert len(known) > 15
    assert sorted(complete([""], tmp_path)) == sorted([*known, "help"])
    assert complete(["mon"], tmp_path) == ["monitor"]
    assert sorted(complete(["help", ""], tmp_path)) == sorted(known) and complete(["help", "mon"], tmp_path) == ["monitor"]
    assert "-h" in complete(["-"], tmp_path)
    for verb, options in known.items():
        assert sorted(complete([verb, "-"], tmp_path)) == sorted({*options, "-h"}), verb
    assert complete(["--dir", "/tmp", "mani"], tmp_path) == ["manifest"]


def test_bash_offers_files_where_files_are_meant(tmp_path):
    (tmp_path / "night.yaml").write_text("")
    assert "night.yaml" in complete(["config", "check", "ni"], tmp_path)


def test_bash_offers_the_words_a_verb_takes_and_the_runs_there_are(tmp_path):
    assert complete(["evidence", ""], tmp_path) == ["build", "verify"]
    assert complete(["direction", "u"], tmp_path) == ["unlock"]
    assert set(complete(["fault", ""], tmp_path)) >= {"list", "clear", "kinds", "run"}
    (tmp_path / "artifacts/run_logs").mkdir(parents=True)
    for run in ("monday", "tuesday"):
        (tmp_path / f"artifacts/run_logs/run_manifest_{run}.json").write_text("{}")
    assert complete(["manifest", ""], tmp_path) == complete(["why", "--run-id", ""], tmp_path) == ["monday", "tuesday"]
    assert complete(["evidence", "verify", "t"], tmp_path) == ["tuesday"]


def test_the_manual_page_has_every_verb_option_and_exit_code():
    page = made("man")
    plain = page.replace("\\-", "-")
    for verb, options in verbs().items():
        assert f".SS {verb}" in plain
        for option in options:
            assert f".B {option}" in plain, (verb, option)
    for code in range(5):
        assert f".B {code}\n" in plain
    if shutil.which("groff"):
        done = subprocess.run(["groff", "-man", "-Tutf8", "-ww", "-z"], input=page, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0 and not done.stderr, done.stderr


def test_zsh_reads_its_file():
    text = made("zsh")
    assert text.startswith("#compdef orchctl\n")
    for verb in verbs():
        assert f" '{verb}:" in text and f"        {verb}) _arguments" in text
    assert " 'help:" in text and "        help) _describe verb verbs ;;" in text and "'-h[" in text
    assert "        evidence) " in text and "(build verify)" in text and "_orchctl_runs" in text
    if shutil.which("zsh"):
        done = subprocess.run(["zsh", "-n"], input=text, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr


def test_another_shell_is_refused():
    done = subprocess.run([str(ORCHCTL), "completion", "fish"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "bash, zsh nor man" in done.stderr
