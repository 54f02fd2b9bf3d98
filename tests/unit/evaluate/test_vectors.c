// links: evaluate market proto base cmocka
/* The kernels against tests/vectors/evaluate.txt, which an independent implementation of the specification made
 * (tests/reference/evaluate.py). Markets come from the recurrence that is described there, written once more here. */
#include "evaluate/auc.h"
#include "evaluate/interval.h"
#include "evaluate/label.h"
#include "evaluate/merge.h"
#include "evaluate/platt.h"
#include "evaluate/probability.h"
#include "evaluate/slice.h"
#include "evaluate/top_k.h"

#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ROWS_MAX = 2000, SNAPSHOTS_MAX = 20000, FIGURES_MAX = 64, LINE_BYTES = 256 };
static const int64_t T0 = INT64_C(1700006400000) - 700000;

/* parameters: of a case line, in its order. */
struct parameters {
    char name[32];
    uint64_t seed;
    int64_t seconds, horizon_s, tol_ms, lift, pause_s;
};

/* figures: a case's expected lines. */
struct figures {
    size_t count, checked;
    char names[FIGURES_MAX][32];
    char values[FIGURES_MAX][40];
};

struct market {
    struct label_snapshot snapshots[SNAPSHOTS_MAX];
    size_t snapshot_count;
    size_t count; /* rows */
    int64_t t_ms[ROWS_MAX];
    double prices[ROWS_MAX], scores[ROWS_MAX], returns[ROWS_MAX];
    struct merge_row ages[ROWS_MAX];
    uint8_t labels[ROWS_MAX];
};

static int64_t draw(uint64_t *x, uint64_t below)
{
    *x = (1103515245 * *x + 12345) % (UINT64_C(1) << 31);
    return (int64_t)(*x / 256 % below);
}

static void make_snapshots(const struct parameters *p, uint64_t *x, struct market *market)
{
    int64_t t = T0 - 2000, cents = 10000;
    while (t < T0 + p->seconds * 1000) {
        t += 50 + draw(x, 900);
        cents += draw(x, 7) - 3;
        int64_t paused = t - (T0 + 300000);
        if (paused < 0 || paused >= p->pause_s * 1000)
            market->snapshots[market->snapshot_count++] = (struct label_snapshot){t, (double)cents / 100};
    }
}

static void make_market(const struct parameters *p, struct market *market)
{
    uint64_t x = p->seed;
    size_t newest = 0;
    int64_t raw[ROWS_MAX];
    memset(market, 0, sizeof *market);
    make_snapshots(p, &x, market);
    for (int64_t t = T0; t < T0 + p->seconds * 1000; t += 1000) {
        size_t i = market->count;
        if (draw(&x, 17) == 0)
            continue;
        while (newest + 1 < market->snapshot_count && market->snapshots[newest + 1].ts_ms <= t)
            newest++;
        raw[i] = draw(&x, 6001) - 3000;
        market->t_ms[i] = t;
        market->prices[i] = market->snapshots[newest].mid;
        market->ages[i] = (struct merge_row){t, t - market->snapshots[newest].ts_ms, draw(&x, 3000)};
        market->count++;
    }
    struct label_rule rule = {p->horizon_s * 1000, p->tol_ms};
    label_all(&rule, market->t_ms, market->prices, market->count, market->snapshots, market->snapshot_count,
              market->labels, market->returns);
    for (size_t i = 0; i < market->count; i++) {
        int64_t lift = market->labels[i] == LABEL_UP     ? p->lift
                       : market->labels[i] == LABEL_DOWN ? -p->lift
                                                         : 0;
        market->scores[i] = (double)(raw[i] + lift) / 1000;
    }
}

static const char *expected_text(struct figures *figures, const char *name)
{
    for (size_t i = 0; i < figures->count; i++)
        if (strcmp(figures->names[i], name) == 0) {
            figures->checked++;
            return figures->values[i];
        }
    fail_msg("the vectors lack %s", name);
    return NULL;
}

