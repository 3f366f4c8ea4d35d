#include "npy.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../error.h"
#include "../meta/descr.h"
#include "../meta/utf8.h"

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "npvec maps and writes float32 as the file has them, little-endian; this machine's are not"
#endif

/* ----------------------------------------------------------------------------------------------------- Headers -- */

enum { KEY_DESCR = 1, KEY_ORDER = 2, KEY_SHAPE = 4, KEYS_ALL = 7 };

static bool names(npv_bytes key, const char *name) {
    return key.size == strlen(name) && memcmp(key.data, name, key.size) == 0;
}

static bool parse_header_descr(npv_literal *p, npv_npy_header *header, npv_bytes *descr) {
    npv_literal_skip_space(p);
    const unsigned char *const start = p->at;
    npv_descr type;
    if (!npv_descr_take(p, NULL, &type))
        return false;
    *descr = (npv_bytes){start, (size_t)(p->at - start)};
    npv_bytes_show(*descr, header->text);
    header->kind = type.kind;
    header->objects = type.objects;
    header->big_endian = type.big_endian;
    header->item_size = type.size;
    return true;
}

static bool parse_entry(npv_literal *p, npv_npy_header *header, npv_bytes *descr, unsigned *seen) {
    npv_bytes key = {NULL, 0};
    if (!npv_literal_string(p, &key) || !npv_literal_character(p, ':'))
        return false;
    const unsigned entry = names(key, "descr")           ? KEY_DESCR
                           : names(key, "fortran_order") ? KEY_ORDER
                           : names(key, "shape")         ? KEY_SHAPE
                                                         : 0;
    if (entry == 0 || (*seen & entry) != 0)
        return npv_literal_expected(p, "descr, fortran_order and shape, once each, before this");
    *seen |= entry;
    return entry == KEY_DESCR   ? parse_header_descr(p, header, descr)
           : entry == KEY_ORDER ? npv_literal_bool(p, &header->fortran_order)
                                : npv_literal_numbers(p, &header->axes, header->shape);
}

