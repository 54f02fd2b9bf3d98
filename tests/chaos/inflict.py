"""Doing to a run what its schedule says, and noting what was really done: a fault that touched nothing is a failure.

`Deed.touched` is filled while the run lives, `settle` adds afterwards what the orchestrator's feed and the manifest say of it.
"""
import contextlib
import dataclasses
import os
import pathlib
import signal
import sys
import time

import stack as harness

from watch import wall_ms

ENDING = ("kill", "kill_two", "term", "hang", "crash")  # kinds that end the process they hit
KILLING = ("kill", "kill_two", "hang")                  # of these, those that do it by KILL from outside
UP = ("ready", "running", "draining", "drained")
UP_S = 60       # until a daemon that was hurt before can be hurt again
ROW_S = 60      # until the next fault's row has come
HANG_S = 60     # until a hang has been found and ended
SETTLE_S = 5    # until the feed has said what it saw
STOP_MAX_S = 0.35  # shorter than health.heartbeat_timeout_ms; what lasts longer is a hang


@dataclasses.dataclass
class Hit:
    """One process that was hurt."""
    name: str
    pid: int
    generation: int
    at_ms: int = 0             # wall time of the injury
    position_before: int = 0   # input rows consumed
    position_after: int = 0    # likewise, at the end of the run
    ended: str = ""            # how the process ended, "" when it lived on
    pid_after: int = 0
    ready_ms: int | None = None
    caught_up_ms: int | None = None

    def text(self):
        if not self.ended:
            return f"{self.name} {self.pid} lived on, input {self.position_before}→{self.position_after}"
        after = " ".join(f"{word} {'–' if took is None else took} ms"
                         for word, took in (("ready", self.ready_ms), ("caught up", self.caught_up_ms)))
        return (f"{self.name} {self.pid}→{self.pid_after or '–'} {self.ended}, {after}, "
                f"input {self.position_before}→{self.position_after}")


@dataclasses.dataclass
class Deed:
    fault: object
    at_row: int = 0          # where harvest was when it began
    rows_held: int = 0       # rows harvest went on by while it lasted
    over_ms: int = 0         # wall time at which it ended, of those that last
    hits: list = dataclasses.field(default_factory=list)
    nothing: str = ""        # why it touched nothing

    def text(self):
        held = f", {self.rows_held} rows went by" if self.fault.hold_rows else ""
        what = f"TOUCHED NOTHING: {self.nothing}" if self.nothing else "; ".join(hit.text() for hit in self.hits)
        return f"{self.fault.text()} — at {self.at_row}{held}: {what}"


class Nothing(Exception):
    """The fault found nothing that it could touch."""


