// A symbol that moves from one capture to another (docs/decisions/0030): wherever the cut falls, however its streams lie to each other,
// and whenever the next owner dies, the rows are those of one capture that nobody cut.
// links: service_harvest market journal proto base yyjson
#include "base/random.h"
#include "moving_side.h"
#include "proto/trade.h"

#include <inttypes.h>
#include <stdlib.h>

enum { MESSAGES = 160, ROUNDS = 400 };

/* script: what the venue says of BTCUSDT, the snapshot first. */
struct script {
    char texts[MESSAGES][TEXT_BYTES];
    size_t count;
};

static void give_message(struct side *side, uint16_t source, const struct script *script, size_t index)
{
    give(side, source, script->texts[index][0] == '/' ? CAPTURE_REST : CAPTURE_MESSAGE, script->texts[index]);
}

static const char *stream_of(const char *text)
{
    return strchr(text, '@');
}

static bool is_same_stream(const char *left, const char *right)
{
    return strncmp(stream_of(left), stream_of(right), 6) == 0;
}

/* write_script: trades, some ids missing; diffs; tickers. */
static void write_script(struct script *script, struct random *random)
{
    int64_t trade = 100, update = 11, time_ms = 1000;
    script->count = 0;
    snprintf(script->texts[script->count++], TEXT_BYTES, "%s", SNAPSHOT);
    while (script->count < MESSAGES) {
        char *text = script->texts[script->count++];
        time_ms += (int64_t)random_below(random, 40);
        switch (random_below(random, 4)) {
        case 0:
        case 1:
            snprintf(text, TEXT_BYTES,
                     "{\"stream\":\"btcusdt@depth\",\"data\":{\"E\":%" PRId64 ",\"T\":%" PRId64
                     ",\"U\":%" PRId64 ",\"u\":%" PRId64 ",\"pu\":%" PRId64 ",\"b\":[[\"100\",\"%" PRId64
                     "\"]],\"a\":[]}}",
                     time_ms, time_ms, update, update + 1, update - 1, update);
            update += 2;
            break;
        case 2:
            snprintf(text, TEXT_BYTES,
                     "{\"stream\":\"btcusdt@bookTicker\",\"data\":{\"u\":%" PRId64
                     ",\"b\":\"100\",\"B\":\"%" PRId64 "\",\"a\":\"101\",\"A\":\"7\"}}",
                     update - 1, update - 2);
            break;
        default:
            trade += 1 + (random_below(random, 12) == 0);
            snprintf(text, TEXT_BYTES,
                     "{\"stream\":\"btcusdt@trade\",\"data\":{\"E\":%" PRId64 ",\"T\":%" PRId64
                     ",\"t\":%" PRId64 ",\"p\":\"100.5\",\"q\":\"2\",\"X\":\"MARKET\",\"m\":true}}",
                     time_ms, time_ms, trade);
        }
    }
}

/* disturb: trades are repeated, and change places. */
static void disturb(struct script *script, struct random *random)
{
    char kept[TEXT_BYTES];
    for (size_t i = 1; i + 1 < MESSAGES; i++) {
        size_t next = i + 1;
        while (next < MESSAGES && strncmp(stream_of(script->texts[next]), "@trade", 6) != 0)
            next++;
        if (next == MESSAGES || strncmp(stream_of(script->texts[i]), "@trade", 6) != 0)
            continue;
        uint64_t lot = random_below(random, 8);
        memcpy(kept, script->texts[i], TEXT_BYTES);
        if (lot == 0)
            memcpy(script->texts[i], script->texts[next], TEXT_BYTES);
        if (lot < 2)
            memcpy(script->texts[next], kept, TEXT_BYTES);
    }
}

/* shuffled: the same streams, each in its own order, that lie otherwise to each other: another connection. */
static void shuffle(struct script *script, struct random *random)
{
    for (size_t n = 0; n < MESSAGES; n++) {
        size_t i = 1 + (size_t)random_below(random, MESSAGES - 2);
        char kept[TEXT_BYTES];
        if (is_same_stream(script->texts[i], script->texts[i + 1]))
            continue;
        memcpy(kept, script->texts[i], TEXT_BYTES);
        memcpy(script->texts[i], script->texts[i + 1], TEXT_BYTES);
        memcpy(script->texts[i + 1], kept, TEXT_BYTES);
    }
}

