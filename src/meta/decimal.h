/* Numbers as decimal text, spelled as Python spells them, whatever the locale. */
#ifndef NPV_DECIMAL_H
#define NPV_DECIMAL_H

#include <stdbool.h>

#include "value.h"

/* "-1.2345678901234567e-308" and room to spare; zeros are written out only up to 1e16 and down to 1e-4. */
#define NPV_DECIMAL_DOUBLE_SIZE 40

/* 8 bits are 2.41 digits; and a sign. That conversion is quadratic is why NPV_MAX_INTEGER_BYTES is no larger. */
#define NPV_DECIMAL_INTEGER_SIZE (NPV_MAX_INTEGER_BYTES * 241 / 100 + 2)

/* The shortest text that reads back as the same finite number, always with a '.' or an exponent: "1.0", "1e+16". */
size_t npv_decimal_from_double(double value, char text[NPV_DECIMAL_DOUBLE_SIZE]);

/* An integer in two's complement, little-endian, of at most NPV_MAX_INTEGER_BYTES. Quadratic. */
size_t npv_decimal_from_integer(npv_bytes integer, char text[NPV_DECIMAL_INTEGER_SIZE]);

/* Reads "1.5", "1e+16", "nan", "inf", "-inf". False: the text is no such number. */
bool npv_decimal_to_double(npv_bytes text, double *value);

/* Reads "-123" as two's complement, little-endian, not always shortest. Quadratic. False: no integer, or too long. */
bool npv_decimal_to_integer(npv_bytes text, unsigned char integer[NPV_MAX_INTEGER_BYTES], size_t *size);

#endif
