// links: bus injury proto base zmq
/* Faults on links: each does what its name says, to its share, the same way for the same seed, and nothing when it is over. */
#include "tests/support/check.h"
#include "until.h"

#include "base/clock.h"
#include "bus/bus.h"
#include "injury/lease.h"
#include "proto/frame.h"

#include <stdlib.h>
#include <string.h>

enum { PATIENCE_MS = 60000, FRAMES = 200, LONG_MS = 600000 };

static char folder[PATH_BYTES];

/* listener: what came, in order: the number each frame carries, -1: it could not be read. */
struct listener {
    struct bus *bus;
    struct injury_table *table;
    size_t connection;
    size_t count, answers;
    int64_t numbers[4 * FRAMES];
};

enum { LAST_OF_OPENING = 1 << 20 };

static struct bus *publisher;
static size_t requests;

static void on_frame(void *context, size_t connection, const char *topic, size_t topic_length,
                     const void *data, size_t bytes)
{
    (void)connection, (void)topic, (void)topic_length;
    struct listener *listener = context;
    struct frame frame;
    bool good = frame_open(&frame, data, bytes, NULL) == STATUS_OK;
    if (good && frame.header.first_sequence == 0)
        return; /* said until it is heard */
    assert_true(listener->count < 4 * FRAMES);
    listener->numbers[listener->count++] = good ? frame.header.first_sequence : -1;
}

static void on_answer(void *context, size_t connection, const void *head, size_t head_bytes, const void *body,
                      size_t body_bytes)
{
    (void)connection, (void)head, (void)head_bytes, (void)body, (void)body_bytes;
    ((struct listener *)context)->answers++;
}

static void on_request(void *context, const struct bus_peer_id *peer, const void *data, size_t bytes)
{
    requests++;
    bus_answer(context, peer, data, bytes, NULL, 0);
}

static void serve(void)
{
    const struct bus_events events = {.context = publisher, .request = on_request};
    bus_poll(publisher, 0, 100, &events);
}

static void listen_once(struct listener *listener)
{
    const struct bus_events events = {.context = listener, .frame = on_frame, .answer = on_answer};
    bus_poll(listener->bus, 5, 1000, &events);
}

static void say(int64_t number)
{
    struct frame_header header = {.run_id = "r", .instance = "up", .generation = 1, .first_sequence = number};
    struct buffer frame;
    buffer_init(&frame, 0);
    frame_encode(&frame, &header, NULL, 0);
    bus_publish(publisher, "up/X", frame.data, frame.length);
    buffer_finish(&frame);
}

static struct bus *open_bus(const char *instance)
{
    struct bus_config config = {.folder = folder, .instance = instance, .high_water_mark = 100000};
    struct bus *bus;
    struct error error = {{0}};
    if (bus_create(&config, &bus, &error) != STATUS_OK)
        fail_msg("%s", error.text);
    return bus;
}

static bool heard_zero;

static void on_first(void *context, size_t connection, const char *topic, size_t topic_length,
                     const void *data, size_t bytes)
{
    (void)context, (void)connection, (void)topic, (void)topic_length, (void)data, (void)bytes;
    heard_zero = true;
}

/* listener_open: connected: both ways have been seen to work. */
static void listener_open(struct listener *listener)
{
    const struct bus_events events = {.context = listener, .frame = on_first, .answer = on_answer};
    *listener = (struct listener){.bus = open_bus("down"), .table = injury_table_create()};
    bus_injure(listener->bus, listener->table);
    assert_ok(bus_connect(listener->bus, "up", &listener->connection, NULL));
    bus_subscribe(listener->bus, listener->connection, "up/");
    assert_ok(bus_request(listener->bus, listener->connection, "?", 1));
    heard_zero = false;
    for (int64_t until_ms = now_ms() + PATIENCE_MS; !heard_zero || !listener->answers;) {
        assert_true(now_ms() < until_ms);
        say(0);
        serve();
        bus_poll(listener->bus, 5, 1000, &events);
    }
    say(LAST_OF_OPENING); /* what was said until it was heard is not taken for what a test says */
    for (int64_t until_ms = now_ms() + PATIENCE_MS; listener->count == 0;) {
        assert_true(now_ms() < until_ms);
        listen_once(listener);
    }
    listener->count = listener->answers = 0;
}

