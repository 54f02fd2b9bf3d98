# orderflow_compile_options: an interface target with the language rules every one of our own targets is compiled with.
#
# -ffp-contract=off always: the same input has to give the same bits with every compiler and on every machine, so a multiply
# and an add are never fused, and there is no fast-math.

add_library(orderflow_compile_options INTERFACE)

target_compile_options(orderflow_compile_options INTERFACE
    -Wall
    -Wextra
    -Werror
    -Wshadow
    -Wstrict-prototypes
    -Wmissing-prototypes
    -Wpointer-arith
    -Wformat=2
    -Wvla
    -Wundef
    -ffp-contract=off
    -fno-omit-frame-pointer
    -fstack-protector-strong
    # Without assert() a variable that only an assertion reads is unused: not an error in a release.
    $<$<CONFIG:Release>:-Wno-unused-variable>
    $<$<CONFIG:Release>:-Wno-unused-but-set-variable>
    $<$<CONFIG:Release>:-Wno-unused-parameter>)

# Empty, so that a source which defines it itself (as most manual pages show it) does not redefine it.
target_compile_definitions(orderflow_compile_options INTERFACE _GNU_SOURCE=)

set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)
target_link_libraries(orderflow_compile_options INTERFACE Threads::Threads m)

# Assertions stay on in every build type except Release.
set(CMAKE_C_FLAGS_RELWITHDEBINFO "-O2 -g")
set(CMAKE_C_FLAGS_DEBUG "-O0 -g3")
set(CMAKE_C_FLAGS_RELEASE "-O2 -DNDEBUG -D_FORTIFY_SOURCE=2")

# Position-independent executables; -fPIE rather than -fPIC lets the compiler inline across our own functions.
target_compile_options(orderflow_compile_options INTERFACE -fPIE)
target_link_options(orderflow_compile_options INTERFACE -pie -Wl,-z,relro -Wl,-z,now)
