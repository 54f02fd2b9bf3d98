/* recording: both line formats of the recorded market data as capture records in memory, for tests. */
#pragma once

#include "base/buffer.h"
#include "base/memory.h"
#include "journal/capture.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

struct recording {
    struct capture_record *records;
    size_t count;
    size_t capacity;
    bool has_aggregate_trades;
};

static inline void recording_add(struct recording *recording, int64_t recv_ns, enum capture_kind kind,
                                 char *payload, size_t bytes)
{
    recording->records = memory_grow(recording->records, &recording->capacity, recording->count + 1,
                                     sizeof *recording->records);
    recording->records[recording->count] = (struct capture_record){
        .seq = recording->count + 1,
        .recv_ns = recv_ns,
        .kind = (uint16_t)kind,
        .conn_id = 1,
        .payload = payload,
        .payload_bytes = bytes,
    };
    recording->count++;
    if (kind == CAPTURE_MESSAGE && strstr(payload, "@aggTrade\""))
        recording->has_aggregate_trades = true;
}

/* recording_add_rest: URL, newline, body. */
static inline void recording_add_rest(struct recording *recording, int64_t recv_ns, const char *url,
                                      const char *body)
{
    struct buffer text;
    buffer_init(&text, 0);
    buffer_format(&text, "%s\n%s", url, body);
    buffer_text(&text);
    recording_add(recording, recv_ns, CAPTURE_REST, (char *)text.data, text.length);
}

/* seconds_to_ns: "1617566591.326123" exactly. */
static inline int64_t seconds_to_ns(const char *text)
{
    char *end;
    int64_t ns = strtoll(text, &end, 10) * 1000000000;
    if (*end == '.') {
        int64_t unit = 100000000;
        for (end++; *end >= '0' && *end <= '9'; end++, unit /= 10)
            ns += (*end - '0') * unit;
    }
    return ns;
}

/* recording_add_hft: "<µs or ns> <JSON>"; JSON without a stream is the depth answer of `symbol`. */
static inline void recording_add_hft(struct recording *recording, char *line, const char *symbol)
{
    char *blank = strchr(line, ' ');
    if (!blank)
        return;
    int64_t recv_ns = strtoll(line, NULL, 10) * (blank - line == 16 ? 1000 : 1);
    if (strncmp(blank + 1, "{\"stream\"", 9) == 0) {
        char *payload = memory_copy_text(blank + 1);
        recording_add(recording, recv_ns, CAPTURE_MESSAGE, payload, strlen(payload));
        return;
    }
    char url[128];
    snprintf(url, sizeof url, "http://venue/depth?symbol=%s&limit=1000", symbol);
    recording_add_rest(recording, recv_ns, url, blank + 1);
}

/* recording_add_cryptofeed: "<s>: <JSON>", "<url> -> <s>: <JSON>", "<url> <-> <s>", "configuration: …". */
static inline void recording_add_cryptofeed(struct recording *recording, char *line)
{
    char *arrow = strstr(line, " -> ");
    if (strncmp(line, "http", 4) == 0 && arrow) {
        char *body = strstr(arrow, ": ");
        *arrow = 0;
        recording_add_rest(recording, seconds_to_ns(arrow + 4), line, body + 2);
    } else if (line[0] >= '0' && line[0] <= '9') {
        char *payload = memory_copy_text(strstr(line, ": ") + 2);
        recording_add(recording, seconds_to_ns(line), CAPTURE_MESSAGE, payload, strlen(payload));
    }
}

/* recording_read: appends a file; false when it cannot be read. */
static inline bool recording_read(struct recording *recording, const char *path, bool is_cryptofeed,
                                  const char *symbol)
{
    gzFile file = gzopen(path, "rb");
    if (!file)
        return false;
    size_t size = 1 << 20;
    char *line = malloc(size);
    while (gzgets(file, line, (int)size)) {
        size_t length = strlen(line);
        while (length && (line[length - 1] == '\n' || line[length - 1] == '\r'))
            line[--length] = 0;
        if (is_cryptofeed)
            recording_add_cryptofeed(recording, line);
        else
            recording_add_hft(recording, line, symbol);
    }
    free(line);
    gzclose(file);
    return true;
}

static inline void recording_finish(struct recording *recording)
{
    for (size_t i = 0; i < recording->count; i++)
        free((void *)(uintptr_t)recording->records[i].payload);
    free(recording->records);
    *recording = (struct recording){0};
}
