# help: the stack of compose/compose.yaml on a real engine: up, kills, scaling, the verdict, down
#
# Starts an engine of its own when none runs (root only), makes the base image when no registry offers it, builds the images, brings the
# stack up, kills and scales, checks, takes it down. ./run test compose does the same among its tests.

compose-test_main() {
    need setup
    need build
    setup_main containers
    build_preset "${ORDERFLOW_PRESET:-dev}"
    export ORDERFLOW_ROOT="$ROOT" ORDERFLOW_BUILD="$ROOT/build/${ORDERFLOW_PRESET:-dev}" PRESET="${ORDERFLOW_PRESET:-dev}"
    "$PYTHON" -m pytest -v -s -rs -p no:cacheprovider tests/compose/test_compose.py
}
