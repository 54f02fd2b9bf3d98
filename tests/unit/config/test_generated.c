// links: config base
/* The files that the schema prints are up to date, and every file in config/ is good.
 *
 * After a change of the schema: ORDERFLOW_WRITE_GENERATED=1 <build>/tests/test_config_generated */
#include "config_test.h"

#include "base/file.h"

static void compare(const char *name, const struct buffer *printed)
{
    char path[1024];
    struct buffer there;
    root_path(name, path);
    if (getenv("ORDERFLOW_WRITE_GENERATED"))
        assert_int_equal(file_replace(path, printed->data, printed->length, false), STATUS_OK);
    buffer_init(&there, 0);
    assert_int_equal(file_read(path, &there), STATUS_OK);
    if (there.length != printed->length || memcmp(there.data, printed->data, there.length) != 0)
        fail_msg("%s is not what the schema prints; run this test with ORDERFLOW_WRITE_GENERATED=1", name);
    buffer_finish(&there);
}

static void the_printed_defaults_are_up_to_date(void **state)
{
    (void)state;
    struct buffer text;
    buffer_init(&text, 0);
    config_print_defaults_yaml(&text);
    compare("config/defaults.yaml", &text);
    buffer_finish(&text);
}

static void the_manual_is_up_to_date(void **state)
{
    (void)state;
    struct buffer text;
    buffer_init(&text, 0);
    config_print_markdown(&text);
    compare("docs/configuration.md", &text);
    buffer_finish(&text);
}

/* load_checked: a file that must load and be valid. */
static struct config *load_checked(const char *path)
{
    struct config *config = config_create();
    struct config_errors errors;
    struct buffer text;
    config_errors_init(&errors);
    buffer_init(&text, 0);
    enum status status = config_load_file(config, path, &errors);
    if (status == STATUS_OK)
        status = config_validate(config, &errors);
    config_errors_print(&errors, &text);
    if (status != STATUS_OK)
        fail_msg("%s", buffer_text(&text));
    buffer_finish(&text);
    config_errors_finish(&errors);
    return config;
}

static void the_printed_defaults_are_the_defaults(void **state)
{
    (void)state;
    char path[1024];
    struct buffer text;
    buffer_init(&text, 0);
    struct config *config = load_checked(root_path("config/defaults.yaml", path)), *plain = config_create();
    assert_int_equal(config_diff(config, plain, &text), 0);
    /* A profile chosen on top of the file has its effect. */
    set(config, "cvd.profile", "v2_btc");
    set(config, "harvest.venue", "binance");
    assert_true(config_f64(config, "cvd.winsor_limit") == 1.9);
    assert_string_equal(config_text(config, "harvest.url_mode"), "routed");
    buffer_finish(&text);
    config_destroy(plain);
    config_destroy(config);
}

/* is_commented_key: a line "  # name: value" whose name is a key of the section. */
static bool is_commented_key(const char *section, const char *line)
{
    char name[256];
    size_t word = strncmp(line, "  # ", 4) == 0 ? strcspn(line + 4, ": ") : 0;
    snprintf(name, sizeof name, "%s.%.*s", section, (int)word, line + 4 * (word > 0));
    return word > 0 && line[4 + word] == ':' && config_key_find(name) != NULL;
}

/* Every commented-out line of the printed defaults is itself good, in its place. */
static void commented_lines_can_be_written_in(void **state)
{
    (void)state;
    struct buffer text, active;
    char section[128] = "";
    buffer_init(&text, 0);
    buffer_init(&active, 0);
    config_print_defaults_yaml(&text);
    size_t written_in = 0;
    for (char *line = strtok((char *)buffer_text(&text), "\n"); line; line = strtok(NULL, "\n")) {
        if (*line != ' ' && *line != '#')
            snprintf(section, sizeof section, "%.*s", (int)strcspn(line, ":"), line);
        bool commented = is_commented_key(section, line);
        buffer_format(&active, "%s%s\n", commented ? "  " : "", commented ? line + 4 : line);
        written_in += commented;
    }
    struct config *config = load_good(buffer_text(&active)), *plain = config_create();
    assert_true(written_in >= 30);
    buffer_clear(&text);
    assert_int_equal(config_diff(config, plain, &text), 0);
    assert_int_equal(config_origin_of(config, "cvd.winsor_limit"), ORIGIN_FILE);
    config_destroy(config);
    config_destroy(plain);
    buffer_finish(&active);
    buffer_finish(&text);
}

static enum status check_file(void *context, const char *path)
{
    size_t length = strlen(path);
    if (length > 5 && strcmp(path + length - 5, ".yaml") == 0) {
        config_destroy(load_checked(path));
        ++*(size_t *)context;
    }
    return STATUS_OK;
}

static void every_file_in_config_is_good(void **state)
{
    (void)state;
    char path[1024];
    size_t files = 0;
    assert_int_equal(folder_walk(root_path("config", path), check_file, &files), STATUS_OK);
    assert_true(files >= 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_printed_defaults_are_up_to_date),
        cmocka_unit_test(the_manual_is_up_to_date),
        cmocka_unit_test(the_printed_defaults_are_the_defaults),
        cmocka_unit_test(commented_lines_can_be_written_in),
        cmocka_unit_test(every_file_in_config_is_good),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
