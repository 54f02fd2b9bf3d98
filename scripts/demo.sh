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

demo_usage() {
    sed -n 's/^# \{0,1\}//p' "$ROOT/scripts/demo.sh" | sed '1s/^help: //'
}

# demo_options: turns the demo's options into the orchestrator's, in DEMO_ARGUMENTS.
demo_options() {
    DEMO_DIR="" DEMO_MINUTES=1.5 DEMO_KILL=yes DEMO_SPEED="" DEMO_SINK=dual
    DEMO_ARGUMENTS=() DEMO_CAPTURES=()
    while [ $# -gt 0 ]; do
        case "$1" in
        --help | -h) demo_usage; exit 0 ;;
        --no-kill) DEMO_KILL=no; shift; continue ;;
        --capture | --symbols | --speed | --sink | --dir | --run-id | --minutes) ;;
        *) die "demo: $1: unknown option; see ./run demo --help" ;;
        esac
        [ $# -gt 1 ] || die "demo: $1 needs a value"
        case "$1" in
        --capture)
            # Relative to where the user stands, not to the run's folder.
            local path
            path=$(cd "$CALLER_DIR" && readlink -e -- "$2") || die "demo: --capture $2: there is no such file"
            DEMO_CAPTURES+=(--capture "$path")
            ;;
        --dir) DEMO_DIR=$(cd "$CALLER_DIR" && readlink -m -- "$2") ;;
        --speed) DEMO_SPEED="$2" ;;
        --sink) DEMO_SINK="$2" ;;
        --minutes) DEMO_MINUTES="$2" ;;
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
    DEMO_DIR="${DEMO_DIR:-$ROOT/demo/$(date -u +%Y%m%d_%H%M%S)}"
}

demo_report() {
    local report
    for report in "$DEMO_DIR"/logs/report/summary_*.md; do
        [ -f "$report" ] || continue
        echo
        say "the day report: $report"
        cat "$report"
        break # both sinks say the same; the parity file proves it
    done
    echo
    say "everything of this run lies in $DEMO_DIR"
    printf '   %-28s %s\n' \
        data/raw/ "raw capture, as received" \
        data/ofi_cvd/ "Parquet: prices, orderbook, ofi, cvd, fusion, events, features" \
        runtime/signals.db "signals (SQLite)" \
        runtime/ready/signal/ "signals (JSON lines)" \
        runtime/mock_orders.jsonl "paper orders" \
        logs/ "logs of all daemons, reports in logs/report/" \
        artifacts/ "manifests, parity of both sinks, verdict"
}

demo_main() {
    demo_options "$@"
    need setup
    need build
    setup_main
    build_preset dev
    local status=0
    mkdir -p "$DEMO_DIR"
    say "running in $DEMO_DIR"
    # Ctrl-C reaches the orchestrator too, which drains; this script only has to survive it.
    trap : INT
    (
        trap - INT
        cd "$DEMO_DIR" && exec "$ROOT/build/dev/bin/orchestrator" --enable harvest,signal,broker,report --sink "$DEMO_SINK" --minutes 0 \
            --set health.heartbeat_ms=20 "${DEMO_ARGUMENTS[@]}"
    ) || status=$?
    trap - INT
    demo_report
    echo
    say "verdict: exit code $status ($([ "$status" = 0 ] && echo "all gates passed" || echo "see artifacts/run_logs/ and logs/"))"
    return "$status"
}
