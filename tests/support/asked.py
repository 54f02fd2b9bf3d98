"""orchctl as somebody in a folder types it, with nobody at the keyboard."""
import os
import pathlib
import re
import subprocess

ROOT = pathlib.Path(os.environ.get("ORDERFLOW_ROOT", pathlib.Path(__file__).resolve().parents[2]))
ORCHCTL = pathlib.Path(os.environ.get("ORDERFLOW_BUILD", ROOT / "build" / "dev")) / "bin" / "orchctl"


def said(folder, words):
    words = words.split() if isinstance(words, str) else words
    return subprocess.run([str(ORCHCTL), *words], cwd=folder, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)


def verbs():
    """All there are, as the help lists them."""
    return re.findall(r"^  ([a-z]+) +\S", said(ROOT, "--help").stdout, re.M)
