/* shard: one file of a JSONL sink: its two names, and the step from the one to the other. */
#pragma once

#include "base/clock.h"
#include "base/file.h"
#include "store/jsonl_sink.h"

enum { SHARD_STEM_BYTES = 320 };

struct shard {
    char day[TIME_TEXT_BYTES];   /* folder of the day below the output folder, "" in the normal case */
    char stem[SHARD_STEM_BYTES]; /* "signal/BTCUSDT/signals_20240808_2354_<run_id>" */
    int64_t minute;
    int64_t bytes; /* that count */
};

/* shard_name: of a symbol and an event minute. */
void shard_name(struct shard *shard, const struct jsonl_sink_config *config, const char *symbol,
                int64_t minute, bool in_day_folder);
void shard_part_path(const struct shard *shard, const char *output_dir, char out_path[PATH_BYTES]);
void shard_ready_path(const struct shard *shard, const char *output_dir, char out_path[PATH_BYTES]);

/* shard_of_run: whether this is a file of signals of the run, finished (suffix ".jsonl") or open (".part"). By its whole name: one run's
 * may end as another's does. */
bool shard_of_run(const char *path, const char *run_id, const char *suffix);

/* shard_publish: gives the finished file its final name; one already renamed, whose size is the recorded one,
 * counts as renamed. STATUS_CONFLICT when neither file is as recorded. */
enum status shard_publish(const struct shard *shard, const struct jsonl_sink_config *config,
                          bool *out_repeated, struct error *error) MUST_USE;

void shard_save(const struct shard *shard, struct buffer *out);
void shard_load(struct shard *shard, struct reader *in);

/* shard_count_ready: files a service has in the ready folder. */
int64_t shard_count_ready(const struct jsonl_sink_config *config);
