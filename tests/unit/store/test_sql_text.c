// sql_literal, sql_file: what SQL takes for this text, and DuckDB for this file and no other.
// links: store proto base duckdb
#include "base/file.h"
#include "duck.h"
#include "store/sql_text.h"
#include "tests/support/in_folder.h"

#include <stdio.h>

static const char *written(struct buffer *out, void (*write)(struct buffer *, const char *), const char *text)
{
    buffer_clear(out);
    write(out, text);
    return buffer_text(out);
}

static void quotes_are_doubled_and_a_file_is_no_pattern(void **unused)
{
    (void)unused;
    struct buffer out;
    buffer_init(&out, 0);
    assert_string_equal(written(&out, sql_literal, "it's [1]*?"), "'it''s [1]*?'");
    assert_string_equal(written(&out, sql_literal, ""), "''");
    assert_string_equal(written(&out, sql_file, "it's/[1]*?.parquet"), "'it''s/[[]1][*][?].parquet'");
    buffer_finish(&out);
}

static void write_file(struct duck *duck, const char *path, int number)
{
    struct buffer sql;
    buffer_init(&sql, 0);
    assert_ok(folder_make_for(path));
    buffer_format(&sql, "COPY (SELECT %d::BIGINT) TO ", number);
    sql_literal(&sql, path);
    duck_ask(duck, buffer_text(&sql));
    buffer_finish(&sql);
}

static int64_t read_file(struct duck *duck, const char *path)
{
    struct buffer sql;
    buffer_init(&sql, 0);
    buffer_append_text(&sql, "SELECT * FROM read_parquet(");
    sql_file(&sql, path);
    buffer_append_text(&sql, ")");
    int64_t number = duck_number(duck, buffer_text(&sql));
    buffer_finish(&sql);
    return number;
}

static void a_file_whose_path_is_a_pattern_of_another_one_is_read_itself(void **unused)
{
    (void)unused;
    static const char *const PATHS[] = {"run1/x.parquet",  "run[1]/x.parquet", "runs/xy.parquet",
                                        "run*/x?.parquet", "it's/x.parquet",   "run[1]/[a-z].parquet"};
    enum { PATH_COUNT = sizeof PATHS / sizeof *PATHS };
    char paths[PATH_COUNT][PATH_BYTES];
    struct duck duck;
    duck_open(&duck);
    for (int i = 0; i < PATH_COUNT; i++) {
        path_join(paths[i], folder, "%s", PATHS[i]);
        write_file(&duck, paths[i], i);
    }
    for (int i = 0; i < PATH_COUNT; i++)
        assert_int_equal(read_file(&duck, paths[i]), i);
    duck_close(&duck);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quotes_are_doubled_and_a_file_is_no_pattern),
        IN_FOLDER(a_file_whose_path_is_a_pattern_of_another_one_is_read_itself),
    };
    check_filter();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
