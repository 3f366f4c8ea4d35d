/* Documents as records: every value must fit its field. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../error.h"
#include "datetime.h"
#include "descr.h"
#include "json.h"
#include "schema.h"
#include "utf8.h"

/* One value on its way into its field. */
typedef struct filling {
    const npv_schema_field *field;
    npv_bytes found;     /* the value's fragment, */
    npv_value value;     /* its first step, */
    npv_bytes rest;      /* and what comes behind that */
    unsigned char *item; /* the field in the record, all zeros */
    npv_error *error;
} filling;

static void show_name(const char *name, char shown[NPV_SHOWN]) {
    npv_bytes_show((npv_bytes){(const unsigned char *)name, strlen(name)}, shown);
}

static void show_value(npv_bytes fragment, char shown[NPV_SHOWN]) {
    npv_buffer json = {0};
    if (npv_fragment_to_json(fragment, &json, NULL) == NPV_OK)
        npv_bytes_show((npv_bytes){json.data, json.size}, shown);
    else
        snprintf(shown, NPV_SHOWN, "another value");
    free(json.data);
}

static npv_status misfit(const filling *f, const char *expected) {
    char name[NPV_SHOWN], found[NPV_SHOWN], type[NPV_TYPE_TEXT];
    show_name(f->field->name, name);
    show_value(f->found, found);
    npv_schema_spell_type(f->field, type);
    return npv_fail(f->error, NPV_E_ARGUMENT, "field '%s': expected %s (%s), found %s", name, expected, type, found);
}

/* The field's bytes: the lowest ones of a number, in the field's byte order. */
static npv_status put_number(const filling *f, uint64_t bits) {
    for (size_t i = 0; i < f->field->size; i++)
        f->item[f->field->big_endian ? f->field->size - 1 - i : i] = (unsigned char)(bits >> 8 * i);
    return NPV_OK;
}

static npv_status fill_bool(const filling *f) {
    return f->value.kind == NPV_VALUE_BOOL ? put_number(f, f->value.boolean) : misfit(f, "true or false");
}

/* ----------------------------------------------------------------------------------------------------- Numbers -- */

/* A value that no int64 holds, but a uint64 does. */
static bool is_natural(const npv_value *value, uint64_t *natural) {
    *natural = 0;
    if (value->kind == NPV_VALUE_UINT)
        *natural = value->natural;
    if (value->kind != NPV_VALUE_BIG || value->bytes.size != 9 || value->bytes.data[8] != 0)
        return value->kind == NPV_VALUE_UINT;
    for (size_t i = 0; i < 8; i++)
        *natural |= (uint64_t)value->bytes.data[i] << 8 * i;
    return true;
}

static npv_status fill_signed(const filling *f) {
    const int64_t most = INT64_MAX >> (64 - 8 * f->field->size);
    const int64_t value = f->value.integer;
    char expected[80];
    if (f->value.kind == NPV_VALUE_INT && value >= -most - 1 && value <= most)
        return put_number(f, (uint64_t)value);
    snprintf(expected, sizeof expected, "an integer from %" PRId64 " to %" PRId64, -most - 1, most);
    return misfit(f, expected);
}

static npv_status fill_unsigned(const filling *f) {
    const uint64_t most = UINT64_MAX >> (64 - 8 * f->field->size);
    uint64_t natural;
    char expected[64];
    if (f->value.kind == NPV_VALUE_INT && f->value.integer >= 0 && (uint64_t)f->value.integer <= most)
        return put_number(f, (uint64_t)f->value.integer);
    if (is_natural(&f->value, &natural) && natural <= most)
        return put_number(f, natural);
    snprintf(expected, sizeof expected, "an integer from 0 to %" PRIu64, most);
    return misfit(f, expected);
}

/* Rounds to nearest, ties to even, as the other conversions do. |value| is below 65520, from where on it overflows. */
static uint64_t half_of(double value) {
    const double size = fabs(value);
    const uint64_t sign = signbit(value) ? 0x8000 : 0;
    int exponent = 0;
    if (size < 0x1p-14) /* subnormal: a multiple of 2^-24 */
        return sign | (uint64_t)nearbyint(ldexp(size, 24));
    frexp(size, &exponent); /* size is below 2^exponent, and half of that or more */
    /* The eleven bits of the fraction include the leading one, which counts as one of the exponent. */
    return sign | (((uint64_t)(exponent + 13) << 10) + (uint64_t)nearbyint(ldexp(size, 11 - exponent)));
}

static bool overflows(size_t size, double value) {
    const double first = size == 2 ? 65520 : 0x1.ffffffp127; /* half a step above the greatest */
    return size < 8 && isfinite(value) && fabs(value) >= first;
}