/* uncut: one capture, one owner. */
static void uncut(const struct script *script, struct buffer *rows)
{
    struct side side;
    side_open(&side, rows, NULL);
    give(&side, 0, CAPTURE_OPENED, URL);
    for (size_t i = 0; i < script->count; i++)
        give_message(&side, 0, script, i);
    feed_end(side.feed);
    balance(&side);
    feed_destroy(side.feed);
}

static void assert_same_rows(const struct buffer *rows, const struct buffer *expected, uint64_t seed)
{
    if (rows->length != expected->length || memcmp(rows->data, expected->data, rows->length) != 0)
        fail_msg("seed %" PRIu64 ": %zu bytes of rows, %zu without the move", seed, rows->length,
                 expected->length);
}

/* trial: a script, its rows in one capture that nobody cut, and a side that is to give them too. */
struct trial {
    uint64_t seed;
    struct random random;
    struct script script;
    struct buffer rows, expected;
    struct side side;
    size_t begin, cut; /* where the next owner begins to hear, and where the symbol leaves */
};

static struct trial *trial_create(uint64_t seed)
{
    struct trial *trial = memory_allocate(sizeof *trial);
    trial->seed = seed;
    random_seed(&trial->random, seed);
    write_script(&trial->script, &trial->random);
    buffer_init(&trial->rows, 0);
    buffer_init(&trial->expected, 0);
    return trial;
}

static void trial_destroy(struct trial *trial)
{
    buffer_finish(&trial->rows);
    buffer_finish(&trial->expected);
    free(trial);
}

static size_t below(struct trial *trial, size_t bound)
{
    return (size_t)random_below(&trial->random, bound);
}

static void draw(struct trial *trial)
{
    trial->begin = 2 + below(trial, MESSAGES - 40);
    trial->cut = trial->begin + 1 + below(trial, MESSAGES - trial->begin - 1);
}

/* answer_late: the venue owes the first book until then. */
static void answer_late(struct trial *trial, size_t answered)
{
    char(*texts)[TEXT_BYTES] = trial->script.texts;
    memmove(texts, texts + 1, answered * TEXT_BYTES);
    snprintf(texts[answered], TEXT_BYTES, "%s", SNAPSHOT);
}

static void give_part(struct trial *trial, uint16_t source, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++)
        give_message(&trial->side, source, &trial->script, i);
}

/* both_hear: one reader has both captures; the next owner's begins. */
static void both_hear(struct trial *trial)
{
    static const int16_t OWNERS[] = {0, 0};
    uncut(&trial->script, &trial->expected);
    side_open(&trial->side, &trial->rows, OWNERS);
    give(&trial->side, 0, CAPTURE_OPENED, URL);
    give_part(trial, 0, 0, trial->begin);
    give_move(&trial->side, 1, "expect");
    give(&trial->side, 1, CAPTURE_OPENED, URL);
}

static void both_end(struct trial *trial)
{
    feed_end(trial->side.feed);
    balance(&trial->side);
    assert_same_rows(&trial->rows, &trial->expected, trial->seed);
    feed_destroy(trial->side.feed);
    trial_destroy(trial);
}

/* --- all captures by one reader --- */

static void test_a_chain_of_two_captures_gives_the_rows_of_one(void **unused)
{
    (void)unused;
    for (uint64_t seed = 1; seed <= ROUNDS; seed++) {
        struct trial *trial = trial_create(seed);
        disturb(&trial->script, &trial->random);
        draw(trial);
        size_t late =
            trial->cut +
            below(trial, MESSAGES - trial->cut); /* what of the new capture is read before the cut */
        both_hear(trial);
        give_part(trial, 1, trial->begin, late);
        give_part(trial, 0, trial->begin, trial->cut);
        give_move(&trial->side, 0, "leave");
        give_part(trial, 0, trial->cut, late); /* the old capture goes on for a while */
        give_part(trial, 1, late, MESSAGES);
        both_end(trial);
    }
}

