"""Looking at a run from outside: its rows as they pass, heartbeats, the orchestrator's status feed; and asking it.

Everything is kept as it arrived, with the wall time the sender gave it, so that a fault and what followed lie in one history.
"""
import datetime
import json
import os
import pathlib
import threading

import msgpack
import zmq

STREAM_STATUS, COUNTER = 61, 62
ANSWER_MS = 60000


def wall_ms(text):
    """The orchestrator's ISO time as milliseconds."""
    return round(datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000)


def address(folder, socket):
    # Addresses beyond 107 bytes do not fit into sun_path; from here the run's folder is near.
    return "ipc://" + os.path.relpath(pathlib.Path(folder) / "runtime/bus" / socket)


def rows_end(body):
    """Sequence of the last row of a frame; its rows are not decoded."""
    reader = msgpack.Unpacker(raw=False, strict_map_key=False, max_buffer_size=len(body))
    reader.feed(body)
    reader.read_array_header()
    for _ in range(3):  # version, run, producer
        reader.skip()
    first = reader.unpack()
    reader.skip()       # publish time
    return first + reader.read_array_header() - 1


class Watch(threading.Thread):
    """Listens until closed. `rows`: what harvest has published; `beats`: the newest heartbeat of each daemon."""

    def __init__(self, folder, daemons):
        super().__init__(daemon=True)
        bus = pathlib.Path(folder) / "runtime/bus"
        bus.mkdir(parents=True, mode=0o700, exist_ok=True)  # the sockets of the run will appear in it
        self.context = zmq.Context()
        self.socket = self.context.socket(zmq.SUB)
        self.socket.set_hwm(0)
        self.socket.setsockopt(zmq.RECONNECT_IVL, 10)
        self.socket.setsockopt(zmq.RCVTIMEO, 100)
        for prefix in ("event", "heartbeat/", "harvest/"):
            self.socket.setsockopt(zmq.SUBSCRIBE, prefix.encode())
        for name in ("orchestrator", "harvest", *daemons):
            self.socket.connect(address(folder, f"{name}.pub"))
        self.control = address(folder, "orchestrator.ctl")
        self.streams, self.beats, self.events = {}, {}, []
        self.asked = 0
        self.moved = threading.Condition()
        self.closing = False
        self.failure = None
        self.start()

    def run(self):
        while not self.closing:
            try:
                topic, body = self.socket.recv_multipart()
            except zmq.Again:
                continue
            try:
                self.take(topic.decode(), body)
            except Exception as failure:  # said by whoever asks next: a thread's own end would go unseen
                self.failure = failure
                break
        self.socket.close()

    def take(self, topic, body):
        if topic == "event":
            self.events.append(json.loads(body))
        elif topic.startswith("heartbeat/"):
            rows = msgpack.unpackb(body, raw=False, strict_map_key=False)[5]
            beat = rows[0]
            self.beats[beat[1]] = {
                "pid": beat[2], "generation": beat[3], "event_ts_ms": beat[8], "rss_mb": beat[12], "open_files": beat[13],
                "position": sum(row[4] for row in rows if row[0] == STREAM_STATUS and not row[2]),
                "counters": {row[1]: row[2] for row in rows if row[0] == COUNTER}}
        else:
            with self.moved:
                self.streams[topic] = max(rows_end(body), self.streams.get(topic, 0))
                self.moved.notify_all()

    def close(self):
        self.closing = True
        self.join()
        self.context.destroy(linger=0)
        if self.failure:
            raise AssertionError(f"the run's bus could not be read: {self.failure!r}")

    @property
    def rows(self):
        if self.failure:
            raise AssertionError(f"the run's bus could not be read: {self.failure!r}")
        return sum(self.streams.copy().values())

    def wait_rows(self, row, seconds):
        """Until harvest has published so many rows; how many it has when it did, or when the time is over."""
        with self.moved:
            self.moved.wait_for(lambda: self.rows >= row or self.failure, seconds)
        return self.rows

    def position(self, name):
        """Input rows the daemon had consumed when it last spoke."""
        return self.beats.get(name, {}).get("position", 0)

    def find(self, event, **members):
        """The first event of the feed with these members, or None."""
        for kept in self.events[:]:
            if kept["event"] == event and all(kept.get(key) == value for key, value in members.items()):
                return kept
        return None

    def ask(self, *requests):
        """(verb, arguments) each: all are sent before the first answer is read. Returns (result, None) or (None, error)."""
        socket = self.context.socket(zmq.DEALER)
        socket.setsockopt(zmq.LINGER, 0)
        socket.connect(self.control)
        identities = []
        for verb, arguments in requests:
            self.asked += 1
            identities.append(f"chaos-{os.getpid()}-{self.asked}")
            socket.send_json({"id": identities[-1], "verb": verb, "args": arguments})
        answers = {}
        while len(answers) < len(requests) and socket.poll(ANSWER_MS):
            answer = socket.recv_json()
            answers[answer["id"]] = (answer["result"], None) if answer["ok"] else (None, answer["error"])
        socket.close()
        return [answers.get(identity, (None, f"no answer within {ANSWER_MS} ms")) for identity in identities]

    def process(self, name):
        """The orchestrator's view of one daemon."""
        (result, error), = self.ask(("status", {"name": name}))
        if error:
            raise AssertionError(f"status of {name}: {error}")
        return result["processes"][0]
