// From options, environment and file to one configuration; and what the simulator adds to it.
// links: orchestrator config base
#include "orchestrator/plan/resolve.h"
#include "tests/support/check.h"

#include <string.h>

/* environment: "NAME=value" pairs, as a test gives them. */
static const char *environment_get(void *context, const char *name)
{
    const char *const *pairs = context;
    size_t length = strlen(name);
    for (; pairs && *pairs; pairs++)
        if (strncmp(*pairs, name, length) == 0 && (*pairs)[length] == '=')
            return *pairs + length + 1;
    return NULL;
}

static struct options options; /* large */

static struct config *resolve(const char *const *environment, int count, const char *const *words,
                              char *mistakes, size_t size)
{
    char *argv[32] = {(char *)(uintptr_t) "orchestrator"};
    struct config *config = NULL;
    struct buffer text;
    struct error error;
    for (int i = 0; i < count; i++)
        argv[i + 1] = (char *)(uintptr_t)words[i];
    assert_ok(options_parse(count + 1, argv, &options, &error));
    buffer_init(&text, 0);
    enum status status = resolve_config(&options, environment_get, (void *)(uintptr_t)environment,
                                        1723161255030, &config, &text);
    assert_int_equal(status == STATUS_OK, config != NULL);
    snprintf(mistakes, size, "%s", buffer_text(&text));
    buffer_finish(&text);
    options_finish(&options);
    return config;
}

#define RESOLVE(environment, mistakes, ...)                                             \
    resolve(environment, (int)(sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *)), \
            (const char *[]){__VA_ARGS__}, mistakes, sizeof mistakes)

static void the_command_line_goes_before_the_environment(void **unused)
{
    (void)unused;
    char mistakes[4096];
    const char *const environment[] = {"V13_SINK=sqlite", "RUN_ID=from-env", "SYMBOLS=XUSDT", NULL};
    struct config *config = RESOLVE(environment, mistakes, "--sink", "dual", "--set", "ofi.levels=7");
    assert_non_null(config);
    assert_string_equal(config_text(config, "run.sink"), "dual");
    assert_string_equal(config_text(config, "run.run_id"), "from-env");
    assert_string_equal(config_list(config, "run.symbols").texts[0], "XUSDT");
    assert_int_equal(config_i64(config, "ofi.levels"), 7);
    config_destroy(config);
}

static void a_run_without_a_name_gets_one_from_the_time(void **unused)
{
    (void)unused;
    char mistakes[4096];
    struct config *config = RESOLVE(NULL, mistakes, "--sink", "jsonl");
    assert_non_null(config);
    const char *run_id = config_text(config, "run.run_id");
    assert_int_equal(strlen(run_id), strlen("20240808_235415-1f2e"));
    assert_memory_equal(run_id, "20240808_235415-", 16);
    config_destroy(config);
}

static void all_mistakes_of_all_sources_are_told_at_once(void **unused)
{
    (void)unused;
    char mistakes[4096];
    const char *const environment[] = {"SQLITE_BATCH_N=many", NULL};
    struct config *config =
        RESOLVE(environment, mistakes, "--sink", "paper", "--set", "ofi.levls=7", "--minutes", "-3");
    assert_null(config);
    assert_non_null(strstr(mistakes, "SQLITE_BATCH_N"));
    assert_non_null(strstr(mistakes, "option --sink: run.sink"));
    assert_null(strstr(mistakes, "run.sink: run.sink"));
    assert_non_null(strstr(mistakes, "ofi.levls"));
    assert_non_null(strstr(mistakes, "run.minutes"));
}

static void a_file_that_is_not_there_is_a_mistake_only_when_it_was_named(void **unused)
{
    (void)unused;
    char mistakes[4096];
    struct config *config = RESOLVE(NULL, mistakes, "--config", "/nowhere.yaml");
    assert_null(config);
    assert_non_null(strstr(mistakes, "/nowhere.yaml"));
}

static void run_enable_names_everything_that_will_run(void **unused)
{
    (void)unused;
    char mistakes[4096];
    struct module_choice choice;
    struct error error;
    struct config *config = RESOLVE(NULL, mistakes, "--enable", "signal,broker");
    assert_ok(resolve_modules(config, &choice, &error));
    struct buffer text;
    buffer_init(&text, 0);
    config_value_text(config, "run.enable", &text);
    assert_string_equal(buffer_text(&text), "simulator,harvest,archive,features,signal,broker");
    buffer_finish(&text);
    config_destroy(config);
    const char *const unpaid[] = {"PAPER_ENABLE=0", NULL};
    config = RESOLVE(unpaid, mistakes, "--enable", "broker");
    assert_ok(resolve_modules(config, &choice, &error));
    assert_int_equal(choice.enabled | choice.implied, 0);
    config_destroy(config);
}

static struct venue_streams streams_of(const char *json)
{
    struct venue_streams streams = {.symbol_count = 0};
    struct error error;
    assert_ok(venue_streams_parse(json, strlen(json), &streams, &error));
    return streams;
}

static const char SPOT[] = "{\"market\":\"spot\",\"symbols\":[\"AAA\",\"BBB\"],\"streams\":[\"aaa@trade\","
                           "\"aaa@depth@100ms\",\"aaa@bookTicker\",\"bbb@trade\",\"bbb@depth20@100ms\"]}";

