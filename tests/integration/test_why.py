"""orchctl why: a stored signal comes out of the raw capture again, bit for bit, or the difference is named."""
import contextlib
import json
import random
import os
import shutil
import sqlite3
import struct

import pytest

import stack as harness

RECORDINGS = ["usdm/btcusdt_20240808.gz", "usdm/ethusdt_20240808.gz"]
LINES = 16000
SEED = int(os.environ.get("ORDERFLOW_SEED", "20240808"))


def captures(folder, files=RECORDINGS):
    return [harness.cut(harness.needed(file), LINES, folder) for file in files]


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """A run of two symbols whose harvest was killed twice and whose signal was killed once."""
    stack = harness.Stack(tmp_path_factory.mktemp("killed"), captures(tmp_path_factory.mktemp("capture")), run_id="killed",
                          speed=3, sets={**harness.UNHURRIED, "harvest.backoff_initial_ms": 100})
    with stack:
        for rows, service in ((150, "harvest"), (300, "signal"), (450, "harvest")):  # of 1,300, less what a dead harvest misses
            harness.wait_for(lambda: stack.rows_written() >= rows, 60, f"{rows} rows")
            stack.orchctl("kill", service, "--wait", "60")
        stack.finish()
    return stack


@pytest.fixture
def copy(killed, tmp_path):
    """The run's files in a folder of their own, to be tampered with."""
    folder = tmp_path / "copy"
    shutil.copytree(killed.folder, folder, ignore=shutil.ignore_patterns("bus", "journal", "*.lock", "duckdb"))
    stack = harness.Stack(folder, run_id="killed")
    return stack


def signals(stack, where="1", symbol="BTCUSDT"):
    with contextlib.closing(sqlite3.connect(stack.folder / "runtime" / "signals.db")) as database:
        return [row[0] for row in database.execute(
            f"select ts_ms from signals where run_id = ? and symbol = ? and {where} order by ts_ms", (stack.run_id, symbol))]


def orders(stack):
    return [json.loads(line) for line in (stack.folder / "runtime" / "mock_orders.jsonl").read_text().splitlines()]


def change(stack, statement, *values):
    with contextlib.closing(sqlite3.connect(stack.folder / "runtime" / "signals.db")) as database, database:
        assert database.execute(statement, values).rowcount == 1


def capture_files(stack):
    return sorted((stack.folder / "data" / "raw").rglob("*.ofr"), key=lambda path: path.name[-10:])


def why(stack, *words, code=0):
    done = stack.orchctl("why", *map(str, words), check=False)
    assert done.returncode == code, f"why {words}: {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done


def why_json(stack, *words, code=0):
    return json.loads(why(stack, *words, "--json", code=code).stdout)


# ---- all ----

def test_a_run_whose_harvest_was_killed_comes_out_again_to_the_last_bit(killed):
    assert len(capture_files(killed)) == 3, "harvest began no new file after its kills"
    found = why_json(killed, "--all")
    assert found["verdict"] == "same" and found["bad"] == 0
    counts = {(sink["symbol"], sink["sink"]): sink["same"] for sink in found["sinks"]}
    for symbol in ("BTCUSDT", "ETHUSDT"):
        stored = len(signals(killed, symbol=symbol))
        assert counts[symbol, "sqlite"] == counts[symbol, "jsonl"] == stored > 200
    assert sum(count for (_, sink), count in counts.items() if sink == "orders") == len(orders(killed)) > 0
    assert "100.00 %" in why(killed, "--all").stdout


def test_every_kind_of_difference_is_counted_on_its_side(copy):
    times = signals(copy)
    change(copy, "delete from signals where symbol = 'BTCUSDT' and ts_ms = ?", times[10])
    change(copy, "update signals set ts_ms = ts_ms + 1 where symbol = 'BTCUSDT' and ts_ms = ?", times[20])
    change(copy, "update signals set score = 'x' where symbol = 'BTCUSDT' and ts_ms = ?", times[30])
    change(copy, "update signals set symbol = 'OTHER' where symbol = 'BTCUSDT' and ts_ms = ?", times[40])
    shard = next(path for path in (copy.folder / "runtime/ready/signal/ETHUSDT").glob("*.jsonl"))
    lines = shard.read_bytes().splitlines(keepends=True)
    shard.write_bytes(b"".join(lines[:5] + [lines[5], lines[5], b"{\n"] + lines[7:]))
    book = copy.folder / "runtime/mock_orders.jsonl"
    lines = book.read_bytes().splitlines(keepends=True)
    book.write_bytes(b"".join([lines[0].replace(b'"status":"FILLED"', b'"status":"REJECTED"')] + lines[2:]))
    found = why_json(copy, "--all", code=3)
    sinks = {(sink["symbol"], sink["sink"]): sink for sink in found["sinks"]}
    sqlite = sinks["BTCUSDT", "sqlite"]
    assert (sqlite["not_stored"], sqlite["not_recomputed"], sqlite["unreadable"]) == (4, 1, 1)
    jsonl = sinks["ETHUSDT", "jsonl"]
    assert (jsonl["doubled"], jsonl["unreadable"], jsonl["not_stored"], jsonl["different"]) == (1, 1, 1, 0)
    by_symbol = [sinks[symbol, "orders"] for symbol in ("BTCUSDT", "ETHUSDT")]
    assert (sum(s["different"] for s in by_symbol), sum(s["not_stored"] for s in by_symbol)) == (1, 1)
    assert found["bad"] == 4 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1  # the last: the row of a symbol the run does not have
    said = why(copy, "--all", code=3).stderr
    assert f"sqlite, killed/BTCUSDT/{times[10]}: not_stored" in said
    assert 'status: recomputed "FILLED", stored "REJECTED"' in said
    assert "1 row of this run is of no symbol of it" in said


