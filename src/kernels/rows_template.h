/*
 * Which rows have codes in a range. Included once by each implementation, which defines before:
 *
 *   TARGET, KERNEL        as for score_template.h
 *   rows64_in_range(codes, first, size, hole_first, hole_size)
 *                         a word: bit i is set if codes[i] - first < size and not codes[i] - hole_first < hole_size,
 *                         all without sign; 64 codes, unaligned
 *
 * and afterwards finds KERNEL(rows_in_range), an npv_rows_in_range.
 */
#include <string.h>

TARGET void KERNEL(rows_in_range)(const npv_code_range *range, const void *given, size_t count, uint64_t *bits) {
    const uint32_t *codes = given;
    const uint32_t first = range->first;
    const uint32_t size = range->end - first;
    const uint32_t hole_first = range->hole_first;
    const uint32_t hole_size = range->hole_end - hole_first;
    size_t i = 0;
    for (; i + 64 <= count; i += 64)
        if (bits[i / 64] != 0)
            bits[i / 64] &= rows64_in_range(codes + i, first, size, hole_first, hole_size);
    if (i < count) {
        uint32_t last[64] = {0};
        memcpy(last, codes + i, (count - i) * sizeof *codes);
        const uint64_t there = ((uint64_t)1 << (count - i)) - 1;
        bits[i / 64] &= there & rows64_in_range(last, first, size, hole_first, hole_size);
    }
}
