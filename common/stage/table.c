#include "base/memory.h"
#include "stage/stage_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Tables: the long part of a symbol's state, of which little changes from one saved state to the next (rows of hours). It is
 * journaled as it lies, in pages, and only pages that differ from what the journal holds are written, in the transaction that
 * saves the rest of the state. `journaled` is what the last commit that was taken has left there; a commit that the disk
 * refused changes nothing of it, so its pages are written by the next one. */

enum { PAGE_BYTES = 4096 - 24 }; /* with LMDB's and the journal's heads one page of the file */

struct table {
    uint8_t *journaled; /* NULL: the journal holds none */
    bool *staged;       /* by page: written by the open transaction */
};

static void *table_of(const struct stage *stage, size_t symbol, size_t *out_bytes)
{
    *out_bytes = 0;
    return stage->service->symbol_table ? stage->service->symbol_table(stage->state, symbol, out_bytes)
                                        : NULL;
}

static size_t pages_of(size_t bytes)
{
    return (bytes + PAGE_BYTES - 1) / PAGE_BYTES;
}

static size_t page_bytes(size_t bytes, size_t page)
{
    size_t rest = bytes - page * PAGE_BYTES;
    return rest < PAGE_BYTES ? rest : PAGE_BYTES;
}

static void page_key(const struct stage *stage, size_t symbol, size_t page, char out_key[STREAM_BYTES])
{
    snprintf(out_key, STREAM_BYTES, "table/%.*s/%zu", SYMBOL_BYTES - 1, stage->symbols[symbol], page);
}

static void stage_page(struct stage *stage, size_t symbol, size_t page, const uint8_t *bytes, size_t length)
{
    char key[STREAM_BYTES];
    page_key(stage, symbol, page, key);
    journal_put(stage->journal, key, bytes, length);
    stage->tables[symbol].staged[page] = true;
}

static struct table *bookkeeping_of(struct stage *stage, size_t symbol, size_t bytes)
{
    if (!stage->tables)
        stage->tables = memory_allocate(stage->symbol_count * sizeof *stage->tables);
    struct table *table = &stage->tables[symbol];
    if (!table->staged)
        table->staged = memory_allocate(pages_of(bytes) * sizeof *table->staged);
    return table;
}

static void table_put(struct stage *stage, size_t symbol)
{
    size_t bytes;
    const uint8_t *memory = table_of(stage, symbol, &bytes);
    if (!bytes)
        return;
    const struct table *table = bookkeeping_of(stage, symbol, bytes);
    for (size_t page = 0; page < pages_of(bytes); page++) {
        size_t at = page * PAGE_BYTES, length = page_bytes(bytes, page);
        if (!table->journaled || memcmp(memory + at, table->journaled + at, length) != 0)
            stage_page(stage, symbol, page, memory + at, length);
    }
}

/* What an earlier transaction that was refused had staged is forgotten, of symbols that are not ours now, too. */
static void forget_staged(struct stage *stage)
{
    for (size_t i = 0; stage->tables && i < stage->symbol_count; i++) {
        size_t bytes;
        table_of(stage, i, &bytes);
        if (stage->tables[i].staged)
            memset(stage->tables[i].staged, 0, pages_of(bytes) * sizeof *stage->tables[i].staged);
    }
}

void stage_tables_put(struct stage *stage)
{
    forget_staged(stage);
    for (size_t i = 0; i < stage->symbol_count; i++)
        if (stage_owns(stage, i))
            table_put(stage, i);
}

static void table_settle(struct stage *stage, size_t symbol)
{
    size_t bytes;
    struct table *table = &stage->tables[symbol];
    const uint8_t *memory = table_of(stage, symbol, &bytes);
    for (size_t page = 0; table->staged && page < pages_of(bytes); page++) {
        if (!table->staged[page])
            continue;
        if (!table->journaled)
            table->journaled = memory_allocate(bytes);
        memcpy(table->journaled + page * PAGE_BYTES, memory + page * PAGE_BYTES, page_bytes(bytes, page));
        table->staged[page] = false;
        stage->counts.table_pages++;
    }
}

void stage_tables_settle(struct stage *stage)
{
    for (size_t i = 0; stage->tables && i < stage->symbol_count; i++)
        table_settle(stage, i);
}

enum status stage_table_read(struct stage *stage, size_t symbol)
{
    size_t bytes;
    uint8_t *memory = table_of(stage, symbol, &bytes);
    enum status status = STATUS_OK;
    struct buffer page_data;
    buffer_init(&page_data, 0);
    for (size_t page = 0; status == STATUS_OK && page < pages_of(bytes); page++) {
        char key[STREAM_BYTES];
        page_key(stage, symbol, page, key);
        buffer_clear(&page_data);
        status = journal_get(stage->journal, key, &page_data);
        if (status != STATUS_OK || page_data.length != page_bytes(bytes, page))
            status = STATUS_MALFORMED;
        else
            memcpy(memory + page * PAGE_BYTES, page_data.data, page_data.length);
    }
    if (status == STATUS_OK && bytes)
        bookkeeping_of(stage, symbol, bytes)->journaled = memory_copy(memory, bytes);
    buffer_finish(&page_data);
    return status;
}

void stage_table_save(struct stage *stage, size_t symbol, struct buffer *out)
{
    size_t bytes;
    const void *memory = table_of(stage, symbol, &bytes);
    buffer_append_u64(out, bytes);
    buffer_append(out, memory, bytes);
}

void stage_table_load(struct stage *stage, size_t symbol, struct reader *in)
{
    size_t bytes;
    void *memory = table_of(stage, symbol, &bytes);
    if (reader_u64(in) != bytes)
        in->failed = true;
    else if (bytes)
        reader_take(in, memory, bytes);
}

void stage_tables_close(struct stage *stage)
{
    for (size_t i = 0; stage->tables && i < stage->symbol_count; i++) {
        free(stage->tables[i].journaled);
        free(stage->tables[i].staged);
    }
    free(stage->tables);
    stage->tables = NULL;
}
