// links: base
/* What leaves as JSON is JSON, with the number texts of the specification. */
#include "tests/support/check.h"

#include "base/json.h"
#include "base/text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void f64_text_golden(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *text;
    } CASES[] = {
        {0.1, "0.1"},
        {1.0, "1"},
        {1.0 / 3.0, "0.3333333333333333"},
        {1e-7, "1e-07"},
        {1e21, "1e+21"},
        {0.1 + 0.2, "0.30000000000000004"},
        {-0.0, "0"},
        {0.0, "0"},
        {-1.5, "-1.5"},
        {100000000000000.0, "100000000000000"},
        {999999999999999.0, "999999999999999"},
        {1e15, "1e+15"},
        {-1e15, "-1e+15"},
        {9007199254740993.0, "9007199254740992"},
        {5e-324, "4.94065645841247e-324"},
        {1.7976931348623157e308, "1.7976931348623157e+308"},
        {61659.7, "61659.7"},
        {NAN, "null"},
        {INFINITY, "null"},
        {-INFINITY, "null"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        char text[F64_TEXT_BYTES];
        assert_int_equal(f64_text(CASES[i].value, text), strlen(CASES[i].text));
        assert_string_equal(text, CASES[i].text);
    }
}

/* The rule itself, done slowly: the first of 15, 16, 17 digits that parses back. */
static void f64_text_follows_its_rule(void **state)
{
    (void)state;
    struct random random = check_random();
    for (int i = 0; i < 100000; i++) {
        double value;
        uint64_t bits = random_u64(&random);
        if (i % 3 == 0)
            value = (double)(int64_t)(bits >> random_below(&random, 64)) / 1000;
        else if (i % 3 == 1)
            value = random_normal(&random);
        else
            memcpy(&value, &bits, sizeof value);
        if (!isfinite(value) || value == 0)
            continue;
        char text[F64_TEXT_BYTES], expected[64];
        f64_text(value, text);
        for (int digits = 15; digits <= 17; digits++) {
            snprintf(expected, sizeof expected, "%.*g", digits, value);
            if (strtod(expected, NULL) == value)
                break;
        }
        assert_string_equal(text, expected);
        assert_true(strtod(text, NULL) == value);
        assert_true(json_valid(text, strlen(text)));
    }
}

static void commas_stand_where_they_must(void **state)
{
    (void)state;
    struct buffer out;
    struct json json;
    buffer_init(&out, 0);
    json_init(&json, &out);
    json_object_begin(&json);
    json_key_i64(&json, "a", -1);
    json_key(&json, "b");
    json_array_begin(&json);
    json_array_begin(&json);
    json_array_end(&json);
    json_bool(&json, true);
    json_object_begin(&json);
    json_object_end(&json);
    json_raw(&json, "[1]", 3);
    json_null(&json);
    json_array_end(&json);
    json_key_bool(&json, "c", false);
    json_key_f64(&json, "d", NAN);
    json_key_null(&json, "e");
    json_key_text(&json, "f", NULL);
    json_key_i64(&json, "g", INT64_MIN);
    json_object_end(&json);
    assert_string_equal(buffer_text(&out), "{\"a\":-1,\"b\":[[],true,{},[1],null],\"c\":false,\"d\":null,"
                                           "\"e\":null,\"f\":null,\"g\":-9223372036854775808}");
    assert_true(json_valid((const char *)out.data, out.length));
    buffer_finish(&out);
}

static const char *as_json(struct buffer *out, const char *text, size_t length)
{
    struct json json;
    buffer_clear(out);
    json_init(&json, out);
    json_text_bytes(&json, text, length);
    return buffer_text(out);
}

