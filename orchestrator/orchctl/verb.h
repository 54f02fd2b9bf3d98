/* verb: one word of orchctl: a row in a table (main.c), a function in the file of its group, help of its
 * own. */
#pragma once

#include "base/exits.h"
#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { VERB_OPTIONS_MAX = 12, VERB_WORDS_MAX = 32 };

/* verb_option: "--count N", "-f". The table of a verb ends with a NULL name. */
struct verb_option {
    const char *name;
    const char *argument; /* NULL: a switch */
    const char *help;     /* NULL: the common option of this name is of no use to the verb */
};

struct invocation;

struct verb {
    const char *name;
    const char *words; /* "NAME", "[NAME]", "" */
    size_t words_least, words_most;
    const char *summary;
    struct verb_option options[VERB_OPTIONS_MAX];
    int (*perform)(const struct invocation *invocation);
};

/* verb_takes: whether an option, a common one too, means anything to a verb. */
bool verb_takes(const struct verb *verb, const char *option);

/* verb_takes_run: a verb about a run of the folder, which its option --run-id names, or one word more than it else takes. */
bool verb_takes_run(const struct verb *verb, size_t *out_option);

/* invocation: a command line, checked against its verb. */
struct invocation {
    const struct verb *verb;
    const char *words[VERB_WORDS_MAX]; /* NULL where there is none */
    size_t word_count;
    const char *values[VERB_OPTIONS_MAX]; /* by option of the verb; "" for a switch, NULL: not given */
    bool json;
    int64_t timeout_ms;
};

/* invocation_value: an option's value, NULL when it was not given. */
const char *invocation_value(const struct invocation *invocation, const char *option);

/* invocation_number: its value as a whole number; false (and a sentence on stderr) when it is none or
 * negative. */
bool invocation_number(const struct invocation *invocation, const char *option, int64_t otherwise,
                       int64_t *out_value);

/* invocation_who: who decides: --who, else the user's name, else his number (then in `text`). */
enum { WHO_BYTES = 32 };
const char *invocation_who(const struct invocation *invocation, char text[WHO_BYTES]);

/* complain: "orchctl: <sentence>" on stderr; returns `code`. */
int complain(int code, const char *format, ...) PRINTF_LIKE(2, 3);

/* main.c: the table itself, for whoever describes it. Lists end with a NULL name or text. */
const struct verb *verbs_all(size_t *out_count);
const struct verb_option *options_common(void);

/* completion_verb.c */
int verb_completion(const struct invocation *invocation);
/* status_verbs.c */
int verb_status(const struct invocation *invocation);
int verb_health(const struct invocation *invocation);
/* monitor_verb.c */
int verb_monitor(const struct invocation *invocation);
int verb_top(const struct invocation *invocation);
/* process_verbs.c */
int verb_wish(const struct invocation *invocation); /* start, stop, restart, pause, resume */
int verb_kill(const struct invocation *invocation);
int verb_shutdown(const struct invocation *invocation);
/* events_verb.c */
int verb_events(const struct invocation *invocation);
/* scale_verb.c */
int verb_scale(const struct invocation *invocation);
/* tail_verb.c */
int verb_tail(const struct invocation *invocation);
/* account_verb.c */
int verb_account(const struct invocation *invocation);
/* config_verbs.c */
int verb_config(const struct invocation *invocation);
/* config_verbs_load: a file's configuration, or that of the run here; NULL: its mistakes have been printed. */
struct config;
struct config *config_verbs_load(const char *path);
/* export_verb.c */
int verb_export(const struct invocation *invocation);
/* file_verbs.c, logs_verb.c */
int verb_manifest(const struct invocation *invocation);
int verb_logs(const struct invocation *invocation);
/* keys_verb.c */
int verb_keys(const struct invocation *invocation);
/* evidence_verbs.c */
int verb_validate(const struct invocation *invocation);
int verb_parity(const struct invocation *invocation);
int verb_evidence(const struct invocation *invocation);
/* report_verb.c */
int verb_report(const struct invocation *invocation);
/* soak_verbs.c */
int verb_doctor(const struct invocation *invocation);
int verb_precheck(const struct invocation *invocation);
int verb_smoke(const struct invocation *invocation);
int verb_soak(const struct invocation *invocation);
/* clean_verb.c */
int verb_clean(const struct invocation *invocation);
/* fault_verb.c */
int verb_fault(const struct invocation *invocation);
/* intervention_verbs.c */
int verb_rollback(const struct invocation *invocation);
int verb_direction(const struct invocation *invocation);
/* canary_verb.c */
int verb_canary(const struct invocation *invocation);
int canary_resolve(const struct invocation *invocation); /* canary_resolve.c */
/* why_verb.c */
int verb_why(const struct invocation *invocation);
int verb_replay(const struct invocation *invocation);
