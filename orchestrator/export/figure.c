#include "figure.h"

#include "base/memory.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void export_figures_finish(struct export_figures *figures)
{
    free(figures->items);
    *figures = (struct export_figures){0};
}

static void add(struct export_figures *figures, const char *name, const char *label, const char *label_value,
                struct export_figure figure)
{
    snprintf(figure.name, sizeof figure.name, "%s", name);
    figure.label = label;
    snprintf(figure.label_value, sizeof figure.label_value, "%s", label ? label_value : "");
    figures->items =
        memory_grow(figures->items, &figures->capacity, figures->count + 1, sizeof *figures->items);
    figures->items[figures->count++] = figure;
}

void export_add(struct export_figures *figures, const char *name, const char *label, const char *label_value,
                double value)
{
    if (!isnan(value))
        add(figures, name, label, label_value, (struct export_figure){.value = value});
}

void export_count(struct export_figures *figures, const char *name, const char *label,
                  const char *label_value, int64_t value)
{
    add(figures, name, label, label_value,
        (struct export_figure){.value = (double)value, .counter = true, .whole = true});
}

void export_level(struct export_figures *figures, const char *name, const char *label,
                  const char *label_value, int64_t value)
{
    add(figures, name, label, label_value, (struct export_figure){.value = (double)value, .whole = true});
}

static int compare(const void *left, const void *right)
{
    const struct export_figure *a = left, *b = right;
    int names = strcmp(a->name, b->name);
    return names ? names : strcmp(a->label_value, b->label_value);
}

void export_sort(struct export_figures *figures)
{
    if (figures->count)
        qsort(figures->items, figures->count, sizeof *figures->items, compare);
}
