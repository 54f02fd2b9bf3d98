/* certificate: a key and a self-signed certificate for the simulator; one of an earlier life that is still good stays, so that
 * whoever trusts it need not read it again. */
#pragma once

#include "base/status.h"

/* certificate_create: writes <folder>/simulator/certificate.pem and key.pem (mode 0600; ECDSA P-256, valid for
 * `host`, localhost and 127.0.0.1, one year). The paths are malloc'd. */
enum status certificate_create(const char *folder, const char *host, char **out_certificate_path,
                               char **out_key_path, struct error *error) MUST_USE;
