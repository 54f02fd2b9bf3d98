# help: hurt runs as a seed says (kill, stop, hang, crash points, far behind) and compare with undisturbed ones
#
#   ./run chaos [--seed N] [--seeds K] [--capture FILE] [--speed N]
#   ./run chaos --matrix [--rounds N] [--kinds A,B] [--targets A,B]     every process × every fault of `orchctl fault`, as a table
#
# Each seed draws its faults and prints them first, runs a cut of one of three recordings (or of FILE) at 20x, and compares
# every row with the undisturbed run of that cut, or with the replay of its own capture where harvest or the
# simulator was hurt. Exit code 1 when a seed failed, with the command that repeats it.
# ORDERFLOW_RECORDINGS names the folder with the recordings; ORDERFLOW_PRESET another build.

chaos_main() {
    local arguments=() program=tests/chaos/chaos.py
    while [ $# -gt 0 ]; do
        case "$1" in
        --matrix)
            program=tests/faults/matrix.py
            shift
            continue
            ;;
        --seed | --seeds | --capture | --speed | --rounds | --kinds | --targets) [ $# -gt 1 ] || wrong "chaos: $1 needs a value" ;;
        *) wrong "chaos: $1: unknown option; see ./run chaos --help" ;;
        esac
        if [ "$1" = --capture ]; then
            # Relative to where the user stands.
            arguments+=(--capture "$(cd "$CALLER_DIR" && readlink -m -- "$2")")
        else
            arguments+=("$1" "$2")
        fi
        shift 2
    done
    need setup
    need build
    export PRESET="${ORDERFLOW_PRESET:-dev}"
    (setup_main) && build_preset "$PRESET" || die "chaos: it could not be built"
    export ORDERFLOW_ROOT="$ROOT"
    export ORDERFLOW_BUILD="$ROOT/build/$PRESET"
    ORDERFLOW_RECORDINGS="$(readlink -m "${ORDERFLOW_RECORDINGS:-$ROOT/../shared/data}")"
    export ORDERFLOW_RECORDINGS
    export PYTHONDONTWRITEBYTECODE=1
    "$PYTHON" "$program" "${arguments[@]}"
}
