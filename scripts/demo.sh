# help: the whole stack on a market: set up, build, run, kill a daemon half way, print the day report
#
#   ./run demo                              a synthetic market, 1.5 minutes at 1x
#   ./run demo --capture FILE [--capture …] a recorded market, at full speed to its end
#
#   --symbols A,B    symbols (default: the recording's, or BTCUSDT,ETHUSDT)
#   --speed N|max    market time per wall time
#   --sink KIND      jsonl, sqlite or dual (default)
#   --dir DIR        folder of the run (default: a fresh one under demo/)
#   --run-id ID      name of the run
#   --no-kill        do not kill `signal` half way
#   --minutes M      length of the synthetic market in market time
#
# Ctrl-C drains the stack and still prints the report. The exit code is the orchestrator's verdict.

# demo_options: turns the demo's options into the orchestrator's, in DEMO_ARGUMENTS. Paths are relative to where the user stands.
demo_options() {
    DEMO_DIR="" DEMO_MINUTES=1.5 DEMO_KILL=yes DEMO_SPEED="" DEMO_SINK=dual
    DEMO_ARGUMENTS=() DEMO_CAPTURES=()
    local path
    while [ $# -gt 0 ]; do
        case "$1" in
        --help | -h) usage demo; exit 0 ;;
        --no-kill) DEMO_KILL=no; shift; continue ;;
        --capture=* | --symbols=* | --speed=* | --sink=* | --dir=* | --run-id=* | --minutes=*)
            set -- "${1%%=*}" "${1#*=}" "${@:2}" ;;
        --capture | --symbols | --speed | --sink | --dir | --run-id | --minutes) ;;
        *) wrong "demo: $1: unknown option; see ./run demo --help" ;;
        esac
        [ $# -gt 1 ] || wrong "demo: $1 needs a value"
        case "$1" in
        --capture)
            path=$(cd "$CALLER_DIR" && readlink -e -- "$2") || wrong "demo: --capture $2: there is no such file"
            DEMO_CAPTURES+=(--capture "$path")
            ;;
        --dir)
            DEMO_DIR=$([ -n "$2" ] && cd "$CALLER_DIR" && readlink -m -- "$2") || wrong "demo: --dir needs the name of a folder"
            [ -d "$DEMO_DIR" ] || [ ! -e "$DEMO_DIR" ] || wrong "demo: --dir $2: is there already, and is no folder"
            ;;
        --speed) DEMO_SPEED="$2" ;;
        --sink)
            [[ "$2" = @(jsonl|sqlite|dual) ]] || wrong "demo: --sink $2: must be jsonl, sqlite or dual"
            DEMO_SINK="$2"
            ;;
        --minutes)
            is_positive "$2" || wrong "demo: --minutes $2: must be a number above 0"
            DEMO_MINUTES="$2"
            ;;
        --symbols | --run-id) DEMO_ARGUMENTS+=("$1" "$2") ;;
        esac
        shift 2
    done
    if [ ${#DEMO_CAPTURES[@]} -gt 0 ]; then
        DEMO_ARGUMENTS+=("${DEMO_CAPTURES[@]}" --speed "${DEMO_SPEED:-max}")
    else
        DEMO_ARGUMENTS+=(--set "simulator.minutes=$DEMO_MINUTES" --speed "${DEMO_SPEED:-1}")
    fi
    [ "$DEMO_KILL" = no ] || DEMO_ARGUMENTS+=(--fault "signal@45%")
}

# demo_folder: makes the folder of the run. Without --dir a new one that nobody else has, whoever starts in the same second.
demo_folder() {
    local stamp number=1
    if [ -n "$DEMO_DIR" ]; then
        mkdir -p "$DEMO_DIR" || die "demo: $DEMO_DIR cannot be made; choose another with --dir"
        return
    fi
    stamp="$ROOT/demo/$(date -u +%Y%m%d_%H%M%S)"
    mkdir -p "$ROOT/demo"
    DEMO_DIR="$stamp"
    while ! mkdir "$DEMO_DIR" 2>/dev/null; do
        [ -e "$DEMO_DIR" ] || die "demo: $DEMO_DIR cannot be made; choose another with --dir"
        number=$((number + 1))
        DEMO_DIR="$stamp-$number"
    done
}

# demo_report STARTED: the newest summary written since then (both sinks say the same; the parity file proves it), and what there is.
demo_report() {
    local report newest="" path meaning
    for report in "$DEMO_DIR"/logs/report/summary_*.md; do
        if [ -f "$report" ] && [ "$(stat -c %Y "$report")" -ge "$1" ] && { [ -z "$newest" ] || [ "$report" -nt "$newest" ]; }; then
            newest="$report"
        fi
    done
    echo
    if [ -n "$newest" ]; then
        say "the day report: $newest"
        cat "$newest" || true # a Ctrl-C here ends only the reading
        echo
    fi
    if rmdir "$DEMO_DIR" 2>/dev/null; then
        say "nothing was started"
        return
    fi
    say "everything of this run lies in $DEMO_DIR"
    while read -r path meaning; do
        [ ! -e "$DEMO_DIR/$path" ] || printf '   %-28s %s\n' "$path" "$meaning"
    done <<'PLACES'
data/raw/ raw capture, as received
data/ofi_cvd/ Parquet: prices, orderbook, ofi, cvd, fusion, events, features
runtime/signals.db signals (SQLite)
runtime/ready/signal/ signals (JSON lines)
runtime/mock_orders.jsonl paper orders
logs/ logs of all daemons, reports in logs/report/
artifacts/ manifests, parity of both sinks, verdict
PLACES
}

demo_main() {
    demo_options "$@"
    need setup
    need build
    setup_main
    build_preset dev
    local status=0 started
    demo_folder
    say "running in $DEMO_DIR"
    started="$(date +%s)"
    # Ctrl-C reaches the orchestrator too, which drains; this script only has to survive it, to the verdict. Should this script be
    # ended otherwise, its death is the orchestrator's signal to drain.
    trap : INT
    (
        trap - INT
        cd "$DEMO_DIR" && exec setpriv --pdeathsig TERM "$ROOT/build/dev/bin/orchestrator" --enable harvest,signal,broker,report \
            --sink "$DEMO_SINK" --minutes 0 --set health.heartbeat_ms=20 \
            --set limits.min_disk_free_gb=1 "${DEMO_ARGUMENTS[@]}"
    ) || status=$?
    demo_report "$started"
    echo
    say "verdict: exit code $status ($([ "$status" = 0 ] && echo "all gates passed" || echo "the reasons are above, more in logs/"))"
    return "$status"
}
