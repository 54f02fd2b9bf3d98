"""The supervisor under those who behave badly: daemons that loop, ignore, flood, fork, hang; strangers at its socket; a machine
that gives it no more descriptors. What is decided are states, counts and who lives; `./run bench torture` has the long version."""
import contextlib
import fcntl
import json
import os
import pty
import random
import re
import resource
import select
import signal
import struct
import termios
import time

import control
import pytest
import stack as harness
import strangers

from fakes import MANY, Mortal, Run, SERVICES, alive
from rogues import TORTURE, TORTURE_SETS, VICTIMS, open_files, processes_of, resident_kb

KILLS = 60


def test_a_house_full_of_rogues_stays_in_order(programs, tmp_path):
    with Mortal(programs, tmp_path, behave=TORTURE, sets={**TORTURE_SETS, **harness.UNHURRIED}) as run, control.Control(tmp_path) as ctl:
        run.wait_line("go: all ready")
        states = {name: process["state"] for name, process in ctl.status().items()}
        assert states["broker"] == states["report"] == "degraded"
        assert ctl.status("broker")["last_exit"] == "exit 1: internal error"
        for name in ("harvest", "archive", "features", "signal"):
            assert states[name] in ("ready", "running"), states
        before = open_files(run.process.pid)
        for number in range(KILLS):
            name = VICTIMS[number % len(VICTIMS)]
            run.wait_for(lambda: ctl.works(name, number // len(VICTIMS)), f"{name} before kill {number}")
            ctl.ask("kill", name=name)
        for name in VICTIMS:
            run.wait_for(lambda: ctl.works(name, KILLS // len(VICTIMS)), f"{name} in the end")
        # Nobody waits for grandchildren, to come or to go: every generation's family ended with it, and left no zombies.
        run.wait_for(lambda: len(run.children("features")) == 1 + 3 * 2, "one family")
        run.wait_for(lambda: not [entry for entry in processes_of(tmp_path).values() if entry[1] == "Z"], "an end of the zombies")
        # Connections may just be giving way to new ones; what leaks, leaks with each of the kills.
        run.wait_for(lambda: open_files(run.process.pid) <= before + 4, f"{before} open files, as before")
        mine = ctl.itself()
        print(f"torture: {mine['loop_turns']} turns, longest {mine['loop_ms_max']:.1f} ms, {mine['rss_mb']:.1f} MB, "
              f"{mine['open_files']} files")
        run.process.send_signal(signal.SIGINT)
        assert run.finish() == 4  # two gave up
    manifest = run.manifest()
    assert manifest["processes"]["signal"]["killed_on_stop"] and not manifest["processes"]["archive"]["killed_on_stop"]
    assert manifest["processes"]["features"]["restart_count"] == KILLS // len(VICTIMS)
    flood = [path.stat().st_size for path in (tmp_path / "logs/archive").glob("*_stderr.log*")]
    assert len(flood) == 3 and max(flood) <= (1 << 20) + 4096
    assert not (tmp_path / "fake/doubled").exists()
    harness.wait_for(lambda: processes_of(tmp_path) == {}, 60, "nobody to be left")


def test_an_end_is_told_in_words_everywhere(programs, tmp_path):
    with Run(programs, tmp_path, behave={"broker": "exit_code=2", "report": "exit_code=5"},
             sets={"supervisor.backoff_initial_ms": 10, "supervisor.max_restarts": 1}) as run:
        run.wait_line("report is degraded")
        run.wait_line("go: all ready")
        os.kill(run.process_status("signal")["pid"], signal.SIGSEGV)
        run.wait_line("signal restarted")
        assert re.match(r"killed by SIGSEGV( \(core dumped\))?$", run.process_status("signal")["last_exit"])
        assert "last end" in run.orchctl("status").stdout and "exit 2: configuration or usage" in run.orchctl("status").stdout
        run.process.send_signal(signal.SIGTERM)
        assert run.finish() == 4
    for text in (run.text(), run.log()):
        assert "exit 2: configuration or usage" in text and "exit 5: temporary external failure" in text
        assert "killed by SIGSEGV" in text


def test_a_flooding_daemon_is_read_by_a_follower_through_every_turn(programs, tmp_path):
    """`orchctl logs -f` goes on where the file is turned over: it sees every line of the new file from its first."""
    with Run(programs, tmp_path, sets={"logs.max_mb": 1, "logs.keep": 2, "logs.max_mb_per_s": 0}) as run:
        run.wait_line("go: all ready")
        (tmp_path / "fake" / "archive").write_text("flood_kb=8\n")
        assert run.orchctl("restart", "archive", "--wait", "60").returncode == 0
        follower = run.popen("logs", "archive", "-f")
        log = tmp_path / "logs/archive/test_stderr.log"
        seen = 0
        while seen < 4 << 20:  # three turns at least
            line = follower.stdout.readline()
            assert line, "it has ended"
            seen += len(line)
        assert log.with_name(log.name + ".2").exists()
        assert not log.with_name(log.name + ".3").exists()
        follower.terminate()
        follower.wait(60)
        run.process.send_signal(signal.SIGTERM)
        assert run.finish() == 0


def test_the_orchestrators_own_log_is_turned_over_and_read_through_every_turn_also_as_json(programs, tmp_path):
    log = tmp_path / "logs/orchestrator/orchestrator.log"
    log.parent.mkdir(parents=True)
    old = f"{'an older run':1023}\n" * 1024
    log.write_text(old)
    with Run(programs, tmp_path, sets={"logs.max_mb": 1, "logs.keep": 2}) as run:
        run.wait_line("go: all ready")
        turned = log.with_name(log.name + ".1")
        run.wait_for(turned.exists, "a file that has been turned over")
        assert turned.read_text().startswith(old) and not log.with_name(log.name + ".2").exists()
        run.process.send_signal(signal.SIGTERM)
        assert run.finish() == 0
    lines = (turned.read_text() + log.read_text()).splitlines()
    assert run.orchctl("logs", "orchestrator").stdout.splitlines() == lines
    objects = [json.loads(line) for line in run.orchctl("logs", "orchestrator", "--json").stdout.splitlines()]
    assert len(objects) == len(lines) and objects[0] == {"text": lines[0]}
    events = [one for one in objects if "event" in one]
    assert [one["fields"]["name"] for one in events if one["event"] == "Start"] == list(SERVICES)
    ready = [one["fields"] for one in events if one["event"] == "Ready"]
    assert sorted(one["name"] for one in ready) == sorted(SERVICES) and all(one["pid"] > 1 for one in ready)
    (reason,) = {one["fields"]["reason"] for one in events if one["event"] == "stop_intake"}
    assert reason == "interrupted", "words between quotes are one value"
    assert all(f" {one['event']} " in line for one, line in zip(objects, lines) if "event" in one)


def test_strangers_at_the_control_socket_are_nobodys_business(programs, tmp_path):
    seed = random.randrange(1 << 30)
    print(f"seed {seed}")
    # A busy machine may keep somebody waiting for half a second; the orchestrator would for longer, were it kept from hearing them.
    with Run(programs, tmp_path, sets={"health.heartbeat_timeout_ms": 3000}) as run, control.Control(tmp_path) as ctl:
        run.wait_line("go: all ready")
        before = {name: process["pid"] for name, process in ctl.status().items()}
        flood = strangers.burst(tmp_path, 10000)
        strangers.abuse(tmp_path, random.Random(seed))
        answered = 0
        # Dropped are only those its own queue has no room for: the last of them are not waited for as long.
        while answered < 10000 and flood.poll(60000 if answered < 1000 else 5000):
            assert json.loads(flood.recv())["ok"]
            answered += 1
        assert answered >= 1000
        flood.close(0)
        dying = strangers.burst(tmp_path, 5000)
        dying.close(0)
        after = ctl.status()
        assert {name: process["pid"] for name, process in after.items()} == before
        assert {process["restart_count"] for process in after.values()} == {0}
        assert all(process["health"] != "degraded" for process in after.values())
        mine = ctl.itself()
        print(f"abuse: {answered} of 10000 answered, longest turn {mine['loop_ms_max']:.1f} ms, {mine['max_rss_mb']:.1f} MB")
        assert "Hung" not in run.log()
        run.process.send_signal(signal.SIGINT)
        assert run.finish() == 0


@pytest.mark.parametrize("run", [{**MANY, **harness.UNHURRIED}], indirect=True)
def test_an_orchestrator_without_descriptors_says_so_works_on_and_recovers(run):
    pid = run.process.pid
    with control.Control(run.folder) as ctl:
        mine = ctl.itself()
        assert mine["state"] == "running" and mine["connections_refused"] == 0
        limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (open_files(pid) + 20, limits[1]))
        many = [strangers.raw(run.folder) for _ in range(200)]
        run.wait_for(lambda: ctl.itself()["state"] == "degraded", "the orchestrator's own complaint")
        mine = ctl.itself()
        assert mine["reason"] == "descriptors_short" and mine["connections_refused"] > 0
        assert not ctl.ask("health")["healthy"]
        ctl.ask("kill", name="signal")  # what it is there for goes on
        run.wait_for(lambda: ctl.works("signal", 1), "signal")
        for stranger in many:
            stranger.close()
        resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
        run.wait_for(lambda: ctl.itself()["state"] == "running", "the end of the shortage")
        assert {process["restart_count"] for name, process in ctl.status().items() if name != "signal"} == {0}
    assert alive(pid)
    log = run.log()
    assert log.index("descriptors_short") < log.index("descriptors_back")
    run.process.send_signal(signal.SIGINT)
    assert run.finish() == 0


def test_a_daemon_above_its_limits_is_unhealthy_and_alerted_with_the_figures_of_the_kernel(tmp_path):
    """Real daemons: what they say of themselves is what /proc says of them."""
    with harness.Stack(tmp_path, speed=1, sets={**harness.UNHURRIED, "limits.max_open_files": 16, "health.alert_interval_s": 0.3},
                       arguments=["--gates", "none"]) as stack:
        harness.wait_for(lambda: "alert resource_limit warning (signal)" in stack.text(), 60, "the alert")

        def told_unhealthy():
            """It may be so before the run has begun."""
            (told,) = [process for process in stack.status()["processes"] if process["name"] == "signal"]
            return (told["health"], told["state"]) == ("unhealthy", "running") and told

        told = harness.wait_for(told_unhealthy, 60, "signal to be at work and unhealthy")
        assert told["restart_count"] == 0, told
        assert "open_files" in told["failed_conditions"].split(",") and "rss_mb" not in told["failed_conditions"], told

        def tells_what_the_kernel_does():
            """A heartbeat is older than what the kernel says now: the two agree once a beat in which nothing was opened or closed."""
            (now,) = [process for process in stack.status()["processes"] if process["name"] == "signal"]
            figures, resident = now["heartbeat"], resident_kb(now["pid"])
            return figures["open_files"] == open_files(now["pid"]) > 16 and figures["rss_mb"] * 1000 == pytest.approx(resident, rel=0.3)

        harness.wait_for(tells_what_the_kernel_does, 60, "a heartbeat with the kernel's figures")
        assert stack.orchctl("health", "signal", check=False).returncode == 4
        stack.orchctl("shutdown")
        stack.finish()
    assert set(stack.manifest()["resource_usage"]["per_process"]) == {"orchestrator", "simulator", *SERVICES}


def test_monitor_shows_the_run_at_a_glance(programs, tmp_path):
    with Run(programs, tmp_path, behave={"report": "exit_code=2"}, gates="smoke", sets=harness.UNHURRIED) as run:
        run.wait_line("go: all ready")
        assert run.orchctl("kill", "signal", "--wait", "60").returncode == 0
        done = run.orchctl("monitor", "--once")
        assert done.returncode == 0 and done.stdout.isascii(), done.stderr
        lines = done.stdout.splitlines()
        for words in (["run test", "feeding", "input raw", "sink jsonl"], ["symbols", "TESTUSDT"],
                      ["orchestrator running", "longest turn"], ["signal ", " 1 "], ["report ", "failed"],
                      ["faults 1, not recovered 0"], ["alerts  open 0"], ["gates smoke"], ["UNKNOWN", "orders", ">="],
                      ["PASS", "resources_rss", "<"], ["PASS", "resources_files", "<"]):
            assert any(all(word in line for word in words) for line in lines), (words, done.stdout)
        answers = json.loads(run.orchctl("monitor", "--once", "--json").stdout)
        assert answers["status"]["run_id"] == "test" and answers["gates"]["set"] == "smoke"
        assert {gate["verdict"] for gate in answers["gates"]["gates"]} <= {"PASS", "FAIL", "UNKNOWN"}
        again = run.popen("monitor", "--timeout", "5")  # it also asks once more behind the end
        heads = 0
        while heads < 2:  # again by itself
            line = again.stdout.readline()
            assert line, "it has ended"
            heads += line.startswith(b"run test")
        run.process.send_signal(signal.SIGINT)
        run.finish()
        again.stdout.read()
        assert again.wait(60) == 0  # it ends with the run


def resize(terminal, rows, columns):
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def screens(text, count):
    """The screens drawn so far, when there are at least so many."""
    drawn = text.split(b"\033[H\033[2J")[1:]
    return drawn if len(drawn) > count else None


def test_top_fits_its_terminal_follows_its_size_and_gives_it_back(programs, tmp_path):
    with Run(programs, tmp_path) as run:
        run.wait_line("go: all ready")
        refused = run.orchctl("top")
        assert refused.returncode == 2 and "needs a terminal" in refused.stderr
        pid, terminal = pty.fork()
        if pid == 0:
            os.chdir(tmp_path)
            os.execv(programs / "orchctl", ["orchctl", "top", "--timeout", "60"])
        seen = b""

        def read_until(condition):
            nonlocal seen
            until = time.monotonic() + 60
            while not condition():
                assert time.monotonic() < until and select.select([terminal], [], [], 60)[0], seen
                seen += os.read(terminal, 65536)

        resize(terminal, 30, 70)
        read_until(lambda: screens(seen, 1))
        mark = len(seen)
        resize(terminal, 8, 40)
        # What is below is told, and can be gone to. Screens of the old size may still be on their way.
        read_until(lambda: (drawn := screens(seen[mark:], 1)) and b"lines 1 to 7 of" in drawn[-2])
        small = screens(seen[mark:], 1)[-2].decode().splitlines()
        assert len(small) <= 8 and max(map(len, small)) <= 40 and small[0].startswith("run test")
        assert "lines 1 to 7 of" in small[-1]
        os.write(terminal, b"jj")  # pressed quicker than it looks
        read_until(lambda: b"lines 3 to 9 of" in seen)
        resize(terminal, 30, 70)
        read_until(lambda: b" more columns" in seen[mark:])
        mark = len(seen)
        os.write(terminal, b"c")
        read_until(lambda: b"c: the first columns" in seen[mark:])
        assert b"beat ms" in seen[mark:]
        os.write(terminal, b"qq")
        with contextlib.suppress(OSError):
            while chunk := os.read(terminal, 65536):
                seen += chunk
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        assert seen.rstrip().endswith(b"\033[?25h\033[?1049l"), "cursor and screen are given back"
        os.close(terminal)
        run.process.send_signal(signal.SIGINT)
        assert run.finish() == 0


def test_an_instance_that_is_wanted_again_while_it_goes_comes_back(programs, tmp_path):
    """It does not hear TERM, so it goes for as long as the test wants; only then it ends."""
    heard = "stage_plan_version=1000 stage_acquired_version=1000"  # whatever plan there is, they have it, and what moves has come
    behave = {**dict.fromkeys(SERVICES, heard), "features.2": f"ignore_term {heard}"}
    with Mortal(programs, tmp_path, behave=behave, sets={"supervisor.stop_timeout_s": 60}) as run:
        run.wait_line("go: all ready")

        def scale(count, times):
            done = run.orchctl("scale", f"features={count}")
            assert done.returncode == 0, done.stderr
            run.wait_for(lambda: run.log().count(f" Scale run_id=test name=features from={3 - count} to={count}") == times,
                         f"the beginning of scaling to {count}")

        def second():
            return run.process_status("features.2")

        scale(2, 1)
        run.wait_line("features has 2 instances now")
        pid = run.wait_for(lambda: second()["state"] == "running" and second()["pid"], "features.2")
        scale(1, 1)
        run.wait_line("features has 1 instance now")
        run.wait_for(lambda: second()["state"] == "stopping" and second()["pid"] == pid, "features.2 to be on its way")
        scale(2, 2)
        assert second()["state"] == "stopping" and second()["pid"] == pid
        (run.folder / "fake/features.2").write_text(heard.replace(" ", "\n"))  # the next one hears
        os.kill(pid, signal.SIGKILL)
        run.wait_line("features has 2 instances now", count=2)
        assert second()["state"] in ("ready", "running") and second()["pid"] != pid and len(run.children("features")) == 2
        run.process.send_signal(signal.SIGINT)
        assert run.finish() == 0, run.text()
