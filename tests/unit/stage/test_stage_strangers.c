// links: stage journal bus config proto base
// timeout: 600
/* The stage and what others say to it: strangers, commands, its command line, a damaged journal. */
#include "stage_pair.h"

/* --- strangers --- */

static void append_frame(struct buffer *out, const char *run_id, const struct message *message,
                         const void *row, size_t times)
{
    struct buffer rows;
    struct frame_header header = {.instance = "counter", .first_sequence = 1, .row_count = times};
    snprintf(header.run_id, sizeof header.run_id, "%s", run_id);
    buffer_init(&rows, 0);
    for (size_t i = 0; i < times; i++)
        row_encode(&rows, message, message->field_count, row);
    buffer_clear(out);
    frame_encode(out, &header, rows.data, rows.length);
    buffer_finish(&rows);
}

static const struct {
    const char *bytes;
    size_t length;
} GARBAGE[] = {
    {"", 0},
    {"\xc1", 1},
    {"\xdd\x0f\xff\xff\xff", 5},
    {"\x96\x01\xa1r\x92\xa1i\x01\x05\x01\xdd\x0f\xff\xff\xff", 15},
    {"\x96\x01\xa1r\x92\xa1i\x01\x05\x01\x91\x91\x46", 13}, /* a catch-up request without anything */
    {"\x96\x01\xa1r\x92\xa1i\x01\x05\x01\x91\x94\x46\xa1x\xa1y\xff", 17},
    {"\x96\x01\xa1r\x92\xa1i\x01\x05\x01\x91\x94\x48\xa1x\xab"
     "counter/AAA\xff",
     27}, /* durable at -1 */
    {"\x96\x02\xa1r\x92\xa1i\x01\x05\x01\x90", 11},
};

static void publish_garbage(struct bus *stranger, const struct buffer *foreign)
{
    for (size_t i = 0; i < sizeof GARBAGE / sizeof GARBAGE[0]; i++) {
        bus_publish(stranger, "counter/AAA", GARBAGE[i].bytes, GARBAGE[i].length);
        bus_publish(stranger, "heartbeat/counter", GARBAGE[i].bytes, GARBAGE[i].length);
    }
    bus_publish(stranger, "counter/AAA", foreign->data, foreign->length);
}

/* A stranger holds the producer's name first and says wrong things under its topics. */
static void wrong_frames_are_counted_and_change_nothing(void **state)
{
    (void)state;
    struct world world;
    struct bus *stranger;
    struct buffer frame;
    struct cvd_row row;
    struct error error;
    begin(&world);
    world_start(&world, ADDER);
    struct bus_config config = {.folder = world.home, .instance = "counter", .high_water_mark = 1000};
    assert_ok(bus_create(&config, &stranger, &error));
    assert_ok(bus_bind(stranger, &error));
    buffer_init(&frame, 0);
    message_clear(&cvd_message, &row);
    append_frame(&frame, "another-run", &cvd_message, &row, 3);
    UNTIL_DOING(&world,
                world_counter(&world, ADDER, "stage_foreign_frames") > 0 &&
                    world_counter(&world, ADDER, "stage_malformed_frames") >= 6,
                publish_garbage(stranger, &frame));
    assert_true(world_logged(&world, ADDER, "frame_rejected"));
    bus_destroy(stranger);
    buffer_finish(&frame);
    world_start(&world, COUNTER);
    finish(&world);
}

static void wrong_requests_are_counted_and_change_nothing(void **state)
{
    (void)state;
    struct world world;
    struct random random = check_random();
    begin(&world);
    ARGUMENTS(&world, COUNTER, "--hold", "100");
    start_both(&world);
    for (enum who who = COUNTER; who < SERVICES; who++) {
        for (size_t i = 0; i < sizeof GARBAGE / sizeof GARBAGE[0]; i++)
            world_send(&world, who, GARBAGE[i].bytes, GARBAGE[i].length);
        for (int i = 0; i < 500; i++) {
            uint8_t noise[64];
            for (size_t k = 0; k < sizeof noise; k++)
                noise[k] = (uint8_t)random_u64(&random);
            world_send(&world, who, noise, random_below(&random, sizeof noise));
        }
        UNTIL(&world, world_counter(&world, who, "stage_malformed_requests") >= 500);
    }
    assert_true(world_tell(&world, COUNTER, "release")->ok);
    finish(&world);
}

