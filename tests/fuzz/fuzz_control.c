// links: orchestrator orchctl warden injury proto base yyjson
/* What comes to the orchestrator's and a daemon's control sockets as JSON. The first byte chooses: a request of orchctl, a warden's report,
 * an order to a warden, an order for a fault, the number of one. */
#include "fuzz.h"

#include "injury/order.h"
#include "orchestrator/control/control.h"
#include "orchestrator/warden/protocol.h"

#include <math.h>
#include <string.h>
#include <yyjson.h>

enum { KINDS = 5, ROUNDS = 2 };

static enum status echo(void *context, const struct control_values *values, struct json *result,
                        struct error *error)
{
    (*(int *)context)++;
    if (values->given[1] && values->integers[1] == 13)
        return error_set(error, STATUS_CONFLICT, "%s is refused", values->texts[0]);
    json_object_begin(result);
    json_key_text(result, "name", values->texts[0]);
    json_key_i64(result, "number", values->integers[1]);
    json_key_f64(result, "share", values->numbers[2]);
    json_object_end(result);
    return STATUS_OK;
}

static const struct control_verb VERBS[] = {
    {"status", {{"name", CONTROL_TEXT, false}}, false, echo},
    {"kill",
     {{"name", CONTROL_TEXT, true}, {"generation", CONTROL_INTEGER, false}, {"share", CONTROL_NUMBER, false}},
     true,
     echo},
    {0},
};

/* ask: whatever is asked, the answer is one JSON object; asked again it is the same, and nothing has been done twice. */
static void ask(const uint8_t *data, size_t bytes)
{
    struct control control;
    struct buffer answers[ROUNDS];
    int performed = 0;
    bool has_id = false;
    control_init(&control);
    for (int i = 0; i < ROUNDS; i++) {
        buffer_init(&answers[i], 0);
        (void)control_handle(&control, VERBS, &performed, data, bytes, 1000 + i, &answers[i]);
        yyjson_doc *document = yyjson_read((const char *)answers[i].data, answers[i].length, 0);
        yyjson_val *root = yyjson_doc_get_root(document);
        fuzz_require(yyjson_is_obj(root) && yyjson_obj_size(root) == 4);
        fuzz_require(yyjson_is_true(yyjson_obj_get(root, "ok")) ==
                     yyjson_is_null(yyjson_obj_get(root, "error")));
        has_id = yyjson_is_str(yyjson_obj_get(root, "id"));
        yyjson_doc_free(document);
    }
    fuzz_require(answers[0].length == answers[1].length &&
                 memcmp(answers[0].data, answers[1].data, answers[0].length) == 0);
    fuzz_require(performed <= (has_id ? 1 : 0));
    buffer_finish(&answers[0]);
    buffer_finish(&answers[1]);
    control_finish(&control);
}

/* report, order: what is taken for one is the same when it is written and read again. */
static void report(const uint8_t *data, size_t bytes)
{
    struct warden_report first, second;
    struct error error = {{0}};
    struct buffer text;
    (void)warden_is_report(data, bytes);
    if (warden_report_read(data, bytes, &first, &error) != STATUS_OK) {
        fuzz_require(*error.text);
        return;
    }
    buffer_init(&text, 0);
    warden_report_write(&first, &text);
    fuzz_require(warden_is_report(text.data, text.length));
    fuzz_require(warden_report_read(text.data, text.length, &second, &error) == STATUS_OK);
    fuzz_require(memcmp(&first, &second, sizeof first) == 0);
    buffer_finish(&text);
}

static void order(const uint8_t *data, size_t bytes)
{
    struct warden_order first, second;
    struct warden_message *message, *again;
    struct error error = {{0}};
    struct buffer text, twice;
    if (warden_order_read(data, bytes, &first, &message, &error) != STATUS_OK) {
        fuzz_require(*error.text);
        return;
    }
    buffer_init(&text, 0);
    buffer_init(&twice, 0);
    warden_order_write(&first, &text);
    if (text.length <= WARDEN_MESSAGE_BYTES_MAX) { /* what was escaped in another way may have been shorter */
        fuzz_require(warden_order_read(text.data, text.length, &second, &again, &error) == STATUS_OK);
        warden_order_write(&second, &twice);
        fuzz_require(text.length == twice.length && memcmp(text.data, twice.data, text.length) == 0);
        warden_message_free(again);
    }
    warden_message_free(message);
    buffer_finish(&text);
    buffer_finish(&twice);
}

