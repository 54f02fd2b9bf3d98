# help: set up, build and run everything that proves the code right; the last line is the count
#
#   ./run test              all suites
#   ./run test unit lint    only the suites named (unit lint reference scenario integration faults chaos compose)
#
# ORDERFLOW_RECORDINGS names the folder with recorded market data (default: ../shared/data beside the source tree).
# ORDERFLOW_PRESET chooses another build, e.g. asan.

TEST_SUITES="unit lint reference scenario integration faults chaos compose"
# Suites whose tests mostly wait for states: two files at a time. Each test has a folder, ports and processes of its own.
TEST_PARALLEL="scenario integration"
# Suites with a verb of their own, and how long-running or particular they are: said, not hidden.
TEST_ELSEWHERE="fuzz:fuzz bench:bench browser:check"

test_passed=0
test_failed=0
test_skipped=0

# test_add SUITE STATUS SECONDS JUNIT: counts one suite's results and says them. A suite without results has failed.
test_add() {
    local passed failed skipped
    read -r passed failed skipped < <("$PYTHON" scripts/junit_count.py "$4" "$2")
    test_passed=$((test_passed + passed))
    test_failed=$((test_failed + failed))
    test_skipped=$((test_skipped + skipped))
    say "$1: $passed passed, $failed failed, $skipped skipped in $3 s"
}

test_unit() {
    local junit="$TEST_OUT/unit.xml" status=0 start=$SECONDS
    say "unit: ctest in build/$PRESET"
    rm -f "$junit"
    ctest --test-dir "build/$PRESET" --output-on-failure -j2 --no-tests=ignore \
        --test-output-size-passed 262144 --output-junit "$junit" || status=$?
    test_add unit "$status" $((SECONDS - start)) "$junit"
}

test_pytest() {
    local suite="$1" junit="$TEST_OUT/$1.xml" status=0 start=$SECONDS workers=()
    [[ " $TEST_PARALLEL " != *" $suite "* ]] || workers=(-n 2 --dist loadfile)
    if [ ! -d "tests/$suite" ]; then
        say "$suite: there is no tests/$suite"
        return
    fi
    say "$suite: pytest tests/$suite"
    rm -f "$junit"
    # A short name: a socket's path may have 107 characters.
    local folder="/tmp/of-$$-${suite:0:2}"
    "$PYTHON" -m pytest --basetemp="$folder" -q -rs --timeout=300 --durations=5 --durations-min=1 -p no:cacheprovider --junitxml="$junit" \
        "${workers[@]}" "tests/$suite" ||
        status=$?
    # 5: nothing was collected, which is no failure of a folder still empty.
    [ $status != 5 ] || status=0
    [ $status != 0 ] || rm -rf "$folder"
    test_add "$suite" "$status" $((SECONDS - start)) "$junit"
}

test_elsewhere() {
    local pair
    for pair in $TEST_ELSEWHERE; do
        [ -d "tests/${pair%%:*}" ] || continue
        if [ -f "scripts/${pair##*:}.sh" ]; then
            echo "not run here: tests/${pair%%:*} (./run ${pair##*:})"
        else
            echo "not run here: tests/${pair%%:*}"
        fi
    done
}

test_main() {
    local suite
    for suite in "$@"; do
        [[ " $TEST_SUITES " == *" $suite "* ]] || wrong "test: there is no suite '$suite'; there are: $TEST_SUITES"
    done
    need setup
    need build
    export PRESET="${ORDERFLOW_PRESET:-dev}"
    # In subshells, so that a failure still ends in a count.
    if ! (setup_main) || ! (build_preset "$PRESET"); then
        warn "nothing was tested: it could not be built"
        echo "0 passed, 1 failed, 0 skipped"
        return 1
    fi

    export ORDERFLOW_ROOT="$ROOT"
    export ORDERFLOW_BUILD="$ROOT/build/$PRESET"
    ORDERFLOW_RECORDINGS="$(readlink -m "${ORDERFLOW_RECORDINGS:-$ROOT/../shared/data}")"
    export ORDERFLOW_RECORDINGS
    export PYTHONDONTWRITEBYTECODE=1
    TEST_OUT="$ORDERFLOW_BUILD/test-results"
    mkdir -p "$TEST_OUT"

    # Which recordings were used is seen, not claimed: a watcher notes every recording that is opened while the tests run.
    local opened="$TEST_OUT/recordings-opened.txt" watcher="" start=$SECONDS
    rm -f "$opened"
    if [ -d "$ORDERFLOW_RECORDINGS" ]; then
        coproc WATCH { exec "$PYTHON" scripts/recordings.py watch "$ORDERFLOW_RECORDINGS" "$opened"; }
        watcher=$WATCH_PID
        read -r _ <&"${WATCH[0]}" || true
    fi

    if [ "$(df --output=avail -B1000000000 "$ROOT" | tail -1)" -lt 10 ]; then
        warn "less than 10 GB are free here: tests of runs as a user starts them are refused by their pre-flight check (limits.min_disk_free_gb)"
    fi
    for suite in ${@:-$TEST_SUITES}; do
        case "$suite" in
        unit) test_unit ;;
        compose)
            (setup_containers) || warn "compose: what containers need could not be installed; the tests say what is missing"
            test_pytest compose
            ;;
        *) test_pytest "$suite" ;;
        esac
    done
    [ $# -gt 0 ] || test_elsewhere

    if [ -n "$watcher" ]; then
        kill "$watcher" 2>/dev/null || true
        wait "$watcher" 2>/dev/null || true
    fi
    echo "total time: $((SECONDS - start)) s"
    "$PYTHON" scripts/recordings.py report "$ORDERFLOW_RECORDINGS" "$opened"
    echo "$test_passed passed, $test_failed failed, $test_skipped skipped"
    # A run in which nothing passed has proved nothing.
    [ "$test_failed" = 0 ] && [ "$test_passed" -gt 0 ]
}
