#include "ledger.h"

#include "base/json.h"
#include "base/memory.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

static void judge_line(struct ledger *ledger, const struct balance_line *line, const char *symbol)
{
    ledger->entries =
        memory_grow(ledger->entries, &ledger->capacity, ledger->count + 1, sizeof *ledger->entries);
    struct ledger_entry *entry = &ledger->entries[ledger->count++];
    *entry = (struct ledger_entry){.line = line, .symbol = symbol};
    entry->balance = balance_judge(line, &ledger->run->conditions, &ledger->run->figures, symbol);
    ledger->by_verdict[entry->balance.verdict]++;
}

void ledger_judge(struct ledger *ledger, const struct run_files *run)
{
    const struct balance_line *line;
    *ledger = (struct ledger){.run = run};
    for (size_t i = 0; (line = balance_line_at(i)); i++) {
        if (!balance_concerns(line, &run->conditions, &run->figures))
            continue;
        if (line->scope == BALANCE_RUN)
            judge_line(ledger, line, "");
        for (size_t k = 0; line->scope == BALANCE_SYMBOL && k < run->symbol_count; k++)
            judge_line(ledger, line, run->symbols[k]);
    }
}

void ledger_finish(struct ledger *ledger)
{
    free(ledger->entries);
    *ledger = (struct ledger){.run = NULL};
}

const char *ledger_verdict(const struct ledger *ledger)
{
    if (ledger->by_verdict[BALANCE_UNEVEN])
        return "FAIL";
    return ledger->by_verdict[BALANCE_UNKNOWN] || !ledger->count ? "UNKNOWN" : "PASS";
}

/* --- JSON --- */

static void terms_json(const struct ledger *ledger, const char *symbol, const char *key,
                       const char *const *terms, struct json *json)
{
    int64_t value;
    json_key(json, key);
    json_object_begin(json);
    for (; *terms; terms++)
        if (balance_term(&ledger->run->conditions, &ledger->run->figures, symbol, *terms, &value))
            json_key_i64(json, *terms, value);
        else
            json_key_null(json, *terms);
    json_object_end(json);
}

static void entry_json(const struct ledger *ledger, const struct ledger_entry *entry, struct json *json)
{
    const struct balance *balance = &entry->balance;
    json_object_begin(json);
    json_key_text(json, "id", entry->line->id);
    json_key_text(json, "symbol", *entry->symbol ? entry->symbol : NULL);
    json_key_text(json, "meaning", entry->line->meaning);
    json_key_text(json, "verdict", balance_verdict_name(balance->verdict));
    if (balance->verdict == BALANCE_UNKNOWN) {
        json_key_null(json, "difference");
        json_key_text(json, "missing", balance->missing);
    } else {
        json_key_i64(json, "difference", balance->in - balance->out);
    }
    terms_json(ledger, entry->symbol, "in", entry->line->in, json);
    terms_json(ledger, entry->symbol, "out", entry->line->out, json);
    json_object_end(json);
}

/* --- losses: of the run, or a value for every symbol --- */

typedef void loss_take(const struct ledger *ledger, const struct balance_loss *loss, const char *symbol,
                       bool known, int64_t value, void *context);

static void take_loss(const struct ledger *ledger, const struct balance_loss *loss, const char *symbol,
                      loss_take *take, void *context)
{
    int64_t value = 0;
    bool known = balance_term(&ledger->run->conditions, &ledger->run->figures, symbol, loss->term, &value);
    take(ledger, loss, symbol, known, value, context);
}

static void each_loss(const struct ledger *ledger, loss_take *take, void *context)
{
    const struct run_files *run = ledger->run;
    const struct balance_loss *loss;
    for (size_t i = 0; (loss = balance_loss_at(i)); i++) {
        if (!balance_loss_concerns(loss, &run->conditions))
            continue;
        if (loss->scope == BALANCE_RUN)
            take_loss(ledger, loss, "", take, context);
        for (size_t k = 0; loss->scope == BALANCE_SYMBOL && k < run->symbol_count; k++)
            take_loss(ledger, loss, run->symbols[k], take, context);
    }
}

static void loss_json(const struct ledger *ledger, const struct balance_loss *loss, const char *symbol,
                      bool known, int64_t value, void *context)
{
    struct json *json = context;
    (void)ledger;
    json_object_begin(json);
    json_key_text(json, "id", loss->id);
    json_key_text(json, "symbol", *symbol ? symbol : NULL);
    json_key_text(json, "meaning", loss->meaning);
    if (known)
        json_key_i64(json, "count", value);
    else
        json_key_null(json, "count");
    json_object_end(json);
}

