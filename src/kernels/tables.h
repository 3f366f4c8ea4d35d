/* The tables there are; which of them run is for choose.c to find out. */
#ifndef NPV_TABLES_H
#define NPV_TABLES_H

#include "kernels.h"

extern const npv_kernels npv_kernels_scalar;
#if defined(__x86_64__)
extern const npv_kernels npv_kernels_avx2;
#elif defined(__aarch64__)
extern const npv_kernels npv_kernels_neon;
#endif

#endif
