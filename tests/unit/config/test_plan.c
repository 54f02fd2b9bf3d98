// links: config base
/* The plan: names of instances, rendezvous owners, and a reader that refuses what is not a whole plan. */
#include "config/plan.h"

#include "base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SYMBOLS = 1000 };

static const char **symbols_make(void)
{
    static char names[SYMBOLS][16];
    static const char *symbols[SYMBOLS];
    for (size_t i = 0; i < SYMBOLS; i++) {
        snprintf(names[i], sizeof names[i], "S%03zuUSDT", i);
        symbols[i] = names[i];
    }
    return symbols;
}

static void the_first_instance_has_the_plain_name(void **state)
{
    (void)state;
    char name[PLAN_NAME_BYTES];
    plan_instance_name("signal", 1, name);
    assert_string_equal(name, "signal");
    plan_instance_name("signal", 3, name);
    assert_string_equal(name, "signal.3");
    assert_int_equal(plan_instance_number("signal", "signal"), 1);
    assert_int_equal(plan_instance_number("signal", "signal.1"), 1);
    assert_int_equal(plan_instance_number("signal", "signal.64"), 64);
    static const char *const NONE[] = {"signal.65", "signal.0", "signal.02", "signal.",
                                       "signal.x",  "signals",  "sig",       "signal.99999999999999999999",
                                       ""};
    for (size_t i = 0; i < sizeof NONE / sizeof *NONE; i++)
        assert_int_equal(plan_instance_number("signal", NONE[i]), 0);
}

static void one_instance_more_takes_its_share_and_moves_nothing_else(void **state)
{
    (void)state;
    const char **symbols = symbols_make();
    for (size_t count = 1; count < 16; count++) {
        struct plan *before = plan_create("run", symbols, SYMBOLS),
                    *after = plan_create("run", symbols, SYMBOLS);
        struct plan_service *few = plan_add(before, "signal", count),
                            *more = plan_add(after, "signal", count + 1);
        size_t moved = 0;
        for (size_t i = 0; i < SYMBOLS; i++) {
            if (few->owners[i] == more->owners[i])
                continue;
            assert_int_equal(more->owners[i], count); /* only to the new one */
            moved++;
        }
        size_t share = SYMBOLS / (count + 1);
        if (moved < share / 2 || moved > share * 2)
            fail_msg("%zu → %zu instances: %zu of %d symbols moved, about %zu expected", count, count + 1,
                     moved, SYMBOLS, share);
        plan_destroy(before);
        plan_destroy(after);
    }
}

static void everybody_gets_a_fair_share(void **state)
{
    (void)state;
    struct plan *plan = plan_create("run", symbols_make(), SYMBOLS);
    struct plan_service *service = plan_add(plan, "features", 8);
    for (size_t i = 0; i < 8; i++) {
        size_t owned = plan_owned(plan, "features", service->instances[i]);
        if (owned < SYMBOLS / 16 || owned > SYMBOLS / 4)
            fail_msg("%s has %zu of %d symbols", service->instances[i], owned, SYMBOLS);
    }
    plan_destroy(plan);
}

static struct plan *small_plan(void)
{
    static const char *const SYMBOLS_TWO[] = {"BTCUSDT", "ETHUSDT"};
    struct plan *plan = plan_create("run-1", SYMBOLS_TWO, 2);
    plan->version = 7;
    plan_add(plan, "harvest", 1);
    plan_add(plan, "signal", 3);
    return plan;
}

static void a_plan_comes_back_as_it_was_written(void **state)
{
    (void)state;
    struct plan *plan = small_plan(), *back = NULL;
    struct buffer text;
    struct error error = {{0}};
    buffer_init(&text, 0);
    plan_json(plan, &text);
    assert_int_equal(plan_parse(text.data, text.length, &back, &error), STATUS_OK);
    assert_string_equal(back->run_id, "run-1");
    assert_int_equal(back->version, 7);
    for (size_t i = 0; i < 2; i++)
        assert_string_equal(plan_owner(back, "signal", plan->symbols[i]),
                            plan_owner(plan, "signal", plan->symbols[i]));
    assert_string_equal(plan_owner(back, "harvest", "ETHUSDT"), "harvest");
    assert_null(plan_owner(back, "broker", "ETHUSDT"));
    assert_null(plan_owner(back, "signal", "XRPUSDT"));
    buffer_finish(&text);
    plan_destroy(plan);
    plan_destroy(back);
}

static void an_instance_that_owns_nothing_can_go(void **state)
{
    (void)state;
    struct plan *plan = small_plan();
    struct plan_service *service = plan_service(plan, "signal");
    service->owners[0] = 2;
    service->owners[1] = 0;
    plan_instance_remove(service, plan_instance(service, "signal.2"));
    assert_int_equal(service->instance_count, 2);
    assert_string_equal(plan_owner(plan, "signal", "BTCUSDT"), "signal.3");
    assert_string_equal(plan_owner(plan, "signal", "ETHUSDT"), "signal");
    plan_destroy(plan);
}

