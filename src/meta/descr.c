#include "descr.h"

#include "../error.h"

enum { MAX_NESTING = 16 }; /* records within records; NumPy users have two or three */

static bool unknown(npv_literal *p, npv_bytes found) {
    char shown[NPV_SHOWN];
    npv_bytes_show(found, shown);
    p->status = npv_fail(p->error, NPV_E_UNSUPPORTED, "dtype '%s' is none of NumPy's that npvec knows", shown);
    return false;
}

/* The bytes of an element whose kind has this number behind its letter; false if NumPy has none such. */
static bool element_size(char kind, uint64_t number, uint64_t *size) {
    *size = number;
    switch (kind) {
    case 'b':
        return number == 1;
    case 'i':
    case 'u':
    case 'M':
    case 'm':
        return number == 8 || ((kind == 'i' || kind == 'u') && (number == 1 || number == 2 || number == 4));
    case 'f':
        return number == 2 || number == 4 || number == 8 || number == 12 || number == 16;
    case 'c':
        return number == 8 || number == 16 || number == 24 || number == 32;
    case 'S':
    case 'V':
        return true;
    case 'U':
        return !__builtin_mul_overflow(number, 4U, size);
    default:
        return false;
    }
}

/* A type as NumPy spells it: byte order, letter, number, and for times a unit in brackets. */
static bool read_type(npv_literal *p, npv_bytes text, npv_descr *type) {
    npv_literal inner = npv_literal_of(text, NULL);
    type->text = text;
    type->big_endian = npv_literal_accept(&inner, '>');
    if (!type->big_endian && !npv_literal_accept(&inner, '<') && !npv_literal_accept(&inner, '|'))
        npv_literal_accept(&inner, '=');
    if (inner.at == inner.end)
        return unknown(p, text);
    type->kind = (char)*inner.at++;
    if (type->kind == 'O') {
        type->objects = true;
        type->size = 0;
        return true;
    }
    uint64_t number = 0;
    if (!npv_literal_number(&inner, &number) || !element_size(type->kind, number, &type->size))
        return unknown(p, text);
    const bool time = type->kind == 'M' || type->kind == 'm';
    if (time && inner.at < inner.end && *inner.at == '[' && inner.end[-1] == ']') {
        type->unit = (npv_bytes){inner.at + 1, (size_t)(inner.end - inner.at) - 2};
        inner.at = inner.end;
    }
    return inner.at == inner.end || unknown(p, text);
}

static bool take(npv_literal *p, unsigned depth, const npv_descr_visitor *visitor, npv_descr *type);

/* The shape of a field that is an array itself: multiplies its size. */
static bool take_field_shape(npv_literal *p, npv_descr *type) {
    unsigned axes = 1;
    uint64_t shape[NPV_LITERAL_MAX_NUMBERS] = {0};
    if (!(npv_literal_next_is(p, '(') ? npv_literal_numbers(p, &axes, shape) : npv_literal_number(p, &shape[0])))
        return false;
    for (unsigned i = 0; i < axes; i++)
        if (__builtin_mul_overflow(type->size, shape[i], &type->size))
            return npv_literal_expected(p, "a field below 2**64 bytes");
    return true;
}

/* A name, or (title, name). */
static bool take_name(npv_literal *p, npv_bytes *name) {
    if (!npv_literal_accept(p, '('))
        return npv_literal_string(p, name);
    return npv_literal_string(p, name) && npv_literal_character(p, ',') && npv_literal_string(p, name) &&
           npv_literal_character(p, ')');
}

/* (name, descr) or (name, descr, shape) */
static bool take_field(npv_literal *p, unsigned depth, npv_descr_field *field) {
    if (!npv_literal_character(p, '(') || !take_name(p, &field->name) || !npv_literal_character(p, ',') ||
        !take(p, depth + 1, NULL, &field->type))
        return false;
    field->is_array = npv_literal_another(p, ')');
    if (field->is_array) {
        if (!take_field_shape(p, &field->type))
            return false;
        npv_literal_accept(p, ',');
    }
    return npv_literal_character(p, ')');
}

static bool take_record(npv_literal *p, unsigned depth, const npv_descr_visitor *visitor, npv_descr *type) {
    type->kind = NPV_DESCR_RECORD;
    bool more = !npv_literal_next_is(p, ']');
    while (more) {
        npv_descr_field field = {0};
        if (!take_field(p, depth, &field) || (visitor != NULL && !visitor->visit(visitor->context, p, &field)))
            return false;
        type->objects = type->objects || field.type.objects;
        if (__builtin_add_overflow(type->size, field.type.size, &type->size))
            return npv_literal_expected(p, "a record below 2**64 bytes");
        more = npv_literal_another(p, ']');
    }
    return npv_literal_character(p, ']');
}

static bool take(npv_literal *p, unsigned depth, const npv_descr_visitor *visitor, npv_descr *type) {
    if (depth > MAX_NESTING)
        return npv_literal_expected(p, "at most 16 records within each other");
    *type = (npv_descr){0};
    if (npv_literal_accept(p, '['))
        return take_record(p, depth, visitor, type);
    npv_bytes text = {NULL, 0};
    return npv_literal_string(p, &text) && read_type(p, text, type);
}

bool npv_descr_take(npv_literal *p, const npv_descr_visitor *visitor, npv_descr *descr) {
    return take(p, 0, visitor, descr);
}

bool npv_descr_unit(npv_bytes text, npv_time *time) {
    *time = (npv_time){0, 1, NPV_TIME_GENERIC};
    if (text.size == 0)
        return true;
    npv_literal p = npv_literal_of(text, NULL);
    uint64_t multiple = 1;
    if (*text.data >= '0' && *text.data <= '9' && !npv_literal_number(&p, &multiple))
        return false;
    time->multiple = (uint32_t)multiple;
    time->unit = npv_time_unit_named((npv_bytes){p.at, (size_t)(p.end - p.at)});
    return multiple >= 1 && multiple <= INT32_MAX && time->unit != NPV_TIME_UNKNOWN;
}
