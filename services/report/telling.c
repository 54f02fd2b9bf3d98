#include "telling.h"

#include "tally.h"

#include <math.h>
#include <stdio.h>

enum { NAME_BYTES = 160 }; /* a heartbeat takes 63 of them; ours are shorter */

/* tell_about: a figure about one stream or reason: "name/of what". */
static void tell_about(struct stage_report *report, const char *name, const char *what, double value)
{
    char text[NAME_BYTES];
    snprintf(text, sizeof text, "%s/%s", name, what);
    stage_report_gauge(report, text, value);
}

static void tell_symbol(struct stage_report *report, const struct symbol_figures *symbol)
{
    char stream[STREAM_BYTES];
    bool any = symbol->first_ts_ms != FIELD_NULL_I64, decided = symbol->regime != FIELD_NULL_ENUM;
    snprintf(stream, sizeof stream, "harvest/%s", symbol->symbol);
    tell_about(
        report, "empty_minute_share", stream,
        any ? trade_minutes_empty_share(&symbol->trade_minutes, symbol->first_ts_ms, symbol->last_ts_ms)
            : NAN);
    tell_about(report, "recv_rate_tps", stream, symbol->recv_rate_tps);
    tell_about(report, "regime_active", stream, decided ? symbol->regime == REGIME_ACTIVE : NAN);
    tell_about(report, "regime_quiet", stream, decided ? symbol->regime == REGIME_QUIET : NAN);
}

static void tell_minutes(struct stage_report *report, const struct minutes *minutes)
{
    struct minutes_view view;
    minutes_view(minutes, &view);
    const struct {
        const char *name;
        double value;
    } gauges[] = {
        {"signal_per_minute", view.signals_last},
        {"signal_silent_in_a_row", view.silent_in_a_row},
        {"low_consistency_share", view.low_consistency_share},
        {"low_consistency_least", view.low_consistency_least},
        {"strong_ratio_last", view.strong_ratio_last},
        {"strong_ratio_deviation", view.strong_ratio_deviation},
    };
    for (size_t i = 0; i < sizeof gauges / sizeof *gauges; i++)
        stage_report_gauge(report, gauges[i].name, gauges[i].value);
    for (size_t i = 0; i < minutes->reason_count; i++) {
        char name[NAME_BYTES];
        snprintf(name, sizeof name, "signal_gating/%s", minutes->reasons[i].name);
        stage_report_counter(report, name, minutes->reasons[i].rows);
    }
}

/* tell_signals: of the rows of the signal stream, each counted once through all restarts. */
static void tell_signals(struct stage_report *report, const struct figures *figures)
{
    int64_t total = 0, confirmed = 0, strong = 0;
    for (size_t i = 0; i < figures->symbol_count; i++) {
        const struct symbol_figures *symbol = &figures->symbols[i];
        total += symbol->signals;
        confirmed += symbol->confirmed_signals;
        strong += symbol->strong_signals;
        if (!stage_report_is_brief(report))
            tell_symbol(report, symbol);
    }
    stage_report_counter(report, "signal_total", total);
    stage_report_counter(report, "signal_confirmed_total", confirmed);
    stage_report_counter(report, "signal_strong_total", strong);
    stage_report_gauge(report, "signal_strong_ratio", ratio(strong, confirmed));
    tell_minutes(report, &figures->event_minutes);
}

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
    tell_signals(report, report_service_taken(service));
}

void telling_web(const struct web *web, struct stage_report *report)
{
    if (!web)
        return;
    struct web_figures figures = web_figures(web);
    stage_report_counter(report, "http_requests", figures.requests);
    stage_report_counter(report, "http_listen_errors", figures.listen_errors);
    stage_report_counter(report, "http_unusable_files", figures.unusable_files);
    stage_report_gauge(report, "http_port", (double)figures.port);
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
