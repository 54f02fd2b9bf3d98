// How a process ended, in words.
// links: orchestrator base
#include "orchestrator/control/ending.h"
#include "tests/support/check.h"

#include <signal.h>

static void every_end_has_its_words(void **unused)
{
    (void)unused;
    char text[ENDING_TEXT_BYTES];
    const struct {
        struct driver_exit end;
        const char *words;
    } ends[] = {
        {{.code = 0}, "exit 0: clean stop"},
        {{.code = 1}, "exit 1: internal error"},
        {{.code = 2}, "exit 2: configuration or usage"},
        {{.code = 5}, "exit 5: temporary external failure: port, lock or venue"},
        {{.code = 6}, "exit 6: it could not save what it had counted as lost"},
        {{.code = 127}, "exit 127: its program could not be run"},
        {{.code = 77}, "exit 77: no meaning agreed on"},
        {{.code = -1, .signal = SIGSEGV, .core = true}, "killed by SIGSEGV (core dumped)"},
        {{.code = -1, .signal = SIGKILL}, "killed by SIGKILL"},
        {{.code = -1}, "nobody saw how: its keeper is gone, or it was never started"},
    };
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        assert_string_equal(ending_text(&ends[i].end, text), ends[i].words);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_end_has_its_words)};
    check_filter();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
