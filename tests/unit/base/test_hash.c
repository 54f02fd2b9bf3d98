// links: base
/* Digests against published vectors and against slow versions of themselves. */
#include "tests/support/check.h"

#include "base/hash.h"

#include <stdlib.h>
#include <string.h>

/* FIPS 180-4 examples (NIST CAVP) and the empty message. */
static void sha256_published(void **state)
{
    (void)state;
    char hex[SHA256_HEX_BYTES];
    sha256_hex("", 0, hex);
    assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    sha256_hex("abc", 3, hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    const char *two_blocks = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    sha256_hex(two_blocks, strlen(two_blocks), hex);
    assert_string_equal(hex, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    char *million = malloc(1000000);
    memset(million, 'a', 1000000);
    sha256_hex(million, 1000000, hex);
    assert_string_equal(hex, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    free(million);
}

static void sha256_in_pieces_is_the_same(void **state)
{
    (void)state;
    struct random random = check_random();
    uint8_t data[300], whole[SHA256_BYTES], pieces[SHA256_BYTES];
    for (size_t length = 0; length <= sizeof data; length++) {
        for (size_t i = 0; i < length; i++)
            data[i] = (uint8_t)random_u64(&random);
        struct sha256 one, many;
        sha256_init(&one);
        sha256_update(&one, data, length);
        sha256_finish(&one, whole);
        sha256_init(&many);
        for (size_t at = 0; at < length;) {
            size_t step = 1 + random_below(&random, 70);
            step = step < length - at ? step : length - at;
            sha256_update(&many, data + at, step);
            at += step;
        }
        sha256_finish(&many, pieces);
        assert_memory_equal(whole, pieces, SHA256_BYTES);
    }
}

static uint32_t crc32c_slow(const uint8_t *data, size_t bytes)
{
    uint32_t crc = 0xffffffff;
    for (size_t i = 0; i < bytes; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ 0x82f63b78 : crc >> 1;
    }
    return ~crc;
}

/* RFC 3720 B.4. */
static void crc32c_published(void **state)
{
    (void)state;
    uint8_t data[48] = {0};
    assert_int_equal(crc32c(0, data, 32), 0x8a9136aa);
    memset(data, 0xff, 32);
    assert_int_equal(crc32c(0, data, 32), 0x62a8ab43);
    for (uint8_t i = 0; i < 32; i++)
        data[i] = i;
    assert_int_equal(crc32c(0, data, 32), 0x46dd794e);
    for (uint8_t i = 0; i < 32; i++)
        data[i] = (uint8_t)(31 - i);
    assert_int_equal(crc32c(0, data, 32), 0x113fdb5c);
    assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283);
    assert_int_equal(crc32c(0, "", 0), 0);
}

static void crc32c_equals_the_slow_one_at_any_offset_and_in_pieces(void **state)
{
    (void)state;
    struct random random = check_random();
    uint8_t data[256];
    for (int i = 0; i < 2000; i++) {
        for (size_t k = 0; k < sizeof data; k++)
            data[k] = (uint8_t)random_u64(&random);
        size_t from = random_below(&random, 16), length = random_below(&random, sizeof data - from);
        size_t cut = random_below(&random, length + 1);
        assert_int_equal(crc32c(0, data + from, length), crc32c_slow(data + from, length));
        assert_int_equal(crc32c(crc32c(0, data + from, cut), data + from + cut, length - cut),
                         crc32c(0, data + from, length));
    }
}

static void fnv1a_published(void **state)
{
    (void)state;
    assert_true(hash_fnv1a("", 0) == 0xcbf29ce484222325u);
    assert_true(hash_fnv1a("a", 1) == 0xaf63dc4c8601ec8cu);
    assert_true(hash_fnv1a("foobar", 6) == 0x85944171f73967e8u);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha256_published),
        cmocka_unit_test(sha256_in_pieces_is_the_same),
        cmocka_unit_test(crc32c_published),
        cmocka_unit_test(crc32c_equals_the_slow_one_at_any_offset_and_in_pieces),
        cmocka_unit_test(fnv1a_published),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
