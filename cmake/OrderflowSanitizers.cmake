# ORDERFLOW_SANITIZE=address,undefined | thread | fuzzer-no-link,... and ORDERFLOW_COVERAGE=ON, chosen by the presets.

set(ORDERFLOW_SANITIZE "" CACHE STRING "Sanitizers, as the argument of -fsanitize=")
option(ORDERFLOW_COVERAGE "Count which lines run (gcov format)" OFF)

if(ORDERFLOW_SANITIZE)
    target_compile_options(orderflow_compile_options INTERFACE
        -fsanitize=${ORDERFLOW_SANITIZE}
        -fno-sanitize-recover=all
        # The instrumented code confuses gcc's flow analysis; the plain builds keep the warning.
        -Wno-maybe-uninitialized
        $<$<C_COMPILER_ID:Clang>:-Wno-unknown-warning-option>)
    target_link_options(orderflow_compile_options INTERFACE -fsanitize=${ORDERFLOW_SANITIZE})
endif()

# Sources of every program, for what a sanitizer has to be told.
set(orderflow_sanitizer_sources "")
if(ORDERFLOW_SANITIZE MATCHES "thread")
    set(orderflow_sanitizer_sources "${PROJECT_SOURCE_DIR}/cmake/thread_sanitizer.c")
endif()

if(ORDERFLOW_COVERAGE)
    target_compile_options(orderflow_compile_options INTERFACE --coverage -fprofile-update=atomic)
    target_link_options(orderflow_compile_options INTERFACE --coverage)
endif()
