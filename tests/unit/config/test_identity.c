// links: config base
/* Fingerprint, effective configuration, show and diff. */
#include "config_test.h"

#include "base/hash.h"

/* SINGLE: keys that can have only one value, so that no test can change them. */
static const char *const SINGLE[] = {"schema_version", "eval.price", NULL};

static bool is_single(const char *key)
{
    for (const char *const *name = SINGLE; *name; name++)
        if (strcmp(*name, key) == 0)
            return true;
    return false;
}

static void the_fingerprint_changes_with_what_can_change_a_row(void **state)
{
    (void)state;
    char before[SHA256_HEX_BYTES], after[SHA256_HEX_BYTES];
    size_t changing = 0, operational = 0;
    for (size_t i = 0; i < config_key_count(); i++) {
        const struct config_key *key = config_key_at(i);
        struct config *config = config_create();
        fingerprint(config, before);
        bool mutated = set_other(config, key->name);
        if (mutated == is_single(key->name))
            fail_msg("%s: %s", key->name,
                     mutated ? "has more than one value after all" : "found no other value");
        fingerprint(config, after);
        bool changed = strcmp(before, after) != 0, expected = mutated && !(key->flags & CONFIG_OPERATIONAL);
        if (changed != expected)
            fail_msg("%s: the fingerprint %s", key->name, changed ? "changed" : "did not change");
        changing += changed;
        operational += !changed && mutated;
        config_destroy(config);
    }
    assert_true(changing > 100);
    assert_true(operational > 80);
}

/* Neither section may lose a key to the other side. */
static void sections_are_on_the_right_side(void **state)
{
    (void)state;
    static const char *const ROWS[] = {"ofi.",    "cvd.",           "features.", "fusion.", "divergence.",
                                       "events.", "strategy_mode.", "signal.",   "eval.",   NULL};
    static const char *const NONE[] = {"simulator.", "journal.", "bus.",    "scale.",      "archive.",
                                       "sink.",      "report.",  "health.", "supervisor.", "limits.",
                                       "export.",    "canary.",  NULL};
    for (size_t i = 0; i < config_key_count(); i++) {
        const struct config_key *key = config_key_at(i);
        for (const char *const *section = ROWS; *section; section++)
            if (strncmp(key->name, *section, strlen(*section)) == 0 && (key->flags & CONFIG_OPERATIONAL))
                fail_msg("%s is operational", key->name);
        for (const char *const *section = NONE; *section; section++)
            if (strncmp(key->name, *section, strlen(*section)) == 0 && !(key->flags & CONFIG_OPERATIONAL))
                fail_msg("%s is in the fingerprint", key->name);
    }
}

static void symbols_own_values_enter_the_fingerprint_when_they_differ(void **state)
{
    (void)state;
    char plain[SHA256_HEX_BYTES], same[SHA256_HEX_BYTES], other[SHA256_HEX_BYTES];
    struct config *config = config_create();
    fingerprint(config, plain);
    set(config, "cvd.per_symbol.BTCUSDT.mad_multiplier", "1.8");
    assert_string_equal(fingerprint(config, same), plain);
    set(config, "cvd.per_symbol.BTCUSDT.mad_multiplier", "1.9");
    assert_string_not_equal(fingerprint(config, other), plain);
    config_destroy(config);
}

static void the_origin_does_not_enter_the_fingerprint(void **state)
{
    (void)state;
    char plain[SHA256_HEX_BYTES], given[SHA256_HEX_BYTES];
    struct config *config = config_create();
    fingerprint(config, plain);
    set(config, "cvd.half_life_fast_sec", "60");
    set(config, "ofi.levels", "5");
    assert_string_equal(fingerprint(config, given), plain);
    config_destroy(config);
}

