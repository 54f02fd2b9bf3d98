/* clean: removes what finished runs left (operations.md §19). Only below the folders the configuration names, never through a
 * link, never while anybody works here: the run's lock is held meanwhile, so that no run can begin. */
#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "place.h"
#include "run_names.h"
#include "verb.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yyjson.h>

static const char LOCK_PATH[] = "runtime/orchestrator.lock";

/* run: one that left a manifest. */
struct run {
    char id[80];
    char started_at[40];
    bool kept;
};

struct cleaning {
    struct config *config;
    int64_t keep;
    bool dry, as_json;
    struct buffer told; /* the paths that would go, as JSON */
    struct json json;
    size_t root_bytes; /* of the folder that is being cleaned, with its slash */
    struct run *runs;  /* newest first */
    size_t run_count, run_capacity;
    int64_t files, bytes, failures;
};

/* --- which runs there are --- */

static enum status manifest_visit(void *context, const char *path)
{
    struct cleaning *cleaning = context;
    const char *name = strrchr(path, '/');
    if (!name || strncmp(name, "/run_manifest_", 14) != 0)
        return STATUS_OK;
    yyjson_doc *document = yyjson_read_file(path, 0, NULL, NULL);
    yyjson_val *root = yyjson_doc_get_root(document);
    const char *id = yyjson_get_str(yyjson_obj_get(root, "run_id")),
               *started = yyjson_get_str(yyjson_obj_get(root, "started_at"));
    if (id && *id) {
        cleaning->runs = memory_grow(cleaning->runs, &cleaning->run_capacity, cleaning->run_count + 1,
                                     sizeof *cleaning->runs);
        struct run *run = &cleaning->runs[cleaning->run_count++];
        *run = (struct run){.kept = false};
        snprintf(run->id, sizeof run->id, "%s", id);
        snprintf(run->started_at, sizeof run->started_at, "%s", started ? started : "");
    }
    yyjson_doc_free(document);
    return STATUS_OK;
}

static int newer_first(const void *left, const void *right)
{
    return strcmp(((const struct run *)right)->started_at, ((const struct run *)left)->started_at);
}

static void runs_find(struct cleaning *cleaning)
{
    char folder[PATH_BYTES];
    path_join(folder, config_text(cleaning->config, "run.artifacts_dir"), "run_logs");
    (void)!folder_walk(folder, manifest_visit, cleaning);
    if (cleaning->run_count)
        qsort(cleaning->runs, cleaning->run_count, sizeof *cleaning->runs, newer_first);
    for (size_t i = 0; i < cleaning->run_count; i++)
        cleaning->runs[i].kept = (int64_t)i < cleaning->keep;
}

/* --- what goes --- */

/* is_summary_json: what tells whose summary the files of its name are, so it goes last. */
static bool is_summary_json(const char *name)
{
    const char *dot = strrchr(name, '.');
    return strncmp(name, "summary_", 8) == 0 && dot && strcmp(dot, ".json") == 0;
}

/* summary_goes: summaries carry no run in their names but in the JSON beside them. */
static bool summary_goes(const struct cleaning *cleaning, const char *path)
{
    char json[PATH_BYTES];
    const char *dot = strrchr(path, '.');
    snprintf(json, sizeof json, "%.*s.json", dot ? (int)(dot - path) : 0, path);
    yyjson_doc *document = yyjson_read_file(json, 0, NULL, NULL);
    yyjson_val *id = yyjson_obj_get(yyjson_doc_get_root(document), "run_id");
    bool goes = false;
    for (size_t i = 0; i < cleaning->run_count; i++)
        goes = goes || (!cleaning->runs[i].kept && yyjson_equals_str(id, cleaning->runs[i].id));
    yyjson_doc_free(document);
    return goes;
}

/* goes: everything, unless runs are kept: then what is by its name of a run that is not. What several runs share stays. */
static bool goes(const struct cleaning *cleaning, const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    bool removed = false;
    if (cleaning->keep == 0)
        return true;
    if (strncmp(name, "summary_", 8) == 0)
        return summary_goes(cleaning, path);
    for (size_t i = 0; i < cleaning->run_count; i++) {
        if (!run_names_file(path + cleaning->root_bytes, cleaning->runs[i].id))
            continue;
        if (cleaning->runs[i].kept)
            return false;
        removed = true;
    }
    return removed;
}

static void remove_file(struct cleaning *cleaning, int folder, const char *name, const char *path,
                        const struct stat *found)
{
    if (cleaning->dry && cleaning->as_json)
        json_text(&cleaning->json, path);
    else if (cleaning->dry)
        printf("%s\n", path);
    else if (unlinkat(folder, name, 0) != 0) {
        complain(EXIT_REFUSED, "clean: %s cannot be removed: %s", path, strerror(errno));
        cleaning->failures++;
        return;
    }
    cleaning->files++;
    cleaning->bytes += S_ISREG(found->st_mode) ? found->st_size : 0;
}

