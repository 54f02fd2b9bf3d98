// links: base
#include "tests/support/check.h"

#include "base/map.h"

#include <stdio.h>
#include <string.h>

static void many_keys_keep_their_values(void **state)
{
    (void)state;
    struct map map;
    char key[32];
    map_init(&map);
    assert_true(map_get(&map, "nothing") == MAP_ABSENT);
    for (size_t i = 0; i < 5000; i++) {
        snprintf(key, sizeof key, "SYMBOL%zuUSDT", i);
        map_put(&map, key, i);
    }
    for (size_t i = 0; i < 5000; i += 2) {
        snprintf(key, sizeof key, "SYMBOL%zuUSDT", i);
        map_put(&map, key, i + 100000);
    }
    assert_int_equal(map.count, 5000);
    for (size_t i = 0; i < 5000; i++) {
        snprintf(key, sizeof key, "SYMBOL%zuUSDT", i);
        assert_int_equal(map_get(&map, key), i % 2 ? i : i + 100000);
        assert_true(map_get_bytes(&map, key, strlen(key) - 1) == MAP_ABSENT);
    }
    map_finish(&map);
    assert_true(map_get(&map, "SYMBOL1USDT") == MAP_ABSENT);
    map_finish(&map);
}

static void keys_are_copied_and_may_be_empty(void **state)
{
    (void)state;
    struct map map;
    char key[] = "abc";
    map_init(&map);
    map_put(&map, key, 1);
    map_put(&map, "", 2);
    key[0] = 'x';
    assert_int_equal(map_get(&map, "abc"), 1);
    assert_true(map_get(&map, "xbc") == MAP_ABSENT);
    assert_int_equal(map_get(&map, ""), 2);
    assert_int_equal(map_get_bytes(&map, "abcdef", 3), 1);
    map_finish(&map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_keys_keep_their_values),
        cmocka_unit_test(keys_are_copied_and_may_be_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
