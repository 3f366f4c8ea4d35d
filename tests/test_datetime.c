/* Dates as text, and text as dates. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "meta/datetime.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static npv_bytes text_of(const char *text) {
    return (npv_bytes){(const unsigned char *)text, strlen(text)};
}

/* ------------------------------------------------------------------------------------------------------- Dates -- */

static void dates_are_read_to_the_unit_of_their_field(void **state) {
    (void)state;
    static const struct {
        const char *text;
        uint32_t multiple;
        npv_time_unit unit;
        int64_t ticks;
    } cases[] = {
        {"2024", 1, NPV_TIME_Y, 54},
        {"2024-01-01", 1, NPV_TIME_Y, 54},
        {"2024", 1, NPV_TIME_D, 19723},
        {"2024-02-29", 1, NPV_TIME_D, 19782},
        {"1969-12-31", 1, NPV_TIME_D, -1},
        {"0000-03-01", 1, NPV_TIME_D, -719468},
        {"-0001-12-31", 1, NPV_TIME_D, -719529},
        {"12345-06-07", 1, NPV_TIME_D, 3789548},
        {"1970-01-08", 1, NPV_TIME_W, 1},
        {"1969-12-25", 1, NPV_TIME_W, -1},
        {"1969-11", 1, NPV_TIME_M, -2},
        {"2024-05-17T09", 1, NPV_TIME_h, 476649},
        {"2024-05-17 09:30", 1, NPV_TIME_m, 28598970},
        {"2024-05-17T09:30:15", 15, NPV_TIME_s, 114395881},
        {"2024-05-17T09:30:15Z", 1, NPV_TIME_s, 1715938215},
        {"1970-01-01T02:00+02:00", 1, NPV_TIME_D, 0},
        {"1970-01-01T00:30-0130", 1, NPV_TIME_h, 2},
        {"1970-01-01T00:00:00.25", 1, NPV_TIME_ms, 250},
        {"1969-12-31T23:59:59.999999999", 1, NPV_TIME_ns, -1},
        {"1970-01-01T00:00:00.000000000000000001", 1, NPV_TIME_as, 1},
        {"1970-01-01T00:00:00.5000000000000000000000", 1, NPV_TIME_ms, 500},
        {"1677-09-21T00:12:43.145224193", 1, NPV_TIME_ns, INT64_MIN + 1},
        {"2262-04-11T23:47:16.854775807", 1, NPV_TIME_ns, INT64_MAX},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        npv_time time = {0, cases[i].multiple, cases[i].unit};
        if (!npv_datetime_from_text(text_of(cases[i].text), &time))
            fail_msg("%s was refused", cases[i].text);
        if (time.ticks != cases[i].ticks)
            fail_msg("%s: expected %" PRId64 ", found %" PRId64, cases[i].text, cases[i].ticks, time.ticks);
    }
}

static void dates_that_lose_something_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *text;
        uint32_t multiple;
        npv_time_unit unit;
    } cases[] = {
        {"2024-02", 1, NPV_TIME_Y},
        {"2024-01-02", 1, NPV_TIME_Y},
        {"2024-05-17T00:00:00.5", 1, NPV_TIME_D},
        {"2024-01-02", 1, NPV_TIME_M},
        {"1970-01-02", 1, NPV_TIME_W},
        {"2024-05-17T00:00:01", 1, NPV_TIME_D},
        {"2024-05-17T00:30", 1, NPV_TIME_h},
        {"2024-05-17T00:00:30", 1, NPV_TIME_m},
        {"2024-05-17T00:00:00.5", 1, NPV_TIME_s},
        {"2024-05-17T00:00:00.5", 1, NPV_TIME_h},
        {"2024-05-17T00:00:00.0005", 1, NPV_TIME_ms},
        {"1970-01-01T00:00:00.0000000000000000001", 1, NPV_TIME_as},
        {"2024-05-17T00:00:01", 15, NPV_TIME_s},
        {"2262-04-11T23:47:16.854775808", 1, NPV_TIME_ns},
        {"1677-09-21T00:12:43.145224192", 1, NPV_TIME_ns}, /* would be NaT */
        {"999999999999999999-01-01", 1, NPV_TIME_s},
        {"-999999999999999999-01-01", 1, NPV_TIME_M},
        {"9999999999999999999", 1, NPV_TIME_Y},
        {"2024-13", 1, NPV_TIME_D},
        {"2024-00", 1, NPV_TIME_D},
        {"2024-04-31", 1, NPV_TIME_D},
        {"2023-02-29", 1, NPV_TIME_D},
        {"1900-02-29", 1, NPV_TIME_D},
        {"2024-01-00", 1, NPV_TIME_D},
        {"2024-1-1", 1, NPV_TIME_D},
        {"24-01-01", 1, NPV_TIME_D},
        {"2024-01-01T", 1, NPV_TIME_s},
        {"2024-01-01T24:00", 1, NPV_TIME_s},
        {"2024-01-01T00:60", 1, NPV_TIME_s},
        {"2024-01-01T00:00:60", 1, NPV_TIME_s},
        {"2024-01-01T00:00:00.", 1, NPV_TIME_s},
        {"2024-01-01T00:00:00+", 1, NPV_TIME_s},
        {"2024-01-01T00:00:00+25:00", 1, NPV_TIME_s},
        {"2024-01-01Z", 1, NPV_TIME_s},
        {"2024-01-01 ", 1, NPV_TIME_D},
        {"2024-01-01x", 1, NPV_TIME_D},
        {"", 1, NPV_TIME_D},
        {"now", 1, NPV_TIME_D},
        {"2024-01-01", 1, NPV_TIME_GENERIC},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        npv_time time = {0, cases[i].multiple, cases[i].unit};
        if (npv_datetime_from_text(text_of(cases[i].text), &time))
            fail_msg("%s was taken as %" PRId64, cases[i].text, time.ticks);
    }
}

static void dates_read_back_as_they_were_written(void **state) {
    (void)state;
    uint64_t random = 3;
    for (npv_time_unit unit = NPV_TIME_Y; unit < NPV_TIME_GENERIC; unit++)
        for (int round = 0; round < 20000; round++) {
            random = random * 6364136223846793005U + 1442695040888963407U;
            const uint32_t multiple = round % 4 == 0 ? 1 + (uint32_t)(random >> 60) : 1;
            /* Years of up to 18 digits, and no more than their days can be counted. */
            const int64_t ticks = (int64_t)random >> (unit <= NPV_TIME_D ? 15 + round % 40 : 4 + round % 50);
            npv_time time = {ticks, multiple, unit};
            char text[NPV_DATETIME_TEXT_SIZE];
            const size_t length = npv_datetime_to_text(time, text);
            time.ticks = 0;
            if (!npv_datetime_from_text((npv_bytes){(unsigned char *)text, length}, &time) || time.ticks != ticks)
                fail_msg("%s (%u %s) became %" PRId64 ", expected %" PRId64, text, (unsigned)multiple,
                         npv_time_unit_name(unit), time.ticks, ticks);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dates_are_read_to_the_unit_of_their_field),
        cmocka_unit_test(dates_that_lose_something_are_refused),
        cmocka_unit_test(dates_read_back_as_they_were_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
