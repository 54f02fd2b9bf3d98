"""input_mode preview: what a run has captured, played again through the whole pipeline, gives the rows of that run."""
import json
import shutil
import subprocess

import pytest

import stack as harness

RECORDING = "usdm/btcusdt_20240808.gz"
CUT_LINES = 12000


def preview(folder, source, sets=None, **options):
    stack = harness.Stack(folder, arguments=["--input-mode", "preview", "--input-dir", str(source)], sets={**harness.UNHURRIED, **(sets or {})}, **options)
    at = stack.command.index("--speed")
    del stack.command[at:at + 2]  # nobody need say how fast
    return stack


def run_of(folder, sets=None, **options):
    stack = harness.Stack(folder, sets={**harness.UNHURRIED, **(sets or {})}, **options)
    with stack:
        harness.assert_sound(stack, stack.finish())
    return stack


@pytest.mark.parametrize("market", ["recorded", "synthetic"])
def test_the_rows_of_a_preview_are_those_of_the_run_that_was_captured(tmp_path, market):
    if market == "recorded":
        run = run_of(tmp_path / "run", captures=[harness.cut(harness.needed(RECORDING), CUT_LINES, tmp_path)])
    else:
        run = run_of(tmp_path / "run", sets={"simulator.minutes": 0.5, "simulator.rate": 40}, arguments=["--gates", "replay"])
    again = preview(tmp_path / "again", run.folder / "data", sets={"harvest.on_full": "drop"})  # as live configurations have it
    with again:
        assert again.finish() == 0, again.text()[-3000:]
    assert again.jsonl() == run.jsonl() and again.sqlite_rows() == run.sqlite_rows() and again.orders() == run.orders()
    manifest = again.manifest()
    source = json.loads(next((again.folder / "artifacts").rglob("source_manifest*.json")).read_text())
    assert (source["input_mode"], source["replay_mode"], source["watch_enabled"]) == ("preview", 1, False)
    assert manifest["overall_verdict"] == "PASS"
    assert list((again.folder / "preview/ofi_cvd").rglob("*.parquet")) and not (again.folder / "data").exists(), "a data root of its own"
    assert "The input is recorded (preview)" in again.summary_text()
    assert json.loads((again.folder / "runtime/effective_config.json").read_text())["harvest"]["on_full"] == "wait"
    for root, told in ((run.folder / "data", "holds the preview's own input"), (run.folder / "data/ofi_cvd/mine", "live runs keep their data in"),
                       (run.folder, "holds the preview's own input"), (".", "live runs keep their data below it, in ./live")):
        refused = preview(tmp_path / "refused", run.folder / "data/raw", run_id="refused")
        refused.command += ["--set", f"run.data_root={root}"]
        if not (refused.folder / "live").exists():
            shutil.copytree(run.folder / "data", refused.folder / "live")
        with refused:
            assert refused.finish(60) == 2 and told in refused.text(), refused.text()
        assert not (refused.folder / "runtime").exists(), "nothing was started"
    shutil.rmtree(tmp_path / "refused")
    # Once more in the same folder, over all there is: what the preview itself recorded is no input.
    once_more = preview(tmp_path / "again", tmp_path, run_id="more")
    with once_more:
        assert once_more.finish() == 0, once_more.text()[-3000:]
    assert signals_of(once_more, "more") == signals_of(again, "test-run") != []


def signals_of(stack, run_id):
    columns, rows = stack.sqlite_rows()
    at = columns.index("run_id")
    return [row[:at] + row[at + 1:] for row in rows if row[at] == run_id]


@pytest.mark.parametrize("source, more, told", [
    ("nowhere", [], "run.input_dir: nowhere: there is no such folder"),
    ("empty", [], "run.input_dir: empty holds nothing to play: no capture (*.ofr) and no rows"),
    ("full", ["--capture", "full/a.ofr"], "run.input_dir exclude each other"),
])
def test_what_cannot_be_played_is_told_before_anything_starts(tmp_path, source, more, told):
    (tmp_path / "empty").mkdir()
    (tmp_path / "full").mkdir()
    (tmp_path / "full/a.ofr").touch()
    done = subprocess.run([harness.BIN / "orchestrator", "--input-mode", "preview", "--input-dir", source, *more], cwd=tmp_path,
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and told in done.stderr, done
    assert not (tmp_path / "runtime").exists(), "nothing was started"


def test_behind_a_broken_connection_books_begin_anew_where_they_did(tmp_path):
    """What was recorded behind a snapshot must not overtake it, however fast the market is played. (Trades that were fetched again come with
    the streamed ones: rows of CVD within the hole may differ, and how long that is depends on the machine.)"""
    run = harness.Stack(tmp_path / "run", speed=20, arguments=["--gates", "none"],
                        sets={**harness.UNHURRIED, "simulator.minutes": 3, "simulator.rate": 150, "harvest.backoff_initial_ms": 50, "harvest.backoff_cap_ms": 100})
    with run:
        harness.wait_for(lambda: run.rows_written() > 200, 60, "rows before the connection breaks")
        run.orchctl("fault", "cut", "simulator", "--for", "200ms", "--force", "--no-wait")
        harness.assert_sound(run, run.finish())
    again = preview(tmp_path / "again", run.folder / "data")
    with again:
        assert again.finish() == 0, again.text()[-3000:]
    books, books_again = books_of(run), books_of(again)
    holes = {symbol: hole_of(run, symbol) for symbol in ("BTCUSDT", "ETHUSDT")}
    both = books.keys() & books_again.keys()
    assert all(holes[symbol][0] <= ts_ms <= holes[symbol][1] for symbol, ts_ms in books.keys() ^ books_again.keys()), holes
    assert {key: books[key] for key in both} == {key: books_again[key] for key in both}
    for symbol, hole in holes.items():
        assert min(hole) > min(ts_ms for name, ts_ms in both if name == symbol) and max(hole) < max(ts_ms for name, ts_ms in both if name == symbol)


GRID_MS = 100


def hole_of(stack, symbol):
    """From the grid's row behind the last change before the connection broke to that behind the book that is whole again."""
    rows = stack.parquet("orderbook", columns="ts_ms, book_reset", order="last_id", where=f"symbol = '{symbol}'")
    _, first, *more = [at for at, row in enumerate(rows) if row["book_reset"] == "true"]
    return int(rows[first - 1]["ts_ms"]) - GRID_MS, int(rows[[first, *more][-1]]["ts_ms"]) + GRID_MS


def books_of(stack):
    """What signal rows show of the books."""
    columns, rows = stack.sqlite_rows()
    symbol, ts_ms, *shown = (columns.index(name) for name in ("symbol", "ts_ms", "best_bid", "best_ask", "z_ofi"))
    return {(row[symbol], row[ts_ms]): [row[at] for at in shown] for row in rows}