def test_a_run_without_anything_stored_is_not_called_equal(copy):
    shutil.rmtree(copy.folder / "runtime" / "ready")
    (copy.folder / "runtime" / "signals.db").unlink()
    (copy.folder / "runtime" / "mock_orders.jsonl").unlink()
    found = why_json(copy, "--all", code=3)
    assert (found["verdict"], found["same"]) == ("different", 0)


# ---- one ----

def test_why_of_a_confirmed_signal_shows_its_messages_and_its_order(killed):
    order = orders(killed)[-1]
    found = why_json(killed, f"killed/{order['symbol']}/{order['signal_ts_ms']}")
    assert found["verdict"] == "same"
    assert {sink: found["stored"][sink]["finding"] for sink in found["stored"]} == dict.fromkeys(
        ("sqlite", "jsonl", "orders"), "same")
    assert found["order"]["row"]["order_id"] == order["order_id"]
    assert found["signal"]["row"]["confirm"] is True and not any(gate["closed"] for gate in found["gates"])
    trade, diff = (json.loads(found["messages"][name]["text"])["data"] if found["messages"][name]["bytes"] <= 2000
                   else found["messages"][name]["text"] for name in ("trade", "diff"))
    assert trade["t"] == found["trade"]["row"]["agg_trade_id"] and trade["s"] == order["symbol"]
    assert f'"u":{found["book"]["row"]["last_id"]}' in found["messages"]["diff"]["text"].replace(" ", "")
    assert found["snapshot"]["last_update_id"] > 0 and "/depth?" in found["messages"]["snapshot"]["text"]
    assert found["due"]["record"] == found["messages"]["due"]["record"] >= found["trade"]["record"]
    text = why(killed, order["symbol"], order["signal_ts_ms"]).stdout
    for word in ("verdict   same bits", order["order_id"], "threshold", "bid price", "synchronisation"):
        assert word in text


def test_the_messages_lie_where_why_says(killed):
    generator = random.Random(SEED)
    for ts_ms in generator.sample(signals(killed), 12):
        print(f"seed {SEED}: {ts_ms}")
        found = why_json(killed, f"BTCUSDT/{ts_ms}")
        for raw in found["messages"].values():
            data = (killed.folder / raw["file"]).read_bytes()[raw["offset"]:]
            payload_bytes, _, seq, recv_ns, _, kind, _, _ = struct.unpack_from("<IIQqqHHI", data)
            assert (payload_bytes, seq, recv_ns) == (raw["bytes"], raw["record"], raw["recv_ns"])
            assert data[40:40 + payload_bytes].startswith(raw["text"].encode())
        assert found["book"]["row"]["ts_ms"] == ts_ms - found["feature"]["row"]["age_ofi_ms"]
        assert found["trade"]["row"]["ts_ms"] == ts_ms - found["feature"]["row"]["age_cvd_ms"]
        assert found["fusion"]["row"]["score"] == found["signal"]["row"]["score"]


def test_one_bit_of_a_stored_score_is_named_with_both_values(copy):
    ts_ms = signals(copy, "abs(score) > 0.5")[-1]
    with contextlib.closing(sqlite3.connect(copy.folder / "runtime" / "signals.db")) as database:
        (score,) = database.execute("select score from signals where symbol = 'BTCUSDT' and ts_ms = ?",
                                    (ts_ms,)).fetchone()
    (bits,) = struct.unpack("<Q", struct.pack("<d", score))
    (other,) = struct.unpack("<d", struct.pack("<Q", bits ^ 1))
    change(copy, "update signals set score = ? where symbol = 'BTCUSDT' and ts_ms = ?", other, ts_ms)
    for words in ((f"killed/BTCUSDT/{ts_ms}",), ("--all",)):
        said = why(copy, *words, code=3).stderr
        assert f"sqlite, killed/BTCUSDT/{ts_ms}: different" in said
        assert f"score: recomputed {score!r} ({bits:016x}), stored {other!r} ({bits ^ 1:016x})" in said
    found = why_json(copy, "BTCUSDT", ts_ms, code=3)
    assert found["stored"]["sqlite"]["differences"] == [{"field": "score", "recomputed": score, "stored": other}]
    assert found["stored"]["jsonl"]["finding"] == "same"


