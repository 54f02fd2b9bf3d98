#include "record.h"

#include "base/memory.h"

#include <orderflow_version.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char MAGIC[] = "orderflow run 5\n";

/* kept: a member that is written as it stands in memory; the file never leaves this host and this build. */
struct kept {
    size_t offset, bytes;
};

#define KEEP(type, member)                                                   \
    {                                                                        \
        offsetof(struct type, member), sizeof(((struct type *)NULL)->member) \
    }

static const struct kept RUN_KEPT[] = {
    KEEP(run, phase),       /* first: record_phase */
    KEEP(run, left_behind), /* second: record_left_behind */
    KEEP(run, conclusions.runs),
    KEEP(run, conclusions.count), /* third to sixth: record_conclusions */
    KEEP(run, conclusions.done),
    KEEP(run, conclusions.pid),
    KEEP(run, leads_on),
    KEEP(run, run_tag),
    KEEP(run, rolling_back),
    KEEP(run, choice),
    KEEP(run, failed_start),
    KEEP(run, venue_resolved),
    KEEP(run, stop_index),
    KEEP(run, phase_ms),
    KEEP(run, deadline_ms),
    KEEP(run, started_ms),
    KEEP(run, started_wall_ms),
    KEEP(run, go_ms),
    KEEP(run, go_wall_ms),
    KEEP(run, fed_until_wall_ms),
    KEEP(run, ended_wall_ms),
    KEEP(run, end_due_ms),
    KEEP(run, end_reason),
    KEEP(run, interrupts),
    KEEP(run, skipped_drain),
    KEEP(run, fed_to_the_end),
    KEEP(run, bad_configuration),
    KEEP(run, ended_by_alert),
    KEEP(run, faults_started),
    KEEP(run, share_faults_started),
    KEEP(run, market),
    KEEP(run, shutdown_order),
    KEEP(run, shutdown_count),
    KEEP(run, own_max_rss_mb),
    KEEP(run, own_max_open_files),
    KEEP(run, adoptions),
    KEEP(run, scaling),
    KEEP(run, exports_ok),
    KEEP(run, exports_failed),
};

static const struct kept PROCESS_KEPT[] = {
    KEEP(process, supervisor),    KEEP(process, commands),
    KEEP(process, timer_due_ms),  KEEP(process, announced),
    KEEP(process, paused),        KEEP(process, wanted),
    KEEP(process, retired),       KEEP(process, last_pid),
    KEEP(process, spawned_ms),    KEEP(process, progress_at_ready),
    KEEP(process, progressed),    KEEP(process, started_wall_ms),
    KEEP(process, ready_wall_ms), KEEP(process, stopped_wall_ms),
    KEEP(process, last_exit),     KEEP(process, exited),
    KEEP(process, kill_on_stop),  KEEP(process, health),
    KEEP(process, max_rss_mb),    KEEP(process, max_open_files),
    KEEP(process, exits),         KEEP(process, usage),
    KEEP(process, untold_losses), KEEP(process, symbols_ms),
};

enum {
    RUN_KEPT_COUNT = sizeof RUN_KEPT / sizeof *RUN_KEPT,
    PROCESS_KEPT_COUNT = sizeof PROCESS_KEPT / sizeof *PROCESS_KEPT
};

static void members_save(struct buffer *out, const void *object, const struct kept *kept, size_t count)
{
    for (size_t i = 0; i < count; i++)
        buffer_append(out, (const char *)object + kept[i].offset, kept[i].bytes);
}

static void members_load(struct reader *in, void *object, const struct kept *kept, size_t count)
{
    for (size_t i = 0; i < count; i++)
        reader_take(in, (char *)object + kept[i].offset, kept[i].bytes);
}

static void text_save(struct buffer *out, const char *text)
{
    buffer_append_u32(out, (uint32_t)strlen(text));
    buffer_append(out, text, strlen(text) + 1);
}

/* text_load: borrowed from the record; "" and a failed reader when it is none. */
static char *text_load(struct reader *in)
{
    static char nothing[1];
    uint32_t length = reader_u32(in);
    const char *text = reader_borrow(in, (size_t)length + 1);
    if (!text || text[length]) {
        in->failed = true;
        return nothing;
    }
    return (char *)(uintptr_t)text;
}

void record_boot_id(char out_text[RECORD_BOOT_BYTES])
{
    struct buffer text;
    buffer_init(&text, RECORD_BOOT_BYTES - 1);
    if (file_read("/proc/sys/kernel/random/boot_id", &text) != STATUS_OK)
        buffer_append_text(&text, "unknown");
    snprintf(out_text, RECORD_BOOT_BYTES, "%s", buffer_text(&text));
    buffer_finish(&text);
}

