// links: bus config proto base
/* Where instances listen. */
#include "tests/support/check.h"

#include "bus/endpoint.h"

static void sockets_in_a_folder(void **state)
{
    (void)state;
    char text[ENDPOINT_BYTES];
    struct endpoint_place place = {.folder = "runtime/bus", .port = 5670};
    endpoint_of(&place, "signal.2", ENDPOINT_PUBLISHER, text);
    assert_string_equal(text, "ipc://runtime/bus/signal.2.pub");
    endpoint_to_bind(&place, "signal.2", "0.0.0.0", ENDPOINT_ROUTER, text);
    assert_string_equal(text, "ipc://runtime/bus/signal.2.ctl");
}

static void over_tcp_the_instance_is_the_host(void **state)
{
    (void)state;
    char text[ENDPOINT_BYTES];
    struct endpoint_place place = {.port = 5670};
    endpoint_of(&place, "harvest", ENDPOINT_PUBLISHER, text);
    assert_string_equal(text, "tcp://harvest:5670");
    endpoint_of(&place, "signal.2", ENDPOINT_ROUTER, text);
    assert_string_equal(text, "tcp://signal-2:5671"); /* a name with dots would be asked for outside */
    endpoint_to_bind(&place, "signal.2", "0.0.0.0", ENDPOINT_ROUTER, text);
    assert_string_equal(text, "tcp://0.0.0.0:5671");
}

static void a_line_of_the_table_goes_before_the_name(void **state)
{
    (void)state;
    char text[ENDPOINT_BYTES];
    const char *const hosts[] = {"signal=10.0.0.7", "signal.2=far.example:7000"};
    struct endpoint_place place = {.port = 5670, .hosts = hosts, .host_count = 2};
    endpoint_of(&place, "signal", ENDPOINT_PUBLISHER, text);
    assert_string_equal(text, "tcp://10.0.0.7:5670");
    endpoint_of(&place, "signal.2", ENDPOINT_ROUTER, text);
    assert_string_equal(text, "tcp://far.example:7001");
    endpoint_to_bind(&place, "signal.2", "127.0.0.1", ENDPOINT_PUBLISHER, text);
    assert_string_equal(text, "tcp://127.0.0.1:7000");
    endpoint_of(&place, "signal.23", ENDPOINT_PUBLISHER, text);
    assert_string_equal(text, "tcp://signal-23:5670");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sockets_in_a_folder),
        cmocka_unit_test(over_tcp_the_instance_is_the_host),
        cmocka_unit_test(a_line_of_the_table_goes_before_the_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
