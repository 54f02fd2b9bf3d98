#include "heard.h"

#include <math.h>
#include <string.h>

static bool is_of(const struct process *process, const char *service)
{
    return !service || strcmp(process->module->name, service) == 0;
}

bool heard_counter(const struct run *run, const char *service, const char *name, int64_t *out_sum)
{
    bool any = false;
    int64_t sum = 0, value;
    for (size_t i = 0; i < run->process_count; i++)
        if (is_of(&run->processes[i], service) &&
            telemetry_counter(&run->processes[i].telemetry, name, &value)) {
            sum += value;
            any = true;
        }
    if (any)
        *out_sum = sum;
    return any;
}

static double gauge(const struct run *run, const char *service, const char *name, bool summed)
{
    double result = NAN, value;
    for (size_t i = 0; i < run->process_count; i++)
        if (is_of(&run->processes[i], service) &&
            telemetry_gauge(&run->processes[i].telemetry, name, &value) && !isnan(value))
            result = isnan(result) ? value : summed ? result + value : fmax(result, value);
    return result;
}

double heard_gauge(const struct run *run, const char *service, const char *name)
{
    return gauge(run, service, name, false);
}

double heard_gauge_sum(const struct run *run, const char *service, const char *name)
{
    return gauge(run, service, name, true);
}

void heard_about(const struct run *run, const char *service, bool gauges, const char *prefix,
                 heard_each *each, void *context)
{
    for (size_t i = 0; i < run->process_count; i++)
        if (is_of(&run->processes[i], service))
            telemetry_each(&run->processes[i].telemetry, gauges, prefix, each, context);
}

int64_t heard_event_ms(const struct run *run)
{
    int64_t newest_ms = INT64_MIN;
    for (size_t i = 0; i < run->process_count; i++) {
        int64_t event_ms = run->processes[i].telemetry.beat.event_ts_ms;
        if (is_of(&run->processes[i], "harvest") && event_ms != FIELD_NULL_I64 && event_ms > newest_ms)
            newest_ms = event_ms;
    }
    return newest_ms;
}

/* A process that has one counter for all its writes says it there; the others have sinks. */
bool heard_write_errors(const struct run *run, int64_t *out_sum)
{
    bool any = false;
    int64_t sum = 0, value;
    for (size_t i = 0; i < run->process_count; i++) {
        const struct telemetry *telemetry = &run->processes[i].telemetry;
        if (telemetry_counter(telemetry, "write_errors_total", &value)) {
            sum += value;
            any = true;
            continue;
        }
        for (size_t k = 0; k < telemetry_count(telemetry, PART_SINKS); k++) {
            sum += telemetry_sinks(telemetry)[k].write_errors;
            any = true;
        }
    }
    if (any)
        *out_sum = sum;
    return any;
}

bool heard_dropped(const struct run *run, int64_t *out_sum)
{
    int64_t queue = 0, retention = 0, sum = 0;
    bool any = heard_counter(run, NULL, "queue_dropped", &queue);
    any = heard_counter(run, NULL, "stage_retention_dropped", &retention) || any;
    sum = queue + retention;
    for (size_t i = 0; i < run->process_count; i++) {
        const struct telemetry *telemetry = &run->processes[i].telemetry;
        for (size_t k = 0; k < telemetry_count(telemetry, PART_SINKS); k++) {
            sum += telemetry_sinks(telemetry)[k].dropped + telemetry_sinks(telemetry)[k].key_conflict;
            any = true;
        }
    }
    if (any)
        *out_sum = sum;
    return any;
}
