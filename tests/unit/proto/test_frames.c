// links: proto base
/* Nothing that comes in a frame can hurt: it is refused, or read for exactly what it is. */
#include "tests/support/check.h"
#include "tests/support/rows.h"

#include "base/memory.h"
#include "proto/control.h"
#include "proto/frame.h"
#include "proto/request.h"
#include "proto/trade.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

static struct frame_header header_of(size_t row_count)
{
    return (struct frame_header){.run_id = "run-1",
                                 .instance = "harvest",
                                 .generation = 3,
                                 .first_sequence = 1000,
                                 .publish_ns = 1700000000000000000,
                                 .row_count = row_count};
}

/* sample: a frame with one random row of every kind. */
static void sample(struct buffer *out, struct random *random)
{
    struct buffer rows;
    const struct message *message;
    struct frame_header header = header_of(0);
    buffer_init(&rows, 0);
    for (size_t m = 0; (message = message_at(m)); m++) {
        void *row = memory_allocate(message->row_bytes);
        row_random(message, message->field_count_default, random, row);
        row_encode(&rows, message, message->field_count_default, row);
        header.row_count++;
        free(row);
    }
    buffer_clear(out);
    frame_encode(out, &header, rows.data, rows.length);
    buffer_finish(&rows);
}

/* read_all: what a receiver does with a frame. Returns the rows that decode, -1 when the frame is refused. */
static int read_all(const void *data, size_t bytes)
{
    struct frame frame;
    struct row_view view;
    struct error error = {{0}};
    /* A copy of exactly this size, so that a sanitizer sees one byte too many. */
    uint8_t *copy = memory_copy(data, bytes);
    int good = 0;
    size_t seen = 0;
    if (frame_open(&frame, copy, bytes, &error) != STATUS_OK) {
        assert_int_not_equal(error.text[0], 0);
        free(copy);
        return -1;
    }
    while (frame_next(&frame, &view)) {
        const struct message *message = message_of_kind(view.kind);
        assert_int_equal(view.sequence, frame.header.first_sequence + (int64_t)seen);
        seen++;
        if (!message)
            continue;
        void *row = memory_allocate(message->row_bytes);
        good += row_decode(&view, message, row, &error) == STATUS_OK;
        free(row);
    }
    assert_int_equal(seen, frame.header.row_count);
    free(copy);
    return good;
}

static void a_frame_reads_back(void **state)
{
    (void)state;
    struct random random = check_random();
    struct buffer bytes;
    struct frame frame;
    buffer_init(&bytes, 0);
    sample(&bytes, &random);
    assert_ok(frame_open(&frame, bytes.data, bytes.length, NULL));
    assert_int_equal(frame.header.version, FRAME_VERSION);
    assert_string_equal(frame.header.run_id, "run-1");
    assert_string_equal(frame.header.instance, "harvest");
    assert_int_equal(frame.header.generation, 3);
    assert_int_equal(frame.header.first_sequence, 1000);
    assert_int_equal(frame.header.publish_ns, 1700000000000000000);
    assert_int_equal(read_all(bytes.data, bytes.length), frame.header.row_count);
    buffer_finish(&bytes);
}

static void an_empty_frame_is_a_frame(void **state)
{
    (void)state;
    struct buffer bytes;
    struct frame_header header = header_of(0);
    buffer_init(&bytes, 0);
    frame_encode(&bytes, &header, NULL, 0);
    assert_int_equal(read_all(bytes.data, bytes.length), 0);
    buffer_finish(&bytes);
}

static void a_cut_frame_is_refused_wherever_it_is_cut(void **state)
{
    (void)state;
    struct random random = check_random();
    struct buffer bytes;
    buffer_init(&bytes, 0);
    sample(&bytes, &random);
    for (size_t length = 0; length < bytes.length; length++)
        assert_int_equal(read_all(bytes.data, length), -1);
    buffer_append_byte(&bytes, 0xc0); /* and so is one with something behind it */
    assert_int_equal(read_all(bytes.data, bytes.length), -1);
    buffer_finish(&bytes);
}

static void flipped_bits_never_do_harm(void **state)
{
    (void)state;
    struct random random = check_random();
    struct buffer bytes;
    int refused = 0, rounds = 20000;
    buffer_init(&bytes, 0);
    sample(&bytes, &random);
    for (int i = 0; i < rounds; i++) {
        uint8_t *copy = memory_copy(bytes.data, bytes.length);
        for (size_t flips = 1 + random_below(&random, 4); flips; flips--)
            copy[random_below(&random, bytes.length)] ^= (uint8_t)(1 << random_below(&random, 8));
        refused += read_all(copy, bytes.length) < 0;
        free(copy);
    }
    assert_in_range(refused, 1, rounds - 1);
    buffer_finish(&bytes);
}

