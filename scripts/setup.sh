# help: install what is missing: Debian packages, and two libraries Debian 12 does not have
#
# Says what it does; takes a fraction of a second when nothing is missing. DuckDB comes as npm packages, from whichever registry npm
# is configured for; yyjson, where the distribution has none, is the package of the next Debian release from this machine's own mirror,
# unpacked into build/deps and never installed.

DUCKDB_BINDINGS_VERSION=1.4.4-r.1
DUCKDB_HEADER_VERSION=1.4.4
# What npm's own `dist.integrity` says of these versions: any registry has to serve these very bytes.
DUCKDB_INTEGRITY_x64=sha512-fjYNc+t4/T7mhzZ57oJoIQaWvbYVvxhidcNNansQFiWnd6/JMLCULd4qnt8XI3Tt2BrZsraH690KSBIS3QPt0w==
DUCKDB_INTEGRITY_arm64=sha512-wq92/EcTiOTRW1RSDOwjeLyMMXWwNVNwU21TQdfu3sgS86+Ih3raaK68leDgY5cWgf72We3J2W7HYz8GwxcMYw==
DUCKDB_INTEGRITY_header=sha512-hEJJ5hyVF0VLj3dmOLpsWrQR0b3d4Ykqtygm6iUXjHJDDnSqg/USKxcb5qvNrOhFYPgktayU6dXCtgPqcmmpog==

YYJSON_SUITE=trixie
YYJSON_PACKAGES="libyyjson-dev libyyjson0"

# One package a word; alternatives of which one is enough are joined with "|", the preferred one first.
SETUP_PACKAGES="
    gcc libc6-dev clang clang-format clang-tidy cmake ninja-build pkg-config|pkgconf git
    libzmq3-dev libczmq-dev libmsgpack-c-dev|libmsgpack-dev libwebsockets-dev libsqlite3-dev libyaml-dev liblmdb-dev
    libcurl4-openssl-dev libcmocka-dev zlib1g-dev libssl-dev openssl sqlite3 ca-certificates
    prometheus-pushgateway
    python3 python3-pytest python3-pytest-timeout python3-pytest-xdist python3-zmq python3-msgpack python3-websockets python3-numpy python3-pandas python3-sklearn
    python3-yaml python3-pyflakes prometheus influxdb
    zsh groff-base
"

# What an engine of one's own and a base image made here need: only `./run test compose` and its like do, and they skip without.
SETUP_CONTAINER_PACKAGES="docker.io|docker-ce docker-compose debootstrap iptables iproute2"

