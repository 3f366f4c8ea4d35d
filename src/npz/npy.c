#include "npy.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../error.h"

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "npvec maps and writes float32 as the file has them, little-endian; this machine's are not"
#endif

/* ------------------------------------------------------------------------------- A parser for a header's dict -- */

/* Every parse_ function moves `at` behind what it takes. The first mistake fills the error and ends the parsing. */
typedef struct parser {
    const unsigned char *start;
    const unsigned char *at;
    const unsigned char *end;
    npv_status status;
    npv_error *error;
} parser;

enum { MAX_NESTING = 16 }; /* records within records; NumPy users have two or three */

static bool expected(parser *p, const char *what) {
    const size_t left = (size_t)(p->end - p->at);
    char shown[NPV_SHOWN];
    npv_bytes_show((npv_bytes){p->at, left < 16 ? left : 16}, shown);
    p->status = npv_fail(p->error, NPV_E_FORMAT, "its .npy header is damaged: expected %s at byte %zu, found '%s'",
                         what, (size_t)(p->at - p->start), shown);
    return false;
}

static bool unsupported(parser *p, npv_bytes found, const char *why) {
    char shown[NPV_SHOWN];
    npv_bytes_show(found, shown);
    p->status = npv_fail(p->error, NPV_E_UNSUPPORTED, "dtype '%s' is %s", shown, why);
    return false;
}

static void skip_space(parser *p) {
    while (p->at < p->end && (*p->at == ' ' || *p->at == '\n' || *p->at == '\t' || *p->at == '\r'))
        p->at++;
}

static bool next_is(parser *p, char wanted) {
    skip_space(p);
    return p->at < p->end && *p->at == (unsigned char)wanted;
}

static bool accept(parser *p, char wanted) {
    if (!next_is(p, wanted))
        return false;
    p->at++;
    return true;
}

static bool parse_character(parser *p, char wanted) {
    const char what[] = {'\'', wanted, '\'', '\0'};
    return accept(p, wanted) || expected(p, what);
}

/* Between the items of a list: a comma, after which the end may follow. True when another item must come. */
static bool another_item(parser *p, char end) {
    return accept(p, ',') && !next_is(p, end);
}

/* What stands between the quotes, escapes as spelled: names of fields are kept, never looked at. */
static bool parse_string(parser *p, npv_bytes *string) {
    skip_space(p);
    if (p->at == p->end || (*p->at != '\'' && *p->at != '"'))
        return expected(p, "a string");
    const unsigned char quote = *p->at++;
    string->data = p->at;
    while (p->at < p->end && *p->at != quote && *p->at >= 0x20)
        p->at += *p->at == '\\' && p->end - p->at > 1 ? 2 : 1;
    if (p->at == p->end || *p->at != quote)
        return expected(p, "the end of a string");
    string->size = (size_t)(p->at - string->data);
    p->at++;
    return true;
}

static bool is_digit(const parser *p) {
    return p->at < p->end && *p->at >= '0' && *p->at <= '9';
}

static bool parse_number(parser *p, uint64_t *number) {
    skip_space(p);
    if (!is_digit(p))
        return expected(p, "a number");
    *number = 0;
    for (; is_digit(p); p->at++)
        if (__builtin_mul_overflow(*number, 10U, number) ||
            __builtin_add_overflow(*number, (uint64_t)(*p->at - '0'), number))
            return expected(p, "a number below 2**64");
    return true;
}

static bool parse_bool(parser *p, bool *value) {
    skip_space(p);
    const size_t left = (size_t)(p->end - p->at);
    *value = left >= 4 && memcmp(p->at, "True", 4) == 0;
    if (!*value && (left < 5 || memcmp(p->at, "False", 5) != 0))
        return expected(p, "True or False");
    p->at += *value ? 4 : 5;
    return true;
}

