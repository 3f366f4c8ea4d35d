/* Vectors of gcc and clang: arithmetic on them is written once, and compiled to what each processor has. */
#ifndef NPV_VECTORS_H
#define NPV_VECTORS_H

#include <stdint.h>

typedef float vector_f32x8 __attribute__((vector_size(32)));
typedef int32_t vector_i32x8 __attribute__((vector_size(32)));

#define VECTOR_LANES 8

#endif