/* items: an array behind its count. */
static void items_save(struct buffer *out, const void *items, size_t count, size_t item_bytes)
{
    buffer_append_u64(out, count);
    buffer_append(out, items, count * item_bytes);
}

/* --- writing --- */

/* telemetry_save: what each said last is what the run is judged by; before the end a process says it again. */
static void telemetry_save(struct buffer *out, const struct telemetry *telemetry)
{
    buffer_append(out, &telemetry->seen, sizeof telemetry->seen);
    buffer_append(out, &telemetry->beat, sizeof telemetry->beat);
    for (enum telemetry_part part = 0; part < PART_COUNT; part++)
        items_save(out, telemetry->parts[part].items, telemetry->parts[part].count,
                   telemetry_row_bytes(part));
}

static void process_save(struct buffer *out, const struct process *process, bool ended)
{
    text_save(out, process->name);
    members_save(out, process, PROCESS_KEPT, PROCESS_KEPT_COUNT);
    items_save(out, process->restarts, process->restart_count, sizeof *process->restarts);
    if (ended)
        telemetry_save(out, &process->telemetry);
}

static void record_make(const struct run *run, struct buffer *out)
{
    buffer_append(out, MAGIC, sizeof MAGIC);
    text_save(out, ORDERFLOW_VERSION_LINE);
    text_save(out, run->boot_id);
    text_save(out, run->run_id);
    buffer_append_u32(out, (uint32_t)run->options->argument_count);
    for (int i = 0; i < run->options->argument_count; i++)
        text_save(out, run->options->arguments[i]);
    members_save(out, run, RUN_KEPT, RUN_KEPT_COUNT);
    items_save(out, run->faults, run->fault_count, sizeof *run->faults);
    buffer_append_i64(out, run->feed.serial);
    buffer_append_u64(out, run->process_count);
    for (size_t i = 0; i < run->process_count; i++)
        process_save(out, &run->processes[i], run->phase == PHASE_ENDED);
}

void record_write(struct run *run)
{
    struct buffer *made = &run->recording, before = run->recorded_last;
    buffer_clear(made);
    record_make(run, made);
    if (made->length == before.length && memcmp(made->data, before.data, made->length) == 0)
        return;
    if (record_file_write(&run->record_file, RECORD_PATH, made->data, made->length) != STATUS_OK) {
        log_event(LOG_WARNING, "write_error", "file=%s reason=\"%m\"", RECORD_PATH);
        buffer_clear(&run->recorded_last); /* tried again at the next turn */
        return;
    }
    run->recorded_last = *made;
    run->recording = before;
}

bool record_is_written(const struct run *run)
{
    return run->recorded_last.length != 0;
}

enum status record_copy(const struct run *run, const char *path)
{
    struct record_file file = {0};
    struct buffer made;
    buffer_init(&made, 0);
    record_make(run, &made);
    enum status status = record_file_write(&file, path, made.data, made.length);
    record_file_finish(&file);
    buffer_finish(&made);
    return status;
}

void record_remove(void)
{
    unlink(RECORD_PATH);
}

/* --- reading --- */

static enum status head_read(struct record *record)
{
    struct reader in;
    char magic[sizeof MAGIC];
    if (record->bytes.length < sizeof magic)
        return STATUS_MALFORMED;
    reader_init(&in, record->bytes.data, record->bytes.length);
    reader_take(&in, magic, sizeof magic);
    if (memcmp(magic, MAGIC, sizeof magic) != 0 || strcmp(text_load(&in), ORDERFLOW_VERSION_LINE) != 0)
        return STATUS_MALFORMED;
    snprintf(record->boot_id, sizeof record->boot_id, "%s", text_load(&in));
    snprintf(record->run_id, sizeof record->run_id, "%s", text_load(&in));
    uint32_t count = reader_u32(&in);
    if (in.failed || count > record->bytes.length)
        return STATUS_MALFORMED;
    record->arguments = memory_allocate((count + 1) * sizeof *record->arguments);
    for (record->argument_count = 0; record->argument_count < (int)count; record->argument_count++)
        record->arguments[record->argument_count] = text_load(&in);
    record->state_offset = in.offset;
    return in.failed ? STATUS_MALFORMED : STATUS_OK;
}

enum status record_read(const char *path, struct record *out_record)
{
    *out_record = (struct record){.argument_count = 0};
    buffer_init(&out_record->bytes, 0);
    enum status status = record_file_read(path, &out_record->bytes);
    if (status == STATUS_OK)
        status = head_read(out_record);
    if (status != STATUS_OK)
        record_finish(out_record);
    return status;
}

