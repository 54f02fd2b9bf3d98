#include "proof.h"

#include "document.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { DIGITS = 16 };

static const char FINAL_JSON[] = "T+0_final_report.json", FINAL_MARKDOWN[] = "T+0_final_report.md",
                  SUMS[] = "SHA256SUMS";

/* keeping: the copy at work. */
struct keeping {
    char from[PATH_BYTES], making[PATH_BYTES];
    struct buffer sums;
    struct error *error;
};

/* copy: one that is not there is left out: not every canary has all of them. */
static enum status copy(struct keeping *keeping, const char *name, char out_sha256[SHA256_HEX_BYTES])
{
    char from[PATH_BYTES], to[PATH_BYTES];
    struct buffer text;
    path_join(from, keeping->from, "%s", name);
    path_join(to, keeping->making, "%s", name);
    buffer_init(&text, 0);
    enum status status = file_read(from, &text);
    bool found = status == STATUS_OK;
    if (found) {
        sha256_hex(text.data, text.length, out_sha256);
        buffer_format(&keeping->sums, "%s  %s\n", out_sha256, name);
        status = file_replace(to, text.data, text.length, true);
    }
    buffer_finish(&text);
    if (status == STATUS_OK || status == STATUS_NOT_FOUND)
        return status;
    return error_set(keeping->error, status, "%s cannot be copied to %s: %m", from, to);
}

static bool is_name(const char *name)
{
    return name && *name && *name != '.' && !strchr(name, '/') && strcmp(name, SUMS) != 0;
}

/* copy_named: what the final report calls its evidence. */
static enum status copy_named(struct keeping *keeping)
{
    char path[PATH_BYTES], sha256[SHA256_HEX_BYTES];
    yyjson_doc *document = NULL;
    size_t index, count;
    yyjson_val *name;
    path_join(path, keeping->making, "%s", FINAL_JSON);
    enum status status = document_read(path, &document, keeping->error);
    yyjson_arr_foreach(yyjson_obj_get(yyjson_doc_get_root(document), "evidence"), index, count, name)
    {
        if (status == STATUS_OK && is_name(yyjson_get_str(name)))
            status = copy(keeping, yyjson_get_str(name), sha256);
        status = status == STATUS_NOT_FOUND ? STATUS_OK : status;
    }
    yyjson_doc_free(document);
    return status;
}

/* still_so: the final report is written last: while it is what it was, so is what it stands on. */
static enum status still_so(const struct keeping *keeping, const char *sha256)
{
    char path[PATH_BYTES], now[SHA256_HEX_BYTES];
    path_join(path, keeping->from, "%s", FINAL_JSON);
    if (file_sha256(path, now) == STATUS_OK && strcmp(now, sha256) == 0)
        return STATUS_OK;
    return error_set(keeping->error, STATUS_AGAIN, "%s is being written anew just now: mark it again", path);
}

static enum status fill(struct keeping *keeping, char out_sha256[SHA256_HEX_BYTES])
{
    char path[PATH_BYTES], ignored[SHA256_HEX_BYTES];
    enum status status = copy(keeping, FINAL_JSON, out_sha256);
    if (status == STATUS_NOT_FOUND)
        return error_set(keeping->error, status, "there is no final report in %s", keeping->from);
    status = status == STATUS_OK ? copy(keeping, FINAL_MARKDOWN, ignored) : status;
    status = status == STATUS_NOT_FOUND ? STATUS_OK : status;
    status = status == STATUS_OK ? copy_named(keeping) : status;
    status = status == STATUS_OK ? still_so(keeping, out_sha256) : status;
    path_join(path, keeping->making, "%s", SUMS);
    if (status == STATUS_OK &&
        file_replace(path, keeping->sums.data, keeping->sums.length, true) != STATUS_OK)
        status = error_set(keeping->error, STATUS_IO, "%s cannot be written: %m", path);
    return status;
}

/* appear: under its name; one that is there already holds the same. */
static enum status appear(const struct keeping *keeping, const char *place)
{
    if (rename(keeping->making, place) == 0)
        return folder_sync_of(place);
    if (errno == EEXIST || errno == ENOTEMPTY)
        return folder_remove(keeping->making);
    return error_set(keeping->error, STATUS_IO, "%s cannot be made: %m", place);
}

void proof_report_folder(const char *artifacts_dir, const char *run_id, const char *newest_run_id,
                         char out_path[PATH_BYTES])
{
    path_join(out_path, artifacts_dir, "runtime/canary_report");
    if (strcmp(run_id, newest_run_id) != 0)
        path_join(out_path, artifacts_dir, "runtime/canary_report/%s", run_id);
}

enum status proof_keep(const char *artifacts_dir, const char *report_folder, struct stable_fingerprint *entry,
                       struct error *error)
{
    struct keeping keeping = {.error = error};
    char place[PATH_BYTES], sha256[SHA256_HEX_BYTES] = "";
    snprintf(keeping.from, sizeof keeping.from, "%s", report_folder);
    path_join(keeping.making, artifacts_dir, "runtime/stable/.%.*s.new", DIGITS, entry->fingerprint);
    path_join(place, keeping.making, "%s", FINAL_JSON);
    buffer_init(&keeping.sums, 0);
    enum status status = folder_remove(keeping.making);
    if (status == STATUS_OK || status == STATUS_NOT_FOUND)
        status = folder_make_for(place);
    status = status == STATUS_OK ? fill(&keeping, sha256)
                                 : error_set(error, status, "%s cannot be made: %m", keeping.making);
    path_join(place, artifacts_dir, "runtime/stable/%.*s-%.*s", DIGITS, entry->fingerprint, DIGITS, sha256);
    status = status == STATUS_OK ? appear(&keeping, place) : status;
    buffer_finish(&keeping.sums);
    if (status != STATUS_OK)
        return status;
    path_join(entry->evidence, place, "%s", FINAL_JSON);
    memcpy(entry->evidence_sha256, sha256, sizeof entry->evidence_sha256);
    return STATUS_OK;
}

const char *proof_state(const struct stable_fingerprint *entry)
{
    char now[SHA256_HEX_BYTES];
    if (!*entry->evidence_sha256)
        return "not recorded";
    if (file_sha256(entry->evidence, now) != STATUS_OK)
        return "gone";
    return strcmp(now, entry->evidence_sha256) == 0 ? "as marked" : "changed";
}
