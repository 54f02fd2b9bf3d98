"""What a run wrote against what a replay of its own capture gives: every row of every stream, less what data.md §8 leaves out.

The replay is the daemons by hand (`signal --replay X.ofr`), so it shares nothing with the run but the capture.
"""
import json

import replay

# Parquet kind: (service, kind of its row, what identifies a row)
KINDS = {
    "prices": [("harvest", "trade", ("agg_trade_id",))],
    "orderbook": [("harvest", "book", ("last_id",))],
    "events": [("harvest", "event", ("event_type", "channel", "ts_ms", "meta_json")),
               ("features", "event", ("event_type", "channel", "ts_ms", "meta_json"))],
    "ofi": [("features", "ofi", ("last_id",))],
    "cvd": [("features", "cvd", ("agg_trade_id",))],
    "fusion": [("features", "fusion", ("ts_ms",))],
    "features": [("features", "feature", ("ts_ms",))],
}
OF_THE_DATA_SET = {"row_id", "symbol"}  # columns the stream's rows do not have


class Replay:
    """All streams of a run, computed again: `Replay(stack, folder).assert_equals_run()`."""

    def __init__(self, stack, folder):
        self.stack = stack
        captures = sorted((stack.folder / "data" / "raw").rglob("*.ofr"), key=lambda path: path.name.rsplit("-", 1)[1])
        assert captures
        self.lines = {service: [json.loads(line) for line in replay.lines(service, captures, folder=folder)]
                      for service in ("harvest", "features", "signal", "broker")}

    def rows(self, service, kind):
        return [{"symbol": line["symbol"], **line["row"]} for line in self.lines[service] if line["kind"] == kind]

    def assert_equals_run(self):
        self.assert_streams()
        self.assert_signals()
        for kind, sources in KINDS.items():
            self.assert_kind(kind, sources)

    def assert_streams(self):
        """Each stream has as many rows, numbered from 1 without a hole."""
        last = {}
        for service, lines in self.lines.items():
            for line in lines:
                stream = f"{service}/{line['symbol']}"
                assert line["sequence"] == last.get(stream, 0) + 1, line
                last[stream] = line["sequence"]
        status = json.loads((self.stack.folder / f"artifacts/run_logs/status_{self.stack.run_id}.json").read_text())
        published = {row["stream"]: row["last_sequence"] for process in status["processes"] for row in process["streams"]
                     if row["published"] and row["stream"].split("/")[0] in self.lines}
        assert published == last

    def assert_signals(self):
        again = {}
        for row in self.rows("signal", "signal"):
            del row["source"]  # of the stream, not of the sinks
            again.setdefault(row["symbol"], []).append(row)
        shards = {}
        for name, data in self.stack.jsonl().items():
            shards.setdefault(name.split("/")[0], []).extend(map(json.loads, data.splitlines()))
        assert again and shards == again
        columns, stored = self.stack.sqlite_rows()
        rows = [dict(zip(columns, row)) for row in stored]
        flat = sorted((row for rows in again.values() for row in rows), key=lambda row: (row["symbol"], row["ts_ms"]))
        assert rows == flat
        orders = [json.loads(line) for line in self.stack.orders()]
        again = {row["order_id"]: row for row in self.rows("broker", "order")}
        assert len(orders) == len(again) and all(
            {key: again[order["order_id"]][key] for key in order} == order for order in orders)

    def assert_kind(self, kind, sources):
        stored = self.stack.parquet(kind)
        again = [(key, row) for service, name, key in sources for row in self.rows(service, name)]
        assert len(stored) == len(again), f"{kind}: {len(stored)} rows stored, {len(again)} computed again"
        if not stored:
            return
        columns = [column for column in stored[0] if column not in OF_THE_DATA_SET]
        key = again[0][0]
        left = sorted((row["symbol"], *(str(row[name]) for name in key), index) for index, row in enumerate(stored))
        right = sorted((row["symbol"], *(text(row[name]) for name in key), index) for index, (_, row) in enumerate(again))
        for (*one, i), (*other, j) in zip(left, right):
            assert one == other, f"{kind}: {one} stored, {other} computed again"
            for column in columns:
                assert same(stored[i][column], again[j][1][column]), (
                    f"{kind} {one} {column}: {stored[i][column]} stored, {again[j][1][column]} computed again")


def text(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False) if isinstance(value, dict) else str(value)


def same(stored, value):
    """A CSV cell against a JSON value; numbers bit for bit."""
    if value is None:
        return stored == ""
    if isinstance(value, bool):
        return stored == str(value).lower()
    if isinstance(value, (int, float)):
        return stored != "" and float(stored) == float(value)
    return stored == text(value)


def holes(rows, key="agg_trade_id"):
    """Missing ids by symbol, in what Parquet holds."""
    found = {}
    for row in rows:
        found.setdefault(row["symbol"], []).append(int(row[key]))
    return {symbol: max(ids) - min(ids) + 1 - len(set(ids)) for symbol, ids in found.items()}


def events(stack, kind):
    rows = stack.parquet("events", where=f"event_type = '{kind}'", order="symbol, ts_ms")
    return [{**row, "meta": json.loads(row["meta_json"])} for row in rows]


def assert_holes_are_named_once(stack):
    """Every missing id lies in exactly one gap event, and all three ledgers say the same number."""
    prices = stack.parquet("prices", order="symbol, agg_trade_id")
    gaps = [gap for gap in events(stack, "gap") if gap["meta"]["gap_kind"] == "trade_id"]
    before = {}
    named = {}
    for row in prices:
        symbol, number = row["symbol"], int(row["agg_trade_id"])
        missing = number - before[symbol] - 1 if symbol in before else 0
        assert int(row["gap_before"]) == missing, row
        if missing:
            named[symbol, before[symbol], number] = row["ts_ms"]
        before[symbol] = number
    assert {(gap["symbol"], gap["meta"]["from"], gap["meta"]["to"]): gap["ts_ms"] for gap in gaps} == named
    assert len(gaps) == len(named)
    total = sum(to - start - 1 for _, start, to in named)
    assert total == sum(gap["meta"]["missing"] for gap in gaps)
    assert stack.manifest()["harvester_metrics"]["trade_gap_ids_total"] == total
    assert stack.summary()["harvester_metrics"]["trade_gap_ids_total"] == total
    return total