static void random_bytes_never_do_harm(void **state)
{
    (void)state;
    struct random random = check_random();
    for (int i = 0; i < 50000; i++) {
        /* Heads that count something are what does harm: prefer them. */
        static const uint8_t HEADS[] = {0x96, 0x92, 0xdc, 0xdd, 0xde, 0xdf, 0xd9,
                                        0xdb, 0xc6, 0xc9, 0x8f, 0x9f, 0xbf, 0xc1};
        uint8_t data[64];
        size_t length = random_below(&random, sizeof data);
        for (size_t k = 0; k < length; k++)
            data[k] = random_below(&random, 2) ? HEADS[random_below(&random, sizeof HEADS)]
                                               : (uint8_t)random_u64(&random);
        assert_int_equal(read_all(data, length), -1);
    }
}

/* --- bombs --- */

/* bomb: bytes that claim much more than they are. */
static void bomb(struct buffer *out, int which)
{
    buffer_clear(out);
    switch (which) {
    case 0: buffer_append(out, "\xdd\x0f\xff\xff\xff", 5); break; /* an array of 268 million */
    case 1: /* nested, each level covered by what is left */
        for (int i = 0; i < 31; i++)
            buffer_append(out, "\xdd\x0f\xff\xff\xff", 5);
        break;
    case 2: /* 40 levels of one element: complete, but too deep */
        for (int i = 0; i < 40; i++)
            buffer_append_byte(out, 0x91);
        buffer_append_byte(out, 0xc0);
        break;
    case 3: /* each count is covered by the bytes behind it, their sum is not */
        for (int i = 0; i < 30000; i++)
            buffer_append(out, "\xdc\x70\x00", 3);
        break;
    case 4: /* a megabyte of nil */
        buffer_append(out, "\xdd\x00\x10\x00\x00", 5);
        for (int i = 0; i < 1 << 20; i++)
            buffer_append_byte(out, 0xc0);
        break;
    case 5: buffer_append(out, "\xdf\xff\xff\xff\xff", 5); break;     /* a map of 4 billion pairs */
    case 6: buffer_append(out, "\xdb\xff\xff\xff\xff", 5); break;     /* a text of 4 GiB */
    case 7: buffer_append(out, "\xc6\xff\xff\xff\xff", 5); break;     /* binary of 4 GiB */
    case 8: buffer_append(out, "\xc9\xff\xff\xff\xff\x01", 6); break; /* extension of 4 GiB */
    case 9: buffer_append(out, "\x90\x90", 2); break;                 /* something behind a complete object */
    default: buffer_append(out, "\xc1", 1); break;                    /* the head that is never used */
    }
}
enum { BOMBS = 11 };

/* armed: the bomb in one of the places a frame has. */
static void armed(struct buffer *out, const struct buffer *content, int place)
{
    buffer_clear(out);
    switch (place) {
    case 0: buffer_append(out, content->data, content->length); break;
    case 1: /* as run_id */
        buffer_append(out, "\x96\x01", 2);
        buffer_append(out, content->data, content->length);
        break;
    case 2: /* as rows */
        buffer_append(out, "\x96\x01\xa1r\x92\xa1i\x01\x01\x01", 10);
        buffer_append(out, content->data, content->length);
        break;
    case 3: /* as a row */
        buffer_append(out, "\x96\x01\xa1r\x92\xa1i\x01\x01\x01\x91", 11);
        buffer_append(out, content->data, content->length);
        break;
    case 4: /* as a field */
        buffer_append(out, "\x96\x01\xa1r\x92\xa1i\x01\x01\x01\x91\x92\x01", 13);
        buffer_append(out, content->data, content->length);
        break;
    default: /* as something a later version may append */
        buffer_append(out, "\x97\x01\xa1r\x92\xa1i\x01\x01\x01\x90", 11);
        buffer_append(out, content->data, content->length);
        break;
    }
}
enum { PLACES = 6 };

