// The command line of the orchestrator, and which modules it stands for.
// links: orchestrator config base
#include "orchestrator/options.h"
#include "orchestrator/plan/module.h"
#include "orchestrator/supervision/signal_name.h"
#include "tests/support/check.h"

#include <signal.h>
#include <string.h>

static struct options options; /* large */

static enum status parse(struct error *error, int count, const char *const *words)
{
    char *argv[32] = {(char *)(uintptr_t) "orchestrator"};
    for (int i = 0; i < count; i++)
        argv[i + 1] = (char *)(uintptr_t)words[i];
    return options_parse(count + 1, argv, &options, error);
}

#define PARSE(error, ...) \
    parse(error, (int)(sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *)), (const char *[]){__VA_ARGS__})

static const char *override_of(const char *key)
{
    for (size_t i = options.override_count; i > 0; i--)
        if (strcmp(options.overrides[i - 1].key, key) == 0)
            return options.overrides[i - 1].value;
    return NULL;
}

static void the_command_of_the_mission_is_understood(void **unused)
{
    (void)unused;
    struct error error;
    assert_ok(PARSE(&error, "--enable", "harvest,signal,broker,report", "--sink", "dual", "--minutes", "60"));
    assert_string_equal(override_of("run.enable"), "harvest,signal,broker,report");
    assert_string_equal(override_of("run.sink"), "dual");
    assert_string_equal(override_of("run.minutes"), "60");
    options_finish(&options);
}

static void every_option_sets_its_key(void **unused)
{
    (void)unused;
    struct error error;
    assert_ok(PARSE(&error, "--symbols=A,B", "--output-dir", "out", "--debug", "--run-id", "r",
                    "--input-mode", "preview", "--input-dir=in", "--speed", "max", "--set", "ofi.levels=10",
                    "--config", "x.yaml", "--capture", "a.gz", "--capture=b.gz", "--run-tag", "t", "--gates",
                    "smoke"));
    assert_string_equal(override_of("run.symbols"), "A,B");
    assert_string_equal(override_of("run.output_dir"), "out");
    assert_string_equal(override_of("run.debug"), "true");
    assert_string_equal(override_of("run.run_id"), "r");
    assert_string_equal(override_of("run.input_mode"), "preview");
    assert_string_equal(override_of("run.input_dir"), "in");
    assert_string_equal(override_of("simulator.speed"), "0");
    assert_string_equal(override_of("ofi.levels"), "10");
    assert_string_equal(options.config_path, "x.yaml");
    assert_int_equal(options.capture_count, 2);
    assert_string_equal(options.captures[1], "b.gz");
    assert_string_equal(options.run_tag, "t");
    assert_int_equal(options.gates, GATES_SMOKE);
    options_finish(&options);
}

static void faults_are_read_and_put_in_order_of_time(void **unused)
{
    (void)unused;
    struct error error;
    assert_ok(PARSE(&error, "--fault", "signal@30:TERM", "--fault", "features@1.5"));
    assert_int_equal(options.fault_count, 2);
    assert_string_equal(options.faults[0].process, "features");
    assert_true(options.faults[0].seconds == 1.5);
    assert_int_equal(options.faults[0].signal, SIGKILL);
    assert_string_equal(options.faults[1].process, "signal");
    assert_int_equal(options.faults[1].signal, SIGTERM);
}

static void refused(const char *name, const char *value, const char *in_sentence)
{
    struct error error = {{0}};
    enum status status = value ? PARSE(&error, name, value) : PARSE(&error, name);
    if (status == STATUS_OK || !strstr(error.text, in_sentence))
        fail_msg("%s %s: %s (%s)", name, value ? value : "", status_name(status), error.text);
    options_finish(&options);
}

static void what_is_wrong_is_named(void **unused)
{
    (void)unused;
    refused("--dance", NULL, "--dance");
    refused("enable", NULL, "enable");
    refused("--sink", NULL, "needs a value");
    refused("--debug=1", NULL, "takes no value");
    refused("--gates", "soaked", "none, replay, smoke, soak or canary");
    refused("--set", "novalue", "key=value");
    refused("--set", "=1", "key=value");
    refused("--fault", "signal", "PROCESS@SECONDS");
    refused("--fault", "signal@", "PROCESS@SECONDS");
    refused("--fault", "signal@-1", "PROCESS@SECONDS");
    refused("--fault", "signal@nan", "PROCESS@SECONDS");
    refused("--fault", "signal@3:DANCE", "DANCE");
    refused("--fault", "dancer@3", "dancer");
    refused("--run-tag", "a\nb", "--run-tag");
}

