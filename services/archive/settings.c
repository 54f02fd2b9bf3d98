#include "settings.h"

#include <string.h>

static void wake(void *stage)
{
    stage_wake(stage);
}

void writer_settings(struct stage *stage, struct archive_paths *out_paths, struct writer_config *out_settings)
{
    const struct config *config = stage_config(stage);
    path_join(out_paths->root, config_text(config, "run.data_root"), "ofi_cvd");
    path_join(out_paths->deadletter_root, config_text(config, "run.artifacts_dir"), "deadletter");
    path_join(out_paths->checkpoint_path, config_text(config, "run.state_dir"), "checkpoint.json");
    path_join(out_paths->temp_folder, config_text(config, "run.state_dir"), "duckdb");
    *out_settings = (struct writer_config){
        .root = out_paths->root,
        .deadletter_root = out_paths->deadletter_root,
        .checkpoint_path = out_paths->checkpoint_path,
        .run_id = stage_run_id(stage),
        .parquet = {.memory_mb = config_i64(config, "archive.duckdb_memory_mb"),
                    .threads = config_i64(config, "archive.duckdb_threads"),
                    .temp_folder = out_paths->temp_folder,
                    .config_fingerprint = stage_fingerprint(stage),
                    .sync = strcmp(config_text(config, "journal.durability"), "power") == 0},
        .wake = wake,
        .wake_context = stage,
    };
}
