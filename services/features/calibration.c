#include "calibration.h"

#include "base/clock.h"
#include "base/memory.h"
#include "market/state.h"
#include "market/timeline.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    STATE_TAG = 0x31424c43,
    NOT_SET = 0, /* times are positive */
};

/* labeled: one slot of the table: a row whose outcome is known. mark is 2·t + label, 0 in a slot never used. */
struct labeled {
    int64_t mark;
    double score;
    double z_cvd;
};

/* waiting: a row whose outcome is not known yet. */
struct waiting {
    int64_t ts_ms;
    double price;
    double score;
    double z_cvd;
};

struct calibration {
    struct calibration_config config;
    struct labeled *table; /* t is at (t / step_ms) % slots */
    size_t slots;
    struct timeline pending; /* struct waiting */
    int64_t next_boundary_ms;
    int64_t newest_row_ms; /* of the rows in the table */
    struct platt fit;      /* state CALIBRATION_NONE before the first boundary */
    bool suspended;
    struct calibration_counters counters;
};

/* training: the rows of a window, as the kernels want them. */
struct training {
    size_t n;
    int64_t *t_ms;
    double *scores;
    double *z_cvd;
    uint8_t *labels;
};

struct calibration_config calibration_config_default(void)
{
    return (struct calibration_config){
        .step_ms = 1000,
        .train_ms = 7200000,
        .test_ms = 1800000,
        .rule = {.horizon_ms = 60000, .tol_ms = 1500},
    };
}

static int64_t slots_of(const struct calibration_config *config)
{
    return (config->train_ms + config->step_ms - 1) / config->step_ms;
}

enum status calibration_config_check(const struct calibration_config *config, int64_t grid_ms,
                                     struct error *error)
{
    if (config->step_ms < 1 || config->step_ms % grid_ms != 0)
        return error_set(error, STATUS_INVALID, "eval.step_ms: must be a multiple of features.grid_ms");
    if (config->train_ms < 1 || slots_of(config) > CALIBRATION_ROWS_MAX)
        return error_set(error, STATUS_INVALID,
                         "eval.train_s: must hold 1 to %d evaluation rows, one every eval.step_ms",
                         CALIBRATION_ROWS_MAX);
    if (config->test_ms < 1 || config->test_ms > EVENT_TIME_MAX_MS / 2)
        return error_set(error, STATUS_INVALID, "eval.test_s: must be positive");
    if (config->rule.horizon_ms < 1 || config->rule.tol_ms < 0)
        return error_set(error, STATUS_INVALID, "eval.primary_horizon_s, eval.tol_ms: must not be negative");
    return STATUS_OK;
}

static void set_cold(struct calibration *calibration)
{
    memset(calibration->table, 0, calibration->slots * sizeof *calibration->table);
    timeline_clear(&calibration->pending);
    calibration->next_boundary_ms = NOT_SET;
    calibration->newest_row_ms = NOT_SET;
    calibration->fit = (struct platt){.state = CALIBRATION_NONE};
    calibration->suspended = false;
    calibration->counters = (struct calibration_counters){0};
}

struct calibration *calibration_create(const struct calibration_config *config)
{
    struct calibration *calibration = memory_allocate(sizeof *calibration);
    calibration->config = *config;
    calibration->slots = (size_t)slots_of(config);
    calibration->table = memory_allocate(calibration->slots * sizeof *calibration->table);
    timeline_init(&calibration->pending, sizeof(struct waiting) / sizeof(uint64_t));
    set_cold(calibration);
    return calibration;
}

void calibration_destroy(struct calibration *calibration)
{
    if (!calibration)
        return;
    timeline_finish(&calibration->pending);
    free(calibration->table);
    free(calibration);
}

/* --- rows and their labels --- */

static struct labeled *slot_of(const struct calibration *calibration, int64_t t_ms)
{
    return &calibration->table[t_ms / calibration->config.step_ms % (int64_t)calibration->slots];
}

