/* options: command line and configuration of the simulator, as one struct simulator_config. */
#pragma once

#include "simulator.h"

#include "config/config.h"

enum options_result { OPTIONS_RUN, OPTIONS_DONE, OPTIONS_WRONG };

struct options {
    struct config *config;
    struct simulator_config simulator; /* points into config */
    const char *port_file;             /* NULL: none */
    const char *streams_file;          /* NULL: none */
};

/* options_read: OPTIONS_DONE: --help or --version has been printed; OPTIONS_WRONG: the mistakes have been
 * printed. Finish it in either case. */
enum options_result options_read(int argc, char **argv, struct options *out_options);
void options_finish(struct options *options);
