// links: config base
/* Strict reading: every mistake is told with its place, nothing hostile does harm. */
#include "config_test.h"

#include "base/json.h"
#include "base/random.h"

#include <time.h>
#include <unistd.h>

static void three_mistakes_are_all_told(void **state)
{
    (void)state;
    struct loaded loaded = load_yaml("schema_version: 1\n"
                                     "ofi:\n"
                                     "  levels: 50\n"
                                     "  level: 5\n"
                                     "  z_window: 200\n"
                                     "run:\n"
                                     "  debug: maybe\n");
    assert_string_equal(buffer_text(&loaded.errors),
                        "test.yaml:3:11: ofi.levels: must be a whole number from 1 to 20, not `50`\n"
                        "test.yaml:4:3: ofi.level: there is no such key; did you mean ofi.levels?\n"
                        "test.yaml:7:10: run.debug: must be true or false, not `maybe`\n");
    /* What was right has been taken all the same. */
    assert_int_equal(config_i64(loaded.config, "ofi.z_window"), 200);
    assert_int_equal(config_i64(loaded.config, "ofi.levels"), 5);
    loaded_finish(&loaded);
}

static void yaml_extras_are_refused(void **state)
{
    (void)state;
    refuse("run: &a\n  debug: true\n",
           "test.yaml:1:6: anchors (&) are not taken; write the value where it is needed");
    refuse("run:\n  debug: *a\n", "test.yaml:2:10: run.debug: must be true or false, this is an alias (*); "
                                  "aliases are not taken, write the "
                                  "value itself");
    refuse("run:\n  <<: {debug: true}\n",
           "test.yaml:2:3: run: merge keys (<<) are not taken; write the keys out");
    refuse("run: {minutes: !!float 3}\n",
           "test.yaml:1:16: tags (!) are not taken; a value's type follows from its key");
    /* Bare in a flow mapping it is not even YAML. */
    refuse("run: {minutes: ${MINUTES}}\n",
           "test.yaml:1:16: run.minutes: must be a number from 0 to 1000000 (min), not `$`\n"
           "test.yaml:1:17: not YAML: did not find expected ',' or '}' (while parsing a flow mapping)");
    refuse("run:\n  data_root: ${HOME}/data\n", "test.yaml:2:14: run.data_root: holds a placeholder "
                                                "(`${HOME}/data`); nothing is expanded here, write the "
                                                "value");
    refuse("run: {debug: true}\n---\nrun: {}\n",
           "test.yaml:2:1: a second document begins here; a file has one");
    refuse("- run\n", "test.yaml:1:1: the file must consist of sections, this is a list");
    refuse("run: {? [a] : 1}\n", "test.yaml:1:9: run: a key must be a word, this is a list");
    refuse("run.debug: true\n",
           "test.yaml:1:1: run.debug: a key has no dots here; write sections as indented blocks");
}

static void repeated_keys_are_refused(void **state)
{
    (void)state;
    refuse("ofi:\n  levels: 5\n  levels: 6\n",
           "test.yaml:3:3: ofi.levels: is given twice; the first is in line 2");
    refuse("ofi: {levels: 5}\nofi: {mode: cks}\n",
           "test.yaml:2:1: ofi: is given twice; the first is in line 1");
}

static void unknown_keys_are_refused(void **state)
{
    (void)state;
    refuse("symbols: [A]\n", "test.yaml:1:1: symbols: there is no such key; did you mean run.symbols?");
    refuse("quite_other: {a: {b: [c, {d: 1}]}}\n", "test.yaml:1:1: quite_other: there is no such key");
    refuse("origin: 1\norigins: {}\n", "test.yaml:1:1: origin: there is no such key\n"
                                       "test.yaml:2:1: origins: there is no such key");
    refuse("cvd: {per_symbol: {BTCUSDT: {levels: 5}}}\n",
           "test.yaml:1:30: cvd.per_symbol.BTCUSDT.levels: there is no such key for a symbol (symbols are "
           "upper case, "
           "as BTCUSDT)");
    refuse("cvd: {per_symbol: {btc: {z_mode: delta}}}\n",
           "test.yaml:1:20: cvd.per_symbol.btc: there is no such key for a symbol (symbols are upper case, "
           "as BTCUSDT)");
    refuse("ofi: {per_symbol: {BTCUSDT: {levels: 5}}}\n",
           "test.yaml:1:7: ofi.per_symbol: there is no such key");
}

