#include "settings.h"

#include "base/file.h"
#include "store/jsonl_sink.h"
#include "store/sqlite_sink.h"

#include <stdio.h>
#include <string.h>

static double of_regime(const struct config *config, const char *family, int regime, const char *rest)
{
    char key[64];
    snprintf(key, sizeof key, "signal.%s.%s%s", family, REGIME_NAMES[regime], rest);
    return config_f64(config, key);
}

enum status signal_settings(const struct config *config, const char *run_id, const char *symbol,
                            struct signal_config *out_settings, struct error *error)
{
    struct signal_config settings = {
        .dedupe_ms = config_i64(config, "signal.dedupe_ms"),
        .spread_bps_cap = config_f64(config, "signal.spread_bps_cap"),
        .lag_cap_sec = config_f64(config, "signal.lag_cap_sec"),
        .weak_threshold = config_f64(config, "signal.weak_threshold"),
        .active_min_tps = config_f64(config, "signal.activity.active_min_tps"),
        .normal_min_tps = config_f64(config, "signal.activity.normal_min_tps"),
    };
    for (int regime = 0; regime < REGIME_COUNT; regime++) {
        settings.consistency_min[regime] = of_regime(config, "consistency_min", regime, "");
        settings.thresholds[regime].buy = of_regime(config, "thresholds", regime, ".buy");
        settings.thresholds[regime].strong = of_regime(config, "thresholds", regime, ".strong");
    }
    snprintf(settings.run_id, sizeof settings.run_id, "%s", run_id);
    snprintf(settings.symbol, sizeof settings.symbol, "%s", symbol);
    enum status status = signal_config_check(&settings, error);
    if (status == STATUS_OK)
        *out_settings = settings;
    return status;
}

static struct sink *jsonl(const struct config *config, const char *run_id)
{
    const struct jsonl_sink_config settings = {
        .output_dir = config_text(config, "run.output_dir"),
        .service = "signal",
        .prefix = "signals",
        .run_id = run_id,
        .message = &signal_message,
        .sync = strcmp(config_text(config, "journal.durability"), "power") == 0,
        .max_shards = config_i64(config, "sink.max_shards"),
        .max_file_bytes = config_i64(config, "sink.max_file_mb") * 1024 * 1024,
        .batch_rows = (size_t)config_i64(config, "sink.fsync_every_n"),
        .flush_ms = (int)config_i64(config, "sink.fsync_interval_ms"),
    };
    return jsonl_sink_create(&settings);
}

static struct sink *sqlite(const struct config *config, const char *run_id, const char *path)
{
    static const char *const KEY[] = {"run_id", "ts_ms", "symbol", NULL};
    static const char *const REQUIRED[] = {"seq", NULL};
    const struct sqlite_sink_config settings = {
        .path = path,
        .run_id = run_id,
        .table = "signals",
        .message = &signal_message,
        .key = KEY,
        .required = REQUIRED,
        .index = "symbol, ts_ms",
        .batch_rows = (size_t)config_i64(config, "sink.sqlite_batch_n"),
        .flush_ms = (int)config_i64(config, "sink.sqlite_flush_ms"),
        .sync = strcmp(config_text(config, "journal.durability"), "power") == 0,
    };
    return sqlite_sink_create(&settings);
}

void signal_sinks(const struct config *config, const char *run_id, char path[], size_t path_bytes,
                  struct sink **out_jsonl, struct sink **out_sqlite)
{
    const char *kind = config_text(config, "run.sink");
    bool dual = strcmp(kind, "dual") == 0;
    snprintf(path, path_bytes, "%s/signals.db", config_text(config, "run.output_dir"));
    *out_jsonl = dual || strcmp(kind, "jsonl") == 0 ? jsonl(config, run_id) : NULL;
    *out_sqlite = dual || strcmp(kind, "sqlite") == 0 ? sqlite(config, run_id, path) : NULL;
}
