"""The orchestrator's control socket as a client of another language uses it: one DEALER, kept open over many requests and over
the deaths of orchestrators."""
import itertools
import json
import os
import time

import zmq

_numbers = itertools.count(1)


class Control:
    def __init__(self, folder):
        self.socket = zmq.Context.instance().socket(zmq.DEALER)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.setsockopt(zmq.RECONNECT_IVL, 1)
        self.socket.connect(f"ipc://{os.path.relpath(folder)}/runtime/bus/orchestrator.ctl")

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, verb, **arguments):
        identity = f"c-{os.getpid()}-{next(_numbers)}"
        self.socket.send_json({"id": identity, "verb": verb, "args": arguments})
        return identity

    def receive(self, identity, timeout_ms):
        """The answer to that request, or None; late ones of earlier requests are passed over."""
        deadline = time.monotonic() + timeout_ms / 1000
        while (left := deadline - time.monotonic()) > 0 and self.socket.poll(max(1, int(left * 1000))):
            answer = json.loads(self.socket.recv())
            if answer["id"] == identity:
                return answer
        return None

    def ask(self, verb, timeout_ms=60000, **arguments):
        """The result; an AssertionError when it was refused or did not come."""
        answer = self.receive(self.send(verb, **arguments), timeout_ms)
        assert answer, f"no answer to {verb} within {timeout_ms} ms"
        assert answer["ok"], answer["error"]
        return answer["result"]

    def status(self, name=None):
        """{process: what is known of it}, or one process."""
        result = self.ask("status", **({"name": name} if name else {}))
        found = {process["name"]: process for process in result["processes"]}
        return found[name] if name else found

    def works(self, name, restarts):
        """It has been restarted so often, and its present generation has got on: its next death is one after progress."""
        process = self.status(name)
        return (process["restart_count"] == restarts and process["state"] in ("ready", "running") and
                (process["heartbeat"] or {}).get("progress", 0) > 0)

    def itself(self):
        return self.ask("status")["orchestrator"]
