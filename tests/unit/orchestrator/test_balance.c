// The loss ledger's table: every line has a fixture in which it balances, one in which it does not, and one in which a figure
// is missing; which lines concern which run.
// links: account proto base
#include "orchestrator/account/balance.h"
#include "tests/support/check.h"

#include <string.h>

enum { ALL = (1 << MODULE_COUNT) - 1 };

static const struct balance_conditions ENDED = {.modules = ALL, .sink = "dual"};
static const struct balance_conditions PLAYED = {.modules = 1 << MODULE_FEATURES | 1 << MODULE_SIGNAL |
                                                            1 << MODULE_BROKER | 1 << MODULE_REPORT,
                                                 .sink = "dual"};
static const struct balance_conditions LIVE = {.modules = ALL, .sink = "dual", .live = true};

static const char *symbol_of(const struct balance_line *line)
{
    return line->scope == BALANCE_RUN ? "" : "BTCUSDT";
}

/* put: one figure of a term; a sum "…*" gets it in two parts. */
static void put(struct figures *figures, const char *symbol, const char *term, int64_t value)
{
    char name[FIGURE_KEY_BYTES];
    size_t length = strlen(term += *term == '?');
    if (term[length - 1] != '*') {
        figures_add(figures, symbol, term, value);
        return;
    }
    snprintf(name, sizeof name, "%.*sone", (int)length - 1, term);
    figures_add(figures, symbol, name, value / 2);
    snprintf(name, sizeof name, "%.*stwo", (int)length - 1, term);
    figures_add(figures, symbol, name, value - value / 2);
}

static size_t count_of(const char *const *terms)
{
    size_t count = 0;
    while (terms[count])
        count++;
    return count;
}

/* fill: 60 on each side, and `more` on the side and term meant; `without` (may be NULL) is left out. */
static void fill(struct figures *figures, const struct balance_line *line, int64_t more_in, int64_t more_out,
                 const char *without)
{
    const char *const *sides[] = {line->in, line->out};
    const int64_t more[] = {more_in, more_out};
    for (size_t side = 0; side < 2; side++) {
        size_t count = count_of(sides[side]);
        int64_t left = 60 + more[side];
        for (size_t i = 0; i < count; i++) {
            int64_t value = i + 1 == count ? left : left / 3;
            left -= value;
            if (sides[side][i] != without)
                put(figures, symbol_of(line), sides[side][i], value);
        }
    }
}

static struct balance judged(const struct balance_line *line, const struct balance_conditions *conditions,
                             int64_t more_in, int64_t more_out, const char *without)
{
    struct figures figures;
    figures_init(&figures);
    fill(&figures, line, more_in, more_out, without);
    struct balance balance = balance_judge(line, conditions, &figures, symbol_of(line));
    figures_finish(&figures);
    return balance;
}

static void expect(const struct balance_line *line, const char *what, struct balance balance,
                   enum balance_verdict wanted)
{
    if (balance.verdict != wanted)
        fail_msg("line %s, %s: %s (%lld in, %lld out), not %s", line->id, what,
                 balance_verdict_name(balance.verdict), (long long)balance.in, (long long)balance.out,
                 balance_verdict_name(wanted));
}

static void every_line_balances_fails_and_is_unknown_without_any_of_its_figures(void **unused)
{
    (void)unused;
    const struct balance_line *line;
    for (size_t i = 0; (line = balance_line_at(i)); i++) {
        expect(line, "even", judged(line, &ENDED, 0, 0, NULL), BALANCE_EVEN);
        expect(line, "one lost", judged(line, &ENDED, 1, 0, NULL), BALANCE_UNEVEN);
        expect(line, "one doubled", judged(line, &ENDED, 0, 1, NULL), BALANCE_UNEVEN);
        for (size_t k = 0; line->in[k]; k++)
            expect(line, line->in[k], judged(line, &ENDED, 0, 0, line->in[k]), BALANCE_UNKNOWN);
        for (size_t k = 0; line->out[k]; k++) {
            struct balance balance = judged(line, &ENDED, 0, 0, line->out[k]);
            expect(line, line->out[k], balance, BALANCE_UNKNOWN);
            assert_ptr_equal(balance.missing, line->out[k]);
        }
    }
}

