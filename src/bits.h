/* Sets of rows, one bit a row: row r is bit r % 64 of word r / 64. Bits behind the last row are zero. */
#ifndef NPV_BITS_H
#define NPV_BITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Rows whose bits share a word are worked on together: 64 x 1536 floats fit a second-level cache. */
#define NPV_BLOCK_ROWS 64

static inline size_t npv_bits_words(uint64_t rows) {
    return (size_t)(rows / 64 + (rows % 64 > 0));
}

static inline bool npv_bit(const uint64_t *bits, uint64_t row) {
    return bits[row / 64] >> row % 64 & 1;
}

static inline void npv_bit_set(uint64_t *bits, uint64_t row) {
    bits[row / 64] |= (uint64_t)1 << row % 64;
}

static inline void npv_bit_clear(uint64_t *bits, uint64_t row) {
    bits[row / 64] &= ~((uint64_t)1 << row % 64);
}

/* The builtin is a function of the compiler's library where the instruction may be missing. */
static inline unsigned npv_word_count(uint64_t word) {
    word -= word >> 1 & 0x5555555555555555;
    word = (word & 0x3333333333333333) + (word >> 2 & 0x3333333333333333);
    word = (word + (word >> 4)) & 0x0f0f0f0f0f0f0f0f;
    return (unsigned)(word * 0x0101010101010101 >> 56);
}

/* Puts the rows from `begin` to `end` into the set. */
void npv_bits_set(uint64_t *bits, uint64_t begin, uint64_t end);

/* Keeps what is in both. */
void npv_bits_and(uint64_t *bits, const uint64_t *others, uint64_t rows);

/* How many of the rows below `rows` are in the set. */
uint64_t npv_bits_count(const uint64_t *bits, uint64_t rows);

/* Rows without a gap: first to end - 1. Start from {0, 0}. */
typedef struct npv_bits_run {
    uint64_t first;
    uint64_t end;
} npv_bits_run;

/* The next rows of the set, of those below `rows`; false if there are no more. `bits` NULL: all rows. */
bool npv_bits_next_run(const uint64_t *bits, uint64_t rows, npv_bits_run *run);

#endif
