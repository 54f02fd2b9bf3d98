#include "base/memory.h"
#include "stage/stage_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A symbol moves from one instance to another of its service (docs/architecture.md, "Hand-over"):
 *
 *     old owner                                    new owner
 *     stops consuming; sinks write what is left
 *     commit {state without the symbol, record} ◀── asks for the package (a catch-up request)
 *     package: record, rows still needed        ──▶ sinks take their part
 *                                                   commit {state with the symbol, rows, record}
 *                                                   consumes
 *     forgets it when the plan says so
 *
 * Each side's commit is one transaction; before its commit a side is as if nothing had been asked, behind it the answer is
 * the same however often it is asked. release.c is the left side, acquire.c the right one; here is what both share. */

static const char PREFIX[] = "hand-over/";

bool stage_is_package(const char *stream)
{
    return strncmp(stream, PREFIX, sizeof PREFIX - 1) == 0;
}

void stage_package_stream(const struct stage *stage, size_t symbol, char out_stream[STREAM_BYTES])
{
    snprintf(out_stream, STREAM_BYTES, "%s%.30s/%.31s", PREFIX, stage->service->name, stage->symbols[symbol]);
}

void stage_record_key(const char *what, const char *symbol, char out_key[STREAM_BYTES])
{
    snprintf(out_key, STREAM_BYTES, "%s/%.31s", what, symbol);
}

static bool owner_owns(const void *owner, const char *stream)
{
    const struct stage *stage = owner;
    const char *slash = strchr(stream, '/');
    size_t symbol = slash ? stage_symbol_index(stage, slash + 1) : SIZE_MAX;
    return symbol == SIZE_MAX || stage_owns(stage, symbol);
}

/* load_leaving: a symbol that was released in an earlier life, and may not have been fetched yet. */
static enum status load_leaving(struct stage *stage, size_t symbol, struct error *error)
{
    struct leaving *leaving = &stage->hand_overs[symbol].leaving;
    char key[STREAM_BYTES];
    stage_record_key("released", stage->symbols[symbol], key);
    enum status status = journal_get(stage->journal, key, &leaving->record);
    if (status == STATUS_NOT_FOUND || (status == STATUS_OK && !leaving->record.length))
        return STATUS_OK;
    struct reader in;
    reader_init(&in, leaving->record.data, leaving->record.length);
    leaving->version = reader_i64(&in);
    if (status != STATUS_OK || in.failed)
        return error_set(error, STATUS_MALFORMED, "%s: the journal's record %s cannot be read",
                         stage->instance, key);
    leaving->step = LEAVING_RELEASED;
    return STATUS_OK;
}

enum status stage_hand_over_open(struct stage *stage, struct error *error)
{
    enum status status = STATUS_OK;
    stage->hand_overs = memory_allocate(stage->symbol_count * sizeof *stage->hand_overs);
    for (size_t i = 0; i < stage->sink_count; i++) {
        stage->sinks[i].sink->owns = owner_owns;
        stage->sinks[i].sink->owner = stage;
    }
    for (size_t i = 0; status == STATUS_OK && stage->journal && i < stage->symbol_count; i++)
        if (!stage_owns(stage, i))
            status = load_leaving(stage, i, error);
    if (status == STATUS_OK && stage->plan)
        stage_hand_over_settle(stage);
    return status;
}

void stage_hand_over_close(struct stage *stage)
{
    for (size_t i = 0; stage->hand_overs && i < stage->symbol_count; i++) {
        buffer_finish(&stage->hand_overs[i].leaving.record);
        buffer_finish(&stage->hand_overs[i].leaving.package);
        buffer_finish(&stage->hand_overs[i].arriving.package);
    }
    free(stage->hand_overs);
}

/* stage_hand_over_turn: its commits carry the state of all symbols. With rows that are still pending the state would be ahead of
 * the journal, and whoever dies then could never make those rows again. */
enum status stage_hand_over_turn(struct stage *stage, struct error *error)
{
    enum status status = STATUS_OK;
    if (stage->forgets && (!stage->service->caught_up || stage->service->caught_up(stage->state)))
        stage_arriving_forget(stage);
    for (size_t i = 0; status == STATUS_OK && stage->moving && i < stage->symbol_count; i++) {
        if (!stage->unwritten)
            status = stage_release_turn(stage, i, error);
        if (status == STATUS_OK && !stage->unwritten)
            status = stage_acquire_turn(stage, i, error);
    }
    return status;
}

/* stage_hand_over_settle: what the plan gives to others by now has arrived there: nobody will ask for it again. */
void stage_hand_over_settle(struct stage *stage)
{
    stage->forgets = true;
    for (size_t i = 0; i < stage->symbol_count; i++) {
        struct leaving *leaving = &stage->hand_overs[i].leaving;
        const char *owner = plan_owner(stage->plan, stage->service->name, stage->symbols[i]);
        if (leaving->step != LEAVING_RELEASED || stage->plan->version < leaving->version || !owner ||
            strcmp(owner, stage->instance) == 0)
            continue;
        leaving->step = LEAVING_NOT;
        buffer_finish(&leaving->package);
        stage_consumers_drop(stage, i);
    }
}
