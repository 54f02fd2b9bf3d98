"""The runbook has every symptom: an alert says when it is raised, and what to look at and do about it."""
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]


def rows(heading):
    """The first column of the table with that heading, its names one by one: "a … b" stands for all from a to b."""
    page = (ROOT / "docs/operations.md").read_text()
    table = page[page.index(heading):].split("\n\n")[0].splitlines()[2:]
    assert all(len(re.findall(r"(?<!`)\|", line)) >= 4 and not re.search(r"\|\s*\|", line) for line in table), "no cell is empty"
    return {name for line in table for name in line.split("|")[1].replace("…", ",").replace(" ", "").split(",")}


def test_every_alert_says_when_it_is_raised_and_what_to_do():
    source = (ROOT / "orchestrator/alerts/alerts.c").read_text()
    rules = set(re.findall(r'^    \{"(\w+)", ALERT_', source, re.M))
    canary = {rule for rule in rules if rule.startswith("canary_")}
    assert len(rules) > 20 and rows("| rule | level | holds when |") == rules
    done = rows("| open | look at | do |")
    assert done == rules - canary | {"canary_auc", "canary_direction"} and done < rules, done ^ rules  # the canary's, from the first to the last, in one row