static void types_are_strict(void **state)
{
    (void)state;
    refuse("ofi: {levels: \"5\"}\n",
           "test.yaml:1:15: ofi.levels: must be a whole number from 1 to 20, not `5` in quotes");
    refuse("ofi: {levels: 5.0}\n",
           "test.yaml:1:15: ofi.levels: must be a whole number from 1 to 20, not `5.0`");
    refuse("ofi: {levels: 0x5}\n",
           "test.yaml:1:15: ofi.levels: must be a whole number from 1 to 20, not `0x5`");
    refuse("ofi: {levels: 05}\n",
           "test.yaml:1:15: ofi.levels: must be a whole number from 1 to 20, not `05`");
    refuse("ofi: {levels: }\n", "test.yaml:1:15: ofi.levels: must be a whole number from 1 to 20, not ``");
    refuse("ofi: {levels: [5]}\n",
           "test.yaml:1:15: ofi.levels: must be a whole number from 1 to 20, this is a list");
    refuse("ofi: {z_clip: .inf}\n",
           "test.yaml:1:15: ofi.z_clip: must be a number from 0 to 1000 (σ), not `.inf`");
    refuse(
        "ofi: {z_clip: 1e999}\n",
        "test.yaml:1:15: ofi.z_clip: must be a number from 0 to 1000 (σ), not `1e999`, which is too large");
    refuse("ofi: {weights: 0.4}\n",
           "test.yaml:1:16: ofi.weights: must be a list [a, b] whose elements are a number "
           "from -1000000000 to 1000000000, this is a single value");
    refuse("run: {debug: yes}\n", "test.yaml:1:14: run.debug: must be true or false, not `yes`");
    refuse("run: {debug: 1}\n", "test.yaml:1:14: run.debug: must be true or false, not `1`");
    refuse("run: {debug: \"true\"}\n", "test.yaml:1:14: run.debug: must be true or false, not `true`");
    refuse("config_tag: 5\n",
           "test.yaml:1:13: config_tag: must be a text, not `5`; a text that looks like that needs quotes");
    refuse("run: {sink: [jsonl]}\n",
           "test.yaml:1:13: run.sink: must be one of jsonl, sqlite, dual, this is a list");
    refuse("run: {sink: Jsonl}\n",
           "test.yaml:1:13: run.sink: must be one of jsonl, sqlite, dual, not `Jsonl`");
    refuse("run: 5\n", "test.yaml:1:6: run: must be a section with keys below it, this is a single value");
    refuse("run: {symbols: [A, [B]]}\n",
           "test.yaml:1:20: run.symbols: its elements are single values, this is a list");
    refuse("strategy_mode: {mode: active}\n",
           "test.yaml:1:23: strategy_mode.mode: must be one of auto, force_active, "
           "force_quiet, not `active`");
}

static void shapes_are_checked(void **state)
{
    (void)state;
    refuse("run: {symbols: [A, A]}\n", "test.yaml:1:16: run.symbols: names A twice");
    refuse("run: {symbols: []}\n", "test.yaml:1:16: run.symbols: has 0 elements; it takes 1 to 1000");
    refuse("run: {run_id: \"../x\"}\n", "test.yaml:1:15: run.run_id: must be at most 64 of A-Z a-z 0-9 _ -");
    refuse("archive: {rotate_s: 70}\n", "test.yaml:1:21: archive.rotate_s: must divide 3600");
    refuse("features: {grid_ms: 300}\n", "test.yaml:1:21: features.grid_ms: must divide 1000");
    refuse("sink: {sqlite_flush_ms: 49}\n",
           "test.yaml:1:25: sink.sqlite_flush_ms: must be 0 (every row) or 50 to 5000");
    refuse("eval: {horizons_s: [60, 61]}\n",
           "test.yaml:1:20: eval.horizons_s: must be of 5, 10, 30, 60, 180, 300, 900");
    refuse("harvest: {rest_url: ftp://x}\n",
           "test.yaml:1:21: harvest.rest_url: must be an http:// or https:// address "
           "without the part from ? on");
    refuse("report: {http_address: localhost}\n",
           "test.yaml:1:24: report.http_address: must be an IPv4 or IPv6 address, as 127.0.0.1");
    refuse("simulator: {start: soon}\n",
           "test.yaml:1:20: simulator.start: must be recorded, now, or milliseconds since 1970");
    refuse("strategy_mode: {schedule: {timezone: ../../etc/passwd}}\n",
           "test.yaml:1:38: strategy_mode.schedule.timezone: must be an IANA time zone name, as Asia/Tokyo");
    refuse("run: {symbols: [\"A/B\"]}\n",
           "test.yaml:1:16: run.symbols: must be symbols in upper case, A-Z 0-9 _ -, at "
           "most 31 characters, as BTCUSDT");
}

