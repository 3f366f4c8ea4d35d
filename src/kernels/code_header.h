/* The scale of a row's codes and the header that goes with them: the same few steps for every kind of processor. */
#ifndef NPV_CODE_HEADER_H
#define NPV_CODE_HEADER_H

#include "kernels.h"

/* The step for p of which `largest` is max|p[j]|; 0 if there is nothing to code, or the row cannot be coded. */
float npv_code_step(float along, float largest);

/* Sums of squares, in units of the step: of p, and of p less what the high nibbles and the codes stand for. */
typedef struct npv_code_sums {
    float whole, off4, off8;
} npv_code_sums;

/* The header of a row that was coded with npv_code_step(along, largest). */
npv_code_header npv_code_header_of(float along, float largest, const npv_code_sums *sums);

/* Puts codes of zero in the place of those of a row that cannot be coded. */
void npv_code_undo(const npv_code_header *header, size_t dimensions, uint8_t *high, uint8_t *low);

#endif
