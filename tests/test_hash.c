/* The hash table of numbers whose keys are the caller's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hash.h"

#define KEYS 2000

/* Key i is its number; homes are few, so that runs of slots are long, meet and wrap around. */
static uint32_t hash_of(uint32_t key) {
    return key % 7 * 0x24924924u + (key % 3 == 0 ? 0 : key);
}

static bool is_key(const void *context, uint32_t index) {
    return *(const uint32_t *)context == index;
}

static uint32_t find(const npv_hash_table *table, uint32_t key) {
    return npv_hash_find(table, hash_of(key), is_key, &key);
}

static void assert_holds(const npv_hash_table *table, const bool present[KEYS]) {
    size_t count = 0;
    for (uint32_t key = 0; key < KEYS; key++) {
        assert_int_equal(find(table, key), present[key] ? key : NPV_HASH_NONE);
        count += present[key];
    }
    assert_int_equal(table->count, count);
}

static void test_what_is_inserted_is_found_until_it_is_removed(void **state) {
    (void)state;
    npv_hash_table table;
    npv_hash_init(&table);
    bool present[KEYS] = {false};
    uint32_t random = 1;
    for (int i = 0; i < 40000; i++) {
        random = random * 1664525 + 1013904223;
        const uint32_t key = (random >> 8) % (i < 20000 ? KEYS : 40); /* grows large, then only a few come and go */
        if (present[key])
            npv_hash_remove(&table, hash_of(key), key);
        else
            assert_int_equal(npv_hash_insert(&table, hash_of(key), key, NULL), NPV_OK);
        present[key] = !present[key];
        if (i % 1000 == 0)
            assert_holds(&table, present);
    }
    assert_holds(&table, present);
    npv_hash_free(&table);
}

static void test_an_empty_table_holds_nothing(void **state) {
    (void)state;
    npv_hash_table table;
    npv_hash_init(&table);
    assert_int_equal(find(&table, 0), NPV_HASH_NONE);
    npv_hash_free(&table);
}

static void test_reserved_room_is_not_moved_by_inserts(void **state) {
    (void)state;
    npv_hash_table table;
    npv_hash_init(&table);
    for (uint32_t key = 0; key < 5; key++)
        assert_int_equal(npv_hash_insert(&table, hash_of(key), key, NULL), NPV_OK);
    assert_int_equal(npv_hash_reserve(&table, KEYS - 5, NULL), NPV_OK);
    const npv_hash_slot *const slots = table.slots;
    for (uint32_t key = 5; key < KEYS; key++)
        assert_int_equal(npv_hash_insert(&table, hash_of(key), key, NULL), NPV_OK);
    assert_ptr_equal(table.slots, slots);
    assert_true(table.count <= table.capacity - table.capacity / 4);
    npv_hash_free(&table);
}

static void test_more_than_the_numbers_there_are_is_refused(void **state) {
    (void)state;
    npv_hash_table table;
    npv_hash_init(&table);
    assert_int_equal(npv_hash_insert(&table, 1, 1, NULL), NPV_OK);
    npv_error error;
    assert_int_equal(npv_hash_reserve(&table, UINT32_MAX, &error), NPV_E_LIMIT);
    assert_string_equal(error.message, "a hash table holds at most 4294967295 entries");
    npv_hash_free(&table);
}

static void test_indices_are_renumbered_in_place(void **state) {
    (void)state;
    npv_hash_table table;
    npv_hash_init(&table);
    uint32_t reversed[100];
    for (uint32_t key = 0; key < 100; key++) {
        reversed[key] = 99 - key;
        assert_int_equal(npv_hash_insert(&table, key * 40000000u, key, NULL), NPV_OK);
    }
    npv_hash_renumber(&table, reversed);
    for (uint32_t key = 0; key < 100; key++)
        assert_int_equal(npv_hash_find(&table, key * 40000000u, is_key, &reversed[key]), reversed[key]);
    npv_hash_free(&table);
}

static void test_every_table_hashes_in_its_own_way(void **state) {
    (void)state;
    npv_hash_table a, b;
    npv_hash_init(&a);
    npv_hash_init(&b);
    const npv_bytes key = {(const unsigned char *)"key", 3};
    assert_int_equal(npv_hash_of(&a, key), npv_hash_of(&a, key));
    assert_int_not_equal(a.seed, b.seed);
    bool differs = false;
    for (size_t size = 0; size <= 3; size++)
        differs |= npv_hash_of(&a, (npv_bytes){key.data, size}) != npv_hash_of(&b, (npv_bytes){key.data, size});
    assert_true(differs);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_inserted_is_found_until_it_is_removed),
        cmocka_unit_test(test_an_empty_table_holds_nothing),
        cmocka_unit_test(test_reserved_room_is_not_moved_by_inserts),
        cmocka_unit_test(test_more_than_the_numbers_there_are_is_refused),
        cmocka_unit_test(test_indices_are_renumbered_in_place),
        cmocka_unit_test(test_every_table_hashes_in_its_own_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
