/* Numbers in filters, of both dialects, whatever the locale. */
#ifndef NPV_NUMBER_H
#define NPV_NUMBER_H

#include "../meta/entry.h"

/*
 * Reads what the caller has found to be a number: a sign or none, digits, with or without a point in front of, among or
 * behind them, and an exponent or none. Without point and exponent it is an integer, which int64 or uint64 must hold;
 * otherwise the float64 that is nearest. NPV_E_ARGUMENT at `position`; the message begins with `where`.
 */
npv_status npv_number_read(npv_bytes text, const char *where, size_t position, npv_entry *value, npv_error *error);

#endif