/* The hash of the text that docs/configuration.md describes, so that others can compute it. */
static void the_fingerprint_is_the_hash_of_sorted_json(void **state)
{
    (void)state;
    struct config *config = config_create();
    struct buffer text;
    char hash[SHA256_HEX_BYTES], given[SHA256_HEX_BYTES];
    buffer_init(&text, 0);
    config_fingerprint_json(config, &text);
    assert_memory_equal(text.data, "{\"broker.fee_bps\":2,\"broker.order_qty\":0.001,", 45);
    assert_non_null(strstr(buffer_text(&text), ",\"ofi.weights\":[0.4,0.25,0.2,0.1,0.05],"));
    assert_non_null(strstr(buffer_text(&text), ",\"fusion.weights_active\":null,"));
    sha256_hex(text.data, text.length, hash);
    assert_string_equal(hash, fingerprint(config, given));
    char previous[128] = "";
    for (const char *at = buffer_text(&text); (at = strstr(at, "\":")); at++) {
        const char *start = at;
        while (start[-1] != '"')
            start--;
        char name[128];
        snprintf(name, sizeof name, "%.*s", (int)(at - start), start);
        assert_true(strcmp(previous, name) < 0);
        memcpy(previous, name, sizeof name);
    }
    buffer_finish(&text);
    config_destroy(config);
}

/* ---- effective configuration ---- */

static struct config *varied(void)
{
    struct config *config =
        load_good("harvest: {venue: binance, market: spot}\n"
                  "cvd:\n"
                  "  profile: v2_eth\n"
                  "  per_symbol:\n"
                  "    BTCUSDT: {profile: v2_btc, half_life_sec: 300}\n"
                  "    ETHUSDT: {profile: s3, half_life_sec: 50}\n"
                  "    XRPUSDT: {z_mode: delta}\n"
                  "run: {data_root: \"a \\\"b\\\" \\\\ é #: x\"}\n"
                  "simulator: {captures: [\"with, comma\", \"[x]\"], seed: 9007199254740991}\n"
                  "fusion: {weights_active: [0.7, 0.3], gate: 0.1}\n"
                  "ofi: {std_floor: 1e-7, weights: [0.30000000000000004, 1e9]}\n");
    set(config, "run.minutes", "0.1");
    set(config, "strategy_mode.schedule.holidays", "2025-01-01");
    assert_int_equal(config_set(config, "report.tz", "UTC", ORIGIN_ENVIRONMENT, NULL), STATUS_OK);
    return config;
}

static void json_of(const struct config *config, struct buffer *out)
{
    buffer_clear(out);
    config_json(config, out);
}

static void read_back(const struct config *config, struct config **out_copy)
{
    struct buffer text, reasons;
    struct config_errors errors;
    config_errors_init(&errors);
    buffer_init(&text, 0);
    buffer_init(&reasons, 0);
    json_of(config, &text);
    *out_copy = config_create();
    enum status status = config_from_json(*out_copy, "effective.json", text.data, text.length, &errors);
    config_errors_print(&errors, &reasons);
    if (status != STATUS_OK)
        fail_msg("unexpected: %s", buffer_text(&reasons));
    config_errors_finish(&errors);
    buffer_finish(&text);
    buffer_finish(&reasons);
}

static void assert_same(const struct config *left, const struct config *right)
{
    struct buffer one, other;
    char fingerprints[2][SHA256_HEX_BYTES];
    buffer_init(&one, 0);
    buffer_init(&other, 0);
    json_of(left, &one);
    json_of(right, &other);
    assert_string_equal(buffer_text(&one), buffer_text(&other));
    assert_string_equal(fingerprint(left, fingerprints[0]), fingerprint(right, fingerprints[1]));
    buffer_clear(&one);
    if (config_diff(left, right, &one) != 0)
        fail_msg("%s", buffer_text(&one));
    static const char *const SYMBOLS[] = {"BTCUSDT", "ETHUSDT", "XRPUSDT", "OTHER", NULL};
    for (const char *const *symbol = SYMBOLS; *symbol; symbol++) {
        assert_true(config_symbol_f64(left, *symbol, "cvd.half_life_fast_sec") ==
                    config_symbol_f64(right, *symbol, "cvd.half_life_fast_sec"));
        assert_true(config_symbol_f64(left, *symbol, "cvd.winsor_limit") ==
                    config_symbol_f64(right, *symbol, "cvd.winsor_limit"));
    }
    for (size_t i = 0; i < config_key_count(); i++)
        assert_int_equal(config_origin_of(left, config_key_at(i)->name),
                         config_origin_of(right, config_key_at(i)->name));
    buffer_finish(&one);
    buffer_finish(&other);
}

