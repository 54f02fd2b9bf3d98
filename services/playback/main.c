/* playback: stands in for features when what is recorded is its rows: plays the rows of kind=features below run.input_dir on the streams
 * of features, with sequences of its own, so that signal and everybody behind it work as ever (docs/decisions/0037). A program of its own,
 * so that features does not load DuckDB. */
#include "listing.h"
#include "player.h"

#include <string.h>

static enum status playback_open(struct stage *stage, void **out_service, struct error *error)
{
    return player_open(stage, (struct player **)out_service, error);
}

static void playback_close(void *service)
{
    player_close(service);
}

static enum status playback_pull(void *service, size_t budget, int wait_ms, bool *out_more,
                                 struct error *error)
{
    (void)wait_ms; /* the reader wakes the loop */
    return player_play(service, budget, out_more, error);
}

static int64_t playback_due_ms(void *service)
{
    return ((struct player *)service)->due_ms;
}

static enum status playback_command(void *service, const char *verb, const char *arguments_json,
                                    struct error *error)
{
    (void)arguments_json, (void)error;
    return player_command(service, verb);
}

static void playback_halt(void *service, int64_t until_ms)
{
    (void)until_ms;
    player_halt(service);
}

static void playback_save(void *service, struct buffer *out)
{
    player_save(service, out);
}

static enum status playback_load(void *service, struct reader *in)
{
    return player_load(service, in);
}

static void playback_symbol_save(void *service, size_t symbol, struct buffer *out)
{
    track_save(&((struct player *)service)->tracks[symbol], out);
}

static enum status playback_symbol_load(void *service, size_t symbol, struct reader *in)
{
    return track_load(&((struct player *)service)->tracks[symbol], in);
}

static void playback_report(void *service, struct stage_report *report)
{
    player_report(service, report);
}

static void playback_ledger(void *service, struct stage_ledger *ledger)
{
    struct player *player = service;
    for (size_t i = 0; i < stage_symbol_count(player->stage); i++)
        if (stage_owns(player->stage, i))
            track_ledger(&player->tracks[i], i, ledger);
}

/* playback_caught_up: where the last life was; how much is still to be played is nobody's lag. */
static bool playback_caught_up(void *service)
{
    return !player_rereads(service);
}

static const struct stage_service PLAYBACK = {
    .name = "features",
    .program = "playback",
    .summary = "Plays rows of kind=features from Parquet files in the place of features.",
    .publishes = true,
    .open = playback_open,
    .close = playback_close,
    .pull = playback_pull,
    .due_ms = playback_due_ms,
    .command = playback_command,
    .halt = playback_halt,
    .save = playback_save,
    .load = playback_load,
    .symbol_save = playback_symbol_save,
    .symbol_load = playback_symbol_load,
    .report = playback_report,
    .ledger = playback_ledger,
    .caught_up = playback_caught_up,
};

int main(int argc, char **argv)
{
    bool lists = argc > 1 && (strcmp(argv[1], "--list") == 0 || strcmp(argv[1], "--hashes") == 0);
    return lists ? listing_main(argc, argv) : stage_main(&PLAYBACK, argc, argv);
}
