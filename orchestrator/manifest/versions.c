#include "versions.h"

#include "bus/bus.h"
#include "proto/frame.h"
#include "store/database.h"

#include <math.h>
#include <orderflow_version.h>
#include <stdio.h>

/* key_told: as the first process that tells it does. */
static void key_told(const struct run *run, const char *library, struct json *json)
{
    char gauge[64], text[64];
    double value = NAN;
    snprintf(gauge, sizeof gauge, "library_%s", library);
    for (size_t i = 0; i < run->process_count && isnan(value); i++)
        if (!telemetry_gauge(&run->processes[i].telemetry, gauge, &value))
            value = NAN;
    long number = isnan(value) ? 0 : (long)value;
    snprintf(text, sizeof text, "%ld.%ld.%ld", number / 1000000, number / 1000 % 1000, number % 1000);
    json_key_text(json, library, isnan(value) ? NULL : text);
}

void versions_write(const struct run *run, struct json *json)
{
    char zmq[BUS_VERSION_BYTES];
    bus_library_version(zmq);
    json_key(json, "versions");
    json_object_begin(json);
    json_key_text(json, "orderflow", ORDERFLOW_VERSION);
    json_key_text(json, "git_head", ORDERFLOW_GIT_HEAD);
    json_key_bool(json, "git_dirty", ORDERFLOW_GIT_DIRTY);
    json_key_text(json, "compiler", ORDERFLOW_COMPILER);
    json_key_text(json, "zmq", zmq);
    json_key_text(json, "msgpack", frame_library_version());
    key_told(run, "duckdb", json);
    json_key_text(json, "sqlite", database_library_version());
    json_key_text(json, "libyaml", config_library_version());
    key_told(run, "libwebsockets", json);
    json_object_end(json);
}
