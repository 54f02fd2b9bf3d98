/* What a service without a journal has passed over. Its position lies in its own store and says nothing about rows that retention took or
 * that could not be read: those are written down here before the position goes on, so that no restart forgets them. One line each:
 *
 *   <run> <stream> lost|malformed <first sequence> <last sequence>
 *
 * A hole met again after a crash is written again, perhaps larger: rows are counted once. A hole beyond the position the store came back
 * with will be met again, and does not count yet. Services with a journal keep the same counts in their state. */
#include "base/file.h"
#include "base/log.h"
#include "stage_private.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { HOLE_BYTES = 512 };

static const char *const KINDS[] = {[HOLE_LOST] = "lost", [HOLE_MALFORMED] = "malformed"};

static void holes_path(const struct stage *stage, char out_path[PATH_BYTES])
{
    path_join(out_path, config_text(stage->config, "run.state_dir"), "holes/%s", stage->instance);
}

static enum status append_line(const char *path, const char *line)
{
    if (folder_make_for(path) != STATUS_OK)
        return STATUS_IO;
    int descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (descriptor < 0)
        return STATUS_IO;
    enum status status = file_write_all(descriptor, line, strlen(line));
    if (status == STATUS_OK && fsync(descriptor) != 0)
        status = STATUS_IO;
    close(descriptor);
    return status == STATUS_OK ? folder_sync_of(path) : status;
}

void stage_hole_note(struct stage *stage, const struct input *input, enum hole_kind kind, int64_t first,
                     int64_t last)
{
    char path[PATH_BYTES], line[HOLE_BYTES];
    if (!stage->service->resume)
        return;
    holes_path(stage, path);
    snprintf(line, sizeof line, "%.120s %.120s %s %" PRId64 " %" PRId64 "\n", stage->run_id, input->stream,
             KINDS[kind], first, last);
    if (append_line(path, line) != STATUS_OK)
        log_event(LOG_ERROR, "write_error", "file=%s reason=\"%s\"", path, strerror(errno));
}

/* hole_line: false when it is none of this run. */
static bool hole_line(const struct stage *stage, const char *line, char stream[STREAM_BYTES],
                      enum hole_kind *out_kind, int64_t *out_first, int64_t *out_last)
{
    char run[128], kind[16];
    if (sscanf(line, "%127s %127s %15s %" SCNd64 " %" SCNd64, run, stream, kind, out_first, out_last) != 5 ||
        strcmp(run, stage->run_id) != 0 || *out_first < 1 || *out_last < *out_first)
        return false;
    *out_kind = strcmp(kind, KINDS[HOLE_LOST]) == 0 ? HOLE_LOST : HOLE_MALFORMED;
    return true;
}

static void count_hole(struct stage *stage, struct input *input, enum hole_kind kind, int64_t rows)
{
    input->consumed -= rows;
    if (kind == HOLE_LOST) {
        input->lost += rows;
        stage->counts.rows_lost += rows;
    } else {
        input->malformed += rows;
        stage->counts.malformed_rows += rows;
    }
}

/* count_holes_of: those of one stream up to its position; lines stand in the order they were met. */
static void count_holes_of(struct stage *stage, struct input *input, const char *text)
{
    int64_t counted = 0;
    for (const char *line = text; *line;) {
        char stream[STREAM_BYTES > 128 ? STREAM_BYTES : 128];
        enum hole_kind kind;
        int64_t first, last;
        if (hole_line(stage, line, stream, &kind, &first, &last) && strcmp(stream, input->stream) == 0 &&
            last <= input->public.position && last > counted) {
            count_hole(stage, input, kind, last - (first > counted ? first - 1 : counted));
            counted = last;
        }
        const char *end = strchr(line, '\n');
        line = end ? end + 1 : line + strlen(line);
    }
}

enum status stage_holes_count(struct stage *stage, struct error *error)
{
    char path[PATH_BYTES];
    struct buffer text;
    if (!stage->service->resume)
        return STATUS_OK;
    holes_path(stage, path);
    buffer_init(&text, 0);
    enum status status = file_read(path, &text);
    for (size_t i = 0; status == STATUS_OK && i < stage->input_count; i++)
        count_holes_of(stage, &stage->inputs[i], buffer_text(&text));
    buffer_finish(&text);
    if (status == STATUS_OK || status == STATUS_NOT_FOUND)
        return STATUS_OK;
    return error_set(error, STATUS_IO, "%s cannot be read: %s", path, strerror(errno));
}