enum run_phase record_phase(const struct record *record)
{
    enum run_phase phase; /* the first of RUN_KEPT */
    struct reader in;
    reader_init(&in, record->bytes.data, record->bytes.length);
    in.offset = record->state_offset;
    reader_take(&in, &phase, sizeof phase);
    return phase;
}

bool record_left_behind(const struct record *record)
{
    bool left_behind = false; /* the second of RUN_KEPT */
    struct reader in;
    reader_init(&in, record->bytes.data, record->bytes.length);
    in.offset = record->state_offset + sizeof(enum run_phase);
    reader_take(&in, &left_behind, sizeof left_behind);
    return left_behind;
}

bool record_conclusions(const struct record *record, struct conclusions *out_conclusions)
{
    struct conclusions kept = {.count = 0}; /* the third to the sixth of RUN_KEPT */
    struct reader in;
    *out_conclusions = kept;
    if (!record->bytes.length)
        return false; /* nobody was here before */
    reader_init(&in, record->bytes.data, record->bytes.length);
    in.offset = record->state_offset + sizeof(enum run_phase) + sizeof(bool);
    reader_take(&in, kept.runs, sizeof kept.runs);
    reader_take(&in, &kept.count, sizeof kept.count);
    reader_take(&in, &kept.done, sizeof kept.done);
    reader_take(&in, &kept.pid, sizeof kept.pid);
    bool good = !in.failed && kept.count <= CONCLUSIONS_MAX && kept.done <= kept.count;
    if (good)
        *out_conclusions = kept;
    return good;
}

void record_finish(struct record *record)
{
    free(record->arguments);
    record->arguments = NULL;
    buffer_finish(&record->bytes);
}

/* faults_load: false when there are more than a run can have. */
static bool faults_load(struct reader *in, struct run *run)
{
    run->fault_count = reader_count(in, sizeof *run->faults);
    if (in->failed || run->fault_count > RUN_FAULTS_MAX)
        return false;
    reader_take(in, run->faults, run->fault_count * sizeof *run->faults);
    return true;
}

/* process_named: one that was added while the run went on is made anew. NULL: no name of a process. */
static struct process *process_named(struct run *run, const char *name)
{
    struct process *process = run_process(run, name);
    size_t module = module_of(name);
    if (!process && module < MODULE_COUNT && run->process_count < RUN_PROCESSES_MAX)
        process = run_process_add(run, module, plan_instance_number(module_at(module)->name, name));
    return process;
}

static void telemetry_load(struct reader *in, struct telemetry *telemetry)
{
    reader_take(in, &telemetry->seen, sizeof telemetry->seen);
    reader_take(in, &telemetry->beat, sizeof telemetry->beat);
    for (enum telemetry_part part = 0; part < PART_COUNT && !in->failed; part++) {
        struct telemetry_rows *rows = &telemetry->parts[part];
        size_t row_bytes = telemetry_row_bytes(part), count = reader_count(in, row_bytes);
        if (!count)
            continue;
        rows->items = memory_grow(rows->items, &rows->capacity, count, row_bytes);
        reader_take(in, rows->items, count * row_bytes);
        rows->count = in->failed ? 0 : count;
    }
}

static void process_load(struct reader *in, struct run *run)
{
    struct process *process = process_named(run, text_load(in));
    if (!process) {
        in->failed = true;
        return;
    }
    members_load(in, process, PROCESS_KEPT, PROCESS_KEPT_COUNT);
    size_t count = reader_count(in, sizeof *process->restarts);
    if (in->failed || count > RUN_RESTARTS_KEPT) {
        in->failed = true;
        return;
    }
    process->restarts =
        memory_grow(process->restarts, &process->restart_capacity, count, sizeof *process->restarts);
    reader_take(in, process->restarts, count * sizeof *process->restarts);
    process->restart_count = count;
    if (run->phase == PHASE_ENDED)
        telemetry_load(in, &process->telemetry);
}

enum status record_restore(const struct record *record, struct run *run)
{
    struct reader in;
    reader_init(&in, record->bytes.data, record->bytes.length);
    in.offset = record->state_offset;
    members_load(&in, run, RUN_KEPT, RUN_KEPT_COUNT);
    if (!faults_load(&in, run))
        return STATUS_MALFORMED;
    run->feed.serial = reader_i64(&in);
    uint64_t count = reader_u64(&in);
    if (count < run->process_count || count > RUN_PROCESSES_MAX)
        return STATUS_MALFORMED;
    for (uint64_t i = 0; i < count && !in.failed; i++)
        process_load(&in, run);
    return reader_done(&in);
}
