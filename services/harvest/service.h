/* service: what harvest's main.c keeps, and what it answers when a symbol moves (service_moves.c; docs/decisions/0030). */
#pragma once

#include "figures.h"
#include "stage/stage.h"

struct harvest {
    struct stage *stage;
    struct feed *feed; /* of all symbols of the run; it feeds ours */
    struct row_figures rows;
    struct intake intake; /* capture, its reader, the receiver */
    bool at_end;          /* nothing more is readable just now */
};

void harvest_halt(void *service, int64_t until_ms);
void harvest_save(void *service, struct buffer *out);
enum status harvest_load(void *service, struct reader *in);
void harvest_symbol_save(void *service, size_t symbol, struct buffer *out);
enum status harvest_symbol_load(void *service, size_t symbol, struct reader *in);
enum status harvest_symbol_expect(void *service, size_t symbol, int64_t version, struct error *error);
void harvest_symbol_forget(void *service, size_t symbol, int64_t version);
void harvest_symbol_heard(void *service, size_t symbol, char out_heard[HEARD_BYTES]);
enum status harvest_symbol_may_leave(void *service, size_t symbol, const char *heard, struct error *error);
enum status harvest_symbol_leave(void *service, size_t symbol, int64_t version, struct error *error);
void harvest_symbol_left(void *service, size_t symbol);
