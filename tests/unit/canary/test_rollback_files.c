// What stands in files about rollbacks: which configurations are stable and where a rollback leads, incidents, the record itself.
// links: canary config base
#include "orchestrator/canary/fingerprints.h"
#include "orchestrator/canary/rollback.h"
#include "tests/support/check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char A[] = "aaaaaaaaaaaaaaaa000000000000000000000000000000000000000000000001";
static const char B[] = "bbbbbbbbbbbbbbbb000000000000000000000000000000000000000000000002";
static const char C[] = "bbbbbbbbbbbbbbbb000000000000000000000000000000000000000000000003";

static struct stable_fingerprint stable(const char *fingerprint)
{
    struct stable_fingerprint entry = {.config_tag = "v1", .marked_at = "2024-08-08T00:00:00.000Z"};
    snprintf(entry.fingerprint, sizeof entry.fingerprint, "%s", fingerprint);
    snprintf(entry.config_file, sizeof entry.config_file, "state/configs/%s.json", fingerprint);
    snprintf(entry.evidence, sizeof entry.evidence, "report.json");
    return entry;
}

static struct fingerprints marked(const char *const names[], size_t count)
{
    struct fingerprints fingerprints = {0};
    for (size_t i = 0; i < count; i++) {
        struct stable_fingerprint entry = stable(names[i]);
        fingerprints_mark(&fingerprints, &entry);
    }
    return fingerprints;
}

static void the_two_newest_stay_each_once(void **state)
{
    (void)state;
    struct fingerprints fingerprints = marked((const char *const[]){A, B, C, B}, 4);
    assert_int_equal(fingerprints.stable_count, 2);
    assert_string_equal(fingerprints.stable[0].fingerprint, B);
    assert_string_equal(fingerprints.stable[1].fingerprint, C);
}