static npv_status put_double(const filling *f, double value) {
    uint64_t wide;
    uint32_t narrow;
    const float single = f->field->size == 4 ? (float)value : 0;
    memcpy(&wide, &value, sizeof wide);
    memcpy(&narrow, &single, sizeof narrow);
    if (f->field->size == 8)
        return put_number(f, wide);
    if (f->field->size == 4)
        return put_number(f, narrow);
    if (isnan(value))
        return put_number(f, 0x7e00);
    return put_number(f, isinf(value) ? (signbit(value) ? 0xfc00U : 0x7c00U) : half_of(value));
}

/* An integer as a float64, if that is the same number. What rounds up to 2^63 or 2^64 is beyond the integer's type. */
static bool to_double(const npv_value *value, double *real) {
    uint64_t natural;
    if (value->kind == NPV_VALUE_INT) {
        *real = (double)value->integer;
        return *real < 0x1p63 && (int64_t)*real == value->integer;
    }
    if (!is_natural(value, &natural))
        return false;
    *real = (double)natural;
    return *real < 0x1p64 && (uint64_t)*real == natural;
}

static npv_status fill_float(const filling *f) {
    double value = f->value.real;
    switch (f->value.kind) {
    case NPV_VALUE_NONE:
        return put_double(f, (double)NAN);
    case NPV_VALUE_FLOAT:
        break;
    case NPV_VALUE_INT:
    case NPV_VALUE_UINT:
    case NPV_VALUE_BIG:
        if (!to_double(&f->value, &value))
            return misfit(f, "a number that a float64 holds exactly");
        break;
    default:
        return misfit(f, "a number or null");
    }
    if (overflows(f->field->size, value))
        return misfit(f, f->field->size == 2 ? "a number from -65504 to 65504" : "a number from -3.4e38 to 3.4e38");
    return put_double(f, value);
}

/* -------------------------------------------------------------------------------------------------------- Text -- */

static npv_status too_long(const filling *f, size_t most, const char *units) {
    char expected[64];
    snprintf(expected, sizeof expected, "text of at most %zu %s", most, units);
    return misfit(f, expected);
}

static const char ENDS_IN_ZERO[] = "text without a zero at its end, which NumPy would drop";

static npv_status fill_utf32(const filling *f) {
    if (f->value.kind != NPV_VALUE_STR)
        return misfit(f, "text");
    npv_bytes text = f->value.bytes;
    if (text.size > 0 && text.data[text.size - 1] == 0)
        return misfit(f, ENDS_IN_ZERO);
    for (size_t at = 0; text.size > 0; at += 4) {
        uint32_t character;
        const size_t size = npv_utf8_decode(text, &character);
        if (at == f->field->size)
            return too_long(f, f->field->size / 4, "characters");
        for (size_t i = 0; i < 4; i++)
            f->item[at + (f->field->big_endian ? 3 - i : i)] = (unsigned char)(character >> 8 * i);
        text = (npv_bytes){text.data + size, text.size - size};
    }
    return NPV_OK;
}

static npv_status put_bytes(const filling *f, npv_bytes bytes) {
    if (bytes.size > f->field->size)
        return too_long(f, f->field->size, "bytes");
    if (bytes.size > 0 && bytes.data[bytes.size - 1] == 0)
        return misfit(f, ENDS_IN_ZERO);
    if (bytes.size > 0)
        memcpy(f->item, bytes.data, bytes.size);
    return NPV_OK;
}

/* A dict with this one key: true with the value behind it, whose first step is taken from *rest. */
static bool only_key(const filling *f, const char *key, npv_value *value, npv_bytes *rest) {
    *rest = f->rest;
    if (f->value.kind != NPV_VALUE_DICT)
        return false;
    const npv_value found = npv_value_next(rest);
    if (found.kind != NPV_VALUE_STR || found.bytes.size != strlen(key) ||
        memcmp(found.bytes.data, key, found.bytes.size) != 0)
        return false;
    npv_bytes behind = *rest;
    npv_value_skip(&behind);
    *value = npv_value_next(rest);
    return npv_value_next(&behind).kind == NPV_VALUE_END;
}

static int base64_digit(unsigned char c) {
    return c >= 'A' && c <= 'Z'   ? c - 'A'
           : c >= 'a' && c <= 'z' ? c - 'a' + 26
           : c >= '0' && c <= '9' ? c - '0' + 52
           : c == '+'             ? 62
           : c == '/'             ? 63
                                  : -1;
}