/* The venue owes the first book for so long that it is no longer waited for; the answer comes to the next owner. */
static void test_a_symbol_that_leaves_without_a_book_gives_the_rows_of_one(void **unused)
{
    (void)unused;
    for (uint64_t seed = 1; seed <= ROUNDS; seed++) {
        struct trial *trial = trial_create(seed);
        disturb(&trial->script, &trial->random);
        draw(trial);
        size_t late = trial->cut + below(trial, MESSAGES - trial->cut);
        answer_late(trial, late + below(trial, MESSAGES - late));
        both_hear(trial);
        give_part(trial, 1, trial->begin, late);
        give_part(trial, 0, trial->begin, trial->cut);
        assert_true(feed_is_owed(trial->side.feed, 1));
        give_move(&trial->side, 0, "leave");
        give_part(trial, 1, late, MESSAGES);
        both_end(trial);
    }
}

/* The next owner's clock is behind: all of its capture, an answer that it asked for as the owner and its own LEAVE included, is read before
 * the record by which it became the owner. */
static void test_there_and_back_between_clocks_that_differ_gives_the_rows_of_one(void **unused)
{
    (void)unused;
    for (uint64_t seed = 1; seed <= ROUNDS; seed++) {
        struct trial *trial = trial_create(seed);
        disturb(&trial->script, &trial->random);
        trial->begin = 2 + below(trial, 40);
        trial->cut = trial->begin + 1 + below(trial, 40);
        size_t away = trial->cut + 2 + below(trial, 40);
        size_t back = trial->cut + below(trial, away - trial->cut);
        size_t answered = trial->cut + below(trial, away - trial->cut);
        answer_late(trial, answered);
        both_hear(trial);
        give_part(trial, 1, trial->begin, away);
        give_move(&trial->side, 1, "leave");
        give_part(trial, 1, away, away + 1); /* it is heard for a while still */
        give_part(trial, 0, trial->begin, trial->cut);
        assert_int_equal(trial->rows.length, 0); /* no book yet */
        give_move(&trial->side, 0, "leave");
        give_move(&trial->side, 0, "expect");
        for (size_t i = back; i < MESSAGES; i++)
            if (i != answered)
                give_part(trial, 0, i, i + 1);
        both_end(trial);
    }
}

/* --- from daemon to daemon --- */

/* restart: a new life with the saved state. */
static void restart(struct side *side, const int16_t *owners, bool has_symbol)
{
    struct buffer state;
    struct reader in;
    struct error error = {{0}};
    buffer_init(&state, 0);
    if (has_symbol)
        feed_save_symbol(side->feed, 1, &state);
    feed_save_rest(side->feed, &state);
    uint64_t seq = side->seq;
    feed_destroy(side->feed);
    side_open(side, side->rows, owners);
    side->seq = seq;
    reader_init(&in, state.data, state.length);
    if (has_symbol)
        assert_ok(feed_load_symbol(side->feed, 1, &in));
    assert_ok(feed_load_rest(side->feed, &in, &error));
    assert_ok(reader_done(&in));
    buffer_finish(&state);
}

static int64_t count(const struct side *old, const struct side *new, enum feed_counter counter)
{
    return feed_count(old->feed, FEED_ALL, counter) + feed_count(new->feed, FEED_ALL, counter);
}

static void hand_over(struct side *from, struct side *to)
{
    struct buffer package;
    struct reader in;
    buffer_init(&package, 0);
    feed_save_symbol(from->feed, 1, &package);
    reader_init(&in, package.data, package.length);
    assert_ok(feed_load_symbol(to->feed, 1, &in));
    feed_forget(from->feed, 1);
    buffer_finish(&package);
}

