# help: measure on this machine, each figure beside its raw cost of the same run; ./run bench [engines|proto|journal|end_to_end|latency|recovery|reread|why|supervision|torture|rivals|scale|containers|starts]
#
# Needs the recordings (ORDERFLOW_RECORDINGS, default ../shared/data beside the source tree). Builds the release preset unless
# ORDERFLOW_PRESET names another. All of them take about half an hour, the first eight five minutes; docs/performance.md has the figures and how
# to read them.

BENCH_PARTS="engines proto journal end_to_end latency recovery reread why supervision torture rivals scale containers starts"

bench_recording() {
    [ -f "$ORDERFLOW_RECORDINGS/$1" ] || die "recording $1 is not in $ORDERFLOW_RECORDINGS"
    echo "$ORDERFLOW_RECORDINGS/$1"
}

bench_engines() {
    local recording
    recording="$(bench_recording usdm/btcusdt_20240808.gz)" && "$ORDERFLOW_BUILD/bench/bench_engines" BTCUSDT "$recording"
}

bench_proto() { "$ORDERFLOW_BUILD/bench/bench_proto"; }

bench_journal() {
    local folder status=0
    folder="$(mktemp -d)"
    "$ORDERFLOW_BUILD/bench/bench_journal" "$folder" || status=$?
    rm -rf "$folder"
    return $status
}

bench_end_to_end() {
    "$PYTHON" tests/bench/end_to_end.py btc=usdm/btcusdt_20240808.gz \
        btc_eth=usdm/btcusdt_20240808.gz+usdm/ethusdt_20240808.gz --at-least 50000
}

# 1x on the first minute, 20x on the whole recording.
bench_latency() {
    "$PYTHON" tests/bench/latency.py usdm/btcusdt_20240808.gz --speed 1 --lines 16000 &&
        "$PYTHON" tests/bench/latency.py usdm/btcusdt_20240808.gz --speed 20
}

bench_recovery() { "$PYTHON" tests/bench/recovery.py usdm/btcusdt_20240808.gz usdm/ethusdt_20240808.gz --kills 50; }

bench_reread() { "$PYTHON" tests/bench/reread.py spot/nexousdt_20240723.dat.gz spot/nexousdt_20240724.dat.gz; }

# What a supervisor is judged by, with fake daemons: see the program's own help for its parts.
bench_supervision() { "$PYTHON" tests/bench/supervision.py; }

bench_torture() { "$PYTHON" tests/bench/torture.py; }

# supervisord, s6 and runit beside it, fetched from Debian's archive into the bench's own folder.
bench_rivals() { "$PYTHON" tests/bench/rivals.py; }

bench_scale() { "$PYTHON" tests/bench/scale.py; }

# The stack in containers: up, and kills of signal; skipped by itself where no engine can be had.
bench_containers() { "$PYTHON" tests/bench/containers.py; }

bench_starts() { "$PYTHON" tests/bench/starts.py; }

bench_why() { "$PYTHON" tests/bench/why.py usdm/btcusdt_20240808.gz --calls 50; }

bench_main() {
    local part status=0
    for part in ${@:-$BENCH_PARTS}; do
        [[ " $BENCH_PARTS " == *" $part "* ]] || wrong "bench: there is no bench '$part'; there are: $BENCH_PARTS"
    done
    need build
    export PRESET="${ORDERFLOW_PRESET:-release}"
    (need setup && setup_main) && build_preset "$PRESET" || die "it could not be built"
    export ORDERFLOW_ROOT="$ROOT"
    export ORDERFLOW_BUILD="$ROOT/build/$PRESET"
    ORDERFLOW_RECORDINGS="$(readlink -m "${ORDERFLOW_RECORDINGS:-$ROOT/../shared/data}")"
    export ORDERFLOW_RECORDINGS
    export PYTHONDONTWRITEBYTECODE=1

    say "$(nproc) cores, load $(cut -d' ' -f1-3 /proc/loadavg)"
    for part in ${@:-$BENCH_PARTS}; do
        say "$part"
        "bench_$part" || { status=1 && warn "bench $part failed"; }
    done
    return $status
}
