/* capture_chain: the captures of all instances of harvest that a run had, read as one.
 *
 *     data/raw             A A A A leave(B) A A …      ╲   A A A A expect leave A B B A …
 *     data/raw-harvest.2       expect(B) B B B B B …   ╱
 *
 * By receive time, at equal times in the order of the captures; but the two records of a move stand together, and each behind the moves
 * before it (capture_moves.h), whatever the clocks of their instances said.
 *
 * A symbol's history lies in one capture up to the record that says it leaves, and from there on in the one that expected it
 * (docs/data.md). Whoever reads the chain gets all records, each with its `source`, and leaves it to the feed to whom a symbol
 * belongs. Numbers are unique over the chain: those of capture n have n × CAPTURE_CHAIN_STEP added. */
#pragma once

#include "journal/capture.h"

enum { CAPTURE_CHAIN_MAX = 64 };
#define CAPTURE_CHAIN_STEP ((uint64_t)1 << 48)

struct capture_chain;

/* capture_chain_open: of the captures of a run below these folders; a folder without one is left out. STATUS_NOT_FOUND: none has
 * one; else as capture_reader_open. */
enum status capture_chain_open(const char *const *folders, size_t folder_count, const char *run_id,
                               struct capture_chain **out_chain, struct error *error) MUST_USE;

/* capture_chain_open_files: these files. Those that lie below a folder raw-harvest.N are a capture of their own; in each,
 * numbers must continue each other. */
enum status capture_chain_open_files(const char *const *paths, size_t path_count,
                                     struct capture_chain **out_chain, struct error *error) MUST_USE;

void capture_chain_close(struct capture_chain *chain); /* NULL-safe */

/* capture_chain_next: the next record, borrowed until the next call; else as capture_next. */
enum status capture_chain_next(struct capture_chain *chain, struct capture_record *out_record,
                               struct error *error) MUST_USE;

/* capture_chain_source: one of the captures, in their order; NULL behind the last. */
const struct capture_reader *capture_chain_source(const struct capture_chain *chain, size_t index);

/* capture_chain_file_count, capture_chain_file_path: the files read so far, capture by capture. */
size_t capture_chain_file_count(const struct capture_chain *chain);
const char *capture_chain_file_path(const struct capture_chain *chain, size_t index);

/* capture_chain_torn: the last file of a capture that ends in a torn record, and where; false: none does. */
bool capture_chain_torn(const struct capture_chain *chain, const char **out_path, uint64_t *out_offset);

/* capture_chain_record_place: as capture_record_place, of the record given last. */
void capture_chain_record_place(const struct capture_chain *chain, const struct capture_record *record,
                                const char **out_path, uint64_t *out_offset);
