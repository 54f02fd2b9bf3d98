# <build>/generated/orderflow_version.h, rewritten only when what it says changes.
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

# What it says can only change with what is built, or with what git notes down on a commit, a checkout or an add: a build of which none of
# them has changed has nothing to do, not even to look.
set(orderflow_version_folders cmake common orchestrator proto services tools)
list(TRANSFORM orderflow_version_folders PREPEND "${PROJECT_SOURCE_DIR}/" OUTPUT_VARIABLE orderflow_version_places)
list(TRANSFORM orderflow_version_places APPEND "/*.[ch]" OUTPUT_VARIABLE orderflow_version_patterns)
file(GLOB_RECURSE orderflow_version_sources CONFIGURE_DEPENDS ${orderflow_version_patterns})
set(orderflow_version_git "")
find_program(GIT git)
foreach(file IN ITEMS HEAD index logs/HEAD)
    if(NOT GIT OR NOT EXISTS "${PROJECT_SOURCE_DIR}/.git")
        break()
    endif()
    execute_process(
        COMMAND "${GIT}" rev-parse --path-format=absolute --git-path "${file}"
        WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}"
        OUTPUT_VARIABLE path OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
    if(path AND EXISTS "${path}")
        list(APPEND orderflow_version_git "${path}")
    endif()
endforeach()

add_custom_command(
    OUTPUT "${ORDERFLOW_GENERATED_DIR}/orderflow_version.h"
    COMMAND ${orderflow_version_command}
    DEPENDS ${orderflow_version_sources} ${orderflow_version_git}
            "${CMAKE_CURRENT_LIST_DIR}/orderflow_version.h.in" "${CMAKE_CURRENT_LIST_DIR}/write_version.cmake"
    COMMENT "Looking at the version"
    VERBATIM)
add_custom_target(orderflow_version DEPENDS "${ORDERFLOW_GENERATED_DIR}/orderflow_version.h")
