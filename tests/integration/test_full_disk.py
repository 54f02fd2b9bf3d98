"""A disk with no room left: a start says where and what to do, a run waits for room and loses nothing. On a real file system that is
full, since only there a page of a mapped file can be one that the disk does not have."""
import os
import re
import signal
import subprocess

import pytest
import small_disk
import stack as harness

PAGES = range(7)  # left at a start; LMDB's lock file, its data file, an identity and a capture ask for them one after the other
DAEMON = ["--set", "run.run_id=full", "--set", "run.symbols=BTCUSDT", "--set", "bus.dir=bus", "--set", "report.http_port=-1",
          "--set", "harvest.combined_url=ws://127.0.0.1:1/", "--set", "harvest.rest_url=http://127.0.0.1:1", "--set", "supervisor.stop_timeout_s=0.2"]
STARTS = {"simulator": ["--port", "0", "--port-file", "port", "--streams-file", "streams", "--position-file", "position"],
          **{name: DAEMON for name in ("harvest", "features", "archive", "signal", "broker", "report")}}


def start(name, folder, log):
    """The exit code of a daemon that did not become ready, or None: it did, and was ended again."""
    read_end, write_end = os.pipe()
    with open(log, "wb") as output:
        process = subprocess.Popen(["/bin/bash", "-c", f'exec "$@" 3>&{write_end} {write_end}>&-', "bash", str(harness.BIN / name), *STARTS[name]],
                                   cwd=folder, stdout=output if name != "simulator" else write_end, stderr=output, pass_fds=[write_end])
    os.close(write_end)
    with os.fdopen(read_end) as ready:
        announced = ready.readline().startswith("READY")
    if announced:
        process.send_signal(signal.SIGTERM)
    code = process.wait(60)
    return code if code < 0 or not announced else None


@pytest.mark.parametrize("name", STARTS)
def test_a_daemon_that_finds_the_disk_full_says_where_and_what_to_do(name, tmp_path):
    refused = 0
    for pages in PAGES:
        with small_disk.mounted(tmp_path / f"disk-{pages}", 256) as disk:
            (disk.folder / "bus").mkdir(mode=0o700)
            disk.fill(pages)
            log = tmp_path / "log"
            code = start(name, disk.folder, log)
            if code is None:
                break
            refused += 1
            text = log.read_text().splitlines()
            assert code in (1, 5), f"{pages} pages left: {code}\n" + "\n".join(text)
            assert re.search(r"No space left on device|disk is full|disk I/O error", text[-1]) and "make room" in text[-1], text
            assert re.search(r"\./|position|port|streams", text[-1]), "where"
    assert refused, "it was never refused: the disk was not full"


@pytest.mark.parametrize("pages", (0, 1, 3, 100))
def test_a_run_that_finds_the_disk_full_does_not_begin_and_says_where(pages, tmp_path):
    with small_disk.mounted(tmp_path / "disk", 1024) as disk:
        disk.fill(pages)
        with harness.Stack(disk.folder, output=tmp_path / "said") as stack:
            code = stack.finish()
        assert code in (1, 2) and "make room on its file system" in stack.text(), stack.text()
        assert re.search(r"run\.\w+: |the folder runtime ", stack.text()), "where"
        assert "starting (pid" not in stack.text() and not list(disk.folder.rglob("*.mdb"))


def test_a_run_whose_disk_fills_up_waits_and_its_rows_are_those_of_an_undisturbed_one(tmp_path):
    capture = harness.cut(harness.needed("usdm/btcusdt_20240808.gz"), 12000, tmp_path)
    patient = {"health.heartbeat_timeout_ms": 60000}  # nobody dies whom the test does not kill
    with harness.Stack(tmp_path / "undisturbed", [capture], sets=patient) as reference:
        harness.assert_sound(reference, reference.finish())
    with small_disk.mounted(tmp_path / "disk", 256 * 1024) as disk:
        stack = harness.Stack(disk.folder, [capture], speed=5, output=tmp_path / "said",
                              sets={**patient, "supervisor.probe_interval_s": 1, "supervisor.max_restarts": 100})
        with stack:
            market = stack.simulator_pid()
            harness.wait_for(lambda: stack.rows_written() > 0, 60, "the first signals")
            with harness.market_held(market):  # it takes long to write so much
                disk.fill()
            wait_degraded(stack, disk)
            for name in ("features", "signal", "archive"):  # a daemon that has to start on it
                stack.kill(name)
                harness.wait_for(lambda: process(stack, name)["restart_count"] > 0, 60, f"the next {name}")
            disk.free()
            harness.assert_sound(stack, stack.finish())
        assert "SIGBUS" not in stack.text() and set(re.findall(r"killed by (\w+)", stack.text())) == {"SIGKILL"}, stack.text()
        harness.assert_equal_rows(reference, stack)


def process(stack, name):
    (found,) = [found for found in stack.status()["processes"] if found["name"] == name]
    return found


def wait_degraded(stack, disk):
    """What was on its way when the disk became full may leave room behind; it is taken, too."""
    def degraded():
        disk.fill()
        return process(stack, "harvest")["counters"].get("stage_commit_failures", 0) > 0
    harness.wait_for(degraded, 60, "a commit that the disk did not take")
