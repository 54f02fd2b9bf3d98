"""Completion and manual page: made from the table of verbs, and used as their readers use them."""
import contextlib
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import subprocess
import time

import pytest

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


# A terminal's Tab, and what the line has become by then, as a file.
ZSHRC = """fpath=({folder} $fpath)
autoload -Uz compinit && compinit -u -D
show() {{ print -rn -- "$BUFFER" >! {folder}/line.tmp && mv {folder}/line.tmp {folder}/line; BUFFER= }}
zle -N show
bindkey '^I' complete-word
bindkey '^G' show
"""


def typed_in_zsh(words, folder):
    """What zsh makes of a line and a Tab behind it."""
    line = folder / "line"
    line.unlink(missing_ok=True)
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(folder)
        os.execvpe("zsh", ["zsh", "-i"], {"ZDOTDIR": str(folder), "HOME": str(folder), "TERM": "xterm", "PATH": f"{ORCHCTL.parent}:{os.environ['PATH']}"})
    seen = b""
    try:
        os.write(terminal, words.encode() + b"\t\x07")
        until = time.monotonic() + 60
        while not line.exists():
            assert time.monotonic() < until, seen
            with contextlib.suppress(OSError):
                seen += os.read(terminal, 65536) if select.select([terminal], [], [], 0.05)[0] else b""
        return line.read_text()
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(terminal)


def test_zsh_completes_verbs_words_options_runs_and_files(tmp_path):
    if not shutil.which("zsh"):
        pytest.skip("zsh is not installed (./run setup)")
    (tmp_path / "_orchctl").write_text(made("zsh"))
    (tmp_path / ".zshrc").write_text(ZSHRC.format(folder=tmp_path))
    (tmp_path / "night.yaml").write_text("")
    (tmp_path / "artifacts/run_logs").mkdir(parents=True)
    for run in ("monday", "tuesday"):
        (tmp_path / f"artifacts/run_logs/run_manifest_{run}.json").write_text("{}")
    for words, rest in [("mon", "itor "), ("--dir /tmp mani", "fest "), ("help mon", "itor "), ("evidence bu", "ild "), ("direction u", "nlock "),
                        ("kill --wa", "it "), ("soak --time", "-scale "), ("evidence verify t", "uesday "), ("why --run-id mo", "nday "),
                        ("fault run ni", "ght.yaml "), ("top --js", "")]:
        assert typed_in_zsh(f"orchctl {words}", tmp_path) == f"orchctl {words}{rest}"


def test_another_shell_is_refused():
    done = subprocess.run([str(ORCHCTL), "completion", "fish"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "bash, zsh nor man" in done.stderr
