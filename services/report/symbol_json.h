/* symbol_json: the figures of one symbol as the text the store keeps, and back, exactly. */
#pragma once

#include "base/buffer.h"
#include "figures.h"

/* symbol_to_json: appends one object; sums and levels as decimal text. */
void symbol_to_json(const struct symbol_figures *symbol, struct buffer *out);

/* symbol_from_json: into cleared figures. STATUS_MALFORMED: not what symbol_to_json writes. */
enum status symbol_from_json(const char *text, struct symbol_figures *symbol) MUST_USE;

/* levels_json: [["price","qty"], …], best first, up to the first missing level. */
void levels_json(struct json *json, const struct book_level levels[FIGURES_TOP_LEVELS]);
