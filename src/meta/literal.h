/*
 * The Python literals that .npy headers are made of: strings, numbers, True and False, and what holds them together.
 *
 * Every function moves `at` behind what it takes, and returns false at the first mistake, which fills the error and
 * ends the parsing. Nothing is evaluated.
 */
#ifndef NPV_LITERAL_H
#define NPV_LITERAL_H

#include <stdbool.h>

#include "../bytes.h"

typedef struct npv_literal {
    const unsigned char *start;
    const unsigned char *at;
    const unsigned char *end;
    npv_status status; /* of the mistake */
    npv_error *error;
} npv_literal;

npv_literal npv_literal_of(npv_bytes text, npv_error *error);

/* A mistake at this place: "expected <what>, found ...". Always false. */
bool npv_literal_expected(npv_literal *p, const char *what);

/* Is this the next character that is no space? accept also takes it; character insists on it. */
bool npv_literal_next_is(npv_literal *p, char wanted);
bool npv_literal_accept(npv_literal *p, char wanted);
bool npv_literal_character(npv_literal *p, char wanted);
void npv_literal_skip_space(npv_literal *p);

/* Between the items of a list: a comma, after which the end may follow. True when another item must come. */
bool npv_literal_another(npv_literal *p, char end);

/* What stands between the quotes, escapes as spelled. */
bool npv_literal_string(npv_literal *p, npv_bytes *string);

bool npv_literal_number(npv_literal *p, uint64_t *number);
bool npv_literal_bool(npv_literal *p, bool *value);

/* A tuple of numbers; of one, with a comma behind it. */
#define NPV_LITERAL_MAX_NUMBERS 64 /* axes of an array, as in NumPy 2 */
bool npv_literal_numbers(npv_literal *p, unsigned *count, uint64_t numbers[NPV_LITERAL_MAX_NUMBERS]);

/*
 * What a string means: its escapes, as repr writes them, replaced by the UTF-8 of their characters, never longer than
 * they are. Returns the length, or SIZE_MAX for other escapes, for a zero, and for half of a surrogate pair.
 */
size_t npv_literal_unescape(npv_bytes string, char *text);

/* Appends the text, which is UTF-8 without surrogates, as repr spells it. */
npv_status npv_literal_append_string(npv_buffer *literal, npv_bytes text, npv_error *error);

#endif
