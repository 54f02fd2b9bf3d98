# help: build [preset] [target...]: set up, configure and build (dev, release, asan, tsan, clang, fuzz, coverage)

# build_preset PRESET [TARGET...]: configure when that was not done yet, then build; cmake itself notices new files.
# Two builds of one preset at a time would break each other: the second waits.
build_preset() {
    local preset="$1"
    shift
    mkdir -p "build/$preset"
    (
        flock -n 9 || { say "another build of $preset is running: waiting for it" && flock 9; }
        if [ ! -f "build/$preset/build.ninja" ]; then
            say "configuring $preset"
            cmake --preset "$preset" || exit
        fi
        say "building $preset in build/$preset"
        cmake --build --preset "$preset" ${1:+--target "$@"}
    ) 9>"build/$preset/.lock"
}

build_main() {
    local preset="${1:-dev}"
    grep -q "\"name\": \"$preset\"" CMakePresets.json || wrong "build: there is no preset '$preset'; ./run build --help lists them"
    need setup
    setup_main
    [ $# -eq 0 ] || shift
    build_preset "$preset" "$@"
}