static void good_values_are_taken(void **state)
{
    (void)state;
    struct config *config = load_good("run:\n"
                                      "  symbols: [1000SHIBUSDT, ETHUSD_PERP]\n"
                                      "  run_id: \"20250101_120000-ab12\"\n"
                                      "  minutes: 1.5\n"
                                      "simulator: {start: 1700000000000, captures: [\"a,b.gz\", ./c]}\n"
                                      "fusion: {weights_active: [0.7, 0.3], gate: -0.0}\n"
                                      "ofi: {weights: [1, -1, 2e-1]}\n"
                                      "strategy_mode:\n"
                                      "  schedule:\n"
                                      "    windows: [\"09:00-24:00\", \"23:30-02:00\"]\n"
                                      "    holidays: [2024-02-29]\n"
                                      "    weekdays: [mon, fri]\n");
    struct config_list symbols = config_list(config, "run.symbols"),
                       captures = config_list(config, "simulator.captures");
    assert_int_equal(symbols.count, 2);
    assert_string_equal(symbols.texts[0], "1000SHIBUSDT");
    assert_string_equal(captures.texts[0], "a,b.gz");
    assert_string_equal(config_text(config, "simulator.start"), "1700000000000");
    assert_false(config_is_null(config, "fusion.weights_active"));
    assert_true(config_list(config, "fusion.weights_active").numbers[1] == 0.3);
    assert_true(config_list(config, "ofi.weights").numbers[2] == 0.2);
    assert_string_equal(config_place(config, "fusion.gate"), "test.yaml:6:44");
    config_destroy(config);
    config = load_good("fusion: {weights_active: null}\n");
    assert_true(config_is_null(config, "fusion.weights_active"));
    config_destroy(config);
    config_destroy(load_good(""));
    config_destroy(load_good("# nothing\n"));
}

static void windows_and_dates_are_parsed(void **state)
{
    (void)state;
    int start, end;
    int64_t days;
    assert_true(config_window_parse("23:30-02:00", &start, &end));
    assert_int_equal(start, 23 * 60 + 30);
    assert_int_equal(end, 120);
    static const char *const BAD_WINDOWS[] = {"9:00-10:00",  "09:00-09:00", "24:00-10:00", "09:60-10:00",
                                              "09:00-24:01", "09:00 10:00", "09:00-10:0x", ""};
    for (size_t i = 0; i < sizeof BAD_WINDOWS / sizeof *BAD_WINDOWS; i++)
        assert_false(config_window_parse(BAD_WINDOWS[i], &start, &end));
    assert_true(config_date_parse("1970-01-01", &days));
    assert_int_equal(days, 0);
    assert_true(config_date_parse("2024-03-01", &days));
    assert_int_equal(days, 19783);
    static const char *const BAD_DATES[] = {"2023-02-29", "2024-13-01", "2024-00-01", "2024-01-32",
                                            "1969-12-31", "24-01-01",   "2024/01/01", ""};
    for (size_t i = 0; i < sizeof BAD_DATES / sizeof *BAD_DATES; i++)
        assert_false(config_date_parse(BAD_DATES[i], &days));
}

