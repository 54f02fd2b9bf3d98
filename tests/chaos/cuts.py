"""The part of a recording that a seed runs on: short enough that a run and its comparison take a few seconds."""
import gzip
import hashlib
import pathlib
import pickle
import re

import stack as harness

from compare import Written

# One symbol of USD-M with trades, one coin-margined with a heavy book, five symbols with aggTrade: every kind of row is in each.
RECORDINGS = ("usdm/btcusdt_20240808.gz", "coinm/ethusd_perp_20240808.gz", "cryptofeed/BINANCE_FUTURES-1125a2.0.gz")
MARKET_S = 115
RECEIVED = re.compile(rb"(?:\S+ -> )?(\d+)(\.\d+)?[: ]")


def received_s(line):
    """Receive time of a line of either text format in seconds; None for a line without one."""
    match = RECEIVED.match(line)
    if not match:
        return None
    digits = len(match[1])
    if digits in (13, 16, 19):
        return int(match[1]) / 10 ** (digits - 10)
    return float(match[1] + (match[2] or b"")) if digits == 10 else None


def cut(source, folder):
    """The first MARKET_S seconds, under the same file name (the symbol may stand in it). A capture in another format is
    taken whole."""
    source = pathlib.Path(source)
    if source.suffix != ".gz":
        return source
    first = None
    target = pathlib.Path(folder) / source.name
    with gzip.open(source, "rb") as whole, gzip.open(target, "wb", compresslevel=1) as part:
        for line in whole:
            time_s = received_s(line)
            first = time_s if first is None else first
            if time_s and time_s - first > MARKET_S:
                break
            part.write(line)
    return target


def run_undisturbed(captures, folder):
    """What an undisturbed run of the captures writes; that it is sound is a condition of everything else."""
    stack = harness.Stack(folder, captures, run_id="chaos")
    with stack:
        harness.assert_sound(stack, stack.finish())
    written = Written.read(stack)
    assert not written.empty(), f"no rows of {written.empty()} in {captures[0]}: a comparison would prove nothing"
    return written


def key_of(capture):
    """Changes with every program and with the cut: a reference of another build is never used."""
    digest = hashlib.sha256()
    for path in [*sorted(harness.BIN.iterdir()), pathlib.Path(capture), pathlib.Path(__file__).with_name("compare.py"),
                 pathlib.Path(harness.__file__)]:
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def reference(capture, folder):
    """The undisturbed run of a cut, kept beside the build for the next call."""
    kept = harness.BUILD / "chaos" / f"reference-{key_of(capture)}.pickle"
    if kept.exists():
        return pickle.loads(kept.read_bytes())
    written = run_undisturbed([capture], folder)
    kept.parent.mkdir(exist_ok=True)
    for old in kept.parent.glob("reference-*.pickle"):
        if old.stat().st_mtime < max(path.stat().st_mtime for path in harness.BIN.iterdir()):
            old.unlink(missing_ok=True)
    temporary = kept.with_suffix(".new")
    temporary.write_bytes(pickle.dumps(written))
    temporary.replace(kept)
    return written
