#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "tables.h"

#if defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#elif defined(__aarch64__) && defined(__APPLE__)
#include <sys/sysctl.h>
#endif

#define MOST_TABLES 4

static const npv_kernels *runnable[MOST_TABLES + 1]; /* NULL behind the last */
static size_t count;
static pthread_once_t chosen = PTHREAD_ONCE_INIT;

/* Test builds may leave out tables: NPVEC_KERNELS=scalar (or avx2, ...) keeps only the one of that name. */
static bool wanted(const npv_kernels *table) {
#ifdef NPVEC_TESTING
    const char *only = getenv("NPVEC_KERNELS");
    return only == NULL || *only == '\0' || strcmp(only, table->name) == 0;
#else
    (void)table;
    return true;
#endif
}

static void offer(const npv_kernels *table, bool runs) {
    if (runs && wanted(table))
        runnable[count++] = table;
}

#if defined(__x86_64__)
static void offer_vectors(void) {
    __builtin_cpu_init();
    const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni");
    offer(&npv_kernels_avx512, avx2 && avx512);
    offer(&npv_kernels_avx2, avx2);
}
#elif defined(__aarch64__)
#if defined(NPV_NEON_DOT)
static bool has_dot_product(void) {
#if defined(__linux__)
    return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
#elif defined(__APPLE__)
    int has = 0;
    size_t size = sizeof has;
    return sysctlbyname("hw.optional.arm.FEAT_DotProd", &has, &size, NULL, 0) == 0 && has != 0;
#else
    return false;
#endif
}
#endif

static void offer_vectors(void) {
#if defined(NPV_NEON_DOT)
    offer(&npv_kernels_neon_dot, has_dot_product());
#endif
    offer(&npv_kernels_neon, true);
}
#else
static void offer_vectors(void) {}
#endif

static void choose(void) {
    offer_vectors();
    offer(&npv_kernels_scalar, true);
    if (count == 0) /* none of the name asked for runs here */
        runnable[count++] = &npv_kernels_scalar;
}

const npv_kernels *npv_kernels_chosen(void) {
    return npv_kernels_runnable(0);
}

const npv_kernels *npv_kernels_runnable(size_t i) {
    pthread_once(&chosen, choose);
    return i <= MOST_TABLES ? runnable[i] : NULL;
}
