// What monitor, top and status show: whole columns, nothing lost in a narrow terminal, no age where event time is not wall time.
// links: orchctl orchestrator base yyjson
#include "orchestrator/orchctl/screen.h"
#include "tests/support/check.h"

#include <stdio.h>
#include <string.h>

enum { COLUMNS = 11, WIDTH_MAX = 160 };

static const char *const TITLES[COLUMNS] = {"process", "pid",   "state",    "health", "restarts", "rss MB",
                                            "files",   "cpu %", "lag rows", "rows/s", "beat ms"};

/* status_of: a run of two processes under one of the clocks, one that has been scaled away, one that has no symbol. */
static yyjson_doc *status_of(const char *clock)
{
    char text[2048];
    snprintf(
        text, sizeof text,
        "{\"run_id\":\"r\",\"event_clock\":\"%s\",\"wall_ms\":1800000000000,\"event_ts_ms\":1723161260000,"
        "\"processes\":["
        "{\"name\":\"harvest\",\"pid\":101,\"state\":\"running\",\"health\":\"healthy\",\"failed_"
        "conditions\":\"\","
        "\"restart_count\":0,\"rows_per_s\":812.5,\"lag_rows\":0,\"heartbeat_age_ms\":120,\"last_exit\":null,"
        "\"cpu_percent\":1.5,\"gauges\":{\"latency_ms_p50\":76838740000},"
        "\"heartbeat\":{\"event_ts_ms\":1723161260000,\"rss_mb\":8.1,\"open_files\":24}},"
        "{\"name\":\"signal.2\",\"pid\":102,\"state\":\"restarting\",\"health\":\"unhealthy\","
        "\"failed_conditions\":\"no_heartbeat, "
        "rows_not_growing\",\"restart_count\":2,\"rows_per_s\":0,\"lag_rows\":41,"
        "\"heartbeat_age_ms\":950,\"last_exit\":\"signal 9\",\"cpu_percent\":0,"
        "\"heartbeat\":{\"event_ts_ms\":1723161258500,\"rss_mb\":7.5,\"open_files\":22}},"
        "{\"name\":\"signal.3\",\"pid\":null,\"state\":\"stopped\",\"health\":\"healthy\",\"failed_"
        "conditions\":\"\",\"restart_count\":0,\"rows_per_s\":0,\"lag_rows\":0,\"last_exit\":null,"
        "\"heartbeat\":{\"event_ts_ms\":1723161136000,\"rss_mb\":7.5,\"open_files\":22}},"
        "{\"name\":\"harvest.2\",\"pid\":103,\"state\":\"running\",\"idle\":true,\"health\":\"healthy\","
        "\"failed_"
        "conditions\":\"\",\"restart_count\":0,\"rows_per_s\":0,\"lag_rows\":0,\"last_exit\":null,"
        "\"heartbeat\":{\"event_ts_ms\":1723161140000,\"rss_mb\":7.5,\"open_files\":22}}]}",
        clock);
    yyjson_doc *document = yyjson_read(text, strlen(text), 0);
    assert_non_null(document);
    return document;
}

/* titles_in: how many titles a head line consists of; it consists of nothing else. */
static size_t titles_in(const char *line, size_t length)
{
    char rest[512], *at;
    size_t found = 0;
    snprintf(rest, sizeof rest, "%.*s", (int)length, line);
    for (size_t i = 0; i < COLUMNS; i++)
        if ((at = strstr(rest, TITLES[i])) != NULL) {
            memset(at, ' ', strlen(TITLES[i]));
            found++;
        }
    assert_int_equal(strspn(rest, " "), strlen(rest));
    return found;
}

static void a_narrow_terminal_leaves_out_whole_columns_and_counts_them(void **unused)
{
    (void)unused;
    yyjson_doc *document = status_of("wall");
    const struct screen_answers answers = {.status = yyjson_doc_get_root(document)};
    size_t before = COLUMNS;
    for (size_t width = WIDTH_MAX; width >= 24; width--) {
        struct buffer out, others;
        buffer_init(&out, 0);
        buffer_init(&others, 0);
        size_t hidden = screen_processes(&out, &answers, width, false);
        size_t length = strcspn(buffer_text(&out), "\n");
        assert_true(length <= width);
        assert_int_equal(titles_in(buffer_text(&out), length) + hidden, COLUMNS);
        assert_true(hidden + before >= COLUMNS); /* a narrower one never shows more */
        before = COLUMNS - hidden;
        screen_processes(&others, &answers, width, true);
        assert_int_equal(titles_in(buffer_text(&others), strcspn(buffer_text(&others), "\n")), hidden + 1);
        buffer_finish(&out);
        buffer_finish(&others);
    }
    struct buffer all;
    buffer_init(&all, 0);
    assert_int_equal(screen_processes(&all, &answers, 0, false), 0);
    buffer_clear(&all);
    assert_true(screen_processes(&all, &answers, 80, false) > 0);
    assert_null(strstr(buffer_text(&all), "files")); /* the least important first */
    assert_non_null(strstr(buffer_text(&all), "rows/s"));
    buffer_finish(&all);
    yyjson_doc_free(document);
}

