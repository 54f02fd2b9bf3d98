#include "base/hash.h"
#include "journal/journal_private.h"

#include <errno.h>
#include <string.h>
#include <sys/statvfs.h>

/* cause_of: LMDB calls a write that the disk took in part EIO; on a full one that is what it was. */
static int cause_of(int code, const char *folder)
{
    struct statvfs space;
    return code == EIO && statvfs(folder, &space) == 0 && !space.f_bavail ? ENOSPC : code;
}

enum status journal_failed(struct error *error, const struct journal *journal, const char *doing, int code)
{
    enum status status = code == MDB_MAP_FULL || code == MDB_TXN_FULL ? STATUS_LIMIT
                         : code == MDB_CORRUPTED || code == MDB_INVALID || code == MDB_VERSION_MISMATCH ||
                                 code == MDB_PAGE_NOTFOUND || code == MDB_PANIC || code == MDB_BAD_TXN
                             ? STATUS_MALFORMED
                             : STATUS_IO;
    return error_set(error, status, "journal %s: %s: %s", journal->folder, doing,
                     mdb_strerror(cause_of(code, journal->folder)));
}

void journal_row_key(uint8_t key[ROW_KEY_BYTES], size_t stream, int64_t first)
{
    for (int i = 0; i < 4; i++)
        key[i] = (uint8_t)(stream >> (24 - 8 * i));
    for (int i = 0; i < 8; i++)
        key[4 + i] = (uint8_t)((uint64_t)first >> (56 - 8 * i));
}

bool journal_key_parse(const MDB_val *key, size_t *out_stream, int64_t *out_first)
{
    if (key->mv_size != ROW_KEY_BYTES)
        return false;
    const uint8_t *at = key->mv_data;
    uint64_t first = 0;
    *out_stream = (size_t)at[0] << 24 | (size_t)at[1] << 16 | (size_t)at[2] << 8 | at[3];
    for (int i = 0; i < 8; i++)
        first = first << 8 | at[4 + i];
    *out_first = (int64_t)first;
    return true;
}

static uint32_t content_crc(uint32_t count, const MDB_val *key, const void *data, size_t bytes)
{
    uint32_t crc = crc32c(crc32c(0, &count, sizeof count), key->mv_data, key->mv_size);
    return crc32c(crc, data, bytes);
}

int journal_value_put(MDB_txn *transaction, MDB_dbi table, MDB_val *key, uint32_t count, const void *data,
                      size_t bytes)
{
    MDB_val value = {.mv_size = HEAD_BYTES + bytes};
    uint32_t crc = content_crc(count, key, data, bytes);
    int code = mdb_put(transaction, table, key, &value, MDB_RESERVE);
    if (code)
        return code;
    uint8_t *at = value.mv_data;
    memcpy(at, &count, sizeof count);
    memcpy(at + sizeof count, &crc, sizeof crc);
    if (bytes)
        memcpy(at + HEAD_BYTES, data, bytes);
    return 0;
}

bool journal_value_intact(const MDB_val *key, const MDB_val *value)
{
    uint32_t head[2];
    if (value->mv_size < HEAD_BYTES)
        return false;
    memcpy(head, value->mv_data, sizeof head);
    const uint8_t *content = (const uint8_t *)value->mv_data + HEAD_BYTES;
    return head[1] == content_crc(head[0], key, content, value->mv_size - HEAD_BYTES);
}

int64_t journal_chunk_rows(const MDB_val *value)
{
    uint32_t count = 0;
    if (value->mv_size >= HEAD_BYTES)
        memcpy(&count, value->mv_data, sizeof count);
    return count;
}
