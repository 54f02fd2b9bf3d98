/* What reading and writing a frame costs: msgpack-c's unpacker, our walk, and our walk with the rows decoded into structs;
 * msgpack-c's packer fed the same fields, and our row_encode.
 *
 * Each figure is the best of several passes over the same frames, in ns per row; `rows` is how many rows a frame has.
 *
 * links: proto base msgpack */
#include "base/clock.h"
#include "base/random.h"
#include "proto/book.h"
#include "proto/feature.h"
#include "proto/trade.h"

#include "proto/frame.h"

#include <msgpack.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS_TOTAL = 100000, PASSES = 7 };

struct frames {
    struct buffer *frames;
    size_t count;
    size_t bytes;
};

static void fill(const struct message *message, void *row, struct random *random)
{
    message_clear(message, row);
    for (size_t i = 0; i < message->field_count; i++) {
        const struct field *field = &message->fields[i];
        void *member = (char *)row + field->offset;
        if (field->type == FIELD_I64)
            *(int64_t *)member = 1700000000000 + (int64_t)random_below(random, 1000000000);
        else if (field->type == FIELD_F64)
            *(double *)member = random_normal(random);
        else if (field->type == FIELD_DECIMAL)
            *(struct decimal *)member = (struct decimal){(int64_t)random_below(random, 10000000), 2};
    }
}

static void frames_make(struct frames *out, const struct message *message, size_t rows_per_frame)
{
    struct random random;
    random_seed(&random, 1);
    void *row = calloc(1, message->row_bytes);
    out->count = ROWS_TOTAL / rows_per_frame;
    out->frames = calloc(out->count, sizeof *out->frames);
    out->bytes = 0;
    struct buffer rows;
    buffer_init(&rows, 0);
    for (size_t i = 0; i < out->count; i++) {
        struct frame_header header = {.run_id = "bench", .instance = "harvest", .first_sequence = 1};
        header.row_count = rows_per_frame;
        buffer_clear(&rows);
        for (size_t k = 0; k < rows_per_frame; k++) {
            fill(message, row, &random);
            row_encode(&rows, message, message->field_count_default, row);
        }
        buffer_init(&out->frames[i], 0);
        frame_encode(&out->frames[i], &header, rows.data, rows.length);
        out->bytes += out->frames[i].length;
    }
    buffer_finish(&rows);
    free(row);
}

static void frames_finish(struct frames *frames)
{
    for (size_t i = 0; i < frames->count; i++)
        buffer_finish(&frames->frames[i]);
    free(frames->frames);
}

/* --- the three ways --- */

static size_t library_unpack(const struct frames *frames, const struct message *message)
{
    size_t rows = 0;
    (void)message;
    msgpack_zone zone;
    msgpack_zone_init(&zone, 65536);
    for (size_t i = 0; i < frames->count; i++) {
        msgpack_object object;
        size_t offset = 0;
        msgpack_zone_clear(&zone);
        if (msgpack_unpack((const char *)frames->frames[i].data, frames->frames[i].length, &offset, &zone,
                           &object) != MSGPACK_UNPACK_SUCCESS)
            abort();
        rows += object.via.array.ptr[5].via.array.size;
    }
    msgpack_zone_destroy(&zone);
    return rows;
}

static size_t read_frames(const struct frames *frames, const struct message *message, bool decode)
{
    size_t rows = 0;
    void *row = calloc(1, message->row_bytes);
    for (size_t i = 0; i < frames->count; i++) {
        struct frame frame;
        struct row_view view;
        if (frame_open(&frame, frames->frames[i].data, frames->frames[i].length, NULL) != STATUS_OK)
            abort();
        while (frame_next(&frame, &view)) {
            rows++;
            if (decode && row_decode(&view, message, row, NULL) != STATUS_OK)
                abort();
        }
    }
    free(row);
    return rows;
}

static size_t walk(const struct frames *frames, const struct message *message)
{
    return read_frames(frames, message, false);
}

