#include "reporter.h"

#include <string.h>

struct reporter_config reporter_config_read(const struct config *config, const char *run_id,
                                            const char *store_path)
{
    const char *sink = config_text(config, "run.sink");
    return (struct reporter_config){
        .run_id = run_id,
        .sink = sink,
        .input_mode = config_text(config, "run.input_mode"),
        .report_tz = config_text(config, "report.tz"),
        .store_path = store_path,
        .output_dir = config_text(config, "run.output_dir"),
        .artifacts_dir = config_text(config, "run.artifacts_dir"),
        .names = {.logs_dir = config_text(config, "run.logs_dir"),
                  .run_id = run_id,
                  .dual = strcmp(sink, "dual") == 0},
        .broker_sample_rate = config_f64(config, "broker.sample_rate"),
        .sync = strcmp(config_text(config, "journal.durability"), "power") == 0,
    };
}