def process_stopped(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
    except OSError:
        return False


class Inflictor:
    def __init__(self, stack, watch):
        self.stack, self.watch = stack, watch

    def inflict(self, faults):
        """All faults of a schedule, each at its row. Returns their deeds."""
        return [self.one(fault) for fault in faults]

    def one(self, fault):
        deed = Deed(fault)
        try:
            if fault.kind != "crash":  # that one strikes by itself
                deed.at_row = self.wait_row(fault.at_row)
                getattr(self, fault.kind)(fault, deed)
        except Nothing as reason:
            deed.nothing = str(reason)
        return deed

    def wait_row(self, row):
        deadline = time.monotonic() + ROW_S
        while (rows := self.watch.wait_rows(row, 0.2)) < row:
            if self.stack.process.poll() is not None:
                raise Nothing(f"the run was over at row {rows}")
            if time.monotonic() > deadline:
                raise Nothing(f"harvest stood at row {rows} for too long")
        return rows

    def find(self, name):
        """The process as it is now, once it is up."""
        def up():
            if self.stack.process.poll() is not None:
                raise Nothing("the run was over")
            process = self.watch.process(name)
            return process if process["state"] in UP and process["pid"] else None
        try:
            found = harness.wait_for(up, UP_S, f"{name} to be up")
        except AssertionError as late:
            raise Nothing(str(late)) from None
        return Hit(name, found["pid"], found["generation"], position_before=self.watch.position(name))

    def signal(self, fault, deed, name):
        """By command of the orchestrator, which keeps evidence; to all targets before the first answer is read."""
        hits = [self.find(target) for target in fault.targets]
        requests = [("kill", {"name": hit.name, "signal": name, "generation": hit.generation}) for hit in hits]
        now_ms = round(time.time() * 1000)
        answers = self.watch.ask(*requests)
        for hit, (result, error) in zip(hits, answers):
            hit.at_ms = now_ms
            if error:  # it has just ended by another hand
                hit, result = self.signal_again(hit.name, name, error)
            hit.pid = result["pid"]
            deed.hits.append(hit)

    def signal_again(self, target, name, error):
        """To the next life of the target, or to the one behind that: it may be at a crash point."""
        deadline = time.monotonic() + UP_S
        while time.monotonic() < deadline:
            hit = self.find(target)
            hit.at_ms = round(time.time() * 1000)
            (result, error), = self.watch.ask(("kill", {"name": hit.name, "signal": name, "generation": hit.generation}))
            if not error:
                return hit, result
        raise Nothing(f"{target}: {error}")

    def kill(self, fault, deed):
        self.signal(fault, deed, "KILL")

    kill_two = kill

    def term(self, fault, deed):
        self.signal(fault, deed, "TERM")

    def stand_still(self, fault, deed, seconds):
        """Until hold_rows have gone by, with the one process really stopped all the time."""
        pid = deed.hits[0].pid
        harness.wait_for(lambda: process_stopped(pid), 60, f"process {pid} to stand still")
        before = self.watch.rows
        # Without a number of rows to wait for (nobody says any while harvest stands still) for all the time there is.
        deed.rows_held = self.watch.wait_rows(before + fault.hold_rows if fault.hold_rows else sys.maxsize, seconds) - before
        if fault.hold_rows and not deed.rows_held:  # on a busy machine that was too short; the supervisor may take it for a hang
            deed.rows_held = self.watch.wait_rows(before + 1, ROW_S) - before
        deed.over_ms = round(time.time() * 1000)
        if not process_stopped(pid) and not self.was_hung(pid):
            raise Nothing(f"{deed.hits[0].name} did not stand still")
        if fault.hold_rows and not deed.rows_held:
            raise Nothing("no row went by meanwhile")

    def was_hung(self, pid):
        """On a busy machine a stop may last longer than it should; the supervisor ends it as a hang, which settle_hit knows."""
        try:
            return harness.wait_for(lambda: self.watch.find("Hung", pid=pid), SETTLE_S, f"the hang of {pid} to be told")
        except AssertionError:
            return None

    def stop_here(self, hit):
        hit.at_ms = round(time.time() * 1000)
        try:
            os.kill(hit.pid, signal.SIGSTOP)
        except ProcessLookupError:
            raise Nothing(f"{hit.name} had just ended") from None

    def stop(self, fault, deed):
        hit = self.find(fault.targets[0])
        deed.hits.append(hit)
        self.stop_here(hit)
        try:
            self.stand_still(fault, deed, STOP_MAX_S)
        finally:
            with contextlib.suppress(ProcessLookupError):  # ended as a hang
                os.kill(hit.pid, signal.SIGCONT)

    def hang(self, fault, deed):
        hit = self.find(fault.targets[0])
        deed.hits.append(hit)
        self.stop_here(hit)
        try:
            harness.wait_for(lambda: self.watch.find("Hung", pid=hit.pid), HANG_S, f"the hang of {hit.name} to be seen")
        except AssertionError as unseen:
            os.kill(hit.pid, signal.SIGCONT)
            raise Nothing(str(unseen)) from None

    def behind(self, fault, deed):
        hit = self.find(fault.targets[0])
        deed.hits.append(hit)
        (result, error), = self.watch.ask(("pause", {"name": hit.name}))
        if error:
            raise Nothing(f"{hit.name}: {error}")
        hit.pid, hit.at_ms = result["pid"], round(time.time() * 1000)
        try:
            self.stand_still(fault, deed, ROW_S)
            if deed.rows_held < fault.hold_rows:
                raise Nothing(f"only {deed.rows_held} rows went by")
        finally:
            self.watch.ask(("resume", {"name": hit.name}))


# --- afterwards ---

def settle(deeds, watch, stack, died):
    """Adds what became of each process that was hurt. `died`: the file that a crash point leaves."""
    for deed in deeds:
        if deed.fault.kind == "crash":
            settle_crash(deed, deeds, watch, died)
        for hit in deed.hits:
            settle_hit(hit, deed, watch)
            if deed.fault.kind in ENDING and not deed.nothing and not hit.ended:
                deed.nothing = f"{hit.name} ({hit.pid}) did not end"
    return unexplained(deeds, stack.manifest())


def settle_crash(deed, deeds, watch, died):
    """Whoever died by KILL and by nobody's hand was the one at the crash point; it may have been stopped before, or come to it in
    the last commit that a TERM makes."""
    name = deed.fault.targets[0]
    known = {hit.pid for other in deeds if other.fault.kind in KILLING for hit in other.hits}
    ends = [event for event in watch.events if event["event"] == "Exit" and event["name"] == name
            and event["exit_signal"] == "KILL" and event["pid"] not in known]
    if not died.exists() or not ends:
        deed.nothing = f"{name} never came to passing {deed.fault.passing} of {deed.fault.point}"
        return
    deed.hits.append(Hit(name, ends[0]["pid"], ends[0]["generation"], at_ms=wall_ms(ends[0]["at"])))


def settle_hit(hit, deed, watch):
    hit.position_after = watch.position(hit.name)
    end = watch.find("Exit", pid=hit.pid)
    if not end or (deed.over_ms and wall_ms(end["at"]) > deed.over_ms):  # not at all, or later and by another hand
        return
    hit.ended = f"ended by {end['exit_signal']}" if end["exit_code"] < 0 else f"ended with code {end['exit_code']}"
    if deed.fault.kind in ("hang", "stop"):  # its end was the supervisor's KILL
        hit.at_ms = wall_ms(end["at"])
    next_life = next((event for event in watch.events if event["event"] == "Start" and event["name"] == hit.name
                      and event["serial"] > end["serial"] and "pid" in event), None)  # without: a start that did not work
    if not next_life:
        return
    hit.pid_after = next_life["pid"]
    ready = watch.find("Ready", name=hit.name, generation=next_life["generation"])
    running = watch.find("state", name=hit.name, generation=next_life["generation"], state="running")
    if ready:
        hit.ready_ms = wall_ms(ready["at"]) - hit.at_ms
    if running:
        hit.caught_up_ms = wall_ms(running["at"]) - hit.at_ms


def unexplained(deeds, manifest):
    """Restarts of the run that no deed accounts for, as sentences."""
    touched = {hit.pid for deed in deeds for hit in deed.hits}
    return [f"{name} ({restart['pid']}) was restarted, and nobody had touched it: {restart}"
            for name, process in manifest["processes"].items()
            for restart in process["restarts"] if restart["pid"] not in touched]
