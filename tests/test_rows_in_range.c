/* Which codes lie in a range, by every table of kernels, against the definition in kernels.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kernel_input.h"
#include "kernels/kernels.h"

static bool defined_in_range(const npv_code_range *range, uint32_t code) {
    const int64_t value = code;
    return value >= range->first && value < range->end && !(value >= range->hole_first && value < range->hole_end);
}

static bool bit_at(const uint64_t *bits, size_t i) {
    return (bits[i / 64] >> i % 64 & 1) != 0;
}

/* Codes at the range's ends, around them, and any. */
static uint32_t random_code(const npv_code_range *range) {
    const uint32_t near[] = {range->first, range->end, range->hole_first, range->hole_end};
    const uint32_t code = near[random_bits() % 4] + (uint32_t)random_int(-1, 1);
    return random_int(0, 3) == 0 ? (uint32_t)random_bits() : code;
}

static void check_range(const npv_code_range *range, size_t count, bool at_end) {
    enum { MOST_WORDS = 5 };
    const size_t words = (count + 63) / 64;
    const fenced codes = fence(count * sizeof(uint32_t), at_end);
    const fenced bits = fence(words * sizeof(uint64_t), at_end);
    uint64_t before[MOST_WORDS];
    uint64_t expected[MOST_WORDS] = {0};
    for (size_t i = 0; i < count; i++)
        ((uint32_t *)codes.data)[i] = random_code(range);
    for (size_t i = 0; i < words; i++)
        before[i] = random_int(0, 3) == 0 ? 0 : random_int(0, 1) == 0 ? UINT64_MAX : random_bits();
    for (size_t i = 0; i < count; i++)
        if (bit_at(before, i) && defined_in_range(range, ((uint32_t *)codes.data)[i]))
            expected[i / 64] |= (uint64_t)1 << i % 64;
    for (size_t i = 0; npv_kernels_runnable(i) != NULL; i++) {
        memcpy(bits.data, before, words * sizeof *before);
        npv_kernels_runnable(i)->rows_in_range(range, codes.data, count, bits.data);
        if (memcmp(bits.data, expected, words * sizeof *expected) != 0)
            fail_msg("%s finds other rows of %zu in a range", npv_kernels_runnable(i)->name, count);
    }
    unfence(codes);
    unfence(bits);
}

static void rows_in_range_are_the_definition(void **state) {
    static const uint32_t middle = 0x80000000;
    const npv_code_range ranges[] = {
        {0, 0, 0, 0},
        {0, UINT32_MAX, 0, 0},
        {0, UINT32_MAX, 5, 6},
        {2, 10, 0, 0},
        {2, 10, 2, 10},
        {2, 10, 4, 7},
        {7, 7, 0, 100},
        {100, 5000, 100, 101},
        {100, 5000, 4999, 5000},
        {100, 5000, 50, 6000},
        {middle - 2, middle + 2, middle, middle},
        {1, UINT32_MAX - 1, middle - 3, middle + 1},
        {UINT32_MAX - 3, UINT32_MAX, UINT32_MAX - 2, UINT32_MAX - 1},
    };
    (void)state;
    for (size_t count = 0; count <= 200; count++)
        for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
            check_range(&ranges[i], count, count % 2 == 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(rows_in_range_are_the_definition)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