/* Many questions in one message would call for megabytes of answers. */
static void one_message_gets_one_answer(void **state)
{
    (void)state;
    struct world world;
    struct buffer frame;
    struct catch_up_request_row request = {.consumer = "x", .stream = "counter/AAA", .from = 1};
    begin(&world);
    world_start(&world, COUNTER);
    UNTIL(&world, world_ended(&world, COUNTER));
    buffer_init(&frame, 0);
    append_frame(&frame, "run-1", &catch_up_request_message, &request, 1000);
    int64_t before = world_counter(&world, COUNTER, "stage_malformed_requests");
    world_send(&world, COUNTER, frame.data, frame.length);
    UNTIL(&world, world_counter(&world, COUNTER, "stage_malformed_requests") == before + 999);
    buffer_finish(&frame);
    world_end(&world);
}

static void commands_are_answered_with_a_sentence(void **state)
{
    (void)state;
    struct world world;
    begin(&world);
    world_start(&world, COUNTER);
    assert_true(world_tell(&world, COUNTER, "status")->ok);
    assert_true(world_tell(&world, COUNTER, "go")->ok);
    const struct command_answer_row *answer = world_tell(&world, COUNTER, "dance");
    assert_false(answer->ok);
    assert_string_equal(answer->text, "counter knows no command dance");
    UNTIL(&world, strcmp(world.services[COUNTER].beat.state, "running") == 0);
    assert_true(world_tell(&world, COUNTER, "drain")->ok);
    UNTIL(&world, strcmp(world.services[COUNTER].beat.state, "drained") == 0);
    assert_true(world_tell(&world, COUNTER, "stop")->ok);
    assert_int_equal(world_wait(&world, COUNTER), 0);
    world_end(&world);
}

/* --- the command line --- */

static int run_with(struct world *world, const char *argument, const char *value)
{
    struct service *service = &world->services[COUNTER];
    service->arguments[0] = argument;
    service->arguments[1] = value;
    service->arguments[2] = NULL;
    world_spawn(world, COUNTER);
    return world_wait(world, COUNTER);
}

static void exit_codes_say_what_kind_of_failure_it_was(void **state)
{
    (void)state;
    struct world world;
    begin(&world);
    assert_int_equal(run_with(&world, "--help", NULL), 0);
    assert_int_equal(run_with(&world, "--version", NULL), 0);
    assert_int_equal(run_with(&world, "--nonsense", NULL), 2);
    assert_true(world_logged(&world, COUNTER, "counter: --nonsense: unknown option; see --help"));
    assert_int_equal(run_with(&world, "word", NULL), 2);
    assert_int_equal(run_with(&world, "--rows", NULL), 2);
    assert_int_equal(run_with(&world, "--set", "=x"), 2);
    assert_int_equal(run_with(&world, "--set", "no.such_key=1"), 2);
    assert_int_equal(run_with(&world, "--instance", "../elsewhere"), 2);
    assert_int_equal(run_with(&world, "--instance", ""), 2);
    assert_int_equal(run_with(&world, "--generation", "third"), 2);
    assert_int_equal(run_with(&world, "--config", "no-such-file.yaml"), 2);
    assert_int_equal(run_with(&world, "--debug=yes", NULL), 2);
    world.services[COUNTER].arguments[0] = NULL;
    world_start(&world, COUNTER);
    pid_t first = world.services[COUNTER].pid;
    world.services[COUNTER].pid = 0;
    world_spawn(&world, COUNTER); /* the name is taken */
    assert_int_equal(world_wait(&world, COUNTER), 5);
    world.services[COUNTER].pid = first;
    world_signal(&world, COUNTER, SIGTERM);
    assert_int_equal(world_wait(&world, COUNTER), 0);
    world_end(&world);
}

static void a_damaged_journal_is_refused_with_its_place(void **state)
{
    (void)state;
    struct world world;
    char path[PATH_BYTES];
    begin(&world);
    start_both(&world);
    UNTIL(&world, world_ended(&world, ADDER));
    stop_both(&world);
    path_join(path, world.folder, "state/journal/counter/data.mdb");
    assert_int_equal(truncate(path, 8192), 0);
    world_spawn(&world, COUNTER);
    assert_int_equal(world_wait(&world, COUNTER), 1);
    assert_true(world_logged(&world, COUNTER, "state/journal/counter: cannot be opened; remove the folder"));
    world_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_frames_are_counted_and_change_nothing),
        cmocka_unit_test(wrong_requests_are_counted_and_change_nothing),
        cmocka_unit_test(one_message_gets_one_answer),
        cmocka_unit_test(commands_are_answered_with_a_sentence),
        cmocka_unit_test(exit_codes_say_what_kind_of_failure_it_was),
        cmocka_unit_test(a_damaged_journal_is_refused_with_its_place),
    };
    check_filter();
    return cmocka_run_group_tests(tests, undisturbed, NULL);
}
