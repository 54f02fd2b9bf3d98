/* hash: SHA-256 (FIPS 180-4) for identity, CRC-32C (Castagnoli, RFC 3720 B.4) for accidents, FNV-1a for tables. */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { SHA256_BYTES = 32, SHA256_HEX_BYTES = 65 };

struct sha256 {
    uint32_t state[8];
    uint64_t bytes;
    uint8_t block[64];
};

void sha256_init(struct sha256 *hash);
void sha256_update(struct sha256 *hash, const void *data, size_t bytes);
void sha256_finish(struct sha256 *hash, uint8_t out_digest[SHA256_BYTES]);
void sha256_hex(const void *data, size_t bytes, char out_hex[SHA256_HEX_BYTES]);
void sha256_hex_of(const uint8_t digest[SHA256_BYTES], char out_hex[SHA256_HEX_BYTES]);

/* crc32c: continue with the previous result, begin with 0. */
uint32_t crc32c(uint32_t crc, const void *data, size_t bytes);

uint64_t hash_fnv1a(const void *data, size_t bytes);
