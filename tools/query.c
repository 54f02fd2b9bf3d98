/* query: SQL over a run's Parquet files, as CSV on standard output; --help shows an example. */
#include "store/query.h"

#include <orderflow_version.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static int usage(FILE *out, int code)
{
    fprintf(out, "usage: query [--json] SQL\n\nRuns one SELECT with DuckDB and prints CSV, or JSON lines. Parquet files are "
                 "tables:\n  query \"select count(*) from 'data/ofi_cvd/*/*/kind=ofi/*.parquet'\"\n");
    return code;
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
    if (argc != 2 && !json)
        return usage(stderr, 2);
    if (query_to_file(argv[argc - 1], json ? QUERY_JSON : QUERY_CSV, "/dev/stdout", &error) != STATUS_OK) {
        fprintf(stderr, "query: %s\n", error.text);
        return 1;
    }
    return 0;
}