/* A tuple of numbers; of one, with a comma behind it. */
static bool parse_shape(parser *p, unsigned *axes, uint64_t shape[NPV_NPY_MAX_AXES]) {
    *axes = 0;
    if (!parse_character(p, '('))
        return false;
    if (accept(p, ')'))
        return true;
    bool more = true;
    while (more) {
        if (*axes == NPV_NPY_MAX_AXES)
            return expected(p, "at most 64 axes");
        if (!parse_number(p, &shape[(*axes)++]))
            return false;
        if (*axes == 1 && !next_is(p, ','))
            return expected(p, "','");
        more = another_item(p, ')');
    }
    return parse_character(p, ')');
}

/* ------------------------------------------------------------------------------------------------------ dtypes -- */

typedef struct dtype {
    char kind;
    bool objects;
    bool big_endian;
    uint64_t size;
} dtype;

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
static bool read_type(parser *p, npv_bytes text, dtype *type) {
    parser inner = {text.data, text.data, text.data + text.size, NPV_OK, NULL};
    type->big_endian = accept(&inner, '>');
    if (!type->big_endian && !accept(&inner, '<') && !accept(&inner, '|'))
        accept(&inner, '=');
    if (inner.at == inner.end)
        return unsupported(p, text, "none of NumPy's that npvec knows");
    type->kind = (char)*inner.at++;
    if (type->kind == 'O') {
        type->objects = true;
        type->size = 0;
        return true;
    }
    uint64_t number = 0;
    if (!parse_number(&inner, &number) || !element_size(type->kind, number, &type->size))
        return unsupported(p, text, "none of NumPy's that npvec knows");
    const bool time = type->kind == 'M' || type->kind == 'm';
    if (time && inner.at < inner.end && *inner.at == '[' && inner.end[-1] == ']')
        inner.at = inner.end;
    return inner.at == inner.end || unsupported(p, text, "none of NumPy's that npvec knows");
}

static bool parse_descr(parser *p, unsigned depth, dtype *type);

/* The shape of a field that is an array itself: multiplies its size. */
static bool parse_field_shape(parser *p, dtype *type) {
    unsigned axes = 1;
    uint64_t shape[NPV_NPY_MAX_AXES] = {0};
    if (!(next_is(p, '(') ? parse_shape(p, &axes, shape) : parse_number(p, &shape[0])))
        return false;
    for (unsigned i = 0; i < axes; i++)
        if (__builtin_mul_overflow(type->size, shape[i], &type->size))
            return expected(p, "a field below 2**64 bytes");
    return true;
}

/* (name, descr) or (name, descr, shape), where name may be (title, name). */
static bool parse_field(parser *p, unsigned depth, dtype *field) {
    npv_bytes name = {NULL, 0};
    if (!parse_character(p, '('))
        return false;
    if (accept(p, '(')) {
        if (!parse_string(p, &name) || !parse_character(p, ',') || !parse_string(p, &name) || !parse_character(p, ')'))
            return false;
    } else if (!parse_string(p, &name)) {
        return false;
    }
    if (!parse_character(p, ',') || !parse_descr(p, depth + 1, field))
        return false;
    if (another_item(p, ')')) {
        if (!parse_field_shape(p, field))
            return false;
        accept(p, ',');
    }
    return parse_character(p, ')');
}

static bool parse_record(parser *p, unsigned depth, dtype *type) {
    *type = (dtype){NPV_NPY_RECORD, false, false, 0};
    bool more = !next_is(p, ']');
    while (more) {
        dtype field = {0, false, false, 0};
        if (!parse_field(p, depth, &field))
            return false;
        type->objects = type->objects || field.objects;
        if (__builtin_add_overflow(type->size, field.size, &type->size))
            return expected(p, "a record below 2**64 bytes");
        more = another_item(p, ']');
    }
    return parse_character(p, ']');
}

static bool parse_descr(parser *p, unsigned depth, dtype *type) {
    if (depth > MAX_NESTING)
        return expected(p, "at most 16 records within each other");
    if (accept(p, '['))
        return parse_record(p, depth, type);
    npv_bytes text = {NULL, 0};
    *type = (dtype){0, false, false, 0};
    return parse_string(p, &text) && read_type(p, text, type);
}

