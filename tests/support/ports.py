"""Ports of loopback for tests."""
import contextlib
import random
import socket

# Below the range from which the kernel takes ports for whoever names none (32768 and up): nobody else comes upon them by chance.
RANGE = range(21000, 32000, 2)
reserved = []  # a name of the abstract namespace per pair, for as long as this process lives: other tests pass it over


def reserve(port):
    name = socket.socket(socket.AF_UNIX)
    try:
        name.bind(f"\0orderflow-test-port-{port}")
    except OSError:
        name.close()
        return False
    reserved.append(name)
    return True


def port_pairs(count):
    """Ports of loopback that nobody listens on, each with its next one; this process's until it ends."""
    pairs = []
    for port in random.sample(RANGE, len(RANGE)):
        if len(pairs) == count:
            return pairs
        with contextlib.suppress(OSError), socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", port))
            second.bind(("127.0.0.1", port + 1))
            if reserve(port):
                pairs.append(port)
    raise AssertionError(f"no {count} pairs of ports are free in {RANGE}")