static void escapes(void **state)
{
    (void)state;
    struct buffer out;
    buffer_init(&out, 0);
    static const struct {
        const char *text;
        size_t length;
        const char *json;
    } CASES[] = {
        {"", 0, "\"\""},
        {"plain", 5, "\"plain\""},
        {"a\"b\\c", 5, "\"a\\\"b\\\\c\""},
        {"\b\f\n\r\t", 5, "\"\\b\\f\\n\\r\\t\""},
        {"\0\001\037\177", 4, "\"\\u0000\\u0001\\u001f\177\""},
        {"/", 1, "\"/\""},
        {"é–€𝄞", 12, "\"é–€𝄞\""},
        {"\xc3", 1, "\"\xef\xbf\xbd\""},                 /* cut off */
        {"\xe2\x82", 2, "\"\xef\xbf\xbd\xef\xbf\xbd\""}, /* cut off */
        {"\x80x", 2, "\"\xef\xbf\xbdx\""},               /* continuation alone */
        {"\xc0\xaf", 2, "\"\xef\xbf\xbd\xef\xbf\xbd\""}, /* overlong */
        {"\xe0\x9f\xbf", 3, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
        {"\xed\xa0\x80", 3, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""}, /* surrogate */
        {"\xf4\x90\x80\x80", 4, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
        {"\xff\xfe", 2, "\"\xef\xbf\xbd\xef\xbf\xbd\""},
        {"\xe2x", 2, "\"\xef\xbf\xbdx\""},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++)
        assert_string_equal(as_json(&out, CASES[i].text, CASES[i].length), CASES[i].json);
    buffer_finish(&out);
}

static void any_bytes_become_valid_json(void **state)
{
    (void)state;
    struct random random = check_random();
    struct buffer out;
    buffer_init(&out, 0);
    for (int i = 0; i < 20000; i++) {
        char text[24];
        size_t length = random_below(&random, sizeof text);
        for (size_t k = 0; k < length; k++)
            text[k] = (char)(random_below(&random, 2) ? random_below(&random, 256)
                                                      : 0x70 + random_below(&random, 144));
        as_json(&out, text, length);
        assert_true(json_valid((const char *)out.data, out.length));
    }
    buffer_finish(&out);
}

static void json_is_told_from_what_is_not(void **state)
{
    (void)state;
    static const char *const GOOD[] = {"null",
                                       "true",
                                       "false",
                                       "0",
                                       "-0",
                                       "10.5e-3",
                                       "1E+2",
                                       "\"\"",
                                       "\"\\u00eF\\n\"",
                                       "[]",
                                       "{}",
                                       " [ 1 , {\"a\":[null]} ] ",
                                       "{\"a\":1,\"a\":2}",
                                       "\"é\""};
    static const char *const BAD[] = {
        "",         " ",       "nul",      "nulll",   "01",          "+1",      "1.",    ".5",
        "1e",       "--1",     "\"",       "\"\\x\"", "\"\\u12g4\"", "\"\\u12", "[",     "[1,]",
        "[,1]",     "{\"a\"}", "{\"a\":}", "{a:1}",   "{\"a\":1,}",  "[1]2",    "[1\n]", "\"\x01\"",
        "\"\xc3\"", "NaN",     "'a'",      "[}",      "\\"};
    for (size_t i = 0; i < sizeof GOOD / sizeof GOOD[0]; i++)
        if (!json_valid(GOOD[i], strlen(GOOD[i])))
            fail_msg("refused: %s", GOOD[i]);
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++)
        if (json_valid(BAD[i], strlen(BAD[i])))
            fail_msg("accepted: %s", BAD[i]);
    char deep[2 * (JSON_DEPTH_MAX + 1) + 1];
    for (int depth = JSON_DEPTH_MAX; depth <= JSON_DEPTH_MAX + 1; depth++) {
        memset(deep, '[', (size_t)depth);
        memset(deep + depth, ']', (size_t)depth);
        assert_int_equal(json_valid(deep, 2 * (size_t)depth), depth == JSON_DEPTH_MAX);
    }
}

static void a_full_buffer_is_told(void **state)
{
    (void)state;
    struct buffer out;
    struct json json;
    buffer_init(&out, 8);
    json_init(&json, &out);
    json_text(&json, "much too long");
    assert_true(out.overflowed);
    assert_true(out.length <= 8);
    buffer_finish(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(f64_text_golden),
        cmocka_unit_test(f64_text_follows_its_rule),
        cmocka_unit_test(commas_stand_where_they_must),
        cmocka_unit_test(escapes),
        cmocka_unit_test(any_bytes_become_valid_json),
        cmocka_unit_test(json_is_told_from_what_is_not),
        cmocka_unit_test(a_full_buffer_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
