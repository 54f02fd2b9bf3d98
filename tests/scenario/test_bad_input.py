"""Bad input from the venue, sent by the simulator to a running harvest built with sanitizers: what is sound stays.

Each run is one cut of a real recording with faults in it. Nothing but the faults may show: all rows that the
undisturbed run wrote are there, equal, and each fault is found under the counter that names it, as often as it was sent.
"""
import dataclasses
import gzip
import json

import pytest

import replay
import sanitized
import stack as harness

RECORDING = "usdm/btcusdt_20240808.gz"
CUT_LINES = 12000  # about 45 s of market
pytestmark = sanitized.TIME
TRADES, DEPTH, TICKERS = "btcusdt@trade", "btcusdt@depth@0ms", "btcusdt@bookTicker"
FAR_ID = 9_000_000_000_000  # above every id of the recording: were it believed, all that follows would be old

# Figures of a life or of time (which diffs had come before the answer with the snapshot), not of what was received.
OTHER_FIGURES = {"received_bytes", "capture_bytes", "capture_backlog", "receiver_pauses", "audit_agree_from_buffer",
                 "audit_disagree_from_buffer"}


# --- the runs -------------------------------------------------------------------------------------------------------

@pytest.fixture(scope="session")
def binaries(tmp_path_factory):
    return sanitized.compose(tmp_path_factory.mktemp("sanitized") / "bin", "harvest")


@pytest.fixture(scope="module")
def capture(tmp_path_factory):
    return harness.cut(harness.needed(RECORDING), CUT_LINES, tmp_path_factory.mktemp("capture"))


@pytest.fixture(scope="module")
def undisturbed(capture, tmp_path_factory):
    stack = harness.Stack(tmp_path_factory.mktemp("undisturbed"), [capture], sets=harness.UNHURRIED)
    with stack:
        harness.assert_sound(stack, stack.finish())
    return stack


@pytest.fixture(scope="module")
def recorded(capture):
    return Recorded(capture)


class Recorded:
    """The messages of a capture by stream, in order, as the venue sent them."""

    def __init__(self, capture):
        self.messages = {}
        with gzip.open(capture, "rt") as lines:
            for line in lines:
                message = json.loads(line.split(" ", 1)[1])
                if "stream" in message:
                    self.messages.setdefault(message["stream"], []).append(message)

    def data(self, stream, index, **changes):
        """A copy of the index-th message's data with some keys changed; ... takes a key away."""
        data = {**self.messages[stream][index]["data"], **changes}
        return {key: value for key, value in data.items() if value is not ...}


def run(folder, capture, binaries, faults, **options):
    """A run of the capture with these faults that ended by itself, sound, with a silent harvest."""
    path = folder / "faults.jsonl"
    path.write_text("".join(json.dumps(fault) + "\n" for fault in faults))
    sets = {**harness.UNHURRIED, "simulator.inject": path, "limits.max_rss_mb": 4000, **options.pop("sets", {})}
    stack = harness.Stack(folder / "run", [capture], binaries=binaries, sets=sets, **options)
    with stack:
        code = stack.finish()
        harness.assert_sound(stack, code)
    sanitized.assert_silent(stack, "harvest")
    return stack


def counters(stack):
    """Of all symbols together: what is told of each one beside (name/stream) says the same."""
    status = json.loads((stack.folder / "runtime" / "status" / "harvest.json").read_text())
    return {name: value for name, value in status["counters"].items()
            if "/" not in name and not name.startswith("stage_") and name not in OTHER_FIGURES}


def assert_counted(stack, undisturbed, expected):
    """Exactly these counters moved, by exactly so much."""
    before, after = counters(undisturbed), counters(stack)
    moved = {name: after[name] - before[name] for name in after if after[name] != before[name]}
    assert moved == {name: count for name, count in expected.items() if count}


def total(dictionaries):
    sums = {}
    for dictionary in dictionaries:
        for name, count in dictionary.items():
            sums[name] = sums.get(name, 0) + count
    return sums


# --- faults that add a message --------------------------------------------------------------------------------------

@dataclasses.dataclass
class Bad:
    """One message and the counters that move beside received_messages."""
    text: str
    counts: dict


def envelope(stream, data):
    return json.dumps({"stream": stream, "data": data}, separators=(",", ":"))


