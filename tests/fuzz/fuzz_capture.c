// links: journal proto base
/* Raw capture files: read to the end, sought in, and taken up by a writer, whatever stands in them. */
#include "capture_seed.h"

#include <string.h>
#include <unistd.h>

static void capture_path(char out_path[PATH_BYTES])
{
    path_join(out_path, fuzz_folder(), "raw/" CAPTURE_SEED_NAME);
}

static void read_all(const char *path)
{
    struct capture_reader *reader;
    struct capture_record record;
    struct error error = {{0}};
    uint64_t last = 0;
    enum status status = capture_reader_open_files(&path, 1, &reader, &error);
    if (status != STATUS_OK) {
        fuzz_require(*error.text);
        return;
    }
    while ((status = capture_next(reader, &record, &error)) == STATUS_OK) {
        fuzz_require(!last || record.seq == last + 1);
        last = record.seq;
    }
    fuzz_require(status == STATUS_END || (*error.text && strstr(error.text, "offset")));
    for (uint64_t seq = last > 3 ? last - 3 : 0; seq <= last + 2; seq++)
        (void)!capture_seek(reader, seq, seq * 7, &error);
    capture_reader_close(reader);
}

/* go_on: a new life of the same run. What it accepts is readable again, with its own record behind it. */
static void go_on(bool sync)
{
    char folder[PATH_BYTES];
    struct capture_writer *writer;
    struct error error = {{0}};
    path_join(folder, fuzz_folder(), "raw");
    struct capture_writer_config config = {.folder = folder,
                                           .run_id = "run-1",
                                           .metadata_json = "{}",
                                           .sync = sync,
                                           .clock = capture_seed_clock()};
    if (capture_writer_open(&config, &writer, &error) != STATUS_OK) {
        fuzz_require(*error.text);
        return;
    }
    uint64_t flushed = capture_flushed_seq(writer);
    capture_writer_close(writer);
    struct capture_reader *reader;
    struct capture_record record;
    fuzz_require(capture_reader_open(folder, "run-1", NULL, &reader, &error) == STATUS_OK);
    enum status status = capture_seek(reader, flushed, 0, &error);
    if (status == STATUS_OK)
        fuzz_require(capture_next(reader, &record, &error) == STATUS_OK && record.kind == CAPTURE_METADATA);
    capture_reader_close(reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    char path[PATH_BYTES], folder[PATH_BYTES];
    capture_path(path);
    path_join(folder, fuzz_folder(), "raw");
    for (int sync = 0; sync < 2; sync++) {
        fuzz_require(folder_remove(folder) == STATUS_OK && folder_make_for(path) == STATUS_OK);
        fuzz_require(file_replace(path, data, bytes, false) == STATUS_OK);
        if (!sync)
            read_all(path);
        go_on(sync);
    }
    return 0;
}

void fuzz_seeds(fuzz_take *take)
{
    static const char *const MESSAGES[] = {"", "{\"e\"", "{\"e\":\"tra", "{\"e\":\"trade\"}"};
    struct buffer text;
    buffer_init(&text, 0);
    capture_seed("{\"a\":1}", MESSAGES, sizeof MESSAGES / sizeof *MESSAGES, &text);
    take(text.data, text.length);
    take(text.data, CAPTURE_FILE_HEADER_BYTES);
    buffer_finish(&text);
}
