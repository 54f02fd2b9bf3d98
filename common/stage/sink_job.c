#include "base/log.h"
#include "stage/stage_private.h"

#include <string.h>

/* What sinks do when a symbol moves. A sink's thread alone touches its files; the stage asks, and looks in again. */

bool stage_sinks_can_move(const struct stage *stage)
{
    for (size_t i = 0; i < stage->sink_count; i++)
        if (!stage->sinks[i].sink->give)
            return false;
    return true;
}

void stage_sinks_hurry(struct stage *stage, bool hurry)
{
    for (size_t i = 0; i < stage->sink_count; i++) {
        pthread_mutex_lock(&stage->sinks[i].mutex);
        atomic_store(&stage->sinks[i].hurry, hurry);
        pthread_cond_signal(&stage->sinks[i].changed);
        pthread_mutex_unlock(&stage->sinks[i].mutex);
    }
}

/* --- in the sink's thread --- */

void stage_sink_job_run(struct sink_runner *runner)
{
    struct sink_job *job = &runner->job;
    struct sink *sink = runner->sink;
    struct reader in;
    reader_init(&in, job->bytes.data, job->bytes.length);
    job->status = STATUS_OK;
    switch (job->kind) {
    case SINK_GIVE: sink->give(sink->context, job->stream, &job->bytes); break;
    case SINK_TAKE: job->status = sink->take(sink->context, job->stream, &in, &job->error); break;
    case SINK_FORGET: sink->forget(sink->context, job->stream); break;
    }
    job->done = true;
    stage_wake(runner->stage);
}

/* find_blob: what is meant for this sink; false: nothing is. */
static bool find_blob(const struct buffer *blobs, const char *name, struct reader *out_blob)
{
    struct reader in;
    reader_init(&in, blobs->data, blobs->length);
    size_t count = reader_count(&in, 8);
    for (size_t i = 0; i < count && !in.failed; i++) {
        uint32_t name_bytes = reader_u32(&in);
        const char *found = reader_borrow(&in, name_bytes);
        uint32_t bytes = reader_u32(&in);
        const void *blob = reader_borrow(&in, bytes);
        if (found && blob && strlen(name) == name_bytes && memcmp(found, name, name_bytes) == 0) {
            reader_init(out_blob, blob, bytes);
            return true;
        }
    }
    return false;
}

enum status stage_sink_restore(struct sink_runner *runner, struct error *error)
{
    struct stage *stage = runner->stage;
    struct sink *sink = runner->sink;
    struct buffer blobs;
    struct reader blob;
    enum status status = STATUS_OK;
    buffer_init(&blobs, 0);
    for (size_t i = 0; status == STATUS_OK && sink->take && i < stage->symbol_count; i++) {
        char key[STREAM_BYTES];
        stage_record_key("given", stage->symbols[i], key);
        buffer_clear(&blobs);
        if (!stage_owns(stage, i))
            continue;
        status = journal_get(stage->journal, key, &blobs);
        if (status == STATUS_OK && find_blob(&blobs, sink->name, &blob))
            status = sink->take(sink->context, stage->outputs[i].stream, &blob, error);
        else if (status == STATUS_NOT_FOUND)
            status = STATUS_OK; /* it has been ours from the beginning */
        else if (status != STATUS_OK)
            error_set(error, status, "the journal's record %s cannot be read", key);
    }
    buffer_finish(&blobs);
    return status;
}

/* --- in the stage's thread --- */

static enum status job_post(struct sink_runner *runner, enum sink_job_kind kind, const char *stream,
                            const struct buffer *blobs, struct error *error)
{
    struct reader blob = {0};
    if (kind == SINK_TAKE && !find_blob(blobs, runner->sink->name, &blob))
        return error_set(error, STATUS_CONFLICT, "%s was handed over by an instance without the sink %s",
                         stream, runner->sink->name);
    pthread_mutex_lock(&runner->mutex);
    struct sink_job *job = &runner->job;
    job->kind = kind;
    job->done = false;
    memcpy(job->stream, stream, sizeof job->stream);
    buffer_clear(&job->bytes);
    buffer_append(&job->bytes, blob.data, blob.length);
    pthread_cond_signal(&runner->changed);
    pthread_mutex_unlock(&runner->mutex);
    return STATUS_OK;
}

/* jobs_are: whether the sinks are at this very thing. */
static bool jobs_are(const struct stage *stage, enum sink_job_kind kind, const char *stream)
{
    const struct sink_job *job = &stage->sinks[0].job;
    return job->kind == kind && strcmp(job->stream, stream) == 0;
}

static bool jobs_done(struct stage *stage)
{
    bool done = true;
    for (size_t i = 0; i < stage->sink_count; i++) {
        pthread_mutex_lock(&stage->sinks[i].mutex);
        done = done && stage->sinks[i].job.done;
        pthread_mutex_unlock(&stage->sinks[i].mutex);
    }
    return done;
}

static void jobs_collect(struct stage *stage, enum sink_job_kind kind, struct buffer *blobs,
                         enum status *out_status, struct error *error)
{
    if (kind == SINK_GIVE)
        buffer_append_u64(blobs, stage->sink_count);
    for (size_t i = 0; i < stage->sink_count; i++) {
        struct sink_runner *runner = &stage->sinks[i];
        struct sink_job *job = &runner->job;
        if (kind == SINK_GIVE) {
            buffer_append_u32(blobs, (uint32_t)strlen(runner->sink->name));
            buffer_append(blobs, runner->sink->name, strlen(runner->sink->name));
            buffer_append_u32(blobs, (uint32_t)job->bytes.length);
            buffer_append(blobs, job->bytes.data, job->bytes.length);
        }
        if (job->status != STATUS_OK) {
            *out_status = job->status;
            *error = job->error;
        }
        job->kind = 0;
    }
}

bool stage_sinks_ask(struct stage *stage, enum sink_job_kind kind, size_t symbol, struct buffer *blobs,
                     enum status *out_status, struct error *error)
{
    const char *stream = stage->outputs[symbol].stream;
    *out_status = STATUS_OK;
    if (!stage->sink_count) {
        if (kind == SINK_GIVE)
            buffer_append_u64(blobs, 0);
        return true;
    }
    if (!stage->sinks[0].job.kind) {
        for (size_t i = 0; *out_status == STATUS_OK && i < stage->sink_count; i++)
            *out_status = job_post(&stage->sinks[i], kind, stream, blobs, error);
        return *out_status != STATUS_OK;
    }
    if (!jobs_are(stage, kind, stream) || !jobs_done(stage))
        return false;
    jobs_collect(stage, kind, blobs, out_status, error);
    return true;
}
