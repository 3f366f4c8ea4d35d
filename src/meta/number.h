/*
 * What a number in JSON or in a filter says, whatever the locale.
 *
 * The caller has found the text to be a number: a sign or none, digits, with or without a point in front of, among or
 * behind them, and an exponent or none.
 */
#ifndef NPV_NUMBER_H
#define NPV_NUMBER_H

#include <stdbool.h>

#include "value.h"

/* Has it neither point nor exponent? */
bool npv_number_is_integer(npv_bytes text);

/* Reads an integer as INT, or above int64 as UINT. False: 64 bits do not hold it. */
bool npv_number_to_integer(npv_bytes text, npv_value *value);

/* The nearest float64, infinite where that is beyond the greatest. */
double npv_number_to_double(npv_bytes text);

#endif
