/* streams: which streams harvest listens to, and the URLs that carry them. */
#pragma once

#include "base/buffer.h"
#include "base/map.h"
#include "receiver.h"

enum stream_use { STREAM_BOOK, STREAM_TRADE, STREAM_TICKER };

enum { STREAM_NAME_BYTES = 96 };
#define STREAM_UNHEARD SIZE_MAX /* no socket carries it */

struct stream {
    char name[STREAM_NAME_BYTES];
    size_t symbol;
    enum stream_use use;
    size_t link;     /* index of the socket that carries it, STREAM_UNHEARD: its symbol is not ours */
    int64_t last_ms; /* monotonic, of its newest message */
};

struct streams {
    struct stream *items;
    size_t count;
    size_t capacity;
    struct map by_name;
    bool awaits_read; /* the simulator's market stands until it hears that a snapshot has been read */
};

void streams_init(struct streams *streams);
void streams_finish(struct streams *streams);

/* streams_choose: those of the venue itself: per symbol books, trades, tickers. */
void streams_choose(struct streams *streams, const struct receiver_config *config);

/* streams_choose_offered: of those a simulator offers (the body of /simulator/streams) the ones that serve.
 * STATUS_MALFORMED; STATUS_CONFLICT: it serves another market; STATUS_NOT_FOUND: none of our symbols. */
enum status streams_choose_offered(struct streams *streams, const struct receiver_config *config,
                                   const char *body, size_t bytes, struct error *error) MUST_USE;

/* streams_url: the URL of the streams of one link. */
void streams_url(const struct streams *streams, size_t link, const char *base, struct buffer *out);

/* streams_find: index of the stream a combined message belongs to, MAP_ABSENT when it is none of ours. */
size_t streams_find(const struct streams *streams, const char *text, size_t bytes);
