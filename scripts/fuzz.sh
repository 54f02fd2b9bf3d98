# help: clang's fuzzer on everything that reads what others wrote: ./run fuzz [target] [seconds each]
#
#   ./run fuzz                 every target for 60 s
#   ./run fuzz frame 600       one of them for 10 minutes
#
# Findings and the grown corpus stay in build/fuzz-corpus/<target>; `build/dev/fuzz/fuzz_<target> FILE` shows a finding in a debugger.

fuzz_one() {
    local target="$1" seconds="$2" corpus="$ROOT/build/fuzz-corpus/$1"
    mkdir -p "$corpus/findings"
    "build/dev/fuzz/fuzz_$target" --write "$corpus/seeds"
    say "fuzz: $target for $seconds s"
    "build/fuzz/fuzz/fuzz_$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=8192 -print_final_stats=1 \
        -artifact_prefix="$corpus/findings/" "$corpus/seeds" >"$corpus/log.txt" 2>&1 || {
        tail -n 40 "$corpus/log.txt" >&2
        warn "fuzz: $target found something: $corpus/findings"
        return 1
    }
    grep -E "stat::number_of_executed_units|stat::new_units_added" "$corpus/log.txt" || true
}

fuzz_main() {
    need setup
    need build
    command -v clang >/dev/null || die "fuzz: clang is not installed"
    (setup_main) && (build_preset dev) && (build_preset fuzz) || die "fuzz: it could not be built"
    local wanted="${1:-}" seconds="${2:-60}" program target failed=0 ran=0
    if [[ "$wanted" =~ ^[0-9]+$ ]]; then
        seconds="$wanted"
        wanted=""
    fi
    for program in build/fuzz/fuzz/fuzz_*; do
        target="${program##*/fuzz_}"
        [ -z "$wanted" ] || [ "$wanted" = "$target" ] || continue
        ran=$((ran + 1))
        fuzz_one "$target" "$seconds" || failed=$((failed + 1))
    done
    [ "$ran" -gt 0 ] || die "fuzz: there is no target '$wanted'"
    echo "$ran targets, $failed with findings"
    [ "$failed" = 0 ]
}
