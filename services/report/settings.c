#include "settings.h"

#include <string.h>

void report_settings(struct stage *stage, const char *store_path, struct report_config *out)
{
    const struct config *config = stage_config(stage);
    const char *sink = config_text(config, "run.sink");
    *out = (struct report_config){
        .fingerprint = stage_fingerprint(stage),
        .interval_ms = config_wall_ms(config, (double)config_i64(config, "report.interval_s") * 1000),
        .clock = *stage_clock(stage),
        .reporter =
            {
                .run_id = stage_run_id(stage),
                .sink = sink,
                .input_mode = config_text(config, "run.input_mode"),
                .report_tz = config_text(config, "report.tz"),
                .store_path = store_path,
                .output_dir = config_text(config, "run.output_dir"),
                .artifacts_dir = config_text(config, "run.artifacts_dir"),
                .names =
                    {
                        .logs_dir = config_text(config, "run.logs_dir"),
                        .run_id = stage_run_id(stage),
                        .dual = strcmp(sink, "dual") == 0,
                    },
                .broker_sample_rate = config_f64(config, "broker.sample_rate"),
                .sync = strcmp(config_text(config, "journal.durability"), "power") == 0,
            },
    };
}

void web_settings(const struct stage *stage, struct web_config *out)
{
    const struct config *config = stage_config(stage);
    *out = (struct web_config){.address = config_text(config, "report.http_address"),
                               .port = (int)config_i64(config, "report.http_port"),
                               .run_id = stage_run_id(stage),
                               .output_dir = config_text(config, "run.output_dir"),
                               .clock = *stage_clock(stage)};
}
