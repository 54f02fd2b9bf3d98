/* What the configuration says about the bus, as every daemon and tool opens it. */
#include "bus/bus.h"

#include "config/config.h"

#include <string.h>

struct bus_config bus_config_of(const struct config *config, const char *instance)
{
    struct config_list hosts = config_list(config, "bus.hosts");
    return (struct bus_config){
        .folder = config_text(config, "bus.dir"),
        .instance = instance,
        .high_water_mark = (int)config_i64(config, "bus.high_water_mark"),
        .tcp = strcmp(config_text(config, "bus.transport"), "tcp") == 0,
        .listen_address = config_text(config, "bus.listen_address"),
        .curve_folder = config_text(config, "bus.curve_dir"),
        .port = (int)config_i64(config, "bus.port"),
        .hosts = hosts.texts,
        .host_count = hosts.count,
    };
}
