"""Strangers at the control socket: connections below ZeroMQ, everything that is no request, and more requests than anybody sends."""
import contextlib
import os
import socket
import struct

import zmq


def raw(folder):
    """A connection to the control socket below ZeroMQ."""
    one = socket.socket(socket.AF_UNIX)
    one.connect(f"{os.path.relpath(folder)}/runtime/bus/orchestrator.ctl")
    one.settimeout(10)
    return one


READY = b"\x05READY\x0bSocket-Type" + struct.pack(">I", 6) + b"DEALER"
GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x00NULL" + bytes(16) + b"\x00" + bytes(31) + bytes([4, len(READY)]) + READY


def send_quietly(one, data):
    with contextlib.suppress(OSError):  # it may have hung up on us
        one.sendall(data)


def abuse(folder, chance):
    """Everything that is no request: each case opens its own connections and leaves them as a dying client would."""
    for _ in range(50):
        with raw(folder) as one:
            send_quietly(one, chance.randbytes(chance.randrange(1, 5000)))
    with raw(folder) as one:  # a frame that claims 64 MB, and sends them
        send_quietly(one, GREETING + b"\x02" + struct.pack(">Q", 64 << 20))
        for _ in range(64):
            send_quietly(one, bytes(1 << 20))
    with raw(folder) as one:  # a client that dies in the middle of its frame
        send_quietly(one, GREETING + b"\x00\xff{\"id\":")
    idle = [raw(folder) for _ in range(100)]  # and a hundred that say nothing
    for one in idle:
        one.close()


def burst(folder, count):
    """So many requests as fast as they can be said, by a client that reads no answer before it has said all."""
    one = zmq.Context.instance().socket(zmq.DEALER)
    one.setsockopt(zmq.LINGER, 0)
    one.setsockopt(zmq.SNDHWM, 0)
    one.setsockopt(zmq.RCVHWM, 0)
    one.connect(f"ipc://{os.path.relpath(folder)}/runtime/bus/orchestrator.ctl")
    for number in range(count):
        one.send(b'{"id":"b-%d","verb":"health","args":{}}' % number)
    return one
