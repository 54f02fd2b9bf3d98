/* query: SQL over a run's Parquet files, as CSV on standard output; --help shows an example. */
#include "store/query.h"

#include <orderflow_version.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    struct error error;
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        printf("query %s\n", ORDERFLOW_VERSION_LINE);
        return 0;
    }
    if (argc != 2 || strcmp(argv[1], "--help") == 0) {
        fprintf(argc == 2 ? stdout : stderr, "usage: query SQL\n\nRuns one SELECT with DuckDB and prints CSV. Parquet "
                                             "files are tables: 'data/ofi_cvd/*/*/kind=ofi/*.parquet'.\n");
        return argc == 2 ? 0 : 2;
    }
    if (query_to_csv(argv[1], "/dev/stdout", &error) != STATUS_OK) {
        fprintf(stderr, "query: %s\n", error.text);
        return 1;
    }
    return 0;
}
