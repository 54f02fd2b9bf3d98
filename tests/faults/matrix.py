"""The fault matrix: every process × every fault on one run, and what its evidence says in the end.

    matrix.py [--rounds N] [--kinds A,B] [--targets A,B]

A synthetic market at the pace of a real one; each fault waits until the pipeline is steady. The table is Markdown: for each cell the
longest recovery in ms, for each kind p50 and p99 over all its cells, how many recovered, what was lost and doubled, and whose evidence
is complete. A cell that makes no sense has a number instead: the sentence with which `orchctl fault` refuses it stands below. Exit code 1
when a cell did not pass, its evidence has a hole, or one that should be refused was not.
"""
import argparse
import collections
import json
import pathlib
import shutil
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import stack as harness  # noqa: E402  (found through the line above)

DAEMONS = ["harvest", "archive", "features", "signal", "broker", "report"]
TARGETS = ["simulator", *DAEMONS, "orchestrator"]
SETS = {"simulator.rate": 40, "harvest.backoff_initial_ms": 100, "harvest.backoff_cap_ms": 300,
        "supervisor.progress_restarts": 1000, "supervisor.max_restarts": 1000}
LASTS = "800ms"
# How long, and with what, where the default would not do.
LONGER = {"hang": "10s", "stuck": "10s", "write_error": "1500ms", "rest_error": "4s", "rest_slow": "4s", "cut": "200ms"}
# archive writes a status file each second, and between its Parquet parts nothing else.
LONGER_ON = {("disk_full", "archive"): "2500ms", ("write_error", "archive"): "6s"}
MORE = {"write_error": ["--share", "0.7"], "corrupt": ["--share", "0.5"], "malformed": ["--share", "0.5"],
        "rest_slow": ["--amount", "300"]}
IN_PROCESS = ["cpu", "disk_full", "write_error", "descriptors", "memory"]
ON_DAEMONS = ["kill", "hang", "stuck", "slow"]
ON_LINKS = ["partition", "drop", "duplicate", "delay", "corrupt"]
AT_VENUE = ["stall", "cut", "rest_error", "rest_slow", "malformed"]
KINDS = [*ON_DAEMONS, *IN_PROCESS, "clock", *ON_LINKS, *AT_VENUE]
NEEDS_A_CUT = ("rest_error", "rest_slow")  # nobody asks REST for anything while all is well


# What evidence must say: always, of a process that ended, of a lease that ran out.
EVIDENCE = ["process", "pid_before", "pid_after", "killed_at", "caught_up_at", "recovery_ms", "requested_at_s", "touched_what",
            "restart_count_before", "restart_count_after", "sequence_before", "sequence_after", "frames_replayed", "rows_expected",
            "rows_lost", "rows_duplicated", "parity_verdict"]
EVIDENCE_ENDED = ["exit_detected_at", "restarted_at", "ready_at", "detect_ms", "restart_ms", "ready_ms", "backoff_ms"]
EVIDENCE_EXPIRED = ["over_at", "lasted_ms", "late_ms", "ttl_ms"]


def missing(fault):
    """What the evidence of a fault does not say and should."""
    ended = fault["end"] in (None, "ended")
    wanted = EVIDENCE + (EVIDENCE_ENDED if ended else EVIDENCE_EXPIRED)
    holes = [name for name in wanted if fault[name] is None]
    if ended and fault["exit_signal"] is None and fault["exit_code"] is None:
        holes.append("exit_code")
    return holes + [f"time of {event['event']}" for event in fault["event_sequence"]
                    if event["at"] is None and (ended or event["event"] not in ("exit", "restart", "ready"))]


def fits(kind, target):
    """Whether such a process can have such a fault; the others are refused, with a sentence."""
    if kind in AT_VENUE:
        return target == "simulator"
    if target == "orchestrator":
        return kind in IN_PROCESS
    if kind in ON_LINKS:
        return target not in ("simulator", "harvest")
    return True


def inject(stack, kind, target):
    """The number of the fault, or the sentence why there is none."""
    lasts = [] if kind == "kill" else ["--for", LONGER_ON.get((kind, target)) or LONGER.get(kind, LASTS)]
    order = ["fault", kind, target, *lasts, *MORE.get(kind, []), "--json"]
    if kind in NEEDS_A_CUT:
        stack.orchctl(*order, "--no-wait", check=False)
        stack.orchctl("fault", "cut", target, "--for", LONGER["cut"], "--force", check=False)
        done = stack.orchctl("fault", "list", "--json", check=False)
    else:
        done = stack.orchctl(*order, check=False)
    try:
        faults = json.loads(done.stdout)["faults"]
    except ValueError:
        return None, done.stderr.strip()
    return [fault["id"] for fault in faults if fault["kind"] == kind][-1], ""


def play(stack, cells, rounds, say):
    """{(kind, target): [ids]}, and what could not be injected."""
    ids, mistakes = collections.defaultdict(list), []
    for number in range(1, rounds + 1):
        for kind, target in cells:
            identity, mistake = inject(stack, kind, target)
            if identity:
                ids[kind, target].append(identity)
            else:
                mistakes.append(f"{kind} on {target}: {mistake}")
            say(f"round {number} {kind} {target}: {f'fault {identity}' if identity else mistake}")
    return ids, mistakes


