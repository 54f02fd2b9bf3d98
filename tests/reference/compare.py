"""Compares two folders of <SYMBOL>.<kind>.jsonl under rule N9 (algorithms.md).

    /usr/bin/python3 tests/reference/compare.py REFERENCE OTHER [--ignore col,col] [--kinds ofi,cvd] [--show 5]

Rows are matched by row_id (signals and strategy_state by ts_ms) and must come in the same order; the order of events
of one folder against the other is not compared, and event types the reference does not produce are left out. Exit
code 0 when everything agrees, 3 when something differs, 2 on usage errors or when there is nothing to compare.
"""
import argparse
import json
import os
import sys

IGNORE = "run_id,recv_ts_ms,latency_ms,div_type"
EVENT_TYPES = {"anomaly_z", "price_anomaly", "gap", "reconnect", "incident"}
LOOSE = {"score_z": 1e-6, "proba": 1e-7}


def load(path, kind):
    rows = []
    with open(path, encoding="utf-8") as f:
        for line in f:
            row = json.loads(line)
            if kind != "events" or row["event_type"] in EVENT_TYPES:
                rows.append(row)
    return rows


def key_of(row):
    return row.get("row_id", row.get("ts_ms"))


def same(x, y, tol):
    if isinstance(x, bool) or isinstance(y, bool) or x is None or y is None:
        return x is y
    if isinstance(x, (int, float)) and isinstance(y, (int, float)):
        if isinstance(x, int) and isinstance(y, int):
            return x == y
        return abs(x - y) <= tol * max(1.0, abs(x), abs(y))
    if isinstance(x, dict) and isinstance(y, dict):
        return x.keys() == y.keys() and all(same(x[k], y[k], tol) for k in x)
    if isinstance(x, list) and isinstance(y, list):
        return len(x) == len(y) and all(same(a, b, tol) for a, b in zip(x, y))
    return x == y


def column_same(name, x, y):
    if name == "meta_json" and isinstance(x, str) and isinstance(y, str):
        try:
            x, y = json.loads(x), json.loads(y)
        except ValueError:
            return False
    return same(x, y, LOOSE.get(name, 1e-9))


def compare_rows(kind, left, right, ignore):
    """(columns that differ with counts, messages)"""
    columns, notes = {}, []
    by_key = {}
    for row in right:
        if key_of(row) in by_key:
            notes.append("repeated key %s" % key_of(row))
        by_key[key_of(row)] = row
    missing = [key_of(r) for r in left if key_of(r) not in by_key]
    keys = {key_of(r) for r in left}
    extra = [key_of(r) for r in right if key_of(r) not in keys]
    if missing:
        notes.append("%d rows missing, first %s" % (len(missing), missing[0]))
    if extra:
        notes.append("%d rows too many, first %s" % (len(extra), extra[0]))
    if kind != "events" and not missing and not extra \
            and [key_of(r) for r in left] != [key_of(r) for r in right]:
        notes.append("other order of rows")
    for row in left:
        other = by_key.get(key_of(row))
        if other is None:
            continue
        for name, value in row.items():
            if name in ignore:
                continue
            if name not in other:
                columns.setdefault(name, []).append((key_of(row), value, "(column absent)"))
            elif not column_same(name, value, other[name]):
                columns.setdefault(name, []).append((key_of(row), value, other[name]))
    return columns, notes


def main(argv=None):
    ap = argparse.ArgumentParser(description="compare two folders of row files under rule N9")
    ap.add_argument("reference")
    ap.add_argument("other")
    ap.add_argument("--ignore", default=IGNORE)
    ap.add_argument("--kinds", default="")
    ap.add_argument("--show", type=int, default=3)
    args = ap.parse_args(argv)
    ignore = set(args.ignore.split(","))
    kinds = set(args.kinds.split(",")) if args.kinds else None
    names = sorted(n for n in os.listdir(args.reference) if n.endswith(".jsonl"))
    bad = seen = 0
    for name in names:
        kind = name.split(".")[-2]
        if kinds and kind not in kinds:
            continue
        left = load(os.path.join(args.reference, name), kind)
        path = os.path.join(args.other, name)
        if not os.path.exists(path):
            if left:
                print("%s: absent in %s" % (name, args.other))
                bad += 1
            continue
        right = load(path, kind)
        seen += len(left)
        columns, notes = compare_rows(kind, left, right, ignore)
        print("%s: %d rows, %s" % (name, len(left), "equal" if not columns and not notes else "DIFFERENT"))
        bad += bool(columns or notes)
        for note in notes:
            print("    " + note)
        for column, found in columns.items():
            print("    %s: %d rows" % (column, len(found)))
            for key, x, y in found[:args.show]:
                print("        %s: %r, other %r" % (key, x, y))
    if not seen:
        print("nothing to compare")
        return 2
    return 3 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
