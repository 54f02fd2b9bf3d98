/* body: figures as the text that a Pushgateway or an InfluxDB takes (operations.md §11). Pure. */
#pragma once

#include "figure.h"

#include "base/buffer.h"

/* body_pushgateway: the text format 0.0.4: one `# TYPE` line per metric, a label at most, a newline behind every line
 * also the last. Figures must be sorted. */
void body_pushgateway(const struct export_figures *figures, struct buffer *out);

struct body_tags {
    const char *run_id;
    const char *sink;
    int64_t now_ns; /* of all lines */
};

/* body_influx: line protocol: `name,run_id=…,sink=…[,label=…] value=<v>[i] <ns>`. */
void body_influx(const struct export_figures *figures, const struct body_tags *tags, struct buffer *out);

/* body_percent: appends a text as it may stand in a part of a URL. body_base64: likewise, RFC 4648. */
void body_percent(const char *text, struct buffer *out);
void body_base64(const char *text, struct buffer *out);
