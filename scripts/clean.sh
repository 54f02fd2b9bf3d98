# help: remove what was built and what runs left behind (clean all: the dependency folder too)

clean_main() {
    local path
    case "${1:-}" in "" | all) ;; *) wrong "clean: nothing, or all; not $1" ;; esac
    for path in build/* demo runtime logs artifacts data state; do
        [ -e "$path" ] || continue
        [ "$path" != build/deps ] || [ "${1:-}" = all ] || continue
        say "removing $path"
        rm -rf "$path"
    done
}
