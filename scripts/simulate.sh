# help: the whole system in one process, thousands of seeds with faults, each compared with an undisturbed run
#
#   ./run simulate [--seeds N] [--first N]     seeds 1 to 1000 unless said otherwise, on all cores
#   ./run simulate --seed N [-v]               one seed again, with its trace
#   ./run simulate --parquet …                 the archive writes real Parquet (slower)
#   ./run simulate --help                      everything else
#
# The last lines say what happened and how long it took; exit code 0 only if nothing was broken (docs/decisions/0017).

simulate_main() {
    need build
    local program=simulate preset="${ORDERFLOW_PRESET:-dev}" workers
    if [ "${1:-}" = --parquet ]; then
        program=simulate_parquet
        shift
    fi
    workers="$(nproc)"
    need setup
    setup_main >&2
    build_preset "$preset" "$program" >&2
    "build/$preset/simulation/$program" --workers "$workers" "$@"
}