static void while_the_run_lives_only_what_is_on_its_way_may_be_missing(void **unused)
{
    (void)unused;
    const struct balance_line *line;
    for (size_t i = 0; (line = balance_line_at(i)); i++) {
        bool lags = line->flags & BALANCE_LAGS;
        expect(line, "live, even", judged(line, &LIVE, 0, 0, NULL), BALANCE_EVEN);
        expect(line, "live, on its way", judged(line, &LIVE, 7, 0, NULL),
               lags ? BALANCE_OUTSTANDING : BALANCE_UNEVEN);
        expect(line, "live, more than there was", judged(line, &LIVE, 0, 1, NULL), BALANCE_UNEVEN);
    }
}

static void lines_and_losses_have_names_of_their_own_and_known_counters(void **unused)
{
    (void)unused;
    struct figures figures;
    const struct balance_line *line, *other;
    const struct balance_loss *loss;
    figures_init(&figures);
    for (size_t i = 0; (line = balance_line_at(i)); i++) {
        assert_true(*line->id && *line->meaning && line->in[0] && line->out[0]);
        for (size_t k = 0; (other = balance_line_at(k)) && k < i; k++)
            assert_string_not_equal(line->id, other->id);
        if (!balance_concerns(line, &ENDED, &figures) && !balance_concerns(line, &PLAYED, &figures))
            fail_msg("line %s names somebody who counts in no run", line->id);
    }
    for (size_t i = 0; (loss = balance_loss_at(i)); i++)
        if (!balance_loss_concerns(loss, &ENDED))
            fail_msg("loss %s names somebody who counts in no run", loss->id);
    figures_finish(&figures);
}

static const struct balance_line *line_of(const char *id)
{
    const struct balance_line *line;
    for (size_t i = 0; (line = balance_line_at(i)); i++)
        if (strcmp(line->id, id) == 0)
            return line;
    fail_msg("there is no line %s", id);
    return NULL;
}

static bool concerns(const char *id, module_set modules, const char *sink, bool live, int64_t whole)
{
    const struct balance_conditions conditions = {.modules = modules, .sink = sink, .live = live};
    struct figures figures;
    figures_init(&figures);
    if (whole >= 0)
        figures_add(&figures, "", "harvest:books_are_whole", whole);
    bool result = balance_concerns(line_of(id), &conditions, &figures);
    figures_finish(&figures);
    return result;
}

static void lines_of_what_is_not_part_of_the_run_are_left_out(void **unused)
{
    (void)unused;
    module_set no_broker = ALL & ~module_bit(MODULE_BROKER), no_features = ALL & ~module_bit(MODULE_FEATURES);
    assert_true(concerns("mock_orders", ALL, "dual", false, 0));
    assert_false(concerns("mock_orders", no_broker, "dual", false, 0));
    assert_false(concerns("confirmed", no_broker, "dual", false, 0));
    assert_true(concerns("jsonl", ALL, "jsonl", false, 0));
    assert_false(concerns("jsonl", ALL, "sqlite", false, 0));
    assert_true(concerns("sqlite", ALL, "sqlite", false, 0));
    assert_false(concerns("sqlite", ALL, "jsonl", false, 0));
    assert_true(concerns("parquet_events", no_features, "dual", false, 0)); /* harvest has events, too */
    assert_false(concerns("parquet_ofi", no_features, "dual", false, 0));
    assert_true(concerns("socket", ALL, "dual", false, 0));
    assert_false(concerns("socket", ALL, "dual", true, 0)); /* the sockets go on while the files are read */
    assert_true(concerns("diffs", ALL, "dual", false, 0));
    assert_false(concerns("diffs", ALL, "dual", false, 1));
    assert_true(concerns("whole_books", ALL, "dual", false, 1));
    assert_false(concerns("whole_books", ALL, "dual", false, 0));
    assert_true(concerns("features_grid", ALL, "dual", false, 0));
    assert_false(concerns("features_played", ALL, "dual", false, 0));
    assert_true(concerns("features_played", PLAYED.modules, "dual", false, -1)); /* rows are the input: */
    assert_false(concerns("features_grid", PLAYED.modules, "dual", false, -1));
    assert_false(concerns("parquet_features", PLAYED.modules, "dual", false, -1));
    assert_true(concerns("signal_decisions", PLAYED.modules, "dual", false, -1));
    assert_true(concerns("diffs", ALL, "dual", false, -1)); /* nobody says which: neither is left out */
    assert_true(concerns("whole_books", ALL, "dual", false, -1));
}

