#include "number.h"

#include <stdio.h>
#include <stdlib.h>

/*
 * Digits that decide how a number is rounded: exactly between two float64 lie numbers of at most 768 digits. Of those
 * behind it counts only whether one is not 0.
 */
#define DIGITS 768
#define LARGE_EXPONENT 100000000 /* more than a text has digits, so that nothing brings the number back into range */

static bool is_digit(unsigned char c) {
    return c >= '0' && c <= '9';
}

bool npv_number_is_integer(npv_bytes text) {
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] == '.' || (text.data[i] | 0x20) == 'e')
            return false;
    return true;
}

bool npv_number_to_integer(npv_bytes text, npv_value *value) {
    const bool negative = text.data[0] == '-';
    uint64_t magnitude = 0;
    for (size_t i = is_digit(text.data[0]) ? 0 : 1; i < text.size; i++) {
        const uint64_t digit = (uint64_t)(text.data[i] - '0');
        if (magnitude > (UINT64_MAX - digit) / 10)
            return false;
        magnitude = magnitude * 10 + digit;
    }
    if (negative && magnitude > (uint64_t)INT64_MAX + 1)
        return false;
    *value = (npv_value){.kind = NPV_VALUE_INT};
    if (negative) /* -2^63 has no positive counterpart */
        value->integer = magnitude == 0 ? 0 : -(int64_t)(magnitude - 1) - 1;
    else if (magnitude <= INT64_MAX)
        value->integer = (int64_t)magnitude;
    else
        *value = (npv_value){.kind = NPV_VALUE_UINT, .natural = magnitude};
    return true;
}

/* What stands behind the e, as far as it matters. */
static long read_exponent(npv_bytes text) {
    size_t i = is_digit(text.data[0]) ? 0 : 1;
    long exponent = 0;
    for (; i < text.size && exponent < LARGE_EXPONENT; i++)
        exponent = exponent * 10 + (text.data[i] - '0');
    return text.data[0] == '-' ? -exponent : exponent;
}

/* Moves the decimal point into the exponent, where strtod does not ask the locale for it: 1.5e3 is 15e2. */
double npv_number_to_double(npv_bytes text) {
    char plain[DIGITS + 32];
    size_t length = 0, i = is_digit(text.data[0]) || text.data[0] == '.' ? 0 : 1;
    long exponent = 0;
    bool after_point = false, more = false;
    for (; i < text.size && (is_digit(text.data[i]) || text.data[i] == '.'); i++) {
        if (text.data[i] == '.') {
            after_point = true;
            continue;
        }
        const bool is_leading_zero = length == 0 && text.data[i] == '0', is_kept = length < DIGITS && !is_leading_zero;
        if (is_kept)
            plain[length++] = (char)text.data[i];
        else
            more = more || text.data[i] != '0';
        exponent += (!is_kept && !is_leading_zero) - after_point;
    }
    if (i < text.size)
        exponent += read_exponent((npv_bytes){text.data + i + 1, text.size - i - 1});
    snprintf(plain + length, sizeof plain - length, "%ce%ld", more ? '1' : '0', exponent - 1);
    const double magnitude = strtod(plain, NULL);
    return text.data[0] == '-' ? -magnitude : magnitude;
}
