/* schema_rows: how a line of the schema is written. Private to the schema_*.c files. */
#pragma once

#include "config/schema.h"

struct config_table {
    const struct config_key *rows;
    size_t count;
};

extern const struct config_table CONFIG_GENERAL_KEYS; /* schema_general.c: run, venue, simulator */
extern const struct config_table CONFIG_ENGINE_KEYS;  /* schema_engines.c: everything that computes rows */
extern const struct config_table
    CONFIG_OPERATIONS_KEYS; /* schema_operations.c: storage, supervision, export */

#define TABLE_OF(array)                     \
    {                                       \
        array, sizeof array / sizeof *array \
    }

#define ROW(key, kind, standard_text, unit_text, meaning_text, ...)                                       \
    {                                                                                                     \
        .name = key, .type = kind, .standard = standard_text, .unit = unit_text, .meaning = meaning_text, \
        __VA_ARGS__                                                                                       \
    }
#define BETWEEN(least, most)    .minimum = least, .maximum = most
#define COUNTS(least, most)     .count_min = least, .count_max = most
#define FLAGS(bits)             .flags = (bits)
#define OPERATIONAL             FLAGS(CONFIG_OPERATIONAL)
#define FROM(variable)          .environment = variable
#define PASSED(processes)       .passed_to = processes
#define OPTION(text)            .option = text
#define CHOICES(names)          .choices = names
#define CHECK(function)         .check = function
#define DERIVED(function, text) .derive = function, .rule = text

/* checks.c: shapes of texts. */
config_check check_not_empty;
config_check check_symbols;
config_check check_run_id;
config_check check_label;
config_check check_socket_url;
config_check check_rest_url;
config_check check_simulator_start;
config_check check_http_address;
config_check check_bus_hosts;
config_check check_host;
config_check check_time_zone_name;
config_check check_dates;
config_check check_windows;
config_check check_flush_ms;
config_check check_horizons;
config_check check_divides_second;
config_check check_divides_hour;

/* derive.c: built-in values that depend on others. */
config_derive derive_replay_mode;
config_derive derive_simulator_speed;
config_derive derive_url_mode;
config_derive derive_public_url;
config_derive derive_market_url;
config_derive derive_combined_url;
config_derive derive_rest_url;
config_derive derive_on_full;
config_derive derive_clock_skew;
config_derive derive_half_life_fast;
config_derive derive_fuse_sell;
config_derive derive_fuse_strong_sell;
config_derive derive_bus_dir;
config_derive derive_curve_dir;
config_derive derive_export_enabled;
