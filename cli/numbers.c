#include "numbers.h"

#include <ctype.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SPACES " \t\r\n"
#define SEPARATORS SPACES ",;"
#define SHOWN 24

void cli_vector_push(cli_vector *vector, float value) {
    if (vector->count == vector->capacity) {
        vector->capacity = vector->capacity == 0 ? 1024 : 2 * vector->capacity;
        vector->values = cli_resize(vector->values, vector->capacity, sizeof *vector->values);
    }
    vector->values[vector->count++] = value;
}

static const char *skip_digits(const char *text) {
    while (isdigit((unsigned char)*text))
        text++;
    return text;
}

/* As skip_digits, but there must be one. */
static const char *need_digits(const char *text) {
    const char *end = skip_digits(text);
    return end == text ? NULL : end;
}

const char *cli_skip_json_number(const char *text) {
    text += *text == '-';
    text = *text == '0' ? text + 1 : need_digits(text);
    if (text != NULL && *text == '.')
        text = need_digits(text + 1);
    if (text != NULL && (*text == 'e' || *text == 'E')) {
        text++;
        text = need_digits(text + (*text == '+' || *text == '-'));
    }
    return text;
}

float cli_to_float(double value, cli_place place, size_t component) {
    /* C leaves open what becomes of a number that is too large. */
    const float narrow = fabs(value) > 2 * (double)FLT_MAX ? INFINITY : (float)value;
    if (!isfinite(narrow))
        cli_fail_at(place, "number %zu of the vector: expected at most %g (float32), found %g", component,
                    (double)FLT_MAX, value);
    return narrow;
}

static _Noreturn void fail_number(const char *text, size_t component, cli_place place) {
    const size_t word = strcspn(text, SEPARATORS "]");
    const size_t size = word == 0 ? strnlen(text, 1) : word < SHOWN ? word : SHOWN;
    cli_fail_at(place, "number %zu of the vector: expected a number, found %s%.*s%s", component,
                size == 0 ? "the end" : "'", (int)size, text,
                size == 0     ? ""
                : size < word ? "...'"
                              : "'");
}

/* More numbers than a vector can have are not worth the memory. */
static void push_number(double value, size_t component, size_t most, cli_vector *vector, cli_place place) {
    if (component >= most)
        cli_fail_at(place, "expected a vector of at most %zu numbers, found more", most);
    cli_vector_push(vector, cli_to_float(value, place, component));
}

const char *cli_read_json_numbers(const char *text, cli_vector *vector, cli_place place) {
    text++; /* the bracket */
    text += strspn(text, SPACES);
    if (*text == ']')
        return text + 1;
    for (size_t component = 0;; component++) {
        const char *end = cli_skip_json_number(text);
        if (end == NULL || *end == '\0' || strchr(SPACES ",]", *end) == NULL)
            fail_number(text, component, place);
        push_number(strtod(text, NULL), component, NPV_MAX_DIMENSIONS, vector, place);
        text = end + strspn(end, SPACES);
        if (*text == ']')
            return text + 1;
        if (*text != ',')
            cli_fail_at(place, "number %zu of the vector: expected ',' or ']' behind it", component);
        text++;
        text += strspn(text, SPACES);
    }
}

const char *cli_read_plain_numbers(const char *text, size_t most, cli_vector *vector, cli_place place) {
    for (size_t component = 0;; component++) {
        text += strspn(text, SEPARATORS);
        if (*text == '\0' || *text == '[' || *text == ']')
            return text;
        /* strtod alone would also take names and hexadecimals. */
        const size_t size = strspn(text, "+-.0123456789eE");
        char *end;
        const double value = strtod(text, &end);
        if (size == 0 || end != text + size || (*end != '\0' && strchr(SEPARATORS "[]", *end) == NULL))
            fail_number(text, component, place);
        push_number(value, component, most, vector, place);
        text = end;
    }
}