#define HEAD     "{\"schema_version\":1,\"run_id\":\"r\",\"version\":1,\"symbols\":[\"A\",\"B\"],\"services\":"
#define SERVICE1 "{\"signal\":{\"instances\":[\"signal\"],\"owners\":{\"A\":\"signal\",\"B\":\"signal\"}}}"

static void what_is_no_whole_plan_is_refused_with_its_place(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } BAD[] = {
        {"", "byte 0"},
        {"{", "byte"},
        {"[]", "schema_version"},
        {"{\"schema_version\":2}", "schema_version"},
        {"{\"schema_version\":1,\"run_id\":7}", "run_id"},
        {"{\"schema_version\":1,\"run_id\":\"r\",\"version\":0}", "version"},
        {"{\"schema_version\":1,\"run_id\":\"r\",\"version\":1,\"symbols\":[]}", "symbols"},
        {"{\"schema_version\":1,\"run_id\":\"r\",\"version\":1,\"symbols\":[\"A\",\"A\"]}", "named twice"},
        {"{\"schema_version\":1,\"run_id\":\"r\",\"version\":1,\"symbols\":["
         "\"0123456789012345678901234567890123\"]}",
         "symbols[0]"},
        {HEAD "[]}", "services"},
        {HEAD "{\"signal\":{}}}", "services.signal.instances"},
        {HEAD "{\"signal\":{\"instances\":[\"broker\"]}}}", "services.signal.instances[0]"},
        {HEAD "{\"signal\":{\"instances\":[\"signal\",\"signal\"]}}}", "named twice"},
        {HEAD "{\"signal\":{\"instances\":[\"signal\"],\"owners\":{\"A\":\"signal\"}}}}",
         "each of the 2 symbols"},
        {HEAD "{\"signal\":{\"instances\":[\"signal\"],\"owners\":{\"A\":\"signal\",\"B\":\"signal.2\"}}}}",
         "services.signal.owners.B"},
        {HEAD "{\"signal\":{\"instances\":[\"signal\"],\"owners\":{\"A\":\"signal\",\"C\":\"signal\"}}}}",
         "services.signal.owners.B"},
        {HEAD SERVICE1 "} ,", "byte"},
    };
    struct plan *plan = NULL;
    struct error error;
    assert_int_equal(plan_parse(HEAD SERVICE1 "}", strlen(HEAD SERVICE1 "}"), &plan, &error), STATUS_OK);
    plan_destroy(plan);
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        plan = NULL;
        error = (struct error){{0}};
        assert_int_equal(plan_parse(BAD[i].text, strlen(BAD[i].text), &plan, &error), STATUS_MALFORMED);
        assert_null(plan);
        if (!strstr(error.text, BAD[i].says))
            fail_msg("%s: '%s' does not say '%s'", BAD[i].text, error.text, BAD[i].says);
    }
    assert_int_equal(plan_read("/nowhere/plan.json", &plan, &error), STATUS_NOT_FOUND);
    assert_non_null(strstr(error.text, "/nowhere/plan.json"));
}

/* Every prefix of a plan, and the plan with every byte changed in turn, is a plan or is refused; nothing else happens. */
static void damaged_plans_never_hurt(void **state)
{
    (void)state;
    struct plan *plan = small_plan(), *back;
    struct buffer text;
    struct error error;
    buffer_init(&text, 0);
    plan_json(plan, &text);
    for (size_t i = 0; i < text.length; i++) {
        back = NULL;
        if (plan_parse(text.data, i, &back, &error) == STATUS_OK)
            assert_true(i + 1 >= text.length); /* only the line's end may be missing */
        plan_destroy(back);
        for (int change = 1; change < 256; change += 37) {
            back = NULL;
            text.data[i] ^= (uint8_t)change;
            if (plan_parse(text.data, text.length, &back, &error) != STATUS_OK)
                assert_null(back);
            plan_destroy(back);
            text.data[i] ^= (uint8_t)change;
        }
    }
    buffer_finish(&text);
    plan_destroy(plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_instance_has_the_plain_name),
        cmocka_unit_test(one_instance_more_takes_its_share_and_moves_nothing_else),
        cmocka_unit_test(everybody_gets_a_fair_share),
        cmocka_unit_test(a_plan_comes_back_as_it_was_written),
        cmocka_unit_test(an_instance_that_owns_nothing_can_go),
        cmocka_unit_test(what_is_no_whole_plan_is_refused_with_its_place),
        cmocka_unit_test(damaged_plans_never_hurt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
