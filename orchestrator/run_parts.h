/* run_parts: what run_main (run.c) is made of. */
#pragma once

#include "run.h"

/* run_prepare.c */
enum status run_load_config(struct run *run) MUST_USE; /* says what is wrong with it */
/* run_prepare: everything that may be refused, before anything is started. run_prepare_adopted: of a run that its orchestrator left:
 * everything stands but for this process's own parts. */
enum status run_prepare(struct run *run, struct error *error) MUST_USE;
enum status run_prepare_adopted(struct run *run, struct error *error) MUST_USE;

/* run_loop.c */
void run_loop(struct run *run); /* to the end of the last process */
/* run_conclude: its exit code; whoever asks how the run is gets his answer, however long its files take to be read. */
int run_conclude(struct run *run);
