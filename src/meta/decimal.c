#include "decimal.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIMBS (NPV_MAX_INTEGER_BYTES / 4)
#define NINE_DIGITS 1000000000u /* the largest power of ten in a limb */

/* A number that is 0.digits x 10^point. */
typedef struct digits {
    char digit[17];
    int count;
    int point;
} digits;

/* The first `precision` digits, rounded. The byte or bytes between the first and the others are the locale's. */
static digits round_to(double magnitude, int precision) {
    char scientific[64]; /* d.ddde+xx */
    snprintf(scientific, sizeof scientific, "%.*e", precision - 1, magnitude);
    digits result = {.count = 0};
    const char *at = scientific;
    for (; *at != 'e'; at++)
        if (*at >= '0' && *at <= '9')
            result.digit[result.count++] = *at;
    result.point = (int)strtol(at + 1, NULL, 10) + 1;
    return result;
}

/* Without a decimal point strtod does not ask the locale. */
static bool reads_back(const digits *number, double magnitude) {
    char text[64];
    snprintf(text, sizeof text, "%.*se%d", number->count, number->digit, number->point - number->count);
    return strtod(text, NULL) == magnitude;
}

/* The next larger number of as many digits. */
static void increment(digits *number) {
    int i = number->count - 1;
    for (; i >= 0 && number->digit[i] == '9'; i--)
        number->digit[i] = '0';
    if (i >= 0) {
        number->digit[i]++;
        return;
    }
    number->digit[0] = '1';
    number->point++;
}

/*
 * 15 digits identify no more than they must, except among subnormals, where fewer may do; 17 are always enough. Above
 * a power of two its neighbour is twice as far as below, so when the nearest decimal does not read back, the next
 * larger one may.
 */
static digits shortest(double magnitude) {
    digits number;
    for (int precision = magnitude < DBL_MIN ? 1 : 15; precision <= 17; precision++) {
        number = round_to(magnitude, precision);
        if (reads_back(&number, magnitude))
            break;
        increment(&number);
        if (reads_back(&number, magnitude))
            break;
    }
    while (number.count > 1 && number.digit[number.count - 1] == '0')
        number.count--;
    return number;
}

static char *put_zeros(char *at, int count) {
    for (int i = 0; i < count; i++)
        *at++ = '0';
    return at;
}

static char *put_digits(char *at, const digits *number, int from, int to) {
    for (int i = from; i < to; i++)
        *at++ = i < number->count ? number->digit[i] : '0';
    return at;
}

static char *put_plain(char *at, const digits *number) {
    if (number->point > 0) {
        at = put_digits(at, number, 0, number->point);
        *at++ = '.';
        return put_digits(at, number, number->point, number->count > number->point ? number->count : number->point + 1);
    }
    *at++ = '0';
    *at++ = '.';
    at = put_zeros(at, -number->point);
    return put_digits(at, number, 0, number->count);
}

static char *put_scientific(char *at, const digits *number) {
    at = put_digits(at, number, 0, 1);
    if (number->count > 1)
        *at++ = '.';
    at = put_digits(at, number, 1, number->count);
    return at + snprintf(at, 6, "e%+03d", number->point - 1);
}

size_t npv_decimal_from_double(double value, char text[NPV_DECIMAL_DOUBLE_SIZE]) {
    const digits number = shortest(fabs(value));
    char *at = text;
    if (signbit(value))
        *at++ = '-';
    const bool is_plain = number.point > -4 && number.point <= 16;
    at = is_plain ? put_plain(at, &number) : put_scientific(at, &number);
    return (size_t)(at - text);
}

/* Moves the decimal point into the exponent, where strtod does not ask the locale for it: 1.5e3 is 15e2. */
static bool read_float(npv_bytes text, double *value) {
    char copy[48], plain[64];
    if (text.size >= sizeof copy)
        return false;
    memcpy(copy, text.data, text.size);
    copy[text.size] = '\0';
    const char *at = copy;
    size_t length = 0, digit_count = 0;
    long exponent = 0, fraction = 0;
    if (*at == '-')
        plain[length++] = *at++;
    for (bool after_point = false; (*at >= '0' && *at <= '9') || (*at == '.' && !after_point); at++) {
        after_point = after_point || *at == '.';
        if (*at == '.')
            continue;
        plain[length++] = *at;
        digit_count++;
        fraction += after_point;
    }
    char *end = copy + (at - copy);
    if (*at == 'e' && at[1] > ' ') /* strtol would skip blanks, and take nothing for an end */
        exponent = strtol(at + 1, &end, 10);
    if (digit_count == 0 || end != copy + text.size || exponent < -9999 || exponent > 9999)
        return false;
    snprintf(plain + length, sizeof plain - length, "e%ld", exponent - fraction);
    *value = strtod(plain, NULL);
    return true;
}

