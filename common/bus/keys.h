/* keys: the CURVE keys of a stack, one file <folder>/bus.keys of mode 0600.
 *
 * Whoever listens has the server pair, whoever connects the client pair; every daemon does both, so all of a stack hold the same
 * file, and whoever can read it may read and order everything. */
#pragma once

#include "base/file.h"
#include "base/status.h"

enum { KEY_TEXT_BYTES = 41 }; /* Z85, with its end */

struct bus_keys {
    char server_public[KEY_TEXT_BYTES], server_secret[KEY_TEXT_BYTES];
    char client_public[KEY_TEXT_BYTES], client_secret[KEY_TEXT_BYTES];
};

void bus_keys_path(const char *folder, char out_path[PATH_BYTES]);

/* bus_keys_make: new ones, durably. STATUS_EXISTS: there are some, and they stay. */
enum status bus_keys_make(const char *folder, struct error *error) MUST_USE;

/* bus_keys_read: STATUS_INVALID with a sentence that says what to do: absent, open to others, another's, damaged. */
enum status bus_keys_read(const char *folder, struct bus_keys *out_keys, struct error *error) MUST_USE;
