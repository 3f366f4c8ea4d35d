/*
 * UTF-8 as Python's strings need it: lone surrogates are allowed and take three bytes each (Python's "surrogatepass").
 * All else that is not UTF-8 (overlong forms, code points above U+10FFFF, stray bytes) is not.
 */
#ifndef NPV_UTF8_H
#define NPV_UTF8_H

#include <stdbool.h>

#include "../bytes.h"

#define NPV_MAX_CODE_POINT 0x10ffff

bool npv_utf8_valid(npv_bytes text);

/* How many bytes at its beginning are; what follows, if anything does, is not. */
size_t npv_utf8_prefix(npv_bytes text);

/* Writes the bytes of a code point that is at most NPV_MAX_CODE_POINT; returns how many, 1 to 4. */
size_t npv_utf8_encode(uint32_t code_point, unsigned char text[4]);

/* The code point at the beginning of valid text, which is not empty, in *code_point; returns its bytes, 1 to 4. */
size_t npv_utf8_decode(npv_bytes text, uint32_t *code_point);

/* Writes UTF-32, little-endian, as UTF-8, which is never longer. Returns its length. */
size_t npv_utf8_from_utf32(npv_bytes utf32, unsigned char *text);

/* Is that what npv_utf8_from_utf32 would write? */
bool npv_utf8_equals_utf32(npv_bytes text, npv_bytes utf32);

#endif
