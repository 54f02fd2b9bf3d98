#include "program.h"

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static void program_find(const char *name, char out_path[PATH_BYTES])
{
    char own[PATH_BYTES];
    process_folder(own);
    path_join(out_path, own, "%s", name);
    if (!file_exists(out_path))
        path_join(out_path, own, "../libexec/orderflow/%s", name);
}

static void read_all(int descriptor, struct buffer *out)
{
    ssize_t got;
    do {
        uint8_t *room = buffer_reserve(out, 65536);
        got = room ? read(descriptor, room, 65536) : 0;
        if (got > 0)
            out->length += (size_t)got;
    } while (got > 0 || (got < 0 && errno == EINTR));
}

enum status program_run(const char **words, struct buffer *out, int *out_code, struct error *error)
{
    char path[PATH_BYTES];
    int ends[2], state = 0;
    pid_t pid;
    posix_spawn_file_actions_t files;
    program_find(words[0], path);
    words[0] = path;
    if (pipe2(ends, O_CLOEXEC) != 0)
        return error_set(error, STATUS_IO, "a pipe cannot be made: %m");
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, ends[1], 1);
    int code = posix_spawn(&pid, path, &files, NULL, (char *const *)words, environ);
    posix_spawn_file_actions_destroy(&files);
    close(ends[1]);
    if (code == 0) {
        read_all(ends[0], out);
        while (waitpid(pid, &state, 0) < 0 && errno == EINTR)
            ;
        *out_code = WIFEXITED(state) ? WEXITSTATUS(state) : -1;
    }
    close(ends[0]);
    return code ? error_set(error, STATUS_IO, "%s cannot be started: %s", path, strerror(code)) : STATUS_OK;
}
