/* Two small daemons to try the stage on, in one program: `test_services counter …` publishes numbers, `test_services adder …`
 * reads them and publishes sums. What they publish is a pure function of --rows and the symbols. */
#include "tests/support/services/services.h"

#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    const struct stage_service *services[] = {&counter_service, &adder_service};
    for (size_t i = 0; argc > 1 && i < sizeof services / sizeof services[0]; i++)
        if (strcmp(argv[1], services[i]->name) == 0)
            return stage_main(services[i], argc - 1, argv + 1);
    fprintf(stderr, "usage: test_services counter|adder [options]\n");
    return EXIT_CONFIGURATION;
}