/* without_blanks: what there is to read. */
static void without_blanks(const char *text, char *out)
{
    for (; *text; text++)
        if (*text != ' ' && *text != '\n')
            *out++ = *text;
    *out = 0;
}

static void a_line_that_finds_no_room_goes_on_in_the_next(void **unused)
{
    (void)unused;
    yyjson_doc *document = status_of("wall");
    const struct screen_answers answers = {.status = yyjson_doc_get_root(document)};
    struct buffer text, fitted;
    char wanted[8192], shown[8192];
    buffer_init(&text, 0);
    buffer_init(&fitted, 0);
    screen_head(&text, &answers);
    screen_harvest(&text, &answers);
    screen_report(&text, &answers);
    screen_rest(&text, &answers);
    buffer_append_text(&text, "averyveryveryverylongwordthatfindsnoroomanywhereatallwhateverisdone\n");
    without_blanks(buffer_text(&text), wanted);
    for (size_t width = 8; width < WIDTH_MAX; width++) {
        buffer_clear(&fitted);
        size_t lines = screen_fit(&fitted, &text, width, 0, 0);
        for (const char *at = buffer_text(&fitted); *at; lines--) {
            size_t length = strcspn(at, "\n");
            assert_true(length <= width);
            at += length + 1;
        }
        assert_int_equal(lines, 0);
        without_blanks(buffer_text(&fitted), shown);
        assert_string_equal(shown, wanted);
    }
    buffer_finish(&text);
    buffer_finish(&fitted);
    yyjson_doc_free(document);
}

static void a_line_is_broken_between_two_fields(void **unused)
{
    (void)unused;
    struct buffer text, fitted;
    buffer_init(&text, 0);
    buffer_init(&fitted, 0);
    buffer_append_text(&text, "one field  another field  a third one\nshort\n\nlast\n");
    assert_int_equal(screen_fit(&fitted, &text, 27, 0, 0), 5);
    assert_string_equal(buffer_text(&fitted), "one field  another field\n    a third one\nshort\n\nlast\n");
    buffer_clear(&fitted);
    assert_int_equal(screen_fit(&fitted, &text, 27, 2, 1), 5); /* a window: two lines, from the second */
    assert_string_equal(buffer_text(&fitted), "    a third one\nshort\n");
    buffer_finish(&text);
    buffer_finish(&fitted);
}

static void a_line_is_cut_between_characters_and_by_the_columns_they_take(void **unused)
{
    (void)unused;
    struct buffer text, fitted;
    buffer_init(&text, 0);
    buffer_init(&fitted, 0);
    buffer_append_text(&text, "größer→größer→größer\n");
    assert_int_equal(screen_fit(&fitted, &text, 7, 0, 0), 3);
    assert_string_equal(buffer_text(&fitted), "größer→\ngrößer→\ngrößer\n");
    buffer_clear(&text);
    buffer_clear(&fitted);
    buffer_append_text(
        &text,
        "価格価格 e\xcc\x81t\xff\n"); /* two columns each; a mark that takes none; a byte that is no UTF-8 */
    assert_int_equal(screen_fit(&fitted, &text, 5, 0, 0), 3);
    assert_string_equal(buffer_text(&fitted), "価格\n価格\ne\xcc\x81t\xff\n");
    for (size_t width = 1; width < 12; width++) {
        buffer_clear(&fitted);
        screen_fit(&fitted, &text, width, 0, 0);
        assert_null(strstr(buffer_text(&fitted), "\xe4\n"));
        assert_null(strstr(buffer_text(&fitted), "\xbe\n"));
    }
    buffer_finish(&text);
    buffer_finish(&fitted);
}

static void who_is_stopped_has_no_figures_of_now(void **unused)
{
    (void)unused;
    yyjson_doc *document = status_of("wall");
    const struct screen_answers answers = {.status = yyjson_doc_get_root(document)};
    struct buffer out;
    buffer_init(&out, 0);
    screen_processes(&out, &answers, 0, false);
    const char *line = strstr(buffer_text(&out), "\nsignal.3");
    assert_non_null(line);
    const char *next = strchr(line + 1, 0x0a);
    char own[WIDTH_MAX];
    snprintf(own, sizeof own, "%.*s", (int)(next ? next - line : (long)strlen(line)), line);
    line = own;
    assert_null(strstr(line, "7.5"));
    assert_null(strstr(line, "22"));
    buffer_finish(&out);
    yyjson_doc_free(document);
}

