"""A symbol that leaves although its next owner does not hear all of it: at a venue that lets the next owner open one of its two sockets
only, the move is made when it has been waited for long enough. Nothing of it is silent, and the captures give all rows again."""
import contextlib
import socket
import subprocess
import threading

from stack import BIN, UNHURRIED, Stack, wait_for

PATIENCE_S = 90  # a move waits for 30 s (services/harvest/meeting.h)
SYMBOL = "AAAUSDT"  # whose place among two instances is the second
SETS = {**UNHURRIED, "run.symbols": SYMBOL, "harvest.venue": "binance", "harvest.url_mode": "routed", "harvest.backoff_cap_ms": 2000}


class Door:
    """A TCP proxy in front of the venue: while it is shut whoever is inside stays, and nobody comes in."""

    def __init__(self, port):
        self.target, self.is_shut, self.turned_away, self.sockets = port, False, 0, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        with contextlib.suppress(OSError):
            while True:
                guest, _ = self.listener.accept()
                if self.is_shut:
                    self.turned_away += 1
                    guest.close()
                    continue
                venue = socket.create_connection(("127.0.0.1", self.target))
                self.sockets += [guest, venue]
                for source, sink in ((guest, venue), (venue, guest)):
                    threading.Thread(target=self.carry, args=(source, sink), daemon=True).start()

    @staticmethod
    def carry(source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self):
        for end in [self.listener, *self.sockets]:
            end.close()


@contextlib.contextmanager
def venue(folder):
    """The simulator as a venue like any other: it runs by the clock, whoever listens."""
    command = [BIN / "simulator", "--symbols", SYMBOL, "--rate", "20", "--minutes", "0", "--speed", "1", "--start", "now",
               "--port", "0", "--port-file", "port"]
    with open(folder / "venue.log", "wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
    door = None
    try:
        wait_for((folder / "port").exists, PATIENCE_S, "the venue")
        port = int((folder / "port").read_text())
        door = Door(port)
        yield port, door
    finally:
        if door:
            door.close()
        process.terminate()
        process.wait(60)


def counters(stack, instance):
    return stack.statuses().get(instance, {}).get("counters", {})


def written(stack):
    """Rows of harvest's stream, whoever has it."""
    return max((stream["last_sequence"] for name, status in stack.statuses().items() if name.startswith("harvest")
                for stream in status["streams"] if stream["stream"] == f"harvest/{SYMBOL}"), default=0)


def logged(stack, instance):
    return "".join(path.read_text(errors="replace") for path in (stack.folder / "logs" / instance).glob("*_stderr.log"))


def test_a_symbol_whose_next_owner_cannot_hear_all_of_it_leaves_in_the_end_and_is_told(tmp_path):
    with venue(tmp_path) as (port, door):
        sets = {**SETS, "harvest.rest_url": f"http://127.0.0.1:{port}", "harvest.market_url": f"ws://127.0.0.1:{port}",
                "harvest.public_url": f"ws://127.0.0.1:{door.port}"}
        with Stack(tmp_path / "run", run_id="unmet", sets=sets, enable="harvest,features,signal", arguments=["--gates", "none"]) as stack:
            wait_for(lambda: written(stack) > 20, PATIENCE_S, "the first rows")
            door.is_shut = True
            told = stack.orchctl("scale", "harvest=2", "--wait", str(PATIENCE_S)).stdout
            assert "harvest has 2 instances now: 1 symbol moved" in told, told
            assert door.turned_away, "the next owner never knocked"
            door.is_shut = False
            before = written(stack)
            wait_for(lambda: counters(stack, "harvest.2").get("connections_open") == 2, PATIENCE_S, "the next owner's second socket")
            wait_for(lambda: written(stack) > before + 20, PATIENCE_S, "rows of the symbol that moved")
            assert counters(stack, "harvest")["moves_unmet"] == 1 and counters(stack, "harvest.2")["moves_unmet"] == 0
            stack.orchctl("shutdown")
            stack.finish()
    assert f"left_unmet run_id=unmet symbol={SYMBOL} waited_s=30 reason=\"its next owner has not opened every socket" in logged(stack, "harvest")
    captures = sorted(str(path) for path in (stack.folder / "data").rglob("*.ofr"))
    compared = stack.orchctl("replay", *captures, "--compare", "unmet").stdout
    assert compared.count("verdict: same bits") == 1, compared
    figures = stack.orchctl("account", check=False)
    assert figures.returncode == 0, figures.stdout
