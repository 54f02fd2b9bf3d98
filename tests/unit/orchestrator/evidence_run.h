/* evidence_run: an empty run of a folder of its own, whose files the tests put there. */
#pragma once

#include "orchestrator/manifest/evidence.h"
#include "tests/support/check.h"

#include <string.h>

#define RUN "run-1"

static char folder[PATH_BYTES], paths[4][PATH_BYTES];
static struct evidence_places places;

static void put(const char *name, const char *text)
{
    char path[PATH_BYTES];
    path_join(path, folder, "%s", name);
    assert_ok(folder_make_for(path));
    assert_ok(file_replace(path, text, strlen(text), false));
}

/* evidence_run_begin: sink dual, with these modules. */
static void evidence_run_begin(unsigned modules)
{
    static const char *const NAMES[] = {"runtime", "data", "artifacts", "logs"};
    check_folder(folder);
    for (size_t i = 0; i < 4; i++)
        path_join(paths[i], folder, "%s", NAMES[i]);
    places = (struct evidence_places){
        .run_id = RUN, .output_dir = paths[0], .data_root = paths[1], .sink = "dual", .modules = modules};
    evidence_places_live(&places, paths[2], paths[3]);
}

static int tear_down(void **unused)
{
    (void)unused;
    check_folder_remove(folder);
    return 0;
}
