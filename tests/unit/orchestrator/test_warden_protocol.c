// links: warden keeper injury bus config proto base yyjson
/* What wardens and the orchestrator say to each other survives the way, and nothing else is believed. */
#include "tests/support/check.h"

#include "base/file.h"
#include "orchestrator/warden/protocol.h"

#include <string.h>

static const struct warden_report REPORT = {.name = "signal.2",
                                            .container = "0123456789ab",
                                            .state = WARDEN_ENDED,
                                            .run_id = "run-1",
                                            .generation = 7,
                                            .code = -1,
                                            .signal = 9,
                                            .leaving = true,
                                            .lease = 1754000000000000001,
                                            .stands = true,
                                            .late_ms = 3};

static void a_report_is_read_as_it_was_written(void **state)
{
    (void)state;
    struct buffer text;
    struct warden_report read;
    struct error error = {{0}};
    buffer_init(&text, 0);
    for (int each = 0; each < WARDEN_STATE_COUNT; each++) {
        struct warden_report report = REPORT;
        report.state = (enum warden_state)each;
        buffer_clear(&text);
        warden_report_write(&report, &text);
        assert_true(warden_is_report(text.data, text.length));
        assert_ok(warden_report_read(text.data, text.length, &read, &error));
        assert_memory_equal(&read, &report, sizeof report);
    }
    buffer_finish(&text);
}

/* what docs/control-protocol.md shows of both is what is written and read. */
static void the_messages_of_the_page_are_these(void **state)
{
    (void)state;
    struct buffer shown, written;
    struct warden_report report;
    struct warden_order order;
    struct warden_message *message;
    struct error error = {{0}};
    buffer_init(&shown, 0);
    buffer_init(&written, 0);
    assert_ok(file_read("tests/vectors/requests/warden_report.json", &shown));
    assert_ok(warden_report_read(shown.data, shown.length, &report, &error));
    warden_report_write(&report, &written);
    buffer_append_text(&written, "\n");
    assert_string_equal(buffer_text(&written), buffer_text(&shown));
    buffer_clear(&shown);
    buffer_clear(&written);
    assert_ok(file_read("tests/vectors/requests/warden_order.json", &shown));
    assert_ok(warden_order_read(shown.data, shown.length, &order, &message, &error));
    warden_order_write(&order, &written);
    warden_message_free(message);
    buffer_append_text(&written, "\n");
    assert_string_equal(buffer_text(&written), buffer_text(&shown));
    buffer_finish(&shown);
    buffer_finish(&written);
}

static void an_order_is_read_as_it_was_written(void **state)
{
    (void)state;
    struct buffer text;
    struct warden_order read;
    struct warden_message *message;
    struct error error = {{0}};
    struct warden_order order = {.verb = WARDEN_START,
                                 .run_id = "run-1",
                                 .generation = 3,
                                 .stdout_path = "logs/out \"quoted\".log",
                                 .stderr_path = "logs/err.log",
                                 .log_bytes_max = 1,
                                 .log_bytes_per_s = 2,
                                 .log_files = 3,
                                 .arguments = {"/bin/signal", "--generation", "3"},
                                 .environment = {"TZ=UTC", "EMPTY="}};
    buffer_init(&text, 0);
    warden_order_write(&order, &text);
    assert_ok(warden_order_read(text.data, text.length, &read, &message, &error));
    assert_int_equal(read.verb, WARDEN_START);
    assert_string_equal(read.run_id, "run-1");
    assert_int_equal(read.generation, 3);
    assert_string_equal(read.stdout_path, order.stdout_path);
    assert_string_equal(read.stderr_path, order.stderr_path);
    assert_int_equal(read.log_bytes_max * 100 + read.log_bytes_per_s * 10 + read.log_files, 123);
    for (size_t i = 0; i < 3; i++)
        assert_string_equal(read.arguments[i], order.arguments[i]);
    assert_null(read.arguments[3]);
    assert_string_equal(read.environment[1], "EMPTY=");
    assert_null(read.environment[2]);
    warden_message_free(message);
    buffer_finish(&text);
}

static void refuses_report(const char *text, enum status as)
{
    struct warden_report read = REPORT;
    struct error error = {{0}};
    assert_int_equal(warden_report_read(text, strlen(text), &read, &error), as);
    assert_memory_equal(&read, &REPORT, sizeof read);
    assert_true(*error.text);
}

