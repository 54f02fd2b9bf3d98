// links: report store base proto yyjson

#include "report_life.h"
#include "services/report/report_store.h"

#include <glob.h>

static void a_stop_in_the_middle_writes_the_figures_as_of_now(void **state)
{
    (void)state;
    struct life life;
    life_begin(&life);
    feed_trade(&life, 1);
    assert_false(report_service_idle(life.service, false)); /* not stored yet */
    until_idle(&life);
    assert_false(is_final(&life));
    assert_int_equal(report_service_figures(life.service).worker.written, 1);
    feed_trade(&life, 2);
    struct error error;
    while (!report_service_idle(life.service,
                                false)) /* running on: it is stored, and nobody asked for a summary */
        assert_ok(report_service_turn(life.service, &error));
    assert_int_equal(report_service_figures(life.service).worker.written, 1);
    until_idle(&life);
    yyjson_doc *document = summary(&life);
    assert_int_equal(integer(document, "/volumes/BTCUSDT/trades"), 2);
    assert_string_equal(yyjson_get_str(yyjson_doc_ptr_get(document, "/volumes/BTCUSDT/taker_buy")), "0.2");
    yyjson_doc_free(document);
    life_end(&life);
}

static void the_end_of_every_stream_brings_the_final_summary_and_parity(void **state)
{
    (void)state;
    struct life life;
    struct signal_row row = fixture_confirmed("BTCUSDT", FIXTURE_START_MS, 1, SIGNAL_BUY);
    life_begin(&life);
    fixture_both(&life.fixture, &row, 1);
    beat(&life, 5, 0);
    beat(&life, 6, 2);
    feed_trade(&life, 1);
    feed(&life, "signal", 1, &signal_message, &row);
    feed_end(&life, "harvest", 2);
    feed_end(&life, "signal", 2);
    until_idle(&life);
    assert_true(is_final(&life));
    yyjson_doc *document = summary(&life);
    assert_int_equal(integer(document, "/total"), 1);
    assert_int_equal(integer(document, "/deduplicated"), 6);
    assert_int_equal(integer(document, "/dropped"), 2);
    assert_int_equal(integer(document, "/signals_published"), 1);
    assert_true(yyjson_get_bool(yyjson_doc_ptr_get(document, "/streams_ended")));
    yyjson_doc_free(document);
    document = read_json(&life, "parity_diff_run-1.json");
    assert_string_equal(yyjson_get_str(yyjson_doc_ptr_get(document, "/verdict")), "PASS");
    yyjson_doc_free(document);
    int64_t written = report_service_figures(life.service).worker.written;
    until_idle(&life); /* asked again: nothing new, nothing written */
    assert_int_equal(report_service_figures(life.service).worker.written, written);
    life_end(&life);
}

/* is_reserved: there is a file of the summaries' name that names this run, and nothing more. */
static bool is_reserved(const struct life *life)
{
    char pattern[PATH_BYTES];
    glob_t found = {0};
    path_join(pattern, life->fixture.folder, "report/summary_*_jsonl.json");
    assert_int_equal(glob(pattern, 0, NULL, &found), 0);
    char *text = fixture_read(found.gl_pathv[0]);
    bool reserved = strcmp(text, "{\"run_id\":\"run-1\"}") == 0;
    free(text);
    globfree(&found);
    return reserved;
}

static void a_run_that_is_concluded_later_is_stored_and_gets_no_final_summary_from_us(void **state)
{
    (void)state;
    struct life life;
    struct error error;
    struct stored stored;
    struct signal_row row = fixture_confirmed("BTCUSDT", FIXTURE_START_MS, 1, SIGNAL_BUY);
    life_begin(&life);
    fixture_both(&life.fixture, &row, 1);
    feed_trade(&life, 1);
    feed(&life, "signal", 1, &signal_message, &row);
    assert_ok(report_service_command(life.service, "drain", "{\"summary\":\"later\"}", &error));
    feed_end(&life, "harvest", 2);
    feed_end(&life, "signal", 2);
    until_idle(&life);
    assert_int_equal(report_service_figures(life.service).worker.written, 0);
    assert_int_equal(report_service_position(life.service, "signal/BTCUSDT"), 1); /* its end is seen again */
    assert_ok(report_store_read(life.store_path, &stored, &error));
    assert_int_equal(stored.figures.symbol_count, 1);
    assert_int_equal(stored.figures.symbols[0].signals, 1);
    stored_finish(&stored);
    assert_true(is_reserved(&life)); /* the next run may begin in the same minute */
    life_end(&life);
}

