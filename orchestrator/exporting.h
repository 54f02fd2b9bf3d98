/* exporting: the run's time-series export: which figures, told to whom (export/exporter.h does the sending). */
#pragma once

#include "export/exporter.h"
#include "run.h"

/* exporting_open: with the run's configuration; also for a run that is gone on with. */
enum status exporting_open(struct run *run, struct error *error) MUST_USE;
void exporting_close(struct run *run);

void exporting_step(struct run *run);
int64_t exporting_due_ms(const struct run *run);

/* exporting_figures: everything that is exported, as it is now. */
void exporting_figures(const struct run *run, struct export_figures *out_figures);
