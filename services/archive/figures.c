#include "figures.h"

#include <math.h>
#include <stdio.h>

static void report_rows(const struct writer_figures *written, struct stage_report *report)
{
    char name[32];
    for (enum data_kind kind = 0; kind < KIND_COUNT; kind++) {
        snprintf(name, sizeof name, "rows_%s", KINDS[kind].name);
        stage_report_counter(report, name, written->rows[kind]);
    }
}

static void report_sink(const struct collector_figures *collected, const struct writer_figures *written,
                        int64_t rows, struct stage_report *report)
{
    struct sink_status_row sink;
    message_clear(&sink_status_message, &sink);
    snprintf(sink.sink, sizeof sink.sink, "parquet");
    sink.position = collected->durable_sequences;
    sink.lag_rows = collected->position_sequences - collected->durable_sequences;
    sink.written = rows;
    sink.dedup = written->counts.duplicate_row_ids;
    sink.write_errors = written->counts.write_errors_total;
    sink.last_write_ms = written->last_write_ms;
    stage_report_sink(report, &sink);
}

void figures_report(const struct collector *collector, struct writer *writer, struct stage_report *report)
{
    struct collector_figures collected;
    struct writer_figures written;
    int64_t rows = 0;
    collector_figures(collector, &collected);
    writer_figures(writer, &written);
    for (enum data_kind kind = 0; kind < KIND_COUNT; kind++)
        rows += written.rows[kind];
    report_rows(&written, report);
    stage_report_counter(report, "files_written", written.counts.files_written);
    stage_report_counter(report, "compactions", written.counts.compactions);
    stage_report_counter(report, "deadletter_rows", written.counts.deadletter_rows);
    stage_report_counter(report, "duplicate_row_ids", written.counts.duplicate_row_ids);
    stage_report_counter(report, "write_errors_total", written.counts.write_errors_total);
    stage_report_counter(report, "rows_passed_over", collected.rows_passed_over);
    stage_report_counter(report, "late_rows", collected.late_rows);
    stage_report_counter(report, "early_flushes", collected.early_flushes);
    stage_report_gauge(report, "parquet_flush_sec", written.flush_s);
    stage_report_gauge(report, "restart_gap_ms",
                       collected.restart_gap_ms == FIELD_NULL_I64 ? NAN : (double)collected.restart_gap_ms);
    stage_report_gauge(report, "open_rows", (double)collected.open_rows);
    stage_report_gauge(report, "waiting_jobs", (double)written.waiting_jobs);
    report_sink(&collected, &written, rows, report);
}

void figures_ledger(struct writer *writer, struct stage *stage, struct stage_ledger *ledger)
{
    char name[48];
    for (size_t i = 0; i < stage_symbol_count(stage); i++)
        for (enum data_kind kind = 0; kind < KIND_COUNT; kind++) {
            snprintf(name, sizeof name, "duplicates.%s", KINDS[kind].name);
            stage_ledger_count(ledger, i, name, writer_duplicates(writer, stage_symbol(stage, i), kind));
        }
}