static void a_sink_that_lacks_published_rows_is_told(void **state)
{
    (void)state;
    struct life life;
    struct signal_row row = fixture_row("BTCUSDT", FIXTURE_START_MS, 1);
    life_begin_with(&life, true);
    fixture_jsonl(&life.fixture, &row, false);
    feed(&life, "signal", 1, &signal_message, &row);
    row.ts_ms += 100;
    feed(&life, "signal", 2, &signal_message, &row);
    feed_end(&life, "signal", 3);
    until_idle(&life); /* waits WORKER_PATIENCE_MS of the clock for the second row */
    yyjson_doc *document = summary(&life);
    char *text = yyjson_val_write(yyjson_doc_ptr_get(document, "/warnings"), 0, NULL);
    assert_non_null(strstr(text, "\"ROWS_MISSING=1\""));
    free(text);
    yyjson_doc_free(document);
    life_end(&life);
}

/* rows_behind_gaps: -1: of no gap was heard. */
static int64_t rows_behind_gaps(const struct life *life)
{
    yyjson_doc *document = summary(life);
    yyjson_val *gaps = yyjson_doc_ptr_get(document, "/event_signal_linkage/types/gap/n");
    int64_t rows = gaps ? yyjson_get_sint(gaps) : -1;
    yyjson_doc_free(document);
    return rows;
}

/* The first summary is done with a row so old; the event that it follows is heard of later, and after that report starts anew. */
static void an_event_that_comes_late_finds_its_rows_in_every_summary(void **state)
{
    (void)state;
    struct life life;
    const int64_t old_ms = FIXTURE_START_MS - TRACKS_MARGIN_MS;
    struct signal_row row = fixture_confirmed("BTCUSDT", old_ms, 1, SIGNAL_BUY);
    struct event_row event = {.ts_ms = old_ms, .event_type = EVENT_GAP, .meta_json = "{}"};
    life_begin(&life);
    fixture_both(&life.fixture, &row, 1);
    feed_trade(&life, 1);
    until_idle(&life);
    assert_int_equal(rows_behind_gaps(&life), -1);
    feed(&life, "features", 1, &event_message, &event);
    until_idle(&life);
    assert_false(is_final(&life));
    assert_int_equal(rows_behind_gaps(&life), 1);
    report_service_close(life.service);
    life_open(&life);
    feed(&life, "features", 1, &event_message, &event); /* again, as after every start: it counts once */
    feed_trade(&life, 2);
    until_idle(&life);
    assert_false(is_final(&life));
    assert_int_equal(rows_behind_gaps(&life), 1);
    life_end(&life);
}

/* Both harvest and features say events: the one that has been read less far decides. */
static void events_are_known_as_far_as_the_slower_stream(void **state)
{
    (void)state;
    struct life life;
    struct stored stored;
    struct error error = {{0}};
    struct strategy_state_row mode;
    message_clear(&strategy_state_message, &mode);
    mode.ts_ms = FIXTURE_START_MS - 5000;
    life_begin(&life);
    feed_trade(&life, 1);
    until_idle(&life);
    assert_ok(report_store_read(life.store_path, &stored, &error));
    assert_int_equal(stored.events[0].known_ms, FIXTURE_START_MS);
    stored_finish(&stored);
    feed(&life, "features", 1, &strategy_state_message, &mode);
    until_idle(&life);
    assert_ok(report_store_read(life.store_path, &stored, &error));
    assert_int_equal(stored.events[0].known_ms, FIXTURE_START_MS - 5000);
    stored_finish(&stored);
    life_end(&life);
}

