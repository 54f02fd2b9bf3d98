# help: long runs: the soak run with its evidence (--minutes, 60); 24 h of NEXOUSDT with a kill (--recording); a day in which nothing grows (--day)
#
#   ./run soak [--minutes M] [--time-scale K] [--dir DIR]
#   ./run soak --recording [--dir DIR]
#   ./run soak --day [--hours H] [--rate N] [--dir DIR]
#
# --minutes M (60): `orchctl soak` in the release build: doctor, a dual run of M minutes with `signal` killed in the middle, judged by
# every gate, its evidence pack built and verified from its files alone. K divides every wall timer and threshold and speeds the market
# up as much; only K = 1 is evidence for a release. A Pushgateway is started for the run unless TIMESERIES_TYPE and TIMESERIES_URL name
# a target. The exit code is orchctl's: 0 only if everything passed.
#
# --recording: runs the two NEXOUSDT recordings (24 h 20 min, unbroken) at 2000x, kills features when 98 % have passed, and compares
# the stored rows with an undisturbed run at full speed. Prints what the recovery read again.
#
# --day: H hours (24) of event time of two synthetic symbols, N messages a second each (50), at full speed. Memory, journal and
# open files of every process by event time; the slopes behind the first hour are printed, and one steeper than its bound fails.

soak_run() { # DIR SPEED arguments…
    local dir="$1" speed="$2"
    shift 2
    mkdir -p "$dir"
    (cd "$dir" && "$ROOT/build/dev/bin/orchestrator" --enable harvest,signal,broker,report --sink dual --minutes 0 --run-id soak \
        --speed "$speed" "$@" \
        --capture "$SOAK_RECORDINGS/spot/nexousdt_20240723.dat.gz" --capture "$SOAK_RECORDINGS/spot/nexousdt_20240724.dat.gz")
}

soak_compare() { # DIR DIR
    say "comparing every stored row of both runs"
    "$PYTHON" - "$1" "$2" <<'PYTHON'
import pathlib
import sys

sys.path.insert(0, "tests/support")
import stack

runs = []
for folder in sys.argv[1:]:
    run = stack.Stack.__new__(stack.Stack)
    run.folder, run.run_id = pathlib.Path(folder), "soak"
    runs.append(run)
stack.assert_equal_runs(*runs)
print(f"equal: {len(runs[0].jsonl())} JSONL files, {len(runs[0].sqlite_rows()[1])} signal rows, all Parquet kinds")
PYTHON
}