/* try_number: whether the file takes this value for a key. */
static bool try_number(const struct config_key *key, double number)
{
    char value[F64_TEXT_BYTES], text[512];
    size_t used = 0;
    int depth = 0;
    f64_text(number, value);
    for (const char *at = key->name, *dot;; at = dot + 1, depth++) {
        dot = strchr(at, '.');
        int length = dot ? (int)(dot - at) : (int)strlen(at);
        used += (size_t)snprintf(text + used, sizeof text - used, "%*s%.*s:%s", depth * 2, "", length, at,
                                 dot ? "\n" : " ");
        if (!dot)
            break;
    }
    bool list = key->type == CONFIG_F64_LIST || key->type == CONFIG_I64_LIST;
    if (list)
        used += (size_t)snprintf(text + used, sizeof text - used, "[%s%s%s]", value,
                                 key->count_min > 1 ? ", " : "", key->count_min > 1 ? value : "");
    else
        snprintf(text + used, sizeof text - used, "%s", value);
    struct loaded loaded = load_yaml(text);
    bool taken = loaded.status == STATUS_OK;
    loaded_finish(&loaded);
    return taken;
}

static void every_range_holds(void **state)
{
    (void)state;
    size_t ranges = 0;
    for (size_t i = 0; i < config_key_count(); i++) {
        const struct config_key *key = config_key_at(i);
        bool whole = key->type == CONFIG_I64 || key->type == CONFIG_I64_LIST;
        if (key->minimum == 0 && key->maximum == 0)
            continue;
        double step = whole ? 1 : (key->maximum - key->minimum) * 1e-3;
        if (try_number(key, key->minimum - step) || try_number(key, key->maximum + step))
            fail_msg("%s takes a value outside its range", key->name);
        if (!key->check && (!try_number(key, key->minimum) || !try_number(key, key->maximum)))
            fail_msg("%s refuses a value at the end of its range", key->name);
        ranges++;
    }
    assert_true(ranges > 100);
}

static void every_choice_is_closed(void **state)
{
    (void)state;
    struct config *config = config_create();
    for (size_t i = 0; i < config_key_count(); i++) {
        const struct config_key *key = config_key_at(i);
        for (size_t choice = 0; key->choices && key->choices[choice]; choice++)
            set(config, key->name, key->choices[choice]);
        if (key->choices)
            assert_int_equal(config_set(config, key->name, "no_such_choice", ORIGIN_CLI, NULL),
                             STATUS_INVALID);
    }
    config_destroy(config);
}

/* ---- hostile input ---- */

static void repeat(struct buffer *out, const char *text, size_t count)
{
    for (size_t i = 0; i < count; i++)
        buffer_append_text(out, text);
}

/* hostile: must give errors, and soon. */
static void hostile(struct buffer *text)
{
    struct timespec start, end;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &start);
    struct loaded loaded = load_bytes(text->data, text->length);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
    assert_int_not_equal(loaded.status, STATUS_OK);
    assert_true(end.tv_sec - start.tv_sec < 20); /* CPU time, with sanitizers on a busy machine */
    loaded_finish(&loaded);
    buffer_clear(text);
}

static void hostile_text_gives_errors(void **state)
{
    (void)state;
    struct buffer text;
    buffer_init(&text, 0);
    repeat(&text, "[", 1000000);
    hostile(&text);
    repeat(&text, "{a: ", 200000);
    hostile(&text);
    repeat(&text, "- ", 500000);
    hostile(&text);
    repeat(&text, "? ", 500000);
    hostile(&text);
    buffer_append_text(&text, "run: {data_root: \"");
    repeat(&text, "x", 1000000);
    buffer_append_text(&text, "\"}");
    hostile(&text);
    repeat(&text, "k", 1000000);
    buffer_append_text(&text, ": 1");
    hostile(&text);
    buffer_append_text(&text, "a: &a [x, x]\n");
    for (char name = 'b'; name <= 'z'; name++)
        buffer_format(&text, "%c: &%c [*%c, *%c, *%c, *%c]\n", name, name, name - 1, name - 1, name - 1,
                      name - 1);
    hostile(&text);
    for (int i = 0; i < 80000; i++)
        buffer_format(&text, "k%d: 1\n", i);
    hostile(&text);
    buffer_append_text(&text, "run: {symbols: [");
    for (int i = 0; i < 80000; i++)
        buffer_format(&text, "S%d, ", i);
    buffer_append_text(&text, "]}");
    hostile(&text);
    buffer_append_text(&text, "%TAG ! tag:x,2000:\n--- !a {run: !b {debug: true}}");
    hostile(&text);
    buffer_append(&text, "run: {data_root: \"a\\0b\"}", 24);
    hostile(&text);
    buffer_append(&text, "run:\0 {debug: true}", 19);
    hostile(&text);
    buffer_finish(&text);
}

