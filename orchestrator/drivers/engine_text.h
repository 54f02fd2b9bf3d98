/* engine_text: what the Docker Engine says, in JSON, read and written. Anything may be missing in it: then it is not said. */
#pragma once

#include "base/buffer.h"
#include "engine.h"

/* engine_text_project: the compose project of an inspected container. */
bool engine_text_project(struct buffer *inspected, char *out_project, size_t size);

/* engine_text_stack: the stack of an inspected container of a swarm. */
bool engine_text_stack(struct buffer *inspected, char *out_stack, size_t size);

/* engine_text_event: a line of /events: a start or an end of a container that belongs to an instance; false: another. */
bool engine_text_event(const char *line, struct engine_news *out_news);

/* engine_text_list: false: it is no list. */
bool engine_text_list(struct buffer *list, engine_visit *visit, void *context);

int engine_text_exit_code(struct buffer *inspected); /* -1: not known, or it runs */

/* engine_text_like: the request for a container like the inspected one, for another instance. */
bool engine_text_like(struct buffer *inspected, const char *instance, struct buffer *out_request);

/* engine_text_service_like: the request for a service like the inspected one, for another instance of the same stack. */
bool engine_text_service_like(struct buffer *inspected, const char *stack, const char *instance,
                              struct buffer *out_request);

/* engine_text_host: how an instance is called in a network, '.' as '-' (bus/endpoint.h). */
void engine_text_host(const char *instance, char out_host[INSTANCE_BYTES]);

bool engine_text_id(struct buffer *created, char out_id[CONTAINER_ID_BYTES]);
