/* monitor: the run at a glance, again every two seconds (operations.md §17). top: the same for a terminal of any size, redrawn in
 * place. */
#include "base/file.h"
#include "client.h"
#include "place.h"
#include "screen.h"
#include "verb.h"

#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

enum { MONITOR_S = 2, TOP_S = 1, PAGE = 10, SUMMARY_BYTES_MAX = 16 * 1024 * 1024 };

#define CLEAR      "\033[H\033[2J"
#define SCREEN_ON  "\033[?1049h\033[?25l" /* the other screen, no cursor; what was there comes back */
#define SCREEN_OFF "\033[?25h\033[?1049l"

/* glance: the answers of one moment, with what owns them. */
struct glance {
    yyjson_doc *status, *gates, *summary;
    struct screen_answers answers;
};

static void glance_finish(struct glance *glance)
{
    yyjson_doc_free(glance->status);
    yyjson_doc_free(glance->gates);
    yyjson_doc_free(glance->summary);
    *glance = (struct glance){0};
}

/* summary_path: the newest summary in the folder of report's files; false when there is none. */
static bool summary_path(const char *folder, char out_path[PATH_BYTES])
{
    time_t newest = 0;
    DIR *listed = opendir(folder);
    for (struct dirent *entry; listed && (entry = readdir(listed));) {
        char path[PATH_BYTES];
        struct stat found;
        const char *dot = strrchr(entry->d_name, '.');
        if (strncmp(entry->d_name, "summary_", 8) != 0 || !dot || strcmp(dot, ".json") != 0)
            continue;
        path_join(path, folder, "%s", entry->d_name);
        if (stat(path, &found) != 0 || found.st_mtime < newest)
            continue;
        newest = found.st_mtime;
        memcpy(out_path, path, sizeof path);
    }
    if (listed)
        closedir(listed);
    return newest != 0;
}

/* summary_read: that of the running run, NULL when it has written none yet. */
static yyjson_doc *summary_read(const char *folder, const char *run_id)
{
    char path[PATH_BYTES];
    struct buffer text;
    if (!summary_path(folder, path))
        return NULL;
    buffer_init(&text, SUMMARY_BYTES_MAX);
    yyjson_doc *document =
        file_read(path, &text) == STATUS_OK ? yyjson_read((const char *)text.data, text.length, 0) : NULL;
    buffer_finish(&text);
    if (yyjson_equals_str(yyjson_obj_get(yyjson_doc_get_root(document), "run_id"), run_id))
        return document;
    yyjson_doc_free(document);
    return NULL;
}

static enum status glance_take(struct client *client, const char *report_folder, struct glance *out,
                               struct error *error)
{
    *out = (struct glance){0};
    enum status status = client_ask(client, "status", "{}", &out->status, error);
    if (status == STATUS_OK)
        status = client_ask(client, "gates", "{}", &out->gates, error);
    if (status != STATUS_OK) {
        glance_finish(out);
        return status;
    }
    out->answers.status = yyjson_obj_get(yyjson_doc_get_root(out->status), "result");
    out->answers.gates = yyjson_obj_get(yyjson_doc_get_root(out->gates), "result");
    out->summary = summary_read(report_folder, member_text(out->answers.status, "run_id"));
    out->answers.summary = yyjson_doc_get_root(out->summary);
    return STATUS_OK;
}

/* draw_all: returns how many columns found no room. */
static size_t draw_all(struct buffer *out, const struct screen_answers *answers, size_t columns, bool others)
{
    screen_head(out, answers);
    buffer_append_byte(out, '\n');
    size_t hidden = screen_processes(out, answers, columns, others);
    buffer_append_byte(out, '\n');
    screen_harvest(out, answers);
    screen_report(out, answers);
    screen_rest(out, answers);
    buffer_append_byte(out, '\n');
    screen_gates(out, answers);
    screen_symbols(out, answers);
    return hidden;
}

