"""One daemon started by hand in a folder, without an orchestrator: ready when it says so on descriptor 3."""
import os
import pathlib
import signal
import subprocess
import time

import msgpack
import zmq

import stack as harness
import wire

RUN = "by-hand-test"


class Daemon:
    """`with Daemon("features", folder) as daemon:`. Ends with TERM and exit code 0, or the test has failed."""

    def __init__(self, service, folder, *, binaries=None, sets=None, symbols="BTCUSDT"):
        self.service, self.folder = service, pathlib.Path(folder)
        self.bus = self.folder / "bus"
        self.bus.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.log_path = self.folder / f"{service}.log"
        sets = {"run.run_id": RUN, "run.symbols": symbols, "bus.dir": "bus", **(sets or {})}
        self.command = [str((binaries or harness.BIN) / service)]
        for key, value in sets.items():
            self.command += ["--set", f"{key}={value}"]

    def __enter__(self):
        read_end, write_end = os.pipe()
        with open(self.log_path, "ab") as log:  # the shell puts the pipe where the daemon wants it
            self.process = subprocess.Popen(
                ["/bin/bash", "-c", f'exec "$@" 3>&{write_end} {write_end}>&-', "bash", *self.command],
                cwd=self.folder,
                stdout=log, stderr=log, pass_fds=[write_end])
        os.close(write_end)
        with os.fdopen(read_end) as ready:
            line = ready.readline()
        assert line == "READY\n", f"{self.service} is not ready:\n{self.log()[-3000:]}"
        self.beats = zmq.Context.instance().socket(zmq.SUB)
        self.beats.linger = 0
        self.beats.subscribe(b"heartbeat/")
        self.beats.connect(f"ipc://{self.bus / self.service}.pub")
        return self

    def __exit__(self, failure, *unused):
        self.beats.close(0)
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        assert failure or code == 0, f"{self.service} ended with {code}:\n{self.log()[-3000:]}"

    def log(self):
        return self.log_path.read_text(errors="replace")

    def client(self):
        return wire.Client(self.bus / f"{self.service}.ctl")

    def beat(self, seconds=60):
        """Rows of a heartbeat that was sent after this call: one from before it may still be on its way."""
        asked_ns, sent_ns = time.time_ns(), 0
        while sent_ns < asked_ns:
            assert self.beats.poll(int(seconds * 1000)), f"{self.service} is silent:\n{self.log()[-3000:]}"
            *_, sent_ns, rows = msgpack.unpackb(self.beats.recv_multipart()[1])
        return rows

    def counters(self):
        return {row[1]: row[2] for row in self.beat() if row[0] == wire.COUNTER}

    def position(self, stream):
        """Newest row of a stream that was consumed, or was published."""
        return next((row[4] for row in self.beat() if row[0] == wire.STREAM_STATUS and row[1] == stream), -1)

    def wait_position(self, stream, number, seconds=60):
        harness.wait_for(lambda: self.position(stream) >= number, seconds, f"{self.service} at {stream} {number}")

    def rows(self, kind, stream):
        """All rows of a kind the daemon holds of a stream, asked for as a consumer would."""
        rows, position = [], 1
        with self.client() as client:
            while True:
                answer, more = client.ask([wire.CATCH_UP_REQUEST, "test", stream, position], RUN)
                assert answer[0] == wire.CATCH_UP_ANSWER and not answer[6], answer
                if not more:
                    return rows
                rows += [row for row in more if row[0] == kind]
                position += len(more)
