"""docs/wire-protocol.md against the code, and its frames read by Python's own msgpack."""
import json
import re
import subprocess

import msgpack
import pytest

from stack import BIN, ROOT

DOCUMENT = ROOT / "docs" / "wire-protocol.md"
VECTORS = sorted((ROOT / "tests" / "vectors").glob("*.hex"))


def frame_of(path):
    """The bytes of a hexdump: what stands between the offset and the characters."""
    lines = [line for line in path.read_text().splitlines() if re.match(r"[0-9a-f]{8}  ", line)]
    return bytes.fromhex("".join(line[10:58] for line in lines))


def tables():
    """{message: [(field, type)]} as the document has them; groups of further levels left out."""
    found = {}
    for name, table in re.findall(r"<!-- generated: fields (\w+) -->\n(.*?)<!-- end -->", DOCUMENT.read_text(), re.S):
        found[name] = re.findall(r"^\| \d+ \| `(\w+)` \| ([a-z0-9]+\??) \|", table, re.M)
    return found


def kinds():
    return {int(kind): name for kind, name in re.findall(r"^\| (\d+) \| \[`(\w+)`\]", DOCUMENT.read_text(), re.M)}


def value_of(kind, wire):
    """What a field's JSON value is, from its value on the wire."""
    if kind.startswith("decimal") and wire is not None:
        units, exponent = wire
        return float(f"{units}e-{exponent}")
    if kind.startswith("json") and wire is not None:
        return json.loads(wire)
    return wire


@pytest.mark.parametrize("document", ["wire-protocol.md", "control-protocol.md"])
def test_generated_parts_are_those_of_the_code(document):
    result = subprocess.run([BIN / "describe", "--check", DOCUMENT.with_name(document)], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_a_changed_document_is_noticed(tmp_path):
    folder = tmp_path / "docs"
    folder.mkdir()
    (tmp_path / "tests").symlink_to(ROOT / "tests")
    (folder / "subscriber.py").write_text((ROOT / "docs" / "subscriber.py").read_text())
    copy = folder / "wire-protocol.md"
    copy.write_text(DOCUMENT.read_text().replace("venue transaction time T", "another time", 1))
    check = [BIN / "describe", "--check", copy]
    assert subprocess.run(check, capture_output=True).returncode == 1
    assert subprocess.run([BIN / "describe", "--update", copy], capture_output=True).returncode == 0
    assert subprocess.run(check, capture_output=True).returncode == 0
    assert copy.read_text() == DOCUMENT.read_text()


def test_every_message_has_the_same_headings():
    sections = re.split(r"^## ", DOCUMENT.read_text(), flags=re.M)
    titles = {section.split("\n", 1)[0]: section for section in sections[1:]}
    assert len(kinds()) >= 24
    for name in kinds().values():
        bold = re.findall(r"^\*\*([^*]+?)\.\*\*", titles[name], re.M)
        assert bold == ["Purpose", "Topic", "Fields", "Example", "What may change"], name
        assert f"<!-- generated: fields {name} -->" in titles[name]


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_a_shown_frame_says_what_the_document_says(path):
    """The hexdump, unpacked by Python, against the JSON lines below it."""
    assert f"```text\n{path.read_text()}```\n" in DOCUMENT.read_text()
    shown = re.search(rf"<!-- generated: example {path.stem} -->.*?```json\n(.*?)```", DOCUMENT.read_text(), re.S)
    header, *rows = [json.loads(line) for line in shown.group(1).splitlines()]
    version, run, (instance, generation), first, publish_ns, packed = msgpack.unpackb(frame_of(path))
    assert header == {"version": version, "run": run, "instance": instance, "generation": generation,
                      "first_sequence": first, "publish_ns": publish_ns, "rows": len(packed)}
    assert len(rows) == len(packed)
    for offset, (row, (kind, *fields)) in enumerate(zip(rows, packed)):
        table = tables()[kinds()[kind]]
        assert row["kind"] == kinds()[kind] and row["sequence"] == first + offset
        assert list(row["row"]) == [name for name, _ in table] and len(fields) == len(table)
        for (name, type_name), wire in zip(table, fields):
            assert row["row"][name] == value_of(type_name, wire), name
            assert wire is not None or type_name.endswith("?"), name
