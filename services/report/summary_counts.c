#include "summary_counts.h"

#include "markdown.h"

#include <string.h>

const char *const METRIC_NAMES[METRIC_COUNT] = {
    "queue_dropped",    "reconnect_count",    "planned_reconnect_count", "substream_timeout_detected",
    "dedup_hits_total", "late_event_dropped", "trade_gap_ids_total",     "book_seq_gap_total",
    "parse_errors",     "deadletter_rows",    "write_errors_total",
};

/* --- computing --- */

static bool is_signal(const struct instance_figures *instance)
{
    return strncmp(instance->instance, "signal", 6) == 0 &&
           (instance->instance[6] == 0 || instance->instance[6] == '.');
}

static void add(int64_t *sum, int64_t value)
{
    *sum = (*sum == FIELD_NULL_I64 ? 0 : *sum) + value;
}

static const char *const PUBLISHERS[] = {"harvest", "features", "signal", "broker"};

/* compute_sinks: over all sinks, not only the one whose rows were read, so that both summaries of a run
 * are equal. What a journal let go while somebody needed it is dropped as well. */
static void compute_sinks(const struct figures *figures, struct summary_counts *counts)
{
    counts->dropped = counts->dedup = counts->write_errors = FIELD_NULL_I64;
    for (size_t i = 0; i < figures->instance_count; i++) {
        const struct instance_figures *instance = &figures->instances[i];
        for (size_t k = 0; is_signal(instance) && k < instance->sink_count; k++) {
            add(&counts->dropped, instance->sinks[k].dropped);
            add(&counts->dedup, instance->sinks[k].dedup);
            add(&counts->write_errors, instance->sinks[k].write_errors);
        }
    }
    for (size_t i = 0; i < sizeof PUBLISHERS / sizeof *PUBLISHERS; i++) {
        int64_t dropped = figures_counter(figures, PUBLISHERS[i], "stage_retention_dropped");
        if (dropped != FIELD_NULL_I64 && dropped > 0)
            add(&counts->dropped, dropped);
    }
    counts->deduplicated = figures_counter(figures, "signal", "deduplicated");
}

static void compute_metrics(const struct figures *figures, struct summary_counts *counts)
{
    for (int i = 0; i < METRIC_COUNT; i++) {
        bool of_archive = i == METRIC_DEADLETTER_ROWS || i == METRIC_WRITE_ERRORS_TOTAL;
        counts->metrics[i] = figures_counter(figures, "harvest", METRIC_NAMES[i]);
        int64_t archived = of_archive ? figures_counter(figures, "archive", METRIC_NAMES[i]) : FIELD_NULL_I64;
        if (archived != FIELD_NULL_I64)
            add(&counts->metrics[i], archived);
    }
    int64_t *timeout = &counts->metrics[METRIC_SUBSTREAM_TIMEOUT_DETECTED];
    if (*timeout != FIELD_NULL_I64)
        *timeout = *timeout > 0;
}

void summary_counts_compute(const struct figures *figures, struct summary_counts *out_counts)
{
    compute_sinks(figures, out_counts);
    compute_metrics(figures, out_counts);
}

/* --- writing --- */

static bool is_flag(const struct summary_counts *counts, int metric)
{
    return metric == METRIC_SUBSTREAM_TIMEOUT_DETECTED && counts->metrics[metric] != FIELD_NULL_I64;
}

static void key_count(struct json *json, const char *key, int64_t value)
{
    if (value == FIELD_NULL_I64)
        json_key_null(json, key);
    else
        json_key_i64(json, key, value);
}

void summary_counts_json(struct json *json, const struct summary_counts *counts)
{
    key_count(json, "dropped", counts->dropped);
    key_count(json, "dedup", counts->dedup);
    key_count(json, "write_errors", counts->write_errors);
    key_count(json, "deduplicated", counts->deduplicated);
}

void summary_counts_metrics_json(struct json *json, const struct summary_counts *counts)
{
    json_key(json, "harvester_metrics");
    json_object_begin(json);
    for (int i = 0; i < METRIC_COUNT; i++)
        if (is_flag(counts, i))
            json_key_bool(json, METRIC_NAMES[i], counts->metrics[i]);
        else
            key_count(json, METRIC_NAMES[i], counts->metrics[i]);
    json_object_end(json);
}

void summary_counts_table(struct buffer *out, const struct summary_counts *counts)
{
    static const char *const TITLES[] = {"from heartbeats", "value", NULL};
    const struct {
        const char *name;
        int64_t value;
    } sinks[] = {
        {"sinks: dropped", counts->dropped},
        {"sinks: dedup", counts->dedup},
        {"sinks: write_errors", counts->write_errors},
        {"signal: deduplicated", counts->deduplicated},
    };
    markdown_head(out, "lr", TITLES);
    for (int i = 0; i < METRIC_COUNT; i++) {
        markdown_row_begin(out);
        markdown_text(out, METRIC_NAMES[i]);
        if (is_flag(counts, i))
            markdown_text(out, counts->metrics[i] ? "yes" : "no");
        else
            markdown_count(out, counts->metrics[i]);
        markdown_row_end(out);
    }
    for (size_t i = 0; i < sizeof sinks / sizeof sinks[0]; i++) {
        markdown_row_begin(out);
        markdown_text(out, sinks[i].name);
        markdown_count(out, sinks[i].value);
        markdown_row_end(out);
    }
}
