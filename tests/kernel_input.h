/* What tests of kernels work on: random numbers, and memory between pages that fault. */
#ifndef NPV_KERNEL_INPUT_H
#define NPV_KERNEL_INPUT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

static uint64_t random_state = 1;

static inline uint64_t random_bits(void) {
    random_state += 0x9E3779B97F4A7C15;
    uint64_t z = random_state;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
    z = (z ^ z >> 27) * 0x94D049BB133111EB;
    return z ^ z >> 31;
}

static inline int random_int(int least, int most) {
    return least + (int)(random_bits() % ((uint64_t)(most - least) + 1));
}

/* About normal, with deviation 1. */
static inline float random_float(void) {
    double sum = -6;
    for (int i = 0; i < 12; i++)
        sum += (double)(random_bits() >> 11) * 0x1p-53;
    return (float)sum;
}

/* Memory between two pages that fault. */
typedef struct fenced {
    uint8_t *map;
    size_t map_bytes;
    void *data;
} fenced;

/* `bytes` that end at the second fence, or begin at the first. */
static inline fenced fence(size_t bytes, bool at_end) {
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const size_t inside = (bytes + page - 1) / page * page;
    fenced memory = {NULL, inside + 2 * page, NULL};
    void *map = mmap(NULL, memory.map_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(map != MAP_FAILED);
    memory.map = map;
    assert_true(inside == 0 || mprotect(memory.map + page, inside, PROT_READ | PROT_WRITE) == 0);
    memory.data = memory.map + page + (at_end ? inside - bytes : 0);
    return memory;
}

static inline void unfence(fenced memory) {
    munmap(memory.map, memory.map_bytes);
}

#endif
