#include "base/memory.h"
#include "journal/journal_private.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The data file may end before the last page its meta page names, and be whole: a page that a transaction takes at the end of the file
 * and gives back before it commits is listed as free and never written, and LMDB reads no free page. A missing page that is in use
 * would be a SIGBUS. Which it is stands in the tree of free pages. That tree may have been cut off too, so it is read from the file,
 * not through LMDB's mapping, and by the layout of LMDB's data version 1 (lmdb 0.9):
 *
 *   meta page   head; u32 magic, u32 version, u64 address, u64 map size; of the free tree u32, u16, u16 depth, 4 × u64, u64 root
 *   head        u64 number, u16, u16 kind, u16 end of the places, u16; then places of nodes, u16 each
 *   node        u16 low, u16 high, u16 flags, u16 key size, key; of a branch low, high and flags are the number of the child, of a leaf
 *               low and high are the size of the data behind the key, or, with BIG_DATA, of the pages whose first number stands there
 *   data        u64 count, u64 page numbers */
enum {
    HEAD = 16,
    NODE_HEAD = 8,
    KIND_AT = 10,
    PLACES_END_AT = 12,
    VERSION_AT = HEAD + 4,
    FREE_ROOT_AT = HEAD + 24 + 40,
    DATA_VERSION = 1,
    BRANCH = 1,
    LEAF = 2,
    BIG_DATA = 1,
    DEPTH_MAX = 32
};

struct free_pages {
    int descriptor;
    size_t page_bytes;
    uint64_t pages;   /* that the file has */
    uint64_t behind;  /* free ones behind its end */
    uint64_t to_read; /* pages of a tree without circles */
};

static uint16_t u16_at(const uint8_t *from)
{
    uint16_t value;
    memcpy(&value, from, sizeof value);
    return value;
}

static uint64_t u64_at(const uint8_t *from)
{
    uint64_t value;
    memcpy(&value, from, sizeof value);
    return value;
}

static bool read_bytes(const struct free_pages *free_pages, uint64_t page, size_t skip, void *out,
                       size_t bytes)
{
    uint64_t file_bytes = free_pages->pages * free_pages->page_bytes;
    return page < free_pages->pages && bytes <= file_bytes - page * free_pages->page_bytes - skip &&
           pread(free_pages->descriptor, out, bytes, (off_t)(page * free_pages->page_bytes + skip)) ==
               (ssize_t)bytes;
}

static bool count_behind(struct free_pages *free_pages, const uint8_t *list, size_t bytes)
{
    if (bytes < 8 || u64_at(list) > bytes / 8 - 1)
        return false;
    uint64_t count = u64_at(list);
    for (uint64_t i = 1; i <= count; i++)
        free_pages->behind += u64_at(list + 8 * i) >= free_pages->pages;
    return true;
}

/* take_leaf: the list of one transaction, in the leaf or in pages of its own. `room`: from the node to the end of the page. */
static bool take_leaf(struct free_pages *free_pages, const uint8_t *node, size_t room)
{
    size_t bytes = u16_at(node) | (size_t)u16_at(node + 2) << 16, skip = NODE_HEAD + (size_t)u16_at(node + 6);
    if (!(u16_at(node + 4) & BIG_DATA))
        return skip + bytes <= room && count_behind(free_pages, node + skip, bytes);
    if (skip + 8 > room || bytes > free_pages->pages * free_pages->page_bytes)
        return false;
    uint8_t *list = memory_allocate(bytes + 1);
    bool taken = read_bytes(free_pages, u64_at(node + skip), HEAD, list, bytes) &&
                 count_behind(free_pages, list, bytes);
    free(list);
    return taken;
}

static bool take_tree(struct free_pages *free_pages, uint64_t root, int depth)
{
    if (depth == DEPTH_MAX || !free_pages->to_read--)
        return false;
    uint8_t *page = memory_allocate(free_pages->page_bytes);
    bool taken = read_bytes(free_pages, root, 0, page, free_pages->page_bytes) && u64_at(page) == root &&
                 u16_at(page + PLACES_END_AT) <= free_pages->page_bytes;
    uint16_t kind = taken ? u16_at(page + KIND_AT) : 0;
    taken = kind == BRANCH || kind == LEAF;
    for (size_t at = HEAD; taken && at < u16_at(page + PLACES_END_AT); at += 2) {
        size_t place = u16_at(page + at);
        const uint8_t *node = page + place;
        if (place + NODE_HEAD > free_pages->page_bytes)
            taken = false;
        else if (kind == LEAF)
            taken = take_leaf(free_pages, node, free_pages->page_bytes - place);
        else
            taken =
                take_tree(free_pages,
                          u16_at(node) | (uint64_t)u16_at(node + 2) << 16 | (uint64_t)u16_at(node + 4) << 32,
                          depth + 1);
    }
    free(page);
    return taken;
}

/* missing_are_free: of the pages up to `last_page` those behind the end of the file are all free. */
static bool missing_are_free(struct free_pages *free_pages, uint64_t last_page, uint64_t transaction)
{
    uint8_t meta[FREE_ROOT_AT + 8];
    uint32_t version;
    if (!read_bytes(free_pages, transaction % 2, 0, meta, sizeof meta))
        return false;
    memcpy(&version, meta + VERSION_AT, sizeof version);
    uint64_t root = u64_at(meta + FREE_ROOT_AT);
    return version == DATA_VERSION && root != UINT64_MAX && take_tree(free_pages, root, 0) &&
           free_pages->behind == last_page + 1 - free_pages->pages;
}

int journal_file_whole(const struct journal *journal)
{
    MDB_envinfo info;
    MDB_stat stat;
    char path[PATH_BYTES];
    int code = mdb_env_info(journal->environment, &info);
    if (!code)
        code = mdb_env_stat(journal->environment, &stat);
    if (code)
        return code;
    path_join(path, journal->folder, "data.mdb");
    int64_t bytes = file_bytes(path);
    uint64_t pages = bytes < 0 ? 0 : (uint64_t)bytes / stat.ms_psize;
    if (info.me_last_pgno < pages)
        return 0;
    struct free_pages free_pages = {.page_bytes = stat.ms_psize, .pages = pages, .to_read = pages};
    code = mdb_env_get_fd(journal->environment, &free_pages.descriptor);
    if (code)
        return code;
    return missing_are_free(&free_pages, info.me_last_pgno, info.me_last_txnid) ? 0 : MDB_CORRUPTED;
}
