#include "metrics.h"

#include "base/json.h"
#include "base/memory.h"
#include "metric_name.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

enum { LABELS_BYTES = 320, INSTANCE_TEXT_BYTES = 128 };

enum metric_type { TYPE_COUNTER, TYPE_GAUGE, TYPE_HISTOGRAM };

/* sample: one line to be. `order` keeps a histogram's buckets in their order. */
struct sample {
    char name[METRIC_NAME_BYTES];
    const char *suffix; /* "_bucket", …; "" */
    char labels[LABELS_BYTES];
    enum metric_type type;
    double value;
    size_t order;
};

struct samples {
    struct sample *items;
    size_t count, capacity;
};

/* source: whose figures are being added. */
struct source {
    char service[INSTANCE_TEXT_BYTES], instance[INSTANCE_TEXT_BYTES];
};

/* ---- labels, samples ---- */

static void append_label(char labels[LABELS_BYTES], const char *name, const char *value)
{
    size_t at = strlen(labels);
    int added = snprintf(labels + at, LABELS_BYTES - at, "%s%s=\"", at ? "," : "", name);
    if (added < 0 || at + (size_t)added + 2 * strlen(value) + 2 > LABELS_BYTES) {
        labels[at] = 0;
        return;
    }
    for (at += (size_t)added; *value; value++) {
        if (*value == '"' || *value == '\\')
            labels[at++] = '\\';
        labels[at++] = *value == '\n' ? ' ' : *value;
    }
    memcpy(labels + at, "\"", 2);
}

static struct sample *add(struct samples *samples, const char *name, enum metric_type type, double value)
{
    samples->items =
        memory_grow(samples->items, &samples->capacity, samples->count + 1, sizeof *samples->items);
    struct sample *sample = &samples->items[samples->count];
    *sample = (struct sample){.suffix = "", .type = type, .value = value, .order = samples->count++};
    snprintf(sample->name, sizeof sample->name, "%s", name);
    return sample;
}

static void add_of(struct samples *samples, const struct source *source, const char *stream, const char *name,
                   enum metric_type type, double value)
{
    struct sample *sample = add(samples, name, type, value);
    append_label(sample->labels, "service", source->service);
    append_label(sample->labels, "instance", source->instance);
    if (*stream)
        append_label(sample->labels, "stream", stream);
}

static double number(yyjson_val *object, const char *key)
{
    yyjson_val *value = yyjson_obj_get(object, key);
    return yyjson_is_num(value)    ? yyjson_get_num(value)
           : yyjson_is_bool(value) ? yyjson_get_bool(value)
                                   : NAN;
}

static const char *text(yyjson_val *object, const char *key)
{
    const char *value = yyjson_get_str(yyjson_obj_get(object, key));
    return value ? value : "";
}

static struct source source_of(const char *instance)
{
    struct source source;
    snprintf(source.instance, sizeof source.instance, "%s", instance);
    snprintf(source.service, sizeof source.service, "%.*s", (int)strcspn(instance, "."), instance);
    return source;
}

/* ---- one daemon ---- */

static void add_head(struct samples *samples, const struct source *source, yyjson_val *root, int64_t now_ms)
{
    static const struct {
        const char *key, *name;
        double factor;
        enum metric_type type;
    } MEMBERS[] = {
        {"event_ts_ms", "orderflow_event_time_seconds", 1e-3, TYPE_GAUGE},
        {"rss_mb", "orderflow_resident_memory_bytes", 1024.0 * 1024.0, TYPE_GAUGE},
        {"open_files", "orderflow_open_files", 1, TYPE_GAUGE},
        {"queue_len", "orderflow_queue_rows", 1, TYPE_GAUGE},
        {"caught_up", "orderflow_caught_up", 1, TYPE_GAUGE},
        {"restart_count", "orderflow_restarts_total", 1, TYPE_COUNTER},
    };
    for (size_t i = 0; i < sizeof MEMBERS / sizeof *MEMBERS; i++)
        if (yyjson_obj_get(root, MEMBERS[i].key))
            add_of(samples, source, "", MEMBERS[i].name, MEMBERS[i].type,
                   number(root, MEMBERS[i].key) * MEMBERS[i].factor);
    add_of(samples, source, "", "orderflow_heartbeat_age_seconds", TYPE_GAUGE,
           ((double)now_ms - number(root, "wall_ms")) / 1000.0);
}

static void add_figures(struct samples *samples, const struct source *source, yyjson_val *figures,
                        bool counters)
{
    size_t index, count;
    yyjson_val *key, *value;
    yyjson_obj_foreach(figures, index, count, key, value)
    {
        struct metric_name metric;
        if (yyjson_equals_str(key, "restart_count"))
            continue;
        metric_name_of(yyjson_get_str(key), counters, &metric);
        add_of(samples, source, metric.stream, metric.name, metric.counter ? TYPE_COUNTER : TYPE_GAUGE,
               yyjson_is_num(value) ? yyjson_get_num(value) * metric.factor : NAN);
    }
}

