// links: config base
/* Every key that the sources ask for by name is in the schema, with the type they ask for. (A getter
 * aborts on a key that is not there: better told here.) */
#include "config_test.h"

#include "base/file.h"

#include <regex.h>

static const struct {
    const char *getter;
    enum config_type type;
} TYPED[] = {
    {"bool", CONFIG_BOOL}, {"i64", CONFIG_I64},     {"f64", CONFIG_F64},
    {"text", CONFIG_TEXT}, {"choice", CONFIG_TEXT},
};

struct search {
    regex_t pattern;
    size_t calls;
    size_t wrong;
};

static void check_call(struct search *search, const char *path, const char *getter, const char *name)
{
    const struct config_key *key = config_key_find(name);
    search->calls++;
    if (!key) {
        print_error("%s: %s is not in the schema\n", path, name);
        search->wrong++;
        return;
    }
    for (size_t i = 0; i < sizeof TYPED / sizeof *TYPED; i++)
        if (strcmp(TYPED[i].getter, getter) == 0 && TYPED[i].type != key->type) {
            print_error("%s: %s is %s, not %s\n", path, name, config_type_name(key->type), getter);
            search->wrong++;
        }
    if (strcmp(getter, "list") == 0 && key->type < CONFIG_I64_LIST) {
        print_error("%s: %s is no list\n", path, name);
        search->wrong++;
    }
}

static enum status check_source(void *context, const char *path)
{
    struct search *search = context;
    struct buffer text;
    size_t length = strlen(path);
    if (length < 2 || strcmp(path + length - 2, ".c") != 0)
        return STATUS_OK;
    buffer_init(&text, 0);
    assert_int_equal(file_read(path, &text), STATUS_OK);
    regmatch_t found[4];
    for (const char *at = buffer_text(&text); regexec(&search->pattern, at, 4, found, 0) == 0;
         at += found[0].rm_eo) {
        char getter[32], name[128];
        snprintf(getter, sizeof getter, "%.*s", (int)(found[2].rm_eo - found[2].rm_so), at + found[2].rm_so);
        snprintf(name, sizeof name, "%.*s", (int)(found[3].rm_eo - found[3].rm_so), at + found[3].rm_so);
        check_call(search, path, getter, name);
    }
    buffer_finish(&text);
    return STATUS_OK;
}

static void every_key_asked_for_is_in_the_schema(void **state)
{
    (void)state;
    static const char *const FOLDERS[] = {"common", "services", "orchestrator"};
    struct search search = {0};
    char path[1024];
    assert_int_equal(
        regcomp(&search.pattern,
                "config_(symbol_)?(bool|i64|f64|text|choice|list|get|is_null|origin_of|set|set_texts)"
                "\\([^()\";]*,[ \n]*\"([a-z0-9_.]+)\"",
                REG_EXTENDED),
        0);
    for (size_t i = 0; i < sizeof FOLDERS / sizeof *FOLDERS; i++)
        assert_int_equal(folder_walk(root_path(FOLDERS[i], path), check_source, &search), STATUS_OK);
    regfree(&search.pattern);
    assert_true(search.calls > 50);
    assert_int_equal(search.wrong, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key_asked_for_is_in_the_schema),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