/* draw_once: for monitor: as wide as the terminal, if it is one, and as long as it gets. */
static void draw_once(const struct screen_answers *answers)
{
    struct buffer text, fitted;
    size_t columns = screen_columns();
    buffer_init(&text, 0);
    buffer_init(&fitted, 0);
    size_t hidden = draw_all(&text, answers, columns, false);
    screen_fit(&fitted, &text, columns, 0, 0);
    if (hidden)
        buffer_format(&fitted, "(%zu column%s found no room: `orchctl status --json` has all)\n", hidden,
                      hidden == 1 ? "" : "s");
    fwrite(fitted.data, 1, fitted.length, stdout);
    buffer_finish(&text);
    buffer_finish(&fitted);
}

static void print_json(const struct glance *glance)
{
    char *status = yyjson_val_write(glance->answers.status, 0, NULL),
         *gates = yyjson_val_write(glance->answers.gates, 0, NULL);
    printf("{\"status\":%s,\"gates\":%s}\n", status ? status : "null", gates ? gates : "null");
    free(status);
    free(gates);
}

static enum status open_both(const struct invocation *invocation, struct client **out_client,
                             char out_folder[PATH_BYTES], struct error *error)
{
    struct config *config;
    enum status status = place_config(&config, error);
    if (status != STATUS_OK)
        return status;
    path_join(out_folder, config_text(config, "run.logs_dir"), "report");
    config_destroy(config);
    return client_open(invocation->timeout_ms, out_client, error);
}

/* ended: an orchestrator that does not answer any more and does not live: the run is over. */
static int ended(enum status status, const struct error *error)
{
    if (status == STATUS_OK || !place_orchestrator_lives())
        return EXIT_FINE;
    return complain(EXIT_REFUSED, "%s", error->text);
}

int verb_monitor(const struct invocation *invocation)
{
    struct client *client;
    struct error error = {{0}};
    char folder[PATH_BYTES];
    bool once = invocation_value(invocation, "--once") != NULL;
    enum status status = open_both(invocation, &client, folder, &error);
    if (status != STATUS_OK)
        return complain(EXIT_REFUSED, "%s", error.text);
    do {
        struct glance glance;
        status = glance_take(client, folder, &glance, &error);
        if (status != STATUS_OK)
            break;
        if (invocation->json)
            print_json(&glance);
        else
            draw_once(&glance.answers);
        if (!once && !invocation->json)
            putchar('\n');
        fflush(stdout);
        glance_finish(&glance);
        if (!once && !ferror(stdout))
            client_wait(client, MONITOR_S * 1000);
    } while (!once && !ferror(stdout));
    client_close(client);
    return once && status != STATUS_OK ? complain(EXIT_REFUSED, "%s", error.text) : ended(status, &error);
}

/* --- top --- */

/* terminal: as it was, and what wakes us: its keys, and signals. */
struct terminal {
    struct termios before;
    int signals;
};

static bool terminal_open(struct terminal *terminal)
{
    sigset_t signals;
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO) || tcgetattr(STDIN_FILENO, &terminal->before) != 0)
        return false;
    struct termios quiet = terminal->before;
    quiet.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    tcsetattr(STDIN_FILENO, TCSANOW, &quiet);
    sigemptyset(&signals);
    sigaddset(&signals, SIGWINCH);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGHUP);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    terminal->signals = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    fputs(SCREEN_ON, stdout);
    fflush(stdout);
    return true;
}

static void terminal_close(struct terminal *terminal)
{
    fputs(SCREEN_OFF, stdout);
    fflush(stdout);
    tcsetattr(STDIN_FILENO, TCSANOW, &terminal->before);
    close(terminal->signals);
}

/* view: what of the screen a person looks at. */
struct view {
    size_t first; /* line */
    bool others;  /* the columns that found no room */
};

/* view_move: how many bytes of the keys were one that moves; 0: none. */
static size_t view_move(struct view *view, const char *keys, size_t length)
{
    static const struct {
        const char *keys;
        int lines;
    } MOVES[] = {{"j", 1},    {"\033[B", 1},     {"k", -1},    {"\033[A", -1},
                 {" ", PAGE}, {"\033[6~", PAGE}, {"b", -PAGE}, {"\033[5~", -PAGE}};
    for (size_t i = 0; i < sizeof MOVES / sizeof *MOVES; i++) {
        size_t bytes = strlen(MOVES[i].keys);
        if (bytes > length || memcmp(MOVES[i].keys, keys, bytes) != 0)
            continue;
        view->first = MOVES[i].lines < 0 && view->first < (size_t)-MOVES[i].lines
                          ? 0
                          : view->first + (size_t)MOVES[i].lines;
        return bytes;
    }
    return 0;
}

