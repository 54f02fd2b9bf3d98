#include "figures.h"

void figures_report(const struct paper_broker *papers, size_t count, struct stage_report *report)
{
    struct paper_counters sum = {0};
    for (size_t i = 0; i < count; i++) {
        const struct paper_counters *counters = &papers[i].counters;
        sum.signals += counters->signals;
        sum.orders += counters->orders;
        sum.rejected += counters->rejected;
        sum.not_sampled += counters->not_sampled;
        sum.repeated += counters->repeated;
    }
    stage_report_counter(report, "confirmed_signals", sum.signals);
    stage_report_counter(report, "orders", sum.orders);
    stage_report_counter(report, "rejected", sum.rejected);
    stage_report_counter(report, "not_sampled", sum.not_sampled);
    stage_report_counter(report, "repeated", sum.repeated);
}