static void a_rollback_leads_to_another_stable_configuration_or_nowhere(void **state)
{
    (void)state;
    const struct {
        const char *const stable[2];
        size_t count;
        const char *current, *asked, *target; /* NULL: refused */
    } cases[] = {
        {{A}, 1, B, NULL, A},
        {{A, B}, 2, B, NULL, A}, /* the newest one is the present one */
        {{A, B}, 2, C, NULL, B},
        {{A}, 1, A, NULL, NULL},
        {{0}, 0, A, NULL, NULL},
        {{A, B}, 2, C, A, A},
        {{A, B}, 2, C, "aaaaaaaa", A},
        {{A, B}, 2, C, "aaaaaaa", NULL},          /* too short to mean one */
        {{A, B}, 2, B, B, NULL},                  /* to itself */
        {{A, B}, 2, B, "bbbbbbbb", NULL},         /* may mean itself */
        {{B, C}, 2, A, "bbbbbbbbbbbbbbbb", NULL}, /* means two */
        {{A}, 1, B, C, NULL},                     /* was never marked */
        {{A}, 1, B, "aaaaaaaaaaaaaaab", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fingerprints fingerprints = marked(cases[i].stable, cases[i].count);
        const struct stable_fingerprint *target = NULL;
        struct error error = {{0}};
        enum status status =
            fingerprints_target(&fingerprints, cases[i].current, cases[i].asked, &target, &error);
        print_message("case %zu: %s\n", i, error.text);
        assert_int_equal(status, cases[i].target ? STATUS_OK : STATUS_INVALID);
        assert_true(cases[i].target || *error.text);
        if (target)
            assert_string_equal(target->fingerprint, cases[i].target);
    }
}

static void the_store_reads_back_what_it_wrote_and_refuses_what_it_did_not(void **state)
{
    (void)state;
    char folder[PATH_BYTES], path[PATH_BYTES];
    struct error error;
    struct fingerprints written = marked((const char *const[]){A, B}, 2), read;
    check_folder(folder);
    assert_ok(fingerprints_read(folder, &read, &error));
    assert_int_equal(read.stable_count, 0);
    snprintf(written.current, sizeof written.current, "%s", C);
    assert_ok(fingerprints_write(folder, &written, &error));
    assert_ok(fingerprints_read(folder, &read, &error));
    assert_string_equal(read.current, C);
    assert_string_equal(read.stable[0].fingerprint, B);
    assert_string_equal(read.stable[1].config_file, written.stable[1].config_file);
    path_join(path, folder, "fingerprints.json");
    const char *const damaged[] = {"", "{}", "{\"current\":\"x\",\"stable\":[]}",
                                   "{\"current\":\"\",\"stable\":[{\"fingerprint\":\"\"}]}",
                                   "{\"current\":\"\",\"stable\":[1,2,3]}"};
    for (size_t i = 0; i < sizeof damaged / sizeof *damaged; i++) {
        assert_ok(file_replace(path, damaged[i], strlen(damaged[i]), false));
        assert_int_equal(fingerprints_read(folder, &read, &error), STATUS_MALFORMED);
        assert_non_null(strstr(error.text, "fingerprints.json"));
    }
    check_folder_remove(folder);
}

static void a_configuration_is_kept_under_its_fingerprint_and_believed_only_under_it(void **state)
{
    (void)state;
    char folder[PATH_BYTES], path[PATH_BYTES], other[PATH_BYTES], fingerprint[SHA256_HEX_BYTES];
    struct error error = {{0}};
    struct config *config = config_create(), *loaded = NULL;
    struct fingerprints fingerprints;
    check_folder(folder);
    assert_ok(config_set(config, "run.state_dir", folder, ORIGIN_CLI, &error));
    assert_ok(config_set(config, "signal.weak_threshold", "0.31", ORIGIN_CLI, &error));
    config_fingerprint(config, fingerprint);
    assert_ok(fingerprints_note(config, fingerprint, &error));
    assert_ok(fingerprints_read(folder, &fingerprints, &error));
    assert_string_equal(fingerprints.current, fingerprint);
    assert_ok(fingerprints_config_load(folder, fingerprint, &loaded, &error));
    assert_true(config_f64(loaded, "signal.weak_threshold") == 0.31);
    config_destroy(loaded);
    fingerprints_config_path(folder, fingerprint, path);
    fingerprints_config_path(folder, A, other);
    assert_int_equal(rename(path, other), 0);
    assert_int_equal(fingerprints_config_load(folder, A, &loaded, &error), STATUS_INVALID);
    assert_non_null(strstr(error.text, "not the one it is named after"));
    assert_int_equal(fingerprints_config_load(folder, fingerprint, &loaded, &error), STATUS_INVALID);
    config_destroy(config);
    check_folder_remove(folder);
}

/* --- incidents --- */

static struct incident incident_of(const char *why)
{
    struct incident incident = {.severity = "P1",
                                .rule = "rollback",
                                .opened_ms = 1000,
                                .event_ms = INT64_MIN,
                                .who = "somebody",
                                .action = "rollback",
                                .metric_count = 1};
    snprintf(incident.why, sizeof incident.why, "%s", why);
    snprintf(incident.metrics[0].name, sizeof incident.metrics[0].name, "latency");
    incident.metrics[0].before = 1.5;
    incident.metrics[0].after = NAN;
    snprintf(incident.metrics[0].reason, sizeof incident.metrics[0].reason, "no clock");
    return incident;
}

static void incidents_are_numbered_read_back_and_closed_once(void **state)
{
    (void)state;
    char folder[PATH_BYTES], path[PATH_BYTES];
    struct error error = {{0}};
    struct incidents read;
    struct incident one = incident_of("\"quoted\" ü"), other = incident_of("b");
    check_folder(folder);
    incidents_path(folder, path);
    snprintf(one.fingerprint_to, sizeof one.fingerprint_to, "%s", A);
    assert_ok(incidents_open(path, &one, &error));
    assert_ok(incidents_open(path, &other, &error));
    assert_string_equal(one.id, "incident-000001");
    assert_string_equal(other.id, "incident-000002");
    assert_ok(incidents_close(path, one.id, 5000, &error));
    assert_ok(incidents_close(path, one.id, 9000, &error));
    assert_int_equal(incidents_close(path, "incident-000009", 1, &error), STATUS_NOT_FOUND);
    assert_ok(incidents_read(path, &read, &error));
    assert_int_equal(read.count, 2);
    const struct incident *first = incident_find(&read, one.id);
    assert_int_equal(first->closed_ms, 5000);
    assert_string_equal(first->why, one.why);
    assert_string_equal(first->fingerprint_to, A);
    assert_true(isnan(first->metrics[0].after) && first->metrics[0].before == 1.5);
    assert_string_equal(first->metrics[0].reason, "no clock");
    assert_true(first->event_ms == INT64_MIN);
    assert_int_equal(incident_find(&read, other.id)->closed_ms, 0);
    incidents_finish(&read);
    check_folder_remove(folder);
}

static void a_full_list_lets_closed_incidents_go_and_no_open_one(void **state)
{
    (void)state;
    char folder[PATH_BYTES], path[PATH_BYTES];
    struct error error = {{0}};
    struct incidents full = {0}, read;
    struct incident more = incident_of("more");
    check_folder(folder);
    incidents_path(folder, path);
    full.items = calloc(INCIDENTS_MAX, sizeof *full.items);
    for (full.count = 0; full.count < INCIDENTS_MAX; full.count++) {
        full.items[full.count] = incident_of("old");
        snprintf(full.items[full.count].id, INCIDENT_ID_BYTES, "incident-%06zu", full.count + 1);
    }
    full.items[7].closed_ms = 2000;
    assert_ok(incidents_write(path, &full, &error));
    assert_ok(incidents_open(path, &more, &error));
    assert_ok(incidents_read(path, &read, &error));
    assert_int_equal(read.count, INCIDENTS_MAX);
    assert_null(incident_find(&read, "incident-000008"));
    assert_non_null(incident_find(&read, more.id));
    incidents_finish(&read);
    assert_int_equal(incidents_open(path, &more, &error), STATUS_LIMIT);
    free(full.items);
    check_folder_remove(folder);
}

static void what_is_no_list_of_incidents_is_not_written_over(void **state)
{
    (void)state;
    static const char FOREIGN[] = "{\"mine\":1}";
    char folder[PATH_BYTES], path[PATH_BYTES];
    struct error error = {{0}};
    struct incident incident = incident_of("x");
    struct buffer text;
    check_folder(folder);
    path_join(path, folder, "incidents.json");
    assert_ok(file_replace(path, FOREIGN, sizeof FOREIGN - 1, false));
    assert_int_equal(incidents_open(path, &incident, &error), STATUS_MALFORMED);
    buffer_init(&text, 0);
    assert_ok(file_read(path, &text));
    assert_string_equal(buffer_text(&text), FOREIGN);
    buffer_finish(&text);
    check_folder_remove(folder);
}

/* Two processes at it: whoever concludes a run that was left, and the orchestrator of the next one. */
static void incidents_that_several_processes_open_at_once_are_all_there(void **state)
{
    (void)state;
    enum { WRITERS = 4, EACH = 25 };
    char folder[PATH_BYTES], path[PATH_BYTES];
    struct incidents incidents;
    struct error error = {{0}};
    int status;
    check_folder(folder);
    path_join(path, folder, "incidents.json");
    for (int writer = 0; writer < WRITERS; writer++)
        if (fork() == 0) {
            for (int i = 0; i < EACH; i++) {
                struct incident incident = {.opened_ms = 1, .event_ms = 1, .severity = "P2"};
                if (incidents_open(path, &incident, &error) != STATUS_OK)
                    _exit(1);
            }
            _exit(0);
        }
    for (int writer = 0; writer < WRITERS; writer++)
        assert_true(wait(&status) > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_ok(incidents_read(path, &incidents, &error));
    assert_int_equal(incidents.count, WRITERS * EACH);
    assert_string_equal(incidents.items[incidents.count - 1].id, "incident-000100");
    incidents_finish(&incidents);
    check_folder_remove(folder);
}

/* --- the record --- */

static void a_record_reads_back(void **state)
{
    (void)state;
    char folder[PATH_BYTES], path[PATH_BYTES];
    struct error error = {{0}};
    struct rollback written = {.state = ROLLBACK_FAILED,
                               .incident = "incident-000001",
                               .from_run = "one",
                               .to_run = "one-r2",
                               .begun_ms = 5,
                               .ended_ms = 9,
                               .limit_ms = 120000,
                               .minutes_left = 1.25,
                               .exit_code = 3,
                               .reason = "signal",
                               .conclusion = "verdict PASS"},
                    read;
    check_folder(folder);
    rollback_path(folder, path);
    assert_int_equal(rollback_read(path, &read, &error), STATUS_NOT_FOUND);
    assert_ok(rollback_write(path, &written, &error));
    assert_ok(rollback_read(path, &read, &error));
    assert_int_equal(read.state, written.state);
    assert_string_equal(read.to_run, written.to_run);
    assert_string_equal(read.reason, written.reason);
    assert_string_equal(read.conclusion, written.conclusion);
    assert_true(read.begun_ms == 5 && read.ended_ms == 9 && read.limit_ms == 120000 && read.exit_code == 3);
    assert_true(read.minutes_left == 1.25);
    assert_ok(file_replace(path, "{\"state\":\"done\"}", 16, false));
    assert_int_equal(rollback_read(path, &read, &error), STATUS_MALFORMED);
    check_folder_remove(folder);
}

static void runs_that_follow_each_other_have_names_that_fit(void **state)
{
    (void)state;
    const char *const names[][2] = {
        {"run", "run-r2"},
        {"run-r2", "run-r3"},
        {"run-r9", "run-r10"},
        {"run-r1", "run-r1-r2"},
        {"run-rx", "run-rx-r2"},
        {"run-r2x", "run-r2x-r2"},
        {"r2", "r2-r2"},
        {"0123456789012345678901234567890123456789012345678901234567890123",
         "0123456789012345678901234567890123456789012345678901234567890-r2"},
    };
    char name[ROLLBACK_RUN_BYTES];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        rollback_run_name(names[i][0], name);
        assert_string_equal(name, names[i][1]);
        assert_false(rollback_follows("another", name));
        assert_true(strlen(name) <= 64);
        assert_true(rollback_follows(names[i][0], name));
        assert_false(rollback_follows(name, names[i][0]) || rollback_follows(name, name));
    }
}

static void the_worse_of_two_exit_codes_counts(void **state)
{
    (void)state;
    const int cases[][3] = {{0, 0, 0}, {0, 3, 3}, {3, 4, 4}, {4, 3, 4}, {4, 2, 2}, {1, 4, 1}, {3, 0, 3}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(rollback_worse_code(cases[i][0], cases[i][1]), cases[i][2]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_two_newest_stay_each_once),
        cmocka_unit_test(a_rollback_leads_to_another_stable_configuration_or_nowhere),
        cmocka_unit_test(the_store_reads_back_what_it_wrote_and_refuses_what_it_did_not),
        cmocka_unit_test(a_configuration_is_kept_under_its_fingerprint_and_believed_only_under_it),
        cmocka_unit_test(incidents_are_numbered_read_back_and_closed_once),
        cmocka_unit_test(a_full_list_lets_closed_incidents_go_and_no_open_one),
        cmocka_unit_test(what_is_no_list_of_incidents_is_not_written_over),
        cmocka_unit_test(incidents_that_several_processes_open_at_once_are_all_there),
        cmocka_unit_test(a_record_reads_back),
        cmocka_unit_test(runs_that_follow_each_other_have_names_that_fit),
        cmocka_unit_test(the_worse_of_two_exit_codes_counts),
    };
    check_filter();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
