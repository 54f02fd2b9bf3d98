#include "sink_stamp.h"

#include "base/file.h"
#include "signal_files.h"

#include <string.h>
#include <sys/stat.h>

static void add_number(struct sha256 *hash, int64_t number)
{
    sha256_update(hash, &number, sizeof number);
}

/* add_file: one without a byte says nothing; SQLite makes an empty log only to read. Not the time of
 * change: SQLite touches it when root opens a log. */
static void add_file(struct sha256 *hash, const char *path)
{
    struct stat found;
    sha256_update(hash, path, strlen(path) + 1);
    if (stat(path, &found) != 0 || found.st_size == 0)
        return;
    add_number(hash, (int64_t)found.st_ino);
    add_number(hash, (int64_t)found.st_size);
    add_number(hash, found.st_mtim.tv_sec);
    add_number(hash, found.st_mtim.tv_nsec);
}

enum status sink_stamp_take(const char *output_dir, const char *run_id, struct sink_stamp *out_stamp,
                            struct error *error)
{
    static const char *const DATABASE[] = {"signals.db", "signals.db-wal"};
    struct signal_files files;
    struct sha256 hash;
    char path[PATH_BYTES];
    signal_files_init(&files);
    enum status status = signal_files_find(&files, output_dir, run_id, error);
    sha256_init(&hash);
    for (size_t i = 0; status == STATUS_OK && i < files.count; i++)
        add_file(&hash, files.items[i].path);
    for (size_t i = 0; i < sizeof DATABASE / sizeof *DATABASE; i++) {
        path_join(path, output_dir, "%s", DATABASE[i]);
        add_file(&hash, path);
    }
    signal_files_finish(&files);
    if (status == STATUS_OK)
        sha256_finish(&hash, out_stamp->digest);
    return status;
}

bool sink_stamp_equal(const struct sink_stamp *left, const struct sink_stamp *right)
{
    return memcmp(left->digest, right->digest, sizeof left->digest) == 0;
}
