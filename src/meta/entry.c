#include "entry.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "datetime.h"
#include "utf8.h"

/* ----------------------------------------------------------------------------------------------------- Comparing -- */

static int order(bool below, bool above) {
    return (int)above - (int)below;
}

/* Without rounding: `real` is cut to an integer, which is exact, and what was cut off decides between equals. */
static int compare_integer_with_real(int64_t integer, double real) {
    if (real >= 0x1p63)
        return -1;
    if (real < -0x1p63)
        return 1;
    const int64_t whole = (int64_t)real;
    if (integer != whole)
        return order(integer < whole, whole < integer);
    return order((double)whole < real, real < (double)whole);
}

/* `natural` is above INT64_MAX, where float64 has no fractions. */
static int compare_natural_with_real(uint64_t natural, double real) {
    if (real >= 0x1p64)
        return -1;
    if (real < 0x1p63)
        return 1;
    return order(natural < (uint64_t)real, (uint64_t)real < natural);
}

static int compare_with_real(const npv_entry *a, double real) {
    switch (a->number) {
    case NPV_VALUE_INT:
        return compare_integer_with_real(a->integer, real);
    case NPV_VALUE_UINT:
        return compare_natural_with_real(a->natural, real);
    default:
        return order(a->real < real, real < a->real);
    }
}

static int compare_numbers(const npv_entry *a, const npv_entry *b) {
    if (b->number == NPV_VALUE_FLOAT)
        return compare_with_real(a, b->real);
    if (a->number == NPV_VALUE_FLOAT)
        return -compare_with_real(b, a->real);
    if (a->number != b->number)
        return a->number == NPV_VALUE_INT ? -1 : 1;
    if (a->number == NPV_VALUE_INT)
        return order(a->integer < b->integer, b->integer < a->integer);
    return order(a->natural < b->natural, b->natural < a->natural);
}

static int compare_bytes(npv_bytes a, npv_bytes b) {
    const size_t common = a.size < b.size ? a.size : b.size;
    const int result = common > 0 ? memcmp(a.data, b.data, common) : 0;
    return result != 0 ? result : order(a.size < b.size, b.size < a.size);
}

int npv_entry_compare(const npv_entry *a, const npv_entry *b) {
    assert(a->class == b->class);
    switch (a->class) {
    case NPV_CLASS_MISSING:
    case NPV_CLASS_NULL:
        return 0;
    case NPV_CLASS_BOOL:
        return order(a->boolean < b->boolean, b->boolean < a->boolean);
    case NPV_CLASS_NUMBER:
        return compare_numbers(a, b);
    default:
        return compare_bytes(a->bytes, b->bytes);
    }
}

bool npv_entry_equal(const npv_entry *a, const npv_entry *b) {
    if (a->class != b->class)
        return false;
    if (a->class >= NPV_CLASS_TEXT && a->bytes.size != b->bytes.size)
        return false;
    return npv_entry_compare(a, b) == 0;
}

/* ------------------------------------------------------------------------------------------------------- Reading -- */

/* One fragment for every NaN: which one it is means nothing. */
static const unsigned char NAN_FRAGMENT[] = {'G', 0x7f, 0xf8, 0, 0, 0, 0, 0, 0};

static npv_entry entry_of_integer(int64_t integer) {
    return (npv_entry){.class = NPV_CLASS_NUMBER, .number = NPV_VALUE_INT, .integer = integer};
}

static npv_entry entry_of_real(double real) {
    if (isnan(real))
        return (npv_entry){.class = NPV_CLASS_OTHER, .bytes = {NAN_FRAGMENT, sizeof NAN_FRAGMENT}};
    return (npv_entry){.class = NPV_CLASS_NUMBER, .number = NPV_VALUE_FLOAT, .real = real};
}

static npv_entry entry_of_bytes(npv_class class, npv_bytes bytes) {
    return (npv_entry){.class = (unsigned char)class, .bytes = bytes};
}

static npv_status clear_room(npv_buffer *room, size_t size, npv_error *error) {
    room->size = 0;
    return npv_buffer_reserve(room, size, error);
}

static npv_status entry_of_utf32(npv_bytes utf32, npv_entry *entry, npv_buffer *room, npv_error *error) {
    const npv_status status = clear_room(room, utf32.size, error);
    if (status != NPV_OK)
        return status;
    room->size = npv_utf8_from_utf32(utf32, room->data);
    *entry = entry_of_bytes(NPV_CLASS_TEXT, (npv_bytes){room->data, room->size});
    return NPV_OK;
}

/* NULL, or the text of a time in `text`. */
static npv_entry entry_of_datetime(npv_time time, char text[NPV_DATETIME_TEXT_SIZE]) {
    const size_t length = npv_datetime_to_text(time, text);
    if (strcmp(text, "NaT") == 0)
        return (npv_entry){.class = NPV_CLASS_NULL};
    return entry_of_bytes(NPV_CLASS_TEXT, (npv_bytes){(const unsigned char *)text, length});
}

