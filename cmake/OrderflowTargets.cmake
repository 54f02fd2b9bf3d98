# How our own libraries, daemons and tests are declared.
#
#   orderflow_library(NAME [DEPENDS name...] [EXTERNAL name...] [SUBDIRS folder...])
#   orderflow_service(NAME [DEPENDS name...] [EXTERNAL name...] [SUBDIRS folder...] [DESTINATION folder])
#   orderflow_test(NAME SOURCES file... [DEPENDS name...] [TIMEOUT seconds])
#   orderflow_program(NAME FOLDER folder SOURCES file... [DEPENDS name...])
#
# DEPENDS and EXTERNAL take short names: `base` is our library orderflow_base, `harvest` the parts of that service
# (orderflow_service_harvest), `zmq` the imported orderflow::zmq. A name nobody has declared links nothing and is reported when the
# configuration ends. DEPENDS reaches whoever links the library; EXTERNAL's headers stay its own affair.
# Sources are found by glob: a new .c file joins with the next build.

set_property(GLOBAL PROPERTY orderflow_libraries "")
set_property(GLOBAL PROPERTY orderflow_wanted "")

# Sets out to generator expressions, one per spelling a short name can have: resolved when all folders have been read.
function(orderflow_resolve out)
    set(result "")
    foreach(name IN LISTS ARGN)
        set_property(GLOBAL APPEND PROPERTY orderflow_wanted ${name})
        list(APPEND result
            $<TARGET_NAME_IF_EXISTS:orderflow_${name}>
            $<TARGET_NAME_IF_EXISTS:orderflow_service_${name}>
            $<TARGET_NAME_IF_EXISTS:orderflow::${name}>)
    endforeach()
    set(${out} "${result}" PARENT_SCOPE)
endfunction()

# What every target of ours gets: language rules, include folders, the generated header before it compiles.
function(orderflow_common target)
    target_link_libraries(${target} PRIVATE orderflow_compile_options)
    target_include_directories(${target} PRIVATE
        "${PROJECT_SOURCE_DIR}"
        "${PROJECT_SOURCE_DIR}/common"
        "${ORDERFLOW_GENERATED_DIR}")
    add_dependencies(${target} orderflow_version)
endfunction()

# Sets out to the .c files of the current folder and of SUBDIRS below it.
function(orderflow_sources out)
    set(patterns "${CMAKE_CURRENT_SOURCE_DIR}/*.c")
    foreach(folder IN LISTS ARGN)
        list(APPEND patterns "${CMAKE_CURRENT_SOURCE_DIR}/${folder}/*.c")
    endforeach()
    file(GLOB files CONFIGURE_DEPENDS ${patterns})
    set(${out} "${files}" PARENT_SCOPE)
endfunction()

# A static library of the given files; DEPENDS public, EXTERNAL private.
function(orderflow_static target depends external)
    add_library(${target} STATIC ${ARGN})
    orderflow_common(${target})
    orderflow_resolve(libraries ${depends})
    orderflow_resolve(outside ${external})
    target_link_libraries(${target} PUBLIC ${libraries} PRIVATE ${outside})
    set_property(GLOBAL APPEND PROPERTY orderflow_libraries ${target})
endfunction()

function(orderflow_library name)
    cmake_parse_arguments(ARG "" "" "DEPENDS;EXTERNAL;SUBDIRS" ${ARGN})
    orderflow_sources(sources ${ARG_SUBDIRS})
    if(sources)
        orderflow_static(orderflow_${name} "${ARG_DEPENDS}" "${ARG_EXTERNAL}" ${sources})
    endif()
endfunction()