def test_stored_without_being_recomputed_and_the_reverse_are_differences(copy):
    times = signals(copy)
    change(copy, "update signals set ts_ms = ts_ms + 1 where symbol = 'BTCUSDT' and ts_ms = ?", times[50])
    assert "not_recomputed" in why(copy, "BTCUSDT", times[50] + 1, code=3).stderr
    assert "not_stored" in why(copy, "BTCUSDT", times[50], code=3).stderr


def test_of_a_run_that_was_never_concluded_only_the_rows_behind_its_sinks_are_not_yet_there(copy):
    manifest = copy.folder / "artifacts/run_logs/run_manifest_killed.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "state": "running"}))
    times = signals(copy)
    for index in (70, -1):
        change(copy, "delete from signals where symbol = 'BTCUSDT' and ts_ms = ?", times[index])
    found = why_json(copy, "--all", code=3)
    sink = next(s for s in found["sinks"] if (s["symbol"], s["sink"]) == ("BTCUSDT", "sqlite"))
    assert (found["bad"], sink["not_stored"], sink["not_yet"]) == (1, 1, 1)
    assert why_json(copy, "BTCUSDT", times[70], code=3)["stored"]["sqlite"]["finding"] == "not_stored"
    assert why_json(copy, "BTCUSDT", times[-1])["stored"]["sqlite"]["finding"] == "not_yet"


def test_an_unknown_key_is_answered_with_its_neighbours(killed):
    times = signals(killed)
    said = why(killed, f"killed/BTCUSDT/{times[5] + 1}", code=1).stderr
    assert f"killed/BTCUSDT/{times[5]} " in said and f"killed/BTCUSDT/{times[6]} " in said
    assert "BTCUSDT, ETHUSDT" in why(killed, "XRPUSDT", times[5], code=1).stderr
    assert "no file of run other" in why(killed, f"other/BTCUSDT/{times[5]}", code=1).stderr


@pytest.mark.parametrize("words", [["BTCUSDT"], ["a/b/c/d"], ["BTCUSDT", "soon"], ["BTCUSDT", "1", "2", "3"], [],
                                   ["--all", "BTCUSDT", "1"], ["killed/BTCUSDT/1", "--run", "other"]])
def test_wrong_use_is_told(killed, words):
    assert why(killed, *words, code=2).stderr


# ---- the capture ----

def test_a_damaged_capture_is_named_with_its_offset(copy):
    path, key = capture_files(copy)[1], signals(copy)[-1]
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)
    for words in (("--all",), ("BTCUSDT", key)):
        said = why(copy, *words, code=3).stderr
        assert path.name in said and "damaged record at offset" in said


def test_a_missing_capture_file_is_named(copy):
    path = capture_files(copy)[1]
    path.unlink()
    for words in (("--all",), ("BTCUSDT", signals(copy)[-1])):
        said = why(copy, *words, code=3).stderr
        assert path.name in said and "missing" in said


def test_no_flipped_bit_of_a_capture_goes_unseen(copy):
    generator = random.Random(SEED)
    for path, at, bit in [(generator.choice(capture_files(copy)), generator.random(), 1 << generator.randrange(8))
                          for _ in range(15)]:
        whole = path.read_bytes()
        offset = 32 + int(at * (len(whole) - 32))  # the file's header says nothing a row depends on
        path.write_bytes(whole[:offset] + bytes([whole[offset] ^ bit]) + whole[offset + 1:])
        print(f"seed {SEED}: {path.name} bit {bit} of byte {offset}")
        assert why(copy, "--all", code=3).stderr
        path.write_bytes(whole)
    assert why(copy, "--all")


@pytest.mark.parametrize("name", ["runtime/signals.db", "runtime/mock_orders.jsonl",
                                  "artifacts/run_logs/run_manifest_killed.json"])