setup_installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# No `… | grep -q`: grep would leave at its match, apt-cache die of the closed pipe, and pipefail call that "not found".
setup_installable() {
    [[ "$(apt-cache policy "$1" 2>/dev/null)" =~ "Candidate: "[^\(] ]]
}

# Prints the words of SETUP_PACKAGES, and those that depend on this machine, of which no alternative is installed.
setup_missing() {
    local word name found
    local words="$SETUP_PACKAGES"
    command -v npm >/dev/null || [ -f "$DEPS/duckdb/stamp" ] || words="$words npm"
    # The sanitizers' run-time of whichever clang there is or would be (14 on Debian 12).
    local clang=14
    command -v clang >/dev/null && clang="$(clang -dumpversion | cut -d. -f1)"
    words="$words libclang-rt-$clang-dev"
    for word in $words; do
        found=no
        for name in ${word//|/ }; do
            if setup_installed "$name"; then
                found=yes
                break
            fi
        done
        [ $found = yes ] || echo "$word"
    done
}

setup_apt_update() {
    local attempt
    for attempt in 1 2 3; do
        apt-get -q update && return 0
        warn "apt-get update failed (attempt $attempt of 3)"
        sleep $((attempt * 3))
    done
    return 1
}

setup_packages() {
    local missing word name pick="" lost=""
    if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
        warn "this is not a Debian system: nothing is installed for you; the list is SETUP_PACKAGES in scripts/setup.sh"
        return 0
    fi
    missing="$(setup_missing)"
    [ -n "$missing" ] || return 0
    say "missing packages:" $missing
    if [ "$(id -u)" != 0 ]; then
        die "only root may install them. Run \`sudo ./run setup\` once, or install by hand: ${missing//$'\n'/ }"
    fi
    setup_apt_update || warn "package lists could not be refreshed: trying with those there are"
    for word in $missing; do
        for name in ${word//|/ }; do
            if setup_installable "$name"; then
                pick="$pick $name"
                continue 2
            fi
        done
        lost="$lost $word"
    done
    if [ -n "$pick" ]; then
        DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends $pick ||
            die "apt-get could not install:$pick. Mend that (disk space? mirror? held packages?) and run ./run setup again"
    fi
    if [ -n "$lost" ]; then
        die "no apt source of this machine offers:$lost. Add a source that does, or install them by hand, and run ./run setup again"
    fi
}

# setup_integrity FILE sha512-...: whether the file is the published one.
setup_integrity() {
    [ "sha512-$(openssl dgst -sha512 -binary "$1" | base64 -w 0)" = "$2" ]
}

# setup_npm_pack PACKAGE INTEGRITY: leaves the package as $PWD/<something>.tgz and prints that name.
setup_npm_pack() {
    local file attempt
    for attempt in 1 2 3; do
        if file="$(npm pack --silent "$1" 2>npm.log | tail -n 1)" && [ -f "$file" ]; then
            setup_integrity "$file" "$2" && { echo "$file"; return 0; }
            rm -f "$file"
            warn "$1: what npm fetched is not what was published (checksum differs)"
        else
            tail -n 5 npm.log >&2
        fi
        sleep $((attempt * 2))
    done
    return 1
}

setup_duckdb() {
    local arch work library header
    case "$(uname -m)" in
    x86_64) arch=x64 ;;
    aarch64) arch=arm64 ;;
    *) die "there is no packaged DuckDB for $(uname -m): put duckdb.h in $DEPS/duckdb/include and libduckdb.so in $DEPS/duckdb/lib" ;;
    esac
    local stamp="bindings $DUCKDB_BINDINGS_VERSION $arch, header $DUCKDB_HEADER_VERSION"
    if [ "$(cat "$DEPS/duckdb/stamp" 2>/dev/null)" = "$stamp" ] && [ -f "$DEPS/duckdb/lib/libduckdb.so" ]; then
        return 0
    fi
    say "fetching DuckDB $DUCKDB_HEADER_VERSION with npm (33 MB) into build/deps/duckdb"
    command -v npm >/dev/null || die "npm is not installed; it is needed once, to fetch DuckDB"
    work="$(mktemp -d "$DEPS/duckdb.XXXXXX")"
    local integrity="DUCKDB_INTEGRITY_$arch"
    (
        cd "$work"
        library="$(setup_npm_pack "@duckdb/node-bindings-linux-$arch@$DUCKDB_BINDINGS_VERSION" "${!integrity}")" &&
            header="$(setup_npm_pack "duckdb@$DUCKDB_HEADER_VERSION" "$DUCKDB_INTEGRITY_header")" &&
            mkdir -p new/lib new/include &&
            tar -xzf "$library" -C new/lib --strip-components=1 package/libduckdb.so package/LICENSE &&
            tar -xzf "$header" -C new/include --strip-components=5 package/src/duckdb/src/include/duckdb.h &&
            echo "$stamp" >new/stamp
    ) || {
        rm -rf "$work"
        die "DuckDB could not be fetched. Check the network and \`npm config get registry\`, then run ./run setup again"
    }
    rm -rf "$DEPS/duckdb"
    mv "$work/new" "$DEPS/duckdb"
    rm -rf "$work"
}

