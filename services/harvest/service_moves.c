/* What is left at the end of a life, what is saved, and what goes with a symbol that moves: the stage's questions, handed on to intake
 * and feed. */
#include "service.h"

void harvest_halt(void *service, int64_t until_ms)
{
    struct harvest *harvest = service;
    struct error error;
    bool has_none = true;
    intake_halt(&harvest->intake, until_ms);
    for (size_t i = 0; i < stage_symbol_count(harvest->stage); i++)
        has_none = has_none && !stage_owns(harvest->stage, i);
    while (has_none && intake_feed(&harvest->intake, harvest->feed, &error) == STATUS_OK)
        ; /* it makes no row, and nobody else may ever count it: the instance may be scaled away */
}

void harvest_save(void *service, struct buffer *out)
{
    struct harvest *harvest = service;
    intake_save(&harvest->intake, harvest->feed, out);
}

enum status harvest_load(void *service, struct reader *in)
{
    struct harvest *harvest = service;
    return intake_load(&harvest->intake, harvest->feed, in);
}

void harvest_symbol_save(void *service, size_t symbol, struct buffer *out)
{
    feed_save_symbol(((struct harvest *)service)->feed, symbol, out);
}

enum status harvest_symbol_load(void *service, size_t symbol, struct reader *in)
{
    return feed_load_symbol(((struct harvest *)service)->feed, symbol, in);
}

enum status harvest_symbol_expect(void *service, size_t symbol, int64_t version, struct error *error)
{
    struct harvest *harvest = service;
    return intake_expect(&harvest->intake, harvest->feed, symbol, version, error);
}

void harvest_symbol_forget(void *service, size_t symbol, int64_t version)
{
    struct harvest *harvest = service;
    intake_forget(&harvest->intake, harvest->feed, symbol, version);
}

void harvest_symbol_heard(void *service, size_t symbol, char out_heard[HEARD_BYTES])
{
    struct harvest *harvest = service;
    intake_heard(&harvest->intake, harvest->feed, symbol, out_heard);
}

enum status harvest_symbol_may_leave(void *service, size_t symbol, const char *heard, struct error *error)
{
    struct harvest *harvest = service;
    return intake_may_leave(&harvest->intake, harvest->feed, symbol, heard, error);
}

enum status harvest_symbol_leave(void *service, size_t symbol, int64_t version, struct error *error)
{
    struct harvest *harvest = service;
    return intake_leave(&harvest->intake, harvest->feed, symbol, version, error);
}

void harvest_symbol_left(void *service, size_t symbol)
{
    struct harvest *harvest = service;
    intake_left(&harvest->intake, harvest->feed, symbol);
}
