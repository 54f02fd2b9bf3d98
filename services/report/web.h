/* web: the read-only HTTP server of report: /metrics, in a thread of its own that shares nothing with the loop: it reads the
 * run's status files when it is asked.
 *
 * A port that is taken ends nothing: it is told once, counted, and tried again every WEB_RETRY_MS. */
#pragma once

#include "base/clock.h"
#include "base/status.h"

#include <stdint.h>

enum { WEB_RETRY_MS = 5000, WEB_CONNECTIONS_MAX = 32, WEB_STATUS_FILE_BYTES_MAX = 4 * 1024 * 1024 };

struct web_config { /* texts are borrowed as long as it lives */
    const char *address;
    int port; /* 0: any free one */
    const char *run_id;
    const char *output_dir; /* status/… is read, report.port is written */
    struct clock clock;
};

struct web;

/* web_create: starts the thread; whether anything listens is told by the figures. */
enum status web_create(const struct web_config *config, struct web **out_web, struct error *error) MUST_USE;
void web_destroy(struct web *web); /* accepts NULL */

struct web_figures {
    int64_t requests;
    int64_t port;          /* 0: nothing listens */
    int64_t listen_errors; /* attempts to listen that failed */
    int64_t unusable_files;
};
struct web_figures web_figures(const struct web *web);
