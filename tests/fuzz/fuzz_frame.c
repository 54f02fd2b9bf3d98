// links: test_support proto base
/* Frames and rows: what a stranger may send as one message. Whatever opens is walked to its end, and what decodes encodes to a row
 * that decodes to the same. */
#include "fuzz.h"

#include "base/json.h"
#include "base/memory.h"
#include "proto/frame.h"
#include "tests/support/rows.h"

#include <string.h>

static void decode_again(const struct message *message, const void *row)
{
    struct buffer encoded;
    struct row_view view = {.sequence = 1};
    size_t offset = 0;
    void *again = memory_allocate(message->row_bytes);
    buffer_init(&encoded, 0);
    row_encode(&encoded, message, message->field_count, row);
    fuzz_require(rows_next(encoded.data, encoded.length, &offset, &view) == STATUS_OK &&
                 offset == encoded.length);
    fuzz_require(row_decode(&view, message, again, NULL) == STATUS_OK);
    fuzz_require(!row_difference(message, row, again));
    buffer_finish(&encoded);
    free(again);
}

static void decode(const struct row_view *view)
{
    struct error error = {{0}};
    struct buffer text;
    struct json json;
    int64_t number;
    const struct message *message = message_of_kind(view->kind);
    if (!message)
        return;
    for (size_t i = 0; i < message->field_count; i++)
        (void)row_peek_i64(view, i, &number);
    void *row = memory_allocate(message->row_bytes);
    if (row_decode(view, message, row, &error) == STATUS_OK) {
        decode_again(message, row);
        buffer_init(&text, 0);
        json_init(&json, &text);
        message_json(&json, message, message->field_count, row, true);
        buffer_finish(&text);
    } else {
        fuzz_require(*error.text);
    }
    free(row);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct frame frame;
    struct row_view view = {0};
    struct error error = {{0}};
    size_t offset = 0, rows = 0;
    if (frame_open(&frame, data, bytes, &error) == STATUS_OK) {
        for (; frame_next(&frame, &view); rows++)
            decode(&view);
        fuzz_require(rows == frame.header.row_count);
    } else {
        fuzz_require(*error.text);
    }
    while (rows_next(data, bytes, &offset, &view) == STATUS_OK)
        decode(&view);
    return 0;
}

void fuzz_seeds(fuzz_take *take)
{
    struct random random;
    struct buffer rows, frame;
    const struct message *message;
    random_seed(&random, 1);
    buffer_init(&rows, 0);
    buffer_init(&frame, 0);
    for (size_t i = 0; (message = message_at(i)); i++) {
        void *row = memory_allocate(message->row_bytes);
        struct frame_header header = {.version = FRAME_VERSION,
                                      .run_id = "run-1",
                                      .instance = "harvest",
                                      .generation = 1,
                                      .first_sequence = 7,
                                      .publish_ns = 1723161255030314667,
                                      .row_count = 3};
        buffer_clear(&rows);
        buffer_clear(&frame);
        for (int k = 0; k < 3; k++) {
            row_random(message, message->field_count, &random, row);
            row_encode(&rows, message, message->field_count, row);
        }
        frame_encode(&frame, &header, rows.data, rows.length);
        take(frame.data, frame.length);
        take(rows.data, rows.length);
        free(row);
    }
    buffer_finish(&rows);
    buffer_finish(&frame);
}
