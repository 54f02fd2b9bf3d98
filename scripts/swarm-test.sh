# help: the stack of compose/stack.yaml on two engines joined to a swarm: across both, then one machine gone
#
# Makes two machines of this one (network and pid namespaces, an engine in each; root only), and says what recovered when and what the
# ledger says. ./run test compose does the same among its tests.

swarm-test_main() {
    need setup
    need build
    setup_main containers
    build_preset "${ORDERFLOW_PRESET:-dev}"
    export ORDERFLOW_ROOT="$ROOT" ORDERFLOW_BUILD="$ROOT/build/${ORDERFLOW_PRESET:-dev}" PRESET="${ORDERFLOW_PRESET:-dev}"
    "$PYTHON" -m pytest -q -s -rs -p no:cacheprovider tests/compose/test_swarm.py
}
