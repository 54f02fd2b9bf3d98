#include "own_log.h"

#include "base/log.h"
#include "config/config.h"
#include "orchestrator/keeper/log.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int file_open(const struct own_log *log)
{
    return open(log->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
}

enum status own_log_open(struct own_log *log, const struct config *config, struct error *error)
{
    path_join(log->path, config_text(config, "run.logs_dir"), "orchestrator/orchestrator.log");
    log->bytes_max = config_i64(config, "logs.max_mb") << 20;
    log->files = config_i64(config, "logs.keep");
    log->descriptor = folder_make_for(log->path) == STATUS_OK ? file_open(log) : -1;
    if (log->descriptor < 0)
        return error_set(error, STATUS_IO, "%s cannot be written: %s", log->path, strerror(errno));
    log_redirect(log->descriptor);
    return STATUS_OK;
}

void own_log_step(struct own_log *log)
{
    struct stat own, there;
    if (log->descriptor < 0 || log->bytes_max <= 0 || fstat(log->descriptor, &own) != 0 ||
        own.st_size < log->bytes_max)
        return;
    if (stat(log->path, &there) == 0 && there.st_ino == own.st_ino && there.st_dev == own.st_dev)
        log_turn_over(log->path, log->files);
    int next = file_open(log);
    if (next < 0)
        return;
    log_redirect(next);
    close(log->descriptor);
    log->descriptor = next;
}