/* ----------------------------------------------------------------------------------------------------- Headers -- */

enum { KEY_DESCR = 1, KEY_ORDER = 2, KEY_SHAPE = 4, KEYS_ALL = 7 };

static bool names(npv_bytes key, const char *name) {
    return key.size == strlen(name) && memcmp(key.data, name, key.size) == 0;
}

static bool parse_header_descr(parser *p, npv_npy_header *header) {
    skip_space(p);
    const unsigned char *const start = p->at;
    dtype type;
    if (!parse_descr(p, 0, &type))
        return false;
    npv_bytes_show((npv_bytes){start, (size_t)(p->at - start)}, header->text);
    header->kind = type.kind;
    header->objects = type.objects;
    header->big_endian = type.big_endian;
    header->item_size = type.size;
    return true;
}

static bool parse_entry(parser *p, npv_npy_header *header, unsigned *seen) {
    npv_bytes key = {NULL, 0};
    if (!parse_string(p, &key) || !parse_character(p, ':'))
        return false;
    const unsigned entry = names(key, "descr")           ? KEY_DESCR
                           : names(key, "fortran_order") ? KEY_ORDER
                           : names(key, "shape")         ? KEY_SHAPE
                                                         : 0;
    if (entry == 0 || (*seen & entry) != 0)
        return expected(p, "descr, fortran_order and shape, once each, before this");
    *seen |= entry;
    return entry == KEY_DESCR   ? parse_header_descr(p, header)
           : entry == KEY_ORDER ? parse_bool(p, &header->fortran_order)
                                : parse_shape(p, &header->axes, header->shape);
}

static bool parse_dict(parser *p, npv_npy_header *header) {
    unsigned seen = 0;
    if (!parse_character(p, '{'))
        return false;
    bool more = !next_is(p, '}');
    while (more) {
        if (!parse_entry(p, header, &seen))
            return false;
        more = another_item(p, '}');
    }
    if (!parse_character(p, '}'))
        return false;
    skip_space(p);
    return (p->at == p->end && seen == KEYS_ALL) || expected(p, "descr, fortran_order and shape, and nothing else");
}

/* The customs post: past it, data_size and its factors are known to fit. */
static npv_status measure(npv_npy_header *header, npv_error *error) {
    uint64_t size = header->item_size;
    for (unsigned i = 0; i < header->axes; i++)
        if (__builtin_mul_overflow(size, header->shape[i], &size))
            return npv_fail(error, NPV_E_FORMAT, "its header claims more than 2**64 bytes of data");
    header->data_size = size;
    return NPV_OK;
}

static npv_status parse_text(npv_bytes text, npv_npy_header *header, npv_error *error) {
    parser p = {text.data, text.data, text.data + text.size, NPV_OK, error};
    return parse_dict(&p, header) ? measure(header, error) : p.status;
}

/* Magic, version and the length of the text that follows. */
static npv_status read_prefix(npv_source source, size_t *prefix, size_t *length, npv_error *error) {
    unsigned char bytes[12];
    npv_status status = source.read(source.context, bytes, 8, error);
    if (status != NPV_OK)
        return status;
    if (memcmp(bytes, NPV_NPY_MAGIC, NPV_NPY_MAGIC_SIZE) != 0)
        return npv_fail(error, NPV_E_FORMAT, "expected a NumPy array, found no .npy header");
    if (bytes[6] < 1 || bytes[6] > 3 || bytes[7] != 0)
        return npv_fail(error, NPV_E_UNSUPPORTED, "expected .npy version 1.0, 2.0 or 3.0, found %d.%d", bytes[6],
                        bytes[7]);
    const size_t wide = bytes[6] == 1 ? 2 : 4;
    status = source.read(source.context, bytes + 8, wide, error);
    *prefix = 8 + wide;
    *length = 0;
    for (size_t i = 0; status == NPV_OK && i < wide; i++)
        *length |= (size_t)bytes[8 + i] << (8 * i);
    return status;
}

