/* orchestrator: plans, starts, watches and ends the processes of a run (docs/control-protocol.md,
 * README.md). */
#include "manifest/behind.h"
#include "options.h"
#include "preflight/doctor.h"
#include "run.h"

#include <fcntl.h>
#include <orderflow_version.h>
#include <stdio.h>
#include <unistd.h>

/* open_standard: descriptors 0 to 2 exist, so that nothing opened later becomes one of them by accident. */
static void open_standard(void)
{
    int descriptor;
    while ((descriptor = open("/dev/null", O_RDWR | O_CLOEXEC)) >= 0 && descriptor <= 2)
        ;
    if (descriptor > 2)
        close(descriptor);
}

int main(int argc, char **argv)
{
    static struct options options;
    struct error error = {{0}};
    int code = 0;
    open_standard();
    if (options_parse(argc, argv, &options, &error) != STATUS_OK) {
        fprintf(stderr, "orchestrator: %s\n", error.text);
        code = 2;
    } else if (options.help) {
        options_print_help();
    } else if (options.version) {
        printf("orchestrator %s\n", ORDERFLOW_VERSION_LINE);
    } else if (options.doctor) {
        code = doctor_run(&options);
    } else if (options.conclude) {
        code = behind_conclude(&options);
    } else {
        bool again = false;
        code = run_main(&options, &again);
        if (again)
            rolling_back_execute(options.argument_count, options.arguments);
    }
    options_finish(&options);
    return code;
}