function(orderflow_service name)
    cmake_parse_arguments(ARG "" "DESTINATION" "DEPENDS;EXTERNAL;SUBDIRS" ${ARGN})
    orderflow_sources(sources ${ARG_SUBDIRS})
    set(main "${CMAKE_CURRENT_SOURCE_DIR}/main.c")
    set(parts ${sources})
    list(REMOVE_ITEM parts "${main}")
    set(own "")
    if(parts)
        set(own ${name})
        orderflow_static(orderflow_service_${name} "${ARG_DEPENDS}" "${ARG_EXTERNAL}" ${parts})
    endif()
    if(NOT main IN_LIST sources)
        return()
    endif()

    if(NOT ARG_DESTINATION)
        set(ARG_DESTINATION "${CMAKE_INSTALL_LIBEXECDIR}/orderflow")
    endif()
    add_executable(${name} "${main}" ${orderflow_sanitizer_sources})
    orderflow_common(${name})
    orderflow_resolve(libraries ${own} ${ARG_DEPENDS} ${ARG_EXTERNAL})
    target_link_libraries(${name} PRIVATE ${libraries})
    file(RELATIVE_PATH up "/${ARG_DESTINATION}" "/${CMAKE_INSTALL_LIBDIR}/orderflow")
    set_target_properties(${name} PROPERTIES INSTALL_RPATH "$ORIGIN/${up}")
    install(TARGETS ${name} RUNTIME DESTINATION "${ARG_DESTINATION}")
endfunction()

# A program that is not installed, in <build>/FOLDER.
function(orderflow_program name)
    cmake_parse_arguments(ARG "" "FOLDER" "SOURCES;DEPENDS" ${ARGN})
    add_executable(${name} ${ARG_SOURCES} ${orderflow_sanitizer_sources})
    orderflow_common(${name})
    orderflow_resolve(libraries ${ARG_DEPENDS})
    target_link_libraries(${name} PRIVATE ${libraries})
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/${ARG_FOLDER}")
endfunction()

function(orderflow_test name)
    cmake_parse_arguments(ARG "" "TIMEOUT" "SOURCES;DEPENDS" ${ARGN})
    if(NOT ARG_TIMEOUT)
        set(ARG_TIMEOUT 120)
    endif()
    if(ORDERFLOW_SANITIZE)
        math(EXPR ARG_TIMEOUT "${ARG_TIMEOUT} * 5") # a sanitizer takes 3 to 20 times as long
    endif()
    orderflow_program(test_${name} FOLDER tests SOURCES ${ARG_SOURCES} DEPENDS test_support ${ARG_DEPENDS} cmocka)
    add_test(NAME ${name} COMMAND test_${name} WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}")
    set_tests_properties(${name} PROPERTIES
        TIMEOUT ${ARG_TIMEOUT}
        SKIP_RETURN_CODE 77
        LABELS unit
        ENVIRONMENT "ORDERFLOW_ROOT=${PROJECT_SOURCE_DIR};ORDERFLOW_BUILD=${PROJECT_BINARY_DIR}")
endfunction()

# Sets out to the short names of all libraries declared so far, those that use others first.
function(orderflow_all_libraries out)
    get_property(targets GLOBAL PROPERTY orderflow_libraries)
    list(TRANSFORM targets REPLACE "^orderflow_(service_)?" "")
    list(REVERSE targets)
    set(${out} "${targets}" PARENT_SCOPE)
endfunction()

# Sets out to the value of a line `// key: value...` in the first comment of the file, as a list; to the rest of the arguments
# when there is none.
function(orderflow_comment_value out key source)
    set(result ${ARGN})
    file(STRINGS "${source}" lines LIMIT_INPUT 4096 LIMIT_COUNT 1 REGEX "^[ /*]*${key}:")
    if(lines)
        string(REGEX REPLACE "^[ /*]*${key}:" "" result "${lines}")
        string(REGEX MATCHALL "[A-Za-z0-9_]+" result "${result}")
    endif()
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${source}")
    set(${out} "${result}" PARENT_SCOPE)
endfunction()

# One line for every name in DEPENDS, EXTERNAL or a test's `links:` that no target answers to.
function(orderflow_report_missing_dependencies)
    get_property(wanted GLOBAL PROPERTY orderflow_wanted)
    list(REMOVE_DUPLICATES wanted)
    list(REMOVE_ITEM wanted test_support)
    foreach(name IN LISTS wanted)
        if(NOT TARGET orderflow_${name} AND NOT TARGET orderflow_service_${name} AND NOT TARGET orderflow::${name})
            message(STATUS "nothing is called `${name}` (no sources yet?): left out of what links it")
        endif()
    endforeach()
endfunction()