npv_status npv_npy_read_header(npv_source source, npv_npy_header *header, npv_error *error) {
    size_t prefix = 0;
    size_t length = 0;
    npv_status status = read_prefix(source, &prefix, &length, error);
    if (status != NPV_OK)
        return status;
    if (length > NPV_NPY_MAX_HEADER)
        return npv_fail(error, NPV_E_LIMIT, "expected a .npy header of at most %d bytes, found %zu", NPV_NPY_MAX_HEADER,
                        length);
    unsigned char *const text = malloc(length + 1);
    if (text == NULL)
        return npv_fail_memory(error, "a .npy header", length + 1);
    npv_npy_header read = {.size = prefix + length};
    status = source.read(source.context, text, length, error);
    if (status == NPV_OK)
        status = parse_text((npv_bytes){text, length}, &read, error);
    free(text);
    if (status == NPV_OK)
        *header = read;
    return status;
}

void npv_npy_describe(const npv_npy_header *header, char shown[2 * NPV_SHOWN]) {
    const size_t room = 2 * NPV_SHOWN;
    size_t used = (size_t)snprintf(shown, room, "dtype %s of shape (", header->text);
    for (unsigned i = 0; i < header->axes && used < room - 24; i++)
        used += (size_t)snprintf(shown + used, room - used, i == 0 ? "%" PRIu64 : ", %" PRIu64, header->shape[i]);
    snprintf(shown + used, room - used, header->axes == 1 ? ",)" : ")");
}

npv_status npv_npy_integer(const npv_npy_header *header, const unsigned char *item, int64_t *value, npv_error *error) {
    assert(header->kind == 'i' || header->kind == 'u');
    const size_t size = (size_t)header->item_size;
    uint64_t bits = 0;
    for (size_t i = 0; i < size; i++)
        bits = bits << 8 | item[header->big_endian ? i : size - 1 - i];
    if (header->kind == 'u' && bits > INT64_MAX)
        return npv_fail(error, NPV_E_FORMAT, "expected a number below 2**63, found %" PRIu64, bits);
    if (header->kind == 'i' && size < 8 && (bits >> (8 * size - 1)) != 0)
        bits |= UINT64_MAX << (8 * size);
    memcpy(value, &bits, sizeof bits);
    return NPV_OK;
}

void npv_npy_write_header(const char *descr, unsigned axes, const uint64_t *shape,
                          unsigned char header[NPV_NPY_WRITTEN_HEADER]) {
    const int length = NPV_NPY_WRITTEN_HEADER - 10;
    char tuple[48] = "()";
    if (axes == 1)
        snprintf(tuple, sizeof tuple, "(%" PRIu64 ",)", shape[0]);
    else if (axes == 2)
        snprintf(tuple, sizeof tuple, "(%" PRIu64 ", %" PRIu64 ")", shape[0], shape[1]);
    char text[NPV_NPY_WRITTEN_HEADER];
    const int used =
        snprintf(text, sizeof text, "{'descr': '%s', 'fortran_order': False, 'shape': %s, }", descr, tuple);
    assert(axes <= 2 && used < length);
    memcpy(header, NPV_NPY_MAGIC "\x01\x00", 8);
    header[8] = (unsigned char)length;
    header[9] = 0;
    memset(header + 10, ' ', (size_t)length);
    memcpy(header + 10, text, (size_t)used);
    header[NPV_NPY_WRITTEN_HEADER - 1] = '\n';
}

/* ----------------------------------------------------------------------------------------------------- Vectors -- */