static bool parse_dict(npv_literal *p, npv_npy_header *header, npv_bytes *descr) {
    unsigned seen = 0;
    if (!npv_literal_character(p, '{'))
        return false;
    bool more = !npv_literal_next_is(p, '}');
    while (more) {
        if (!parse_entry(p, header, descr, &seen))
            return false;
        more = npv_literal_another(p, '}');
    }
    if (!npv_literal_character(p, '}'))
        return false;
    npv_literal_skip_space(p);
    return (p->at == p->end && seen == KEYS_ALL) ||
           npv_literal_expected(p, "descr, fortran_order and shape, and nothing else");
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

static npv_status parse_text(npv_bytes text, npv_npy_header *header, npv_bytes *descr, npv_error *error) {
    npv_literal p = npv_literal_of(text, error);
    return parse_dict(&p, header, descr) ? measure(header, error) : p.status;
}

/* Versions 1 and 2 are in Latin-1, 3 is in UTF-8. */
static npv_status text_as_utf8(int version, npv_buffer *text, npv_error *error) {
    if (version == 3)
        return npv_utf8_valid((npv_bytes){text->data, text->size})
                   ? NPV_OK
                   : npv_fail(error, NPV_E_FORMAT, "its .npy header is damaged: expected UTF-8 in version 3.0");
    npv_buffer utf8 = {0};
    npv_status status = npv_buffer_reserve(&utf8, 2 * text->size, error);
    if (status != NPV_OK)
        return status;
    for (size_t i = 0; i < text->size; i++)
        utf8.size += npv_utf8_encode(text->data[i], utf8.data + utf8.size);
    free(text->data);
    *text = utf8;
    return NPV_OK;
}

/* Magic, version and the length of the text that follows. */
static npv_status read_prefix(npv_source source, int *version, size_t *prefix, size_t *length, npv_error *error) {
    unsigned char bytes[12];
    npv_status status = source.read(source.context, bytes, 8, error);
    if (status != NPV_OK)
        return status;
    if (memcmp(bytes, NPV_NPY_MAGIC, NPV_NPY_MAGIC_SIZE) != 0)
        return npv_fail(error, NPV_E_FORMAT, "expected a NumPy array, found no .npy header");
    if (bytes[6] < 1 || bytes[6] > 3 || bytes[7] != 0)
        return npv_fail(error, NPV_E_UNSUPPORTED, "expected .npy version 1.0, 2.0 or 3.0, found %d.%d", bytes[6],
                        bytes[7]);
    *version = bytes[6];
    const size_t wide = bytes[6] == 1 ? 2 : 4;
    status = source.read(source.context, bytes + 8, wide, error);
    *prefix = 8 + wide;
    *length = 0;
    for (size_t i = 0; status == NPV_OK && i < wide; i++)
        *length |= (size_t)bytes[8 + i] << (8 * i);
    return status;
}

static npv_status read_text(npv_source source, npv_npy_header *header, npv_buffer *text, npv_error *error) {
    int version = 0;
    size_t prefix = 0;
    size_t length = 0;
    npv_status status = read_prefix(source, &version, &prefix, &length, error);
    if (status != NPV_OK)
        return status;
    if (length > NPV_NPY_MAX_HEADER)
        return npv_fail(error, NPV_E_LIMIT, "expected a .npy header of at most %d bytes, found %zu", NPV_NPY_MAX_HEADER,
                        length);
    status = npv_buffer_reserve(text, length + 1, error);
    if (status == NPV_OK)
        status = source.read(source.context, text->data, length, error);
    text->size = length;
    header->size = prefix + length;
    return status == NPV_OK ? text_as_utf8(version, text, error) : status;
}

/* Leaves the type in *descr as the header spells it, if that is not NULL. */
static npv_status read_header(npv_source source, npv_npy_header *header, npv_buffer *descr, npv_error *error) {
    npv_buffer text = {0};
    npv_bytes spelled = {NULL, 0};
    npv_npy_header read = {0};
    npv_status status = read_text(source, &read, &text, error);
    if (status == NPV_OK)
        status = parse_text((npv_bytes){text.data, text.size}, &read, &spelled, error);
    if (status == NPV_OK && descr != NULL)
        status = npv_buffer_append(descr, spelled.data, spelled.size, error);
    free(text.data);
    if (status == NPV_OK)
        *header = read;
    return status;
}

npv_status npv_npy_read_header(npv_source source, npv_npy_header *header, npv_error *error) {
    return read_header(source, header, NULL, error);
}

npv_status npv_npy_read_descr(npv_source source, npv_npy_header *header, npv_buffer *descr, npv_error *error) {
    return read_header(source, header, descr, error);
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

/* NumPy writes version 1 if it can: Latin-1, and a length of 16 bits. Version 2 has 32 bits, version 3 is in UTF-8. */
static int written_version(const npv_buffer *text) {
    for (size_t i = 0; i < text->size; i++)
        if (text->data[i] >= 0xc4) /* the first byte of characters from U+0100 on */
            return 3;
    return 1;
}

static void utf8_as_latin1(npv_buffer *text) {
    size_t length = 0;
    for (npv_bytes rest = {text->data, text->size}; rest.size > 0;) {
        uint32_t code_point = 0;
        const size_t size = npv_utf8_decode(rest, &code_point);
        text->data[length++] = (unsigned char)code_point;
        rest = (npv_bytes){rest.data + size, rest.size - size};
    }
    text->size = length;
}

/* The dict; behind it NumPy leaves room for a number of rows of 21 digits. */
static npv_status write_record_text(const char *descr, uint64_t rows, npv_buffer *text, npv_error *error) {
    char end[64];
    char number[24];
    const int digits = snprintf(number, sizeof number, "%" PRIu64, rows);
    const int size =
        snprintf(end, sizeof end, ", 'fortran_order': False, 'shape': (%s,), }%*s", number, 21 - digits, "");
    npv_status status = npv_buffer_append(text, "{'descr': ", 10, error);
    if (status == NPV_OK)
        status = npv_buffer_append(text, descr, strlen(descr), error);
    return status == NPV_OK ? npv_buffer_append(text, end, (size_t)size, error) : status;
}

/* Magic, version, length, text; then one to 64 spaces and the line's end fill up to a multiple of 64. */
static npv_status write_framed(int version, npv_bytes text, npv_buffer *header, npv_error *error) {
    const size_t prefix = version == 1 ? 10 : 12;
    const size_t length = (prefix + text.size + 1) / 64 * 64 + 64 - prefix;
    if (version == 1 && length > UINT16_MAX)
        return write_framed(2, text, header, error);
    const npv_status status = npv_buffer_reserve(header, prefix + length, error);
    if (status != NPV_OK)
        return status;
    memcpy(header->data, NPV_NPY_MAGIC, NPV_NPY_MAGIC_SIZE);
    header->data[6] = (unsigned char)version;
    header->data[7] = 0;
    for (size_t i = 8; i < prefix; i++)
        header->data[i] = (unsigned char)(length >> 8 * (i - 8));
    memset(header->data + prefix, ' ', length);
    memcpy(header->data + prefix, text.data, text.size);
    header->data[prefix + length - 1] = '\n';
    header->size = prefix + length;
    return NPV_OK;
}

npv_status npv_npy_write_record_header(const char *descr, uint64_t rows, npv_buffer *header, npv_error *error) {
    npv_buffer text = {0};
    npv_status status = write_record_text(descr, rows, &text, error);
    if (status == NPV_OK) {
        const int version = written_version(&text);
        if (version == 1)
            utf8_as_latin1(&text);
        status = write_framed(version, (npv_bytes){text.data, text.size}, header, error);
    }
    free(text.data);
    return status;
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