static void signals_have_one_number_however_they_are_written(void **unused)
{
    (void)unused;
    assert_int_equal(signal_number_of("KILL"), SIGKILL);
    assert_int_equal(signal_number_of("SIGKILL"), SIGKILL);
    assert_int_equal(signal_number_of("sigstop"), SIGSTOP);
    assert_int_equal(signal_number_of("15"), SIGTERM);
    assert_int_equal(signal_number_of("0"), 0);
    assert_int_equal(signal_number_of("9x"), 0);
    assert_int_equal(signal_number_of("-9"), 0);
    assert_int_equal(signal_number_of(""), 0);
    assert_string_equal(signal_name_of(SIGTERM), "TERM");
}

static module_set set_of(const char *names)
{
    module_set set = 0;
    for (size_t i = 0; i < MODULE_COUNT; i++)
        if (strstr(names, module_at(i)->name))
            set |= module_bit(i);
    return set;
}

static void choose(const char *name, struct module_conditions conditions, const char *enabled,
                   const char *implied)
{
    const char *names[] = {name};
    struct module_choice choice;
    assert_ok(module_choose(names, 1, &conditions, &choice, NULL));
    assert_int_equal(choice.enabled, set_of(enabled));
    assert_int_equal(choice.implied, set_of(implied));
}

static void what_a_module_needs_is_added(void **unused)
{
    (void)unused;
    struct module_conditions simulated = {.venue_is_simulator = true, .paper_enabled = true};
    struct module_conditions live = {.paper_enabled = true};
    struct module_conditions unpaid = {.venue_is_simulator = true};
    choose("signal", simulated, "signal", "simulator harvest archive features");
    choose("signal", live, "signal", "harvest archive features");
    choose("harvest", simulated, "harvest", "simulator archive");
    choose("broker", simulated, "broker", "");
    choose("report", simulated, "report", "");
    choose("broker", unpaid, "", "");
}

static void where_rows_are_played_there_is_nothing_before_features(void **unused)
{
    (void)unused;
    struct module_conditions playing = {
        .venue_is_simulator = true, .paper_enabled = true, .plays_rows = true};
    choose("signal", playing, "signal", "features");
    choose("report", playing, "report", "features");
    choose("harvest", playing, "", "features");
    const char *names[] = {"harvest", "archive", "broker"};
    struct module_choice choice;
    assert_ok(module_choose(names, 3, &playing, &choice, NULL));
    assert_int_equal(choice.left_out, set_of("harvest archive"));
    assert_ok(module_choose(names, 0, &playing, &choice, NULL));
    assert_int_equal(choice.enabled | choice.implied, 0);
}

static void an_unknown_module_is_named_and_nothing_changes(void **unused)
{
    (void)unused;
    const char *names[] = {"harvest", "dancer"};
    struct module_conditions conditions = {.paper_enabled = true};
    struct module_choice choice = {.enabled = 77};
    struct error error;
    assert_int_equal(module_choose(names, 2, &conditions, &choice, &error), STATUS_INVALID);
    assert_non_null(strstr(error.text, "dancer"));
    assert_int_equal(choice.enabled, 77);
}

static void nobody_reads_what_starts_behind_him(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < MODULE_COUNT; i++)
        if (i != MODULE_ARCHIVE) /* reads features, which start behind it, as operations.md §1 has it */
            assert_int_equal(module_at(i)->inputs & ~(module_bit(i) - 1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_command_of_the_mission_is_understood),
        cmocka_unit_test(every_option_sets_its_key),
        cmocka_unit_test(faults_are_read_and_put_in_order_of_time),
        cmocka_unit_test(what_is_wrong_is_named),
        cmocka_unit_test(signals_have_one_number_however_they_are_written),
        cmocka_unit_test(what_a_module_needs_is_added),
        cmocka_unit_test(where_rows_are_played_there_is_nothing_before_features),
        cmocka_unit_test(an_unknown_module_is_named_and_nothing_changes),
        cmocka_unit_test(nobody_reads_what_starts_behind_him),
    };
    check_filter();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
