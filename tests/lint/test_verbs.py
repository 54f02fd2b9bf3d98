"""Every verb of orchctl is spoken by a test that runs real processes. (Kinds of faults: the matrix in tests/faults.)."""
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]
REAL = ("integration", "scenario", "faults", "chaos", "compose")


def spoken():
    """All words between quotes, and of fault scenarios and shell lines, that the tests say."""
    texts = [path.read_text() for suite in REAL for pattern in ("*.py", "**/*.yaml") for path in (ROOT / "tests" / suite).glob(pattern)]
    return set(re.findall(r"[a-z_-]+", " ".join(re.findall(r"[\"'][^\"'\n]*[\"']|fault: .*", "\n".join(texts)))))


def names(path, table):
    source = (ROOT / path).read_text()
    source = source[source.index(table):]
    return re.findall(r'^    (?:\[\w+\] = )?\{\s*(?:\.name = )?"([a-z_]+)"', source[:source.index("\n};")], re.M)


def test_every_verb_is_spoken_by_a_test():
    verbs = names("orchestrator/orchctl/main.c", "VERBS[] = {")
    assert len(verbs) > 30 and not set(verbs) - spoken()