static void events_of_a_run_without_features_are_those_of_harvest(void **unused)
{
    (void)unused;
    const struct balance_conditions conditions = {.modules = ALL & ~module_bit(MODULE_FEATURES),
                                                  .sink = "dual"};
    struct figures figures;
    figures_init(&figures);
    figures_add(&figures, "A", "harvest:rows.event", 5);
    figures_add(&figures, "A", "parquet:distinct.events", 3);
    figures_add(&figures, "A", "deadletter:events", 1);
    figures_add(&figures, "A", "archive:duplicates.events", 1);
    struct balance balance = balance_judge(line_of("parquet_events"), &conditions, &figures, "A");
    assert_int_equal(balance.verdict, BALANCE_EVEN);
    assert_int_equal(balance.in, 5);
    balance = balance_judge(line_of("parquet_events"), &ENDED, &figures, "A");
    assert_int_equal(balance.verdict, BALANCE_UNKNOWN);
    assert_string_equal(balance.missing, "?features:rows.event");
    figures_finish(&figures);
}

static void a_figure_of_the_run_is_its_own_or_the_sum_over_the_symbols(void **unused)
{
    (void)unused;
    struct figures figures;
    int64_t value;
    figures_init(&figures);
    figures_add(&figures, "A", "x:rows.trade", 3);
    figures_add(&figures, "AB", "x:rows.trade", 4);
    figures_add(&figures, "AB", "x:rows.book", 5);
    figures_add(&figures, "", "x:own", 9);
    figures_add(&figures, "A", "x:own", 1);
    assert_true(figures_get(&figures, "", "x:rows.trade", &value) && value == 7);
    assert_true(figures_get(&figures, "", "x:own", &value) && value == 9);
    assert_true(figures_get(&figures, "A", "x:rows.*", &value) && value == 3);
    assert_true(figures_get(&figures, "AB", "x:rows.*", &value) && value == 9);
    assert_true(figures_get(&figures, "", "x:rows.*", &value) && value == 12);
    assert_false(figures_get(&figures, "A", "x:rows", &value));
    assert_false(figures_get(&figures, "B", "x:own", &value));
    assert_false(figures_get(&figures, "A", "y:*", &value));
    figures_add(&figures, "A", "x:own", 4);
    assert_true(figures_get(&figures, "A", "x:own", &value) && value == 5);
    figures_finish(&figures);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_line_balances_fails_and_is_unknown_without_any_of_its_figures),
        cmocka_unit_test(while_the_run_lives_only_what_is_on_its_way_may_be_missing),
        cmocka_unit_test(lines_and_losses_have_names_of_their_own_and_known_counters),
        cmocka_unit_test(lines_of_what_is_not_part_of_the_run_are_left_out),
        cmocka_unit_test(events_of_a_run_without_features_are_those_of_harvest),
        cmocka_unit_test(a_figure_of_the_run_is_its_own_or_the_sum_over_the_symbols),
    };
    check_filter();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
