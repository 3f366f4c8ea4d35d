/* The scale of a row's codes and the header that goes with them: the same few steps for every kind of processor. */
#ifndef NPV_CODE_HEADER_H
#define NPV_CODE_HEADER_H

#include "kernels.h"

/*
 * The step for p of which `largest` is max|p[j]| and `squares` the sum of squares; or a negative number where the row
 * cannot be coded. With the step rounded to nearest, |p[j] / step| stays below 127.001: codes are 1 to 255.
 */
float npv_code_step(float along, double largest, double squares);

/*
 * The header of a row coded with `step` (that of a row that cannot be coded, if it is negative). Sums of squares, in
 * float64 from the codes as written: of p, and of the differences between p and what the codes stand for.
 */
npv_code_header npv_code_header_of(float along, float step, double squares, double squares4, double squares8);

/* Writes the codes of a p that is zero. */
void npv_code_nothing(size_t dimensions, uint8_t *high, uint8_t *low);

#endif
