"""What nobody in his right mind would send: msgpack that lies, frames that are none, connections that die."""
import socket
import struct

import msgpack

import wire

ARRAY_BOMB = b"\xdd\x0f\xff\xff\xff"  # 5 bytes that claim 268 million elements


def bombs():
    """msgpack that claims what is not there, alone and in the places of a frame (docs/wire-protocol.md)."""
    claims = [ARRAY_BOMB, b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\xdb\xff\xff\xff\xff",
              b"\xc6\xff\xff\xff\xff",
              b"\xc9\xff\xff\xff\xff\x01", b"\xdc\xff\xff", b"\xde\xff\xff", b"\xda\xff\xff"]
    nested = [ARRAY_BOMB * 31, b"\x91" * 1000, b"\x91" * 100_000, b"\x81\xc0" * 1000, b"\xdc\xff\xff" * 50]
    head = b"\x96\x01\xa0\x92\xa7harvest\x01\x00\x01"  # a frame up to its rows
    wide = b"\xdd" + struct.pack(">I", 1 << 20) + b"\xc0" * (1 << 20)
    placed = [head + bomb for bomb in claims + nested + [wide]]
    placed += [head + b"\x91\x92\x01" + bomb for bomb in claims + nested]  # inside a row
    placed += [b"\x96\x01" + bomb for bomb in claims]                     # as the run id
    placed += [b"\x96\x01\xa0" + bomb for bomb in claims]                 # as the producer
    return claims + nested + [wide] + placed


def frames(run, good):
    """Malformed or of another version: one error each, no more."""
    header = {"run": run, "instance": "x"}
    bad = [b"", b"\xc1", b"\x00", b"{}", b"nonsense", b"\xff" * 1000, good + b"\x00", good + good,
           good[:-1] + b"\xc1"]
    bad += [good[:length] for length in range(1, len(good))]
    rows = [wire.trade(1)]
    bad += [wire.frame(rows, **header, version=version) for version in (0, 2, -1, 2**63, "1", None, 1.0, True, [1])]
    bad += [wire.frame(rows, **{**header, "run": run_id}) for run_id in (None, 5, "x" * 5000, [run], b"\xff\xfe",
                                                                         "a\0b")]
    bad += [wire.frame(rows, **{**header, "instance": name}) for name in (None, 5, "x" * 5000, {}, "a\0b")]
    bad += [wire.frame(rows, **header, generation=value) for value in (None, "1", 1.5, 2**64 - 1, [])]
    bad += [wire.frame(rows, **header, first=value) for value in (None, "1", -1, 1.5, 2**63 - 1, 2**64 - 1, [])]
    bad += [wire.frame(rows, **header, publish_ns=value) for value in (None, "1", 2**64 - 1)]
    bad += [wire.frame(value, **header) for value in
            (None, 5, "rows", {}, {"a": 1}, [5], [None], [[]], [["1"]], [[-1]], [[96]], [[2**40]], [[1.0]], [{}],
             [[None]])]
    bad += [msgpack.packb(value) for value in ([], [1], [1, run, ["x", 1], 1, 1], [1, run, ["x"], 1, 1, []],
                                               [1, run, ["x", 1, 2], 1, 1, []], [1, run, "x", 1, 1, []], {"a": 1},
                                               None)]
    bad += [wire.frame([[wire.TRADE, [[[[[[1]]]]]]]], **header)]  # too deep
    return bad


# --- connections that are not ZeroMQ's, or die ----------------------------------------------------------------------

GREETING = b"\xff" + b"\0" * 8 + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + b"\0" * 32


def connect(path):
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(5)
    client.connect(str(path))
    return client


def ready_command(socket_type):
    body = b"\x05READY" + b"\x0bSocket-Type" + struct.pack(">I", len(socket_type)) + socket_type
    return b"\x04" + bytes([len(body)]) + body


def dying_connections(path, socket_type=b"DEALER"):
    """Raw connections to a socket: each says something and dies."""
    said = [b"", b"\0", b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 100_000, GREETING[:10], GREETING[:63], GREETING]
    begun = GREETING + ready_command(socket_type)
    said += [begun[:-1], begun, GREETING + b"\x06" + b"\xff" * 8, GREETING + b"\x04\xff" + b"x" * 255]
    said += [begun + b"\x00\x40half", begun + b"\x02" + struct.pack(">Q", 60_000) + b"half of it",
             begun + b"\x02" + b"\xff" * 8, begun + b"\x02" + struct.pack(">Q", 1 << 62) + b"x" * 1000,
             begun + b"\x01\x01x", begun + b"\x01\x01x" * 200, begun + b"\xf8garbage" * 10,
             begun + b"\x04\x05\x04PING"]
    for text in said:
        with connect(path) as client:
            try:
                client.sendall(text)
            except OSError:
                continue  # it hung up on us before the end: its right
