/* client: one conversation with the orchestrator of this folder. A DEALER underneath, so that a lost reply
 * never blocks what follows; every request has an id and a deadline. */
#pragma once

#include "base/buffer.h"

#include <stdint.h>
#include <yyjson.h>

struct client;

/* client_open: STATUS_CLOSED with a sentence when no orchestrator lives here. */
enum status client_open(int64_t timeout_ms, struct client **out_client, struct error *error) MUST_USE;
void client_close(struct client *client); /* NULL-safe */

/* client_ask: one request; `args_json` is an object. *out_reply is the whole reply, to be freed with
 * yyjson_doc_free; its "result" is there. STATUS_AGAIN: no reply in time; STATUS_INVALID: the orchestrator
 * refused, with its sentence. */
enum status client_ask(struct client *client, const char *verb, const char *args_json, yyjson_doc **out_reply,
                       struct error *error) MUST_USE;

/* client_listen: from now on events of the status feed wake client_wait. */
void client_listen(struct client *client);

/* client_wait: returns when an event has arrived, or after wait_ms. What happened is asked for with `events`:
 * the feed itself may lose. */
void client_wait(struct client *client, int wait_ms);

/* member_text: a text member of an object, "-" when there is none. */
const char *member_text(yyjson_val *object, const char *member);

/* client_args: {"name": …} of up to two texts; NULL texts are left out. */
void client_args(struct buffer *out, const char *first, const char *first_value, const char *second,
                 const char *second_value);