static void settle(struct calibration *calibration, const struct waiting *row,
                   const struct label_snapshot *first)
{
    enum label label = label_from_first(&calibration->config.rule, row->ts_ms, row->price, first, NULL);
    calibration->counters.ties += label == LABEL_TIE;
    calibration->counters.unlabeled += label == LABEL_UNKNOWN;
    if (label != LABEL_UP && label != LABEL_DOWN)
        return;
    *slot_of(calibration, row->ts_ms) =
        (struct labeled){.mark = 2 * row->ts_ms + (int64_t)label, .score = row->score, .z_cvd = row->z_cvd};
    calibration->newest_row_ms = row->ts_ms;
    calibration->counters.labeled++;
}

void calibration_feed_book(struct calibration *calibration, int64_t ts_ms, double mid)
{
    const struct label_snapshot snapshot = {.ts_ms = ts_ms, .mid = mid};
    size_t decided = timeline_until(&calibration->pending, ts_ms - calibration->config.rule.horizon_ms);
    for (size_t i = 0; i < decided; i++)
        settle(calibration, timeline_at(&calibration->pending, i), &snapshot);
    timeline_drop(&calibration->pending, decided);
}

void calibration_feed_row(struct calibration *calibration, const struct feature_row *row,
                          const struct label_snapshot *first)
{
    const struct calibration_config *config = &calibration->config;
    if (!label_is_evaluation_row(row, config->step_ms, config->rule.tol_ms))
        return;
    const struct waiting waiting = {
        .ts_ms = row->ts_ms, .price = row->mid, .score = row->fusion_score, .z_cvd = row->z_cvd};
    calibration->counters.rows++;
    if (first)
        settle(calibration, &waiting, first);
    else
        timeline_insert(&calibration->pending, &waiting);
}

/* --- boundaries --- */

static void training_finish(struct training *training)
{
    free(training->t_ms);
    free(training->scores);
    free(training->z_cvd);
    free(training->labels);
}

static struct training training_of(const struct calibration *calibration, int64_t end_ms)
{
    const struct calibration_config *config = &calibration->config;
    int64_t step_ms = config->step_ms, begin_ms = end_ms - config->train_ms;
    struct training rows = {
        .t_ms = memory_allocate(calibration->slots * sizeof *rows.t_ms),
        .scores = memory_allocate(calibration->slots * sizeof *rows.scores),
        .z_cvd = memory_allocate(calibration->slots * sizeof *rows.z_cvd),
        .labels = memory_allocate(calibration->slots * sizeof *rows.labels),
    };
    int64_t first_ms = floor_multiple(begin_ms + step_ms - 1, step_ms);
    for (int64_t t_ms = first_ms > 0 ? first_ms : step_ms;
         label_in_window(&config->rule, t_ms, begin_ms, end_ms); t_ms += step_ms) {
        const struct labeled *row = slot_of(calibration, t_ms);
        if (row->mark / 2 != t_ms)
            continue;
        rows.t_ms[rows.n] = t_ms;
        rows.scores[rows.n] = row->score;
        rows.z_cvd[rows.n] = row->z_cvd;
        rows.labels[rows.n++] = row->mark % 2;
    }
    return rows;
}

static void fit_at(struct calibration *calibration, int64_t boundary_ms, struct calibration_training *out)
{
    const struct calibration_config *config = &calibration->config;
    struct training rows = training_of(calibration, boundary_ms);
    int64_t n_eff = label_outcomes(rows.t_ms, rows.n, config->rule.horizon_ms);
    *out = (struct calibration_training){
        .boundary_ms = boundary_ms, .n = (int64_t)rows.n, .before = calibration->fit};
    out->fit = calibration->fit = platt_train(rows.scores, rows.labels, rows.n);
    out->cvd = (struct auc){.value = NAN};
    if (config->wants_auc) /* the scores have been used: their place is scratch */
        out->cvd = auc_measure(rows.z_cvd, rows.labels, rows.n, n_eff, rows.scores);
    calibration->counters.boundaries++;
    training_finish(&rows);
}

bool calibration_advance(struct calibration *calibration, int64_t grid_time_ms,
                         struct calibration_training *out_training)
{
    int64_t test_ms = calibration->config.test_ms;
    if (calibration->next_boundary_ms == NOT_SET)
        calibration->next_boundary_ms = floor_multiple(grid_time_ms, test_ms) + test_ms;
    if (grid_time_ms < calibration->next_boundary_ms)
        return false;
    /* Behind a silence longer than the training window all windows are empty, and alike. */
    if (calibration->next_boundary_ms - calibration->config.train_ms > calibration->newest_row_ms)
        calibration->next_boundary_ms = floor_multiple(grid_time_ms, test_ms);
    fit_at(calibration, calibration->next_boundary_ms, out_training);
    calibration->next_boundary_ms += test_ms;
    return true;
}

