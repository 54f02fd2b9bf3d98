// The distance of the venue's clock, against a venue made of net/server and a clock that stands still.
// links: service_harvest market journal net proto base yyjson
#include "net/server.h"
#include "services/harvest/venue_clock.h"
#include "tests/support/check.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { TURNS_MAX = 20000 };

struct bench {
    struct server *server;
    struct clock_manual time;
    struct venue_clock *clock;
    int64_t venue_ms; /* 0: answers nonsense */
    int64_t way_ms;   /* passes between question and answer */
    int asked;
    char path[64];
};

static void on_request(void *context, struct server_request *request)
{
    struct bench *bench = context;
    char body[64];
    bench->asked++;
    snprintf(bench->path, sizeof bench->path, "%s", server_request_target(request)->path);
    clock_manual_advance(&bench->time, bench->way_ms * 1000000);
    snprintf(body, sizeof body, bench->venue_ms ? "{\"serverTime\":%" PRId64 "}" : "<html>busy</html>",
             bench->venue_ms);
    server_answer(request, &(struct server_answer){.status = 200,
                                                   .content_type = "application/json",
                                                   .body = body,
                                                   .body_bytes = strlen(body)});
}

static void bench_open(struct bench *bench, enum venue_market market)
{
    struct error error;
    char url[64];
    *bench = (struct bench){.time = {.wall_ns = 1700000000000 * 1000000LL, .monotonic_ns = 5000000}};
    struct server_config server = {
        .host = "127.0.0.1", .connections_max = 4, .handlers = {.request = on_request}, .context = bench};
    assert_int_equal(server_create(&server, &bench->server, &error), STATUS_OK);
    snprintf(url, sizeof url, "http://127.0.0.1:%d", server_port(bench->server));
    struct venue_clock_config config = {
        .rest_url = url, .market = market, .clock = clock_from_manual(&bench->time)};
    assert_int_equal(venue_clock_create(&config, &bench->clock, &error), STATUS_OK);
}

static void bench_close(struct bench *bench)
{
    venue_clock_destroy(bench->clock);
    server_destroy(bench->server);
}

/* settle: turns until no answer is awaited any more. */
static void settle(struct bench *bench)
{
    int turns = 0;
    while (venue_clock_run(bench->clock)) {
        assert_true(++turns < TURNS_MAX);
        assert_int_equal(server_run_once(bench->server, 1), STATUS_OK);
    }
}

static void the_offset_is_the_venues_time_less_ours_at_the_middle_of_the_way(void **state)
{
    struct bench bench;
    (void)state;
    bench_open(&bench, VENUE_USDM);
    assert_true(isnan(venue_clock_offset_ms(bench.clock)));
    bench.venue_ms = 1700000000250 + 15; /* 250 ms ahead, 15 ms of the 30 on the way */
    bench.way_ms = 30;
    settle(&bench);
    assert_float_equal(venue_clock_offset_ms(bench.clock), 250, 0);
    assert_string_equal(bench.path, "/fapi/v1/time");
    bench_close(&bench);
}

static void it_is_asked_again_after_five_minutes_and_not_before(void **state)
{
    struct bench bench;
    (void)state;
    bench_open(&bench, VENUE_SPOT);
    bench.venue_ms = 1700000000000;
    settle(&bench);
    clock_manual_advance(&bench.time, (VENUE_CLOCK_INTERVAL_MS - 1) * 1000000LL);
    settle(&bench);
    assert_int_equal(bench.asked, 1);
    clock_manual_advance(&bench.time, 1000000);
    bench.venue_ms = 1700000000000 + VENUE_CLOCK_INTERVAL_MS - 40; /* has fallen behind */
    settle(&bench);
    assert_int_equal(bench.asked, 2);
    assert_float_equal(venue_clock_offset_ms(bench.clock), -40, 0);
    assert_string_equal(bench.path, "/api/v3/time");
    bench_close(&bench);
}

static void what_is_no_time_is_counted_asked_again_soon_and_leaves_the_last_figure(void **state)
{
    struct bench bench;
    (void)state;
    bench_open(&bench, VENUE_COINM);
    settle(&bench);
    assert_true(isnan(venue_clock_offset_ms(bench.clock)));
    assert_int_equal(venue_clock_failures(bench.clock), 1);
    settle(&bench);
    assert_int_equal(bench.asked, 1);
    clock_manual_advance(&bench.time, VENUE_CLOCK_RETRY_MS * 1000000LL);
    bench.venue_ms = 1700000000000 + VENUE_CLOCK_RETRY_MS + 7;
    settle(&bench);
    assert_float_equal(venue_clock_offset_ms(bench.clock), 7, 0);
    assert_int_equal(venue_clock_failures(bench.clock), 1);
    bench_close(&bench);
}

static void nobody_has_no_clock(void **state)
{
    (void)state;
    assert_false(venue_clock_run(NULL));
    assert_true(isnan(venue_clock_offset_ms(NULL)));
    assert_int_equal(venue_clock_failures(NULL), 0);
    venue_clock_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_offset_is_the_venues_time_less_ours_at_the_middle_of_the_way),
        cmocka_unit_test(it_is_asked_again_after_five_minutes_and_not_before),
        cmocka_unit_test(what_is_no_time_is_counted_asked_again_soon_and_leaves_the_last_figure),
        cmocka_unit_test(nobody_has_no_clock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
