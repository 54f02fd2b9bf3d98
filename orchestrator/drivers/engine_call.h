/* engine_call: one request to the Docker Engine (API 1.41) through its unix socket, and its answer. Waits for it. */
#pragma once

#include "base/buffer.h"

#include <stdint.h>

struct engine_client;

enum status engine_client_make(const char *socket_path, struct engine_client **out_client,
                               struct error *error) MUST_USE;
void engine_client_destroy(struct engine_client *client); /* accepts NULL */

/* engine_client_end: from any thread: no call waits beyond this time (monotonic), neither one under way nor a later one.
 * engine_client_ends: whether that has been said. */
void engine_client_end(struct engine_client *client, int64_t until_ms);
bool engine_client_ends(const struct engine_client *client);

/* engine_call: *out_body (may be NULL) gets what it says. STATUS_NOT_FOUND: there is no such thing; STATUS_IO with a sentence: it did
 * not do it, or does not answer. */
enum status engine_call(struct engine_client *client, const char *method, const char *path,
                        const struct buffer *body, struct buffer *out_body, struct error *error) MUST_USE;

/* engine_call_own: what our own container is part of, as `read` finds it in what the engine says of us. STATUS_NOT_FOUND with a sentence when
 * it belongs to `nothing` ("no compose project"). */
typedef bool engine_own_reader(struct buffer *inspected, char *out_text, size_t bytes);
enum status engine_call_own(struct engine_client *client, engine_own_reader *read, const char *nothing,
                            char *out_text, size_t bytes, struct error *error) MUST_USE;