npv_status npv_npy_check_vectors(const npv_npy_header *header, npv_error *error) {
    char shown[2 * NPV_SHOWN];
    npv_npy_describe(header, shown);
    const uint64_t size = header->item_size;
    if (header->kind != 'f' || header->axes != 2 || (size != 2 && size != 4 && size != 8))
        return npv_fail(error, NPV_E_UNSUPPORTED,
                        "expected vectors as a 2-D array of float32, float64 or float16, found %s", shown);
    if (header->shape[1] == 0)
        return npv_fail(error, NPV_E_UNSUPPORTED, "expected vectors of at least 1 dimension, found %s", shown);
    if (header->shape[1] > NPV_MAX_DIMENSIONS)
        return npv_fail(error, NPV_E_LIMIT, "expected vectors of at most %d dimensions, found %s", NPV_MAX_DIMENSIONS,
                        shown);
    if (header->shape[0] > SIZE_MAX / 2 / sizeof(float) / header->shape[1])
        return npv_fail(error, NPV_E_FORMAT, "its header claims more rows than memory can hold: %s", shown);
    return NPV_OK;
}

/* A matrix of one row or one column lies the same way in both orders. */
static bool is_transposed(const npv_npy_header *header) {
    return header->fortran_order && header->shape[0] > 1 && header->shape[1] > 1;
}

static bool is_native_float(const npv_npy_header *header) {
    return header->item_size == sizeof(float) && !header->big_endian;
}

bool npv_npy_is_native(const npv_npy_header *header, char why[NPV_SHOWN]) {
    const bool odd_type = !is_native_float(header);
    const bool odd_order = is_transposed(header);
    snprintf(why, NPV_SHOWN, "%s%s%s%s", header->big_endian ? "big-endian " : "",
             !odd_type                ? ""
             : header->item_size == 8 ? "float64"
             : header->item_size == 2 ? "float16"
                                      : "float32",
             odd_type && odd_order ? ", " : "", odd_order ? "Fortran order" : "");
    return !odd_type && !odd_order;
}

