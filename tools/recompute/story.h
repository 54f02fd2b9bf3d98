/* story: the whole chain behind one signal, ready to be told (story_text.c for people, story_json.c for programs). */
#pragma once

#include "finding.h"
#include "recording.h"
#include "trace.h"

enum story_message { STORY_DIFF, STORY_TRADE, STORY_DUE, STORY_SNAPSHOT, STORY_MESSAGES };
extern const char *const STORY_MESSAGE_NAMES[]; /* "diff", "trade", "due", "snapshot", NULL */

enum { STORY_TEXT_BYTES = 2000 }; /* of a message that are kept */

/* story_raw: a record of the capture. record 0: there is none. */
struct story_raw {
    uint64_t record;
    char path[1024];
    uint64_t offset;
    int64_t recv_ns;
    size_t bytes; /* of the payload */
    char text[STORY_TEXT_BYTES];
    size_t text_bytes;
};

struct story {
    const char *run_id;
    const char *symbol;
    int64_t ts_ms;
    int levels;
    const struct recording *recording;
    const struct trace *trace;
    struct story_raw messages[STORY_MESSAGES];
    struct finding_row sinks[STORED_SINKS];
    bool is_same; /* no finding is bad, and one at least compared something */
};

/* story_collect: reads the messages once more from `captures`, newly opened. STATUS_CONFLICT: one is not to be found. */
enum status story_collect(struct story *story, struct capture_chain *captures, struct error *error) MUST_USE;

void story_text(const struct story *story, struct buffer *out);
void story_json(const struct story *story, struct buffer *out);

/* story_differences: a line for each finding that is bad, and each field that differs. */
void story_differences(const struct story *story, struct buffer *out);