def test_damaged_files_of_a_run_end_in_a_sentence(copy, name):
    generator = random.Random(f"{SEED} {name}")
    path = copy.folder / name
    whole = path.read_bytes()
    for _ in range(8):
        damaged = bytearray(whole)
        for offset in generator.sample(range(len(whole)), 20):
            damaged[offset] ^= 1 << generator.randrange(8)
        path.write_bytes(damaged[:generator.randrange(len(whole) // 2, len(whole))])
        done = copy.orchctl("why", "--all", check=False)
        print(f"seed {SEED}: {name} {done.returncode} {done.stderr[:200]}")
        assert done.returncode == 3 and done.stderr


# ---- other runs ----

def test_a_run_can_be_asked_while_it_goes_on(tmp_path):
    stack = harness.Stack(tmp_path / "run", captures(tmp_path), run_id="going", speed=1)
    with stack:
        harness.wait_for(lambda: stack.rows_written() >= 60, 60, "60 rows")
        ts_ms = signals(stack)[0]
        assert why_json(stack, "BTCUSDT", ts_ms)["verdict"] == "same"
        found = why_json(stack, "--all")
        assert found["bad"] == 0 and found["same"] > 0
        assert "the run has not been concluded" in why(stack, "BTCUSDT", ts_ms + 3_600_000, code=1).stderr
        assert stack.process.poll() is None, "it ended before it was asked"
        stack.orchctl("shutdown")
        stack.finish()
    assert why_json(stack, "--all")["verdict"] == "same"


# ---- replay --compare ----

@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Three runs of one recording in one folder; the third smooths OFI otherwise, which no signal depends on."""
    folder, paths = tmp_path_factory.mktemp("runs"), captures(tmp_path_factory.mktemp("cut"), RECORDINGS[:1])
    stacks = {name: harness.Stack(folder, paths, run_id=name, sink="dual", sets={**harness.UNHURRIED, **sets})
              for name, sets in (("first", {}), ("second", {}), ("third", {"ofi.ema_alpha": 0.5}))}
    for stack in stacks.values():
        with stack:
            harness.assert_sound(stack, stack.finish())
    return stacks


def replay(stack, capture_of, against, code=0):
    files = [str(path) for path in capture_files(stack) if f"raw-{capture_of}-" in path.name]
    done = stack.orchctl("replay", *files, "--compare", against, "--json", check=False)
    assert done.returncode == code, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
    rows, data = map(json.loads, done.stdout.splitlines())
    return rows, {entry["kind"]: entry for entry in data["parquet"]}, done.stderr


@pytest.mark.parametrize("against", ["first", "second"])
def test_a_replayed_capture_gives_every_row_of_the_run_and_of_another_of_the_same_market(runs, against):
    rows, data, _ = replay(runs["first"], "first", against)
    assert rows["verdict"] == "same"
    assert set(data) == set(harness.KINDS)
    for kind, entry in data.items():
        assert entry["recomputed"] == entry["stored"] and not entry["only_recomputed"] and not entry["only_stored"], entry
        assert entry["stored"] == len(runs["first"].parquet(kind)) / len(runs), kind


def test_a_setting_that_changes_one_column_is_seen_in_its_data_sets_only(runs):
    rows, data, said = replay(runs["first"], "first", "third", code=3)
    assert rows["verdict"] == "same"
    different = {kind for kind, entry in data.items() if entry["only_recomputed"] or entry["only_stored"]}
    assert different == {"ofi", "features"}
    assert "parquet ofi, stored only" in said and '"ema_ofi"' in said


def test_a_run_that_is_not_here_is_not_compared(runs):
    file = next(str(path) for path in capture_files(runs["first"]) if "raw-first-" in path.name)
    done = runs["first"].orchctl("replay", file, "--compare", "frist", check=False)
    assert (done.returncode, done.stdout) == (1, "") and "there is no run frist here" in done.stderr, done


def test_a_cleaned_run_whose_capture_lies_here_is_compared_and_that_it_was_cleaned_is_said(runs, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(runs["first"].folder, folder, ignore=shutil.ignore_patterns("bus", "journal", "*.lock", "duckdb"))
    (folder / "artifacts/run_logs/run_manifest_second.json").unlink()
    rows, _, said = replay(harness.Stack(folder, run_id="first"), "first", "second")
    assert "there is no run second here" in said and "its capture lies here" in said and rows["verdict"] == "same"


def test_data_sets_that_are_gone_are_missed(runs, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(runs["first"].folder, folder, ignore=shutil.ignore_patterns("bus", "journal", "*.lock", "duckdb"))
    stack = harness.Stack(folder, run_id="first")
    shutil.rmtree(next((folder / "data/ofi_cvd").glob("*/*/kind=cvd")))
    _, data, _ = replay(stack, "first", "first", code=3)
    assert data["cvd"]["only_recomputed"] == data["cvd"]["recomputed"] > 0
    assert not data["ofi"]["only_recomputed"]


def test_an_earlier_run_of_the_folder_can_be_asked(runs):
    assert why_json(runs["third"], "--all", "--run", "first")["verdict"] == "same"
    ts_ms = signals(runs["second"])[40]
    assert why_json(runs["third"], f"second/BTCUSDT/{ts_ms}")["run_id"] == "second"
    assert why_json(runs["third"], "BTCUSDT", ts_ms)["run_id"] == "third"