static void ages_are_told_on_the_wall_clock_only(void **unused)
{
    (void)unused;
    static const char *const CLOCKS[] = {"wall", "recorded", "scaled"};
    for (size_t i = 0; i < 3; i++) {
        yyjson_doc *document = status_of(CLOCKS[i]);
        const struct screen_answers answers = {.status = yyjson_doc_get_root(document)};
        struct buffer out;
        buffer_init(&out, 0);
        screen_head(&out, &answers);
        screen_harvest(&out, &answers);
        const char *text = buffer_text(&out);
        assert_non_null(strstr(text, "event time 2024-08-08T23:54:20.000Z"));
        assert_non_null(strstr(text, "last signal.2, 1.5 s behind"));
        assert_int_equal(strstr(text, ", age ") != NULL, i == 0);
        assert_int_equal(strstr(text, "p50 76838740000") != NULL, i == 0);
        assert_int_equal(strstr(text, "p50 -") != NULL, i > 0);
        assert_int_equal(strstr(text, CLOCKS[i]) != NULL, i > 0);
        buffer_finish(&out);
        yyjson_doc_free(document);
    }
}

/* shown: what one part of the screen makes of a status and a list of gates. */
static struct buffer shown(void (*part)(struct buffer *, const struct screen_answers *), const char *status,
                           const char *gates)
{
    struct buffer out;
    yyjson_doc *first = yyjson_read(status, strlen(status), 0),
               *second = yyjson_read(gates, strlen(gates), 0);
    assert_true(first && second);
    const struct screen_answers answers = {.status = yyjson_doc_get_root(first),
                                           .gates = yyjson_doc_get_root(second)};
    buffer_init(&out, 0);
    part(&out, &answers);
    yyjson_doc_free(first);
    yyjson_doc_free(second);
    return out;
}

static void alerts_that_are_over_are_counted_and_those_that_are_open_are_shown(void **unused)
{
    (void)unused;
    struct buffer text, out;
    buffer_init(&text, 0);
    buffer_append_text(&text, "{\"alerts\":{\"active_count\":23,\"total_triggered\":30,\"triggered\":[");
    for (int i = 0; i < 30; i++)
        buffer_format(
            &text,
            "%s{\"level\":\"critical\",\"rule\":\"r\",\"message\":\"number %d.\",\"triggered_at\":\"T\"%s}",
            i ? "," : "", i, i < 7 ? ",\"recovered_at\":\"U\"" : "");
    buffer_append_text(&text, "]}}");
    out = shown(screen_rest, buffer_text(&text), "{}");
    assert_non_null(strstr(buffer_text(&out), "alerts  open 23  so far 30\n"));
    assert_null(strstr(buffer_text(&out), "number 6."));
    assert_non_null(strstr(buffer_text(&out), "  critical r since T: number 7.\n"));
    assert_non_null(strstr(buffer_text(&out), "number 26.\n  and 3 more open ones"));
    buffer_finish(&out);
    buffer_finish(&text);
}

static void harvest_is_told_of_each_symbol_whichever_instance_hears_it(void **unused)
{
    (void)unused;
    struct buffer out = shown(
        screen_harvest,
        "{\"symbols\":[\"A\",\"B\"],\"processes\":["
        "{\"name\":\"harvest.1\",\"counters\":{\"reconnect_count\":2,\"queue_dropped\":3,"
        "\"trade_gap_ids_total/harvest/A\":5,\"book_seq_gap_total/harvest/A\":1,"
        "\"dedup_hits_total/harvest/A\":9,\"reconnect_count/harvest/A\":2,\"queue_dropped/harvest/A\":2,"
        "\"queue_dropped/harvest/B\":1},"
        "\"gauges\":{\"latency_ms_p50\":3,\"latency_ms_p99\":8,\"latency_ms_p50/harvest/A\":3,"
        "\"latency_ms_p99/harvest/A\":8}},"
        "{\"name\":\"harvest.2\",\"counters\":{\"reconnect_count\":1,\"queue_dropped\":4,"
        "\"stage_retention_dropped\":6,\"stage_retention_dropped/harvest/B\":6,"
        "\"trade_gap_ids_total/harvest/B\":0,\"reconnect_count/harvest/B\":0,"
        "\"queue_dropped/harvest/B\":4},"
        "\"gauges\":{\"latency_ms_p50\":4,\"latency_ms_p99\":70,\"latency_ms_p50/harvest/B\":4,"
        "\"latency_ms_p99/harvest/B\":70}},"
        "{\"name\":\"features\",\"counters\":{\"reconnect_count/harvest/B\":77}},"
        "{\"name\":\"report\",\"gauges\":{\"recv_rate_tps/harvest/A\":12.5}}]}",
        "{}");
    const char *text = buffer_text(&out);
    assert_non_null(strstr(text, "harvest  latency ms p50 4 p99 70  reconnects 3  dropped 13\n"));
    assert_non_null(strstr(text,
                           "A            trades/s 12.5  latency ms p50 3 p99 8  reconnects 2  dropped 2  "
                           "gap ids 5  book gaps 1  duplicates 9\n"));
    assert_non_null(strstr(text,
                           "B            trades/s -  latency ms p50 4 p99 70  reconnects 0  dropped 11  "
                           "gap ids 0  book gaps -"));
    buffer_finish(&out);
}

