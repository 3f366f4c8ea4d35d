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

/* -------------------------------------------------------------------------------------------------- From text -- */

/* What a text says: a moment at which it begins. */
typedef struct moment {
    int64_t days; /* since 1970 */
    int64_t year; /* which that day lies in, */
    int month, day;
    int64_t second;   /* of that day; beyond it for offsets from UTC */
    int64_t fraction; /* of a second, in attoseconds */
} moment;

static bool take_char(npv_bytes *text, const char *wanted) {
    if (text->size == 0 || *text->data == '\0' || strchr(wanted, *text->data) == NULL)
        return false;
    *text = (npv_bytes){text->data + 1, text->size - 1};
    return true;
}

static bool at_digit(npv_bytes text) {
    return text.size > 0 && *text.data >= '0' && *text.data <= '9';
}

/* Exactly two digits. */
static bool take_two(npv_bytes *text, int most, int *number) {
    if (!at_digit(*text) || !at_digit((npv_bytes){text->data + 1, text->size - 1}))
        return false;
    *number = (text->data[0] - '0') * 10 + (text->data[1] - '0');
    *text = (npv_bytes){text->data + 2, text->size - 2};
    return *number <= most;
}

/* Four digits, more for later years, three and a sign for earlier ones: as they are written. */
static bool take_year(npv_bytes *text, int64_t *year) {
    const bool negative = take_char(text, "-");
    size_t digits = 0;
    for (*year = 0; at_digit(*text); digits++, *text = (npv_bytes){text->data + 1, text->size - 1})
        if (digits == 18)
            return false;
        else
            *year = *year * 10 + (*text->data - '0');
    if (negative)
        *year = -*year;
    return digits >= (negative ? 3 : 4);
}

static bool is_leap(int64_t year) {
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

/* The inverse of date_of; false beyond what int64 counts. */
static bool count_days(int64_t year, int month, int day, int64_t *days) {
    const int64_t march_year = year - (month <= 2);
    const int64_t era = floor_divide(march_year, 400), year_of_era = floor_remainder(march_year, 400);
    const int day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    const int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return !__builtin_mul_overflow(era, DAYS_IN_400_YEARS, days) &&
           !__builtin_add_overflow(*days, day_of_era - DAYS_1970, days);
}

static bool take_date(npv_bytes *text, moment *at) {
    static const int LENGTHS[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    at->month = at->day = 1;
    if (!take_year(text, &at->year))
        return false;
    if (take_char(text, "-")) {
        if (!take_two(text, 12, &at->month) || at->month == 0)
            return false;
        if (take_char(text, "-") && (!take_two(text, 31, &at->day) || at->day == 0))
            return false;
    }
    if (at->day > LENGTHS[at->month - 1] + (at->month == 2 && is_leap(at->year)))
        return false;
    return count_days(at->year, at->month, at->day, &at->days);
}

/* Digits behind the point; those behind the eighteenth must be zeros. */
static bool take_fraction(npv_bytes *text, int64_t *fraction) {
    int64_t unit = PER_SECOND[NPV_TIME_as];
    if (!at_digit(*text))
        return false;
    for (; at_digit(*text); *text = (npv_bytes){text->data + 1, text->size - 1}) {
        const int digit = *text->data - '0';
        unit /= 10;
        if (unit == 0 && digit != 0)
            return false;
        *fraction += digit * unit;
    }
    return true;
}

/* "Z", "+02:00": what lies east of Greenwich is earlier in UTC. */
static bool take_offset(npv_bytes *text, int64_t *second) {
    int hours = 0, minutes = 0;
    if (take_char(text, "Z"))
        return true;
    const bool west = text->size > 0 && *text->data == '-';
    if (!take_char(text, "+-") || !take_two(text, 23, &hours))
        return false;
    take_char(text, ":");
    if (!take_two(text, 59, &minutes))
        return false;
    *second += (west ? 60 : -60) * (hours * 60 + minutes);
    return true;
}

static bool take_clock(npv_bytes *text, moment *at) {
    int hours = 0, minutes = 0, seconds = 0;
    if (!take_two(text, 23, &hours))
        return false;
    if (take_char(text, ":")) {
        if (!take_two(text, 59, &minutes))
            return false;
        if (take_char(text, ":") &&
            (!take_two(text, 59, &seconds) || (take_char(text, ".") && !take_fraction(text, &at->fraction))))
            return false;
    }
    at->second = hours * 3600 + minutes * 60 + seconds;
    return text->size == 0 || take_offset(text, &at->second);
}

/* count = value / by, if that leaves nothing. */
static bool divide(int64_t value, int64_t by, int64_t *count) {
    *count = value / by;
    return value % by == 0;
}

/* Units of a second or less since 1970. A negative count may be in range though that of its whole seconds is not. */
static bool count_fractions(int64_t seconds, int64_t fraction, int64_t per_second, int64_t *count) {
    int64_t rest = 0;
    if (!divide(fraction, PER_SECOND[NPV_TIME_as] / per_second, &rest))
        return false;
    if (seconds < 0 && rest > 0) {
        seconds++;
        rest -= per_second;
    }
    return !__builtin_mul_overflow(seconds, per_second, count) && !__builtin_add_overflow(*count, rest, count);
}

static bool count_below_day(const moment *at, npv_time_unit unit, int64_t *count) {
    const int64_t tick = unit == NPV_TIME_h ? 3600 : unit == NPV_TIME_m ? 60 : 1; /* in seconds */
    int64_t in_day, ticks;
    if (!divide(at->second, tick, &in_day) || __builtin_mul_overflow(at->days, 86400 / tick, &ticks) ||
        __builtin_add_overflow(ticks, in_day, &ticks))
        return false;
    if (tick > 1) {
        *count = ticks;
        return at->fraction == 0;
    }
    return count_fractions(ticks, at->fraction, PER_SECOND[unit], count);
}

static bool count_units(moment at, npv_time_unit unit, int64_t *count) {
    if (unit >= NPV_TIME_h)
        return count_below_day(&at, unit, count);
    if (at.second != 0 || at.fraction != 0)
        return false;
    switch (unit) {
    case NPV_TIME_Y:
        *count = at.year - 1970;
        return at.month == 1 && at.day == 1;
    case NPV_TIME_M:
        return at.day == 1 && !__builtin_mul_overflow(at.year - 1970, 12, count) &&
               !__builtin_add_overflow(*count, at.month - 1, count);
    case NPV_TIME_W:
        return divide(at.days, 7, count);
    default:
        *count = at.days;
        return true;
    }
}

bool npv_datetime_from_text(npv_bytes text, npv_time *time) {
    moment at = {0};
    int64_t count = 0;
    if (time->unit >= NPV_TIME_GENERIC || !take_date(&text, &at))
        return false;
    if (text.size > 0 && (!take_char(&text, "T ") || !take_clock(&text, &at) || text.size > 0))
        return false;
    return count_units(at, time->unit, &count) && divide(count, time->multiple, &time->ticks) &&
           time->ticks != NPV_NOT_A_TIME;
}
