/* The named reference of the latency figure: equal frames through three bare ZeroMQ PUB/SUB hops over ipc, four processes,
 * nothing done in between but the next send.
 *
 * usage: bench_hops FOLDER FRAME_BYTES FRAMES INTERVAL_US
 *
 * Each process writes its monotonic time into the frame as it sends; the last prints one JSON object: per hop count p50 and
 * p99 from the first send to that hop's arrival, in µs. Rounds begin when a frame has gone all the way through.
 *
 * links: base zmq */
#include "base/clock.h"
#include "base/memory.h"

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

enum { HOPS = 3, FRAMES_MAX = 1000000 };

/* stamps: the head of each frame: its number (0: only to see whether the way is open), and when each hop had it. */
struct stamps {
    int64_t number;
    int64_t at_ns[HOPS + 1];
};

struct bench {
    const char *folder;
    size_t frame_bytes, frames;
    long interval_us;
};

static void must(bool fine, const char *what)
{
    if (!fine) {
        fprintf(stderr, "bench_hops: %s: %s\n", what, zmq_strerror(zmq_errno()));
        exit(1);
    }
}

static void *open_socket(void *context, int type, const struct bench *bench, int hop)
{
    char endpoint[256];
    void *socket = zmq_socket(context, type);
    int milliseconds = 10;
    snprintf(endpoint, sizeof endpoint, "ipc://%s/hop%d", bench->folder, hop);
    zmq_setsockopt(socket, ZMQ_RECONNECT_IVL, &milliseconds, sizeof milliseconds);
    if (type == ZMQ_PUB) {
        must(zmq_bind(socket, endpoint) == 0, endpoint);
    } else {
        must(zmq_setsockopt(socket, ZMQ_SUBSCRIBE, "", 0) == 0, "subscribe");
        must(zmq_connect(socket, endpoint) == 0, endpoint);
    }
    return socket;
}

/* relay: hop number `hop` receives from the one before and, unless it is the last, sends on. Returns at the end frame. */
static void relay(const struct bench *bench, int hop, struct stamps *out_all)
{
    struct clock clock = clock_system();
    void *context = zmq_ctx_new();
    void *in = open_socket(context, ZMQ_SUB, bench, hop - 1);
    void *out = hop < HOPS ? open_socket(context, ZMQ_PUB, bench, hop) : NULL;
    uint8_t *frame = memory_allocate(bench->frame_bytes);
    for (;;) {
        struct stamps stamps;
        must(zmq_recv(in, frame, bench->frame_bytes, 0) == (int)bench->frame_bytes, "receive");
        memcpy(&stamps, frame, sizeof stamps);
        stamps.at_ns[hop] = clock_monotonic_ns(&clock);
        memcpy(frame, &stamps, sizeof stamps);
        if (out)
            must(zmq_send(out, frame, bench->frame_bytes, 0) >= 0, "send");
        else if (stamps.number == 0 && write(STDOUT_FILENO, "!", 1) < 0)
            exit(1);
        else if (stamps.number > 0)
            out_all[stamps.number - 1] = stamps;
        if (stamps.number == (int64_t)bench->frames)
            break;
    }
    free(frame);
    if (out)
        zmq_close(out);
    zmq_close(in);
    zmq_ctx_term(context);
}

static int order(const void *left, const void *right)
{
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    return (a > b) - (a < b);
}

static void say(const struct bench *bench, const struct stamps *all)
{
    int64_t *took = memory_allocate(bench->frames * sizeof *took);
    FILE *out = fopen("/dev/fd/3", "w");
    must(out != NULL, "results");
    fprintf(out, "{\"frame_bytes\":%zu,\"frames\":%zu", bench->frame_bytes, bench->frames);
    for (int hop = 1; hop <= HOPS; hop++) {
        for (size_t i = 0; i < bench->frames; i++)
            took[i] = all[i].at_ns[hop] - all[i].at_ns[0];
        qsort(took, bench->frames, sizeof *took, order);
        fprintf(out, ",\"hops_%d\":{\"p50_us\":%.1f,\"p99_us\":%.1f}", hop,
                (double)took[bench->frames / 2] / 1e3, (double)took[bench->frames * 99 / 100] / 1e3);
    }
    fprintf(out, "}\n");
    fclose(out);
    free(took);
}

/* spawn: a child per hop; the last one's standard output is `open_way`, its results go to our standard output. */
static void spawn(const struct bench *bench, int hop, int open_way)
{
    pid_t child = fork();
    must(child >= 0, "fork");
    if (child)
        return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    struct stamps *all = memory_allocate(bench->frames * sizeof *all);
    dup2(STDOUT_FILENO, 3);
    dup2(open_way, STDOUT_FILENO);
    relay(bench, hop, all);
    if (hop == HOPS)
        say(bench, all);
    free(all);
    exit(0);
}

static void send_frame(void *socket, uint8_t *frame, size_t bytes, int64_t number)
{
    struct clock clock = clock_system();
    struct stamps stamps = {.number = number, .at_ns = {clock_monotonic_ns(&clock)}};
    memcpy(frame, &stamps, sizeof stamps);
    must(zmq_send(socket, frame, bytes, 0) >= 0, "send");
}

/* open_the_way: sends frames number 0 until one has come through all hops. */
static void open_the_way(void *socket, uint8_t *frame, size_t bytes, int way)
{
    char seen = 0;
    while (!seen) {
        struct timespec pause = {.tv_nsec = 20000000};
        send_frame(socket, frame, bytes, 0);
        nanosleep(&pause, NULL);
        zmq_pollitem_t item = {.fd = way, .events = ZMQ_POLLIN};
        if (zmq_poll(&item, 1, 0) > 0)
            must(read(way, &seen, 1) == 1, "a hop ended");
    }
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: bench_hops FOLDER FRAME_BYTES FRAMES INTERVAL_US\n");
        return 2;
    }
    struct bench bench = {argv[1], strtoul(argv[2], NULL, 10), strtoul(argv[3], NULL, 10),
                          strtol(argv[4], NULL, 10)};
    int way[2];
    if (bench.frame_bytes < sizeof(struct stamps))
        bench.frame_bytes = sizeof(struct stamps);
    must(bench.frames > 0 && bench.frames <= FRAMES_MAX, "between 1 and 1000000 frames");
    must(pipe(way) == 0, "pipe");
    for (int hop = 1; hop <= HOPS; hop++)
        spawn(&bench, hop, way[1]);
    close(way[1]);
    void *context = zmq_ctx_new();
    void *socket = open_socket(context, ZMQ_PUB, &bench, 0);
    uint8_t *frame = memory_allocate(bench.frame_bytes);
    open_the_way(socket, frame, bench.frame_bytes, way[0]);
    for (size_t i = 1; i <= bench.frames; i++) {
        struct timespec pause = {.tv_sec = bench.interval_us / 1000000,
                                 .tv_nsec = bench.interval_us % 1000000 * 1000};
        nanosleep(&pause, NULL);
        send_frame(socket, frame, bench.frame_bytes, (int64_t)i);
    }
    int failed = 0, status;
    while (wait(&status) > 0)
        failed |= status != 0;
    free(frame);
    zmq_close(socket);
    zmq_ctx_term(context);
    return failed;
}
