#include "code_header.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

/* Whether float32 can hold a useful bound of the row. Infinities are too large; what is not a number shows in sums. */
static bool can_be_coded(float along, float largest) {
    const float size = fmaxf(fabsf(along), largest);
    return size <= NPV_MOST_CODED && (size >= NPV_LEAST_CODED || size == 0);
}

float npv_code_step(float along, float largest) {
    return can_be_coded(along, largest) && largest >= NPV_LEAST_CODED ? largest / 127 : 0;
}

/*
 * Why the errors are large enough, without rounding up. Let u = 2^-24, p' the computed p, y = p' / step as computed,
 * and c the integers or half-integers that the codes stand for, in steps. |v| is at most 2.
 *
 *   p' against p:  t v[j] and the difference round once each:   |p' - p| <= u |p'| + 2u |t|, and 2^-142 for underflow
 *   y against p':  1 / step and the product round once each:    |step y - p'| <= 2.1 u |p'|
 *   y - c:         rounds once:                                 u |y - c|
 *   its length:    a square rounds once, and takes part in up to 65,536 / 16 + 4 additions: 4,101 u of the sum, half of
 *                  that of its root. Squares that underflow are less than 2^-60 of a step together.
 *   the header:    rounds to float32:                           u of the error
 *
 * So |p - step c| <= step |y - c| (1 + 2,053 u) + 3.2 u |p'| + 2u |t| + 2^-142. Taken are 4,096 u, which is 2^-12, of
 * the first and 8u, which is 2^-21, of |p'| and |t|, one of which is above 2^-110 or else x is zero and all is exact.
 *
 * The steps themselves stay between 2^-117 and 2^94, and |y| below 127.001: codes are 1 to 255.
 */
npv_code_header npv_code_header_of(float along, float largest, const npv_code_sums *sums) {
    if (!can_be_coded(along, largest) || isnan(sums->whole))
        return (npv_code_header){.error4 = HUGE_VALF, .error8 = HUGE_VALF};
    const double margin = 1 + 0x1p-12;
    const double step = (double)npv_code_step(along, largest);
    /* Without a step: each of at most 256^2 dimensions is at most `largest`, and the codes stand for zero. */
    const double whole = step > 0 ? step * sqrt((double)sums->whole) * margin : 256 * (double)largest;
    const double missed = step > 0 ? 0 : whole;
    const double rounding = 0x1p-21 * (whole + fabs((double)along));
    const double error4 = step * sqrt((double)sums->off4) * margin + missed + rounding;
    const double error8 = step * sqrt((double)sums->off8) * margin + missed + rounding;
    return (npv_code_header){.along = along,
                             .step = (float)step,
                             .error4 = (float)error4,
                             .error8 = (float)error8,
                             .length = (float)(whole + rounding + fmax(error4, error8))};
}

void npv_code_undo(const npv_code_header *header, size_t dimensions, uint8_t *high, uint8_t *low) {
    if (header->error8 < HUGE_VALF)
        return;
    memset(high, 0x88, NPV_PLANE_BYTES(dimensions));
    memset(low, 0, NPV_PLANE_BYTES(dimensions));
}