static void the_effective_configuration_comes_back_exactly(void **state)
{
    (void)state;
    struct config *configs[2] = {config_create(), varied()};
    for (size_t i = 0; i < 2; i++) {
        struct config *once, *twice;
        read_back(configs[i], &once);
        assert_same(configs[i], once);
        read_back(once, &twice);
        assert_same(configs[i], twice);
        config_destroy(twice);
        config_destroy(once);
        config_destroy(configs[i]);
    }
}

static void every_key_comes_back_with_any_value(void **state)
{
    (void)state;
    for (size_t i = 0; i < config_key_count(); i++) {
        struct config *config = config_create(), *copy;
        if (!(config_key_at(i)->flags & CONFIG_SECRET))
            (void)set_other(config, config_key_at(i)->name);
        read_back(config, &copy);
        assert_same(config, copy);
        config_destroy(copy);
        config_destroy(config);
    }
}

static void copies_are_equal(void **state)
{
    (void)state;
    struct config *config = varied(), *copy = config_copy(config);
    assert_same(config, copy);
    struct config *read, *copy_of_read;
    read_back(config, &read);
    copy_of_read = config_copy(read);
    assert_same(config, copy_of_read);
    config_destroy(copy_of_read);
    config_destroy(read);
    config_destroy(copy);
    config_destroy(config);
}

/* What was stored holds, whatever the program's own defaults are or the profiles say. */
static void an_effective_configuration_derives_nothing(void **state)
{
    (void)state;
    struct config *config = config_create(), *copy;
    read_back(config, &copy);
    set(copy, "harvest.venue", "binance");
    assert_string_equal(config_text(copy, "harvest.url_mode"), "combined");
    set(copy, "cvd.profile", "v2_btc");
    assert_true(config_f64(copy, "cvd.winsor_limit") == 8);
    set(copy, "cvd.winsor_limit", "7");
    assert_true(config_f64(copy, "cvd.winsor_limit") == 7);
    config_destroy(copy);
    config_destroy(config);
}

/* damaged: the effective configuration with `from` replaced must be refused with this complaint. */
static void damaged(const char *from, const char *to, const char *complaint)
{
    struct config *config = config_create(), *copy = config_create();
    struct buffer text, changed, reasons;
    struct config_errors errors;
    config_errors_init(&errors);
    buffer_init(&text, 0);
    buffer_init(&changed, 0);
    buffer_init(&reasons, 0);
    json_of(config, &text);
    const char *at = strstr(buffer_text(&text), from);
    assert_non_null(at);
    buffer_append(&changed, text.data, (size_t)(at - (const char *)text.data));
    buffer_append_text(&changed, to);
    buffer_append_text(&changed, at + strlen(from));
    assert_int_equal(config_from_json(copy, "effective.json", changed.data, changed.length, &errors),
                     STATUS_INVALID);
    config_errors_print(&errors, &reasons);
    if (!strstr(buffer_text(&reasons), complaint))
        fail_msg("expected `%s`, got: %s", complaint, buffer_text(&reasons));
    config_errors_finish(&errors);
    buffer_finish(&reasons);
    buffer_finish(&changed);
    buffer_finish(&text);
    config_destroy(copy);
    config_destroy(config);
}

