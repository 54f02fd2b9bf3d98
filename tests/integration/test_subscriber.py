"""The program of docs/wire-protocol.md against a real publisher, and a command sent from Python."""
import subprocess
import sys
import threading

import msgpack
import pytest
import zmq

from stack import BUILD, ROOT, wait_for

SERVICES = BUILD / "tests" / "test_services"
ROWS, HELD = 500, 20
KIND_CVD, KIND_CONTROL, KIND_HEARTBEAT, KIND_COMMAND, KIND_COMMAND_ANSWER = 11, 5, 60, 73, 74
PATIENCE_S = 60


@pytest.fixture
def publisher(tmp_path):
    """A counter that waits after HELD rows until it is told to go on."""
    process = subprocess.Popen(
        [SERVICES, "counter", "--run-id", "run-1", "--symbols", "AAA", "--rows", str(ROWS), "--hold", str(HELD),
         "--set", "health.heartbeat_ms=20"],
        cwd=tmp_path, stderr=subprocess.DEVNULL)
    yield tmp_path / "runtime" / "bus"
    process.terminate()
    assert process.wait(PATIENCE_S) == 0


@pytest.fixture
def subscriber(publisher):
    """The lines docs/subscriber.py prints, as they come."""
    lines = []
    process = subprocess.Popen([sys.executable, ROOT / "docs" / "subscriber.py", f"ipc://{publisher}/counter.pub", ""],
                               stdout=subprocess.PIPE, text=True)
    def read():
        for line in process.stdout:
            lines.append(line.split())

    reader = threading.Thread(target=read)
    reader.start()
    yield lines
    process.kill()
    process.wait()
    reader.join()
    process.stdout.close()


def tell(bus, verb):
    """A command over a REQ socket, as any language has it."""
    with zmq.Context() as context, context.socket(zmq.REQ) as socket:
        socket.linger = 0
        socket.connect(f"ipc://{bus}/counter.ctl")
        socket.send(msgpack.packb([1, "run-1", ["test", 0], 0, 0, [[KIND_COMMAND, "id-1", "run-1", 0, verb, None]]]))
        assert socket.poll(PATIENCE_S * 1000), "no answer"
        version, run, producer, first, publish_ns, rows = msgpack.unpackb(socket.recv())
    assert (version, run, producer[0], len(rows)) == (1, "run-1", "counter", 1)
    return rows[0]


def test_the_documented_subscriber_reads_a_real_stream(publisher, subscriber):
    # A heartbeat that has arrived says that the subscription has.
    wait_for(lambda: any(line[0] == "heartbeat/counter" for line in subscriber), PATIENCE_S, "a heartbeat")
    assert tell(publisher, "release") == [KIND_COMMAND_ANSWER, "id-1", True, None]

    def rows():
        return [line for line in list(subscriber) if line[0] == "counter/AAA"]

    wait_for(lambda: rows() and int(rows()[-1][2]) == KIND_CONTROL, PATIENCE_S, "the end of the stream")
    sequences = [int(line[1]) for line in rows()]
    assert sequences[-1] == ROWS + 1
    assert sequences == list(range(sequences[0], ROWS + 2))
    assert sequences[0] <= HELD + 1
    assert {int(line[2]) for line in rows()[:-1]} == {KIND_CVD}
    # agg_trade_id is the third field of a cvd row, and counts as the sequence does.
    assert [int(line[5]) for line in rows()[:-1]] == sequences[:-1]
    assert rows()[-1][5] == "end_of_stream"


def test_a_wrong_verb_and_a_wrong_run_are_told(publisher):
    wait_for((publisher / "counter.ctl").exists, PATIENCE_S, "the publisher")
    kind, request, ok, text = tell(publisher, "dance")
    assert (kind, ok, text) == (KIND_COMMAND_ANSWER, False, "counter knows no command dance")


def test_the_document_holds_the_program(tmp_path):
    program = (ROOT / "docs" / "subscriber.py").read_text()
    assert f"```python\n{program}```" in (ROOT / "docs" / "wire-protocol.md").read_text()
    assert len(program.splitlines()) <= 16