def refusals(stack, kinds, targets):
    """{(kind, target): the sentence that refuses it}, and those that were not refused."""
    sentences, mistakes = {}, []
    for kind, target in [(kind, target) for kind in kinds for target in targets if not fits(kind, target)]:
        done = stack.orchctl("fault", kind, target, *([] if kind == "kill" else ["--for", LASTS]), check=False)
        sentences[kind, target] = done.stderr.strip().removeprefix(f"orchctl: fault: {kind}: ")
        if done.returncode == 0 or not sentences[kind, target]:
            mistakes.append(f"{kind} on {target} was not refused: {done.stdout}{done.stderr}")
    return sentences, mistakes


def percentile(values, share):
    """Nearest rank."""
    values = sorted(values)
    return values[max(0, -(-len(values) * share // 100) - 1)]


def cell(faults):
    if not faults:
        return "FAIL: not injected"
    bad = [fault for fault in faults if fault["verdict"] != "PASS"]
    if bad:
        why = bad[0]["reason"] or ("touched nothing" if not bad[0]["touched"] else f"recovery {bad[0]['recovery_ms']}")
        return f"{len(bad)} of {len(faults)} FAIL: {why}"
    return f"{max(fault['recovery_ms'] for fault in faults):.0f}"


def table(kinds, targets, found, sentences):
    notes = list(dict.fromkeys(sentences.values()))
    yield "| fault | " + " | ".join(targets) + " | p50 ms | p99 ms | touched | recovered | lost | doubled | evidence |"
    yield "|---|" + "---:|" * (len(targets) + 7)
    for kind in kinds:
        faults = [fault for target in targets for fault in found.get((kind, target), [])]
        recoveries = [fault["recovery_ms"] for fault in faults if fault["recovery_ms"] is not None]
        times = recoveries or [float("nan")]
        cells = [cell(found.get((kind, target), [])) if fits(kind, target) else f"·{notes.index(sentences[kind, target]) + 1}"
                 for target in targets]
        whole = sum(not missing(fault) for fault in faults)
        yield (f"| {kind} | " + " | ".join(cells) + f" | {percentile(times, 50):.0f} | {percentile(times, 99):.0f} | "
               f"{sum(fault['touched'] for fault in faults)} | {len(recoveries)} of {len(faults)} | "
               f"{max((fault['rows_lost'] for fault in faults), default='–')} | "
               f"{max((fault['rows_duplicated'] for fault in faults), default='–')} | {whole} of {len(faults)} |")
    yield ""
    yield from (f"·{number} {sentence}" for number, sentence in enumerate(notes, 1))


def summary(manifest, mistakes):
    faults = manifest["fault_injection"]
    recoveries = [fault["recovery_ms"] for fault in faults if fault["recovery_ms"] is not None]
    late = [fault["late_ms"] for fault in faults if fault["end"] == "expired"]
    passed = sum(fault["verdict"] == "PASS" for fault in faults)
    yield (f"{len(faults)} faults, {passed} passed, {len(mistakes)} mistakes; rows lost {faults[0]['rows_lost']}, "
           f"doubled {faults[0]['rows_duplicated']}; parity {faults[0]['parity_verdict']}; "
           f"recovery p50 {percentile(recoveries, 50):.0f} ms, p99 {percentile(recoveries, 99):.0f} ms; "
           f"leases undone within {max(late, default=0)} ms; "
           f"restarts {sum(process['restart_count'] for process in manifest['processes'].values())}; "
           f"gates {manifest['overall_verdict']}")
    yield from mistakes


def parse():
    parser = argparse.ArgumentParser(prog="./run chaos --matrix", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=1, help="every cell so many times (default 1)")
    parser.add_argument("--kinds", default=",".join(KINDS), help="only these faults")
    parser.add_argument("--targets", default=",".join(TARGETS), help="only these processes")
    return parser.parse_args()


def main():
    options = parse()
    kinds, targets = options.kinds.split(","), options.targets.split(",")
    cells = [(kind, target) for kind in kinds for target in targets if fits(kind, target)]
    folder = pathlib.Path(tempfile.mkdtemp(prefix="ofm-"))
    stack = harness.Stack(folder, run_id="matrix", speed=1, sets=SETS, arguments=["--symbols", "BTCUSDT"])
    with stack:
        harness.wait_for(lambda: stack.rows_written() > 0, 60, "the first signals")
        ids, mistakes = play(stack, cells, options.rounds, lambda text: print(text, file=sys.stderr, flush=True))
        sentences, taken = refusals(stack, kinds, targets)
        stack.orchctl("shutdown")
        stack.finish(120)
    manifest = stack.manifest()
    evidence = {fault["id"]: fault for fault in manifest["fault_injection"]}
    found = {place: [evidence[identity] for identity in numbers] for place, numbers in ids.items()}
    mistakes += taken + [f"{fault['kind']} on {fault['process']} (fault {fault['id']}) does not say: {', '.join(missing(fault))}"
                         for fault in evidence.values() if missing(fault)]
    print("\n".join([*table(kinds, targets, found, sentences), "", *summary(manifest, mistakes)]))
    good = not mistakes and all(fault["verdict"] == "PASS" for fault in manifest["fault_injection"])
    if good:
        shutil.rmtree(folder)
    else:
        print(f"the run's folder is kept: {folder}")
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
