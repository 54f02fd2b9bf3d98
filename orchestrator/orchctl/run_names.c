#include "run_names.h"

#include "base/file.h"
#include "store/shard.h"

#include <stdio.h>
#include <string.h>

/* Where a name has the run; '#' stands for digits. What it ends with may be followed by ".#": logs are turned over. */
static const struct {
    const char *before, *behind;
} NAMES[] = {
    {"run_manifest_", ".json"}, {"status_", ".json"},  {"ledger_", ".json"},  {"ledger_", ""},
    {"alerts_", ".json"},       {"canary_", ".json"},  {"export_", ".jsonl"}, {"source_manifest_", ".json"},
    {"parity_diff_", ".json"},  {"bad-", "-#.ndjson"}, {"", "_stdout.log"},   {"", "_stderr.log"},
    {"", "_conclusion.log"},    {"", "_hang_#.txt"},
};

/* skip: past the pattern; NULL when the text does not begin like it. */
static const char *skip(const char *text, const char *pattern)
{
    for (; *pattern; pattern++)
        if (*pattern == '#') {
            size_t digits = strspn(text, "0123456789");
            if (!digits)
                return NULL;
            text += digits;
        } else if (*text++ != *pattern) {
            return NULL;
        }
    return text;
}

static bool name_is(const char *name, const char *before, const char *run_id, const char *behind)
{
    const char *rest = skip(name, before);
    rest = rest ? skip(rest, run_id) : NULL;
    rest = rest ? skip(rest, behind) : NULL;
    if (!rest || !*rest)
        return rest != NULL;
    rest = skip(rest, ".#");
    return rest && !*rest && *behind;
}

static bool component_is(const char *name, const char *run_id)
{
    bool is = shard_of_run(name, run_id, ".jsonl") || shard_of_run(name, run_id, ".part");
    for (size_t i = 0; !is && i < sizeof NAMES / sizeof *NAMES; i++)
        is = name_is(name, NAMES[i].before, run_id, NAMES[i].behind);
    return is;
}

bool run_names_file(const char *path, const char *run_id)
{
    char component[PATH_BYTES];
    bool in_evidence = false;
    for (const char *at = path; *at;) {
        size_t length = strcspn(at, "/");
        snprintf(component, sizeof component, "%.*s", (int)length, at);
        if (component_is(component, run_id) ||
            (in_evidence && (name_is(component, "", run_id, "") || name_is(component, ".", run_id, ".tmp"))))
            return true;
        in_evidence = at == path && strcmp(component, "evidence") == 0;
        at += length + (at[length] == '/');
    }
    return false;
}
