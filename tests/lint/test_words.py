"""Sentences that people read: a number and the word behind it agree."""
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SOURCES = [path for folder in ("common", "proto", "services", "orchestrator", "tools") for path in sorted((ROOT / folder).rglob("*.c"))]
COUNTED = ("processes turns rows files records messages symbols trades books signals orders frames bytes gates lines findings minutes samples "
           "instances restarts checks attempts folders keys daemons streams shards columns incidents faults connections alerts fields").split()
NUMBER = r'%(?:zu|ll[du]|l[du]|u|" PRI[du]64 ")'
# Only what is more than one comes into these.
MORE_THAN_ONE = ("cannot be written and %zu rows wait", "%lld rows of %s are still needed", "has %zu bytes; at most", "the simulator names %zu symbols",
                 "feed: %zu symbols, it takes", "is longer than %zu bytes", "text of at most %zu bytes", "text of 1 to %zu bytes",
                 "the first %zu weights", "%zu folders writable", "at most %zu characters", "each of the %zu symbols", "out of memory", "frame of %zu bytes, at most")
WRONG = re.compile(rf"{NUMBER}(?: more)? (?:{'|'.join(COUNTED)})\b(?!=)")


def joined(text):
    """String literals that continue each other are one."""
    return re.sub(r'"\s*\n\s*"', "", text)


def found(text):
    return [match[0] for match in WRONG.finditer(text) if not any(phrase in text[max(0, match.start() - 40):match.end() + 40]
                                                                  for phrase in MORE_THAN_ONE)]


def test_numbers_and_nouns_agree():
    wrong = {str(path.relative_to(ROOT)): found(joined(path.read_text())) for path in SOURCES}
    assert len(wrong) > 100
    assert not {path: phrases for path, phrases in wrong.items() if phrases}, "write plural(count, \"row\", \"rows\") (base/text.h)"


@pytest.mark.parametrize("text, count", [('"%lld rows wait"', 1), ('"in %zu "\n  "files"', 1), ('"%" PRIu64 " records read"', 1), ('"%zu %s"', 0),
                                         ('"%s cannot be written and %zu rows wait"', 0), ('"at most %d rows"', 0)])
def test_the_check_can_fail(text, count):
    assert len(found(joined(text))) == count
