"""What a run wrote, taken out of its folder, and the difference of two runs in rows: lost, doubled, strange; or of a run and the
replay of its own capture."""
import collections
import dataclasses
import json

import own_capture
import stack as harness


@dataclasses.dataclass
class Written:
    """Everything a run's sinks hold. `rows`: {data set: list of rows, comparable}; `shards`: JSONL files byte for byte."""
    rows: dict
    shards: dict
    harvest_rows: int = 0

    @classmethod
    def read(cls, stack):
        shards = stack.jsonl()
        rows = {"jsonl": [line for name in sorted(shards) for line in shards[name].splitlines()],
                "sqlite": stack.sqlite_rows()[1],
                "orders": stack.orders()}
        for kind, (order, excluded) in harness.KINDS.items():
            rows[kind] = [tuple(value for name, value in row.items() if name not in excluded)
                          for row in stack.parquet(kind, order=order)]
        streams = stack.statuses()["harvest"]["streams"]
        return cls(rows, shards, sum(stream["last_sequence"] for stream in streams if stream["published"]))

    def empty(self):
        """Data sets without a row: with those a comparison would prove nothing."""
        return [name for name, rows in self.rows.items() if not rows]


@dataclasses.dataclass
class Difference:
    compared: int = 0
    lost: int = 0     # in the reference, not here
    doubled: int = 0  # here more often than in the reference
    strange: int = 0  # here, and nothing like it in the reference
    sentences: list = dataclasses.field(default_factory=list)

    def equal(self):
        return not (self.lost or self.doubled or self.strange or self.sentences)


def difference(reference, run):
    """`run` against `reference`; the sentences say where the first of each kind lies."""
    found = Difference()
    for name in sorted(reference.rows):
        rows_differ(found, name, reference.rows[name], run.rows[name])
    for name in sorted(reference.shards.keys() | run.shards.keys()):
        ours, theirs = run.shards.get(name), reference.shards.get(name)
        if ours != theirs:
            why = "is missing" if ours is None else "should not be" if theirs is None else harness.first_difference(theirs, ours)
            found.sentences.append(f"shard {name}: {why}")
    return found


def rows_differ(found, name, expected, actual):
    found.compared += len(expected)
    if expected == actual:
        return
    before, after = collections.Counter(expected), collections.Counter(actual)
    missing, more = before - after, after - before
    doubled = {row: count for row, count in more.items() if row in before}
    found.lost += sum(missing.values())
    found.doubled += sum(doubled.values())
    found.strange += sum(more.values()) - sum(doubled.values())
    for what, rows in (("lost", missing), ("doubled", doubled), ("strange", more.keys() - doubled.keys())):
        if rows:
            found.sentences.append(f"{name}: {len(rows)} {what}, first {str(next(iter(rows)))[:300]}")
    if not (missing or more):
        found.sentences.append(f"{name}: the same rows in another order")


def own_difference(stack, folder):
    """A run against the replay of what it received, which shares nothing with it but the capture. Rows are counted by what
    identifies them; then every value, the position of every stream, the sinks' files and the holes' names are compared."""
    found = Difference()
    replay = own_capture.Replay(stack, folder)
    for kind, sources in own_capture.KINDS.items():
        again = [(row["symbol"], *(own_capture.text(row[name]) for name in key))
                 for service, message, key in sources for row in replay.rows(service, message)]
        stored = [(row["symbol"], *(str(row[name]) for name in sources[0][2])) for row in stack.parquet(kind)]
        rows_differ(found, kind, sorted(again), sorted(stored))
    again = [(row["symbol"], row["ts_ms"]) for row in replay.rows("signal", "signal")]
    stored = [(row["symbol"], row["ts_ms"]) for shard in stack.jsonl().values() for row in map(json.loads, shard.splitlines())]
    rows_differ(found, "jsonl", sorted(again), sorted(stored))
    try:
        replay.assert_equals_run()
        own_capture.assert_holes_are_named_once(stack)
    except AssertionError as mistake:
        found.sentences.append(f"not the replay of its own capture: {mistake}")
    return found
