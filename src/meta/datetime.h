/* NumPy's datetime64 as text. */
#ifndef NPV_DATETIME_H
#define NPV_DATETIME_H

#include "value.h"

#define NPV_DATETIME_TEXT_SIZE 80

/*
 * Writes what str(datetime64) prints: ISO 8601 to the precision of the unit, "2024-05", "2024-05-17T09:30:00.250",
 * "NaT"; years outside 0 to 9999 with as many digits and the sign that they need. Returns the length.
 */
size_t npv_datetime_to_text(npv_time time, char text[NPV_DATETIME_TEXT_SIZE]);

/*
 * The other way, to time->ticks, for time's unit and multiple: ISO 8601 from the year alone to a fraction of a second,
 * with 'T' or a space before the hour, and after a time of day perhaps 'Z' or an offset from UTC, to which it is
 * converted.
 * False: it is no such text, or no whole number of ticks, or out of their range.
 */
bool npv_datetime_from_text(npv_bytes text, npv_time *time);

#endif
