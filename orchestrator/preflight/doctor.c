#include "doctor.h"

#include "base/clock.h"
#include "base/exits.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/wrap.h"
#include "doctor_private.h"
#include "orchestrator/plan/module.h"
#include "orchestrator/plan/resolve.h"
#include "orchestrator/run.h"
#include "store/database.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <orderflow_version.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <yyjson.h>

enum { SPEED_BYTES = 64 * 1024 * 1024, SPEED_BLOCK = 1024 * 1024, SPEED_LEAST_MB_S = 10 };

/* --- configuration and who is here --- */

/* cvd_fingerprint: the keys that decide z, as people compare them. */
static void cvd_describe(const struct config *config, struct buffer *out)
{
    static const char *const KEYS[] = {"cvd.z_mode",         "cvd.scale_mode",
                                       "cvd.mad_multiplier", "cvd.scale_fast_weight",
                                       "cvd.half_life_sec",  "cvd.winsor_limit"};
    for (size_t i = 0; i < sizeof KEYS / sizeof *KEYS; i++) {
        buffer_format(out, "%s%s=", i ? " " : "", KEYS[i] + strlen("cvd."));
        config_value_text(config, KEYS[i], out);
    }
}

static void tell_config(const struct config *config, struct preflight *preflight)
{
    char fingerprint[SHA256_HEX_BYTES];
    struct buffer cvd;
    buffer_init(&cvd, 0);
    config_fingerprint(config, fingerprint);
    cvd_describe(config, &cvd);
    preflight_add(preflight, "config", PREFLIGHT_OK, NULL, "fingerprint %.16s, orderflow %s, cvd %s",
                  fingerprint, ORDERFLOW_VERSION, buffer_text(&cvd));
    buffer_finish(&cvd);
}

static const char *text_of(yyjson_val *holder, const char *member)
{
    const char *text = yyjson_get_str(yyjson_obj_get(holder, member));
    return text ? text : "?";
}

/* check_single_run: true when a run goes on here. */
static bool check_single_run(struct preflight *preflight)
{
    struct buffer holder;
    bool goes_on = file_lock_held(RUN_LOCK_PATH);
    buffer_init(&holder, 4096);
    if (!goes_on) {
        preflight_add(preflight, "single_run", PREFLIGHT_OK, NULL, "nobody uses this folder");
    } else {
        yyjson_doc *document = file_read(RUN_LOCK_PATH, &holder) == STATUS_OK
                                   ? yyjson_read((const char *)holder.data, holder.length, 0)
                                   : NULL;
        yyjson_val *root = yyjson_doc_get_root(document);
        preflight_add(preflight, "single_run", PREFLIGHT_FAILED,
                      "end it with `orchctl shutdown`, or use another folder",
                      "an orchestrator runs here: run %s since %s, pid %lld", text_of(root, "run_id"),
                      text_of(root, "started_at"), (long long)yyjson_get_sint(yyjson_obj_get(root, "pid")));
        yyjson_doc_free(document);
    }
    buffer_finish(&holder);
    return goes_on;
}

/* --- this machine --- */

/* write_synced: megabytes per second, 0 when it could not be done: *out_reason is the error number. */
static double write_synced(const char *path, int *out_reason)
{
    struct clock clock = clock_system();
    char *block = memory_allocate(SPEED_BLOCK);
    int descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    int64_t begun_ns = clock_monotonic_ns(&clock);
    bool good = descriptor >= 0;
    memset(block, 'x', SPEED_BLOCK);
    for (size_t written = 0; good && written < SPEED_BYTES; written += SPEED_BLOCK)
        good = file_write_all(descriptor, block, SPEED_BLOCK) == STATUS_OK;
    good = good && fsync(descriptor) == 0;
    *out_reason = errno;
    int64_t took_ns = clock_monotonic_ns(&clock) - begun_ns;
    if (descriptor >= 0)
        close(descriptor);
    unlink(path);
    free(block);
    return good && took_ns > 0 ? SPEED_BYTES / 1e6 / ((double)took_ns / 1e9) : 0;
}

