/* captures: small recordings written by tests. */
#pragma once

#include "services/simulator/recording.h"

#include "base/file.h"
#include "tests/support/check.h"

#include <string.h>

/* write_capture: a file of these lines in a folder. */
static inline void write_capture(const char *folder, const char *name, const char *text,
                                 char out_path[PATH_BYTES])
{
    path_join(out_path, folder, "%s", name);
    assert_ok(file_replace(out_path, text, strlen(text), false));
}

/* load_text: a recording of one file. */
static inline void load_text(struct recording *recording, const char *folder, const char *name,
                             const char *text)
{
    char path[PATH_BYTES];
    const char *paths[1] = {path};
    struct error error = {""};
    write_capture(folder, name, text, path);
    recording_init(recording);
    if (recording_load(recording, paths, 1, NULL, 0, &error) != STATUS_OK)
        fail_msg("%s", error.text);
    recording_index(recording);
}

/* One small USD-M market: a snapshot between two diffs, a ticker, trades. */
#define USDM_LINES                                                                                          \
    "1700000000000000 "                                                                                     \
    "{\"stream\":\"abcusdt@depth@0ms\",\"data\":{\"e\":\"depthUpdate\",\"E\":1700000000001,"                \
    "\"T\":1700000000000,\"s\":\"ABCUSDT\",\"U\":90,\"u\":99,\"pu\":89,\"b\":[[\"9.00\",\"1\"]],\"a\":[]}}" \
    "\n"                                                                                                    \
    "1700000000000100 "                                                                                     \
    "{\"stream\":\"abcusdt@aggTrade\",\"data\":{\"e\":\"aggTrade\",\"E\":1700000000002,\"a\":7,"            \
    "\"s\":\"ABCUSDT\",\"p\":\"10.10\",\"q\":\"2.5\",\"f\":70,\"l\":71,\"T\":1700000000001,\"m\":true}}\n"  \
    "1700000000000200 {\"lastUpdateId\": 100, \"E\": 1700000000003, \"T\": 1700000000002, \"bids\": "       \
    "[[\"10.00\", "                                                                                         \
    "\"5\"], [\"9.50\", \"1\"]], \"asks\": [[\"10.50\", \"2\"]]}\n"                                         \
    "1700000000000300 "                                                                                     \
    "{\"stream\":\"abcusdt@depth@0ms\",\"data\":{\"e\":\"depthUpdate\",\"E\":1700000000005,"                \
    "\"T\":1700000000004,\"s\":\"ABCUSDT\",\"U\":100,\"u\":105,\"pu\":99,\"b\":[[\"10.00\",\"0\"],[\"9."    \
    "75\",\"4.25\"]],"                                                                                      \
    "\"a\":[[\"10.25\",\"0.125\"],[\"99.00\",\"0\"]]}}\n"                                                   \
    "1700000000000400 "                                                                                     \
    "{\"stream\":\"abcusdt@aggTrade\",\"data\":{\"e\":\"aggTrade\",\"E\":1700000000006,\"a\":9,"            \
    "\"s\":\"ABCUSDT\",\"p\":\"10.25\",\"q\":\"1\",\"f\":75,\"l\":75,\"T\":1700000000005,\"m\":false}}\n"
