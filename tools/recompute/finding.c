#include "finding.h"

#include <string.h>

const char *const FINDING_NAMES[] = {"not_used",   "none",           "same",    "not_yet",    "different",
                                     "not_stored", "not_recomputed", "doubled", "unreadable", NULL};

static bool enabled(const struct config *config, const char *module)
{
    struct config_list list = config_list(config, "run.enable");
    for (size_t i = 0; i < list.count; i++)
        if (strcmp(list.texts[i], module) == 0)
            return true;
    return false;
}

bool finding_sink_used(const struct config *config, enum stored_sink sink)
{
    const char *kind = config_text(config, "run.sink");
    if (sink == STORED_ORDERS)
        return enabled(config, "broker") && config_bool(config, "broker.paper_enable");
    return enabled(config, "signal") &&
           (strcmp(kind, "dual") == 0 || strcmp(kind, STORED_SINK_NAMES[sink]) == 0);
}

/* has_later: the sink holds a row of a later time, of this month: it has passed the one looked for. */
static bool has_later(enum stored_sink sink, const struct stored_range *range)
{
    static const int64_t MONTH_MS = INT64_C(30) * 86400 * 1000;
    struct stored_range later = *range;
    struct stored_cursor *cursor = NULL;
    union stored_row row;
    struct error ignored;
    later.from_ms = range->to_ms + 1;
    later.to_ms = range->to_ms + MONTH_MS;
    bool found = stored_open(sink, &later, &cursor, &ignored) == STATUS_OK &&
                 stored_next(cursor, &row, &ignored) != STATUS_END;
    stored_close(cursor);
    return found;
}

static enum finding when_absent(enum stored_sink sink, const struct stored_range *range,
                                const void *recomputed, bool running)
{
    if (!recomputed)
        return FINDING_NONE;
    return running && !has_later(sink, range) ? FINDING_NOT_YET : FINDING_NOT_STORED;
}

static enum finding judge(enum stored_sink sink, const void *recomputed, const char *passed_over,
                          struct finding_row *out)
{
    if (!recomputed)
        return FINDING_NOT_RECOMPUTED;
    difference_of(stored_message(sink), recomputed, &out->stored, passed_over, &out->difference);
    return out->difference.count ? FINDING_DIFFERENT : FINDING_SAME;
}

void finding_look(enum stored_sink sink, const struct stored_range *range, const void *recomputed,
                  bool running, const char *passed_over, struct finding_row *out)
{
    struct stored_cursor *cursor = NULL;
    union stored_row second;
    *out = (struct finding_row){.finding = FINDING_UNREADABLE};
    enum status status = stored_open(sink, range, &cursor, &out->why);
    if (status == STATUS_OK)
        status = stored_next(cursor, &out->stored, &out->why);
    if (status == STATUS_END || status == STATUS_NOT_FOUND)
        out->finding = when_absent(sink, range, recomputed, running);
    else if (status == STATUS_OK)
        out->finding = judge(sink, recomputed, passed_over, out);
    if (status == STATUS_OK && stored_next(cursor, &second, &out->why) != STATUS_END)
        out->finding = FINDING_DOUBLED;
    stored_close(cursor);
}