static void add_streams(struct samples *samples, const struct source *source, yyjson_val *streams)
{
    size_t index, count;
    yyjson_val *stream;
    yyjson_arr_foreach(streams, index, count, stream)
    {
        bool own = yyjson_is_true(yyjson_obj_get(stream, "published"));
        const char *name = text(stream, "stream");
        add_of(samples, source, name,
               own ? "orderflow_stream_rows_total" : "orderflow_stream_position_rows_total", TYPE_COUNTER,
               number(stream, "last_sequence"));
        if (!own)
            add_of(samples, source, name, "orderflow_stream_durable_rows_total", TYPE_COUNTER,
                   number(stream, "durable_sequence"));
    }
}

/* add_sinks: a sink's name is part of the metric's: there is no label for it. */
static void add_sinks(struct samples *samples, const struct source *source, yyjson_val *sinks)
{
    static const struct {
        const char *key, *name;
        enum metric_type type;
    } MEMBERS[] = {
        {"written", "written_rows_total", TYPE_COUNTER},
        {"dropped", "dropped_rows_total", TYPE_COUNTER},
        {"dedup", "dedup_rows_total", TYPE_COUNTER},
        {"key_conflict", "key_conflicts_total", TYPE_COUNTER},
        {"write_errors", "write_errors_total", TYPE_COUNTER},
        {"lag_rows", "lag_rows", TYPE_GAUGE},
    };
    size_t index, count;
    yyjson_val *sink;
    char name[METRIC_NAME_BYTES];
    yyjson_arr_foreach(sinks, index, count, sink) for (size_t i = 0; i < sizeof MEMBERS / sizeof *MEMBERS;
                                                       i++)
    {
        snprintf(name, sizeof name, "orderflow_sink_%.32s_%s", text(sink, "sink"), MEMBERS[i].name);
        add_of(samples, source, "", name, MEMBERS[i].type, number(sink, MEMBERS[i].key));
    }
}

/* ---- what the orchestrator knows ---- */

static yyjson_val *process_of(yyjson_val *orchestrator, const char *instance)
{
    size_t index, count;
    yyjson_val *process;
    yyjson_arr_foreach(yyjson_obj_get(orchestrator, "processes"), index, count, process)
    {
        if (yyjson_equals_str(yyjson_obj_get(process, "name"), instance))
            return process;
    }
    return NULL;
}

/* add_processes: also those that write no status file. */
static void add_processes(struct samples *samples, yyjson_val *orchestrator)
{
    size_t index, count;
    yyjson_val *process;
    yyjson_arr_foreach(yyjson_obj_get(orchestrator, "processes"), index, count, process)
    {
        struct source source = source_of(text(process, "name"));
        add_of(samples, &source, "", "orderflow_process_degraded", TYPE_GAUGE, number(process, "degraded"));
        add_of(samples, &source, "", "orderflow_process_healthy", TYPE_GAUGE, number(process, "healthy"));
    }
}

static void add_recoveries(struct samples *samples, yyjson_val *orchestrator)
{
    static const double BOUNDS[] = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                                    0.25,  0.5,    1,     2.5,  5,     10,   30};
    static const char NAME[] = "orderflow_recovery_seconds";
    yyjson_val *recoveries = yyjson_obj_get(orchestrator, "recoveries_ms"), *value;
    size_t index, count, total = yyjson_arr_size(recoveries);
    double sum = 0;
    char bound[F64_TEXT_BYTES];
    yyjson_arr_foreach(recoveries, index, count, value) sum += yyjson_get_num(value) / 1000.0;
    for (size_t i = 0; i <= sizeof BOUNDS / sizeof *BOUNDS; i++) {
        bool last = i == sizeof BOUNDS / sizeof *BOUNDS;
        size_t below = 0;
        yyjson_arr_foreach(recoveries, index, count, value) below +=
            last || yyjson_get_num(value) / 1000.0 <= BOUNDS[i];
        struct sample *sample = add(samples, NAME, TYPE_HISTOGRAM, (double)below);
        sample->suffix = "_bucket";
        if (!last)
            f64_text(BOUNDS[i], bound);
        append_label(sample->labels, "le", last ? "+Inf" : bound);
    }
    add(samples, NAME, TYPE_HISTOGRAM, sum)->suffix = "_sum";
    add(samples, NAME, TYPE_HISTOGRAM, (double)total)->suffix = "_count";
}

