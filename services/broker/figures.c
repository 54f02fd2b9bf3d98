#include "figures.h"

#include <stddef.h>
#include <string.h>

#define COUNTER(name, member)                         \
    {                                                 \
        name, offsetof(struct paper_counters, member) \
    }
static const struct {
    const char *name;
    size_t offset;
} COUNTERS[] = {
    COUNTER("confirmed_signals", signals), COUNTER("orders", orders),     COUNTER("rejected", rejected),
    COUNTER("not_sampled", not_sampled),   COUNTER("repeated", repeated),
};
enum { COUNTER_COUNT = sizeof COUNTERS / sizeof COUNTERS[0] };

static int64_t counter_of(const struct paper_broker *paper, size_t counter)
{
    int64_t value;
    memcpy(&value, (const char *)&paper->counters + COUNTERS[counter].offset, sizeof value);
    return value;
}

void figures_report(const struct paper_broker *papers, size_t count, struct stage_report *report)
{
    for (size_t k = 0; k < COUNTER_COUNT; k++) {
        int64_t sum = 0;
        for (size_t i = 0; i < count; i++)
            sum += counter_of(&papers[i], k);
        stage_report_counter(report, COUNTERS[k].name, sum);
    }
}

void figures_ledger(const struct paper_broker *papers, size_t count, struct stage_ledger *ledger)
{
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < COUNTER_COUNT; k++)
            stage_ledger_count(ledger, i, COUNTERS[k].name, counter_of(&papers[i], k));
}
