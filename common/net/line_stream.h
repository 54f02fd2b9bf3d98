/* line_stream: an endless answer of an HTTP server behind a unix socket, line by line (libcurl behind it).
 *
 * A thread of its own reads it and opens it again whenever it ends. Lines come out of a descriptor, one per read: an empty one says
 * that the stream has just been opened (again): what happened before is to be asked for otherwise. */
#pragma once

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>

enum { LINE_STREAM_BYTES_MAX = 64 * 1024, LINE_STREAM_PAUSE_MS = 500 };

struct line_stream;

enum status line_stream_open(const char *unix_socket_path, const char *url, struct line_stream **out_stream,
                             struct error *error) MUST_USE;
void line_stream_close(struct line_stream *stream); /* accepts NULL */

/* line_stream_descriptor: readable when a line waits. */
int line_stream_descriptor(const struct line_stream *stream);

/* line_stream_read: the next line without its end, NUL-terminated; STATUS_AGAIN: none waits. A line beyond the limit is cut. */
enum status line_stream_read(struct line_stream *stream, char out_line[LINE_STREAM_BYTES_MAX]) MUST_USE;
