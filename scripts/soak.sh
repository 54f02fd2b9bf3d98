# help: the long runs that CI does not do: 24 h of NEXOUSDT with a kill near the end; --day: nothing grows in a day of two symbols
#
#   ./run soak [--dir DIR]
#   ./run soak --day [--hours H] [--rate N] [--dir DIR]
#
# Runs the two NEXOUSDT recordings (24 h 20 min, unbroken) at 2000x, kills features when 98 % have passed, and compares the
# stored rows with an undisturbed run at full speed. Prints what the recovery read again.
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

# soak_day arguments…: in the release build, since a day is long.
soak_day() {
    local dir="$ROOT/demo/day-$(date -u +%Y%m%d_%H%M%S)" arguments=()
    while [ $# -gt 0 ]; do
        case "$1" in
        --hours | --rate | --dir) [ $# -gt 1 ] || wrong "soak: $1 needs a value" ;;
        *) wrong "soak: $1: unknown option of --day; see ./run soak --help" ;;
        esac
        if [ "$1" = --dir ]; then
            dir=$(cd "$CALLER_DIR" && readlink -m -- "$2")
        else
            arguments+=("$1" "$2")
        fi
        shift 2
    done
    need setup
    need build
    setup_main
    build_preset release
    say "a long day in $dir"
    ORDERFLOW_ROOT="$ROOT" ORDERFLOW_BUILD="$ROOT/build/release" PYTHONDONTWRITEBYTECODE=1 \
        "$PYTHON" tests/bench/long_day.py "$dir" "${arguments[@]}"
}

soak_main() {
    local dir="$ROOT/demo/soak-$(date -u +%Y%m%d_%H%M%S)" status=0
    if [ "${1:-}" = --day ]; then
        shift
        soak_day "$@"
        return
    fi
    if [ "${1:-}" = --dir ] && [ $# = 2 ]; then
        dir=$(cd "$CALLER_DIR" && readlink -m -- "$2")
    elif [ $# != 0 ]; then
        wrong "soak: ./run soak [--dir DIR], or ./run soak --day [--hours H] [--rate N] [--dir DIR]"
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
