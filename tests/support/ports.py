"""Ports of loopback for tests."""
import contextlib
import socket


def port_pairs(count):
    """Ports of loopback that nobody listens on, each with its next one. All are held until the last has been found."""
    pairs = []
    with contextlib.ExitStack() as held:
        while len(pairs) < count:
            first = held.enter_context(socket.socket())
            first.bind(("127.0.0.1", 0))
            port = first.getsockname()[1]
            with contextlib.suppress(OSError, OverflowError):
                held.enter_context(socket.socket()).bind(("127.0.0.1", port + 1))
                pairs.append(port)
    return pairs
