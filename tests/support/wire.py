"""Frames as any language would make them from docs/wire-protocol.md, and clients of a daemon's sockets."""
import msgpack
import zmq

VERSION = 1
TRADE, BOOK, CONTROL = 1, 2, 5
HEARTBEAT, STREAM_STATUS, COUNTER = 60, 61, 62
CATCH_UP_REQUEST, CATCH_UP_ANSWER, REGISTER, COMMAND, COMMAND_ANSWER = 70, 71, 72, 73, 74


def frame(rows, *, run="", instance="harvest", generation=1, first=0, publish_ns=1, version=VERSION):
    return msgpack.packb([version, run, [instance, generation], first, publish_ns, rows])


def trade(number, **changes):
    """A trade row of its own kind: number n at T = 1_700_000_000_000 + 100 n."""
    time = 1_700_000_000_000 + 100 * number
    fields = {"ts_ms": time, "event_ts_ms": time, "recv_ts_ms": time, "price": [2_500_000 + number % 7, 2],
              "qty": [1000, 3],
              "agg_trade_id": number, "first_trade_id": number, "last_trade_id": number,
              "is_buyer_maker": number % 2 == 0,
              "is_market": True, "latency_ms": 0, "recv_rate_tps": 1.0, "gap_before": 0, "backfilled": False,
              "watermark_ms": time - 60, "watermark_after_ms": time - 50, "contract_size": None}
    assert not changes.keys() - fields.keys()
    return [TRADE, *{**fields, **changes}.values()]


class Client:
    """A DEALER at a ROUTER; answers are waited for with a deadline."""

    def __init__(self, path):
        self.socket = zmq.Context.instance().socket(zmq.DEALER)
        self.socket.linger = 0
        self.socket.connect(f"ipc://{path}")

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.socket.close(0)

    def send(self, *parts):
        self.socket.send_multipart(parts)

    def receive(self, seconds=60):
        assert self.socket.poll(int(seconds * 1000)), "no answer"
        return self.socket.recv_multipart()

    def ask(self, row, run=""):
        """The first row of the answer to one row, and the rows of its second part."""
        self.send(frame([row], run=run, instance="test"))
        head, *body = self.receive()
        return msgpack.unpackb(head)[5][0], msgpack.unpackb(body[0])[5] if body else []

    def command(self, verb, run=""):
        answer, _ = self.ask([COMMAND, "test/1", run, 0, verb, ""], run)
        assert answer[0] == COMMAND_ANSWER
        return answer[2], answer[3]
