// A line of a log as JSON.
// links: orchctl orchestrator base
#include "orchestrator/orchctl/log_line.h"
#include "tests/support/check.h"

#include <string.h>

static void expect(const char *line, const char *json)
{
    struct buffer out;
    buffer_init(&out, 0);
    log_line_json(line, strlen(line), &out);
    assert_string_equal(buffer_text(&out), json);
    buffer_finish(&out);
}

static void an_event_becomes_an_object_with_its_fields(void **unused)
{
    (void)unused;
    expect("2026-11-28T10:00:00.123Z INFO orchestrator Ready run_id=a-1 name=harvest pid=42 took_ms=-7 "
           "share=0.5",
           "{\"at\":\"2026-11-28T10:00:00.123Z\",\"level\":\"INFO\",\"process\":\"orchestrator\",\"event\":"
           "\"Ready\","
           "\"fields\":{\"run_id\":\"a-1\",\"name\":\"harvest\",\"pid\":42,\"took_ms\":-7,\"share\":\"0.5\"}}"
           "\n");
    expect("2026-11-28T10:00:00.123Z WARNING harvest stop",
           "{\"at\":\"2026-11-28T10:00:00.123Z\",\"level\":\"WARNING\",\"process\":\"harvest\",\"event\":"
           "\"stop\","
           "\"fields\":{}}\n");
}

static void quoted_words_are_one_value_whatever_they_hold(void **unused)
{
    (void)unused;
    expect("2026-11-28T10:00:00.123Z ERROR a b reason=\"no \"x\" = y\" name=\"\" pid=1 ",
           "{\"at\":\"2026-11-28T10:00:00.123Z\",\"level\":\"ERROR\",\"process\":\"a\",\"event\":\"b\","
           "\"fields\":"
           "{\"reason\":\"no \\\"x\\\" = y\",\"name\":\"\",\"pid\":1}}\n");
    expect("2026-11-28T10:00:00.123Z ERROR a b reason=\"cut off",
           "{\"at\":\"2026-11-28T10:00:00.123Z\",\"level\":\"ERROR\",\"process\":\"a\",\"event\":\"b\","
           "\"fields\":"
           "{\"reason\":\"\\\"cut\"}}\n");
}

static void what_is_no_event_is_text(void **unused)
{
    (void)unused;
    expect("", "{\"text\":\"\"}\n");
    expect("READY port=1", "{\"text\":\"READY port=1\"}\n");
    expect("2026-11-28T10:00:00.123Z NOTE a b", "{\"text\":\"2026-11-28T10:00:00.123Z NOTE a b\"}\n");
}

static void rubbish_makes_an_object_too(void **unused)
{
    (void)unused;
    uint64_t state = 1;
    const char alphabet[] = "ab =\"_=\" \x01\xff"
                            "09-.";
    for (int round = 0; round < 20000; round++) {
        char line[120] = "2026-11-28T10:00:00.123Z INFO p e ";
        size_t length = strlen(line);
        while (length < sizeof line - 1) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            line[length++] = alphabet[(state >> 33) % (sizeof alphabet - 1)];
        }
        struct buffer out;
        buffer_init(&out, 0);
        log_line_json(line, length - (size_t)round % 80, &out);
        assert_int_equal(out.data[out.length - 2], '}');
        buffer_finish(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_becomes_an_object_with_its_fields),
        cmocka_unit_test(quoted_words_are_one_value_whatever_they_hold),
        cmocka_unit_test(what_is_no_event_is_text),
        cmocka_unit_test(rubbish_makes_an_object_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
