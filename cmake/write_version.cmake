# Run as a script by the target orderflow_version: fills orderflow_version.h.in, leaves an equal file untouched.

set(GIT_DIRTY 0)
set(GIT_MARK "")

if(NOT GIT_HEAD AND EXISTS "${SOURCE_DIR}/.git")
    find_program(GIT git)
    if(GIT)
        execute_process(
            COMMAND "${GIT}" --no-optional-locks rev-parse --verify HEAD
            WORKING_DIRECTORY "${SOURCE_DIR}"
            OUTPUT_VARIABLE head OUTPUT_STRIP_TRAILING_WHITESPACE
            RESULT_VARIABLE result ERROR_QUIET)
        if(result EQUAL 0)
            set(GIT_HEAD "${head}")
            execute_process(
                COMMAND "${GIT}" --no-optional-locks status --porcelain --untracked-files=no --
                        CMakeLists.txt cmake common orchestrator proto services tools # what is built; no documents, no tests
                WORKING_DIRECTORY "${SOURCE_DIR}"
                OUTPUT_VARIABLE changes ERROR_QUIET)
            if(changes)
                set(GIT_DIRTY 1)
                set(GIT_MARK "+changes")
            endif()
        endif()
    endif()
endif()

if(GIT_HEAD MATCHES "^(.+)\\+changes$")
    set(GIT_HEAD "${CMAKE_MATCH_1}")
    set(GIT_DIRTY 1)
    set(GIT_MARK "+changes")
endif()
if(NOT GIT_HEAD)
    set(GIT_HEAD "unknown")
endif()
string(SUBSTRING "${GIT_HEAD}" 0 12 GIT_SHORT)

configure_file("${TEMPLATE}" "${OUTPUT}" @ONLY)