bool npv_decimal_to_double(npv_bytes text, double *value) {
    static const struct {
        const char *name;
        double value;
    } words[] = {{"nan", (double)NAN}, {"inf", (double)INFINITY}, {"-inf", -(double)INFINITY}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strlen(words[i].name) == text.size && memcmp(words[i].name, text.data, text.size) == 0) {
            *value = words[i].value;
            return true;
        }
    return read_float(text, value);
}

/* ------------------------------------------------------------------------------------------------------ Integers -- */

/* Replaces the limbs by their quotient and returns the remainder. */
static uint32_t divide(uint32_t *limbs, size_t *count, uint32_t divisor) {
    uint64_t remainder = 0;
    for (size_t i = *count; i-- > 0;) {
        remainder = remainder << 32 | limbs[i];
        limbs[i] = (uint32_t)(remainder / divisor);
        remainder %= divisor;
    }
    while (*count > 0 && limbs[*count - 1] == 0)
        (*count)--;
    return (uint32_t)remainder;
}

/* Replaces the limbs by limbs * factor + addend; false if there are too few. */
static bool multiply(uint32_t *limbs, size_t *count, uint32_t factor, uint32_t addend) {
    uint64_t carry = addend;
    for (size_t i = 0; i < *count; i++) {
        carry += (uint64_t)limbs[i] * factor;
        limbs[i] = (uint32_t)carry;
        carry >>= 32;
    }
    if (carry == 0)
        return true;
    if (*count == LIMBS)
        return false;
    limbs[(*count)++] = (uint32_t)carry;
    return true;
}

/* -x is ~x + 1. */
static void negate(uint32_t *limbs, size_t count) {
    uint64_t carry = 1;
    for (size_t i = 0; i < count; i++) {
        carry += (uint32_t)~limbs[i];
        limbs[i] = (uint32_t)carry;
        carry >>= 32;
    }
}

size_t npv_decimal_from_integer(npv_bytes integer, char text[NPV_DECIMAL_INTEGER_SIZE]) {
    const bool negative = integer.data[integer.size - 1] & 0x80;
    size_t count = (integer.size + 3) / 4;
    uint32_t limbs[LIMBS] = {0};
    for (size_t i = 0; i < 4 * count; i++) {
        const uint32_t byte = i < integer.size ? integer.data[i] : negative ? 0xff : 0;
        limbs[i / 4] |= byte << 8 * (i % 4);
    }
    if (negative)
        negate(limbs, count);

    char reversed[NPV_DECIMAL_INTEGER_SIZE + 9];
    size_t length = 0;
    do {
        uint32_t nine = divide(limbs, &count, NINE_DIGITS);
        for (int i = 0; i < 9; i++, nine /= 10)
            reversed[length++] = (char)('0' + nine % 10);
    } while (count > 0);
    while (length > 1 && reversed[length - 1] == '0')
        length--;
    if (negative)
        reversed[length++] = '-';
    for (size_t i = 0; i < length; i++)
        text[i] = reversed[length - 1 - i];
    return length;
}

/* Nine digits at a time: multiply, add. */
static bool read_magnitude(npv_bytes text, uint32_t *limbs, size_t *count) {
    uint32_t factor = 1, addend = 0;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        factor *= 10;
        addend = addend * 10 + (uint32_t)(text.data[i] - '0');
        if (factor < NINE_DIGITS && i + 1 < text.size)
            continue;
        if (!multiply(limbs, count, factor, addend))
            return false;
        factor = 1;
        addend = 0;
    }
    return text.size > 0;
}

bool npv_decimal_to_integer(npv_bytes text, unsigned char integer[NPV_MAX_INTEGER_BYTES], size_t *size) {
    uint32_t limbs[LIMBS] = {0};
    size_t count = 0;
    const bool negative = text.size > 0 && *text.data == '-';
    if (negative)
        text = (npv_bytes){text.data + 1, text.size - 1};
    if (text.size > NPV_DECIMAL_INTEGER_SIZE || !read_magnitude(text, limbs, &count))
        return false;
    *size = count == LIMBS ? NPV_MAX_INTEGER_BYTES : 4 * (count + 1);
    if (negative)
        negate(limbs, *size / 4);
    if (count == LIMBS && (limbs[LIMBS - 1] > INT32_MAX) != negative) /* the highest bit is the sign's */
        return false;
    for (size_t i = 0; i < *size; i++)
        integer[i] = (unsigned char)(limbs[i / 4] >> 8 * (i % 4));
    return true;
}
