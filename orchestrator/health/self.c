#include "self.h"

#include "base/text.h"
#include "orchestrator/run.h"

#include <time.h>
#include <unistd.h>

enum { LOOK_SHORT_MS = 1000 };

static void tell(struct run *run, bool is_short)
{
    const struct headroom *headroom = &run->self.headroom;
    feed_emit(&run->feed, is_short ? LOG_ERROR : LOG_INFO,
              is_short ? "descriptors_short" : "descriptors_back", "",
              FEED_FIELDS(NUMBER("used", headroom->used), NUMBER("limit", headroom->limit),
                          NUMBER("refused", headroom->refused)));
    console_say(&run->console, "the orchestrator %s descriptors: %lld of %lld in use, %lld %s turned away",
                is_short ? "is short of" : "has again enough", (long long)headroom->used,
                (long long)headroom->limit, (long long)headroom->refused,
                plural(headroom->refused, "connection", "connections"));
}

/* look_descriptors: short while the last fifth is touched, or somebody was turned away since the last look. */
static void look_descriptors(struct run *run)
{
    struct self *self = &run->self;
    self->headroom = headroom_read();
    bool is_short = headroom_is_short(&self->headroom) || self->headroom.refused != self->refused_seen;
    self->refused_seen = self->headroom.refused;
    self->look_due_ms = run_now_ms(run) + LOOK_SHORT_MS;
    if (is_short != self->is_short)
        tell(run, is_short);
    self->is_short = is_short;
}

int64_t self_cpu_ns(void)
{
    struct timespec used;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return (int64_t)used.tv_sec * 1000000000 + used.tv_nsec;
}

void self_turn(struct run *run, int64_t begun_ns, int64_t begun_cpu_ns)
{
    struct self *self = &run->self;
    int64_t took_ns = clock_monotonic_ns(&run->clock) - begun_ns;
    self->turns++;
    self->turn_ns_sum += took_ns;
    int64_t cpu_ns = self_cpu_ns() - begun_cpu_ns;
    self->turn_cpu_ns_max = cpu_ns > self->turn_cpu_ns_max ? cpu_ns : self->turn_cpu_ns_max;
    self->turn_ns_max = took_ns > self->turn_ns_max ? took_ns : self->turn_ns_max;
    if ((headroom_refused() != self->refused_seen && !self->is_short) ||
        (self->is_short && run_now_ms(run) >= self->look_due_ms))
        look_descriptors(run);
}

void self_look(struct run *run)
{
    struct self *self = &run->self;
    struct driver_resources resources;
    int64_t now_ms = run_now_ms(run);
    look_descriptors(run);
    if (driver_resources_read(getpid(), &resources) != STATUS_OK)
        return;
    double cpu_s = (double)resources.cpu_ms / 1000.0;
    if (self->looked_ms && now_ms > self->looked_ms)
        self->cpu_percent = 100.0 * 1000.0 * (cpu_s - self->cpu_s) / (double)(now_ms - self->looked_ms);
    self->looked_ms = now_ms;
    self->cpu_s = cpu_s;
    self->rss_mb = resources.rss_mb;
    if (resources.rss_peak_mb > run->own_max_rss_mb)
        run->own_max_rss_mb = resources.rss_peak_mb;
    if (resources.open_files > run->own_max_open_files)
        run->own_max_open_files = resources.open_files;
}

int64_t self_due_ms(const struct run *run)
{
    return run->self.is_short ? run->self.look_due_ms : NEVER_MS;
}

void self_json(const struct run *run, struct json *json)
{
    const struct self *self = &run->self;
    double turns = self->turns ? (double)self->turns : 1;
    json_object_begin(json);
    json_key_i64(json, "pid", getpid());
    json_key_text(json, "state", self->is_short ? "degraded" : "running");
    json_key_text(json, "reason", self->is_short ? "descriptors_short" : "");
    json_key_i64(json, "adoptions", run->adoptions);
    json_key_i64(json, "loop_turns", self->turns);
    json_key_f64(json, "loop_ms_mean", (double)self->turn_ns_sum / turns / 1e6);
    json_key_f64(json, "loop_ms_max", (double)self->turn_ns_max / 1e6);
    json_key_f64(json, "loop_cpu_ms_max", (double)self->turn_cpu_ns_max / 1e6);
    json_key_f64(json, "rss_mb", self->rss_mb);
    json_key_f64(json, "max_rss_mb", run->own_max_rss_mb);
    json_key_f64(json, "cpu_s", self->cpu_s);
    json_key_f64(json, "cpu_percent", self->cpu_percent);
    json_key_i64(json, "open_files", self->headroom.used);
    json_key_i64(json, "max_open_files", run->own_max_open_files);
    json_key_i64(json, "open_files_limit", self->headroom.limit);
    json_key_i64(json, "connections_refused", headroom_refused());
    json_key_i64(json, "requests", run->control.requests);
    json_key_i64(json, "malformed_requests", run->control.malformed);
    json_object_end(json);
}
