/* The whole of an evaluation: where it begins, every symbol's minutes, the files. */
#include "canary_report.h"

#include <string.h>

static void symbols_begin(const struct quality_input *input, struct canary_report *report)
{
    struct series_settings settings = {.horizon_count = 0};
    for (size_t i = 0; i < input->symbol_count && i < REPORT_SYMBOLS_MAX; i++) {
        series_settings_take(report->config, input->symbols[i], &settings);
        symbol_report_init(&report->symbols[report->symbol_count++], input->symbols[i], report->config,
                           &settings);
    }
    report->horizon_count = settings.horizon_count;
    memcpy(report->horizons_ms, settings.horizons_ms, sizeof report->horizons_ms);
}

/* go_on: from where the last evaluation of this run came to; else from its beginning. */
static void go_on(const struct quality_input *input, const char *path, struct canary_report *report)
{
    report->goes_on = progress_read(report, path);
    if (report->goes_on)
        return;
    canary_report_finish(report);
    canary_report_begin(report);
    archived_read(report->config, report->run_id, &report->archived);
    report->symbol_count = 0;
    symbols_begin(input, report);
}

static int64_t from_ms(const struct canary_report *report, const struct symbol_report *symbol,
                       struct series_settings *out_settings)
{
    series_settings_take(report->config, symbol->symbol, out_settings);
    return canary_report_from_ms(symbol, out_settings, archived_below_ms(&report->archived, symbol->symbol));
}

/* files_from: of all symbols, so that files nobody needs are not opened. */
static void files_from(struct canary_report *report)
{
    struct series_settings settings;
    report->archived.from_ms = INT64_MAX;
    for (size_t i = 0; i < report->symbol_count; i++) {
        int64_t needed_ms = from_ms(report, &report->symbols[i], &settings);
        report->archived.from_ms =
            needed_ms < report->archived.from_ms ? needed_ms : report->archived.from_ms;
    }
}

static enum status measure_all(struct quality *quality, struct canary_report *report, struct error *error)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < report->symbol_count; i++) {
        struct symbol_report *symbol = &report->symbols[i];
        struct series_settings settings;
        struct series series;
        int64_t needed_ms = from_ms(report, symbol, &settings);
        series_load(quality, &settings, symbol->symbol, needed_ms, &series);
        if (quality->problems
                .length) /* a file that went while it was read; the next evaluation has the one it went into */
            status = error_set(error, STATUS_IO, "%s: not all data sets could be read: %.160s",
                               symbol->symbol, buffer_text(&quality->problems));
        else
            canary_report_symbol(report, symbol, &series, &settings);
        series_finish(&series);
    }
    return status;
}

enum status canary_report_make(struct quality_input *input, bool live, struct canary_report *report,
                               enum canary_verdict *out_verdict, struct error *error)
{
    static struct quality quality;
    char progress[PATH_BYTES];
    archived_read(report->config, report->run_id, &report->archived);
    symbols_begin(input, report);
    progress_path(report->config, report->run_id, progress);
    if (live)
        go_on(input, progress, report);
    files_from(report);
    input->wanted = archived_wanted;
    input->wanted_context = &report->archived;
    enum status status = quality_open(input, &quality, error);
    status = status == STATUS_OK ? measure_all(&quality, report, error) : status;
    quality_close(&quality);
    struct canary_conclusion conclusion = canary_report_conclude(report);
    status = status == STATUS_OK ? canary_report_write(report, &conclusion, error) : status;
    if (status == STATUS_OK && live) /* last: what it tells of is there */
        status = progress_write(report, &conclusion, progress, error);
    *out_verdict = conclusion.verdict;
    return status;
}