static void bad_encodings_are_placed(void **state)
{
    (void)state;
    refuse("run:\n  debug: \xff\n", "test.yaml:2:10: not UTF-8 text (invalid leading UTF-8 octet)");
    refuse("run:\n  data_root: \"\xc3(\"\n", "test.yaml:2:16: not UTF-8 text (invalid trailing UTF-8 octet)");
    struct buffer text;
    buffer_init(&text, 0);
    buffer_append(&text, "\xff\xfer\0u\0n\0:\0", 10); /* UTF-16 */
    hostile(&text);
    buffer_finish(&text);
}

static void random_bytes_do_no_harm(void **state)
{
    (void)state;
    struct random random;
    uint64_t seed = (uint64_t)time(NULL);
    print_message("seed %llu\n", (unsigned long long)seed);
    random_seed(&random, seed);
    struct buffer good;
    buffer_init(&good, 0);
    config_print_defaults_yaml(&good);
    for (int round = 0; round < 60; round++) {
        uint8_t *copy = malloc(good.length);
        memcpy(copy, good.data, good.length);
        for (uint64_t i = 0; i <= random_below(&random, 20); i++)
            copy[random_below(&random, good.length)] = (uint8_t)random_u64(&random);
        struct loaded loaded = load_bytes(copy, random_below(&random, good.length));
        loaded_finish(&loaded);
        free(copy);
    }
    buffer_finish(&good);
}

static void files_are_limited(void **state)
{
    (void)state;
    char path[] = "/tmp/orderflow-config-XXXXXX";
    int file = mkstemp(path);
    assert_true(file >= 0);
    assert_int_equal(ftruncate(file, 10 * 1024 * 1024), 0);
    close(file);
    struct config *config = config_create();
    struct config_errors errors;
    config_errors_init(&errors);
    assert_int_equal(config_load_file(config, path, &errors), STATUS_LIMIT);
    assert_int_equal(truncate(path, CONFIG_FILE_BYTES_MAX + 1), 0);
    assert_int_equal(config_load_file(config, path, &errors), STATUS_LIMIT);
    unlink(path);
    assert_int_equal(config_load_file(config, path, &errors), STATUS_NOT_FOUND);
    assert_int_equal(config_load_file(config, "/tmp", &errors), STATUS_IO);
    assert_int_equal(config_load_file(config, "/dev/zero", &errors), STATUS_IO);
    assert_int_equal(errors.count, 5);
    config_errors_finish(&errors);
    config_destroy(config);
}

static void an_empty_file_leaves_every_default(void **state)
{
    (void)state;
    char path[] = "/tmp/orderflow-config-XXXXXX";
    int file = mkstemp(path);
    assert_true(file >= 0);
    close(file);
    struct config *config = config_create();
    struct config_errors errors;
    config_errors_init(&errors);
    assert_int_equal(config_load_file(config, path, &errors), STATUS_OK);
    assert_int_equal(errors.count, 0);
    assert_int_equal(config_origin_of(config, "run.sink"), ORIGIN_BUILT_IN);
    unlink(path);
    config_errors_finish(&errors);
    config_destroy(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_mistakes_are_all_told),
        cmocka_unit_test(yaml_extras_are_refused),
        cmocka_unit_test(repeated_keys_are_refused),
        cmocka_unit_test(unknown_keys_are_refused),
        cmocka_unit_test(types_are_strict),
        cmocka_unit_test(shapes_are_checked),
        cmocka_unit_test(good_values_are_taken),
        cmocka_unit_test(windows_and_dates_are_parsed),
        cmocka_unit_test(every_range_holds),
        cmocka_unit_test(every_choice_is_closed),
        cmocka_unit_test(hostile_text_gives_errors),
        cmocka_unit_test(bad_encodings_are_placed),
        cmocka_unit_test(random_bytes_do_no_harm),
        cmocka_unit_test(files_are_limited),
        cmocka_unit_test(an_empty_file_leaves_every_default),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
