/* query: SQL over a run's Parquet files, as CSV or JSON lines on standard output; --help shows an example. */
#include "store/query.h"
#include "base/file.h"

#include <fcntl.h>
#include <orderflow_version.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int usage(FILE *out, int code)
{
    fprintf(out, "usage: query [--json] SQL\n\nRuns one SELECT with DuckDB and prints CSV, or JSON lines. "
                 "Parquet files are "
                 "tables:\n  query \"select count(*) from 'data/ofi_cvd/*/*/kind=ofi/*.parquet'\"\n");
    return code;
}

/* copy_out: what DuckDB writes into the pipe goes behind whatever standard output has already: DuckDB opens its target by
 * name, which would empty a file that a shell is collecting output in. */
static void *copy_out(void *pipe_end)
{
    char block[65536];
    ssize_t got;
    bool good = true;
    while ((got = read(*(int *)pipe_end, block, sizeof block)) > 0)
        good = good && file_write_all(STDOUT_FILENO, block, (size_t)got) == STATUS_OK;
    return good ? NULL : pipe_end;
}

static enum status query_to_stdout(const char *sql, enum query_format format, struct error *error)
{
    int ends[2];
    char path[32];
    pthread_t copier;
    void *failed = NULL;
    if (pipe2(ends, O_CLOEXEC) != 0)
        return error_set(error, STATUS_IO, "no pipe: %m");
    snprintf(path, sizeof path, "/dev/fd/%d", ends[1]);
    if (pthread_create(&copier, NULL, copy_out, &ends[0]) != 0)
        return error_set(error, STATUS_IO, "no thread can be started");
    enum status status = query_to_file(sql, format, path, error);
    close(ends[1]);
    pthread_join(copier, &failed);
    close(ends[0]);
    return status == STATUS_OK && failed ? error_set(error, STATUS_IO, "standard output cannot be written")
                                         : status;
}

int main(int argc, char **argv)
{
    struct error error;
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        printf("query %s\n", ORDERFLOW_VERSION_LINE);
        return 0;
    }
    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        return usage(stdout, 0);
    bool json = argc == 3 && strcmp(argv[1], "--json") == 0;
    if (argc != (json ? 3 : 2) || (!json && strncmp(argv[1], "--", 2) == 0))
        return usage(stderr, 2);
    if (query_to_stdout(argv[argc - 1], json ? QUERY_JSON : QUERY_CSV, &error) != STATUS_OK) {
        fprintf(stderr, "query: %s\n", error.text);
        return 1;
    }
    return 0;
}