static void what_is_no_report_is_refused_with_a_sentence(void **state)
{
    (void)state;
    char long_name[400];
    refuses_report("", STATUS_MALFORMED);
    refuses_report("{\"warden\":2", STATUS_MALFORMED);
    refuses_report("[]", STATUS_MALFORMED);
    refuses_report("{\"warden\":\"1\"}", STATUS_MALFORMED);
    refuses_report("{\"warden\":1}", STATUS_UNSUPPORTED);
    refuses_report("{\"warden\":2,\"name\":\"signal\"}", STATUS_MALFORMED);
#define REST                                                                                          \
    "\"container\":\"c\",\"run_id\":\"\",\"generation\":0,\"code\":0,\"signal\":0,\"leaving\":false," \
    "\"lease\":0,\"stands\":false,\"late_ms\":-1}"
    refuses_report("{\"warden\":2,\"name\":\"signal\",\"state\":\"flying\"," REST, STATUS_MALFORMED);
    refuses_report("{\"warden\":2,\"name\":7,\"state\":\"waiting\"," REST, STATUS_MALFORMED);
    memset(long_name, 0, sizeof long_name);
    snprintf(long_name, sizeof long_name, "{\"warden\":2,\"name\":\"%0200d\",\"state\":\"waiting\"," REST, 0);
    refuses_report(long_name, STATUS_MALFORMED);
    assert_false(warden_is_report("{\"id\":\"1\",\"verb\":\"status\"}", 26));
    assert_false(warden_is_report("", 0));
}

static void an_order_without_a_program_is_refused(void **state)
{
    (void)state;
    static const char START[] =
        "{\"warden\":2,\"order\":\"start\",\"run_id\":\"r\",\"generation\":1,\"signal\":0,"
        "\"stdout\":\"o\",\"stderr\":\"e\",\"log_bytes_max\":0,\"log_bytes_per_s\":0,"
        "\"log_files\":0,\"arguments\":[%s],\"environment\":[]}";
    static const struct {
        const char *arguments;
        enum status as;
    } TRIES[] = {{"", STATUS_MALFORMED}, {"7", STATUS_MALFORMED}, {"\"/bin/true\"", STATUS_OK}};
    for (size_t i = 0; i < sizeof TRIES / sizeof *TRIES; i++) {
        char text[512];
        struct warden_order read;
        struct warden_message *message;
        struct error error = {{0}};
        snprintf(text, sizeof text, START, TRIES[i].arguments);
        assert_int_equal(warden_order_read(text, strlen(text), &read, &message, &error), TRIES[i].as);
        if (TRIES[i].as == STATUS_OK)
            warden_message_free(message);
    }
}

static void a_suspension_names_its_lease_and_has_an_end(void **state)
{
    (void)state;
    static const struct {
        int64_t lease, lease_ms;
        enum status as;
    } TRIES[] = {{1754000000000000001, 2000, STATUS_OK},
                 {1, 0, STATUS_OK}, /* goes on now */
                 {0, 2000, STATUS_MALFORMED},
                 {1, -1, STATUS_MALFORMED},
                 {1, INT64_MAX, STATUS_MALFORMED}};
    for (size_t i = 0; i < sizeof TRIES / sizeof *TRIES; i++) {
        struct warden_order order = {.verb = WARDEN_SUSPEND,
                                     .run_id = "run-1",
                                     .generation = 3,
                                     .lease = TRIES[i].lease,
                                     .lease_ms = TRIES[i].lease_ms},
                            read;
        struct warden_message *message;
        struct error error = {{0}};
        struct buffer text;
        buffer_init(&text, 0);
        warden_order_write(&order, &text);
        assert_int_equal(warden_order_read(text.data, text.length, &read, &message, &error), TRIES[i].as);
        if (TRIES[i].as == STATUS_OK) {
            assert_true(read.lease == TRIES[i].lease && read.lease_ms == TRIES[i].lease_ms);
            warden_message_free(message);
        }
        buffer_finish(&text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_report_is_read_as_it_was_written),
        cmocka_unit_test(the_messages_of_the_page_are_these),
        cmocka_unit_test(an_order_is_read_as_it_was_written),
        cmocka_unit_test(what_is_no_report_is_refused_with_a_sentence),
        cmocka_unit_test(an_order_without_a_program_is_refused),
        cmocka_unit_test(a_suspension_names_its_lease_and_has_an_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
