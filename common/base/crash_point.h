/* crash_point: a named place where a test can make the process die as if it were killed there.
 *
 * Names in use: before_commit, after_commit (the stage's commit), after_write (bytes or rows are written, their
 * position is not), after_rename (a file has its final name, its position or checkpoint does not say so yet),
 * before_replace, after_replace (files replaced as a whole: summary, manifest, checkpoint, status, identity),
 * before_remove (the checkpoint names a merged hour and the parts that go; one more of them goes now);
 * before_release, after_release, before_acquire, after_acquire (a symbol is given up, becomes another instance's);
 * harvest's after_leave, after_expect (its capture says that a symbol leaves, is expected);
 * the orchestrator's keeper_begun (a slot has a keeper that has been told nothing), keeper_told (it has been told to start),
 * move_asked (both sides of a hand-over have been asked), before_plan, after_plan,
 * answered (a request that changes something has its answer), alert_told (that an alert has opened, or is over),
 * canary_incident, canary_committed, canary_told, canary_carried (between the steps of a canary's action),
 * deciding (before and behind the record of a rollback), confirmed (the same of its end), told (that it is over),
 * released (the last process's keeper has left, the run's record stands),
 * before_conclude, concluding (behind each file it concludes with), after_conclude (the last process is gone;
 * the manifest is final, or the run is left to be concluded behind the next one);
 * leaving (between the steps of that), following (the next one is about to begin, has said so), concluded, taking_away (the manifest of the
 * run that was left is final; what it left goes). */
#pragma once

/* crash_point: nothing, unless the environment variable ORDERFLOW_CRASH_POINT is
 * "[<program>/]<name>:<n>[:<file>]"; then the n-th passing (counted from 1) ends the process with SIGKILL. With
 * a program only that one dies; with a file only who can create it does, so that a restarted process lives.
 * Callable from any thread. */
void crash_point(const char *name);
