/* Single values in filters and their parameters. */
#ifndef NPV_SCALAR_H
#define NPV_SCALAR_H

#include "../meta/json_lexer.h"
#include "build.h"

/*
 * The value of a number (number.h), of either dialect. NPV_E_ARGUMENT at `position` for an integer that neither int64
 * nor uint64 holds, and for what no float64 does; the message begins with `where`.
 */
npv_status npv_scalar_of_number(npv_bytes text, const char *where, size_t position, npv_entry *value, npv_error *error);

/* Is the token a string, a number, true, false or null? */
bool npv_scalar_is(const npv_json_lexer *lexer);

/* The value of the token, which is one of those. Its text lives as long as the filter. */
npv_status npv_scalar_read(npv_builder *builder, const npv_json_lexer *lexer, npv_entry *value);

#endif