# soak_options NAME OPTIONS WRONG arguments…: the folder of --dir, else a new one called NAME, into SOAK_DIR; OPTIONS, each with its
# value, into SOAK_ARGUMENTS. Any other one is WRONG.
soak_options() {
    local name=$1 options=$2 is_wrong=$3
    shift 3
    SOAK_DIR="$ROOT/demo/$name-$(date -u +%Y%m%d_%H%M%S)"
    SOAK_ARGUMENTS=()
    while [ $# -gt 0 ]; do
        [[ " $options --dir " = *" $1 "* ]] || wrong "soak: $1: $is_wrong; see ./run soak --help"
        [ $# -gt 1 ] || wrong "soak: $1 needs a value"
        if [ "$1" = --dir ]; then
            SOAK_DIR=$(cd "$CALLER_DIR" && readlink -m -- "$2")
        else
            is_positive "$2" || wrong "soak: $1 $2: must be a number above 0"
            SOAK_ARGUMENTS+=("$1" "$2")
        fi
        shift 2
    done
}

soak_release() {
    need setup
    need build
    setup_main
    build_preset release
}

# soak_day arguments…: in the release build, since a day is long.
soak_day() {
    soak_options day "--hours --rate" "unknown option of --day" "$@"
    soak_release
    say "a long day in $SOAK_DIR"
    ORDERFLOW_ROOT="$ROOT" ORDERFLOW_BUILD="$ROOT/build/release" PYTHONDONTWRITEBYTECODE=1 \
        "$PYTHON" tests/bench/long_day.py "$SOAK_DIR" "${SOAK_ARGUMENTS[@]}"
}

# soak_ready PORT PID: waits until it answers; fails when it has ended, since its port was taken, or after 20 s.
soak_ready() {
    "$PYTHON" - "$1" "$2" 2>/dev/null <<'PYTHON'
import os
import sys
import time
import urllib.request

port, pid = sys.argv[1:]
deadline = time.monotonic() + 20
while True:
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=2)
        os.kill(int(pid), 0)
        break
    except urllib.error.URLError:
        os.kill(int(pid), 0)
        if time.monotonic() > deadline:
            sys.exit(1)
        time.sleep(0.1)
PYTHON
}

# soak_pushgateway DIR: starts one on a free port, for this run alone; sets SOAK_PUSHGATEWAY (its pid) and the two variables.
soak_pushgateway() {
    local port attempt
    SOAK_PUSHGATEWAY=""
    [ -z "${TIMESERIES_TYPE:-}" ] || return 0
    for attempt in 1 2 3 4 5; do
        port=$((20000 + (RANDOM + attempt) % 12000))
        prometheus-pushgateway --web.listen-address="127.0.0.1:$port" >"$1/pushgateway.log" 2>&1 &
        SOAK_PUSHGATEWAY=$!
        if soak_ready "$port" "$SOAK_PUSHGATEWAY"; then
            export TIMESERIES_TYPE=prometheus TIMESERIES_URL="http://127.0.0.1:$port"
            return 0
        fi
        kill "$SOAK_PUSHGATEWAY" 2>/dev/null || true
    done
    SOAK_PUSHGATEWAY=""
    warn "soak: no Pushgateway could be started; the gate \`export\` will fail"
}

# soak_minutes arguments…: they are orchctl's; --dir is ours.
soak_minutes() {
    local status=0
    soak_options soak "--minutes --time-scale" "unknown option" "$@"
    soak_release
    mkdir -p "$SOAK_DIR"
    soak_pushgateway "$SOAK_DIR"
    say "a soak run in $SOAK_DIR"
    # A Ctrl-C is the orchestrator's affair, which drains; this script only has to survive it, to the evidence.
    trap : INT
    (cd "$SOAK_DIR" && trap - INT && "$ROOT/build/release/bin/orchctl" soak "${SOAK_ARGUMENTS[@]}") || status=$?
    [ -z "$SOAK_PUSHGATEWAY" ] || kill "$SOAK_PUSHGATEWAY" 2>/dev/null || true
    say "exit code $status; everything lies in $SOAK_DIR"
    return "$status"
}

# soak_recording [--dir DIR]
soak_recording() {
    local dir="$ROOT/demo/soak-$(date -u +%Y%m%d_%H%M%S)" status=0
    if [ "${1:-}" = --dir ] && [ $# = 2 ]; then
        dir=$(cd "$CALLER_DIR" && readlink -m -- "$2")
    elif [ $# != 0 ]; then
        wrong "soak: ./run soak --recording [--dir DIR]"
    fi
    need setup
    need build
    setup_main
    build_preset dev
    SOAK_RECORDINGS="$(readlink -m "${ORDERFLOW_RECORDINGS:-$ROOT/../shared/data}")"
    [ -f "$SOAK_RECORDINGS/spot/nexousdt_20240724.dat.gz" ] || die "soak: the NEXOUSDT recordings are not in $SOAK_RECORDINGS"
    say "an undisturbed run at full speed in $dir/undisturbed"
    soak_run "$dir/undisturbed" max || status=$?
    [ $status = 0 ] || die "soak: the undisturbed run ended with exit code $status"
    say "the same at 2000x with features killed at 98 % in $dir/killed"
    soak_run "$dir/killed" 2000 --fault "features@98%" --set health.heartbeat_ms=20 || status=$?
    [ $status = 0 ] || die "soak: the disturbed run ended with exit code $status"
    grep -h -E ' (recovered|reread) ' "$dir"/killed/logs/features/*_stderr.log | tail -n 2
    ORDERFLOW_ROOT="$ROOT" ORDERFLOW_BUILD="$ROOT/build/dev" soak_compare "$dir/undisturbed" "$dir/killed"
}

soak_main() {
    case "${1:-}" in
    --day) shift && soak_day "$@" ;;
    --recording) shift && soak_recording "$@" ;;
    *) soak_minutes "$@" ;;
    esac
}
