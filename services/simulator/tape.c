#include "tape.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

enum { BLOCK_BYTES = 1 << 20 };

struct tape_block {
    char *memory;
    size_t used, bytes;
    uint64_t last;  /* number of the newest entry that may point here */
    bool permanent; /* taken with tape_take_block */
};

void tape_init(struct tape *tape)
{
    *tape = (struct tape){0};
}

void tape_finish(struct tape *tape)
{
    for (size_t i = 0; i < tape->block_count; i++)
        free(tape->blocks[i].memory);
    free(tape->blocks);
    free(tape->entries);
    tape_init(tape);
}

uint64_t tape_end(const struct tape *tape)
{
    return tape->first + tape->count;
}

static struct tape_block *add_block(struct tape *tape, char *memory, size_t bytes)
{
    tape->blocks =
        memory_grow(tape->blocks, &tape->block_capacity, tape->block_count + 1, sizeof *tape->blocks);
    struct tape_block *block = &tape->blocks[tape->block_count++];
    *block = (struct tape_block){.memory = memory, .bytes = bytes};
    tape->text_bytes += bytes;
    return block;
}

void tape_take_block(struct tape *tape, void *memory, size_t bytes)
{
    struct tape_block *block = add_block(tape, memory, bytes);
    block->used = bytes;
    block->permanent = true;
}

const char *tape_keep_text(struct tape *tape, const char *text, size_t bytes)
{
    struct tape_block *block = tape->block_count ? &tape->blocks[tape->block_count - 1] : NULL;
    if (!block || block->permanent || block->bytes - block->used < bytes) {
        size_t size = bytes > BLOCK_BYTES ? bytes : BLOCK_BYTES;
        block = add_block(tape, memory_allocate(size), size);
    }
    char *place = block->memory + block->used;
    memcpy(place, text, bytes);
    block->used += bytes;
    block->last = tape_end(tape);
    return place;
}

void tape_append(struct tape *tape, const struct tape_entry *entry)
{
    tape->entries = memory_grow(tape->entries, &tape->capacity, tape->count + 1, sizeof *tape->entries);
    tape->entries[tape->count++] = *entry;
    /* Text kept for several entries at once lives until the last of them. */
    if (tape->block_count && !tape->blocks[tape->block_count - 1].permanent)
        tape->blocks[tape->block_count - 1].last = tape_end(tape) - 1;
}

static void drop_blocks(struct tape *tape)
{
    size_t kept = 0;
    for (size_t i = 0; i < tape->block_count; i++) {
        struct tape_block block = tape->blocks[i];
        bool newest = i + 1 == tape->block_count;
        if (block.permanent || newest || block.last >= tape->first) {
            tape->blocks[kept++] = block;
            continue;
        }
        tape->text_bytes -= block.bytes;
        free(block.memory);
    }
    tape->block_count = kept;
}

void tape_forget(struct tape *tape, uint64_t number)
{
    size_t gone = number > tape->first ? (size_t)(number - tape->first) : 0;
    if (gone > tape->count)
        gone = tape->count;
    /* Moving the rest is worth it only when little is left. */
    if (gone < 1024 || gone < tape->count / 2)
        return;
    memmove(tape->entries, tape->entries + gone, (tape->count - gone) * sizeof *tape->entries);
    tape->first += gone;
    tape->count -= gone;
    drop_blocks(tape);
}