/* with_symbols: a status of so many; what harvest tells of each is its number. */
static void with_symbols(struct buffer *status, size_t count)
{
    buffer_append_text(status, "{\"symbols\":[");
    for (size_t i = 0; i < count; i++)
        buffer_format(status, "%s\"S%zu\"", i ? "," : "", i);
    buffer_append_text(status, "],\"processes\":[{\"name\":\"harvest\",\"counters\":{");
    for (size_t i = 0; i < count; i++)
        buffer_format(status, "%s\"reconnect_count/harvest/S%zu\":%zu", i ? "," : "", i, i);
    buffer_append_text(status, "}}]}");
}

static void a_thousand_symbols_are_told_of_behind_all_else(void **unused)
{
    (void)unused;
    enum { FEW = 20, MANY = 1000 };
    struct buffer status, out;
    buffer_init(&status, 0);
    with_symbols(&status, FEW);
    out = shown(screen_harvest, buffer_text(&status), "{}");
    assert_non_null(strstr(buffer_text(&out), "reconnects 19 "));
    buffer_finish(&out);
    out = shown(screen_symbols, buffer_text(&status), "{}");
    assert_int_equal(out.length, 0);
    buffer_finish(&out);
    buffer_clear(&status);
    with_symbols(&status, MANY);
    out = shown(screen_harvest, buffer_text(&status), "{}");
    assert_null(strstr(buffer_text(&out), "S0"));
    buffer_finish(&out);
    out = shown(screen_symbols, buffer_text(&status), "{}");
    for (size_t i = 0; i < MANY; i++) {
        char line[80];
        snprintf(line, sizeof line, "  S%-11zu trades/s -  latency ms p50 - p99 -  reconnects %zu  ", i, i);
        assert_non_null(strstr(buffer_text(&out), line));
    }
    buffer_finish(&out);
    buffer_finish(&status);
}

static void minutes_are_those_of_the_run_and_a_share_is_not_rounded(void **unused)
{
    (void)unused;
    struct buffer out =
        shown(screen_head, "{\"elapsed_s\":9,\"planned_minutes\":10,\"time_scale\":30}", "{}");
    assert_non_null(strstr(buffer_text(&out), "4:30 of 10 min (30 times as fast)"));
    buffer_finish(&out);
    out = shown(screen_gates, "{}",
                "{\"set\":\"soak\",\"gates\":[{\"verdict\":\"FAIL\",\"id\":\"health_checks\",\"measured\":0."
                "9777,\"op\":\">=\","
                "\"threshold\":0.98,\"unit\":\"share\"},{\"verdict\":\"PASS\",\"id\":\"orders\",\"measured\":"
                "120,\"op\":\">=\","
                "\"threshold\":100,\"unit\":\"orders\"}]}");
    assert_non_null(strstr(buffer_text(&out), "0.9777 >= 0.9800 share"));
    assert_non_null(strstr(buffer_text(&out), " 120 >= 100 orders"));
    buffer_finish(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_narrow_terminal_leaves_out_whole_columns_and_counts_them),
        cmocka_unit_test(a_line_that_finds_no_room_goes_on_in_the_next),
        cmocka_unit_test(a_line_is_broken_between_two_fields),
        cmocka_unit_test(a_line_is_cut_between_characters_and_by_the_columns_they_take),
        cmocka_unit_test(who_is_stopped_has_no_figures_of_now),
        cmocka_unit_test(ages_are_told_on_the_wall_clock_only),
        cmocka_unit_test(alerts_that_are_over_are_counted_and_those_that_are_open_are_shown),
        cmocka_unit_test(harvest_is_told_of_each_symbol_whichever_instance_hears_it),
        cmocka_unit_test(a_thousand_symbols_are_told_of_behind_all_else),
        cmocka_unit_test(minutes_are_those_of_the_run_and_a_share_is_not_rounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
