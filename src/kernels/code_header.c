#include "code_header.h"

#include <math.h>
#include <string.h>

float npv_code_step(float along, double largest, double squares) {
    const double size = fmax(largest, fabs((double)along));
    /* A NaN may have slipped past the maximum, but not past the sum. */
    if (!(squares < HUGE_VAL) || !(size <= NPV_MOST_CODED) || (size < NPV_LEAST_CODED && size > 0))
        return -1;
    return largest < NPV_LEAST_CODED ? 0 : (float)(largest / 127);
}

/* The nearest float above. */
static float above(double x) {
    return nextafterf((float)x, HUGE_VALF);
}

/*
 * A length from a sum of squares, never too short. Let u = 2^-53, p the true vector, p' = p (1 + u) the computed one
 * (t v[j] is exact, the difference rounds once), c what the codes stand for (exact: step has 24 bits, the factor 9).
 *
 *   |p' - c| as computed, element by element: p' - c rounds once, so the true one is at most (1 + 2u) as long.
 *   Its square rounds once, and is added to a lane of at most 65,536 / 16 squares, which is added to three or four
 *   others: 4,102 roundings, so the sum is at least (1 - 4,102 u) of the true one: 2^-40. The root rounds once.
 *   |p - c| <= |p' - c| + |p' - p| <= |p' - c| + 2u |p|.
 *
 * No square underflows: p is a multiple of 2^-298 (products of two denormals). 2^-20 of the length and 2^-50 of |p|
 * cover all that many times over, and the rounding to float32 goes up.
 */
static double at_least(double squares, double squares_of_p) {
    return (sqrt(squares) + 0x1p-50 * sqrt(squares_of_p)) * (1 + 0x1p-20);
}

npv_code_header npv_code_header_of(float along, float step, double squares, double squares4, double squares8) {
    if (step < 0)
        return (npv_code_header){0, 0, HUGE_VALF, HUGE_VALF, 0};
    if (squares == 0)
        return (npv_code_header){.along = along};
    const double error4 = at_least(squares4, squares);
    const double error8 = at_least(squares8, squares);
    return (npv_code_header){.along = along,
                             .step = step,
                             .error4 = above(error4),
                             .error8 = above(error8),
                             .length = above(at_least(squares, squares) + fmax(error4, error8))};
}

void npv_code_nothing(size_t dimensions, uint8_t *high, uint8_t *low) {
    memset(high, 0x88, NPV_PLANE_BYTES(dimensions));
    memset(low, 0, NPV_PLANE_BYTES(dimensions));
}
