#include "settings.h"

void report_settings(struct stage *stage, const char *store_path, struct report_config *out)
{
    const struct config *config = stage_config(stage);
    *out = (struct report_config){
        .fingerprint = stage_fingerprint(stage),
        .interval_ms = config_wall_ms(config, (double)config_i64(config, "report.interval_s") * 1000),
        .clock = *stage_clock(stage),
        .reporter = reporter_config_read(config, stage_run_id(stage), store_path),
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
