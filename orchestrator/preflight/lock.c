#include "lock.h"

#include "preflight.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void holder_read(int descriptor, char out_text[LOCK_TEXT_BYTES])
{
    ssize_t got = pread(descriptor, out_text, LOCK_TEXT_BYTES - 1, 0);
    out_text[got > 0 ? got : 0] = 0;
    out_text[strcspn(out_text, "\n")] = 0;
}

static enum status holder_write(int descriptor, const char *run_id, int64_t now_ms)
{
    struct buffer text;
    struct json json;
    char at[TIME_TEXT_BYTES];
    time_iso_ms(now_ms, at);
    buffer_init(&text, LOCK_TEXT_BYTES);
    json_init(&json, &text);
    json_object_begin(&json);
    json_key_text(&json, "run_id", run_id);
    json_key_i64(&json, "pid", getpid());
    json_key_text(&json, "started_at", at);
    json_object_end(&json);
    buffer_append_byte(&text, '\n');
    bool written = ftruncate(descriptor, 0) == 0 &&
                   pwrite(descriptor, text.data, text.length, 0) == (ssize_t)text.length;
    buffer_finish(&text);
    return written ? STATUS_OK : STATUS_IO;
}

enum status lock_take(const char *path, struct run_lock *out_lock, struct error *error)
{
    struct run_lock lock = {0};
    lock.descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (lock.descriptor < 0)
        return error_set(error, STATUS_IO, "%s cannot be opened: %m", path);
    enum status status = file_lock(lock.descriptor);
    int reason = errno;
    holder_read(lock.descriptor, lock.previous);
    if (status == STATUS_EXISTS) {
        close(lock.descriptor);
        return error_set(
            error, STATUS_EXISTS,
            "%s: another orchestrator is using this folder: %s; end it with `orchctl shutdown`, or use "
            "another folder",
            path, lock.previous);
    }
    if (status != STATUS_OK) {
        close(lock.descriptor);
        return error_set(error, STATUS_IO, "%s cannot be locked: %s", path, strerror(reason));
    }
    *out_lock = lock;
    return STATUS_OK;
}

enum status lock_name(struct run_lock *lock, const char *run_id, int64_t now_ms, struct error *error)
{
    if (holder_write(lock->descriptor, run_id, now_ms) != STATUS_OK)
        return error_set(error, STATUS_IO, "the run's lock in the folder runtime cannot be written: %m; %s",
                         preflight_remedy(errno));
    return STATUS_OK;
}

void lock_release(struct run_lock *lock)
{
    if (lock->descriptor < 0)
        return;
    if (ftruncate(lock->descriptor, 0) != 0) {
        /* The next holder merely reports a left-over. */
    }
    close(lock->descriptor);
    lock->descriptor = -1;
}
