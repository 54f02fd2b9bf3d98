#include "evaluate/label.h"

#include "base/clock.h"

#include <math.h>
#include <string.h>

/* One of the comma-joined codes. */
static bool has_code(const char *codes, const char *code)
{
    size_t bytes = strlen(code);
    for (const char *at = strstr(codes, code); at; at = strstr(at + 1, code))
        if ((at == codes || at[-1] == ',') && (at[bytes] == 0 || at[bytes] == ','))
            return true;
    return false;
}

bool label_is_evaluation_row(const struct feature_row *row, int64_t step_ms, int64_t tol_ms)
{
    static const char *const UNFIT[] = {"invalid_input", "stale_ofi", "stale_cvd", "cvd_frozen"};
    if (row->ts_ms % step_ms != 0 || row->warmup || row->age_ofi_ms > tol_ms)
        return false;
    for (size_t i = 0; i < sizeof UNFIT / sizeof UNFIT[0]; i++)
        if (has_code(row->reason_codes, UNFIT[i]))
            return false;
    return true;
}

enum label label_of(double price, double price_later)
{
    if (price_later > price)
        return LABEL_UP;
    return price_later < price ? LABEL_DOWN : LABEL_TIE;
}

enum label label_from_first(const struct label_rule *rule, int64_t t_ms, double price,
                            const struct label_snapshot *first, double *out_return)
{
    bool known = first && first->ts_ms <= t_ms + rule->horizon_ms + rule->tol_ms;
    if (out_return)
        *out_return = known ? first->mid / price - 1 : NAN;
    return known ? label_of(price, first->mid) : LABEL_UNKNOWN;
}

void label_all(const struct label_rule *rule, const int64_t *t_ms, const double *prices, size_t count,
               const struct label_snapshot *snapshots, size_t snapshot_count, uint8_t *out_labels,
               double *out_returns)
{
    size_t next = 0;
    for (size_t i = 0; i < count; i++) {
        while (next < snapshot_count && snapshots[next].ts_ms < t_ms[i] + rule->horizon_ms)
            next++;
        const struct label_snapshot *first = next < snapshot_count ? &snapshots[next] : NULL;
        double *out_return = out_returns ? &out_returns[i] : NULL;
        out_labels[i] = (uint8_t)label_from_first(rule, t_ms[i], prices[i], first, out_return);
    }
}

bool label_in_window(const struct label_rule *rule, int64_t t_ms, int64_t begin_ms, int64_t end_ms)
{
    return t_ms >= begin_ms && t_ms + rule->horizon_ms + rule->tol_ms < end_ms;
}

int64_t label_outcomes(const int64_t *t_ms, size_t count, int64_t horizon_ms)
{
    int64_t outcomes = 0;
    for (size_t i = 0; i < count; i++)
        outcomes += i == 0 || floor_div(t_ms[i], horizon_ms) != floor_div(t_ms[i - 1], horizon_ms);
    return outcomes;
}
