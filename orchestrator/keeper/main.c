/* keeper: the parent of one service's process. It outlives the orchestrator, so that a new one finds everything: the
 * process itself, whether it has announced its readiness, and how it ended. It decides nothing: it starts when told, and
 * tells what it sees (protocol.h). One keeper per slot: the lock on `<folder>/<slot>.slot`, with which it is born, sees to that.
 *
 *     keeper SLOT FOLDER      descriptors 3 to 5: the slot's lock, its listening socket, the first orchestrator's connection
 *
 * No heap: a few hundred KiB of private memory that nobody needs to worry about. */
#include "keeper.h"

#include <orderflow_version.h>
#include <stdio.h>
#include <string.h>

enum { EXIT_USAGE = 2 };

int main(int argc, char **argv)
{
    struct keeper keeper;
    if (argc == 2 && strcmp(argv[1], "--version") == 0)
        return printf("keeper %s\n", ORDERFLOW_VERSION_LINE) < 0;
    if (argc != 3) {
        fprintf(stderr, "usage: keeper SLOT FOLDER (started by the orchestrator)\n");
        return EXIT_USAGE;
    }
    int code = keeper_open(&keeper, argv[1]);
    if (code)
        return code;
    while (!keeper_is_done(&keeper))
        keeper_turn(&keeper);
    keeper_close(&keeper);
    return 0;
}
