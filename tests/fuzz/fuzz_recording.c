// links: simulator journal net base
/* What people give the simulator: recordings of other collectors, text or gzip, our own captures, and files of faults. What can be read of it is
 * served: the last byte chooses how. */
#include "capture_seed.h"

#include "base/log.h"
#include "journal/capture.h"
#include "services/simulator/inject.h"
#include "services/simulator/recording.h"

#include <string.h>
#include <zlib.h>

enum { KINDS = 4, LIMIT = 20 };
enum kind { KIND_TEXT, KIND_GZIP, KIND_OFR, KIND_FAULTS };

static const char *const NAMES[KINDS] = {"usdm_btcusdt.dat", "btcusdt.gz",
                                         "raw-run-1-1723161255030-000001.ofr", "faults.jsonl"};

static void write_input(enum kind kind, const uint8_t *data, size_t bytes, char out_path[PATH_BYTES])
{
    path_join(out_path, fuzz_folder(), "%s", NAMES[kind]);
    if (kind != KIND_GZIP ||
        (bytes > 2 && data[0] == 0x1f && data[1] == 0x8b)) { /* gzip with a damage, too */
        fuzz_require(file_replace(out_path, data, bytes, false) == STATUS_OK);
        return;
    }
    gzFile file = gzopen(out_path, "wb1");
    fuzz_require(file && (!bytes || gzwrite(file, data, (unsigned)bytes) == (int)bytes));
    fuzz_require(gzclose(file) == Z_OK);
}

/* serve: all that a client could ask for, anywhere in the market. */
static void serve(struct recording *recording)
{
    struct buffer out;
    uint64_t end = tape_end(&recording->tape);
    buffer_init(&out, 0);
    for (size_t symbol = 0; symbol < recording->catalogue.symbol_count; symbol++)
        for (uint64_t position = 0; position <= end; position += 1 + end / 3) {
            (void)!recording_depth(recording, (uint16_t)symbol, position, LIMIT, &out);
            recording_agg_trades(recording, (uint16_t)symbol, -1, LIMIT, position, &out);
            recording_agg_trades(recording, (uint16_t)symbol, 7, LIMIT, position, &out);
            buffer_clear(&out);
        }
    buffer_finish(&out);
}

static void read_recording(const char *path, bool shift)
{
    struct recording recording;
    struct error error = {{0}};
    recording_init(&recording);
    if (recording_load(&recording, &path, 1, NULL, 0, &error) == STATUS_OK) {
        if (shift)
            recording_shift(&recording, 1000);
        recording_index(&recording);
        serve(&recording);
    } else {
        fuzz_require(*error.text);
    }
    recording_finish(&recording);
}

static void emit(void *context, const struct tape_entry *entry)
{
    *(size_t *)context += entry->bytes;
}

static void read_faults(const char *path)
{
    struct inject *inject;
    struct error error = {{0}};
    struct catalogue catalogue;
    struct rest_fault answer;
    size_t bytes = 0;
    if (inject_load(path, &inject, &error) != STATUS_OK) {
        fuzz_require(*error.text);
        return;
    }
    catalogue_init(&catalogue);
    (void)catalogue_add_symbol(&catalogue, span_of("ABCUSDT"));
    uint16_t stream = catalogue_add_stream(&catalogue, span_of("abcusdt@aggTrade"));
    static const char TEXT[] = "{\"stream\":\"abcusdt@aggTrade\",\"data\":{\"a\":1}}";
    struct tape_entry entry = {
        .text = TEXT, .bytes = sizeof TEXT - 1, .data_offset = 36, .data_bytes = 7, .stream = stream};
    for (int i = 0; i < LIMIT; i++) {
        inject_pass(inject, &catalogue, &entry, emit, &bytes);
        (void)inject_rest(inject, i % 2 ? "depth" : "aggTrades", i % 3 ? "ABCUSDT" : "", &answer);
    }
    fuzz_require(inject_applied(inject) <= inject_count(inject) && inject_count(inject) <= INJECT_FAULTS_MAX);
    inject_destroy(inject);
    catalogue_finish(&catalogue);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    log_configure("reader", "run-1", (enum log_level)(LOG_ERROR + 1));
    char path[PATH_BYTES];
    if (!bytes)
        return 0;
    enum kind kind = (enum kind)(data[bytes - 1] % KINDS);
    write_input(kind, data, bytes - 1, path);
    if (kind == KIND_FAULTS)
        read_faults(path);
    else
        read_recording(path, data[bytes - 1] & KINDS);
    return 0;
}