static void listener_close(struct listener *listener)
{
    bus_destroy(listener->bus);
    injury_table_destroy(listener->table);
}

static void begin(struct listener *listener, enum injury_kind kind, int64_t id, int64_t seed)
{
    const struct injury_row *row = injury_row(kind);
    struct injury_order order = {.id = id,
                                 .kind = kind,
                                 .share = row->share_default,
                                 .seed = seed,
                                 .amount = row->amount_default,
                                 .ttl_ms = LONG_MS};
    assert_ok(injury_begin(listener->table, &order, NULL));
}

static int64_t touched(struct listener *listener)
{
    int64_t active, touched;
    injury_figures(listener->table, &active, &touched);
    return touched;
}

/* say_all: FRAMES numbered frames, and waits until as many have arrived. */
static void say_all(struct listener *listener)
{
    for (int64_t number = 1; number <= FRAMES; number++)
        say(number);
    for (int64_t until_ms = now_ms() + PATIENCE_MS; listener->count < FRAMES;) {
        assert_true(now_ms() < until_ms);
        listen_once(listener);
    }
}

static void a_dropped_frame_does_not_arrive_and_the_same_seed_drops_the_same(void **unused)
{
    (void)unused;
    struct listener first, second;
    listener_open(&first);
    begin(&first, INJURY_DROP, 1, 11);
    for (int64_t number = 1; number <= FRAMES; number++)
        say(number);
    for (int64_t until_ms = now_ms() + PATIENCE_MS; (int64_t)first.count + touched(&first) < FRAMES;) {
        assert_true(now_ms() < until_ms);
        listen_once(&first);
    }
    assert_in_range(touched(&first), FRAMES / 4, FRAMES * 3 / 4);
    listener_close(&first);
    listener_open(&second);
    begin(&second, INJURY_DROP, 5, 11); /* another lease, the same seed */
    for (int64_t number = 1; number <= FRAMES; number++)
        say(number);
    for (int64_t until_ms = now_ms() + PATIENCE_MS; (int64_t)second.count + touched(&second) < FRAMES;) {
        assert_true(now_ms() < until_ms);
        listen_once(&second);
    }
    assert_int_equal(first.count, second.count);
    assert_memory_equal(first.numbers, second.numbers, first.count * sizeof first.numbers[0]);
    listener_close(&second);
}

static void a_duplicate_comes_twice_in_a_row(void **unused)
{
    (void)unused;
    struct listener listener;
    listener_open(&listener);
    begin(&listener, INJURY_DUPLICATE, 1, 3);
    for (int64_t number = 1; number <= FRAMES; number++)
        say(number);
    for (int64_t until_ms = now_ms() + PATIENCE_MS; (int64_t)listener.count < FRAMES + touched(&listener);) {
        assert_true(now_ms() < until_ms);
        listen_once(&listener);
    }
    size_t repeated = 0;
    for (size_t i = 1; i < listener.count; i++) {
        assert_in_range(listener.numbers[i] - listener.numbers[i - 1], 0, 1);
        repeated += listener.numbers[i] == listener.numbers[i - 1];
    }
    assert_int_equal(repeated, touched(&listener));
    assert_in_range(repeated, FRAMES / 4, FRAMES * 3 / 4);
    listener_close(&listener);
}

static void a_damaged_frame_is_never_taken_for_a_good_one(void **unused)
{
    (void)unused;
    struct listener listener;
    size_t bad = 0;
    listener_open(&listener);
    begin(&listener, INJURY_CORRUPT, 1, 5);
    say_all(&listener);
    for (size_t i = 0; i < listener.count; i++) {
        bad += listener.numbers[i] < 0;
        assert_true(listener.numbers[i] < 0 || listener.numbers[i] == (int64_t)i + 1);
    }
    assert_int_equal(bad, touched(&listener));
    assert_true(bad > 0);
    listener_close(&listener);
}