static void problems_json(const struct run_files *run, struct json *json)
{
    const char *text = (const char *)run->problems.data, *end = text + run->problems.length;
    json_key(json, "problems");
    json_array_begin(json);
    while (text < end) {
        const char *line_end = memchr(text, '\n', (size_t)(end - text));
        json_text_bytes(json, text, (size_t)((line_end ? line_end : end) - text));
        text = line_end ? line_end + 1 : end;
    }
    json_array_end(json);
}

void ledger_json(const struct ledger *ledger, struct buffer *out)
{
    struct json json;
    json_init(&json, out);
    json_object_begin(&json);
    json_key_i64(&json, "schema_version", 1);
    json_key_text(&json, "run_id", ledger->run->run_id);
    json_key_bool(&json, "live", ledger->run->conditions.live);
    json_key_text(&json, "verdict", ledger_verdict(ledger));
    json_key_i64(&json, "balanced", (int64_t)ledger->by_verdict[BALANCE_EVEN]);
    json_key_i64(&json, "outstanding", (int64_t)ledger->by_verdict[BALANCE_OUTSTANDING]);
    json_key_i64(&json, "unbalanced", (int64_t)ledger->by_verdict[BALANCE_UNEVEN]);
    json_key_i64(&json, "unknown", (int64_t)ledger->by_verdict[BALANCE_UNKNOWN]);
    json_key(&json, "lines");
    json_array_begin(&json);
    for (size_t i = 0; i < ledger->count; i++)
        entry_json(ledger, &ledger->entries[i], &json);
    json_array_end(&json);
    json_key(&json, "losses");
    json_array_begin(&json);
    each_loss(ledger, loss_json, &json);
    json_array_end(&json);
    problems_json(ledger->run, &json);
    json_object_end(&json);
    buffer_append_byte(out, '\n');
}

/* --- text --- */

static void print_terms(const struct ledger *ledger, const struct ledger_entry *entry, const char *side,
                        const char *const *terms, FILE *out)
{
    int64_t value;
    for (; *terms; terms++)
        if (balance_term(&ledger->run->conditions, &ledger->run->figures, entry->symbol, *terms, &value))
            fprintf(out, "    %-4s %-36s %15lld\n", side, *terms, (long long)value);
        else
            fprintf(out, "    %-4s %-36s %15s\n", side, *terms, "not known");
}

static void print_entry(const struct ledger *ledger, const struct ledger_entry *entry, FILE *out)
{
    const struct balance *balance = &entry->balance;
    const char *symbol = *entry->symbol ? entry->symbol : "-";
    if (balance->verdict == BALANCE_UNKNOWN)
        fprintf(out, "%-22s %-12s %10s %10s %9s  %s\n", entry->line->id, symbol, "-", "-", "-",
                balance_verdict_name(balance->verdict));
    else
        fprintf(out, "%-22s %-12s %10lld %10lld %9lld  %s\n", entry->line->id, symbol, (long long)balance->in,
                (long long)balance->out, (long long)(balance->in - balance->out),
                balance_verdict_name(balance->verdict));
    if (balance->verdict < BALANCE_UNEVEN)
        return;
    fprintf(out, "    %s\n", entry->line->meaning);
    print_terms(ledger, entry, "in", entry->line->in, out);
    print_terms(ledger, entry, "out", entry->line->out, out);
}

static void print_loss(const struct ledger *ledger, const struct balance_loss *loss, const char *symbol,
                       bool known, int64_t value, void *context)
{
    FILE *out = context;
    (void)ledger;
    if (known && value)
        fprintf(out, "%-22s %-12s %10lld  %s\n", loss->id, *symbol ? symbol : "-", (long long)value,
                loss->meaning);
}

void ledger_print(const struct ledger *ledger, FILE *out)
{
    const struct run_files *run = ledger->run;
    fprintf(out, "run %s, %s\n\n%-22s %-12s %10s %10s %9s\n", run->run_id,
            run->conditions.live ? "still running: what is on its way is outstanding" : run->state, "line",
            "symbol", "in", "out", "in - out");
    for (size_t i = 0; i < ledger->count; i++)
        print_entry(ledger, &ledger->entries[i], out);
    fprintf(out, "\nnamed losses (others are 0)\n");
    each_loss(ledger, print_loss, out);
    if (run->problems.length)
        fprintf(out, "\ncould not be read\n%.*s", (int)run->problems.length,
                (const char *)run->problems.data);
    fprintf(out, "\n%s: %zu %s balanced, %zu outstanding, %zu unbalanced, %zu unknown\n",
            ledger_verdict(ledger), ledger->by_verdict[BALANCE_EVEN],
            plural((int64_t)ledger->by_verdict[BALANCE_EVEN], "line", "lines"),
            ledger->by_verdict[BALANCE_OUTSTANDING], ledger->by_verdict[BALANCE_UNEVEN],
            ledger->by_verdict[BALANCE_UNKNOWN]);
}
