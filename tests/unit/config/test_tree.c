// links: config base
/* YAML as nodes, for files that are no configuration: what is there, or a sentence with its place. */
#include "tests/support/check.h"

#include "base/file.h"
#include "config/tree.h"

#include <string.h>

static enum status read_text(const char *text, struct tree *out_tree, struct error *error)
{
    char folder[PATH_BYTES], path[PATH_BYTES];
    check_folder(folder);
    path_join(path, folder, "tree.yaml");
    assert_ok(file_replace(path, text, strlen(text), false));
    enum status status = tree_read(path, out_tree, error);
    assert_ok(folder_remove(folder));
    return status;
}

static void maps_lists_and_texts_are_nodes_with_their_places(void **state)
{
    (void)state;
    struct tree tree;
    struct error error = {{0}};
    assert_ok(read_text("name: a\nsteps:\n  - one\n  - {two: 2}\n", &tree, &error));
    assert_int_equal(tree.type, TREE_MAP);
    assert_string_equal(tree_member(&tree, "name")->text, "a");
    const struct tree *steps = tree_member(&tree, "steps");
    assert_int_equal(steps->count, 2);
    assert_string_equal(tree_member(&steps->children[1], "two")->text, "2");
    assert_int_equal(steps->children[1].line, 4);
    assert_int_equal(steps->children[1].column, 5);
    assert_null(tree_member(&tree, "other"));
    tree_finish(&tree);
}

static void what_is_no_document_is_told_with_its_place(void **state)
{
    (void)state;
    static const char *const TEXTS[] = {
        "", "\n# nothing\n", "a: [b\n", "a: &x b\nc: *x\n", "a: 1\na: 2\n", "a: 1\n---\nb: 2\n"};
    for (size_t i = 0; i < sizeof TEXTS / sizeof *TEXTS; i++) {
        struct tree tree;
        struct error error = {{0}};
        assert_int_equal(read_text(TEXTS[i], &tree, &error), STATUS_INVALID);
        assert_non_null(strstr(error.text, "tree.yaml:"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(maps_lists_and_texts_are_nodes_with_their_places),
        cmocka_unit_test(what_is_no_document_is_told_with_its_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
