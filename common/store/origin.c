#include "store/origin.h"

#include "base/file.h"

#include <dirent.h>
#include <string.h>

static const char LIVE[] = "live\n", REPLAY[] = "replay\n";

static bool has_content(const char *root)
{
    DIR *folder = opendir(root);
    bool found = false;
    struct dirent *entry;
    while (folder && (entry = readdir(folder)))
        found |= entry->d_name[0] != '.';
    if (folder)
        closedir(folder);
    return found;
}

/* read_note: STATUS_OK and STATUS_NOT_FOUND leave in *out_live whose it is. */
static enum status read_note(const char *path, const char *root, bool *out_live)
{
    struct buffer note;
    buffer_init(&note, 64);
    enum status status = file_read(path, &note);
    *out_live = status == STATUS_OK ? strcmp(buffer_text(&note), LIVE) == 0 : has_content(root);
    buffer_finish(&note);
    return status;
}

bool origin_is_live(const char *root)
{
    char path[PATH_BYTES];
    bool live;
    path_join(path, root, ".origin");
    enum status status = read_note(path, root, &live);
    return (status == STATUS_OK || status == STATUS_NOT_FOUND) && live;
}

enum status origin_claim(const char *root, bool is_replay, struct error *error)
{
    char path[PATH_BYTES];
    bool is_live;
    path_join(path, root, ".origin");
    enum status status = read_note(path, root, &is_live);
    if (status != STATUS_OK && status != STATUS_NOT_FOUND)
        return error_set(error, STATUS_IO, "%s cannot be read: %m", path);
    if (is_live && is_replay)
        return error_set(error, STATUS_INVALID,
                         "%s holds data of live runs; a replay needs a data root of its own (run.data_root)",
                         root);
    if (status == STATUS_OK)
        return STATUS_OK;
    const char *text = is_replay ? REPLAY : LIVE;
    if (folder_make_for(path) != STATUS_OK || file_replace(path, text, strlen(text), false) != STATUS_OK)
        return error_set(error, STATUS_IO, "%s cannot be written: %m", path);
    return STATUS_OK;
}
