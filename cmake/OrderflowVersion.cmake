# <build>/generated/orderflow_version.h, looked at on every build and rewritten only when it changes.
# A build without a git checkout (an image, a tarball) may pass -DORDERFLOW_GIT_HEAD=<commit>, or <commit>+changes.

set(ORDERFLOW_GIT_HEAD "" CACHE STRING "Commit to show in --version where there is no git checkout")
set(ORDERFLOW_GENERATED_DIR "${PROJECT_BINARY_DIR}/generated")
set(orderflow_version_command
    "${CMAKE_COMMAND}"
    "-DSOURCE_DIR=${PROJECT_SOURCE_DIR}"
    "-DTEMPLATE=${CMAKE_CURRENT_LIST_DIR}/orderflow_version.h.in"
    "-DOUTPUT=${ORDERFLOW_GENERATED_DIR}/orderflow_version.h"
    "-DVERSION=${PROJECT_VERSION}"
    "-DVERSION_MAJOR=${PROJECT_VERSION_MAJOR}"
    "-DVERSION_MINOR=${PROJECT_VERSION_MINOR}"
    "-DVERSION_PATCH=${PROJECT_VERSION_PATCH}"
    "-DCOMPILER=${CMAKE_C_COMPILER_ID} ${CMAKE_C_COMPILER_VERSION}"
    "-DBUILD_TYPE=${CMAKE_BUILD_TYPE}"
    "-DGIT_HEAD=${ORDERFLOW_GIT_HEAD}"
    -P "${CMAKE_CURRENT_LIST_DIR}/write_version.cmake")

add_custom_target(orderflow_version ALL
    COMMAND ${orderflow_version_command}
    BYPRODUCTS "${ORDERFLOW_GENERATED_DIR}/orderflow_version.h"
    COMMENT "Looking at the version"
    VERBATIM)
