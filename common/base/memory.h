/* memory: allocation that does not return NULL.
 *
 * Long-lived memory is allocated when things are opened; running out of it there is not something a daemon can
 * mend, so it ends with a line on stderr and abort(). What the world sends is bounded by named limits before
 * it gets here. */
#pragma once

#include <stddef.h>

void *memory_allocate(size_t bytes);               /* zeroed; release with free() */
void *memory_resize(void *block, size_t bytes);    /* as realloc; new bytes are not zeroed */
char *memory_copy_text(const char *text);          /* as strdup */
void *memory_copy(const void *data, size_t bytes); /* release with free() */

/* memory_grow: makes an array of `count` elements hold at least `needed`, doubling; capacity is updated. */
void *memory_grow(void *array, size_t *capacity, size_t needed, size_t element_bytes);