static void check(struct figures *figures, const char *name, double value, double tolerance)
{
    const char *text = expected_text(figures, name);
    if (strcmp(text, "null") == 0) {
        if (!isnan(value))
            fail_msg("%s is %.17g, should be unknown", name, value);
        return;
    }
    double expected = strtod(text, NULL);
    if (!(fabs(value - expected) <= tolerance * fmax(1, fabs(expected))))
        fail_msg("%s is %.17g, should be %s", name, value, text);
}

static void check_count(struct figures *figures, const char *name, int64_t value)
{
    const char *text = expected_text(figures, name);
    if (strtoll(text, NULL, 10) != value)
        fail_msg("%s is %" PRId64 ", should be %s", name, value, text);
}

/* Keeps the rows of a slice (SLICE_COUNT: all) whose label is an outcome and whose time is in [begin, end). */
static void keep(const struct market *from, int slice, int64_t begin_ms, int64_t end_ms, struct market *to)
{
    to->count = 0;
    for (size_t i = 0; i < from->count; i++) {
        if (from->labels[i] > LABEL_UP || from->t_ms[i] < begin_ms || from->t_ms[i] >= end_ms ||
            (slice != SLICE_COUNT && !slice_has(slice, from->t_ms[i], REGIME_NORMAL)))
            continue;
        to->t_ms[to->count] = from->t_ms[i];
        to->scores[to->count] = from->scores[i];
        to->returns[to->count] = from->returns[i];
        to->labels[to->count++] = from->labels[i];
    }
}

static struct auc auc_of(const struct market *rows, int64_t horizon_ms)
{
    double scratch[ROWS_MAX];
    return auc_measure(rows->scores, rows->labels, rows->count,
                       label_outcomes(rows->t_ms, rows->count, horizon_ms), scratch);
}

static void check_labels(const struct market *market, struct figures *figures)
{
    int64_t counts[LABEL_UNKNOWN + 1] = {0};
    double sum = 0;
    for (size_t i = 0; i < market->count; i++) {
        counts[market->labels[i]]++;
        sum += market->labels[i] <= LABEL_UP ? market->returns[i] : 0;
        assert_true(isnan(market->returns[i]) == (market->labels[i] == LABEL_UNKNOWN));
    }
    check_count(figures, "rows", (int64_t)market->count);
    check_count(figures, "ones", counts[LABEL_UP]);
    check_count(figures, "zeros", counts[LABEL_DOWN]);
    check_count(figures, "ties", counts[LABEL_TIE]);
    check_count(figures, "unlabeled", counts[LABEL_UNKNOWN]);
    check(figures, "return_sum", sum, 1e-12);
}

static void check_auc(const struct market *market, int64_t horizon_ms, struct figures *figures)
{
    static struct market rows;
    static double scratch[ROWS_MAX];
    double low, high;
    keep(market, SLICE_COUNT, 0, INT64_MAX, &rows);
    struct auc auc = auc_of(&rows, horizon_ms);
    check_count(figures, "n_eff", auc.n_eff);
    check(figures, "auc", auc.value, 1e-12);
    check(figures, "auc_lo95", auc.lo95, 1e-12);
    check(figures, "auc_hi95", auc.hi95, 1e-12);
    check(figures, "top_k", top_k_hit_rate_5p(rows.scores, rows.returns, rows.count, scratch), 0);
    wilson_interval(auc.ones, auc.n, &low, &high);
    check(figures, "wilson_lo95", low, 1e-12);
    check(figures, "wilson_hi95", high, 1e-12);
    for (int slice = SLICE_TOKYO; slice <= SLICE_NY; slice++) {
        char name[32];
        snprintf(name, sizeof name, "auc_%s", SLICE_NAMES[slice]);
        keep(market, slice, 0, INT64_MAX, &rows);
        check(figures, name, auc_of(&rows, horizon_ms).value, 1e-12);
    }
}