/* is_lock: the file we hold ourselves meanwhile, however its path is written. */
static bool is_lock(const struct stat *found)
{
    struct stat lock;
    return lstat(LOCK_PATH, &lock) == 0 && lock.st_dev == found->st_dev && lock.st_ino == found->st_ino;
}

static void clean_folder(struct cleaning *cleaning, int parent, const char *name, const char *path);

static void clean_entry(struct cleaning *cleaning, int folder, const char *name, const char *path)
{
    struct stat found;
    if (fstatat(folder, name, &found, AT_SYMLINK_NOFOLLOW) != 0 || is_lock(&found))
        return;
    if (S_ISDIR(found.st_mode)) {
        clean_folder(cleaning, folder, name, path);
        if (!cleaning->dry)
            unlinkat(folder, name, AT_REMOVEDIR); /* stays when something in it does */
    } else if (goes(cleaning, path)) {
        remove_file(cleaning, folder, name, path, &found); /* of a link only the link */
    }
}

/* clean_entries: the JSON of summaries, or all else. */
static void clean_entries(struct cleaning *cleaning, DIR *folder, const char *path, bool summary_json)
{
    for (const struct dirent *entry; (entry = readdir(folder));) {
        char below[PATH_BYTES];
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
            is_summary_json(entry->d_name) != summary_json)
            continue;
        path_join(below, path, "%s", entry->d_name);
        clean_entry(cleaning, dirfd(folder), entry->d_name, below);
    }
}

/* clean_folder: what is in it; never through a link, whoever puts one there meanwhile. */
static void clean_folder(struct cleaning *cleaning, int parent, const char *name, const char *path)
{
    int descriptor = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *folder = descriptor >= 0 ? fdopendir(descriptor) : NULL;
    if (!folder) {
        if (descriptor >= 0)
            close(descriptor);
        if (errno != ENOENT) {
            complain(EXIT_REFUSED, "clean: %s is left alone: %s", path, strerror(errno));
            cleaning->failures++;
        }
        return;
    }
    clean_entries(cleaning, folder, path, false);
    rewinddir(folder);
    clean_entries(cleaning, folder, path, true);
    closedir(folder);
}

