"""What the Python benches read: frames off the bus, records of the raw capture, figures of many runs.

A listener keeps frames as they came, with their time of arrival, and decodes them when the run is over: while it is being
measured nothing is computed beside it.
"""
import os
import pathlib
import re
import struct
import sys
import threading
import time

import msgpack
import zmq

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

TRADE, BOOK, FEATURE, SIGNAL, HEARTBEAT, STREAM_STATUS, COUNTER, SINK_STATUS = 1, 2, 13, 20, 60, 61, 62, 64
CAPTURE_MESSAGE = 1
BENCH_BIN = pathlib.Path(os.environ.get("ORDERFLOW_BUILD", ".")) / "bench"


class Listener(threading.Thread):
    """Frames of topics {instance: [prefix, ...]} until stopped: a list of (arrival wall ns, topic, body)."""

    def __init__(self, folder, topics):
        super().__init__(daemon=True)
        self.frames = []
        self.stopping = False
        self.socket = zmq.Context.instance().socket(zmq.SUB)
        self.socket.set_hwm(0)
        self.socket.setsockopt(zmq.RECONNECT_IVL, 10)
        self.socket.setsockopt(zmq.RCVTIMEO, 100)
        for instance, prefixes in topics.items():
            for prefix in prefixes:
                self.socket.setsockopt(zmq.SUBSCRIBE, prefix.encode())
            # Addresses beyond 107 bytes do not fit into sun_path; from here the run's folder is near.
            self.socket.connect("ipc://" + os.path.relpath(pathlib.Path(folder) / "runtime/bus" / f"{instance}.pub"))
        self.start()

    def run(self):
        while not self.stopping:
            try:
                topic, body = self.socket.recv_multipart()
            except zmq.Again:
                continue
            self.frames.append((time.time_ns(), topic.decode(), body))
        self.socket.close()

    def stop(self):
        self.stopping = True
        self.join()
        return self.frames


def frame_of(body):
    """(generation, first sequence, publish ns, rows) of a frame."""
    _, _, (_, generation), first, publish_ns, rows = msgpack.unpackb(body, raw=False, strict_map_key=False)
    return generation, first, publish_ns, rows


def capture_records(folder):
    """(recv_ns, kind, payload) of every record of a run's raw capture, in order."""
    for path in sorted(pathlib.Path(folder).glob("data/raw/date=*/*.ofr")):
        data = path.read_bytes()
        at = struct.unpack_from("<I", data, 12)[0]
        while at + 40 <= len(data):
            size, _, _, recv_ns, _, kind, _, _ = struct.unpack_from("<IIQqqHHI", data, at)
            yield recv_ns, kind, data[at + 40:at + 40 + size]
            at += 40 + size


ID_OF = {b"trade": re.compile(rb'"t":(\d+)'), b"aggTrade": re.compile(rb'"a":(\d+)'), b"depth": re.compile(rb'"u":(\d+)')}


def receive_times(folder):
    """{("trade" | "book", id): recv_ns}: which captured message a row of harvest came from."""
    times = {}
    for recv_ns, kind, payload in capture_records(folder):
        if kind != CAPTURE_MESSAGE:
            continue
        stream = payload[payload.index(b"@") + 1:payload.index(b"@") + 16]
        for name, pattern in ID_OF.items():
            if stream.startswith(name):
                times["book" if name == b"depth" else "trade", int(pattern.search(payload)[1])] = recv_ns
    return times


def median(values):
    values = sorted(values)
    middle = len(values) // 2
    return values[middle] if len(values) % 2 else (values[middle - 1] + values[middle]) / 2


def percentile(values, share):
    """Nearest rank: the smallest value that is not below `share` of them."""
    values = sorted(values)
    return values[max(0, -(-len(values) * share // 100) - 1)]