static void test_a_hand_over_gives_the_rows_of_one_whoever_is_restarted(void **unused)
{
    (void)unused;
    static const int16_t HERE[] = {0, 0}, ELSEWHERE[] = {FEED_ELSEWHERE, FEED_ELSEWHERE};
    for (uint64_t seed = 1; seed <= ROUNDS; seed++) {
        struct trial *trial = trial_create(seed);
        const struct script *script = &trial->script;
        struct side old, new;
        char heard[FEED_HEARD_BYTES];
        disturb(&trial->script, &trial->random);
        draw(trial);
        uncut(script, &trial->expected);
        side_open(&old, &trial->rows, HERE);
        side_open(&new, &trial->rows, ELSEWHERE);
        give(&old, 0, CAPTURE_OPENED, URL);
        for (size_t i = 0; i < trial->begin; i++)
            give_message(&old, 0, script, i);
        give_move(&new, 0, "expect");
        give(&new, 0, CAPTURE_OPENED, URL);
        for (size_t i = trial->begin; i < script->count; i++) {
            if (i < trial->cut)
                give_message(&old, 0, script, i);
            if (i == trial->cut) {
                give_move(&old, 0, "leave");
                assert_false(feed_has(old.feed, 1));
                restart(&old, HERE, true);
                hand_over(&old, &new);
                restart(&new, ELSEWHERE, true); /* behind its commit, before it has fed anything */
                feed_settle(new.feed, 1);
                assert_true(feed_has(new.feed, 1));
            }
            give_message(&new, 0, script, i);
            if (below(trial, 10) == 0)
                restart(&new, ELSEWHERE, feed_has(new.feed, 1));
            feed_heard(new.feed, 1, heard);
        }
        feed_end(new.feed);
        assert_int_equal(count(&old, &new, FEED_PARSED),
                         count(&old, &new, FEED_RECEIVED_TRADES) + count(&old, &new, FEED_RECEIVED_BOOKS) +
                             count(&old, &new, FEED_RECEIVED_TICKERS) + count(&old, &new, FEED_MOVED));
        assert_same_rows(&trial->rows, &trial->expected, seed);
        assert_int_equal(feed_count(old.feed, FEED_ALL, FEED_RECEIVED_TRADES), 0);
        feed_destroy(old.feed);
        feed_destroy(new.feed);
        trial_destroy(trial);
    }
}

/* --- a venue's connections promise one order within a stream only --- */

struct ids {
    int64_t trades, books;
};

static void count_ids(void *context, size_t symbol, const struct message *message, const void *row)
{
    struct ids *ids = context;
    (void)symbol, (void)row;
    ids->trades += message == &trade_message;
    ids->books += strcmp(message->name, "book") == 0;
}

static void test_streams_that_lie_otherwise_on_the_new_connection_lose_and_double_nothing(void **unused)
{
    (void)unused;
    static const int16_t OWNERS[] = {0, 0};
    for (uint64_t seed = 1; seed <= ROUNDS; seed++) {
        struct trial *trial = trial_create(seed);
        const struct script *script = &trial->script;
        struct script *other = memory_allocate(sizeof *other);
        struct ids ids = {0}, wanted = {0};
        const struct feed_config config = side_config(OWNERS);
        struct side side = {0};
        *other = *script;
        shuffle(other, &trial->random);
        draw(trial);
        for (size_t i = 1; i < script->count; i++) {
            wanted.trades += strncmp(stream_of(script->texts[i]), "@trade", 6) == 0;
            wanted.books += strncmp(stream_of(script->texts[i]), "@depth", 6) == 0;
        }
        side.feed = feed_create(&config, count_ids, &ids, NULL);
        give(&side, 0, CAPTURE_OPENED, URL);
        give_move(&side, 1, "expect");
        for (size_t i = 0; i < trial->cut; i++)
            give_message(&side, 0, script, i);
        for (size_t i = 1; i < other->count; i++) /* heard from the beginning: it overlaps in every stream */
            give_message(&side, 1, other, i);
        give_move(&side, 0, "leave");
        feed_end(side.feed);
        balance(&side);
        assert_int_equal(ids.trades, wanted.trades);
        assert_int_equal(ids.books, wanted.books);
        assert_int_equal(
            feed_count(side.feed, 1, FEED_DEDUP_HITS) + feed_count(side.feed, 1, FEED_BOOK_BACKWARD), 0);
        feed_destroy(side.feed);
        trial_destroy(trial);
        free(other);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_chain_of_two_captures_gives_the_rows_of_one),
        cmocka_unit_test(test_a_symbol_that_leaves_without_a_book_gives_the_rows_of_one),
        cmocka_unit_test(test_there_and_back_between_clocks_that_differ_gives_the_rows_of_one),
        cmocka_unit_test(test_a_hand_over_gives_the_rows_of_one_whoever_is_restarted),
        cmocka_unit_test(test_streams_that_lie_otherwise_on_the_new_connection_lose_and_double_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
