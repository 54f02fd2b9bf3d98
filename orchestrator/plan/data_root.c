#include "data_root.h"

#include "base/file.h"
#include "store/origin.h"

#include <fts.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool holds_live_rows(const char *root)
{
    char rows[PATH_BYTES];
    path_join(rows, root, "ofi_cvd");
    return origin_is_live(rows);
}

/* real_path: of a folder that need not exist: what of its way does. False: nothing. */
static bool real_path(const char *folder, char out_path[PATH_MAX])
{
    char left[PATH_BYTES];
    snprintf(left, sizeof left, "%s", folder);
    while (!realpath(left, out_path)) {
        char *slash = strrchr(left, '/');
        if (!slash || slash == left)
            return realpath(slash ? "/" : ".", out_path) != NULL;
        *slash = 0;
    }
    return true;
}

/* live_above: the folder itself or one it lies in; out_root: which. */
static bool live_above(const char *folder, char out_root[PATH_MAX])
{
    if (!real_path(folder, out_root))
        return false;
    while (!holds_live_rows(out_root)) {
        char *slash = strrchr(out_root, '/');
        if (!slash || slash == out_root)
            return false;
        *slash = 0;
    }
    return true;
}

/* live_below: through no link. */
static bool live_below(const char *folder, char out_root[PATH_MAX])
{
    char start[PATH_BYTES], *const paths[] = {start, NULL};
    snprintf(start, sizeof start, "%s", folder);
    FTS *walk = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR | FTS_NOSTAT, NULL);
    bool found = false;
    for (FTSENT *entry; walk && !found && (entry = fts_read(walk));) {
        if (entry->fts_info != FTS_D || strcmp(entry->fts_name, "ofi_cvd") != 0)
            continue;
        found = origin_is_live(entry->fts_path);
        snprintf(out_root, PATH_MAX, "%.*s", (int)(entry->fts_pathlen - entry->fts_namelen - 1),
                 entry->fts_path);
        fts_set(walk, entry, FTS_SKIP);
    }
    if (walk)
        fts_close(walk);
    return found;
}

/* holds: the input is the folder or lies in it. */
static bool holds(const char *folder, const char *input)
{
    char outer[PATH_MAX], inner[PATH_MAX];
    size_t length = realpath(folder, outer) ? strlen(outer) : 0;
    return length && realpath(input, inner) && strncmp(inner, outer, length) == 0 &&
           (!inner[length] || inner[length] == '/');
}

void data_root_check(const struct config *config, struct config_errors *errors)
{
    static const char REMEDY[] = "without it a preview writes to ./preview; or name a folder of its own";
    const char *root = config_text(config, "run.data_root"), *input = config_text(config, "run.input_dir");
    const char *place = config_place(config, "run.data_root");
    char live[PATH_MAX];
    if (holds(root, input))
        config_errors_add(errors, place, "run.data_root", "%s holds the preview's own input, %s: %s", root,
                          input, REMEDY);
    else if (live_above(root, live))
        config_errors_add(errors, place, "run.data_root", "%s: live runs keep their data in %s: %s", root,
                          live, REMEDY);
    else if (live_below(root, live))
        config_errors_add(errors, place, "run.data_root", "%s: live runs keep their data below it, in %s: %s",
                          root, live, REMEDY);
}
