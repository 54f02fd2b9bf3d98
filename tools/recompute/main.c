/* recompute: makes the rows of a run once more from its raw capture and compares its signals and orders with what its sinks hold.
 * orchctl why starts it; --help says how to start it by hand. */
#include "request.h"

#include <stddef.h>

int main(int argc, char **argv)
{
    struct request request;
    int code;
    if (!request_take(&request, "recompute", argc, argv, &code))
        return code;
    return request.all ? why_all(&request, NULL) : why_one(&request);
}
