/* describe: what people read about messages, made from the field tables: Markdown tables, hexdumps, JSON of frames.
 *
 * docs/wire-protocol.md consists of prose and of parts that are made here; `build/dev/bin/describe --check` compares. */
#pragma once

#include "base/buffer.h"
#include "proto/frame.h"

/* describe_fields: the message's field table as a Markdown table: position in the row, name, type ("?" = may be null), unit,
 * since, meaning. Groups of further book levels become one line. */
void describe_fields(struct buffer *out, const struct message *message);

/* describe_kinds: all kinds of rows by number. */
void describe_kinds(struct buffer *out);

/* describe_hexdump: lines of offset, sixteen bytes and their characters. hexdump_read: such lines back into bytes; lines
 * that begin otherwise than with an offset are passed over. STATUS_MALFORMED with a sentence. */
void describe_hexdump(struct buffer *out, const void *data, size_t bytes);
enum status hexdump_read(const char *text, size_t length, struct buffer *out_bytes,
                         struct error *error) MUST_USE;

/* describe_frame: header and rows of a frame as JSON lines, rows with all their fields in use. */
enum status describe_frame(struct buffer *out, const void *data, size_t bytes, struct error *error) MUST_USE;