/* clean_artifacts: of the artefacts only those of runs; quality reports and the canary's stay. */
static void clean_artifacts(struct cleaning *cleaning, const char *root)
{
    static const char *const FOLDERS[] = {"run_logs", "evidence", "deadletter"};
    static const char *const PREFIXES[] = {"source_manifest_", "parity_diff_"};
    int descriptor = open(root, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *folder = descriptor >= 0 ? fdopendir(descriptor) : NULL;
    if (!folder) {
        if (descriptor >= 0)
            close(descriptor);
        return;
    }
    cleaning->root_bytes = strlen(root) + 1;
    for (const struct dirent *entry; (entry = readdir(folder));) {
        bool meant = false;
        char path[PATH_BYTES];
        for (size_t i = 0; i < sizeof FOLDERS / sizeof *FOLDERS; i++)
            meant = meant || strcmp(entry->d_name, FOLDERS[i]) == 0;
        for (size_t i = 0; i < sizeof PREFIXES / sizeof *PREFIXES; i++)
            meant = meant || strncmp(entry->d_name, PREFIXES[i], strlen(PREFIXES[i])) == 0;
        path_join(path, root, "%s", entry->d_name);
        if (meant)
            clean_entry(cleaning, descriptor, entry->d_name, path);
    }
    closedir(folder);
}

/* --- whether it may --- */

/* is_below: the first path is the second or lies in it. */
static bool is_below(const char *path, const char *root)
{
    size_t length = strlen(root);
    if (strcmp(root, "/") == 0)
        return true;
    return strncmp(path, root, length) == 0 && (!path[length] || path[length] == '/');
}

/* root_is_safe: a folder, no link, that holds nothing which is never touched. */
static bool root_is_safe(const struct config *config, const char *key)
{
    static const char *const NEVER[] = {"run.data_root", "run.state_dir"};
    const char *root = config_text(config, key);
    char real[PATH_MAX], other[PATH_MAX];
    struct stat found;
    if (lstat(root, &found) != 0)
        return errno == ENOENT ||
               complain(0, "clean: %s: %s cannot be looked at: %s", key, root, strerror(errno));
    if (!S_ISDIR(found.st_mode) || !realpath(root, real))
        return complain(0, "clean: %s: %s is no folder, or a link", key, root);
    if (realpath(".", other) && is_below(other, real))
        return complain(0, "clean: %s: %s holds this very folder", key, root);
    if (realpath("config", other) && is_below(other, real))
        return complain(0, "clean: %s: %s holds the folder config", key, root);
    for (size_t i = 0; i < sizeof NEVER / sizeof *NEVER; i++)
        if (realpath(config_text(config, NEVER[i]), other) && is_below(other, real))
            return complain(0, "clean: %s: %s holds %s, which is never removed", key, root, NEVER[i]);
    return true;
}

/* take_lock: -1 and a sentence when somebody works here. No lock file: nobody ever did. */
static bool take_lock(const struct config *config, int *out_descriptor)
{
    char run_id[RUN_ID_BYTES];
    *out_descriptor = open(LOCK_PATH, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (*out_descriptor < 0 && errno != ENOENT && errno != ENOTDIR)
        return complain(0, "clean: %s cannot be opened: %s; nothing was removed", LOCK_PATH, strerror(errno));
    if (*out_descriptor >= 0 && file_lock(*out_descriptor) != STATUS_OK)
        return complain(0, "clean: an orchestrator is using this folder; `orchctl shutdown` ends it");
    if (place_daemons_of(config))
        return complain(0,
                        "clean: a daemon of a run whose orchestrator is gone is still alive here; start the "
                        "orchestrator again, it ends the run");
    if (place_any_concluding(config_text(config, "run.state_dir"), run_id))
        return complain(0,
                        "clean: run %s has ended and is not concluded yet, which needs its files; start the "
                        "orchestrator again, it sees "
                        "to that, or remove %s/concluding/%s to go without its verdict",
                        run_id, config_text(config, "run.state_dir"), run_id);
    return true;
}

static bool safe(const struct config *config)
{
    static const char *const ROOTS[] = {"run.output_dir", "run.logs_dir", "run.artifacts_dir"};
    bool good = true;
    for (size_t i = 0; i < sizeof ROOTS / sizeof *ROOTS; i++)
        good = root_is_safe(config, ROOTS[i]) && good;
    return good;
}

static void make_again(struct cleaning *cleaning, const char *folder)
{
    if (folder_make(folder, 0755) == STATUS_OK)
        return;
    complain(EXIT_REFUSED, "clean: the folder %s cannot be made: %s", folder, strerror(errno));
    cleaning->failures++;
}

static void tell_begin(struct cleaning *cleaning)
{
    buffer_init(&cleaning->told, 0);
    json_init(&cleaning->json, &cleaning->told);
    json_object_begin(&cleaning->json);
    json_key(&cleaning->json, "would_remove");
    json_array_begin(&cleaning->json);
}

static void tell_end(struct cleaning *cleaning)
{
    struct json *json = &cleaning->json;
    json_array_end(json);
    json_key_bool(json, "dry_run", cleaning->dry);
    json_key_i64(json, "files", cleaning->files);
    json_key_i64(json, "bytes", cleaning->bytes);
    json_key_i64(json, "failures", cleaning->failures);
    json_object_end(json);
    if (cleaning->as_json)
        puts(buffer_text(&cleaning->told));
    else
        printf("%s%lld file%s, %.1f MB%s\n", cleaning->dry ? "would remove " : "removed ",
               (long long)cleaning->files, cleaning->files == 1 ? "" : "s", (double)cleaning->bytes / 1e6,
               cleaning->failures ? "; not everything could be done, see above" : "");
    buffer_finish(&cleaning->told);
}

static int clean(struct cleaning *cleaning)
{
    const struct config *config = cleaning->config;
    static const char *const WHOLE[] = {"run.output_dir", "run.logs_dir"};
    const char *artifacts = config_text(config, "run.artifacts_dir");
    tell_begin(cleaning);
    runs_find(cleaning);
    for (size_t i = 0; i < sizeof WHOLE / sizeof *WHOLE; i++) {
        const char *root = config_text(config, WHOLE[i]);
        cleaning->root_bytes = strlen(root) + 1;
        clean_folder(cleaning, AT_FDCWD, root, root);
    }
    clean_artifacts(cleaning, artifacts);
    for (size_t i = 0; !cleaning->dry && i < sizeof WHOLE / sizeof *WHOLE; i++)
        make_again(cleaning, config_text(config, WHOLE[i]));
    if (!cleaning->dry)
        make_again(cleaning, artifacts);
    tell_end(cleaning);
    return cleaning->failures ? EXIT_REFUSED : EXIT_FINE;
}

int verb_clean(const struct invocation *invocation)
{
    struct cleaning cleaning = {.dry = invocation_value(invocation, "--dry-run") != NULL,
                                .as_json = invocation->json};
    struct error error;
    int descriptor = -1, code = EXIT_REFUSED;
    if (!invocation_number(invocation, "--keep", 0, &cleaning.keep))
        return EXIT_WRONG_USE;
    if (place_config(&cleaning.config, &error) != STATUS_OK)
        return complain(EXIT_REFUSED, "%s", error.text);
    if (take_lock(cleaning.config, &descriptor) && safe(cleaning.config))
        code = clean(&cleaning);
    if (descriptor >= 0)
        close(descriptor);
    free(cleaning.runs);
    config_destroy(cleaning.config);
    return code;
}
