# help: formatting, clang-tidy, then the tests (check all: every file, not just the changed ones; check format|tidy: one step)

# check_files [all]: the C files that differ from the last commit, or all of them.
check_files() {
    if [ "${1:-}" != all ] && git rev-parse -q --verify HEAD >/dev/null 2>&1; then
        { git diff --name-only --diff-filter=d HEAD; git ls-files -o --exclude-standard; } | sort -u
    else
        find common proto services orchestrator tests tools -name '*.[ch]' 2>/dev/null | sort
    fi | grep -E '\.[ch]$' || true
}

check_format() {
    local files
    files="$(check_files "${1:-}")"
    [ -n "$files" ] || { say "format: no C file changed"; return 0; }
    say "format: $(wc -w <<<"$files") files"
    if ! clang-format --dry-run -Werror $files 2>build/format.log; then
        sed -nE 's/^([^: ]+\.[ch]):[0-9]+:.*/\1/p' build/format.log | sort | uniq -c | sort -rn
        warn "format: so many places of these files differ from .clang-format; mend with: clang-format -i <file>"
        return 1
    fi
}

# clang-tidy reads the compile commands of the clang build: gcc's flags would make it complain about flags.
check_tidy() {
    local files
    files="$(check_files "${1:-}" | grep '\.c$' | grep -v '^tests/' || true)"
    [ -n "$files" ] || { say "tidy: no C file changed"; return 0; }
    [ -f build/clang/compile_commands.json ] || cmake --preset clang >/dev/null
    cmake --build --preset clang --target orderflow_version >/dev/null # a header that the build writes
    say "tidy: $(wc -w <<<"$files") files"
    printf '%s\n' $files | xargs -P "$(nproc)" -n 4 clang-tidy -quiet -p build/clang 2>build/tidy.err || {
        warn "tidy: see above"
        return 1
    }
}

check_main() {
    local scope="" step="" bad=0
    case "${1:-}" in
    all) scope=all ;;
    format | tidy) step="$1" scope="${2:-}" ;;
    "") ;;
    *) wrong "check: all, format [all] or tidy [all]; not $1" ;;
    esac
    need setup
    setup_main
    if [ -n "$step" ]; then
        "check_$step" "$scope"
        return
    fi
    check_format "$scope" || bad=1
    check_tidy "$scope" || bad=1
    need test
    test_main || bad=1
    [ $bad = 0 ] || die "check: failed"
}
