// links: archive proto base
/* The archive's checkpoint. As it comes it is refused by its checksum; with a right one put under it, what is read must be written
 * and read the same again. */
#include "fuzz.h"

#include "base/hash.h"
#include "services/archive/checkpoint.h"
#include "services/archive/parts.h"

#include <string.h>

static void read_as_it_is(const char *path)
{
    struct checkpoint checkpoint;
    struct error error = {{0}};
    enum status status = checkpoint_read(&checkpoint, path, &error);
    fuzz_require(status == STATUS_OK || (status == STATUS_MALFORMED && strstr(error.text, path)));
    if (status == STATUS_OK)
        checkpoint_finish(&checkpoint);
}

static void read_and_write_again(const char *path)
{
    struct checkpoint checkpoint;
    struct buffer first, second;
    struct error error = {{0}};
    buffer_init(&first, 0);
    buffer_init(&second, 0);
    if (checkpoint_read(&checkpoint, path, &error) != STATUS_OK)
        return;
    for (int i = 0; i < 2; i++) {
        fuzz_require(checkpoint_write(&checkpoint, path, false) == STATUS_OK);
        checkpoint_finish(&checkpoint);
        fuzz_require(file_read(path, i ? &second : &first) == STATUS_OK);
        fuzz_require(checkpoint_read(&checkpoint, path, &error) == STATUS_OK);
    }
    checkpoint_finish(&checkpoint);
    fuzz_require(first.length == second.length && memcmp(first.data, second.data, first.length) == 0);
    buffer_finish(&first);
    buffer_finish(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    char path[PATH_BYTES], end[32];
    struct buffer text;
    struct parts parts;
    struct part part;
    path_join(path, fuzz_folder(), "checkpoint.json");
    fuzz_require(file_replace(path, data, bytes, false) == STATUS_OK);
    read_as_it_is(path);
    buffer_init(&text, 0);
    buffer_append(&text, data, bytes);
    snprintf(end, sizeof end, ",\"checksum\":\"%08x\"}\n", crc32c(0, data, bytes));
    buffer_append_text(&text, end);
    fuzz_require(file_replace(path, text.data, text.length, false) == STATUS_OK);
    read_and_write_again(path);
    parts_init(&parts, "/data", "run-1", false);
    (void)part_parse(&parts, buffer_text(&text), &part);
    parts_finish(&parts);
    buffer_finish(&text);
    return 0;
}

void fuzz_seeds(fuzz_take *take)
{
    struct checkpoint checkpoint;
    struct buffer text;
    char path[PATH_BYTES];
    checkpoint_init(&checkpoint, "run-1", "fingerprint");
    checkpoint.next_file = 42;
    struct checkpoint_stream *stream = checkpoint_stream(&checkpoint, "harvest/BTCUSDT");
    stream->resume = 7;
    stream->through = 90;
    stream->below_ms = 1723161240000;
    stream->whole[KIND_PRICES] = 50;
    checkpoint_set(&checkpoint, "BTCUSDT", KIND_PRICES)->last_ts_ms = 1723161239999;
    checkpoint_deleting(&checkpoint, "/data/date=2024-08-08/part");
    path_join(path, fuzz_folder(), "seed.json");
    fuzz_require(checkpoint_write(&checkpoint, path, false) == STATUS_OK);
    checkpoint_finish(&checkpoint);
    buffer_init(&text, 0);
    fuzz_require(file_read(path, &text) == STATUS_OK);
    take(text.data, text.length);
    take(text.data, text.length - strlen(",\"checksum\":\"00000000\"}\n")); /* to be given a right one */
    take("/data/date=2024-08-08/symbol=BTCUSDT/kind=prices/part-1-2-3-4e65d3fb-5.parquet", 78);
    buffer_finish(&text);
}
