#include "bits.h"

void npv_bits_set(uint64_t *bits, uint64_t begin, uint64_t end) {
    while (begin < end && begin % 64 != 0)
        npv_bit_set(bits, begin++);
    for (; end - begin >= 64; begin += 64)
        bits[begin / 64] = UINT64_MAX;
    while (begin < end)
        npv_bit_set(bits, begin++);
}

void npv_bits_and(uint64_t *bits, const uint64_t *others, uint64_t rows) {
    for (size_t i = 0; i < npv_bits_words(rows); i++)
        bits[i] &= others[i];
}

uint64_t npv_bits_count(const uint64_t *bits, uint64_t rows) {
    uint64_t count = 0;
    for (size_t i = 0; i < rows / 64; i++)
        count += npv_word_count(bits[i]);
    if (rows % 64 > 0)
        count += npv_word_count(bits[rows / 64] << (64 - rows % 64));
    return count;
}

/* The first row from `row` on whose bit, turned round by `flip`, is set; or `rows`. */
static uint64_t find(const uint64_t *bits, uint64_t rows, uint64_t row, uint64_t flip) {
    while (row < rows) {
        const uint64_t word = (bits[row / 64] ^ flip) >> row % 64;
        if (word != 0) {
            row += (unsigned)__builtin_ctzll(word);
            break;
        }
        row = (row / 64 + 1) * 64;
    }
    return row < rows ? row : rows;
}

bool npv_bits_next_run(const uint64_t *bits, uint64_t rows, npv_bits_run *run) {
    run->first = bits == NULL ? run->end : find(bits, rows, run->end, 0);
    run->end = bits == NULL ? rows : find(bits, rows, run->first, UINT64_MAX);
    return run->first < run->end;
}
