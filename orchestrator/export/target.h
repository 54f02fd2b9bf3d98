/* target: where figures are exported to, as the configuration names it: the requests for it, ready to be sent.
 *
 *                 write                                             is it there?     forget a run
 *   prometheus    PUT  <url>/metrics/job/<job>/run_id/<run_id>      GET /-/ready     DELETE of the same
 *   influxdb      POST <url>/api/v2/write?org=&bucket=&precision=ns GET /health      –
 *   influxdb1     POST <url>/write?db=&precision=ns                 GET /ping        – */
#pragma once

#include "body.h"

#include "config/config.h"

enum export_type { EXPORT_NONE, EXPORT_PROMETHEUS, EXPORT_INFLUXDB, EXPORT_INFLUXDB1 };

enum { TARGET_URL_BYTES = 1024, TARGET_HEADER_BYTES = 1024 };

struct target {
    enum export_type type; /* EXPORT_NONE: export is off */
    char write_url[TARGET_URL_BYTES];
    char check_url[TARGET_URL_BYTES];
    char content_type[96];                   /* whole header line */
    char authorization[TARGET_HEADER_BYTES]; /* whole header line; "": none */
};

/* target_init: of a validated configuration; the token, which no file holds, comes from `token` (NULL or "": none).
 * STATUS_LIMIT: an address or a token is too long. */
enum status target_init(const struct config *config, const char *run_id, const char *token,
                        struct target *out_target, struct error *error) MUST_USE;

const char *target_method(const struct target *target);
const char *export_type_name(enum export_type type);

/* target_body: the figures as this target takes them. */
void target_body(const struct target *target, const struct export_figures *figures,
                 const struct body_tags *tags, struct buffer *out);
