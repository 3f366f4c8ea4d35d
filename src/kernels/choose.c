#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "tables.h"

#define MOST_TABLES 4

static const npv_kernels *runnable[MOST_TABLES + 1]; /* NULL behind the last */
static pthread_once_t chosen = PTHREAD_ONCE_INIT;

/* Test builds may leave out tables: NPVEC_KERNELS=scalar (or avx2, ...) keeps only the one of that name. */
static int wanted(const npv_kernels *table) {
#ifdef NPVEC_TESTING
    const char *only = getenv("NPVEC_KERNELS");
    return only == NULL || *only == '\0' || strcmp(only, table->name) == 0;
#else
    (void)table;
    return 1;
#endif
}

static void choose(void) {
    size_t count = 0;
#if defined(__x86_64__)
    __builtin_cpu_init();
    const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni");
    if (avx2 && avx512 && wanted(&npv_kernels_avx512))
        runnable[count++] = &npv_kernels_avx512;
    if (avx2 && wanted(&npv_kernels_avx2))
        runnable[count++] = &npv_kernels_avx2;
#elif defined(__aarch64__)
    if (wanted(&npv_kernels_neon))
        runnable[count++] = &npv_kernels_neon;
#endif
    if (count == 0 || wanted(&npv_kernels_scalar))
        runnable[count++] = &npv_kernels_scalar;
}

const npv_kernels *npv_kernels_chosen(void) {
    return npv_kernels_runnable(0);
}

const npv_kernels *npv_kernels_runnable(size_t i) {
    pthread_once(&chosen, choose);
    return i <= MOST_TABLES ? runnable[i] : NULL;
}
