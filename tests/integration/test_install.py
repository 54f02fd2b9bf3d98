"""`cmake --install`: a tree of its own, which runs from wherever it is put, and from there alone."""
import os
import subprocess

import stack as harness

COMMANDS = {"bin": ["orchctl", "orchestrator"],
            "libexec/orderflow": ["account", "archive", "broker", "describe", "evaluation", "evidence", "features", "harvest", "keeper",
                                  "playback", "query", "recompute", "recompute_replay", "report", "report_again", "signal", "simulator", "validate",
                                  "warden"]}


def test_an_installed_tree_that_was_moved_runs_the_whole_chain(tmp_path):
    subprocess.run(["cmake", "--install", str(harness.BIN.parent), "--prefix", str(tmp_path / "prefix")], check=True,
                   stdout=subprocess.DEVNULL, timeout=60)
    prefix = (tmp_path / "prefix").rename(tmp_path / "moved away")
    for folder, names in COMMANDS.items():
        assert sorted(path.name for path in (prefix / folder).iterdir()) == names
        for name in names:
            done = subprocess.run([str(prefix / folder / name), "--version"], capture_output=True, text=True, timeout=60)
            assert done.returncode == 0 and done.stdout.startswith(name + " "), done
    for configuration in (prefix / "share/orderflow/config").rglob("*.yaml"):
        subprocess.run([str(prefix / "bin/orchctl"), "config", "check", str(configuration)], check=True, stdout=subprocess.DEVNULL,
                       timeout=60)
    completion = (prefix / "share/bash-completion/completions/orchctl").read_text()
    manual = (prefix / "share/man/man1/orchctl.1").read_text()
    for text in (completion, manual, (prefix / "share/zsh/site-functions/_orchctl").read_text()):
        assert "monitor" in text and "--once" in text.replace("\\-", "-")
    day = tmp_path / "day"
    day.mkdir()
    done = subprocess.run([str(prefix / "bin/orchestrator"), "--enable", "harvest,signal,broker,report", "--sink", "dual", "--minutes",
                           "0", "--speed", "max", "--set", "simulator.minutes=0.1", "--gates", "none"],
                          cwd=day, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    own = subprocess.run(["ldd", str(prefix / "libexec/orderflow/archive")], capture_output=True, text=True, check=True).stdout
    assert os.fspath(prefix) in own and os.fspath(harness.BIN.parent) not in own and "not found" not in own, own
    rows = subprocess.run([str(prefix / "libexec/orderflow/query"), "select count(*) as n from 'data/ofi_cvd/*/*/kind=prices/*.parquet'"],
                          cwd=day, capture_output=True, text=True, check=True, timeout=60).stdout.split()
    assert rows[0] == "n" and int(rows[1]) > 0, rows
