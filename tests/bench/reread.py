"""A recovery reads little however long the run: features is killed at the end of a long recording; what it does again is told.

    reread.py [--speed N] [--before-end-s N] RECORDING...

Heartbeats tell the moment: when features' event time comes within so many seconds of the recording's end, its process gets
SIGKILL. The new generation starts from the newest saved state; the rows it makes again are those between that state and the
journal's end (its log line "recovered"), each compared with the journaled one (counter stage_rows_compared). Of the input, the
rows between the last state told of before the kill and the newest row harvest had told of are an upper bound.
"""
import argparse
import gzip
import os
import pathlib
import re
import signal
import sys
import tempfile

import evidence
import stack as harness


def beats(frames, instance):
    """Heartbeats as they came: (generation, {counter: value}, {stream: (published, last, durable)}, event_ts_ms, pid)."""
    for _, topic, body in frames:
        if topic != f"heartbeat/{instance}":
            continue
        generation, _, _, rows = evidence.frame_of(body)
        beat = next(row for row in rows if row[0] == evidence.HEARTBEAT)
        counters = {row[1]: row[2] for row in rows if row[0] == evidence.COUNTER}
        streams = {row[1]: (row[2], row[4], row[7]) for row in rows if row[0] == evidence.STREAM_STATUS}
        yield generation, counters, streams, beat[8], beat[2]


def newest(listener, instance):
    """The newest heartbeat of an instance, or None."""
    return next(beats(reversed(listener.frames[-50:]), instance), None)


def kill_near_the_end(listener, end_ms, seconds):
    beat = harness.wait_for(
        lambda: (found := newest(listener, "features")) and (found[3] or 0) >= end_ms and found, seconds,
        "features' event time to come near the end")
    os.kill(beat[4], signal.SIGKILL)


def recovered(folder, run_id):
    """(state_at, journaled) of features' second life."""
    text = (folder / "logs/features" / f"{run_id}_stderr.log").read_text()
    found = re.findall(r"recovered .*state_at=(\d+) journaled=(\d+)", text)
    return tuple(int(number) for number in found[-1])


def say(frames, folder, run_id):
    before = [beat for beat in beats(frames, "features") if beat[0] == 1][-1]
    after = [beat for beat in beats(frames, "features") if beat[0] == 2]
    state_at, journaled = recovered(folder, run_id)
    compared = after[-1][1]["stage_rows_compared"]
    inputs = sum(last - durable for published, last, durable in before[2].values() if not published)
    consumed = sum(last for published, last, _ in before[2].values() if not published)
    print(f"reread: killed after {consumed} input rows, {journaled} rows journaled; state at row {state_at}: "
          f"{journaled - state_at} rows made again, {compared} of them compared and equal; input behind the last state told "
          f"of before the kill: {inputs} rows ({100 * inputs / consumed:.2f} % of the run)")


def last_receive_ms(path):
    """Receive time of a recording's last line; 16 digits are microseconds, 19 nanoseconds."""
    with gzip.open(path, "rb") as lines:
        for line in lines:
            pass
    return int(line.split(b" ", 1)[0][:13])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recordings", nargs="+")
    parser.add_argument("--speed", type=float, default=2000)
    parser.add_argument("--before-end-s", type=float, default=1800, help="market time left when it is killed")
    options = parser.parse_args()
    captures = [harness.RECORDINGS / recording for recording in options.recordings]
    end_ms = last_receive_ms(captures[-1]) - int(options.before_end_s * 1000)
    with tempfile.TemporaryDirectory(prefix="ofb-") as temporary:
        folder = pathlib.Path(temporary)
        (folder / "runtime/bus").mkdir(parents=True, mode=0o700)
        listener = evidence.Listener(folder, {"features": ["heartbeat/"]})
        with harness.Stack(folder, captures, run_id="bench", speed=options.speed, enable="harvest,features",
                           arguments=["--gates", "none"]) as stack:
            kill_near_the_end(listener, end_ms, 2 * 90000 / options.speed + 60)
            code = stack.finish(300)
        if code != 0:
            sys.exit(f"the run ended with {code}:\n{stack.text()[-3000:]}")
        say(listener.stop(), folder, "bench")


if __name__ == "__main__":
    main()
