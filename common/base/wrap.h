/* wrap: a text in the last column of a table. */
#pragma once

#include "buffer.h"

#include <stddef.h>

enum { WRAP_WIDTH_LEAST = 16 }; /* in less nobody reads anything: it is not wrapped then */

/* wrap_text: `text` in lines of at most `width` characters, broken at spaces, within a word only when it is longer than a line; all but the
 * first begin behind `indent` spaces, also where the text itself breaks its line. Ends with a newline. Width 0: no limit. */
void wrap_text(struct buffer *out, const char *text, size_t indent, size_t width);
