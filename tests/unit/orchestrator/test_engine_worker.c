/* Closing the engine's worker: what ends containers is still done, what nobody waits for is dropped, and an engine that does not answer
 * keeps nobody. */
#include "tests/support/check.h"

#include "base/clock.h"
#include "orchestrator/drivers/engine_call.h"
#include "orchestrator/drivers/engine_worker.h"

#include <sched.h>
#include <semaphore.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { TASKS_MAX = 16 };

/* performed: what the worker's thread has done, in order; the first task takes until the worker is being closed. */
struct performed {
    sem_t begun;
    struct engine_task tasks[TASKS_MAX];
    size_t count;
};

static enum status perform_slowly(void *context, struct engine_worker *worker, struct engine_client *client,
                                  const struct engine_task *task, struct error *error)
{
    struct performed *performed = context;
    (void)worker, (void)error;
    performed->tasks[performed->count++] = *task;
    if (performed->count == 1)
        sem_post(&performed->begun);
    while (performed->count == 1 && !engine_client_ends(client))
        sched_yield(); /* until the test's main thread has come to it */
    return STATUS_OK;
}

static void ask(struct engine_worker *worker, enum engine_verb verb, const char *instance)
{
    struct engine_task task = {.verb = verb};
    snprintf(task.container.instance, sizeof task.container.instance, "%s", instance);
    engine_worker_ask(worker, &task);
}

static void what_ends_containers_is_done_and_what_nobody_waits_for_is_dropped(void **state)
{
    struct performed performed = {.count = 0};
    struct engine_worker *worker;
    struct error error;
    (void)state;
    sem_init(&performed.begun, 0, 0);
    assert_ok(engine_worker_open("nowhere", perform_slowly, &performed, &worker, &error));
    ask(worker, ENGINE_LOOK, "first");
    sem_wait(&performed.begun);
    ask(worker, ENGINE_MAKE, "signal.2");
    ask(worker, ENGINE_UNPAUSE, "broker");
    ask(worker, ENGINE_START, "report");
    ask(worker, ENGINE_KILL, "broker");
    ask(worker, ENGINE_PAUSE, "archive");
    ask(worker, ENGINE_LOOK, "");
    ask(worker, ENGINE_KILL, "report");
    engine_worker_close(worker);
    assert_int_equal(performed.count, 4);
    assert_int_equal(performed.tasks[1].verb, ENGINE_UNPAUSE);
    assert_int_equal(performed.tasks[2].verb, ENGINE_KILL);
    assert_string_equal(performed.tasks[2].container.instance, "broker");
    assert_int_equal(performed.tasks[3].verb, ENGINE_KILL);
    assert_string_equal(performed.tasks[3].container.instance, "report");
    sem_destroy(&performed.begun);
}

/* --- an engine that accepts and never answers --- */

struct called {
    sem_t begun;
    int good, failed;
    char reason[256]; /* of the newest failure */
};

static enum status perform_call(void *context, struct engine_worker *worker, struct engine_client *client,
                                const struct engine_task *task, struct error *error)
{
    struct called *called = context;
    (void)worker, (void)task;
    sem_post(&called->begun);
    enum status status = engine_call(client, "POST", "/containers/x/kill", NULL, NULL, error);
    called->good += status == STATUS_OK;
    called->failed += status != STATUS_OK;
    snprintf(called->reason, sizeof called->reason, "%.255s", error->text);
    return status;
}

static int listen_silently(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%.100s", path);
    assert_int_equal(bind(descriptor, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(descriptor, 8), 0);
    return descriptor;
}

static void an_engine_that_does_not_answer_keeps_nobody(void **state)
{
    struct called called = {.good = 0};
    struct engine_worker *worker;
    struct error error;
    char folder[PATH_BYTES], path[PATH_BYTES];
    (void)state;
    check_folder(folder);
    path_join(path, folder, "engine");
    int descriptor = listen_silently(path);
    sem_init(&called.begun, 0, 0);
    assert_ok(engine_worker_open(path, perform_call, &called, &worker, &error));
    for (int i = 0; i < 3; i++)
        ask(worker, ENGINE_KILL, "signal");
    sem_wait(&called.begun);
    engine_worker_close(worker); /* the first is given up, the others are not begun */
    assert_int_equal(called.good, 0);
    assert_int_equal(called.failed, 3);
    assert_non_null(strstr(called.reason, "asked nothing any more"));
    close(descriptor);
    sem_destroy(&called.begun);
    check_folder_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_ends_containers_is_done_and_what_nobody_waits_for_is_dropped),
        cmocka_unit_test(an_engine_that_does_not_answer_keeps_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