static void what_the_simulator_serves_is_taken_over(void **unused)
{
    (void)unused;
    char mistakes[4096];
    struct error error;
    struct config *config = RESOLVE(NULL, mistakes, "--capture", "/dev/null");
    struct venue_streams streams = streams_of(SPOT);
    assert_true(resolve_recorded(config));
    assert_ok(resolve_venue(config, &streams, 4711, &error));
    assert_string_equal(config_text(config, "harvest.market"), "spot");
    assert_string_equal(config_text(config, "harvest.trade_stream"), "trade");
    assert_string_equal(config_text(config, "harvest.depth_stream"), "@depth@100ms");
    assert_string_equal(config_text(config, "harvest.combined_url"), "ws://127.0.0.1:4711");
    assert_string_equal(config_text(config, "harvest.rest_url"), "http://127.0.0.1:4711");
    assert_int_equal(config_i64(config, "simulator.port"), 4711);
    assert_int_equal(config_list(config, "run.symbols").count, 2);
    venue_streams_finish(&streams);
    config_destroy(config);
}

static void a_capture_that_cannot_be_read_is_a_mistake(void **unused)
{
    (void)unused;
    char mistakes[4096];
    assert_null(RESOLVE(NULL, mistakes, "--capture", "/nowhere/x.gz"));
    assert_non_null(strstr(mistakes, "/nowhere/x.gz cannot be read"));
}

static void what_a_person_chose_stays_or_is_a_contradiction(void **unused)
{
    (void)unused;
    char mistakes[4096];
    struct error error;
    struct venue_streams streams = streams_of(SPOT);
    struct config *config = RESOLVE(NULL, mistakes, "--symbols", "BBB");
    assert_ok(resolve_venue(config, &streams, 4711, &error));
    assert_int_equal(config_list(config, "run.symbols").count, 1);
    config_destroy(config);
    config = RESOLVE(NULL, mistakes, "--symbols", "CCC");
    assert_int_equal(resolve_venue(config, &streams, 4711, &error), STATUS_INVALID);
    assert_non_null(strstr(error.text, "CCC"));
    config_destroy(config);
    config = RESOLVE(NULL, mistakes, "--set", "harvest.market=coinm");
    assert_int_equal(resolve_venue(config, &streams, 4711, &error), STATUS_INVALID);
    assert_non_null(strstr(error.text, "coinm"));
    config_destroy(config);
    venue_streams_finish(&streams);
}

static void aggregated_trades_go_before_raw_ones(void **unused)
{
    (void)unused;
    struct venue_streams streams =
        streams_of("{\"market\":\"usdm\",\"symbols\":[\"A\"],\"streams\":[\"a@trade\","
                   "\"a@aggTrade\",\"a@depth@0ms\"]}");
    assert_string_equal(streams.trade_stream, "aggTrade");
    assert_string_equal(streams.depth_stream, "@depth@0ms");
    venue_streams_finish(&streams);
}

static void a_wrong_answer_of_the_simulator_is_refused(void **unused)
{
    (void)unused;
    static const char *const WRONG[] = {
        "", "[]", "{", "{\"symbols\":[]}", "{\"symbols\":[7]}", "{\"symbols\":7}"};
    struct venue_streams streams = {.symbol_count = 0};
    struct error error;
    for (size_t i = 0; i < sizeof WRONG / sizeof *WRONG; i++)
        assert_int_equal(venue_streams_parse(WRONG[i], strlen(WRONG[i]), &streams, &error), STATUS_MALFORMED);
}

static bool has(char **environment, const char *text)
{
    for (; *environment; environment++)
        if (strcmp(*environment, text) == 0)
            return true;
    return false;
}

static void a_child_gets_only_the_variables_listed_for_it(void **unused)
{
    (void)unused;
    const char *const pairs[] = {"PATH=/bin",           "RUN_ID=r",  "SQLITE_BATCH_N=7",
                                 "INFLUX_TOKEN=secret", "EDITOR=ed", NULL};
    char **environment = resolve_environment("signal", environment_get, (void *)(uintptr_t)pairs);
    assert_true(has(environment, "PATH=/bin"));
    assert_true(has(environment, "TZ=UTC"));
    assert_true(has(environment, "RUN_ID=r"));
    assert_true(has(environment, "SQLITE_BATCH_N=7"));
    assert_false(has(environment, "INFLUX_TOKEN=secret"));
    assert_false(has(environment, "EDITOR=ed"));
    resolve_environment_free(environment);
    environment = resolve_environment("archive", environment_get, (void *)(uintptr_t)pairs);
    assert_false(has(environment, "SQLITE_BATCH_N=7"));
    resolve_environment_free(environment);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_command_line_goes_before_the_environment),
        cmocka_unit_test(a_run_without_a_name_gets_one_from_the_time),
        cmocka_unit_test(all_mistakes_of_all_sources_are_told_at_once),
        cmocka_unit_test(a_file_that_is_not_there_is_a_mistake_only_when_it_was_named),
        cmocka_unit_test(run_enable_names_everything_that_will_run),
        cmocka_unit_test(a_capture_that_cannot_be_read_is_a_mistake),
        cmocka_unit_test(what_the_simulator_serves_is_taken_over),
        cmocka_unit_test(what_a_person_chose_stays_or_is_a_contradiction),
        cmocka_unit_test(aggregated_trades_go_before_raw_ones),
        cmocka_unit_test(a_wrong_answer_of_the_simulator_is_refused),
        cmocka_unit_test(a_child_gets_only_the_variables_listed_for_it),
    };
    check_filter();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