def malformed(reason, *texts):
    return [Bad(text, {"parse_errors": 1, f"malformed_{reason}": 1}) for text in texts]


def filtered(reason, *texts):
    return [Bad(text, {f"filtered_{reason}": 1}) for text in texts]


def no_json(recorded):
    whole = envelope(TRADES, recorded.data(TRADES, 0))
    return malformed(
        "json", whole[:-1], whole[: len(whole) // 2], whole + "}", whole + " " + whole, "{", "}", "nonsense",
        "{'stream':1}", whole.replace('"t":', '"t":+'), whole.replace('"t":', '"t":0x'), "[" * 5000, '{"a":' * 5000,
        "\0", whole + "\0", whole.replace("false", "FALSE").replace("true", "TRUE"), "NaN", "\ufeff{",
        '{"stream":"btcusdt@trade","data":{"t":1e400}}', '{"stream":"\\ud800","data":{}}')


def no_envelope():
    return malformed("envelope", "[]", "null", "0", '"text"', "{}", '{"stream":"btcusdt@trade"}',
                     '{"stream":1,"data":{}}', '{"stream":"btcusdt@trade","data":[]}',
                     '{"stream":"btcusdt@trade","data":null}', '{"data":{}}', "[" * 20 + "]" * 20)


def absurd_trades(recorded):
    """A trade that would be news, were it not for one absurd member."""
    numbers = ["1e400", "1" + "0" * 400, "0." + "0" * 400 + "1", "-1", "", " 1", "1 ", "NaN", "Infinity", "-Infinity",
               "0x10", "1e5", "1E-5", "1.2.3", "--1", "+", ".", "99999999999999999999", "1.000000001", "0", "-0", 5,
               1.5, None, True, [], {}, ...]
    wholes = [-1, 1.5, 1e300, 2**53 + 1, 2**63, 2**64 - 1, 10**30, "5", None, True, [], ...]
    times = [-1, 0, 1.5, 4102444800001, 2**53, 2**63 - 1, 1e300, "1723161256298", None, False, ...]
    bad = []
    for key in "pq":
        bad += malformed("number", *[envelope(TRADES, recorded.data(TRADES, 0, t=FAR_ID, **{key: value}))
                                     for value in numbers])
    for key, values in (("t", wholes), ("T", times), ("E", times), ("m", [0, 1, "true", None, ...])):
        bad += malformed("field", *[envelope(TRADES, recorded.data(TRADES, 0, **{"t": FAR_ID, key: value}))
                                    for value in values])
    bad += malformed("field", *[envelope(TRADES, recorded.data(TRADES, 0, t=FAR_ID, s=value))
                                for value in ("ETHUSDT", "", 1, None)])
    return bad


def absurd_books(recorded):
    """A change of the book that would be news, and a bookTicker, each with one absurd member."""
    news = {"U": FAR_ID, "u": FAR_ID + 1, "pu": FAR_ID - 1}
    levels = [[["1e400", "1"]], [["1", "1e400"]], [["-1", "1"]], [["1", "-1"]], [["0", "1"]], [["1"]], [[]], [1],
              [None], [["1", 1]], [[1, "1"]], [["1" + "0" * 400, "1"]], {}, "x", None, [["1", "1"], ["2"]], ...]
    bad = []
    for key in "ab":
        bad += malformed("number", *[envelope(DEPTH, recorded.data(DEPTH, 0, **{**news, key: value}))
                                     for value in levels])
    wrong = [{"U": -1}, {"u": -1}, {"u": 2**53 + 1}, {"U": FAR_ID + 2}, {"u": "5"}, {"U": ...}, {"u": 1e300},
             {"pu": ...}, {"pu": -2}, {"pu": "5"}, {"T": -5}, {"T": 4102444800001}, {"T": ...}, {"E": 2**63},
             {"E": ...}, {"s": "X"}]
    bad += malformed("field", *[envelope(DEPTH, recorded.data(DEPTH, 0, **{**news, **change})) for change in wrong])
    for key in "bBaA":
        bad += malformed("number", *[envelope(TICKERS, recorded.data(TICKERS, 0, u=FAR_ID, **{key: value}))
                                     for value in ("1e400", "-1", "", 1, None, ...)])
    bad += malformed("field", *[envelope(TICKERS, recorded.data(TICKERS, 0, u=value))
                                for value in (-1, 1.5, "1", ...)])
    return bad


def unknown(recorded):
    trade = recorded.data(TRADES, 0, t=FAR_ID)
    return (filtered("unknown_stream", envelope("btcusdt@somethingNew", trade), envelope("btcusdt", trade),
                     envelope("btcusdt@", trade), envelope("!", {}), envelope("", {}), envelope("@trade", trade),
                     envelope("x" * 5000 + "@trade", {}),
                     json.dumps({"e": "somethingNew", "s": "BTCUSDT"}),
                     json.dumps(recorded.data(DEPTH, 0, u=FAR_ID))) +
            filtered("other_stream", envelope("btcusdt@kline_1m", {"e": "kline"}), envelope("!forceOrder@arr", {}),
                     envelope("btcusdt@markPrice@1s", {"e": "markPriceUpdate"})) +
            filtered("other_symbol", envelope("dogeusdt@trade", {**trade, "s": "DOGEUSDT"})) +
            filtered("unused_trades", envelope("btcusdt@aggTrade", trade)) +
            filtered("unused_books", envelope("btcusdt@depth5@100ms", recorded.data(DEPTH, 0, u=FAR_ID))) +
            filtered("notice", '{"result":null,"id":1}', '{"error":{"code":2,"msg":"no"},"id":1}',
                     '{"code":-1121,"msg":"Invalid symbol."}'))


def one_megabyte(recorded):
    trade, padding = recorded.data(TRADES, 0), "x" * 2**20
    repeated = {"parsed_messages": 1, "received_trades": 1, "dedup_hits_total": 1}
    return (malformed("json", padding, '"' + padding, "[" + "[]," * 2**18) +
            malformed("number", envelope(TRADES, {**trade, "t": FAR_ID, "p": "1" * 2**20}),
                      envelope(DEPTH, {**recorded.data(DEPTH, 0), "b": [["1", "1"]] * 2**16 + [["1", "x"]]})) +
            filtered("other_stream", envelope("btcusdt@kline_1m", {"k": padding})) +
            [Bad(envelope(TRADES, {**trade, "padding": padding}), repeated)])


def repeated_with_news(recorded):
    """A trade that was seen already, with members and values nobody knows yet: it is a repetition still."""
    twice = {"parsed_messages": 1, "received_trades": 1, "dedup_hits_total": 1}
    strange = {**twice, "unknown_values": 1}
    bad = [Bad(envelope(TRADES, recorded.data(TRADES, 1, X=value)), strange)
           for value in ("LIQUIDATED", "", 7, [], {})]
    return bad + [Bad(envelope(TRADES, recorded.data(TRADES, 1, new={"a": [1, {"b": None}]}, é="ü", st=2)), twice)]


def times_apart(recorded):
    """Well-formed messages whose T cannot be: C stays where it is, or the whole run would come to nothing.

    The trade would be news; the change of the book is one that was seen already, since one that is news is applied to
    the book whatever its time (algorithms.md §1 rule 14)."""
    bad = []
    century, past = 4102444800000, 1
    for T, E in ((century, None), (past, None), (century, century), (century - 10**9, century - 10**9)):
        change = {"T": T} if E is None else {"T": T, "E": E}
        bad.append(Bad(envelope(TRADES, recorded.data(TRADES, 2, t=FAR_ID, **change)),
                       {"parsed_messages": 1, "received_trades": 1, "invalid_time_trades": 1}))
        bad.append(Bad(envelope(DEPTH, recorded.data(DEPTH, 6, **change)),
                       {"parsed_messages": 1, "received_books": 1, "invalid_time_books": 1, "book_backward": 1}))
    return bad


def test_messages_that_are_none_or_absurd_change_nothing(capture, undisturbed, recorded, binaries, tmp_path):
    early = no_json(recorded) + no_envelope() + absurd_trades(recorded) + absurd_books(recorded) + unknown(recorded)
    late = early + repeated_with_news(recorded) + times_apart(recorded) + one_megabyte(recorded)
    # Once while everything is still held back for the snapshot, once among live messages, some of them side by side.
    faults = [{"after": 5 + index % 40, "raw": bad.text} for index, bad in enumerate(early)]
    faults += [{"after": 2000 + 17 * index, "raw": bad.text} for index, bad in enumerate(late)]
    assert len(faults) < 1000
    stack = run(tmp_path, capture, binaries, faults)
    expected = total(bad.counts for bad in early + late)
    assert_counted(stack, undisturbed, {**expected, "received_messages": len(faults), "socket_messages": len(faults)})
    harness.assert_equal_rows(undisturbed, stack)


# --- faults that change a message -----------------------------------------------------------------------------------

def replaced(recorded, stream, index, **changes):
    """Two faults: the index-th message of the stream is left out, and another stands in its place."""
    place = {"stream": stream, "after": index}
    return [{**place, "raw": envelope(stream, recorded.data(stream, index, **changes))}, {**place, "drop": 1}]


def test_unknown_fields_and_deletions_of_levels_never_seen_change_nothing(capture, undisturbed, recorded, binaries,
                                                                          tmp_path):
    faults, news, nowhere = [], {"new": [{"x": 1e300}, None], "ps": "BTCUSD", "st": 1, "": ""}, 0
    for index in range(10, 800, 10):
        faults += replaced(recorded, TRADES, index, **news)
        faults += replaced(recorded, TICKERS, index, **news)
        depth = recorded.data(DEPTH, index)
        never = [["0.10", "0"], ["0.20", "0.000"]]
        faults += replaced(recorded, DEPTH, index, **news, b=never + depth["b"], a=depth["a"] + never)
        nowhere += 2 * len(never)
    stack = run(tmp_path, capture, binaries, faults)
    harness.assert_equal_rows(undisturbed, stack)
    assert_counted(stack, undisturbed, {"book_unknown_deletes": nowhere})


def test_messages_that_come_twice_change_nothing(capture, undisturbed, recorded, binaries, tmp_path):
    faults = [{"stream": TRADES, "after": 100, "duplicate": 500}, {"stream": DEPTH, "after": 100, "duplicate": 500},
              {"stream": TICKERS, "after": 100, "duplicate": 500}]
    stack = run(tmp_path, capture, binaries, faults)
    harness.assert_equal_rows(undisturbed, stack)
    moved = {"received_messages": 1500, "socket_messages": 1500, "parsed_messages": 1500, "received_trades": 500,
             "received_books": 500, "received_tickers": 500, "dedup_hits_total": 500, "book_backward": 500}
    after, before = counters(stack), counters(undisturbed)
    moved["tickers_backward"] = after["tickers_backward"] - before["tickers_backward"]
    assert_counted(stack, undisturbed, moved)


# --- snapshots ------------------------------------------------------------------------------------------------------

def test_a_snapshot_older_than_all_diffs_is_refused_and_asked_for_again(capture, undisturbed, binaries, tmp_path):
    """Wrong answers for the snapshot: too old, broken off, absurd. The fourth request gets the recorded one."""
    old = {"lastUpdateId": 5, "E": 1723161200000, "T": 1723161200000, "bids": [["1.00", "1"]],
           "asks": [["2.00", "1"]]}
    answers = [(200, json.dumps(old)), (200, json.dumps(old)[:-10]),
               (200, json.dumps({**old, "lastUpdateId": 2**52, "bids": [["1e400", "-1"]]}))]
    faults = [{"rest": "depth", "status": status, "body": body} for status, body in answers]
    stack = run(tmp_path, capture, binaries, faults)
    harness.assert_equal_rows(undisturbed, stack)
    assert_counted(stack, undisturbed, {"received_rest_answers": 3, "rest_requests": 3, "snapshots_asked": 3,
                                        "snapshots_refused": 3, "rest_malformed": 2})


# --- a frame that breaks off ----------------------------------------------------------------------------------------

BACK_AT_ONCE = {"harvest.backoff_initial_ms": 20, "harvest.backoff_jitter": 0}
LOST_TRADE, LOST_DEPTH, LOST_TICKER = 700, 300, 4000


@pytest.fixture(scope="module")
def trade_cut_off(capture, binaries, tmp_path_factory):
    """Cut in the middle of a trade, and later of a bookTicker, while the market waits for its only listener."""
    faults = [{"stream": TRADES, "after": LOST_TRADE, "truncate": True},
              {"stream": TICKERS, "after": LOST_TICKER, "truncate": True}]
    return run(tmp_path_factory.mktemp("trade"), capture, binaries, faults, sets=BACK_AT_ONCE)


@pytest.fixture(scope="module")
def depth_cut_off(capture, binaries, tmp_path_factory):
    """Cut in the middle of a change of the book, in a market that goes on (3 times its pace) while nobody listens, however long that takes."""
    faults = [{"stream": DEPTH, "after": LOST_DEPTH, "truncate": True}]
    return run(tmp_path_factory.mktemp("depth"), capture, binaries, faults, speed=3, sets=BACK_AT_ONCE)


def rows_by(stack, kind, key, excluded):
    return {row[key]: {name: value for name, value in row.items() if name not in excluded}
            for row in stack.parquet(kind)}


def events(stack):
    return sorted((row["event_type"], row["channel"]) for row in stack.parquet("events", order="ts_ms, row_id")
                  if row["channel"] in ("trade", "book", "socket"))


def test_of_a_frame_that_breaks_off_nothing_is_received(trade_cut_off, undisturbed):
    """The audit holds no state without a bookTicker against the book: it begins anew behind each opening."""
    before, after = counters(undisturbed), counters(trade_cut_off)
    assert after["audit_disagree"] == 0
    audited = {name: after[name] - before[name] for name in ("audit_agree", "audit_uncounted", "emitted_audits")}
    assert audited["audit_agree"] + audited["audit_uncounted"] == 0 and audited["audit_uncounted"] >= 0
    assert_counted(trade_cut_off, undisturbed, {
        "received_messages": -2, "socket_messages": -2, "parsed_messages": -2, "received_trades": -1,
        "emitted_trades": -1,
        "received_tickers": -1, "trade_gap_ids_total": 1, "emitted_events": 3, "reconnect_count": 2,
        "connections_opened": 2,
        "other_records": 4, **audited})


def test_only_the_trade_that_broke_off_is_missing(trade_cut_off, undisturbed, recorded):
    excluded = {"recv_ts_ms", "latency_ms", "recv_rate_tps"}
    whole, rest = (rows_by(stack, "prices", "agg_trade_id", excluded) for stack in (undisturbed, trade_cut_off))
    lost = recorded.data(TRADES, LOST_TRADE)["t"]
    assert whole.pop(str(lost)) and rest[str(lost + 1)].pop("gap_before") == "1"
    del whole[str(lost + 1)]["gap_before"]
    assert whole == rest
    for kind, key in (("orderbook", "last_id"), ("ofi", "last_id")):
        whole, rest = (rows_by(stack, kind, key, excluded) for stack in (undisturbed, trade_cut_off))
        assert whole == rest
    assert events(trade_cut_off) == events(undisturbed) + [("gap", "trade")] + 2 * [("reconnect", "socket")]


def test_a_book_that_lost_a_change_is_synchronised_again_and_equal(depth_cut_off, undisturbed, recorded):
    after = counters(depth_cut_off)
    assert {name: after[name] for name in ("reconnect_count", "book_resync_total", "synchronisations", "parse_errors",
                                           "audit_disagree", "book_seq_gap_total")} == {
        "reconnect_count": 1, "book_resync_total": 1, "synchronisations": 2, "parse_errors": 0, "audit_disagree": 0,
        "book_seq_gap_total": 0}
    whole, rest = (rows_by(stack, "orderbook", "last_id", {"recv_ts_ms", "latency_ms"})
                   for stack in (undisturbed, depth_cut_off))
    resets = sorted(int(last_id) for last_id, row in rest.items() if row["book_reset"] == "true")
    lost = recorded.data(DEPTH, LOST_DEPTH)["u"]
    assert len(resets) == 2 and resets[0] < lost < resets[1] and str(lost) not in rest
    assert max(map(int, rest)) == max(map(int, whole)) and len(rest) > 0.4 * len(whole)
    del rest[str(resets[1])]["book_reset"], whole[str(resets[1])]["book_reset"]
    assert {last_id: row for last_id, row in whole.items() if last_id in rest} == rest


@pytest.mark.parametrize("cut", ["trade_cut_off", "depth_cut_off"])
def test_a_run_with_cuts_equals_the_replay_of_its_own_capture(cut, request, tmp_path):
    stack = request.getfixturevalue(cut)
    columns, rows = stack.sqlite_rows()
    again = sorted(replay.rows(stack, "signal", tmp_path), key=lambda row: (row["symbol"], row["ts_ms"]))
    assert [tuple(row[name] for name in columns) for row in again] == rows