static void check_speed(const struct config *config, struct preflight *preflight)
{
    char path[PATH_BYTES];
    const char *root = config_text(config, "run.data_root");
    path_join(path, root, ".doctor-%d.tmp", (int)getpid());
    int reason;
    double speed = write_synced(path, &reason);
    if (speed > 0)
        preflight_add(preflight, "disk_speed", speed >= SPEED_LEAST_MB_S ? PREFLIGHT_OK : PREFLIGHT_FAILED,
                      "put run.data_root on a faster disk", "%.300s takes %.0f MB/s, synced", root, speed);
    else
        preflight_add(preflight, "disk_speed", PREFLIGHT_FAILED, preflight_remedy(reason),
                      "%.300s does not take 64 MiB: %s", root, strerror(reason));
}

/* bindable: whether somebody may listen there now. */
static bool bindable(const char *address, int64_t port)
{
    struct sockaddr_in there = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int on = 1, descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool good = descriptor >= 0 && inet_pton(AF_INET, address, &there.sin_addr) == 1 &&
                setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
                bind(descriptor, (const struct sockaddr *)&there, sizeof there) == 0;
    if (descriptor >= 0)
        close(descriptor);
    return good;
}

static void check_ports(const struct config *config, bool goes_on, struct preflight *preflight)
{
    int64_t simulator = config_i64(config, "simulator.port"), page = config_i64(config, "report.http_port");
    bool embedded = strcmp(config_text(config, "harvest.venue"), "simulator") == 0;
    const char *address = config_text(config, "report.http_address");
    if (goes_on)
        preflight_add(preflight, "ports", PREFLIGHT_OK, NULL,
                      "not looked at: the run that goes on here uses its own");
    else if (embedded && simulator && !bindable("127.0.0.1", simulator))
        preflight_add(preflight, "ports", PREFLIGHT_FAILED,
                      "choose another simulator.port, or 0 for any free one", "port %lld is taken",
                      (long long)simulator);
    else if (page && !bindable(address, page))
        preflight_add(preflight, "ports", PREFLIGHT_WARNING,
                      "choose another report.http_port, or 0 for any free one",
                      "%s:%lld cannot be listened on: %s", address, (long long)page, strerror(errno));
    else
        preflight_add(preflight, "ports", PREFLIGHT_OK, NULL, "free");
}

/* key_of: the columns of the primary key of table signals, in their order; "" without such a table. */
static enum status key_of(const char *path, char *out_key, size_t size, struct error *error)
{
    struct database *database = NULL;
    struct statement *statement = NULL;
    enum status status = database_open(path, DATABASE_READ, &database, error);
    if (status != STATUS_OK)
        return status;
    status = statement_prepare(database,
                               "SELECT group_concat(name) FROM (SELECT name FROM "
                               "pragma_table_info('signals') WHERE pk > 0 ORDER BY pk)",
                               &statement, error);
    if (status == STATUS_OK)
        status = statement_step(statement, error);
    const char *key = status == STATUS_OK ? statement_text(statement, 0) : NULL;
    snprintf(out_key, size, "%s", key ? key : "");
    statement_finish(statement);
    database_close(database);
    return status;
}

static void check_sinks(const struct config *config, struct preflight *preflight)
{
    char path[PATH_BYTES], key[256];
    struct error error = {{0}};
    path_join(path, config_text(config, "run.output_dir"), "signals.db");
    enum status status = file_exists(path) ? key_of(path, key, sizeof key, &error) : STATUS_NOT_FOUND;
    if (status == STATUS_NOT_FOUND)
        preflight_add(preflight, "sinks", PREFLIGHT_OK, NULL, "%s will be made", path);
    else if (status != STATUS_OK)
        preflight_add(preflight, "sinks", PREFLIGHT_FAILED, "move the file away", "%s: %s", path, error.text);
    else if (*key && strcmp(key, "run_id,ts_ms,symbol") != 0)
        preflight_add(preflight, "sinks", PREFLIGHT_FAILED,
                      "move the file away: it is never rebuilt silently",
                      "%s: table signals has the key (%s), not (run_id, ts_ms, symbol)", path, key);
    else
        preflight_add(preflight, "sinks", PREFLIGHT_OK, NULL, "%s has the right key", path);
}

/* --- the whole --- */

