// links: simulator base
#include "captures.h"

#include "services/simulator/inject.h"

static char folder[PATH_BYTES];
static struct catalogue catalogue;
static uint16_t trade, depth, other;

static int begin(void **state)
{
    (void)state;
    check_folder(folder);
    catalogue_init(&catalogue);
    trade = catalogue_add_stream(&catalogue, span_of("aausdt@trade"));
    depth = catalogue_add_stream(&catalogue, span_of("aausdt@depth"));
    other = catalogue_add_stream(&catalogue, span_of("bbusdt@trade"));
    return 0;
}

static int end(void **state)
{
    (void)state;
    catalogue_finish(&catalogue);
    check_folder_remove(folder);
    return 0;
}

static enum status load(const char *lines, struct inject **out_inject, struct error *error)
{
    char path[PATH_BYTES];
    write_capture(folder, "faults.jsonl", lines, path);
    return inject_load(path, out_inject, error);
}

/* note_entry: each entry as a few letters: its text's first letter, "-" not delivered, "+" added, "!" cut, "x"
 * close. */
static void note_entry(void *context, const struct tape_entry *entry)
{
    char *notes = context;
    size_t at = strlen(notes);
    if (entry->flags & TAPE_UNSENT)
        notes[at++] = '-';
    if (entry->flags & TAPE_EXTRA)
        notes[at++] = '+';
    if (entry->kind == TAPE_CUT)
        notes[at++] = '!';
    if (entry->kind == TAPE_CLOSE)
        notes[at++] = 'x';
    notes[at++] = entry->bytes ? *entry->text : '_';
    notes[at++] = ' ';
}

/* pass: t, d and o stand for the three streams. */
static void pass(struct inject *inject, const char *stream_letters, const char *texts, const char *expected)
{
    char notes[256] = "";
    for (size_t i = 0; stream_letters[i]; i++) {
        uint16_t stream = stream_letters[i] == 't' ? trade : stream_letters[i] == 'd' ? depth : other;
        struct tape_entry entry = {.recv_ns = (int64_t)i,
                                   .text = texts + i,
                                   .bytes = 1,
                                   .data_bytes = 1,
                                   .stream = stream,
                                   .symbol = catalogue.streams[stream].symbol,
                                   .kind = TAPE_MESSAGE};
        inject_pass(inject, &catalogue, &entry, note_entry, notes);
    }
    assert_string_equal(notes, expected);
}

static void passes(const char *lines, const char *stream_letters, const char *texts, const char *expected)
{
    struct inject *inject;
    struct error error = {""};
    if (load(lines, &inject, &error) != STATUS_OK)
        fail_msg("%s", error.text);
    pass(inject, stream_letters, texts, expected);
    assert_int_equal(inject_applied(inject), inject_count(inject));
    inject_destroy(inject);
}

static void raw_text_goes_in_between(void **state)
{
    (void)state;
    passes("{\"after\":2,\"raw\":\"R\"}\n", "tdot", "abcd", "a b +R c d ");
    passes("{\"after\":0,\"raw\":\"R\"}\n", "td", "ab", "+R a b ");
    passes("{\"after\":1,\"stream\":\"aausdt@trade\",\"raw\":\"R\"}\n", "tdot", "abcd", "a b c +R d ");
}

static void frames_break_off_and_connections_close(void **state)
{
    (void)state;
    passes("{\"after\":1,\"truncate\":true}\n", "tdt", "abc", "a +!b -b c ");
    passes("{\"after\":1,\"symbol\":\"BBUSDT\",\"close\":1012,\"reason\":\"restart\"}\n", "otoo", "abcd",
           "a b +xr c d ");
}

static void messages_are_dropped_repeated_and_swapped(void **state)
{
    (void)state;
    passes("{\"after\":1,\"symbol\":\"AAUSDT\",\"drop\":2}\n", "todtt", "abcde", "a b -c -d e ");
    passes("{\"after\":1,\"stream\":\"aausdt@trade\",\"duplicate\":2}\n", "tttt", "abcd", "a b +b c +c d ");
    passes("{\"after\":1,\"stream\":\"aausdt@trade\",\"swap\":true}\n", "ttdtt", "abcde", "a -b c d +b e ");
}

static void several_faults_act_on_their_own(void **state)
{
    (void)state;
    passes("# comment\n{\"after\":1,\"drop\":1}\n\n{\"after\":1,\"raw\":\"R\"}\n", "ttt", "abc",
           "a +R -b c ");
}

static void rest_answers_are_replaced_in_order(void **state)
{
    (void)state;
    struct inject *inject;
    struct error error;
    struct rest_fault fault;
    assert_ok(
        load("{\"rest\":\"depth\",\"symbol\":\"AAUSDT\",\"status\":429,\"retry_after_s\":3,\"times\":2}\n"
             "{\"rest\":\"depth\",\"after\":1,\"body\":\"{}\"}\n",
             &inject, &error));
    assert_true(inject_rest(inject, "depth", "AAUSDT", &fault));
    assert_int_equal(fault.status, 429);
    assert_int_equal(fault.retry_after_s, 3);
    assert_true(inject_rest(inject, "depth", "AAUSDT", &fault));
    assert_false(inject_rest(inject, "time", "AAUSDT", &fault));
    assert_false(inject_rest(inject, "depth", "AAUSDT", &fault)); /* the second line lets one pass */
    assert_true(inject_rest(inject, "depth", "BBUSDT", &fault));
    assert_int_equal(fault.status, 200);
    assert_int_equal(fault.body_bytes, 2);
    assert_false(inject_rest(inject, "depth", "BBUSDT", &fault));
    inject_destroy(inject);
}

static void mistakes_are_said_with_their_line(void **state)
{
    (void)state;
    static const char *const WRONG[][2] = {
        {"{\"after\":1}\n", ":1: action:"},
        {"{\"raw\":\"a\"}\n{\"after\":-1,\"raw\":\"a\"}\n", ":2: after:"},
        {"{\"raw\":7}\n", "raw: must be a text"},
        {"{\"raw\":\"a\",\"drop\":1}\n", "drop: is a second action"},
        {"{\"rwa\":\"a\"}\n", "rwa: is not a key"},
        {"{\"close\":99999}\n", "close:"},
        {"nonsense\n", ":1: not a JSON object"},
    };
    for (size_t i = 0; i < sizeof WRONG / sizeof *WRONG; i++) {
        struct inject *inject;
        struct error error = {""};
        assert_int_equal(load(WRONG[i][0], &inject, &error), STATUS_INVALID);
        if (!strstr(error.text, WRONG[i][1]))
            fail_msg("'%s' is not in: %s", WRONG[i][1], error.text);
    }
}

int main(void)
{
#define WITH_CATALOGUE(test) cmocka_unit_test_setup_teardown(test, begin, end)
    const struct CMUnitTest tests[] = {
        WITH_CATALOGUE(raw_text_goes_in_between),
        WITH_CATALOGUE(frames_break_off_and_connections_close),
        WITH_CATALOGUE(messages_are_dropped_repeated_and_swapped),
        WITH_CATALOGUE(several_faults_act_on_their_own),
        WITH_CATALOGUE(rest_answers_are_replaced_in_order),
        WITH_CATALOGUE(mistakes_are_said_with_their_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
