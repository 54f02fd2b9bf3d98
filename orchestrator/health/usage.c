#include "usage.h"

void usage_take(struct usage *usage, const struct driver_resources *resources, int64_t now_ms)
{
    if (usage->looked_ms && now_ms > usage->looked_ms)
        usage->cpu_percent =
            100.0 * (double)(resources->cpu_ms - usage->cpu_ms) / (double)(now_ms - usage->looked_ms);
    usage->looked_ms = now_ms;
    usage->cpu_ms = resources->cpu_ms;
    usage->rss_mb = resources->rss_mb;
    usage->open_files = resources->open_files;
}

void usage_end(struct usage *usage, int64_t cpu_ms)
{
    usage->cpu_ms_dead += cpu_ms >= 0 ? cpu_ms : usage->cpu_ms;
    usage->cpu_ms = usage->looked_ms = 0;
    usage->cpu_percent = 0;
}

void usage_json(struct json *json, const struct usage *usage)
{
    json_key_f64(json, "cpu_s", (double)(usage->cpu_ms + usage->cpu_ms_dead) / 1000.0);
    json_key_f64(json, "cpu_percent", usage->cpu_percent);
}
