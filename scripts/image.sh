# help: the container images: the daemons' (orderflow:local) and Prometheus with the Pushgateway (orderflow-monitoring:local)
#
#   ./run image                  from what `./run build` has built; seconds
#   ./run image --from-source    compiled within the image's own first stage; minutes, but nothing of this machine goes in
#   ./run image --base NAME      from another base than debian:bookworm-slim
#   ./run image --no-monitoring  the daemons' image alone
#
# The base is fetched from the registry the engine knows; where none answers, one of the same name is made with debootstrap from this
# machine's own Debian mirror (root only, half a minute).

IMAGE_NAME="${ORDERFLOW_IMAGE:-orderflow:local}"
IMAGE_MONITORING="${ORDERFLOW_MONITORING_IMAGE:-orderflow-monitoring:local}"

# image_make_base NAME: Debian's smallest system, without what no container reads.
image_make_base() {
    local name="$1" mirror folder
    [ "$(id -u)" = 0 ] || die "image: no registry offers $1, and only root may make one with debootstrap"
    command -v debootstrap >/dev/null || die "image: no registry offers $1, and debootstrap is missing: ./run setup containers"
    need setup
    mirror="$(setup_mirror | head -n 1)" || true # of several files that may name one, some are not there
    [ -n "$mirror" ] || die "image: no apt source of this machine names its release, so there is no mirror to make $1 from"
    folder="$(mktemp -d)"
    say "no registry offers $name: making it with debootstrap"
    if ! debootstrap --variant=minbase --include=ca-certificates bookworm "$folder" "$mirror" >"$folder.log" 2>&1; then
        tail -n 5 "$folder.log" >&2
        rm -rf --one-file-system "$folder" "$folder.log"
        die "image: debootstrap failed"
    fi
    rm -rf "$folder"/var/cache/apt/archives/*.deb "$folder"/var/lib/apt/lists/* "$folder"/var/log/* \
        "$folder"/usr/share/doc/* "$folder"/usr/share/man/* "$folder"/usr/share/locale/*
    tar -C "$folder" -c . | docker import - "$name" >/dev/null
    rm -rf --one-file-system "$folder" "$folder.log"
}

image_base() {
    docker image inspect "$1" >/dev/null 2>&1 && return
    timeout 120 docker pull -q "$1" >/dev/null 2>&1 || image_make_base "$1"
}

# image_revision: the commit of this checkout, for a build that does not see it.
image_revision() {
    git rev-parse --verify HEAD 2>/dev/null || return 0
    [ -z "$(git status --porcelain --untracked-files=no)" ] || echo +changes
}

# image_build NAME DOCKERFILE FOLDER BASE [REVISION]
image_build() {
    local log
    log="$(mktemp)"
    if ! docker build -t "$1" --build-arg "BASE=$4" ${5:+--build-arg "REVISION=$5"} -f "$2" "$3" >"$log" 2>&1; then
        tail -n 20 "$log" >&2
        rm -f "$log"
        die "image: $1 could not be built"
    fi
    rm -f "$log"
    say "$1: $(docker image inspect -f '{{.Size}}' "$1" | awk '{ printf "%.0f MB", $1 / 1e6 }')"
}

image_tree() {
    local preset
    preset="${PRESET:-$(built_preset release dev)}" || die "image: nothing has been built: ./run build, or ./run image --from-source"
    rm -rf build/image
    cmake --install "build/$preset" --prefix "$ROOT/build/image/opt/orderflow" --strip >/dev/null
}

image_main() {
    local base=debian:bookworm-slim source=no monitoring=yes revision=
    while [ $# -gt 0 ]; do
        case "$1" in
        --from-source) source=yes ;;
        --no-monitoring) monitoring=no ;;
        --base)
            [ $# -gt 1 ] || wrong "image: --base needs a name"
            base="$2"
            shift
            ;;
        *) wrong "image: $1: unknown option; see ./run image --help" ;;
        esac
        shift
    done
    docker version >/dev/null 2>&1 || die "image: no Docker Engine answers (DOCKER_HOST=${DOCKER_HOST:-default})"
    image_base "$base"
    rm -rf build/image
    if [ "$source" = yes ]; then
        revision="$(image_revision | tr -d '\n')"
    else
        image_tree
    fi
    image_build "$IMAGE_NAME" compose/Dockerfile . "$base" "$revision"
    [ "$monitoring" = no ] || image_build "$IMAGE_MONITORING" compose/monitoring.Dockerfile compose "$base"
}
