#include "vector.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "error.h"

void npv_widen(const float *x, size_t dimensions, double *wide) {
    size_t j = 0;
    for (; j + NPV_LANES <= dimensions; j += NPV_LANES) /* of a length that compilers make vectors of */
        for (size_t i = j; i < j + NPV_LANES; i++)
            wide[i] = (double)x[i];
    for (; j < dimensions; j++)
        wide[j] = (double)x[j];
    memset(wide + dimensions, 0, (NPV_PADDED(dimensions) - dimensions) * sizeof *wide);
}

double npv_length(const npv_kernels *kernels, const float *x, size_t dimensions) {
    return sqrt(kernels->square_row(x, dimensions));
}

npv_status npv_fail_not_finite(npv_error *error, npv_status code, const char *what, uint64_t number, const float *x,
                               size_t dimensions) {
    size_t j = 0;
    while (j + 1 < dimensions && isfinite(x[j]))
        j++;
    return npv_fail(error, code, "%s %" PRIu64 ": expected finite numbers, found %s in dimension %zu", what, number,
                    isnan(x[j]) ? "NaN"
                    : x[j] > 0  ? "infinity"
                                : "-infinity",
                    j);
}
