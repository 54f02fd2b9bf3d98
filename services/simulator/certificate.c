#include "certificate.h"

#include "base/file.h"
#include "base/memory.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { VALID_SECONDS = 365 * 24 * 3600, SERIAL_BITS = 63 };

static bool set_serial(X509 *certificate)
{
    BIGNUM *number = BN_new();
    bool good = number && BN_rand(number, SERIAL_BITS, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) &&
                BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate));
    BN_free(number);
    return good;
}

static bool add_extension(X509 *certificate, int kind, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, kind, value);
    bool good = extension && X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
    return good;
}

static bool add_names(X509 *certificate, const char *host)
{
    char names[256];
    struct in_addr address;
    bool numeric = inet_pton(AF_INET, host, &address) == 1;
    snprintf(names, sizeof names, "DNS:localhost,IP:127.0.0.1,%s:%s", numeric ? "IP" : "DNS", host);
    X509_NAME *name = X509_get_subject_name(certificate);
    return X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"orderflow simulator",
                                      -1, -1, 0) &&
           X509_set_issuer_name(certificate, name) &&
           add_extension(certificate, NID_subject_alt_name, names) &&
           add_extension(certificate, NID_basic_constraints, "critical,CA:TRUE");
}

static X509 *make_certificate(EVP_PKEY *key, const char *host)
{
    X509 *certificate = X509_new();
    bool good = certificate && X509_set_version(certificate, 2) && set_serial(certificate) &&
                X509_gmtime_adj(X509_getm_notBefore(certificate), -3600) &&
                X509_gmtime_adj(X509_getm_notAfter(certificate), VALID_SECONDS) &&
                X509_set_pubkey(certificate, key) && add_names(certificate, host) &&
                X509_sign(certificate, key, EVP_sha256());
    if (good)
        return certificate;
    X509_free(certificate);
    return NULL;
}

/* write_pem: a new file of mode 0600. */
static bool write_pem(const char *path, EVP_PKEY *key, X509 *certificate)
{
    unlink(path);
    int descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    FILE *file = descriptor >= 0 ? fdopen(descriptor, "w") : NULL;
    if (!file) {
        if (descriptor >= 0)
            close(descriptor);
        return false;
    }
    bool written = key ? PEM_write_PKCS8PrivateKey(file, key, NULL, NULL, 0, NULL, NULL)
                       : PEM_write_X509(file, certificate);
    return fclose(file) == 0 && written;
}

static bool make_pair(const char *certificate_path, const char *key_path, const char *host)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = key ? make_certificate(key, host) : NULL;
    bool good =
        certificate && write_pem(key_path, key, NULL) && write_pem(certificate_path, NULL, certificate);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return good;
}

/* still_good: of an earlier life, for this host, and not about to end: whoever has read it can go on trusting it. */
static bool still_good(const char *certificate_path, const char *key_path, const char *host)
{
    FILE *file = fopen(certificate_path, "re"), *key_file = fopen(key_path, "re");
    X509 *certificate = file ? PEM_read_X509(file, NULL, NULL, NULL) : NULL;
    EVP_PKEY *key = key_file ? PEM_read_PrivateKey(key_file, NULL, NULL, NULL) : NULL;
    time_t soon = time(NULL) + VALID_SECONDS / 2;
    bool good =
        certificate && key && X509_check_private_key(certificate, key) == 1 &&
        X509_cmp_time(X509_get0_notAfter(certificate), &soon) > 0 &&
        (X509_check_ip_asc(certificate, host, 0) == 1 || X509_check_host(certificate, host, 0, 0, NULL) == 1);
    X509_free(certificate);
    EVP_PKEY_free(key);
    if (file)
        fclose(file);
    if (key_file)
        fclose(key_file);
    return good;
}

enum status certificate_create(const char *folder, const char *host, char **out_certificate_path,
                               char **out_key_path, struct error *error)
{
    char own[PATH_BYTES], certificate_path[PATH_BYTES], key_path[PATH_BYTES];
    path_join(own, folder, "simulator");
    path_join(certificate_path, own, "certificate.pem");
    path_join(key_path, own, "key.pem");
    if (folder_make(own, 0700) != STATUS_OK)
        return error_set(error, STATUS_IO, "%s: cannot make this folder for the certificate", own);
    if (!still_good(certificate_path, key_path, host) && !make_pair(certificate_path, key_path, host))
        return error_set(error, STATUS_IO, "%s: cannot make or write the certificate", certificate_path);
    *out_certificate_path = memory_copy_text(certificate_path);
    *out_key_path = memory_copy_text(key_path);
    return STATUS_OK;
}