# Prints the mirrors of this machine: the URIs of the apt sources whose suite is its own release (or `stable`).
setup_mirror() {
    local release file
    release="$(. /etc/os-release && echo "${VERSION_CODENAME:-bookworm}")"
    for file in /etc/apt/sources.list.d/*.sources; do
        [ -f "$file" ] || continue
        awk -v want="$release" 'BEGIN { RS = ""; FS = "\n" }
            {
                uri = ""; suites = ""
                for (i = 1; i <= NF; i++) {
                    n = index($i, ":"); key = tolower(substr($i, 1, n - 1)); value = substr($i, n + 1)
                    if (key == "uris") { split(value, u, " "); uri = u[1] }
                    if (key == "suites") suites = " " value " "
                }
                if (uri != "" && (index(suites, " " want " ") || index(suites, " stable "))) { print uri; exit }
            }' "$file"
    done
    cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null |
        sed -E 's/^deb +\[[^]]*\] +/deb /' |
        awk -v want="$release" '$1 == "deb" && ($3 == want || $3 == "stable") { print $2 }'
}

# setup_foreign_apt COMMAND...: apt-get with sources, lists and archives of its own under build/deps/apt; the system's stay untouched.
setup_foreign_apt() {
    apt-get -q \
        -o Dir::Etc::sourcelist="$DEPS/apt/sources.list" \
        -o Dir::Etc::sourceparts=/dev/null \
        -o Dir::State="$DEPS/apt/state" \
        -o Dir::State::status="$DEPS/apt/state/status" \
        -o Dir::Cache="$DEPS/apt/cache" \
        -o APT::Sandbox::User="$(id -un)" \
        -o Acquire::Languages=none \
        "$@"
}

setup_fetch_yyjson() {
    local mirror keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    mirror="$(setup_mirror | head -n 1)"
    [ -n "$mirror" ] || { warn "no apt source names this machine's own release"; return 1; }
    [ -f "$keyring" ] || { warn "$keyring is missing (package debian-archive-keyring)"; return 1; }
    mkdir -p "$DEPS/apt/state/lists/partial" "$DEPS/apt/cache/archives/partial"
    : >"$DEPS/apt/state/status"
    echo "deb [signed-by=$keyring] $mirror $YYJSON_SUITE main" >"$DEPS/apt/sources.list"
    setup_foreign_apt update || setup_foreign_apt update || return 1
    rm -rf "$DEPS/yyjson" "$DEPS/yyjson.new"
    mkdir -p "$DEPS/yyjson.new"
    (cd "$DEPS/yyjson.new" && setup_foreign_apt download $YYJSON_PACKAGES) || return 1
    local deb
    for deb in "$DEPS"/yyjson.new/*.deb; do
        dpkg-deb -x "$deb" "$DEPS/yyjson.new" || return 1
        basename "$deb" .deb >>"$DEPS/yyjson.new/stamp"
        rm "$deb"
    done
    mv "$DEPS/yyjson.new" "$DEPS/yyjson"
    rm -rf "$DEPS/apt"
}

setup_yyjson() {
    if [ -f "$DEPS/yyjson/stamp" ] || [ -f /usr/include/yyjson.h ]; then
        return 0
    fi
    if setup_installable libyyjson-dev && [ "$(id -u)" = 0 ]; then
        say "installing libyyjson-dev"
        DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends libyyjson-dev && return 0
    fi
    say "fetching yyjson (Debian $YYJSON_SUITE's package, 0.1 MB and its index) into build/deps/yyjson"
    setup_fetch_yyjson || die "yyjson could not be fetched. Check that the Debian mirror of this machine can be reached and run ./run setup again,
     or put yyjson.h in build/deps/yyjson/usr/include and libyyjson.so in build/deps/yyjson/usr/lib"
}

setup_containers() {
    SETUP_PACKAGES="$SETUP_CONTAINER_PACKAGES" setup_packages
}

# setup_main [containers]
setup_main() {
    mkdir -p "$DEPS"
    [ "${1:-}" != containers ] || setup_containers
    # One at a time; the lock is inherited by nothing that stays.
    (
        flock -n 9 || { say "another setup is running: waiting for it" && flock 9; }
        setup_packages
        setup_duckdb
        setup_yyjson
    ) 9>"$DEPS/.lock"
}