static void explode_all(void)
{
    struct buffer content, frame;
    buffer_init(&content, 0);
    buffer_init(&frame, 0);
    for (int which = 0; which < BOMBS; which++)
        for (int place = 0; place < PLACES; place++) {
            bomb(&content, which);
            armed(&frame, &content, place);
            struct frame opened;
            struct row_view view;
            struct trade_row trade;
            enum status status = frame_open(&opened, frame.data, frame.length, NULL);
            /* The megabyte of nil is complete: where anything may stand it is passed over, as a value of a known
             * field it is refused. */
            bool passable = which == 4 && place >= 4;
            if ((status == STATUS_OK) != passable) {
                fprintf(stderr, "bomb %d at place %d: %s\n", which, place, status_name(status));
                _exit(1);
            }
            if (status == STATUS_OK && frame_next(&opened, &view) &&
                row_decode(&view, &trade_message, &trade, NULL) == STATUS_OK)
                _exit(2);
        }
    buffer_finish(&content);
    buffer_finish(&frame);
}

static void bombs_are_refused_and_nothing_is_reserved_for_them(void **state)
{
    (void)state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        /* What a bomb claims would not fit into 64 MiB of address space. A sanitizer's shadow memory does not
         * either; there it is the sanitizer itself that watches. */
        struct rlimit limit = {64 << 20, 64 << 20};
        if (!SANITIZED && setrlimit(RLIMIT_AS, &limit) != 0)
            _exit(3);
        explode_all();
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* --- limits and versions --- */

static void an_oversized_frame_is_a_limit(void **state)
{
    (void)state;
    struct frame frame;
    struct error error;
    uint8_t *data = memory_allocate(FRAME_BYTES_MAX + 1);
    assert_int_equal(frame_open(&frame, data, FRAME_BYTES_MAX + 1, &error), STATUS_LIMIT);
    assert_non_null(strstr(error.text, "4194304"));
    free(data);
}

static enum status open_literal(const char *bytes, size_t length)
{
    struct frame frame;
    return frame_open(&frame, bytes, length, NULL);
}

static void headers_are_checked(void **state)
{
    (void)state;
#define OPEN(literal) open_literal(literal, sizeof literal - 1)
    assert_int_equal(OPEN("\x96\x01\xa1r\x92\xa1i\x01\x05\x01\x90"), STATUS_OK);
    assert_int_equal(OPEN("\x96\x02\xa1r\x92\xa1i\x01\x05\x01\x90"), STATUS_UNSUPPORTED);
    assert_int_equal(OPEN("\x97\x01\xa1r\x92\xa1i\x01\x05\x01\x90\xc0"), STATUS_OK); /* appended later */
    assert_int_equal(OPEN("\x95\x01\xa1r\x92\xa1i\x01\x05\x01"), STATUS_MALFORMED);
    assert_int_equal(OPEN("\x96\x01\xa1r\x91\xa1i\x05\x01\x90"),
                     STATUS_MALFORMED); /* producer without generation */
    assert_int_equal(OPEN("\x96\x01\xa1\0\x92\xa1i\x01\x05\x01\x90"), STATUS_MALFORMED); /* NUL in a name */
    assert_int_equal(OPEN("\x96\x01\xa1\xff\x92\xa1i\x01\x05\x01\x90"), STATUS_MALFORMED);
    assert_int_equal(OPEN("\x96\x01\xa1r\x92\xa1i\x01\xff\x01\x90"), STATUS_MALFORMED); /* sequence -1 */
    assert_int_equal(OPEN("\x96\x01\xa1r\x92\xa1i\x01\xcf\x7f\xff\xff\xff\xff\xff\xff\xff\x01\x90"),
                     STATUS_MALFORMED); /* a sequence that cannot be counted on from */
    assert_int_equal(OPEN("\x96\x01\xa1r\x92\xa1i\x01\x05\x01\x91\x91\x01"), STATUS_OK);
    assert_int_equal(OPEN("\x96\x01\xa1r\x92\xa1i\x01\x05\x01\x91\x90"),
                     STATUS_MALFORMED); /* row without a kind */
    assert_int_equal(OPEN("\x96\x01\xa1r\x92\xa1i\x01\x05\x01\x91\x91\xff"), STATUS_MALFORMED);
    assert_int_equal(OPEN("\x96\x01\xa1r\x92\xa1i\x01\x05\x01\x91\x91\x60"),
                     STATUS_MALFORMED); /* ROW_KIND_LIMIT */
    assert_int_equal(OPEN("\x96\x01\xa1r\x92\xa1i\x01\x05\x01\x91\x05"), STATUS_MALFORMED);
    assert_int_equal(OPEN("\x86\x01\xa1r\x92\xa1i\x01\x05\x01\x90"), STATUS_MALFORMED);
    assert_int_equal(OPEN("\xc0"), STATUS_MALFORMED);
    struct frame untouched = {.bytes = 42};
    assert_int_equal(frame_open(&untouched, "\xc0", 1, NULL), STATUS_MALFORMED);
    assert_int_equal(untouched.bytes, 42);
    char name[RUN_ID_BYTES + 16] = "\x96\x01\xd9";
    name[3] = RUN_ID_BYTES; /* one byte more than fits with its end */
    memset(name + 4, 'r', RUN_ID_BYTES);
    memcpy(name + 4 + RUN_ID_BYTES, "\x92\xa1i\x01\x05\x01\x90", 7);
    assert_int_equal(open_literal(name, 4 + RUN_ID_BYTES + 7), STATUS_MALFORMED);
}

static void unknown_kinds_and_fields_are_passed_over(void **state)
{
    (void)state;
    struct frame frame;
    struct row_view view;
    struct control_row control;
    struct buffer bytes, rows;
    struct frame_header header = header_of(3);
    buffer_init(&bytes, 0);
    buffer_init(&rows, 0);
    buffer_append(&rows, "\x93\x5f\x81\x01\x02\xc7\x01\x07x",
                  9);                            /* a kind of the future with a map and an extension */
    buffer_append(&rows, "\x99\x05\x09\x08", 4); /* a control row with two fields more than we know */
    buffer_append_text(&rows, "\xad"
                              "end_of_stream\xc0\xac"
                              "slice_weight\x01");
    buffer_append(&rows, "\xcf\xff\xff\xff\xff\xff\xff\xff\xff\x80", 10);
    buffer_append(&rows, "\x95\x05\x0a\x08", 4); /* one of a sender that did not have the last two yet */
    buffer_append_text(&rows, "\xad"
                              "end_of_stream\xc0");
    frame_encode(&bytes, &header, rows.data, rows.length);
    assert_ok(frame_open(&frame, bytes.data, bytes.length, NULL));
    assert_true(frame_next(&frame, &view));
    assert_int_equal(view.kind, 0x5f);
    assert_null(message_of_kind(view.kind));
    assert_true(frame_next(&frame, &view));
    assert_ok(row_decode(&view, &control_message, &control, NULL));
    assert_int_equal(control.ts_ms, 9);
    assert_int_equal(control.decision, DECISION_SLICE_WEIGHT);
    assert_true(control.value == 1);
    assert_true(frame_next(&frame, &view));
    assert_ok(row_decode(&view, &control_message, &control, NULL));
    assert_int_equal(control.ts_ms, 10);
    assert_int_equal(control.decision, DECISION_NONE);
    assert_true(isnan(control.value));
    assert_int_equal(view.sequence, 1002);
    assert_false(frame_next(&frame, &view));
    buffer_finish(&bytes);
    buffer_finish(&rows);
}

static void rows_next_stops_at_damage(void **state)
{
    (void)state;
    struct row_view view;
    size_t offset = 0;
    assert_int_equal(rows_next((const uint8_t *)"", 0, &offset, &view), STATUS_END);
    const uint8_t rows[] = {0x92, 0x05, 0x01, 0x92, 0x05};
    assert_ok(rows_next(rows, sizeof rows, &offset, &view));
    assert_int_equal(offset, 3);
    assert_int_equal(rows_next(rows, sizeof rows, &offset, &view), STATUS_MALFORMED);
    assert_int_equal(offset, 3);
}

static void depth_is_counted(void **state)
{
    (void)state;
    uint8_t nested[32];
    for (size_t depth = 0; depth < 20; depth++) {
        memset(nested, 0x91, depth);
        nested[depth] = 0xc0;
        assert_int_equal(msgpack_walk(nested, depth + 1, 0), depth <= FRAME_DEPTH_MAX ? depth + 1 : 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_frame_reads_back),
        cmocka_unit_test(an_empty_frame_is_a_frame),
        cmocka_unit_test(a_cut_frame_is_refused_wherever_it_is_cut),
        cmocka_unit_test(flipped_bits_never_do_harm),
        cmocka_unit_test(random_bytes_never_do_harm),
        cmocka_unit_test(bombs_are_refused_and_nothing_is_reserved_for_them),
        cmocka_unit_test(an_oversized_frame_is_a_limit),
        cmocka_unit_test(headers_are_checked),
        cmocka_unit_test(unknown_kinds_and_fields_are_passed_over),
        cmocka_unit_test(rows_next_stops_at_damage),
        cmocka_unit_test(depth_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