/* Decodes what npv_fragment_to_json writes for bytes; false if the text is no such thing. */
static bool decode_base64(npv_bytes text, npv_buffer *bytes) {
    if (text.size % 4 != 0)
        return false;
    for (size_t i = 0; i < text.size; i += 4) {
        const bool last = i + 4 == text.size;
        const size_t padding = !last || text.data[i + 3] != '=' ? 0 : text.data[i + 2] != '=' ? 1 : 2;
        uint32_t bits = 0;
        for (size_t j = 0; j < 4; j++) {
            const int digit = j < 4 - padding ? base64_digit(text.data[i + j]) : 0;
            if (digit < 0)
                return false;
            bits = bits << 6 | (uint32_t)digit;
        }
        for (size_t j = 0; j < 3 - padding; j++)
            bytes->data[bytes->size++] = (unsigned char)(bits >> (16 - 8 * j));
    }
    return true;
}

static npv_status fill_base64(const filling *f, npv_bytes text) {
    npv_buffer bytes = {0};
    npv_status status = npv_buffer_reserve(&bytes, text.size, f->error);
    if (status == NPV_OK)
        status = decode_base64(text, &bytes) ? put_bytes(f, (npv_bytes){bytes.data, bytes.size})
                                             : misfit(f, "{\"$bytes\": \"<base64>\"}");
    free(bytes.data);
    return status;
}

static npv_status fill_bytes(const filling *f) {
    static const char EXPECTED[] = "ASCII text or {\"$bytes\": \"<base64>\"}";
    npv_value encoded;
    npv_bytes rest;
    if (f->value.kind == NPV_VALUE_BYTES)
        return put_bytes(f, f->value.bytes);
    if (only_key(f, "$bytes", &encoded, &rest) && encoded.kind == NPV_VALUE_STR)
        return fill_base64(f, encoded.bytes);
    if (f->value.kind != NPV_VALUE_STR)
        return misfit(f, EXPECTED);
    for (size_t i = 0; i < f->value.bytes.size; i++)
        if (f->value.bytes.data[i] >= 0x80)
            return misfit(f, EXPECTED);
    return put_bytes(f, f->value.bytes);
}

/* ------------------------------------------------------------------------------------------------------- Times -- */

static npv_status fill_datetime(const filling *f) {
    char text[NPV_DATETIME_TEXT_SIZE];
    npv_time time = f->field->time;
    npv_bytes given = f->value.bytes;
    if (f->value.kind == NPV_VALUE_DATETIME)
        given = (npv_bytes){(unsigned char *)text, npv_datetime_to_text(f->value.time, text)};
    const bool is_text = f->value.kind == NPV_VALUE_STR || f->value.kind == NPV_VALUE_DATETIME;
    if (f->value.kind == NPV_VALUE_NONE || (is_text && given.size == 3 && memcmp(given.data, "NaT", 3) == 0))
        return put_number(f, (uint64_t)NPV_NOT_A_TIME);
    if (is_text && npv_datetime_from_text(given, &time))
        return put_number(f, (uint64_t)time.ticks);
    /* An example shows the precision. */
    char expected[NPV_DATETIME_TEXT_SIZE + 64];
    time.ticks = 0;
    npv_datetime_to_text(time, text);
    snprintf(expected, sizeof expected, "null or a date that it holds exactly, such as \"%s\"", text);
    return misfit(f, expected);
}

static bool same_unit(const npv_time *a, const npv_time *b) {
    return a->unit == b->unit && a->multiple == b->multiple;
}

/* {"$timedelta": [5, "ms"]}: what npv_fragment_to_json writes. */
static bool is_timedelta(const filling *f, int64_t *ticks) {
    npv_value list;
    npv_bytes rest;
    npv_time time;
    if (!only_key(f, "$timedelta", &list, &rest) || list.kind != NPV_VALUE_LIST)
        return false;
    const npv_value number = npv_value_next(&rest);
    if (number.kind != NPV_VALUE_INT)
        return false;
    *ticks = number.integer;
    const npv_value unit = npv_value_next(&rest);
    return unit.kind == NPV_VALUE_STR && npv_value_next(&rest).kind == NPV_VALUE_END &&
           npv_descr_unit(unit.bytes, &time) && same_unit(&time, &f->field->time);
}

static npv_status fill_timedelta(const filling *f) {
    int64_t ticks = NPV_NOT_A_TIME;
    if (f->value.kind == NPV_VALUE_NONE)
        return put_number(f, (uint64_t)NPV_NOT_A_TIME);
    if (f->value.kind == NPV_VALUE_INT)
        ticks = f->value.integer;
    else if (f->value.kind == NPV_VALUE_TIMEDELTA && same_unit(&f->value.time, &f->field->time))
        ticks = f->value.time.ticks;
    else if (!is_timedelta(f, &ticks))
        ticks = NPV_NOT_A_TIME;
    if (ticks != NPV_NOT_A_TIME)
        return put_number(f, (uint64_t)ticks);
    return misfit(f, "null or an integer from -9223372036854775807 to 9223372036854775807, in the field's unit");
}

