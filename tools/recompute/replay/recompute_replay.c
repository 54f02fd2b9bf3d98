/* recompute_replay: as recompute --all, and the Parquet data sets beside. A program of its own, since only it loads DuckDB. orchctl
 * replay starts it. */
#include "tools/recompute/data_sets.h"

int main(int argc, char **argv)
{
    struct request request;
    int code;
    if (!request_take(&request, "recompute_replay", argc, argv, &code))
        return code;
    if (!request.all)
        return complain(EXIT_WRONG_USE, "recompute_replay takes --all only");
    struct data_sets *sets = data_sets_create();
    struct companion companion = data_sets_companion(sets);
    code = why_all(&request, &companion);
    data_sets_destroy(sets);
    return code;
}
