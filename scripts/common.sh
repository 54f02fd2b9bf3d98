# Sourced by run. Small helpers that every verb may use; $ROOT is the top of the source tree and the current directory.

DEPS="$ROOT/build/deps"
# The distribution's interpreter: the python3-* packages belong to it, whatever `python3` on the PATH is.
PYTHON=/usr/bin/python3

say() { printf '== %s\n' "$*"; }
warn() { printf 'run: %s\n' "$*" >&2; }
die() {
    warn "$*"
    exit 1
}

# wrong SENTENCE: wrong use of a verb, told before it has done anything.
wrong() {
    warn "$*"
    exit 2
}

# is_positive TEXT: a number above 0, as 60 or 0.5.
is_positive() { [[ "$1" =~ ^[0-9]+([.][0-9]+)?$ && "$1" = *[1-9]* ]]; }

# usage VERB: the comment its file begins with.
usage() { sed -n '/^#/!q; s/^# \{0,1\}//; 1s/^help: //; p' "$ROOT/scripts/$1.sh"; }

# need VERB: sources another verb's file, so that its functions can be called.
need() { . "$ROOT/scripts/$1.sh"; }

# built_preset FIRST SECOND...: prints the first preset of the list that has been built, for verbs that only want binaries.
built_preset() {
    local preset
    for preset in "$@"; do
        if [ -x "$ROOT/build/$preset/bin/orchestrator" ]; then
            echo "$preset"
            return 0
        fi
    done
    return 1
}