static void after_the_end_the_position_stays_one_before_it(void **state)
{
    (void)state;
    struct life life;
    life_begin(&life);
    feed_trade(&life, 1);
    assert_int_equal(report_service_position(life.service, "harvest/BTCUSDT"), 0); /* nothing stored yet */
    feed_trade(&life, 2);
    feed_end(&life, "harvest", 3);
    until_idle(&life);
    assert_int_equal(report_service_position(life.service, "harvest/BTCUSDT"), 2);
    assert_int_equal(report_service_position(life.service, "signal/BTCUSDT"), 0);

    report_service_close(life.service); /* the next life reads the end again, and counts nothing twice */
    life_open(&life);
    assert_int_equal(report_service_position(life.service, "harvest/BTCUSDT"), 2);
    feed_end(&life, "harvest", 3);
    until_idle(&life);
    assert_true(is_final(&life));
    yyjson_doc *document = summary(&life);
    assert_int_equal(integer(document, "/volumes/BTCUSDT/trades"), 2);
    yyjson_doc_free(document);
    life_end(&life);
}

static void gates_given_later_are_written_into_the_final_summary(void **state)
{
    (void)state;
    struct life life;
    struct error error = {{0}};
    life_begin(&life);
    feed_end(&life, "harvest", 1);
    assert_ok(report_service_command(life.service, "drain", "", &error));
    until_idle(&life);
    assert_ok(report_service_command(life.service, "summary", "{\"overall_verdict\":\"FAIL\",\"gates\":[]}",
                                     &error));
    assert_false(report_service_idle(life.service, true));
    until_idle(&life);
    assert_true(is_final(&life));
    yyjson_doc *document = summary(&life);
    assert_string_equal(yyjson_get_str(yyjson_doc_ptr_get(document, "/overall_verdict")), "FAIL");
    yyjson_doc_free(document);
    life_end(&life);
}

static void counts_given_at_the_end_stand_where_a_heartbeat_was_lost(void **state)
{
    (void)state;
    struct life life;
    struct error error = {{0}};
    life_begin(&life);
    feed_end(&life, "harvest", 1);
    beat(&life, 7, 2);
    assert_ok(report_service_command(life.service, "drain", "", &error));
    until_idle(&life);
    yyjson_doc *document = summary(&life);
    assert_int_equal(integer(document, "/dropped"), 2);
    yyjson_doc_free(document);
    assert_ok(report_service_command(
        life.service, "summary",
        "{\"processes\":[{\"name\":\"harvest\",\"counters\":{\"stage_retention_dropped\":2714,\"parse_"
        "errors\":3}},"
        "{\"name\":\"signal\",\"counters\":{\"deduplicated\":9},"
        "\"sinks\":[{\"sink\":\"jsonl\",\"dropped\":5,\"dedup\":1,\"write_errors\":4},{\"dropped\":100},3]},"
        "{\"counters\":{\"deduplicated\":100}},null]}",
        &error));
    until_idle(&life);
    document = summary(&life);
    assert_int_equal(integer(document, "/dropped"), 2714 + 5);
    assert_int_equal(integer(document, "/deduplicated"), 9);
    assert_int_equal(integer(document, "/dedup"), 1);
    assert_int_equal(integer(document, "/write_errors"), 4);
    assert_int_equal(integer(document, "/harvester_metrics/parse_errors"), 3);
    yyjson_doc_free(document);
    life_end(&life);
}

static void unknown_verbs_and_bad_arguments_are_refused(void **state)
{
    (void)state;
    struct life life;
    struct error error = {{0}};
    life_begin(&life);
    assert_ok(report_service_command(life.service, "go", "", &error));
    assert_int_equal(report_service_command(life.service, "dance", "", &error), STATUS_UNSUPPORTED);
    assert_int_equal(report_service_command(life.service, "drain", "{", &error), STATUS_MALFORMED);
    assert_true(error.text[0]);
    life_end(&life);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stop_in_the_middle_writes_the_figures_as_of_now),
        cmocka_unit_test(the_end_of_every_stream_brings_the_final_summary_and_parity),
        cmocka_unit_test(a_run_that_is_concluded_later_is_stored_and_gets_no_final_summary_from_us),
        cmocka_unit_test(a_sink_that_lacks_published_rows_is_told),
        cmocka_unit_test(an_event_that_comes_late_finds_its_rows_in_every_summary),
        cmocka_unit_test(events_are_known_as_far_as_the_slower_stream),
        cmocka_unit_test(after_the_end_the_position_stays_one_before_it),
        cmocka_unit_test(gates_given_later_are_written_into_the_final_summary),
        cmocka_unit_test(counts_given_at_the_end_stand_where_a_heartbeat_was_lost),
        cmocka_unit_test(unknown_verbs_and_bad_arguments_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
