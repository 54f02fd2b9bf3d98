"""End to end: recorded messages per second, from the first WebSocket message received to the last committed row.

    end_to_end.py [--repeat N] [--keep FOLDER] [--at-least RATE] NAME=RECORDING[+RECORDING...] ...

All daemons run, the simulator at max speed, sinks SQLite and JSONL. Read afterwards, nothing is computed beside the run:

* begin: recv_ns of the first message in harvest's raw capture;
* SQLite: last_write_ms of that sink in signal's heartbeats, the wall time of its last commit;
* JSONL and Parquet: change time of the last renamed shard and of the last renamed part or checkpoint.

Beside it, in the same run, the reference: the same simulator, read by a client that only receives and parses (bench_reader).
"""
import argparse
import json
import pathlib
import resource
import subprocess
import sys
import tempfile
import urllib.request

import evidence
import stack as harness

DEPTH_PATH = {"usdm": "/fapi/v1/depth", "coinm": "/dapi/v1/depth", "spot": "/api/v3/depth"}


def last_sqlite_commit_ms(frames):
    rows = [row for _, _, body in frames for row in evidence.frame_of(body)[3]]
    return max(row[9] for row in rows if row[0] == evidence.SINK_STATUS and row[1] == "sqlite" and row[9])


def last_change_ns(folder, *patterns):
    return max(path.stat().st_ctime_ns for pattern in patterns for path in pathlib.Path(folder).glob(pattern))


def run_stack(folder, captures):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    stack = harness.Stack(folder, captures, run_id="bench", enable="harvest,archive,signal,broker,report")
    (stack.folder / "runtime/bus").mkdir(parents=True, mode=0o700)
    listener = evidence.Listener(stack.folder, {"signal": ["heartbeat/"]})
    with stack:
        code = stack.finish()
    frames = listener.stop()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if code != 0:
        sys.exit(f"the run in {folder} ended with {code}:\n{stack.text()[-3000:]}")
    received = [recv_ns for recv_ns, kind, _ in evidence.capture_records(folder) if kind == evidence.CAPTURE_MESSAGE]
    ends = {
        "received": received[-1],
        "sqlite": last_sqlite_commit_ms(frames) * 1_000_000,
        "jsonl": last_change_ns(folder, "runtime/ready/signal/*/*.jsonl"),
        "parquet": last_change_ns(folder, "data/ofi_cvd/**/*.parquet", "state/checkpoint.json"),
    }
    seconds = {name: (end - received[0]) / 1e9 for name, end in ends.items()}
    return {
        "messages": len(received),
        "seconds": seconds,
        "rate": len(received) / max(seconds.values()),
        "cpu_s": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
    }


def run_reader(folder, captures):
    """The bare client on a simulator of its own."""
    port_file = folder / "port"
    command = [str(harness.BIN / "simulator"), "--speed", "max", "--port-file", str(port_file)]
    for capture in captures:
        command += ["--capture", str(capture)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as simulator:
        try:
            harness.wait_for(lambda: port_file.exists() and port_file.read_text().strip(), 30, "the simulator's port")
            port = port_file.read_text().strip()
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/simulator/streams") as answer:
                offer = json.load(answer)
            done = subprocess.run([evidence.BENCH_BIN / "bench_reader", port, DEPTH_PATH[offer["market"]],
                                   ",".join(offer["symbols"]), "/".join(offer["streams"])],
                                  capture_output=True, text=True, check=True, timeout=120)
        finally:
            simulator.terminate()
    result = json.loads(done.stdout)
    assert result["messages"] == offer["messages"], (result, offer)
    return result["messages"] / result["seconds"]


def measure(name, captures, repeat, keep):
    runs, bare = [], []
    for number in range(1, repeat + 1):
        with tempfile.TemporaryDirectory(prefix="ofb-") as temporary:
            bare.append(run_reader(pathlib.Path(temporary), captures))
            folder = pathlib.Path(keep or temporary) / f"{name}-{number}"
            run = run_stack(folder, captures)
        runs.append(run)
        parts = ", ".join(f"{part} {seconds:.2f} s" for part, seconds in run["seconds"].items())
        print(f"end_to_end {name} run {number}: {run['messages']} messages; {parts}; {run['rate']:,.0f} messages/s; "
              f"CPU {run['cpu_s']:.2f} s; bare reader {bare[-1]:,.0f} messages/s", flush=True)
    rate, reference = evidence.median(run["rate"] for run in runs), evidence.median(bare)
    print(f"end_to_end {name}: median {rate:,.0f} messages/s, bare reader {reference:,.0f} messages/s, "
          f"{rate / reference:.2f} of bare", flush=True)
    return rate


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("mixes", nargs="+", metavar="NAME=RECORDING[+RECORDING...]")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--keep", help="leave the runs' folders here")
    parser.add_argument("--at-least", type=float, default=0, help="messages/s below which a median is a failure")
    options = parser.parse_args()
    slow = []
    for mix in options.mixes:
        name, _, files = mix.partition("=")
        captures = [harness.RECORDINGS / file for file in files.split("+")]
        if measure(name, captures, options.repeat, options.keep) < options.at_least:
            slow.append(name)
    if slow:
        sys.exit(f"below {options.at_least:,.0f} messages/s: {', '.join(slow)}")


if __name__ == "__main__":
    main()
