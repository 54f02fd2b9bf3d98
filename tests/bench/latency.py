"""Wire to signal: from the receive time of the message that made a grid row due to the sending of its signal row.

    latency.py [--speed N] [--lines N] RECORDING

A signal row says in `source` which row of harvest made it due; that row's trade id or update id names the captured message, and
the capture its recv_ns, taken when the last byte of the message had been read. The other end is publish_ns of the frame that
carries the signal row. Both are wall clock of one machine. What the watermark makes a grid row wait is event time and no part of
this; the way through capture, harvest, features and signal, each with its journal commit, is. Rows that one message made due
together (a silence has ended) count each. A move of the clock by a message without a row of its own (bookTicker) acts with the
next row: then that row's message counts.

Beside it, in the same run, the reference: frames of the same mean size through three bare ZeroMQ hops (bench_hops).
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import evidence
import stack as harness

GRID_MS = 100
HOPS_FRAMES = 400
TRADE_ID, BOOK_ID = 6, 6  # places of agg_trade_id and last_id in their rows, the kind being the first
SOURCE = -1


def ids_of(frames, topic_prefix="harvest/"):
    """{(symbol, sequence): ("trade" | "book", id)}"""
    found = {}
    for _, topic, body in frames:
        if not topic.startswith(topic_prefix):
            continue
        _, first, _, rows = evidence.frame_of(body)
        for sequence, row in enumerate(rows, first):
            if row[0] == evidence.TRADE:
                found[topic[len(topic_prefix):], sequence] = "trade", row[TRADE_ID]
            elif row[0] == evidence.BOOK:
                found[topic[len(topic_prefix):], sequence] = "book", row[BOOK_ID]
    return found


def latencies_us(frames, folder):
    """Of every signal row whose message is known; how many are not; mean bytes of a frame."""
    ids, received = ids_of(frames), evidence.receive_times(folder)
    took, unknown, sizes = [], 0, []
    for _, topic, body in frames:
        if not topic.startswith("signal/"):
            continue
        _, _, publish_ns, rows = evidence.frame_of(body)
        sizes.append(len(body))
        for row in rows:
            if row[0] != evidence.SIGNAL:
                continue
            recv_ns = received.get(ids.get((topic[len("signal/"):], row[SOURCE])))
            if recv_ns is None:
                unknown += 1
            else:
                took.append((publish_ns - recv_ns) / 1000)
    return took, unknown, sum(sizes) // len(sizes)


def run_stack(folder, capture, speed):
    stack = harness.Stack(folder, [capture], run_id="bench", speed=speed,
                          enable="harvest,archive,signal,broker,report")
    (stack.folder / "runtime/bus").mkdir(parents=True, mode=0o700)
    listener = evidence.Listener(stack.folder, {"harvest": ["harvest/"], "signal": ["signal/"]})
    with stack:
        code = stack.finish(1200)
    frames = listener.stop()
    if code != 0:
        sys.exit(f"the run in {folder} ended with {code}:\n{stack.text()[-3000:]}")
    return frames


def run_hops(folder, frame_bytes, speed):
    sockets = pathlib.Path(folder) / "hops"
    sockets.mkdir()
    done = subprocess.run([evidence.BENCH_BIN / "bench_hops", sockets, str(frame_bytes), str(HOPS_FRAMES),
                           str(int(GRID_MS * 1000 / speed))], capture_output=True, text=True, check=True, timeout=600)
    return json.loads(done.stdout)["hops_3"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recording")
    parser.add_argument("--speed", type=float, default=20)
    parser.add_argument("--lines", type=int, default=0, help="only so many lines of the recording")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ofb-") as folder:
        capture = harness.RECORDINGS / options.recording
        if options.lines:
            capture = harness.cut(capture, options.lines, folder)
        frames = run_stack(pathlib.Path(folder) / "run", capture, options.speed)
        took, unknown, frame_bytes = latencies_us(frames, pathlib.Path(folder) / "run")
        hops = run_hops(folder, frame_bytes, options.speed)
    if not took:
        sys.exit("no signal row could be followed back to its message")
    p50, p99 = evidence.percentile(took, 50), evidence.percentile(took, 99)
    print(f"latency {options.speed:g}x: {len(took)} signal rows ({unknown} not followed): wire to signal p50 {p50:.0f} µs, "
          f"p99 {p99:.0f} µs, max {max(took):.0f} µs; three bare hops of {frame_bytes} bytes p50 {hops['p50_us']:.0f} µs, "
          f"p99 {hops['p99_us']:.0f} µs; p50 {p50 / hops['p50_us']:.1f} times bare")


if __name__ == "__main__":
    main()
