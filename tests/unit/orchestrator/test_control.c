// Control requests: what is believed, what is refused, and what happens to an id that comes again.
// links: orchestrator base yyjson
#include "orchestrator/control/control.h"
#include "tests/support/check.h"

#include <string.h>

struct counting {
    int performed;
    char last[64];
};

static enum status perform_echo(void *context, const struct control_values *values, struct json *result,
                                struct error *error)
{
    struct counting *counting = context;
    counting->performed++;
    if (values->given[1] && values->integers[1] == 13)
        return error_set(error, STATUS_CONFLICT, "13 is refused");
    json_object_begin(result);
    json_key_text(result, "name", values->texts[0]);
    json_key_i64(result, "count", counting->performed);
    json_object_end(result);
    return STATUS_OK;
}

static const struct control_verb VERBS[] = {
    {"echo", {{"name", CONTROL_TEXT, true}, {"number", CONTROL_INTEGER, false}}, true, perform_echo},
    {0},
};

struct bench {
    struct control control;
    struct counting counting;
    struct buffer answer;
    int64_t now_ms;
};

static int set_up(void **state)
{
    static struct bench bench;
    memset(&bench, 0, sizeof bench);
    control_init(&bench.control);
    buffer_init(&bench.answer, 0);
    *state = &bench;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *bench = *state;
    control_finish(&bench->control);
    buffer_finish(&bench->answer);
    return 0;
}

static const char *ask(struct bench *bench, const char *request)
{
    control_handle(&bench->control, VERBS, &bench->counting, request, strlen(request), bench->now_ms,
                   &bench->answer);
    return buffer_text(&bench->answer);
}

static void a_good_request_is_performed_and_answered(void **state)
{
    assert_string_equal(
        ask(*state, "{\"id\":\"a\",\"verb\":\"echo\",\"args\":{\"name\":\"x\",\"number\":-4}}"),
        "{\"id\":\"a\",\"ok\":true,\"error\":null,\"result\":{\"name\":\"x\",\"count\":1}}");
}

static void a_refusal_of_the_verb_is_the_answer(void **state)
{
    assert_string_equal(
        ask(*state, "{\"id\":\"a\",\"verb\":\"echo\",\"args\":{\"name\":\"x\",\"number\":13}}"),
        "{\"id\":\"a\",\"ok\":false,\"error\":\"13 is refused\",\"result\":null}");
}

static void what_is_not_exactly_a_request_is_refused_with_a_sentence(void **state)
{
    static const struct {
        const char *request;
        const char *sentence;
    } CASES[] = {
        {"", "not JSON"},
        {"{", "not JSON"},
        {"{\"id\":\"a\",\"verb\":\"echo\",\"args\":{\"name\":\"x\"}} x", "not JSON"},
        {"[]", "not a JSON object"},
        {"7", "not a JSON object"},
        {"{\"verb\":\"echo\",\"args\":{\"name\":\"x\"}}", "id:"},
        {"{\"id\":7,\"verb\":\"echo\",\"args\":{}}", "id:"},
        {"{\"id\":\"\",\"verb\":\"echo\",\"args\":{}}", "id:"},
        {"{\"id\":\"a b\",\"verb\":\"echo\",\"args\":{}}", "id:"},
        {"{\"id\":\"0123456789012345678901234567890123456789012345678901234567890123456789\",\"verb\":"
         "\"echo\","
         "\"args\":{}}",
         "id:"},
        {"{\"id\":\"a\",\"args\":{}}", "verb:"},
        {"{\"id\":\"b\",\"verb\":\"dance\",\"args\":{}}", "no verb 'dance'"},
        {"{\"id\":\"c\",\"verb\":\"echo\"}", "args: must be an object"},
        {"{\"id\":\"d\",\"verb\":\"echo\",\"args\":[]}", "args: must be an object"},
        {"{\"id\":\"e\",\"verb\":\"echo\",\"args\":{}}", "needs 'name'"},
        {"{\"id\":\"f\",\"verb\":\"echo\",\"args\":{\"name\":7}}", "'name' must be a text"},
        {"{\"id\":\"g\",\"verb\":\"echo\",\"args\":{\"name\":\"x\",\"number\":1.5}}", "must be an integer"},
        {"{\"id\":\"h\",\"verb\":\"echo\",\"args\":{\"name\":\"x\",\"number\":18446744073709551615}}",
         "must be an integer"},
        {"{\"id\":\"i\",\"verb\":\"echo\",\"args\":{\"name\":\"x\",\"more\":1}}", "unknown member 'more'"},
        {"{\"id\":\"j\",\"verb\":\"echo\",\"args\":{\"name\":\"x\",\"name\":\"y\"}}", "comes twice"},
        {"{\"id\":\"k\",\"verb\":\"echo\",\"args\":{\"name\":\"x\"},\"more\":1}", "unknown member 'more'"},
        {"{\"id\":\"l\",\"verb\":\"echo\",\"args\":{\"name\":\"x\\u0000y\"}}", "'name' must be a text"},
    };
    struct bench *bench = *state;
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        const char *answer = ask(bench, CASES[i].request);
        if (!strstr(answer, "\"ok\":false") || !strstr(answer, CASES[i].sentence))
            fail_msg("%s\n  gave %s", CASES[i].request, answer);
    }
    assert_int_equal(bench->counting.performed, 0);
    assert_int_equal(bench->control.malformed, sizeof CASES / sizeof *CASES);
}

