# Finders. Each third-party library becomes one imported target orderflow::<name>; nothing else in the tree says how it is found.
#
#   zmq msgpack lws sqlite yaml lmdb curl zlib crypto cmocka   Debian packages
#   duckdb yyjson                                               the system's, or the dependency folder that `./run setup` fills
#
# A missing library stops the configuration with the name of what to install.

set(ORDERFLOW_DEPS_DIR "${PROJECT_SOURCE_DIR}/build/deps" CACHE PATH "Folder of the libraries Debian 12 does not have")
find_package(PkgConfig REQUIRED)

function(orderflow_missing name package)
    message(FATAL_ERROR "${name} was not found: install ${package}, or let `./run setup` do it")
endfunction()

# orderflow_find_pkg(NAME PACKAGE MODULE...): the first pkg-config module that exists.
function(orderflow_find_pkg name package)
    foreach(module IN LISTS ARGN)
        pkg_check_modules(orderflow_${name} QUIET IMPORTED_TARGET GLOBAL ${module})
        if(orderflow_${name}_FOUND)
            add_library(orderflow::${name} ALIAS PkgConfig::orderflow_${name})
            return()
        endif()
    endforeach()
    orderflow_missing(${name} ${package})
endfunction()

# orderflow_find_file(NAME PACKAGE HEADER LIBRARY [FOLDER...]): for libraries without a .pc file. FOLDERs are looked at first.
function(orderflow_find_file name package header library)
    find_path(ORDERFLOW_${name}_INCLUDE ${header} PATHS ${ARGN} PATH_SUFFIXES include NO_DEFAULT_PATH)
    find_path(ORDERFLOW_${name}_INCLUDE ${header})
    find_library(ORDERFLOW_${name}_LIBRARY ${library} PATHS ${ARGN}
        PATH_SUFFIXES lib lib/${CMAKE_LIBRARY_ARCHITECTURE} NO_DEFAULT_PATH)
    find_library(ORDERFLOW_${name}_LIBRARY ${library})
    mark_as_advanced(ORDERFLOW_${name}_INCLUDE ORDERFLOW_${name}_LIBRARY)
    if(NOT ORDERFLOW_${name}_INCLUDE OR NOT ORDERFLOW_${name}_LIBRARY)
        orderflow_missing(${name} ${package})
    endif()
    add_library(orderflow::${name} UNKNOWN IMPORTED GLOBAL)
    set_target_properties(orderflow::${name} PROPERTIES
        IMPORTED_LOCATION "${ORDERFLOW_${name}_LIBRARY}"
        INTERFACE_INCLUDE_DIRECTORIES "${ORDERFLOW_${name}_INCLUDE}")
endfunction()

# orderflow_install_if_private(NAME): a library out of the dependency folder travels with us, into lib/orderflow.
function(orderflow_install_if_private name)
    cmake_path(IS_PREFIX ORDERFLOW_DEPS_DIR "${ORDERFLOW_${name}_LIBRARY}" NORMALIZE private)
    if(private)
        file(REAL_PATH "${ORDERFLOW_${name}_LIBRARY}" real)
        get_filename_component(folder "${real}" DIRECTORY)
        get_filename_component(stem "${ORDERFLOW_${name}_LIBRARY}" NAME)
        file(GLOB files "${folder}/${stem}" "${folder}/${stem}.*")
        install(PROGRAMS ${files} DESTINATION "${CMAKE_INSTALL_LIBDIR}/orderflow")
    endif()
endfunction()

orderflow_find_pkg(zmq libzmq3-dev libzmq)
orderflow_find_pkg(czmq libczmq-dev libczmq)
orderflow_find_pkg(msgpack "libmsgpack-dev (libmsgpack-c-dev from Debian 13)" msgpack-c msgpack)
orderflow_find_pkg(lws libwebsockets-dev libwebsockets)
orderflow_find_pkg(sqlite libsqlite3-dev sqlite3)
orderflow_find_pkg(yaml libyaml-dev yaml-0.1)
orderflow_find_pkg(curl libcurl4-openssl-dev libcurl)
# For those who load it by hand: the headers, and nothing to link.
add_library(orderflow_curl_header INTERFACE)
add_library(orderflow::curl_header ALIAS orderflow_curl_header)
target_include_directories(orderflow_curl_header SYSTEM INTERFACE ${orderflow_curl_INCLUDE_DIRS})
orderflow_find_pkg(zlib zlib1g-dev zlib)
orderflow_find_pkg(crypto libssl-dev libcrypto)
orderflow_find_pkg(cmocka libcmocka-dev cmocka)
orderflow_find_file(lmdb liblmdb-dev lmdb.h lmdb)
orderflow_find_file(duckdb "DuckDB's C library" duckdb.h duckdb "${ORDERFLOW_DEPS_DIR}/duckdb")
orderflow_find_file(yyjson libyyjson-dev yyjson.h yyjson "${ORDERFLOW_DEPS_DIR}/yyjson/usr")
orderflow_install_if_private(duckdb)
orderflow_install_if_private(yyjson)
