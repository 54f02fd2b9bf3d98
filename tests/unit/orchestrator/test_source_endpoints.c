// links: orchestrator journal base
/* The connections of a run as the captures of its instances of harvest have them. */
#include "journal/capture.h"
#include "orchestrator/manifest/source_endpoints.h"
#include "tests/support/check.h"

#include <string.h>

static char folder[PATH_BYTES], first[PATH_BYTES], second[PATH_BYTES];
static struct endpoints endpoints;

static int set_up(void **unused)
{
    (void)unused;
    check_folder(folder);
    path_join(first, folder, "raw");
    path_join(second, folder, "raw-harvest.2");
    endpoints_init(&endpoints);
    return 0;
}

static int tear_down(void **unused)
{
    (void)unused;
    endpoints_finish(&endpoints);
    check_folder_remove(folder);
    return 0;
}

static struct capture_writer *begin(const char *place)
{
    struct capture_writer_config config = {
        .folder = place, .run_id = "run", .metadata_json = "{}", .clock = clock_system()};
    struct capture_writer *writer;
    struct error error;
    assert_ok(capture_writer_open(&config, &writer, &error));
    return writer;
}

static void append(struct capture_writer *writer, enum capture_kind kind, uint16_t connection, int64_t at_ns,
                   const char *payload)
{
    assert_ok(capture_append(writer, kind, connection, at_ns, at_ns, payload, strlen(payload), NULL));
}

static void streams_subscribed_to_later_count_too(void **unused)
{
    (void)unused;
    struct capture_writer *writer = begin(first);
    append(writer, CAPTURE_OPENED, 7, 10, "ws://venue/stream?streams=a@trade/b@trade");
    append(writer, CAPTURE_MESSAGE, 7, 11, "{\"stream\":\"a@trade\",\"data\":{\"T\":5000}}");
    append(writer, CAPTURE_MESSAGE, 7, 12, "{\"result\":null,\"id\":1}");
    append(writer, CAPTURE_MESSAGE, 7, 13, "{\"stream\":\"c@trade\",\"data\":{\"T\":4000}}");
    append(writer, CAPTURE_MESSAGE, 7, 14, "{\"stream\":\"c@trade\",\"data\":{\"T\":6000}}");
    append(writer, CAPTURE_MESSAGE, 7, 15, "{\"stream\":\"torn");
    append(writer, CAPTURE_REST, 0, 16, "http://venue:81/fapi/v1/depth?symbol=A\n{\"lastUpdateId\":1}");
    append(writer, CAPTURE_CLOSED, 7, 20, "gone");
    capture_writer_close(writer);
    endpoints_read(&endpoints, first, "run");
    assert_int_equal(endpoints.count, 1);
    assert_false(endpoints.unknown);
    const struct endpoint *endpoint = &endpoints.items[0];
    assert_int_equal(endpoint->stream_count, 2);
    assert_string_equal(endpoint->streams[0], "a@trade");
    assert_string_equal(endpoint->streams[1], "c@trade");
    assert_int_equal(endpoint->messages, 5);
    assert_int_equal(endpoint->closed_ns, 20);
    assert_int_equal(endpoints.first_event_ms, 4000);
    assert_string_equal(endpoints.rest_origin, "http://venue:81");
}

static void every_instance_counts_and_one_that_never_lived_is_none(void **unused)
{
    (void)unused;
    struct capture_writer *writer = begin(first);
    append(writer, CAPTURE_OPENED, 1, 100, "ws://venue/stream?streams=a@trade");
    for (int64_t i = 0; i < 1500; i++) /* more than are looked at of one capture */
        append(writer, CAPTURE_MESSAGE, 1, 101 + i, "{\"stream\":\"a@trade\",\"data\":{\"T\":5000}}");
    capture_writer_close(writer);
    writer = begin(second);
    append(writer, CAPTURE_OPENED, 1, 50, "ws://venue/stream?streams=b@trade");
    append(writer, CAPTURE_MESSAGE, 1, 9000, "{\"stream\":\"b@trade\",\"data\":{\"T\":4999}}");
    capture_writer_close(writer);
    endpoints_read(&endpoints, first, "run");
    endpoints_read(&endpoints, second, "run");
    endpoints_read(&endpoints, "nowhere", "run");
    assert_false(endpoints.unknown);
    assert_int_equal(endpoints.folder_count, 2);
    assert_int_equal(endpoints.count, 2);
    assert_int_equal(endpoints.items[0].messages, 1500);
    assert_int_equal(endpoints.items[1].messages, 1);
    assert_int_equal(endpoints.first_event_ms, 4999);
    assert_null(endpoints.rest_origin);
}

static void one_damaged_capture_makes_all_unknown_whichever_it_is(void **unused)
{
    (void)unused;
    struct capture_writer *writer = begin(first);
    append(writer, CAPTURE_OPENED, 1, 100, "ws://venue/stream?streams=a@trade");
    capture_writer_close(writer);
    path_join(second, folder, "raw-harvest.2/date=2024-01-01/raw-run-1-000001.ofr");
    assert_ok(folder_make_for(second));
    assert_ok(file_replace(second, "no capture at all, and longer than its header", 45, false));
    path_join(second, folder, "raw-harvest.2");
    endpoints_read(&endpoints, second, "run");
    endpoints_read(&endpoints, first, "run");
    assert_true(endpoints.unknown);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(streams_subscribed_to_later_count_too, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_instance_counts_and_one_that_never_lived_is_none, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(one_damaged_capture_makes_all_unknown_whichever_it_is, set_up,
                                        tear_down),
    };
    check_filter();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
