/* What the thread sanitizer is told in every program of its preset. It is compiled in, because the orchestrator gives its daemons an
 * environment of its own, in which TSAN_OPTIONS is not. */

const char *__tsan_default_options(void);

const char *__tsan_default_options(void)
{
    return /* Of libraries that are not instrumented (ZeroMQ, DuckDB, libwebsockets, libcurl) it sees calls of the C library, but not
            * how they hand memory from thread to thread: what happens inside them looks like races. */
        "ignore_noninstrumented_modules=1:"
        /* The detector of deadlocks gives up, fatally, on a thread with more than 64 locks, as DuckDB's have. */
        "detect_deadlocks=0";
}