static void examine(struct config *config, const struct options *options, struct preflight *preflight)
{
    const char *instances[MODULE_COUNT + 1] = {NULL};
    bool goes_on = file_lock_held(RUN_LOCK_PATH); /* then those who live here are no left-overs */
    struct module_choice choice = {0};
    struct error error = {{0}};
    size_t count = 0;
    (void)!resolve_modules(config, &choice, &error);
    for (size_t i = 0; i < MODULE_COUNT && !goes_on; i++)
        if ((choice.enabled | choice.implied) & module_bit(i))
            instances[count++] = module_at(i)->name;
    preflight_run(config, instances, preflight);
    tell_config(config, preflight);
    goes_on = check_single_run(preflight);
    check_speed(config, preflight);
    check_ports(config, goes_on, preflight);
    check_sinks(config, preflight);
    doctor_venue(config, preflight);
    doctor_export(config, options->gates == GATES_SOAK, preflight);
}

/* terminal_columns: 0: standard output is no terminal, so nobody's line is too long. */
static size_t terminal_columns(void)
{
    struct winsize size;
    return isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

/* print_wrapped: from the column `left` on to the edge of the terminal. */
static void print_wrapped(const char *text, size_t left, size_t columns)
{
    struct buffer lines;
    buffer_init(&lines, 0);
    wrap_text(&lines, text, left, columns > left ? columns - left : 0);
    fputs(buffer_text(&lines), stdout);
    buffer_finish(&lines);
}

static void print_table(const struct preflight *preflight)
{
    enum { LEFT = 22 }; /* columns of name and verdict */
    static const char REMEDY[] = "remedy: ";
    size_t columns = terminal_columns();
    for (size_t i = 0; i < preflight->count; i++) {
        const struct preflight_check *check = &preflight->checks[i];
        printf("%-12s %-8s ", check->name, preflight_verdict_name(check->verdict));
        print_wrapped(check->detail, LEFT, columns);
        if (check->verdict == PREFLIGHT_OK || !check->remedy)
            continue;
        printf("%*s%s", LEFT, "", REMEDY);
        print_wrapped(check->remedy, LEFT + sizeof REMEDY - 1, columns);
    }
}

static void print_json(const struct preflight *preflight)
{
    struct buffer text;
    struct json json;
    buffer_init(&text, 0);
    json_init(&json, &text);
    json_object_begin(&json);
    json_key(&json, "checks");
    json_array_begin(&json);
    for (size_t i = 0; i < preflight->count; i++) {
        const struct preflight_check *check = &preflight->checks[i];
        json_object_begin(&json);
        json_key_text(&json, "check", check->name);
        json_key_text(&json, "verdict", preflight_verdict_name(check->verdict));
        json_key_text(&json, "cause", check->detail);
        json_key_text(&json, "remedy", check->verdict == PREFLIGHT_OK ? NULL : check->remedy);
        json_object_end(&json);
    }
    json_array_end(&json);
    json_key_text(&json, "verdict", preflight_failed(preflight) ? "failed" : "ok");
    json_object_end(&json);
    puts(buffer_text(&text));
    buffer_finish(&text);
}

static void tell_mistakes(struct buffer *mistakes, struct preflight *preflight)
{
    while (mistakes->length && mistakes->data[mistakes->length - 1] == '\n')
        mistakes->length--;
    preflight_add(preflight, "config", PREFLIGHT_FAILED,
                  "correct what is listed; `orchctl config check` lists it too", "%s", buffer_text(mistakes));
}

int doctor_run(const struct options *options)
{
    struct clock clock = clock_system();
    struct config *config = NULL;
    struct buffer mistakes;
    struct preflight preflight = {.count = 0};
    buffer_init(&mistakes, 0);
    if (resolve_config(options, config_environment_process, NULL, clock_wall_ms(&clock), &config,
                       &mistakes) == STATUS_OK)
        examine(config, options, &preflight);
    else
        tell_mistakes(&mistakes, &preflight);
    buffer_finish(&mistakes);
    config_destroy(config);
    if (options->json)
        print_json(&preflight);
    else
        print_table(&preflight);
    return preflight_failed(&preflight) ? EXIT_NOT_EVEN : EXIT_FINE;
}