static void injury(const char *words)
{
    struct injury_order first, second;
    struct error error = {{0}};
    struct buffer text;
    struct json json;
    if (injury_order_read(words, &first, &error) != STATUS_OK) {
        fuzz_require(*error.text);
        return;
    }
    buffer_init(&text, 0);
    json_init(&json, &text);
    injury_order_json(&first, &json);
    fuzz_require(injury_order_read(buffer_text(&text), &second, &error) == STATUS_OK);
    fuzz_require(first.id == second.id && first.kind == second.kind && strcmp(first.link, second.link) == 0);
    fuzz_require(first.share >= 0 && first.share <= 1 && first.share == second.share);
    fuzz_require(first.count == second.count && first.seed == second.seed && first.amount == second.amount &&
                 first.ttl_ms == second.ttl_ms);
    buffer_finish(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct buffer words;
    struct error error = {{0}};
    int64_t id;
    if (!bytes)
        return 0;
    buffer_init(&words, 0);
    buffer_append(&words, data + 1, bytes - 1);
    switch (data[0] % KINDS) {
    case 0: ask(data + 1, bytes - 1); break;
    case 1: report(data + 1, bytes - 1); break;
    case 2: order(data + 1, bytes - 1); break;
    case 3: injury(buffer_text(&words)); break;
    default: fuzz_require(injury_id_read(buffer_text(&words), &id, &error) == STATUS_OK || *error.text);
    }
    buffer_finish(&words);
    return 0;
}

static void take_one(fuzz_take *take, uint8_t kind, const struct buffer *text)
{
    struct buffer input;
    buffer_init(&input, 0);
    buffer_append_byte(&input, kind);
    buffer_append(&input, text->data, text->length);
    take(input.data, input.length);
    buffer_finish(&input);
}

static void take_text(fuzz_take *take, uint8_t kind, const char *words)
{
    struct buffer text;
    buffer_init(&text, 0);
    buffer_append_text(&text, words);
    take_one(take, kind, &text);
    buffer_finish(&text);
}

static void take_warden(fuzz_take *take)
{
    struct warden_report report = {.name = "signal.2",
                                   .container = "3f2a",
                                   .state = WARDEN_ENDED,
                                   .run_id = "run-1",
                                   .generation = 7,
                                   .signal = 9};
    struct warden_order order = {.verb = WARDEN_START,
                                 .run_id = "run-1",
                                 .generation = 3,
                                 .stdout_path = "logs/out.log",
                                 .stderr_path = "logs/err.log",
                                 .log_bytes_max = 1 << 20,
                                 .log_files = 3,
                                 .arguments = {"/bin/signal", "--generation", "3"},
                                 .environment = {"TZ=UTC"}};
    struct buffer text;
    buffer_init(&text, 0);
    warden_report_write(&report, &text);
    take_one(take, 1, &text);
    buffer_clear(&text);
    warden_order_write(&order, &text);
    take_one(take, 2, &text);
    buffer_clear(&text);
    order = (struct warden_order){
        .verb = WARDEN_SUSPEND, .run_id = "run-1", .generation = 3, .lease = 5, .lease_ms = 1500};
    warden_order_write(&order, &text);
    take_one(take, 2, &text);
    buffer_finish(&text);
}

void fuzz_seeds(fuzz_take *take)
{
    take_text(take, 0, "{\"id\":\"a-1\",\"verb\":\"status\",\"args\":{}}");
    take_text(take, 0, "{\"id\":\"a-2\",\"verb\":\"status\",\"args\":{\"name\":\"signal\"}}");
    take_text(take, 0,
              "{\"id\":\"a-3\",\"verb\":\"kill\",\"args\":{\"name\":\"signal\",\"generation\":13,\"share\":"
              "1e300}}");
    take_text(take, 0, "{\"id\":\"a-4\",\"verb\":\"dance\",\"args\":{\"a\":[[[[[[[[]]]]]]]]}}");
    take_warden(take);
    for (int kind = 0; kind < INJURY_KIND_COUNT; kind++) {
        const struct injury_row *row = injury_row((enum injury_kind)kind);
        struct injury_order order = {.id = 1 + kind,
                                     .kind = (enum injury_kind)kind,
                                     .link = "harvest",
                                     .share = row->share_default,
                                     .amount = row->amount_default,
                                     .ttl_ms = INJURY_TTL_MS_DEFAULT};
        struct buffer text;
        struct json json;
        buffer_init(&text, 0);
        json_init(&json, &text);
        injury_order_json(&order, &json);
        take_one(take, 3, &text);
        buffer_finish(&text);
    }
    take_text(take, 4, "{\"id\":7}");
}