static void damaged_effective_configurations_are_refused(void **state)
{
    (void)state;
    damaged("\"watermark_ms\":50,", "", "effective.json: harvest.watermark_ms: is missing");
    damaged("\"watermark_ms\":50,", "\"watermark_ms\":50,\"watermark_ms\":50,", "is given twice");
    damaged("\"watermark_ms\":50,", "\"watermark_ms\":50,\"other\":1,",
            "harvest.other: there is no such key");
    damaged("\"watermark_ms\":50,", "\"watermark_ms\":\"50\",", "in quotes");
    damaged("\"origins\":{", "\"origins\":{\"no.such\":\"file\",", "unknown or repeated key");
    damaged("\"origins\":{", "\"origins\":{\"ofi.levels\":\"moon\",", "unknown origin");
    damaged("\"origins\":{", "\"origins\":{\"ofi.levels\":[1],", "unknown origin");
    damaged("\"origins\":{", "\"origins\":{[1]:\"file\",", "unknown or repeated key");
    damaged("\"origins\":", "\"origin\":", "its first key is not `origins`");
    damaged("}}", "}", "not YAML");
}

static void secrets_leave_no_trace(void **state)
{
    (void)state;
    struct config *config = config_create(), *copy;
    struct buffer text;
    buffer_init(&text, 0);
    assert_int_equal(config_set(config, "export.influx_token", "hush-hush", ORIGIN_ENVIRONMENT, NULL),
                     STATUS_OK);
    assert_string_equal(config_text(config, "export.influx_token"), "hush-hush");
    config_json(config, &text);
    config_json_section(config, "export", &text);
    config_show(config, &text);
    config_fingerprint_json(config, &text);
    struct config *without = config_create();
    assert_int_equal(config_diff(without, config, &text), 1);
    assert_null(strstr(buffer_text(&text), "hush"));
    assert_non_null(strstr(buffer_text(&text), "export.influx_token:  -> set\n"));
    assert_non_null(strstr(buffer_text(&text), "export.influx_token = set  # env (environment)\n"));
    read_back(config, &copy);
    assert_string_equal(config_text(copy, "export.influx_token"), "");
    config_destroy(copy);
    config_destroy(without);
    config_destroy(config);
    buffer_finish(&text);
}

static void show_tells_value_unit_and_origin(void **state)
{
    (void)state;
    struct config *config = varied();
    struct buffer text;
    buffer_init(&text, 0);
    config_show(config, &text);
    assert_non_null(strstr(buffer_text(&text), "harvest.watermark_ms = 50  # ms, built-in\n"));
    assert_non_null(strstr(buffer_text(&text), "run.minutes = 0.1  # min, cli (command line)\n"));
    assert_non_null(strstr(buffer_text(&text), "cvd.winsor_limit = 2.3  # σ, profile\n"));
    assert_non_null(strstr(buffer_text(&text), "harvest.url_mode = routed  # built-in\n"));
    assert_non_null(strstr(buffer_text(&text),
                           "cvd.per_symbol.BTCUSDT.half_life_sec = 300  # s, file (test.yaml:5:47)\n"));
    buffer_finish(&text);
    config_destroy(config);
}

static void diff_tells_what_differs(void **state)
{
    (void)state;
    struct config *left = config_create(), *right = config_create();
    struct buffer text;
    buffer_init(&text, 0);
    set(right, "ofi.levels", "7");
    set(right, "harvest.venue", "binance");
    set(left, "cvd.per_symbol.BTCUSDT.z_mode", "level");
    set(right, "cvd.per_symbol.ETHUSDT.z_mode", "level");
    size_t different = config_diff(left, right, &text);
    assert_non_null(strstr(buffer_text(&text), "ofi.levels: 5 -> 7\n"));
    assert_non_null(strstr(buffer_text(&text), "harvest.on_full: wait -> drop\n"));
    assert_non_null(strstr(buffer_text(&text), "cvd.per_symbol.BTCUSDT.z_mode: level -> delta\n"));
    assert_non_null(strstr(buffer_text(&text), "cvd.per_symbol.ETHUSDT.z_mode: delta -> level\n"));
    size_t lines = 0;
    for (const char *at = buffer_text(&text); *at; at++)
        lines += *at == '\n';
    assert_int_equal(lines, different);
    buffer_finish(&text);
    config_destroy(left);
    config_destroy(right);
}

