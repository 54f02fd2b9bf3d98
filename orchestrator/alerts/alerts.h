/* alerts: which rules of operations.md §10 hold, since when, and what became of them. Pure: figures and times in.
 *
 * A rule is a row: a figure's name, a comparison, how long it has to hold. Figures of one name differ in their subject (a
 * process, a symbol; "" for the run); each pair of rule and subject has at most one open alert.
 *
 *      holds, for less than its period ─▶ holds long enough: opens ─▶ twice in a row clear: closes
 *
 * A figure that is not known says neither: what is open stays open, and a period that was running begins anew. */
#pragma once

#include "base/json.h"
#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ALERT_SUBJECT_BYTES = 96, ALERT_CLEAR_EVALUATIONS = 2, ALERTS_KEPT = 1000, ALERT_MESSAGE_BYTES = 256 };

enum alert_level { ALERT_WARNING, ALERT_CRITICAL };

/* alert_operator: how the figure compares to the threshold when the rule holds. */
enum alert_operator { ALERT_ABOVE, ALERT_AT_LEAST, ALERT_BELOW, ALERT_BEYOND /* either way from zero */ };

struct alert_rule {
    const char *name;
    enum alert_level level;
    const char *figure;
    enum alert_operator operator;
    double threshold;
    int64_t for_s;
    bool ends_run; /* operations.md §6.4 */
    const char *meaning;
};

const struct alert_rule *alert_rules(size_t *out_count);

struct alert_figure {
    const char *name; /* a constant */
    char subject[ALERT_SUBJECT_BYTES];
    double value;       /* NaN: not known */
    const char *detail; /* what people are told beside it, valid during the evaluation; NULL: nothing */
};

struct alert_figures {
    struct alert_figure *items;
    size_t count, capacity;
};
void alert_figures_finish(struct alert_figures *figures);
void alert_figure_add(struct alert_figures *figures, const char *name, const char *subject, double value);
void alert_figure_add_told(struct alert_figures *figures, const char *name, const char *subject, double value,
                           const char *detail);

/* alert: one that was raised. Times: wall; event times: INT64_MIN when none was known. */
struct alert {
    size_t rule;
    char subject[ALERT_SUBJECT_BYTES];
    char message[ALERT_MESSAGE_BYTES];
    double value; /* that raised it */
    int64_t triggered_ms, triggered_event_ms;
    int64_t recovered_ms, recovered_event_ms; /* recovered_ms 0: open */
};

/* alert_watch: one pair of rule and subject. */
struct alert_watch {
    size_t rule;
    char subject[ALERT_SUBJECT_BYTES];
    int64_t since_ms; /* monotonic; 0: does not hold */
    bool open;
    int64_t clear; /* evaluations in a row */
    int64_t alert; /* in items; -1: it is not kept */
};

struct alerts {
    struct alert *
        items; /* in the order they were raised: all that are open, and of ALERTS_KEPT the newest that are over */
    size_t count, capacity;
    struct alert_watch *watches;
    size_t watch_count, watch_capacity;
    int64_t triggered, recovered, evaluations;
    uint64_t raised; /* a bit for each rule that ever was */
};
void alerts_finish(struct alerts *alerts);

struct alert_moment {
    int64_t now_ms; /* monotonic, above 0 */
    int64_t wall_ms, event_ms;
};

/* alert_changed: `alert` has just been opened or closed; valid during the call. */
typedef void alert_changed(void *context, const struct alert *alert, bool opened);

void alerts_evaluate(struct alerts *alerts, const struct alert_figures *figures,
                     const struct alert_moment *moment, alert_changed *changed, void *context);

/* alerts_raised: whether a rule ever held long enough. */
bool alerts_raised(const struct alerts *alerts, size_t rule);

int64_t alerts_active(const struct alerts *alerts);

/* alert_json: one entry of data.md §6.1. alerts_json: the object `alerts`; with `state` also what a later orchestrator needs
 * to go on. alerts_list_json: the array of the summary, all that were raised. */
void alert_json(struct json *json, const struct alert *alert);
void alerts_json(const struct alerts *alerts, struct json *json, bool state);
void alerts_list_json(const struct alerts *alerts, struct json *json);

/* alerts_load: what alerts_json wrote with its state. STATUS_MALFORMED: nothing was taken. */
enum status alerts_load(struct alerts *alerts, const char *text, size_t length, struct error *error) MUST_USE;
