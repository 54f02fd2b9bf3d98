/* Checks on what stands in the rows. */
#include "quality.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* latency_applies: receive times say how late a message was only where event time is wall time. */
static const char *why_not(const struct quality_input *input)
{
    if (!input->event_clock || strcmp(input->event_clock, "wall") == 0)
        return NULL;
    return strcmp(input->event_clock, "scaled") == 0
               ? "event time runs faster than the wall clock, so a receive time says nothing about delay"
               : "the market is a recorded one, so a receive time says nothing about delay";
}

static struct quality_check *percentile(struct quality *quality, const char *id, double measured,
                                        double limit, double n)
{
    struct quality_check *check = quality_add(quality, id, n >= LATENCY_ROWS_LEAST ? measured : NAN, "<",
                                              limit, n > 0 ? (int64_t)n : 0);
    char few[CHECK_WHY_BYTES];
    snprintf(few, sizeof few, "%.0f of the %d trades it takes at least", n > 0 ? n : 0, LATENCY_ROWS_LEAST);
    quality_unknown(quality, check, SET_PRICES, SET_COUNT, few);
    check->not_apply = why_not(quality->input);
    return check;
}

void quality_latency_judge(struct quality *quality, bool clock_only)
{
    enum { P50, P90, P99, MEAN, SIGMA, ROWS, NEGATIVE, ABS_P99, FIGURES };
    double figures[FIGURES];
    /* A trade fetched by REST was not received late: it was asked for late. */
    quality_query(quality, SET_PRICES, SET_COUNT,
                  "SELECT quantile_cont(latency_ms, 0.5)::DOUBLE, quantile_cont(latency_ms, 0.9)::DOUBLE, "
                  "quantile_cont(latency_ms, 0.99)::DOUBLE, avg(latency_ms), stddev_pop(latency_ms), "
                  "count(*)::DOUBLE, avg((latency_ms < 0)::INTEGER), quantile_cont(abs(latency_ms), "
                  "0.99)::DOUBLE FROM prices WHERE NOT backfilled",
                  figures, FIGURES);
    if (!clock_only) {
        struct quality_check *check = percentile(quality, "latency", figures[P99], 120, figures[ROWS]);
        quality_number(check, "p50", figures[P50]);
        quality_number(check, "p90", figures[P90]);
        quality_number(check, "p99", figures[P99]);
        quality_number(check, "mean", figures[MEAN]);
        quality_number(check, "sigma", figures[SIGMA]);
        quality_number(check, "negative_share", figures[NEGATIVE]);
        percentile(quality, "latency_p50", figures[P50], 60, figures[ROWS]);
    }
    percentile(quality, "clock", figures[ABS_P99], 120, figures[ROWS]);
}

/* ---- signals ---- */

static void type_take(void *context, const struct query_cell *cells, size_t count)
{
    (void)count;
    quality_number(context, cells[0].text ? cells[0].text : "?", cells[1].number);
}

static void judge_signals(struct quality *quality)
{
    const struct quality_input *input = quality->input;
    double events[1] = {0}, rows[1], hours = NAN;
    if (quality->view_made[SET_EVENTS])
        quality_query(quality, SET_EVENTS, SET_COUNT, "SELECT count(*)::DOUBLE FROM events", events, 1);
    if (input->range_known)
        hours = (double)(input->to_ms - input->from_ms) / 3.6e6;
    bool known = quality->view_made[SET_OFI] || quality->view_made[SET_CVD];
    struct quality_check *check =
        quality_add(quality, "signals", known && input->range_known ? events[0] : NAN,
                    ">=", isnan(hours) ? 1 : fmax(1, ceil(1000 * hours / 72)), (int64_t)fmax(0, events[0]));
    quality_unknown(quality, check, quality->view_made[SET_OFI] ? SET_COUNT : SET_CVD, SET_COUNT,
                    "no range of event time is known: name a run (--run-id), or --from and --to");
    (void)quality_each(quality, SET_EVENTS,
                       "SELECT event_type, count(*) FROM events GROUP BY event_type ORDER BY event_type",
                       type_take, check);
    for (enum data_set set = SET_OFI; set <= SET_FUSION; set++) {
        char sql[64];
        snprintf(sql, sizeof sql, "SELECT count(*)::DOUBLE FROM %s", DATA_SETS_INFO[set].name);
        quality_query(quality, set, SET_COUNT, sql, rows, 1);
        quality_number(check, DATA_SETS_INFO[set].name, rows[0]);
    }
}

/* ---- consistency ---- */

