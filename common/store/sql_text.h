/* sql_text: texts as SQL writes them down, for what cannot be bound to a parameter. */
#pragma once

#include "base/buffer.h"

/* sql_literal: 'text', its quotes doubled. */
void sql_literal(struct buffer *sql, const char *text);

/* sql_file: a literal that read_parquet takes for this file alone. To DuckDB a path with *, ? or [ is a pattern even where a file of just that
 * name exists: it would read run1/x in the place of run[1]/x. Where a file is written (COPY) the plain literal is right. */
void sql_file(struct buffer *sql, const char *path);
