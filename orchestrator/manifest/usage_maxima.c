#include "usage_maxima.h"

#include <math.h>

struct usage_maxima usage_maxima_of(double rss_mb, int64_t open_files)
{
    return (struct usage_maxima){rss_mb > 0 ? rss_mb : NAN, open_files > 0 ? (double)open_files : NAN};
}

static double most(double so_far, double value, bool must_be_known)
{
    return isnan(so_far) || (must_be_known && isnan(value)) ? NAN : fmax(so_far, value);
}

struct usage_maxima usage_maxima_of_run(const struct run *run)
{
    struct usage_maxima maxima = usage_maxima_of(run->own_max_rss_mb, run->own_max_open_files);
    for (size_t i = 0; i < run->process_count; i++) {
        const struct process *process = &run->processes[i];
        struct usage_maxima own = usage_maxima_of(process->max_rss_mb, process->max_open_files);
        bool must_be_known = process->module->beats && process->last_pid;
        maxima.rss_mb = most(maxima.rss_mb, own.rss_mb, must_be_known);
        maxima.open_files = most(maxima.open_files, own.open_files, must_be_known);
    }
    return maxima;
}