/* ----------------------------------------------------------------------------------------------------- Records -- */

static npv_status fill(const filling *f) {
    switch (f->field->letter) {
    case 'b':
        return fill_bool(f);
    case 'i':
        return fill_signed(f);
    case 'u':
        return fill_unsigned(f);
    case 'f':
        return fill_float(f);
    case 'U':
        return fill_utf32(f);
    case 'S':
        return fill_bytes(f);
    case 'M':
        return fill_datetime(f);
    default:
        return fill_timedelta(f);
    }
}

/* "the fields 'year', 'title'", as many as fit. */
static void show_fields(const npv_record_schema *schema, char shown[4 * NPV_SHOWN]) {
    size_t used = (size_t)snprintf(shown, 4 * NPV_SHOWN, "the field%s", schema->field_count > 1 ? "s" : "");
    for (size_t i = 0; i < schema->field_count; i++) {
        char name[NPV_SHOWN];
        show_name(schema->fields[i].name, name);
        if (used + strlen(name) + sizeof ", '', ..." > 4 * NPV_SHOWN) {
            snprintf(shown + used, 4 * NPV_SHOWN - used, ", ...");
            return;
        }
        used += (size_t)snprintf(shown + used, 4 * NPV_SHOWN - used, "%s'%s'", i == 0 ? " " : ", ", name);
    }
}

static npv_status fail_unknown(const npv_record_schema *schema, npv_bytes key, npv_error *error) {
    char fields[4 * NPV_SHOWN], found[NPV_SHOWN];
    show_fields(schema, fields);
    npv_bytes_show(key, found);
    return npv_fail(error, NPV_E_ARGUMENT, "expected %s, found '%s'", fields, found);
}

static npv_status fail_missing(const npv_record_schema *schema, const unsigned char *seen, npv_error *error) {
    char name[NPV_SHOWN];
    size_t i = 0;
    while (seen[i / 8] >> i % 8 & 1)
        i++;
    show_name(schema->fields[i].name, name);
    return npv_fail(error, NPV_E_ARGUMENT, "field '%s': expected a value, found none", name);
}

/* The field of that name, which is most often the next one. */
static size_t find_field(const npv_record_schema *schema, npv_bytes name, size_t next) {
    if (next < schema->field_count && strlen(schema->fields[next].name) == name.size &&
        memcmp(schema->fields[next].name, name.data, name.size) == 0)
        return next;
    return npv_schema_find(schema, name);
}

static npv_status fill_fields(const npv_record_schema *schema, npv_bytes rest, unsigned char *record,
                              npv_error *error) {
    unsigned char seen[NPV_MAX_FIELDS / 8] = {0};
    npv_status status = NPV_OK;
    size_t count = 0, i = SIZE_MAX;
    for (npv_value key; status == NPV_OK && (key = npv_value_next(&rest)).kind != NPV_VALUE_END; count++) {
        i = key.kind == NPV_VALUE_STR ? find_field(schema, key.bytes, i + 1) : schema->field_count;
        if (i == schema->field_count)
            return fail_unknown(schema, key.kind == NPV_VALUE_STR ? key.bytes : (npv_bytes){NULL, 0}, error);
        filling f = {.field = &schema->fields[i], .found = rest, .item = record + schema->fields[i].offset};
        npv_value_skip(&rest);
        f.found.size -= rest.size;
        f.rest = f.found;
        f.value = npv_value_next(&f.rest);
        f.error = error;
        status = fill(&f);
        seen[i / 8] |= (unsigned char)(1U << i % 8);
    }
    return status == NPV_OK && count < schema->field_count ? fail_missing(schema, seen, error) : status;
}

npv_status npv_record_from_fragment(const npv_record_schema *schema, npv_bytes fragment, unsigned char *record,
                                    npv_error *error) {
    npv_bytes rest = fragment;
    if (npv_value_next(&rest).kind == NPV_VALUE_DICT) {
        memset(record, 0, schema->record_size);
        return fill_fields(schema, rest, record, error);
    }
    char fields[4 * NPV_SHOWN], found[NPV_SHOWN];
    show_fields(schema, fields);
    show_value(fragment, found);
    return npv_fail(error, NPV_E_ARGUMENT, "expected an object with %s, found %s", fields, found);
}