/* --- what holds --- */

void calibration_suspend(struct calibration *calibration, bool suspended)
{
    calibration->suspended = suspended;
}

int calibration_state(const struct calibration *calibration)
{
    return calibration->suspended ? CALIBRATION_SUSPENDED : calibration->fit.state;
}

double calibration_probability(const struct calibration *calibration, double score)
{
    if (calibration_state(calibration) != CALIBRATION_ACTIVE)
        return NAN;
    return platt_probability(calibration->fit.a, calibration->fit.b, score);
}

struct calibration_counters calibration_counters(const struct calibration *calibration)
{
    return calibration->counters;
}

/* --- state --- */

enum { COUNTER_WORDS = sizeof(struct calibration_counters) / sizeof(int64_t) };

void *calibration_table(struct calibration *calibration, size_t *out_bytes)
{
    *out_bytes = calibration->slots * sizeof *calibration->table;
    return calibration->table;
}

void calibration_save(const struct calibration *calibration, struct buffer *out)
{
    state_begin(out, STATE_TAG);
    timeline_save(&calibration->pending, out);
    buffer_append_i64(out, calibration->next_boundary_ms);
    buffer_append_i64(out, calibration->newest_row_ms);
    buffer_append_f64(out, calibration->fit.a);
    buffer_append_f64(out, calibration->fit.b);
    buffer_append_i64(out, calibration->fit.state);
    buffer_append_i64(out, calibration->suspended);
    buffer_append(out, &calibration->counters, sizeof calibration->counters);
}

static bool is_sound(const struct labeled *row, int64_t step_ms)
{
    int64_t t_ms = row->mark / 2;
    return row->mark == 0 || (row->mark > 0 && t_ms <= EVENT_TIME_MAX_MS && t_ms % step_ms == 0 &&
                              fabs(row->score) <= STATE_NUMBER_MAX && fabs(row->z_cvd) <= STATE_NUMBER_MAX);
}

/* Every row of the table in its own slot, and numbers that can be reckoned with. */
static bool table_is_sound(const struct calibration *calibration)
{
    for (size_t i = 0; i < calibration->slots; i++) {
        const struct labeled *row = &calibration->table[i];
        if (!is_sound(row, calibration->config.step_ms) ||
            (row->mark && slot_of(calibration, row->mark / 2) != row))
            return false;
    }
    return true;
}

static bool pending_is_sound(const struct calibration *calibration)
{
    for (size_t i = 0; i < calibration->pending.count; i++) {
        const struct waiting *row = timeline_at(&calibration->pending, i);
        if (!(row->price > 1e-60) || isnan(row->score) || isnan(row->z_cvd) ||
            row->ts_ms % calibration->config.step_ms != 0)
            return false;
    }
    return true;
}

void calibration_load(struct calibration *calibration, struct reader *in)
{
    int64_t counters[COUNTER_WORDS], test_ms = calibration->config.test_ms;
    state_expect(in, STATE_TAG);
    timeline_load(&calibration->pending, in);
    calibration->next_boundary_ms = state_take_between(in, NOT_SET, EVENT_TIME_MAX_MS + test_ms);
    calibration->newest_row_ms = state_take_between(in, NOT_SET, EVENT_TIME_MAX_MS);
    calibration->fit.a = state_take_number(in);
    calibration->fit.b = state_take_number(in);
    calibration->fit.state = (int)state_take_between(in, CALIBRATION_ACTIVE, CALIBRATION_NONE);
    calibration->suspended = state_take_flag(in);
    for (size_t i = 0; i < COUNTER_WORDS; i++)
        counters[i] = state_take_count(in);
    memcpy(&calibration->counters, counters, sizeof counters);
    if (calibration->next_boundary_ms % test_ms != 0 || calibration->fit.state == CALIBRATION_SUSPENDED ||
        !table_is_sound(calibration) || !pending_is_sound(calibration))
        in->failed = true;
    if (in->failed)
        set_cold(calibration);
}