static void take_one(fuzz_take *take, enum kind kind, const void *data, size_t bytes)
{
    struct buffer input;
    buffer_init(&input, 0);
    buffer_append(&input, data, bytes);
    buffer_append_byte(&input, (uint8_t)kind);
    take(input.data, input.length);
    buffer_finish(&input);
}

#define DEPTH(u)                                                                                   \
    "{\"stream\":\"abcusdt@depth@0ms\",\"data\":{\"e\":\"depthUpdate\",\"E\":1700000000001,\"T\":" \
    "1700000000000,\"s\":\"ABCUSDT\",\"U\":" u ",\"u\":" u                                         \
    ",\"pu\":89,\"b\":[[\"9.00\",\"1\"]],\"a\":[[\"10.25\",\"0.125\"],[\"99.00\",\"0\"]]}}"
#define TRADE(id)                                                                                 \
    "{\"stream\":\"abcusdt@aggTrade\",\"data\":{\"e\":\"aggTrade\",\"E\":1700000000002,\"a\":" id \
    ",\"s\":\"ABCUSDT\",\"p\":\"10.10\","                                                         \
    "\"q\":\"2.5\",\"f\":70,\"l\":71,\"T\":1700000000001,\"m\":true}}"
#define SNAPSHOT                                                                                           \
    "{\"lastUpdateId\": 100, \"E\": 1700000000003, \"T\": 1700000000002, \"bids\": [[\"10.00\", \"5\"]], " \
    "\"asks\": [[\"10.50\", \"2\"]]}"

static const char HFT[] = "1700000000000000 " DEPTH("99") "\n1700000000000100 " TRADE(
    "7") "\n1700000000000200 " SNAPSHOT
         "\n1700000000000300 " DEPTH("101") "\n1700000000000400 " TRADE("9") "\n";
static const char CRYPTOFEED[] =
    "configuration: {}\nwss://fstream.binance.com/stream?streams=abcusdt@aggTrade <- 1700000000.1: "
    "{}\n1700000000.25: " TRADE(
        "7") "\nhttps://fapi.binance.com/fapi/v1/depth?symbol=ABCUSDT&limit=1000 -> 1700000000.5: " SNAPSHOT
             "\n1700000000.75: " DEPTH("101") "\n";
static const char FAULTS[] = "# faults\n{\"after\": 2, \"stream\": \"abcusdt@aggTrade\", \"drop\": "
                             "1}\n{\"after\": 3, \"raw\": \"{malformed\"}\n"
                             "{\"symbol\": \"ABCUSDT\", \"duplicate\": 2}\n{\"after\": 7, \"swap\": "
                             "true}\n{\"after\": 9, \"truncate\": true}\n"
                             "{\"after\": 5, \"close\": 1012, \"reason\": \"restart\"}\n"
                             "{\"rest\": \"depth\", \"symbol\": \"ABCUSDT\", \"status\": 429, \"body\": "
                             "\"{}\", \"retry_after_s\": 1, \"times\": 2}\n";

static void take_capture(fuzz_take *take)
{
    static const char *const MESSAGES[] = {DEPTH("99"), TRADE("7"), TRADE("9")};
    struct buffer text;
    buffer_init(&text, 0);
    capture_seed("{\"market\":\"usdm\"}", MESSAGES, sizeof MESSAGES / sizeof *MESSAGES, &text);
    take_one(take, KIND_OFR, text.data, text.length);
    buffer_finish(&text);
}

void fuzz_seeds(fuzz_take *take)
{
    take_one(take, KIND_TEXT, HFT, sizeof HFT - 1);
    take_one(take, KIND_TEXT, CRYPTOFEED, sizeof CRYPTOFEED - 1);
    take_one(take, KIND_GZIP, HFT, sizeof HFT - 1);
    take_one(take, KIND_FAULTS, FAULTS, sizeof FAULTS - 1);
    take_capture(take);
}
