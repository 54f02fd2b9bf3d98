// links: base
#include "base/wrap.h"
#include "tests/support/check.h"

#include <string.h>

static void assert_wrapped(const char *text, size_t indent, size_t width, const char *expected)
{
    struct buffer out;
    buffer_init(&out, 0);
    wrap_text(&out, text, indent, width);
    assert_string_equal(buffer_text(&out), expected);
    buffer_finish(&out);
}

static void lines_break_at_the_last_space_that_fits(void **state)
{
    (void)state;
    assert_wrapped("five folders are all writable here", 4, 16,
                   "five folders are\n    all writable\n    here\n");
    assert_wrapped("exactly sixteen!", 4, 16, "exactly sixteen!\n");
    assert_wrapped("exactly sixteen! x", 2, 16, "exactly sixteen!\n  x\n");
    assert_wrapped("", 4, 16, "\n");
}

static void a_word_longer_than_a_line_is_broken_where_the_line_ends(void **state)
{
    (void)state;
    assert_wrapped("0123456789abcdefXYZ", 2, 16, "0123456789abcdef\n  XYZ\n");
    assert_wrapped("a 0123456789abcdefXYZ", 2, 16, "a\n  0123456789abcdef\n  XYZ\n");
}

static void a_character_of_several_bytes_is_one_column_and_is_never_cut(void **state)
{
    (void)state;
    assert_wrapped("ääääääääääääääää", 1, 16, "ääääääääääääääää\n");
    assert_wrapped("äääääääääääääääää", 1, 16, "ääääääääääääääää\n ä\n");
    assert_wrapped("\xff\xff", 1, 16, "\xff\xff\n");
}

static void lines_of_the_text_stay_lines_and_without_a_width_they_are_all_there_are(void **state)
{
    (void)state;
    assert_wrapped("a.yaml:1: one two three four five\nb.yaml:2: two\n", 3, 0,
                   "a.yaml:1: one two three four five\n   b.yaml:2: two\n");
    assert_wrapped("a long line that is left\nas it is", 3, WRAP_WIDTH_LEAST - 1,
                   "a long line that is left\n   as it is\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_break_at_the_last_space_that_fits),
        cmocka_unit_test(a_word_longer_than_a_line_is_broken_where_the_line_ends),
        cmocka_unit_test(a_character_of_several_bytes_is_one_column_and_is_never_cut),
        cmocka_unit_test(lines_of_the_text_stay_lines_and_without_a_width_they_are_all_there_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
