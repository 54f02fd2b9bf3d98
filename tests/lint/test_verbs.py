"""Every verb of orchctl is spoken by a test that runs real processes. (Kinds of faults: the matrix in tests/faults.)."""
import ast
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]
REAL = ("integration", "scenario", "faults", "chaos", "compose")


CALLS = {"orchctl", "said", "popen", "asked"}  # what tests call to run orchctl: a method, or a function whose first word is the folder


def called(tree):
    """First words that orchctl is run with: of calls by those names, and of lists that begin with its path."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", None)) in CALLS:
            texts = [leaf.value for word in node.args for leaf in ast.walk(word) if isinstance(leaf, ast.Constant) and isinstance(leaf.value, str)]
            yield from texts[0].split()[:1] if texts else []
        if isinstance(node, ast.List) and len(node.elts) > 1 and "orchctl" in ast.unparse(node.elts[0]).lower():
            yield from [word.value for word in node.elts[1:] if isinstance(word, ast.Constant)][:1]


def spoken():
    """Verbs that orchctl is really run with."""
    return {word for suite in REAL for path in (ROOT / "tests" / suite).glob("*.py") for word in called(ast.parse(path.read_text()))}


def names(path, table):
    source = (ROOT / path).read_text()
    source = source[source.index(table):]
    return re.findall(r'^    (?:\[\w+\] = )?\{\s*(?:\.name = )?"([a-z_]+)"', source[:source.index("\n};")], re.M)


def test_every_verb_is_spoken_by_a_test():
    verbs = names("orchestrator/orchctl/main.c", "VERBS[] = {")
    assert len(verbs) > 30 and not set(verbs) - spoken(), sorted(set(verbs) - spoken())
