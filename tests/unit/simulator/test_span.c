// links: simulator base
#include "services/simulator/span.h"

#include "tests/support/check.h"

#include <stdlib.h>
#include <string.h>

static struct span member_of(const char *object, const char *key)
{
    struct span value = {0};
    assert_true(span_member(span_of(object), key, &value));
    return value;
}

static void finds_members_as_they_are_written(void **state)
{
    (void)state;
    const char *object = " { \"a\" : [1, {\"b\":2}] ,\"text\":\"x\\\"}\", \"n\":-12.50 ,\"o\":{} } ";
    assert_true(span_equals(member_of(object, "a"), "[1, {\"b\":2}]"));
    assert_true(span_equals(member_of(object, "text"), "\"x\\\"}\""));
    assert_true(span_equals(member_of(object, "n"), "-12.50"));
    assert_true(span_equals(member_of(object, "o"), "{}"));
    struct span value;
    assert_false(span_member(span_of(object), "b", &value));
}

static void walks_elements(void **state)
{
    (void)state;
    struct span_walk walk;
    struct span element;
    assert_true(span_walk_begin(span_of("[[\"1\",\"2\"], 3]"), '[', &walk));
    assert_true(span_next_element(&walk, &element));
    assert_true(span_equals(element, "[\"1\",\"2\"]"));
    assert_true(span_next_element(&walk, &element));
    assert_true(span_equals(element, "3"));
    assert_false(span_next_element(&walk, &element));
    assert_false(walk.malformed);
}

static void broken_text_is_malformed_not_read_past(void **state)
{
    (void)state;
    static const char *const BROKEN[] = {"{\"a\":1,}", "{\"a\" 1}",   "{\"a\":}",    "{\"a\":[1}",
                                         "{a:1}",      "{\"a\":\"x}", "{\"a\":1 2}", "{\"a\":1,\"b\"}"};
    for (size_t i = 0; i < sizeof BROKEN / sizeof *BROKEN; i++) {
        struct span_walk walk;
        struct span key, value;
        /* An exact copy on the heap: a read behind its end is seen by the sanitizer. */
        size_t bytes = strlen(BROKEN[i]);
        char *text = malloc(bytes);
        memcpy(text, BROKEN[i], bytes);
        assert_true(span_walk_begin((struct span){text, bytes}, '{', &walk));
        while (span_next_member(&walk, &key, &value))
            continue;
        assert_true(walk.malformed);
        free(text);
    }
}

static void random_bytes_never_crash(void **state)
{
    (void)state;
    struct random random = check_random();
    static const char ALPHABET[] = "{}[]\",:\\ 1a";
    for (int round = 0; round < 20000; round++) {
        size_t bytes = random_below(&random, 40);
        char *text = malloc(bytes ? bytes : 1);
        for (size_t i = 0; i < bytes; i++)
            text[i] = ALPHABET[random_below(&random, sizeof ALPHABET - 1)];
        struct span_walk walk;
        struct span key, value, whole = {text, bytes};
        if (span_walk_begin(whole, '{', &walk))
            while (span_next_member(&walk, &key, &value))
                assert_true(value.text >= text && value.text + value.bytes <= text + bytes);
        span_is_object(whole);
        free(text);
    }
}

static void reads_integers_exactly(void **state)
{
    (void)state;
    int64_t integer = 7;
    assert_true(span_integer(span_of("\"123\""), &integer));
    assert_int_equal(integer, 123);
    assert_true(span_integer(span_of("-9223372036854775808"), &integer));
    assert_int_equal(integer, INT64_MIN);
    assert_false(span_integer(span_of("9223372036854775808"), &integer));
    assert_false(span_integer(span_of("1.5"), &integer));
    assert_false(span_integer(span_of(""), &integer));
    assert_false(span_integer(span_of("-"), &integer));
    assert_int_equal(integer, INT64_MIN);
}

static void knows_whole_objects(void **state)
{
    (void)state;
    assert_true(span_is_object(span_of("{\"a\":{\"b\":[]}}")));
    assert_false(span_is_object(span_of("{\"a\":{\"b\":[]}")));
    assert_false(span_is_object(span_of("{} {}")));
    assert_false(span_is_object(span_of("[]")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_members_as_they_are_written),
        cmocka_unit_test(walks_elements),
        cmocka_unit_test(broken_text_is_malformed_not_read_past),
        cmocka_unit_test(random_bytes_never_crash),
        cmocka_unit_test(reads_integers_exactly),
        cmocka_unit_test(knows_whole_objects),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
