/* driver_fixture: a slot of the process driver in a folder of its own, and small shell scripts as its processes. Header only: each test is one
 * source. */
#pragma once

#include "orchestrator/drivers/driver.h"
#include "tests/support/check.h"

#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#define FIXTURE __attribute__((unused)) static

enum { PATIENCE_MS = 60000 };

FIXTURE char folder[PATH_BYTES], out_path[PATH_BYTES], err_path[PATH_BYTES], keeper_path[PATH_BYTES];

FIXTURE int set_up(void **unused)
{
    (void)unused;
    check_folder(folder);
    path_join(out_path, folder, "out");
    path_join(err_path, folder, "err");
    path_join(keeper_path, getenv("ORDERFLOW_BUILD"), "bin/keeper");
    return 0;
}

FIXTURE int tear_down(void **unused)
{
    (void)unused;
    check_folder_remove(folder);
    return 0;
}

FIXTURE enum status try_in(struct driver_child *child, int64_t generation, const char *script,
                           const char *const *environment, struct error *error)
{
    const char *const nothing[] = {NULL};
    const char *const arguments[] = {"/bin/sh", "-c", script, NULL};
    struct driver_order order = {.slot = "slot",
                                 .folder = folder,
                                 .keeper = keeper_path,
                                 .generation = generation,
                                 .arguments = arguments,
                                 .environment = environment ? environment : nothing,
                                 .stdout_path = out_path,
                                 .stderr_path = err_path};
    return process_driver.start(&order, child, error);
}

/* order_in: whether it has been started, the next news tells. */
FIXTURE void order_in(struct driver_child *child, int64_t generation, const char *script,
                      const char *const *environment)
{
    struct error error = {{0}};
    if (try_in(child, generation, script, environment, &error) != STATUS_OK)
        fail_msg("%s", error.text);
    assert_true(child->lives);
    assert_int_equal(child->pid, 0);
}

/* wait_news: the next news that is any. */
FIXTURE enum driver_news wait_news(struct driver_child *child, struct driver_exit *out_end)
{
    enum driver_news news;
    while ((news = process_driver.news(child, out_end)) == DRIVER_NOTHING) {
        struct pollfd poll_one = {.fd = child->descriptor, .events = POLLIN};
        assert_int_equal(poll(&poll_one, 1, PATIENCE_MS), 1);
    }
    return news;
}

FIXTURE void wait_started(struct driver_child *child)
{
    struct driver_exit end;
    assert_int_equal(wait_news(child, &end), DRIVER_STARTED);
    assert_true(child->lives && child->pid > 0);
}

FIXTURE void start_in(struct driver_child *child, int64_t generation, const char *script,
                      const char *const *environment)
{
    order_in(child, generation, script, environment);
    wait_started(child);
}

FIXTURE struct driver_child start(const char *script, const char *const *environment)
{
    struct driver_child child;
    driver_child_init(&child);
    start_in(&child, 1, script, environment);
    return child;
}

FIXTURE void wait_announced(struct driver_child *child)
{
    struct driver_exit end;
    assert_int_equal(wait_news(child, &end), DRIVER_ANNOUNCED);
    assert_true(child->announced);
}

/* wait_end: its end, and that nothing announced it before unless it had to. */
FIXTURE struct driver_exit wait_end(struct driver_child *child)
{
    struct driver_exit end;
    assert_int_equal(wait_news(child, &end), DRIVER_EXITED);
    assert_int_equal(child->pid, 0);
    return end;
}

FIXTURE struct driver_exit wait_exit(struct driver_child *child)
{
    struct driver_exit end = wait_end(child);
    process_driver.release(child);
    assert_int_equal(child->descriptor, -1);
    return end;
}

/* forget: what a dead orchestrator leaves: its connection closes, nothing is said. */
FIXTURE void forget(struct driver_child *child)
{
    close(child->descriptor);
    close(child->pid_descriptor);
    driver_child_init(child);
}

FIXTURE void adopt(struct driver_child *child)
{
    struct error error = {{0}};
    if (process_driver.adopt("slot", folder, child, &error) != STATUS_OK)
        fail_msg("%s", error.text);
}

FIXTURE void text_of(const char *path, char *out_text, size_t size)
{
    struct buffer text;
    buffer_init(&text, 0);
    assert_ok(file_read(path, &text));
    snprintf(out_text, size, "%s", buffer_text(&text));
    buffer_finish(&text);
}
