/* figure: one exported number: a name, at most one label of its own, a value. A figure that is not known is not in the
 * list at all. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { EXPORT_NAME_BYTES = 64, EXPORT_LABEL_BYTES = 64 };

struct export_figure {
    char name[EXPORT_NAME_BYTES];         /* letters, digits, '_' */
    const char *label;                    /* "reason", "process", "symbol"; NULL: none */
    char label_value[EXPORT_LABEL_BYTES]; /* any text */
    double value;
    bool counter; /* only ever rises within a run; whole */
    bool whole;
};

struct export_figures {
    struct export_figure *items;
    size_t count, capacity;
};

void export_figures_finish(struct export_figures *figures);

/* export_add: a fraction (NaN: nothing is added). export_count: a whole number that only rises. export_level: a whole
 * number. `label` is borrowed, NULL: none. */
void export_add(struct export_figures *figures, const char *name, const char *label, const char *label_value,
                double value);
void export_count(struct export_figures *figures, const char *name, const char *label,
                  const char *label_value, int64_t value);
void export_level(struct export_figures *figures, const char *name, const char *label,
                  const char *label_value, int64_t value);

/* export_sort: figures of one name together, by name and label value, as the text formats want them. */
void export_sort(struct export_figures *figures);