/* The limit of winsorising is not asked of a configuration but read from the rows: whatever was clipped lies on it. */
static const char CONSISTENCY[] =
    "WITH l AS (SELECT symbol, writer, max(abs(z_cvd)) AS lim FROM cvd GROUP BY symbol, writer) SELECT "
    "count(*) FILTER (WHERE z_cvd IS NOT NULL AND (z_raw IS NULL OR NOT (abs(z_cvd - z_raw) <= 1e-9 OR "
    "(abs(z_raw) >= lim - 1e-9 AND abs(abs(z_cvd) - lim) <= 1e-9 AND z_raw * z_cvd > 0))))::DOUBLE, "
    "avg((abs(z_raw) > abs(z_cvd))::INTEGER) FILTER (WHERE z_raw IS NOT NULL AND z_cvd IS NOT NULL), "
    "(SELECT min(d)::DOUBLE FROM (SELECT count(DISTINCT scale) AS d FROM cvd GROUP BY symbol, writer)), "
    "avg(floor_used::INTEGER), quantile_cont(abs(z_raw), 0.95), quantile_cont(abs(z_raw), 0.99), "
    "quantile_cont(abs(z_cvd), 0.95), quantile_cont(abs(z_cvd), 0.99), count(z_cvd)::DOUBLE FROM cvd JOIN l "
    "USING (symbol, writer)";

static void judge_consistency(struct quality *quality)
{
    static const char *const NAMES[] = {"clamp_violations", "winsor_effect", "scale_distinct_least",
                                        "floor_hit_rate",   "abs_z_raw_p95", "abs_z_raw_p99",
                                        "abs_z_cvd_p95",    "abs_z_cvd_p99", "z_rows"};
    enum { VIOLATIONS, EFFECT, DISTINCT, FIGURES = sizeof NAMES / sizeof *NAMES, Z_ROWS = FIGURES - 1 };
    double figures[FIGURES];
    quality_query(quality, SET_CVD, SET_COUNT, CONSISTENCY, figures, FIGURES);
    bool clipped = figures[EFFECT] > 0;
    double broken = (figures[VIOLATIONS] > 0) + !clipped + !(figures[DISTINCT] > 1);
    bool known = figures[Z_ROWS] > 0 && !isnan(figures[EFFECT]);
    struct quality_check *check = quality_add(quality, "consistency", known ? broken : NAN, "==", 0,
                                              known ? (int64_t)figures[Z_ROWS] : 0);
    quality_unknown(quality, check, SET_CVD, SET_COUNT,
                    "no row of kind cvd has a z: fewer trades than a z begins with");
    if (known && !clipped && broken == 1 && quality->input->sizes_without_tail)
        check->not_apply =
            "this synthetic market's sizes have no tail (simulator.size_sigma is 0), so there is "
            "nothing to clip; all else holds";
    for (size_t i = 0; i < FIGURES; i++)
        quality_number(check, NAMES[i], figures[i]);
}

/* ---- conservation ---- */

static const char CONSERVATION[] =
    "SELECT count(*) FILTER (WHERE abs(cvd - before - delta) > 1e-9 * greatest(1, abs(cvd)))::DOUBLE, "
    "count(*) FILTER (WHERE agg_trade_id <= id_before)::DOUBLE, count(*)::DOUBLE FROM (SELECT cvd, delta, "
    "agg_trade_id, lag(cvd) OVER w AS before, lag(agg_trade_id) OVER w AS id_before FROM cvd WINDOW w AS "
    "(PARTITION BY symbol, writer ORDER BY agg_trade_id))";

static const char SUMS[] =
    "SELECT count(*) FILTER (WHERE abs((last - first) - (total - first_delta)) > 1e-6)::DOUBLE FROM (SELECT "
    "arg_max(cvd, agg_trade_id) AS last, arg_min(cvd, agg_trade_id) AS first, sum(delta) AS total, "
    "arg_min(delta, agg_trade_id) AS first_delta FROM cvd GROUP BY symbol, writer)";

static void judge_conservation(struct quality *quality)
{
    double steps[3], sums[1];
    quality_query(quality, SET_CVD, SET_COUNT, CONSERVATION, steps, 3);
    quality_query(quality, SET_CVD, SET_COUNT, SUMS, sums, 1);
    bool known = steps[2] > 0;
    struct quality_check *check =
        quality_add(quality, "conservation", known ? steps[0] + steps[1] + sums[0] : NAN, "==", 0,
                    known ? (int64_t)steps[2] : 0);
    quality_unknown(quality, check, SET_CVD, SET_COUNT, "there is no row of kind cvd");
    quality_number(check, "steps_wrong", steps[0]);
    quality_number(check, "ids_not_rising", steps[1]);
    quality_number(check, "sums_wrong", sums[0]);
}

void quality_values_judge(struct quality *quality)
{
    judge_signals(quality);
    judge_consistency(quality);
    judge_conservation(quality);
}

void quality_direction_judge(struct quality *quality)
{
    double figures[2];
    quality_query(quality, SET_CVD, SET_PRICES,
                  "SELECT count(*) FILTER (WHERE sign(c.delta) <> CASE WHEN p.is_buyer_maker THEN -1 ELSE 1 "
                  "END)::DOUBLE, count(*)::DOUBLE FROM cvd c JOIN prices p ON c.symbol = p.symbol AND "
                  "c.writer = p.writer AND c.agg_trade_id = p.agg_trade_id WHERE c.side_source = 'venue'",
                  figures, 2);
    bool known = figures[1] > 0;
    struct quality_check *check =
        quality_add(quality, "direction", known ? figures[0] : NAN, "==", 0, known ? (int64_t)figures[1] : 0);
    quality_unknown(quality, check, SET_CVD, SET_PRICES, "no trade of kind cvd has the venue's side");
}