static void add_info(struct samples *samples, yyjson_val *orchestrator, const char *run_id)
{
    struct sample *sample = add(samples, "orderflow_run_info", TYPE_GAUGE, 1);
    append_label(sample->labels, "run_id", run_id);
    append_label(sample->labels, "version", text(orchestrator, "version"));
}

/* ---- all ---- */

/* add_up: the orchestrator's word counts where there is one; a stale file is nobody's heartbeat. */
static void add_up(struct samples *samples, yyjson_val *const *roots, size_t count, yyjson_val *orchestrator,
                   int64_t now_ms)
{
    size_t index, processes;
    yyjson_val *process;
    for (size_t i = 0; i < count; i++) {
        struct source source = source_of(text(roots[i], "name"));
        yyjson_val *known = process_of(orchestrator, source.instance);
        bool fresh = (double)now_ms - number(roots[i], "wall_ms") < METRICS_STALE_MS;
        add_of(samples, &source, "", "orderflow_up", TYPE_GAUGE,
               fresh && (!known || number(known, "up") == 1));
    }
    yyjson_arr_foreach(yyjson_obj_get(orchestrator, "processes"), index, processes, process)
    {
        struct source source = source_of(text(process, "name"));
        bool has_file = false;
        for (size_t i = 0; i < count; i++)
            has_file = has_file || strcmp(text(roots[i], "name"), source.instance) == 0;
        if (has_file)
            continue;
        add_of(samples, &source, "", "orderflow_up", TYPE_GAUGE, number(process, "up"));
        add_of(samples, &source, "", "orderflow_restarts_total", TYPE_COUNTER,
               number(process, "restart_count"));
    }
}

static int compare(const void *left, const void *right)
{
    const struct sample *a = left, *b = right;
    int names = strcmp(a->name, b->name);
    return names ? names : a->order < b->order ? -1 : 1;
}

static void print(struct samples *samples, struct buffer *out)
{
    static const char *const TYPES[] = {"counter", "gauge", "histogram"};
    char value[F64_TEXT_BYTES];
    const char *before = "";
    if (samples->count)
        qsort(samples->items, samples->count, sizeof *samples->items, compare);
    for (size_t i = 0; i < samples->count; i++) {
        const struct sample *sample = &samples->items[i];
        if (strcmp(before, sample->name) != 0)
            buffer_format(out, "# HELP %s %s\n# TYPE %s %s\n", sample->name, metric_help(sample->name),
                          sample->name, TYPES[sample->type]);
        before = sample->name;
        f64_text(sample->value, value);
        buffer_format(out, "%s%s", sample->name, sample->suffix);
        if (*sample->labels)
            buffer_format(out, "{%s}", sample->labels);
        buffer_format(out, " %s\n", isnan(sample->value) ? "NaN" : value); /* there, and not measured */
    }
}

void metrics_text(const struct metrics_file *files, size_t count, const char *run_id, int64_t now_wall_ms,
                  struct buffer *out, size_t *out_unusable)
{
    yyjson_doc *documents[METRICS_FILES_MAX];
    yyjson_val *roots[METRICS_FILES_MAX], *orchestrator = NULL;
    struct samples samples = {0};
    size_t used = 0;
    for (size_t i = 0; i < count && used < METRICS_FILES_MAX; i++) {
        yyjson_doc *document = yyjson_read(files[i].text, files[i].length, 0);
        yyjson_val *root = yyjson_doc_get_root(document);
        if (!yyjson_equals_str(yyjson_obj_get(root, "run_id"), run_id) || !*text(root, "name")) {
            yyjson_doc_free(document);
            continue;
        }
        documents[used] = document;
        roots[used++] = root;
        if (strcmp(text(root, "name"), "orchestrator") == 0)
            orchestrator = root;
    }
    *out_unusable = count - used;
    add_info(&samples, orchestrator, run_id);
    add_up(&samples, roots, used, orchestrator, now_wall_ms);
    for (size_t i = 0; i < used; i++) {
        struct source source = source_of(text(roots[i], "name"));
        add_head(&samples, &source, roots[i], now_wall_ms);
        add_figures(&samples, &source, yyjson_obj_get(roots[i], "counters"), true);
        add_figures(&samples, &source, yyjson_obj_get(roots[i], "gauges"), false);
        add_streams(&samples, &source, yyjson_obj_get(roots[i], "streams"));
        add_sinks(&samples, &source, yyjson_obj_get(roots[i], "sinks"));
    }
    add_processes(&samples, orchestrator);
    if (orchestrator)
        add_recoveries(&samples, orchestrator);
    print(&samples, out);
    free(samples.items);
    for (size_t i = 0; i < used; i++)
        yyjson_doc_free(documents[i]);
}
