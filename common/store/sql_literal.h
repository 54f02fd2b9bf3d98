/* sql_literal: a text as SQL writes one down: 'text', its quotes doubled. For what cannot be bound to a parameter, such as the path
 * in a COPY or in read_parquet. */
#pragma once

#include "base/buffer.h"

void sql_literal(struct buffer *sql, const char *text);