static void check_calibration(const struct market *market, const struct parameters *p,
                              struct figures *figures)
{
    static struct market train, test;
    static double probabilities[ROWS_MAX];
    struct label_rule rule = {p->horizon_s * 1000, p->tol_ms};
    int64_t end_ms = T0 + p->seconds * 1000 * 2 / 3;
    keep(market, SLICE_COUNT, T0, end_ms, &train);
    while (train.count > 0 && !label_in_window(&rule, train.t_ms[train.count - 1], T0, end_ms))
        train.count--;
    keep(market, SLICE_COUNT, end_ms, INT64_MAX, &test);
    check_count(figures, "train", (int64_t)train.count);
    check_count(figures, "test", (int64_t)test.count);

    struct platt fit = platt_train(train.scores, train.labels, train.count);
    bool active = fit.state == CALIBRATION_ACTIVE;
    assert_string_equal(CALIBRATION_STATE_NAMES[fit.state], expected_text(figures, "state"));
    check(figures, "a", active ? fit.a : NAN, 1e-6);
    check(figures, "b", active ? fit.b : NAN, 1e-6);
    double ones = 0;
    for (size_t i = 0; i < train.count; i++)
        ones += train.labels[i];
    for (size_t i = 0; i < test.count; i++)
        probabilities[i] = platt_probability(fit.a, fit.b, test.scores[i]);
    size_t n = active ? test.count : 0;
    struct brier brier = brier_measure(probabilities, test.labels, n, ones / (double)train.count);
    check(figures, "ece", expected_calibration_error(probabilities, test.labels, n), 1e-7);
    check(figures, "brier", brier.value, 1e-7);
    check(figures, "brier_baseline", brier.baseline, 1e-12);
    check(figures, "brier_improvement_pct", brier.improvement_pct, 1e-6);
}

static void check_merge(const struct market *market, struct figures *figures)
{
    double scratch[ROWS_MAX];
    int64_t first_ms = market->snapshots[0].ts_ms,
            last_ms = market->snapshots[market->snapshot_count - 1].ts_ms;
    for (int signal = MERGE_OFI; signal < MERGE_SIGNALS; signal++) {
        struct merge merge =
            merge_measure(market->ages, market->count, signal, 2000, first_ms, last_ms, scratch);
        const struct {
            const char *name;
            double value;
        } figures_of[] = {
            {"n_total", (double)merge.n_total},
            {"n_matched", (double)merge.n_matched},
            {"match_rate", merge.match_rate},
            {"p50", merge.p50},
            {"p90", merge.p90},
            {"p99", merge.p99},
        };
        for (size_t i = 0; i < sizeof figures_of / sizeof figures_of[0]; i++) {
            char name[40];
            snprintf(name, sizeof name, "%s_%s", MERGE_SIGNAL_NAMES[signal], figures_of[i].name);
            check(figures, name, figures_of[i].value, 1e-12);
        }
    }
}

static void check_case(const struct parameters *p, struct figures *figures)
{
    static struct market market;
    print_message("%s\n", p->name);
    make_market(p, &market);
    check_labels(&market, figures);
    check_auc(&market, p->horizon_s * 1000, figures);
    check_calibration(&market, p, figures);
    check_merge(&market, figures);
    assert_int_equal(figures->checked, figures->count); /* no line of the vectors is left unread */
}

static void the_kernels_agree_with_the_reference(void **state)
{
    (void)state;
    const char *root = getenv("ORDERFLOW_ROOT");
    char path[4096], line[LINE_BYTES];
    struct parameters parameters = {0};
    struct figures figures = {0};
    int cases = 0;
    snprintf(path, sizeof path, "%s/tests/vectors/evaluate.txt", root ? root : ".");
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file)) {
        struct parameters p;
        if (sscanf(line, "case %31s %" SCNu64 " %" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNd64,
                   p.name, &p.seed, &p.seconds, &p.horizon_s, &p.tol_ms, &p.lift, &p.pause_s) == 7) {
            if (cases++ > 0)
                check_case(&parameters, &figures);
            parameters = p;
            figures = (struct figures){0};
        } else if (line[0] != '#') {
            size_t i = figures.count++;
            assert_int_equal(sscanf(line, "%31s %39s", figures.names[i], figures.values[i]), 2);
        }
    }
    fclose(file);
    check_case(&parameters, &figures);
    assert_true(cases >= 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_kernels_agree_with_the_reference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
