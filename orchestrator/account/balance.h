/* balance: the loss ledger's lines (docs/ledger.md): what went in, where it is now, and whether that is the same. One table
 * says it; everything else is derived: which lines concern a run, which figures are needed, what is printed. Pure.
 *
 * A figure that is not known makes its lines UNKNOWN, and UNKNOWN fails. While a run lives, what one process has said and the
 * next one has not taken yet is `outstanding`; the other way round never balances. */
#pragma once

#include "figures.h"
#include "orchestrator/plan/module.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum balance_scope { BALANCE_RUN, BALANCE_SYMBOL };

enum balance_flags {
    BALANCE_LAGS = 1,        /* two processes or a store: a live run may have some outstanding */
    BALANCE_ENDED = 2,       /* holds only when everybody has stopped */
    BALANCE_WHOLE_BOOKS = 4, /* only where every book message is a whole book … */
    BALANCE_DIFFS = 8,       /* … or where they are diffs */
    BALANCE_COMPUTED = 16,   /* only where harvest is there, and features computes … */
    BALANCE_PLAYED = 32,     /* … or where it is not, and features plays rows */
};

enum { BALANCE_TERMS_MAX = 16 };

/* balance_line: Σ in = Σ out. A term beginning with '?' is 0 when who counts it is not part of the run. */
struct balance_line {
    const char *id;
    const char *meaning;
    enum balance_scope scope;
    unsigned flags;
    const char *in[BALANCE_TERMS_MAX];  /* NULL-terminated */
    const char *out[BALANCE_TERMS_MAX]; /* NULL-terminated */
};

/* balance_loss: what is not part of any balance, since nobody here ever had it, or had it and could not keep it. */
struct balance_loss {
    const char *id;
    const char *meaning;
    enum balance_scope scope;
    const char *term;
};

const struct balance_line *balance_line_at(size_t index); /* NULL behind the last */
const struct balance_loss *balance_loss_at(size_t index);

/* balance_conditions: what the run is. */
struct balance_conditions {
    module_set modules;
    const char *sink; /* jsonl, sqlite, dual */
    bool live;
};

/* balance_concerns: whether all who count for a line are part of the run. */
bool balance_concerns(const struct balance_line *line, const struct balance_conditions *conditions,
                      const struct figures *figures);
bool balance_loss_concerns(const struct balance_loss *loss, const struct balance_conditions *conditions);

enum balance_verdict { BALANCE_EVEN, BALANCE_OUTSTANDING, BALANCE_UNEVEN, BALANCE_UNKNOWN };
const char *balance_verdict_name(enum balance_verdict verdict);

struct balance {
    int64_t in, out;
    enum balance_verdict verdict;
    const char *missing; /* the first term that is not known */
};

struct balance balance_judge(const struct balance_line *line, const struct balance_conditions *conditions,
                             const struct figures *figures, const char *symbol);

/* balance_term: one term's value; false: not known. */
bool balance_term(const struct balance_conditions *conditions, const struct figures *figures,
                  const char *symbol, const char *term, int64_t *out_value);
