/* One vector: its length, and whether it is finite. */
#ifndef NPV_VECTOR_H
#define NPV_VECTOR_H

#include <stddef.h>

#include "kernels/kernels.h"
#include "npvec.h"

/* Widens x to NPV_PADDED(dimensions) doubles: the form in which kernels take a query. */
void npv_widen(const float *x, size_t dimensions, double *wide);

/*
 * The length of x as npvec.h defines it: sqrt(dot(x, x)). Not finite exactly if a component is not: the square of a
 * finite float cannot overflow a double.
 */
double npv_length(const npv_kernels *kernels, const float *x, size_t dimensions);

/* NPV_E_ARGUMENT that names the first component of x that is not finite. `what` is "row 3" or "query 0". */
npv_status npv_fail_not_finite(npv_error *error, npv_status code, const char *what, uint64_t number, const float *x,
                               size_t dimensions);

#endif