static void what_is_delayed_comes_later_and_nothing_is_lost(void **unused)
{
    (void)unused;
    struct listener listener;
    bool seen[FRAMES + 1] = {false};
    size_t behind = 0;
    listener_open(&listener);
    begin(&listener, INJURY_DELAY, 1, 9);
    say_all(&listener);
    for (size_t i = 0; i < listener.count; i++) {
        behind += i && listener.numbers[i] < listener.numbers[i - 1];
        assert_false(seen[listener.numbers[i]]);
        seen[listener.numbers[i]] = true;
    }
    assert_int_equal(listener.count, FRAMES);
    assert_true(behind > 0 && touched(&listener) > 0);
    listener_close(&listener);
}

static void what_is_held_back_comes_at_once_when_the_lease_is_over(void **unused)
{
    (void)unused;
    struct listener listener;
    struct injury_order order = {
        .id = 1, .kind = INJURY_DELAY, .share = 1, .amount = LONG_MS, .ttl_ms = LONG_MS};
    listener_open(&listener);
    assert_ok(injury_begin(listener.table, &order, NULL));
    say(1);
    for (int64_t until_ms = now_ms() + PATIENCE_MS; !touched(&listener);) {
        assert_true(now_ms() < until_ms);
        listen_once(&listener);
    }
    assert_int_equal(listener.count, 0);
    assert_ok(injury_clear(listener.table, 1, NULL));
    listen_once(&listener);
    assert_int_equal(listener.count, 1);
    listener_close(&listener);
}

static void a_partition_takes_frames_requests_and_answers_until_it_is_over(void **unused)
{
    (void)unused;
    struct listener listener;
    listener_open(&listener);
    assert_ok(bus_request(listener.bus, listener.connection, "?", 1)); /* its answer is under way */
    begin(&listener, INJURY_PARTITION, 1, 1);
    requests = 0;
    for (int64_t until_ms = now_ms() + PATIENCE_MS; touched(&listener) < 2;) {
        assert_true(now_ms() < until_ms);
        if (touched(&listener) == 1) /* the answer; now a frame */
            say(1);
        serve();
        listen_once(&listener);
    }
    assert_int_equal(listener.count + listener.answers, 0);
    assert_int_equal(requests, 1);
    int64_t before = touched(&listener);
    assert_ok(bus_request(listener.bus, listener.connection, "?", 1));
    assert_int_equal(touched(&listener), before + 1);
    assert_ok(injury_clear(listener.table, 1, NULL));
    assert_ok(bus_request(listener.bus, listener.connection, "?", 1));
    for (int64_t until_ms = now_ms() + PATIENCE_MS; !listener.count || !listener.answers;) {
        assert_true(now_ms() < until_ms);
        say(2);
        serve();
        listen_once(&listener);
    }
    assert_int_equal(requests, 2); /* the one in between was never sent */
    listener_close(&listener);
}

static void another_link_is_left_alone(void **unused)
{
    (void)unused;
    struct listener listener;
    struct injury_order order = {.id = 1, .kind = INJURY_PARTITION, .ttl_ms = LONG_MS, .link = "elsewhere"};
    listener_open(&listener);
    assert_true(bus_has_connection(listener.bus, "up"));
    assert_false(bus_has_connection(listener.bus, "elsewhere"));
    assert_ok(injury_begin(listener.table, &order, NULL));
    say_all(&listener);
    assert_int_equal(touched(&listener), 0);
    listener_close(&listener);
}

static int begin_group(void **unused)
{
    (void)unused;
    check_folder(folder);
    path_join(folder, folder, "bus");
    publisher = open_bus("up");
    assert_ok(bus_bind(publisher, NULL));
    return 0;
}

static int end_group(void **unused)
{
    (void)unused;
    bus_destroy(publisher);
    *strrchr(folder, '/') = 0;
    check_folder_remove(folder);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_dropped_frame_does_not_arrive_and_the_same_seed_drops_the_same),
        cmocka_unit_test(a_duplicate_comes_twice_in_a_row),
        cmocka_unit_test(a_damaged_frame_is_never_taken_for_a_good_one),
        cmocka_unit_test(what_is_delayed_comes_later_and_nothing_is_lost),
        cmocka_unit_test(what_is_held_back_comes_at_once_when_the_lease_is_over),
        cmocka_unit_test(a_partition_takes_frames_requests_and_answers_until_it_is_over),
        cmocka_unit_test(another_link_is_left_alone),
    };
    check_filter();
    return cmocka_run_group_tests(tests, begin_group, end_group);
}