/* An integer that int64 does not hold, but uint64: nine bytes, of which the last has only the sign. */
static bool is_natural(npv_bytes integer, npv_entry *entry) {
    if (integer.size != 9 || integer.data[8] != 0)
        return false;
    *entry = (npv_entry){.class = NPV_CLASS_NUMBER, .number = NPV_VALUE_UINT};
    for (size_t i = 8; i > 0; i--)
        entry->natural = entry->natural << 8 | integer.data[i - 1];
    return true;
}

/* The entry of a value that needs no room and no fragment; false: it does. */
static bool is_plain(const npv_value *value, npv_entry *entry) {
    switch (value->kind) {
    case NPV_VALUE_NONE:
        *entry = (npv_entry){.class = NPV_CLASS_NULL};
        return true;
    case NPV_VALUE_BOOL:
        *entry = (npv_entry){.class = NPV_CLASS_BOOL, .boolean = value->boolean};
        return true;
    case NPV_VALUE_INT:
        *entry = entry_of_integer(value->integer);
        return true;
    case NPV_VALUE_UINT:
        *entry = (npv_entry){.class = NPV_CLASS_NUMBER, .number = NPV_VALUE_UINT, .natural = value->natural};
        return true;
    case NPV_VALUE_BIG:
        return is_natural(value->bytes, entry);
    case NPV_VALUE_FLOAT:
        *entry = entry_of_real(value->real);
        return true;
    case NPV_VALUE_STR:
        *entry = entry_of_bytes(NPV_CLASS_TEXT, value->bytes);
        return true;
    case NPV_VALUE_TIMEDELTA:
        *entry = value->time.ticks == NPV_NOT_A_TIME ? (npv_entry){.class = NPV_CLASS_NULL}
                                                     : entry_of_integer(value->time.ticks);
        return true;
    default:
        return false;
    }
}

npv_status npv_entry_of_value(const npv_value *value, npv_entry *entry, npv_buffer *room, npv_error *error) {
    if (is_plain(value, entry))
        return NPV_OK;
    if (value->kind == NPV_VALUE_UTF32)
        return entry_of_utf32(value->bytes, entry, room, error);
    npv_status status = clear_room(room, NPV_DATETIME_TEXT_SIZE, error);
    if (status != NPV_OK)
        return status;
    if (value->kind == NPV_VALUE_DATETIME) {
        *entry = entry_of_datetime(value->time, (char *)room->data);
        return NPV_OK;
    }
    assert(value->kind == NPV_VALUE_BYTES);
    status = npv_value_write_bytes(room, value->bytes, error);
    if (status == NPV_OK)
        *entry = entry_of_bytes(NPV_CLASS_OTHER, (npv_bytes){room->data, room->size});
    return status;
}

npv_status npv_entry_of_fragment(npv_bytes fragment, npv_entry *entry, npv_buffer *room, npv_error *error) {
    if (fragment.size == 0) {
        *entry = (npv_entry){.class = NPV_CLASS_MISSING};
        return NPV_OK;
    }
    npv_bytes rest = fragment;
    const npv_value value = npv_value_next(&rest);
    if (value.kind == NPV_VALUE_UTF32 || value.kind == NPV_VALUE_DATETIME)
        return npv_entry_of_value(&value, entry, room, error);
    if (!is_plain(&value, entry)) {
        const bool is_array = value.kind == NPV_VALUE_LIST || value.kind == NPV_VALUE_TUPLE;
        *entry = entry_of_bytes(is_array ? NPV_CLASS_ARRAY : NPV_CLASS_OTHER, fragment);
    }
    return NPV_OK;
}

/* ---------------------------------------------------------------------------------------------------- Containing -- */

/* Is the fragment, which is all of a value, equal to the entry? Without memory, so that it cannot fail. */
static bool fragment_equals(npv_bytes fragment, const npv_entry *entry) {
    npv_bytes rest = fragment;
    const npv_value value = npv_value_next(&rest);
    if (value.kind == NPV_VALUE_UTF32)
        return entry->class == NPV_CLASS_TEXT && npv_utf8_equals_utf32(entry->bytes, value.bytes);
    char text[NPV_DATETIME_TEXT_SIZE];
    npv_entry found;
    if (value.kind == NPV_VALUE_DATETIME)
        found = entry_of_datetime(value.time, text);
    else
        npv_entry_of_fragment(fragment, &found, NULL, NULL);
    return npv_entry_equal(&found, entry);
}

bool npv_entry_contains(const npv_entry *array, const npv_entry *value) {
    assert(array->class == NPV_CLASS_ARRAY);
    npv_bytes rest = array->bytes;
    npv_value_next(&rest);
    for (npv_bytes after = rest; npv_value_next(&after).kind != NPV_VALUE_END; after = rest) {
        npv_bytes element = rest;
        npv_value_skip(&rest);
        element.size -= rest.size;
        if (fragment_equals(element, value))
            return true;
    }
    return false;
}