static void sections_are_objects(void **state)
{
    (void)state;
    struct config *config = config_create();
    struct buffer text;
    buffer_init(&text, 0);
    config_json_section(config, "features", &text);
    assert_string_equal(buffer_text(&text), "{\"grid_ms\":100,\"max_age_ms\":5000}");
    buffer_clear(&text);
    config_json_section(config, "no_such_section", &text);
    assert_string_equal(buffer_text(&text), "{}");
    buffer_finish(&text);
    config_destroy(config);
}

static void what_changes_rows_can_be_taken_from_another_configuration(void **state)
{
    (void)state;
    struct error error;
    char before[SHA256_HEX_BYTES], after[SHA256_HEX_BYTES], wanted[SHA256_HEX_BYTES];
    struct config *config = config_create(), *from = config_create(), *stored = config_create();
    for (size_t i = 0; i < config_key_count(); i++)
        if (!(config_key_at(i)->flags & CONFIG_SECRET))
            set_other(from, config_key_at(i)->name);
    assert_int_equal(STATUS_OK,
                     config_set(from, "cvd.per_symbol.AAAUSDT.winsor_limit", "5", ORIGIN_FILE, &error));
    assert_int_equal(STATUS_OK,
                     config_set(config, "cvd.per_symbol.BBBUSDT.winsor_limit", "7", ORIGIN_CLI, &error));
    assert_int_equal(STATUS_OK, config_set(config, "cvd.half_life_sec", "77", ORIGIN_ENVIRONMENT, &error));
    assert_int_equal(STATUS_OK, config_set(config, "run.sink", "dual", ORIGIN_CLI, &error));
    struct buffer text;
    struct config_errors errors;
    buffer_init(&text, 0);
    config_errors_init(&errors);
    config_json(from, &text); /* as it lies in state/configs */
    assert_int_equal(STATUS_OK, config_from_json(stored, "stored", text.data, text.length, &errors));
    fingerprint(config, before);
    fingerprint(from, wanted);
    config_adopt_rows(config, stored);
    fingerprint(config, after);
    assert_string_not_equal(before, after);
    assert_string_equal(after, wanted);
    assert_string_equal(config_text(config, "run.sink"), "dual");
    assert_string_equal(config_text(config, "run.output_dir"), "./runtime");
    config_errors_finish(&errors);
    buffer_finish(&text);
    config_destroy(config);
    config_destroy(from);
    config_destroy(stored);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_fingerprint_changes_with_what_can_change_a_row),
        cmocka_unit_test(sections_are_on_the_right_side),
        cmocka_unit_test(symbols_own_values_enter_the_fingerprint_when_they_differ),
        cmocka_unit_test(the_origin_does_not_enter_the_fingerprint),
        cmocka_unit_test(the_fingerprint_is_the_hash_of_sorted_json),
        cmocka_unit_test(the_effective_configuration_comes_back_exactly),
        cmocka_unit_test(every_key_comes_back_with_any_value),
        cmocka_unit_test(copies_are_equal),
        cmocka_unit_test(an_effective_configuration_derives_nothing),
        cmocka_unit_test(damaged_effective_configurations_are_refused),
        cmocka_unit_test(secrets_leave_no_trace),
        cmocka_unit_test(show_tells_value_unit_and_origin),
        cmocka_unit_test(diff_tells_what_differs),
        cmocka_unit_test(sections_are_objects),
        cmocka_unit_test(what_changes_rows_can_be_taken_from_another_configuration),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
