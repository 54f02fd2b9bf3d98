/* engine_call: one request to the Docker Engine (API 1.41) through its unix socket, and its answer. Waits for it. */
#pragma once

#include "base/buffer.h"

struct rest_client;

enum status engine_client_make(const char *socket_path, struct rest_client **out_client,
                               struct error *error) MUST_USE;

/* engine_call: *out_body (may be NULL) gets what it says. STATUS_NOT_FOUND: there is no such thing; STATUS_IO with a sentence: it did
 * not do it, or does not answer. */
enum status engine_call(struct rest_client *client, const char *method, const char *path,
                        const struct buffer *body, struct buffer *out_body, struct error *error) MUST_USE;