static void too_deep_and_too_long_requests_are_refused_before_they_are_parsed(void **state)
{
    struct bench *bench = *state;
    struct buffer request;
    buffer_init(&request, 0);
    for (int i = 0; i < 30000; i++)
        buffer_append_byte(&request, '[');
    assert_non_null(strstr(ask(bench, buffer_text(&request)), "nested 8 deep"));
    for (int i = 0; i < 60000; i++)
        buffer_append_byte(&request, ' ');
    assert_non_null(strstr(ask(bench, buffer_text(&request)), "65536 bytes"));
    buffer_finish(&request);
}

static void brackets_inside_texts_are_not_depth(void **state)
{
    assert_non_null(
        strstr(ask(*state, "{\"id\":\"a\",\"verb\":\"echo\",\"args\":{\"name\":\"[[[[[[[[[[\\\"[[[[[\"}}"),
               "\"ok\":true"));
}

static void the_same_id_gets_the_same_answer_for_five_minutes(void **state)
{
    static const char REQUEST[] = "{\"id\":\"a\",\"verb\":\"echo\",\"args\":{\"name\":\"x\"}}";
    struct bench *bench = *state;
    assert_non_null(strstr(ask(bench, REQUEST), "\"count\":1"));
    bench->now_ms = CONTROL_KEEP_MS;
    assert_non_null(strstr(ask(bench, REQUEST), "\"count\":1"));
    assert_int_equal(bench->counting.performed, 1);
    assert_non_null(strstr(ask(bench, "{\"id\":\"a\",\"verb\":\"echo\",\"args\":{\"name\":\"y\"}}"),
                           "used for another request"));
    assert_int_equal(bench->counting.performed, 1);
    bench->now_ms = CONTROL_KEEP_MS + 1;
    assert_non_null(strstr(ask(bench, REQUEST), "\"count\":2"));
}

static void what_is_kept_has_a_limit(void **state)
{
    struct bench *bench = *state;
    char request[128];
    for (int i = 0; i < 3 * CONTROL_ANSWERS_KEPT; i++) {
        snprintf(request, sizeof request, "{\"id\":\"n%d\",\"verb\":\"echo\",\"args\":{\"name\":\"x\"}}", i);
        ask(bench, request);
    }
    assert_true(bench->control.kept_bytes < CONTROL_ANSWERS_KEPT * 200);
    assert_int_equal(bench->counting.performed, 3 * CONTROL_ANSWERS_KEPT);
    ask(bench, request); /* the newest is still known */
    assert_int_equal(bench->counting.performed, 3 * CONTROL_ANSWERS_KEPT);
}

static void no_bytes_whatever_do_harm(void **state)
{
    struct bench *bench = *state;
    struct random random = check_random();
    static const char SEED[] = "{\"id\":\"a\",\"verb\":\"echo\",\"args\":{\"name\":\"x\",\"number\":12}}";
    for (int i = 0; i < 20000; i++) {
        char text[sizeof SEED];
        memcpy(text, SEED, sizeof SEED);
        for (uint64_t changes = random_below(&random, 6); changes > 0; changes--)
            text[random_below(&random, sizeof SEED - 1)] = (char)random_below(&random, 256);
        size_t bytes = random_below(&random, 4) ? sizeof SEED - 1 : random_below(&random, sizeof SEED);
        control_handle(&bench->control, VERBS, &bench->counting, text, bytes, i * 1000, &bench->answer);
        assert_non_null(strstr(buffer_text(&bench->answer), "\"ok\":"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_good_request_is_performed_and_answered, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_refusal_of_the_verb_is_the_answer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_not_exactly_a_request_is_refused_with_a_sentence, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(too_deep_and_too_long_requests_are_refused_before_they_are_parsed,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(brackets_inside_texts_are_not_depth, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_same_id_gets_the_same_answer_for_five_minutes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_kept_has_a_limit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_bytes_whatever_do_harm, set_up, tear_down),
    };
    check_filter();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
