"""Tests, benches and scripts in Python: nothing imported or assigned in vain, nothing used that is not there; what two files need is in support."""
import ast
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
FILES = [path for folder in ("tests", "scripts") for path in sorted((ROOT / folder).rglob("*.py"))]


def test_pyflakes_finds_nothing():
    done = subprocess.run(["/usr/bin/python3", "-m", "pyflakes", *FILES], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_nothing_is_taken_from_a_file_of_tests():
    taken = {str(path.relative_to(ROOT)): re.findall(r"^(?:from|import) test_\w+", path.read_text(), re.MULTILINE) for path in FILES}
    assert not {path: lines for path, lines in taken.items() if lines}


def names(tree):
    """What a module has: whatever is defined, assigned or imported in it."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield from ((alias.asname or alias.name).split(".")[0] for alias in node.names)


def asked_of(tree, modules):
    """(module of ours, name) for whatever is taken from one, by `from` or behind a dot."""
    known = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            known |= {alias.asname or alias.name: alias.name for alias in node.names if alias.name in modules}
        if isinstance(node, ast.ImportFrom) and node.module in modules:
            yield from ((node.module, alias.name) for alias in node.names)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in known:
            yield known[node.value.id], node.attr


def lacking(trees):
    """{file: names that its modules do not have}; modules of one name count as one."""
    modules = {}
    for path, tree in trees.items():
        modules.setdefault(path.stem, {"__file__"}).update(names(tree))
    found = {path: {f"{module}.{name}" for module, name in asked_of(tree, modules) if name not in modules[module]} for path, tree in trees.items()}
    return {path.name: missing for path, missing in found.items() if missing}


def test_what_a_module_of_ours_is_asked_for_is_there():
    """Benches are not run by the tests: what is moved away from under them shows here."""
    assert lacking({path: ast.parse(path.read_text()) for path in FILES}) == {}


def test_what_is_not_there_would_be_found():
    trees = {pathlib.Path("a.py"): ast.parse("def one(): pass"), pathlib.Path("b.py"): ast.parse("import a as x\nfrom a import two\nx.one()\nx.three")}
    assert lacking(trees) == {"b.py": {"a.two", "a.three"}}
