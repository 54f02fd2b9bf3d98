"""A second set of eyes: the rows a whole run stored agree with the Python reference, written from the specification alone,
to 1e-9, on two real recordings. The reference reads the run's own raw capture."""
import json
import os
import subprocess
import sys

import pytest

import stack as harness

sys.path.insert(0, str(harness.ROOT / "tests" / "reference"))
import compare  # noqa: E402

RECORDINGS = {
    "usdm-btcusdt-2024-08": ["usdm/btcusdt_20240808.gz"],
    "coinm-ethusd_perp-2024-08": ["coinm/ethusd_perp_20240808.gz", "coinm/ethusd_perp_20240809.gz"],
    "cryptofeed-usdm-2021-04-05": ["cryptofeed/BINANCE_FUTURES-1125a2.0.gz"],
}


def stored_rows(stack, folder):
    """The run's Parquet and signals.db as the reference's files: <SYMBOL>.<kind>.jsonl."""
    folder.mkdir()
    for kind, (order, _) in harness.KINDS.items():
        if not list((stack.folder / "data/ofi_cvd").glob(f"date=*/symbol=*/kind={kind}/*.parquet")):
            continue
        # Rows of a kind in stream order: ids and times rise in every undisturbed recording.
        sql = (f"select * from read_parquet('data/ofi_cvd/date=*/symbol=*/kind={kind}/*.parquet', hive_partitioning=false) "
               f"order by {order}")
        done = subprocess.run([str(harness.BIN / "query"), "--json", sql], cwd=stack.folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        for line in done.stdout.splitlines():
            if line.strip():
                with open(folder / f"{json.loads(line)['symbol']}.{kind}.jsonl", "a") as out:
                    out.write(line + "\n")
    columns, rows = stack.sqlite_rows()
    for values in rows:
        row = dict(zip(columns, values))
        row["confirm"], row["gating"] = bool(row["confirm"]), bool(row["gating"])
        with open(folder / f"{row['symbol']}.signals.jsonl", "a") as out:
            out.write(json.dumps(row) + "\n")


@pytest.mark.parametrize("name", RECORDINGS)
def test_stored_rows_agree_with_the_reference(name, tmp_path):
    paths = [harness.needed(file) for file in RECORDINGS[name]]
    with harness.Stack(tmp_path / "run", paths, run_id=name, sets=harness.UNHURRIED) as stack:
        harness.assert_sound(stack, stack.finish())
    captures = sorted(str(path) for path in (stack.folder / "data" / "raw").rglob("*.ofr"))
    command = ["/usr/bin/python3", str(harness.ROOT / "tests/reference/reference.py"), "--out", str(tmp_path / "reference"),
               "--set", f"run.run_id={json.dumps(name)}"]
    for path in captures:
        command += ["--ofr", path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    stored_rows(stack, tmp_path / "ours")
    # One capture, so receive times are compared too. strategy_state is in frames only.
    os.environ.setdefault("PYTHONDONTWRITEBYTECODE", "1")
    kinds = "prices,orderbook,ofi,cvd,fusion,events,features,signals"
    code = compare.main([str(tmp_path / "reference"), str(tmp_path / "ours"), "--kinds", kinds, "--ignore",
                         "div_type,run_id"])
    assert code == 0
