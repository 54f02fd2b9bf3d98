// query_counts: rows of a text and two numbers, each once, in any number; what cannot be answered is an error with a sentence.
// links: store proto base duckdb
#include "duck.h"
#include "store/query.h"

#include <string.h>

struct taken {
    size_t rows;
    int64_t first, second;
    char label[QUERY_LABEL_BYTES];
};

static void take(void *context, const char *label, int64_t first, int64_t second)
{
    struct taken *taken = context;
    taken->rows++;
    taken->first += first;
    taken->second += second;
    memcpy(taken->label, label, strlen(label) + 1);
}

static void rows_of_many_chunks_are_taken_once_each(void **unused)
{
    (void)unused;
    struct taken taken = {0};
    struct error error;
    assert_ok(query_counts("SELECT 'n' || i, i, 2 * i FROM range(10000) AS t(i)", take, &taken, &error));
    assert_int_equal(taken.rows, 10000);
    assert_int_equal(taken.first, 49995000);
    assert_int_equal(taken.second, 99990000);
}

static void a_long_text_is_cut(void **unused)
{
    (void)unused;
    struct taken taken = {0};
    struct error error;
    assert_ok(query_counts("SELECT repeat('x', 200), 1::BIGINT, 2::BIGINT", take, &taken, &error));
    assert_int_equal(strlen(taken.label), QUERY_LABEL_BYTES - 1);
    assert_int_equal(taken.rows, 1);
}

static void what_has_another_shape_or_no_answer_is_refused(void **unused)
{
    (void)unused;
    static const char *const REFUSED[] = {
        "SELECT 'a', 1::BIGINT",
        "SELECT 1::BIGINT, 2::BIGINT, 3::BIGINT",
        "SELECT 'a', 1::DOUBLE, 2::BIGINT",
        "SELECT 'a', 1::BIGINT, b FROM",
        "SELECT a, b, c FROM read_parquet('/nowhere/x.parquet')",
    };
    for (size_t i = 0; i < sizeof REFUSED / sizeof *REFUSED; i++) {
        struct taken taken = {0};
        struct error error = {{0}};
        assert_int_equal(query_counts(REFUSED[i], take, &taken, &error), STATUS_INVALID);
        assert_int_equal(taken.rows, 0);
        assert_true(strlen(error.text) > 10);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_of_many_chunks_are_taken_once_each),
        cmocka_unit_test(a_long_text_is_cut),
        cmocka_unit_test(what_has_another_shape_or_no_answer_is_refused),
    };
    check_filter();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
