/*
 * Patterns of LIKE: % stands for any text, _ for one code point, all else for itself.
 *
 * A compiled pattern is the pattern's UTF-8 without escapes, with two bytes that UTF-8 never has for the two wildcards.
 * In a row of wildcards those for one code point come first, and those for any text are one: so a literal, or the end,
 * follows each of the latter.
 */
#ifndef NPV_PATTERN_H
#define NPV_PATTERN_H

#include <stdbool.h>

#include "../bytes.h"

#define NPV_PATTERN_ANY 0xff
#define NPV_PATTERN_ONE 0xfe

/* Is the text one code point? */
bool npv_pattern_is_escape(npv_bytes text);

/*
 * Compiles to `compiled`, which has like.size bytes; returns how many it takes. What follows the code point `escape`
 * (size 0: there is none) stands for itself; false: nothing follows it. `ignore_case`: for ASCII letters of either
 * case.
 */
bool npv_pattern_compile(npv_bytes like, npv_bytes escape, bool ignore_case, unsigned char *compiled, size_t *size);

/*
 * Does all of `text`, which is UTF-8 (utf8.h), match? `ignore_case` as compiled. O(pattern x text), O(text) without %.
 */
bool npv_pattern_match(npv_bytes compiled, bool ignore_case, npv_bytes text);

#endif
