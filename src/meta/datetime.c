#include "datetime.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define DAYS_IN_400_YEARS 146097
#define DAYS_1970 719468 /* from 0000-03-01 to 1970-01-01 */

static int64_t floor_divide(int64_t value, int64_t by) {
    return value / by - (value % by < 0);
}

static int64_t floor_remainder(int64_t value, int64_t by) {
    const int64_t remainder = value % by;
    return remainder < 0 ? remainder + by : remainder;
}

typedef struct calendar_day {
    int64_t year;
    int month, day;
} calendar_day;

/*
 * The Gregorian calendar counted in eras of 400 years from a 1 March: the leap day then is the last of its year, and
 * the months before it have a repeating pattern, 153 days in five.
 */
static calendar_day date_of(int64_t days) {
    const int64_t shifted = floor_remainder(days, DAYS_IN_400_YEARS) + DAYS_1970;
    const int64_t era = floor_divide(days, DAYS_IN_400_YEARS) + shifted / DAYS_IN_400_YEARS;
    const int64_t day = shifted % DAYS_IN_400_YEARS;
    const int64_t year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
    const int day_of_year = (int)(day - (365 * year + year / 4 - year / 100));
    const int march_month = (5 * day_of_year + 2) / 153;
    const int month = march_month < 10 ? march_month + 3 : march_month - 9;
    return (calendar_day){era * 400 + year + (month <= 2), month, day_of_year - (153 * march_month + 2) / 5 + 1};
}

/* Ticks of a second for units below it; for h and m, seconds of a tick. */
static const int64_t PER_SECOND[] = {[NPV_TIME_s] = 1,
                                     [NPV_TIME_ms] = 1000,
                                     [NPV_TIME_us] = 1000000,
                                     [NPV_TIME_ns] = 1000000000,
                                     [NPV_TIME_ps] = 1000000000000,
                                     [NPV_TIME_fs] = 1000000000000000,
                                     [NPV_TIME_as] = 1000000000000000000};

static size_t put_date(char *text, calendar_day on) {
    return (size_t)snprintf(text, NPV_DATETIME_TEXT_SIZE, "%04" PRId64 "-%02d-%02d", on.year, on.month, on.day);
}

/* Seconds since 1970 and `digits` digits of a fraction. */
static size_t put_seconds(char *text, int64_t seconds, int64_t fraction, int digits) {
    const int second = (int)floor_remainder(seconds, 86400);
    char *at = text + put_date(text, date_of(floor_divide(seconds, 86400)));
    at += snprintf(at, 16, "T%02d:%02d:%02d", second / 3600, second / 60 % 60, second % 60);
    if (digits > 0)
        at += snprintf(at, 24, ".%0*" PRId64, digits, fraction);
    return (size_t)(at - text);
}

static size_t put_below_day(char *text, int64_t ticks, npv_time_unit unit) {
    if (unit == NPV_TIME_h || unit == NPV_TIME_m) {
        const int per_day = unit == NPV_TIME_h ? 24 : 24 * 60;
        const int in_day = (int)floor_remainder(ticks, per_day);
        const size_t length = put_date(text, date_of(floor_divide(ticks, per_day)));
        if (unit == NPV_TIME_h)
            return length + (size_t)snprintf(text + length, 8, "T%02d", in_day);
        return length + (size_t)snprintf(text + length, 8, "T%02d:%02d", in_day / 60, in_day % 60);
    }
    const int64_t per_second = PER_SECOND[unit];
    const int digits = 3 * (int)(unit - NPV_TIME_s);
    return put_seconds(text, floor_divide(ticks, per_second), floor_remainder(ticks, per_second), digits);
}

size_t npv_datetime_to_text(npv_time time, char text[NPV_DATETIME_TEXT_SIZE]) {
    assert(time.unit <= NPV_TIME_GENERIC);
    if (time.ticks == NPV_NOT_A_TIME || time.unit == NPV_TIME_GENERIC) /* NumPy has no other generic datetime64 */
        return (size_t)snprintf(text, NPV_DATETIME_TEXT_SIZE, "NaT");
    /* Unsigned, for times beyond the range of int64 wrap around here as they do in NumPy. */
    const int64_t ticks = (int64_t)((uint64_t)time.ticks * time.multiple);
    switch (time.unit) {
    case NPV_TIME_Y:
        return (size_t)snprintf(text, NPV_DATETIME_TEXT_SIZE, "%04" PRId64, (int64_t)((uint64_t)ticks + 1970));
    case NPV_TIME_M:
        return (size_t)snprintf(text, NPV_DATETIME_TEXT_SIZE, "%04" PRId64 "-%02d", floor_divide(ticks, 12) + 1970,
                                (int)floor_remainder(ticks, 12) + 1);
    case NPV_TIME_W:
        return put_date(text, date_of((int64_t)((uint64_t)ticks * 7)));
    case NPV_TIME_D:
        return put_date(text, date_of(ticks));
    default:
        return put_below_day(text, ticks, time.unit);
    }
}
