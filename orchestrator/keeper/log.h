/* log: one of the child's two outputs. The child writes into a pipe; the keeper, which never waits for anything but news,
 * carries what comes into a file and turns the file over when it is full: <path> is the newest, <path>.1 the one before, up
 * to <path>.<files>, the oldest; what is older is gone. A file is turned over between two lines.
 *
 * A child that says more than bytes_per_s in a second loses the rest of that second, line by line, counted and told in the
 * log itself; the same where the file cannot be written. So it neither waits nor fills the disk. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { LOG_PATH_BYTES = 256, LOG_PIPE_BYTES = 1024 * 1024 };

struct log_policy {
    int64_t bytes_max;   /* of one file; 0: never turned over */
    int64_t bytes_per_s; /* of one output; 0: no limit */
    int64_t files;       /* kept besides the newest */
};

struct log {
    int source;           /* the keeper's end of the pipe; -1: none */
    int file;             /* -1: none, or it could not be opened */
    int standard;         /* the keeper's own descriptor that goes to the same file; -1: none */
    int64_t bytes;        /* in the file */
    int64_t second;       /* the running one, … */
    int64_t second_bytes; /* … and what came in it */
    int64_t dropped;      /* not told yet */
    bool skipping;        /* the rest of a line whose beginning was dropped */
    bool open_line;       /* the file ends within a line */
    char path[LOG_PATH_BYTES];
};

void log_init(struct log *log, int standard);

/* log_open: a pipe from the child to the file; *out_sink is the child's end, close-on-exec. 0, or an errno value. */
int log_open(struct log *log, const char *path, int *out_sink);

/* log_take: what has come, at most LOG_PIPE_BYTES; false when nothing had. */
bool log_take(struct log *log, const struct log_policy *policy, int64_t now_ms);

/* log_tell: what was dropped in a second that is over; log_take does so too. log_owes: when it is due, -1: nothing is. */
void log_tell(struct log *log, int64_t now_ms);
int64_t log_owes(const struct log *log);

/* log_close: takes what is left, and hangs up. */
void log_close(struct log *log, const struct log_policy *policy, int64_t now_ms);

/* log_turn_over: path.1 becomes path.2 and so on, path becomes path.1; what comes behind the last is replaced. */
void log_turn_over(const char *path, int64_t files);