/* Binary16 has no numbers that binary32 lacks: this is exact. */
static float float_of_half(uint16_t half) {
    const uint32_t sign = (uint32_t)(half & 0x8000U) << 16;
    const uint32_t exponent = half >> 10 & 0x1fU;
    const uint32_t fraction = half & 0x3ffU;
    if (exponent == 0) {
        const float subnormal = (float)fraction * 0x1p-24F;
        return sign != 0 ? -subnormal : subnormal;
    }
    /* The exponents' biases differ by 127 - 15; infinity and NaN have the greatest one. */
    const uint32_t bits = sign | (exponent == 0x1f ? 0xffU : exponent + 112U) << 23 | fraction << 13;
    float value = 0;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static void convert_f16(const unsigned char *raw, size_t count, bool big_endian, float *out) {
    for (size_t i = 0; i < count; i++) {
        uint16_t bits = 0;
        memcpy(&bits, raw + 2 * i, sizeof bits);
        out[i] = float_of_half(big_endian ? __builtin_bswap16(bits) : bits);
    }
}

static void convert_f32(const unsigned char *raw, size_t count, bool big_endian, float *out) {
    for (size_t i = 0; i < count; i++) {
        uint32_t bits = 0;
        memcpy(&bits, raw + 4 * i, sizeof bits);
        bits = big_endian ? __builtin_bswap32(bits) : bits;
        memcpy(&out[i], &bits, sizeof bits);
    }
}

static double double_at(const unsigned char *raw, size_t i, bool big_endian) {
    uint64_t bits = 0;
    memcpy(&bits, raw + 8 * i, sizeof bits);
    bits = big_endian ? __builtin_bswap64(bits) : bits;
    double value = 0;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Rounds to nearest, ties to even: from FLT_MAX and half its last bit upwards, that is infinity. */
static bool overflows(double value) {
    return fabs(value) >= 0x1.ffffffp127 && !isinf(value);
}

/* Returns the index of the first value that a float32 cannot hold, or `count`. */
static size_t convert_f64(const unsigned char *raw, size_t count, bool big_endian, float *out) {
    bool bad = false;
    for (size_t i = 0; i < count; i++) {
        const double value = double_at(raw, i, big_endian);
        bad = bad || overflows(value);
        out[i] = overflows(value) ? 0.0F : (float)value;
    }
    size_t first = bad ? 0 : count;
    while (bad && !overflows(double_at(raw, first, big_endian)))
        first++;
    return first;
}

/* Reading vectors: what stays the same from block to block. */
typedef struct conversion {
    npv_source source;
    const npv_npy_header *header;
    unsigned char *raw; /* BLOCK_SIZE bytes */
    float *panel;       /* Fortran order only: PANEL columns, `stride` floats apart */
    size_t stride;
} conversion;

enum { BLOCK_SIZE = 65536, PANEL = 16 }; /* 16 floats fill a cache line of the row that they are written to */

static npv_status fail_overflow(const npv_npy_header *header, uint64_t index, double value, npv_error *error) {
    const uint64_t rows = header->shape[0];
    const uint64_t columns = header->shape[1];
    const bool transposed = is_transposed(header);
    return npv_fail(error, NPV_E_UNSUPPORTED, "row %" PRIu64 ", column %" PRIu64 ": %g does not fit a float32",
                    transposed ? index % rows : index / columns, transposed ? index / rows : index % columns, value);
}

/* The next `count` values as the file has them; `first` is how many came before, for the message. */
static npv_status read_values(const conversion *c, uint64_t first, size_t count, float *out, npv_error *error) {
    const npv_npy_header *const header = c->header;
    if (is_native_float(header))
        return c->source.read(c->source.context, out, count * sizeof(float), error);
    const size_t size = (size_t)header->item_size;
    for (size_t done = 0; done < count;) {
        const size_t block = count - done < BLOCK_SIZE / size ? count - done : BLOCK_SIZE / size;
        const npv_status status = c->source.read(c->source.context, c->raw, block * size, error);
        if (status != NPV_OK)
            return status;
        size_t bad = block;
        if (size == 8)
            bad = convert_f64(c->raw, block, header->big_endian, out + done);
        else if (size == 4)
            convert_f32(c->raw, block, header->big_endian, out + done);
        else
            convert_f16(c->raw, block, header->big_endian, out + done);
        if (bad < block)
            return fail_overflow(header, first + done + bad, double_at(c->raw, bad, header->big_endian), error);
        done += block;
    }
    return NPV_OK;
}

/* Columns come one after the other: sixteen of them are read, then written to the rows a cache line at a time. */
static npv_status read_transposed(const conversion *c, float *vectors, npv_error *error) {
    const size_t rows = (size_t)c->header->shape[0];
    const size_t columns = (size_t)c->header->shape[1];
    for (size_t left = 0; left < columns; left += PANEL) {
        const size_t width = columns - left < PANEL ? columns - left : PANEL;
        for (size_t i = 0; i < width; i++) {
            const npv_status status =
                read_values(c, (uint64_t)(left + i) * rows, rows, c->panel + i * c->stride, error);
            if (status != NPV_OK)
                return status;
        }
        for (size_t row = 0; row < rows; row++)
            for (size_t i = 0; i < width; i++)
                vectors[row * columns + left + i] = c->panel[i * c->stride + row];
    }
    return NPV_OK;
}

npv_status npv_npy_read_vectors(npv_source source, const npv_npy_header *header, float *vectors, npv_error *error) {
    const size_t rows = (size_t)header->shape[0];
    const size_t columns = (size_t)header->shape[1];
    const bool transposed = is_transposed(header);
    /* A power of two as stride would put all columns of a row into one set of the cache: another line in between. */
    const size_t stride = rows + 16;
    const size_t panel = transposed ? stride * (columns < PANEL ? columns : PANEL) * sizeof(float) : 0;
    unsigned char *const raw = malloc(BLOCK_SIZE + panel);
    if (raw == NULL)
        return npv_fail_memory(error, "reading vectors", BLOCK_SIZE + panel);
    const conversion c = {source, header, raw, (float *)(void *)(raw + BLOCK_SIZE), stride};
    const npv_status status =
        transposed ? read_transposed(&c, vectors, error) : read_values(&c, 0, rows * columns, vectors, error);
    free(raw);
    return status;
}
