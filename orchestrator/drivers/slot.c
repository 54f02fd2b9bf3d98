#include "slot.h"

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { CONNECTIONS_WAITING_MAX = 4 };

enum status slot_address(const char *folder, const char *name, struct sockaddr_un *out_address,
                         struct error *error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int length = snprintf(address.sun_path, sizeof address.sun_path, "%s/%s.keeper", folder, name);
    if (length < 0 || (size_t)length >= sizeof address.sun_path)
        return error_set(error, STATUS_INVALID,
                         "%s/%s.keeper: a socket's path has at most %zu characters: take a shorter bus.dir",
                         folder, name, sizeof address.sun_path - 1);
    *out_address = address;
    return STATUS_OK;
}

static void descriptor_close(int *descriptor)
{
    if (*descriptor >= 0)
        close(*descriptor);
    *descriptor = -1;
}

void slot_close(struct slot *slot)
{
    descriptor_close(&slot->lock);
    descriptor_close(&slot->listener);
}

static enum status take_lock(const char *folder, const char *name, struct slot *slot, struct error *error)
{
    char path[PATH_BYTES];
    path_join(path, folder, "%s.slot", name);
    slot->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    enum status status = slot->lock >= 0 ? file_lock(slot->lock) : STATUS_IO;
    if (status == STATUS_EXISTS)
        return error_set(error, status, "the slot is held by another keeper (%s)", path);
    return status == STATUS_OK ? status : error_set(error, status, "%s: %m", path);
}

static enum status take_socket(const char *folder, const char *name, struct slot *slot, struct error *error)
{
    struct sockaddr_un address;
    enum status status = slot_address(folder, name, &address, error);
    if (status != STATUS_OK)
        return status;
    unlink(address.sun_path); /* of a dead keeper: the slot's lock is ours */
    slot->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool listens = slot->listener >= 0 &&
                   fchmod(slot->listener, 0600) == 0 && /* what bind makes has this mode */
                   bind(slot->listener, (struct sockaddr *)&address, sizeof address) == 0 &&
                   listen(slot->listener, CONNECTIONS_WAITING_MAX) == 0;
    return listens ? STATUS_OK : error_set(error, STATUS_IO, "%s: %m", address.sun_path);
}

enum status slot_take(const char *folder, const char *name, struct slot *out_slot, struct error *error)
{
    struct slot slot = {-1, -1};
    enum status status = take_lock(folder, name, &slot, error);
    if (status == STATUS_OK)
        status = take_socket(folder, name, &slot, error);
    if (status != STATUS_OK) {
        slot_close(&slot);
        return status;
    }
    *out_slot = slot;
    return STATUS_OK;
}
