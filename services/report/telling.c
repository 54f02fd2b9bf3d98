#include "telling.h"

void telling_report(struct report_service *service, struct stage_report *report)
{
    struct report_service_figures figures = report_service_figures(service);
    stage_report_counter(report, "rows", figures.rows);
    stage_report_counter(report, "malformed_rows", figures.malformed_rows);
    stage_report_counter(report, "commits", figures.commits);
    stage_report_counter(report, "write_errors_total", figures.commit_failures + figures.worker.failures);
    stage_report_counter(report, "summaries_written", figures.worker.written);
    stage_report_counter(report, "final_summary_written", figures.worker.done_final);
    stage_report_gauge(report, "summary_age_s", figures.summary_age_s);
}

void telling_ledger(struct report_service *service, const struct stage *stage, struct stage_ledger *ledger)
{
    for (size_t i = 0; i < stage_symbol_count(stage); i++) {
        const struct symbol_figures *symbol = report_service_symbol(service, stage_symbol(stage, i));
        const struct {
            const char *name;
            int64_t value;
        } counts[] = {{"trades", symbol->trades},
                      {"books", symbol->diffs_applied},
                      {"audits", symbol->audit_equal + symbol->audit_different},
                      {"signals", symbol->signals},
                      {"orders", symbol->orders}};
        for (size_t k = 0; k < sizeof counts / sizeof *counts; k++)
            stage_ledger_count(ledger, i, counts[k].name, counts[k].value);
    }
}
