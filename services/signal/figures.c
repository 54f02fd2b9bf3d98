#include "figures.h"

#include "store/jsonl_sink.h"

#include <stddef.h>
#include <string.h>

#define COUNTER(member)                                   \
    {                                                     \
#member, offsetof(struct signal_counters, member) \
    }
static const struct {
    const char *name;
    size_t offset;
} COUNTERS[] = {
    COUNTER(processed),    COUNTER(signals),          COUNTER(confirmed),       COUNTER(pending),
    COUNTER(deduplicated), COUNTER(late_feature_row), COUNTER(bad_feature_row),
};
enum { COUNTER_COUNT = sizeof COUNTERS / sizeof COUNTERS[0] };

static int64_t counter_of(const struct signal_decision *decision, size_t counter)
{
    int64_t value;
    memcpy(&value, (const char *)&decision->counters + COUNTERS[counter].offset, sizeof value);
    return value;
}

void figures_report(const struct signal_decision *decisions, const struct stage *stage,
                    struct stage_report *report)
{
    for (size_t k = 0; k < COUNTER_COUNT; k++) {
        int64_t sum = 0;
        for (size_t i = 0; i < stage_symbol_count(stage); i++)
            sum += stage_owns(stage, i) ? counter_of(&decisions[i], k) : 0;
        stage_report_counter(report, COUNTERS[k].name, sum);
    }
}

void figures_report_shards(const struct sink *jsonl, struct stage_report *report)
{
    struct jsonl_sink_figures figures = jsonl_sink_figures(jsonl);
    stage_report_counter(report, "jsonl_rotations", figures.rotations);
    if (figures.ready_files >= 0)
        stage_report_counter(report, "jsonl_ready_files", figures.ready_files);
    stage_report_counter(report, "jsonl_largest_bytes", figures.largest_bytes);
}

void figures_ledger(const struct signal_decision *decisions, const struct stage *stage,
                    struct stage_ledger *ledger)
{
    for (size_t i = 0; i < stage_symbol_count(stage); i++)
        for (size_t k = 0; stage_owns(stage, i) && k < COUNTER_COUNT; k++)
            stage_ledger_count(ledger, i, COUNTERS[k].name, counter_of(&decisions[i], k));
}