static size_t walk_and_decode(const struct frames *frames, const struct message *message)
{
    return read_frames(frames, message, true);
}

/* library_pack: what the packer costs when it is told field by field; a text or a decimal counts as one field of it. */
static size_t library_pack(const struct frames *frames, const struct message *message)
{
    struct random random;
    msgpack_sbuffer out;
    msgpack_packer packer;
    void *row = calloc(1, message->row_bytes);
    (void)frames;
    random_seed(&random, 1);
    msgpack_sbuffer_init(&out);
    msgpack_packer_init(&packer, &out, msgpack_sbuffer_write);
    fill(message, row, &random);
    for (size_t i = 0; i < ROWS_TOTAL; i++) {
        if (i % 500 == 0)
            msgpack_sbuffer_clear(&out);
        msgpack_pack_array(&packer, message->field_count_default + 1);
        msgpack_pack_int(&packer, message->kind);
        for (size_t k = 0; k < message->field_count_default; k++) {
            const struct field *field = &message->fields[k];
            const void *member = (const char *)row + field->offset;
            if (field->type == FIELD_I64) {
                msgpack_pack_int64(&packer, *(const int64_t *)member);
            } else if (field->type == FIELD_F64) {
                msgpack_pack_double(&packer, *(const double *)member);
            } else if (field->type == FIELD_DECIMAL) {
                msgpack_pack_array(&packer, 2);
                msgpack_pack_int64(&packer, ((const struct decimal *)member)->units);
                msgpack_pack_int(&packer, ((const struct decimal *)member)->exponent);
            } else {
                msgpack_pack_nil(&packer);
            }
        }
    }
    msgpack_sbuffer_destroy(&out);
    free(row);
    return ROWS_TOTAL;
}

static size_t encode(const struct frames *frames, const struct message *message)
{
    struct random random;
    struct buffer out;
    void *row = calloc(1, message->row_bytes);
    (void)frames;
    random_seed(&random, 1);
    buffer_init(&out, 0);
    fill(message, row, &random);
    for (size_t i = 0; i < ROWS_TOTAL; i++) {
        if (i % 500 == 0)
            buffer_clear(&out);
        row_encode(&out, message, message->field_count_default, row);
    }
    buffer_finish(&out);
    free(row);
    return ROWS_TOTAL;
}

static double best_ns_per_row(size_t (*way)(const struct frames *, const struct message *),
                              const struct frames *frames, const struct message *message)
{
    struct clock clock = clock_system();
    double best = 1e18;
    for (int pass = 0; pass < PASSES; pass++) {
        int64_t begin = clock_monotonic_ns(&clock);
        size_t rows = way(frames, message);
        double took = (double)(clock_monotonic_ns(&clock) - begin) / (double)rows;
        best = took < best ? took : best;
    }
    return best;
}

int main(void)
{
    const struct message *messages[] = {&trade_message, &book_message, &feature_message};
    static const size_t ROWS_PER_FRAME[] = {1, 100};
    printf("%-8s %5s %10s %12s %12s %12s %12s %12s\n", "message", "rows", "bytes/row", "unpacker", "walk",
           "walk+decode", "packer", "row_encode");
    for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++)
        for (size_t k = 0; k < sizeof ROWS_PER_FRAME / sizeof ROWS_PER_FRAME[0]; k++) {
            struct frames frames;
            frames_make(&frames, messages[i], ROWS_PER_FRAME[k]);
            printf("%-8s %5zu %10zu %9.0f ns %9.0f ns %9.0f ns %9.0f ns %9.0f ns\n", messages[i]->name,
                   ROWS_PER_FRAME[k], frames.bytes / ROWS_TOTAL,
                   best_ns_per_row(library_unpack, &frames, messages[i]),
                   best_ns_per_row(walk, &frames, messages[i]),
                   best_ns_per_row(walk_and_decode, &frames, messages[i]),
                   best_ns_per_row(library_pack, &frames, messages[i]),
                   best_ns_per_row(encode, &frames, messages[i]));
            frames_finish(&frames);
        }
    return 0;
}