/* view_keys: all that were pressed since the last look; false when a person has had enough. */
static bool view_keys(struct view *view, const char *keys, size_t length)
{
    while (length) {
        size_t took = view_move(view, keys, length);
        if (*keys == 'q' || *keys == 'Q')
            return false;
        if (*keys == 'c')
            view->others = !view->others;
        if (!took && *keys == '\033') /* a key that is none of ours: what follows belongs to it */
            return true;
        took = took ? took : 1;
        keys += took;
        length -= took;
    }
    return true;
}

/* terminal_wait: false when a person has had enough, or a signal ends us. A new size only wakes us. */
static bool terminal_wait(const struct terminal *terminal, struct view *view)
{
    struct pollfd polls[] = {{.fd = STDIN_FILENO, .events = POLLIN},
                             {.fd = terminal->signals, .events = POLLIN}};
    struct signalfd_siginfo info;
    char keys[64];
    if (poll(polls, 2, TOP_S * 1000) <= 0)
        return true;
    if (polls[0].revents) {
        ssize_t got = read(STDIN_FILENO, keys, sizeof keys);
        return got > 0 && view_keys(view, keys, (size_t)got);
    }
    return read(terminal->signals, &info, sizeof info) != (ssize_t)sizeof info || info.ssi_signo == SIGWINCH;
}

/* put_footer: the keys, as many as have room, each whole. */
static void put_footer(struct buffer *out, size_t columns, size_t hidden, const struct view *view,
                       size_t shown, size_t total)
{
    char parts[3][64] = {"q: leave", "", ""};
    size_t used = 0;
    if (total > shown)
        snprintf(parts[1], sizeof parts[1], "lines %zu to %zu of %zu (j, k)", view->first + 1,
                 view->first + shown, total);
    if (hidden)
        snprintf(parts[2], sizeof parts[2], view->others ? "c: the first columns" : "c: %zu more column%s",
                 hidden, hidden == 1 ? "" : "s");
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        size_t length = strlen(parts[i]);
        if (!length || used + length + 2 > columns)
            continue;
        buffer_format(out, "%s%s", used ? "  " : "", parts[i]);
        used += length + 2;
    }
}

static void terminal_draw(const struct screen_answers *answers, struct view *view)
{
    struct winsize size = {0};
    struct buffer text, fitted;
    buffer_init(&text, 0);
    buffer_init(&fitted, 0);
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || !size.ws_col || !size.ws_row)
        size = (struct winsize){.ws_row = 24, .ws_col = 80};
    size_t room = size.ws_row > 1 ? size.ws_row - 1u : 1;
    size_t hidden = draw_all(&text, answers, size.ws_col, view->others);
    size_t total = screen_fit(&fitted, &text, size.ws_col, 1, 0), shown = total < room ? total : room;
    if (view->first > total - shown)
        view->first = total - shown;
    buffer_clear(&fitted);
    screen_fit(&fitted, &text, size.ws_col, shown, view->first);
    put_footer(&fitted, size.ws_col, hidden, view, shown, total);
    fputs(CLEAR, stdout);
    fwrite(fitted.data, 1, fitted.length, stdout);
    fflush(stdout);
    buffer_finish(&text);
    buffer_finish(&fitted);
}

int verb_top(const struct invocation *invocation)
{
    struct client *client;
    struct terminal terminal;
    struct error error = {{0}};
    char folder[PATH_BYTES];
    enum status status = open_both(invocation, &client, folder, &error);
    if (status != STATUS_OK)
        return complain(EXIT_REFUSED, "%s", error.text);
    if (!terminal_open(&terminal)) {
        client_close(client);
        return complain(EXIT_WRONG_USE,
                        "top: needs a terminal; `orchctl monitor` writes the same as plain text");
    }
    struct glance glance;
    struct view view = {0};
    do {
        status = glance_take(client, folder, &glance, &error);
        if (status != STATUS_OK)
            break;
        terminal_draw(&glance.answers, &view);
        glance_finish(&glance);
    } while (terminal_wait(&terminal, &view));
    terminal_close(&terminal);
    client_close(client);
    return ended(status, &error);
}
