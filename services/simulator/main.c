/* simulator: a venue to practise on, from recordings or out of a seed. What it serves is in README.md. */
#include "options.h"

#include "base/buffer.h"
#include "base/file.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    EXIT_FINE = 0,
    EXIT_BROKEN = 1,
    EXIT_WRONG = 2,     /* configuration or usage: starting again does not help */
    EXIT_TEMPORARY = 5, /* the port is taken: it may */
    READY_DESCRIPTOR = 3,
    TURN_MS = 100,
    GOODBYE_MS = 1000,
};

static volatile sig_atomic_t stopped;

static void stop(int signal_number)
{
    (void)signal_number;
    stopped = 1;
}

static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = stop};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

/* announce: tells whoever started us where we listen. */
/* tell: a file for whoever started us; NULL: nobody wants it. */
static bool tell(const char *path, const void *text, size_t length)
{
    bool told = !path || file_replace(path, text, length, false) == STATUS_OK;
    if (!told)
        fprintf(stderr, "simulator: %s: cannot be written: %s%s\n", path, strerror(errno),
                errno == ENOSPC ? "; make room there, or name another file" : "");
    return told;
}

static bool tell_streams(struct simulator *simulator, const char *path)
{
    struct buffer text;
    buffer_init(&text, 0);
    simulator_streams(simulator, &text);
    bool told = tell(path, text.data, text.length);
    buffer_finish(&text);
    return told;
}

static bool announce(const struct simulator *simulator, const char *port_file, bool ready_descriptor)
{
    char text[64];
    int port = simulator_port(simulator);
    int length = snprintf(text, sizeof text, "%d\n", port);
    if (!tell(port_file, text, (size_t)length))
        return false;
    length = snprintf(text, sizeof text, "READY port=%d\n", port);
    fputs(text, stderr);
    if (simulator_certificate(simulator))
        fprintf(stderr, "simulator: certificate %s\n", simulator_certificate(simulator));
    if (ready_descriptor && file_write_all(READY_DESCRIPTOR, text, (size_t)length) == STATUS_OK)
        close(READY_DESCRIPTOR);
    return true;
}

static int run(struct simulator *simulator)
{
    while (!stopped)
        if (simulator_run_once(simulator, TURN_MS) != STATUS_OK)
            return EXIT_BROKEN;
    simulator_stop(simulator, GOODBYE_MS);
    return EXIT_FINE;
}

static int serve(const struct options *options, bool ready_descriptor)
{
    struct simulator *simulator = NULL;
    struct error error = {""};
    enum status status = simulator_create(&options->simulator, &simulator, &error);
    if (status != STATUS_OK) {
        fprintf(stderr, "simulator: %s\n", error.text);
        return status == STATUS_IO ? EXIT_TEMPORARY : EXIT_WRONG;
    }
    bool told = tell_streams(simulator, options->streams_file) &&
                announce(simulator, options->port_file, ready_descriptor);
    int code = told ? run(simulator) : EXIT_TEMPORARY;
    simulator_destroy(simulator);
    return code;
}

int main(int argc, char **argv)
{
    /* Asked before anything is opened: later the number could be a file of our own. */
    bool ready_descriptor = fcntl(READY_DESCRIPTOR, F_GETFD) >= 0;
    log_configure("simulator", "-", LOG_INFO);
    catch_signals();
    struct options options;
    enum options_result result = options_read(argc, argv, &options);
    int code = result == OPTIONS_DONE ? EXIT_FINE : EXIT_WRONG;
    if (result == OPTIONS_RUN)
        code = serve(&options, ready_descriptor);
    options_finish(&options);
    return code;
}
