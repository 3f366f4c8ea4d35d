/* Headers of .npy files are parsed strictly, and floats of every kind arrive as the same float32 rows. */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "forge.h"
#include "npz/npy.h"

/* A source over bytes of exactly their size, so that a sanitizer sees every byte read too far. */
typedef struct memory {
    npv_bytes bytes;
    size_t at;
} memory;

static npv_status memory_read(void *context, void *data, size_t size, npv_error *error) {
    memory *source = context;
    if (size > source->bytes.size - source->at) {
        if (error != NULL)
            strcpy(error->message, "the source ends");
        return NPV_E_FORMAT;
    }
    if (size > 0)
        memcpy(data, source->bytes.data + source->at, size);
    source->at += size;
    return NPV_OK;
}

static npv_status parse(npv_buffer npy, npv_npy_header *header, npv_error *error) {
    memory source = {{npy.data, npy.size}, 0};
    const npv_status status = npv_npy_read_header((npv_source){memory_read, &source}, header, error);
    if (status == NPV_OK)
        assert_int_equal(source.at, header->size);
    return status;
}

static npv_status parse_dict(const char *dict, npv_npy_header *header, npv_error *error) {
    npv_buffer npy = forge_npy(1, dict, NULL, 0);
    const npv_status status = parse(npy, header, error);
    free(npy.data);
    return status;
}

/* ------------------------------------------------------------------------------------------------------- Headers -- */

static void header_in_any_spelling_means_the_same(void **state) {
    (void)state;
    static const char *const same[] = {
        "{'descr': '>f8', 'fortran_order': True, 'shape': (3, 4), }          \n",
        "{'descr': '>f8', 'fortran_order': True, 'shape': (3, 4)}",
        "{'shape':(3,4),'fortran_order':True,'descr':'>f8'}",
        "{ 'fortran_order' :\tTrue , 'shape' : ( 3 , 4 , ) , \"descr\" : \">f8\" , } \n\n",
    };
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
        npv_npy_header header;
        npv_error error;
        if (parse_dict(same[i], &header, &error) != NPV_OK)
            fail_msg("%s: %s", same[i], error.message);
        assert_int_equal(header.kind, 'f');
        assert_int_equal(header.item_size, 8);
        assert_int_equal(header.data_size, 96);
        assert_true(header.big_endian && header.fortran_order && !header.objects);
        assert_int_equal(header.axes, 2);
        assert_true(header.shape[0] == 3 && header.shape[1] == 4);
        char shown[2 * NPV_SHOWN];
        npv_npy_describe(&header, shown);
        assert_non_null(strstr(shown, ">f8"));
        assert_non_null(strstr(shown, "of shape (3, 4)"));
    }
}

static void versions_differ_in_the_width_of_the_length(void **state) {
    (void)state;
    for (int version = 1; version <= 3; version++) {
        npv_buffer npy = forge_npy(version, "{'descr': '<f4', 'fortran_order': False, 'shape': ()}", "data", 4);
        npv_npy_header header;
        assert_int_equal(parse(npy, &header, NULL), NPV_OK);
        assert_int_equal(header.size, npy.size - 4);
        assert_int_equal(header.axes, 0);
        assert_int_equal(header.data_size, 4);
        npy.data[7] = 1;
        npv_error error;
        assert_int_equal(parse(npy, &header, &error), NPV_E_UNSUPPORTED);
        free(npy.data);
    }
    npv_buffer npy = forge_npy(4, "{}", NULL, 0);
    npv_npy_header header;
    npv_error error;
    assert_int_equal(parse(npy, &header, &error), NPV_E_UNSUPPORTED);
    assert_non_null(strstr(error.message, "expected .npy version 1.0, 2.0 or 3.0, found 4.0"));
    npy.data[0] = 'x';
    assert_int_equal(parse(npy, &header, &error), NPV_E_FORMAT);
    free(npy.data);
}

static void dtypes_have_their_sizes(void **state) {
    (void)state;
    static const struct {
        const char *descr;
        char kind;
        uint64_t size;
        bool objects;
    } cases[] = {
        {"'<f2'", 'f', 2, false},
        {"'|b1'", 'b', 1, false},
        {"'=i8'", 'i', 8, false},
        {"'u4'", 'u', 4, false},
        {"'<c16'", 'c', 16, false},
        {"'|S7'", 'S', 7, false},
        {"'<U10'", 'U', 40, false},
        {"'|V3'", 'V', 3, false},
        {"'<M8[25us]'", 'M', 8, false},
        {"'<m8'", 'm', 8, false},
        {"'|O'", 'O', 0, true},
        {"'|O8'", 'O', 0, true},
        {"[]", NPV_DESCR_RECORD, 0, false},
        {"[('a', '<i4'), ('b', '<U2')]", NPV_DESCR_RECORD, 12, false},
        {"[('a', '<i4', (2, 3)), ('', '|V5'), ]", NPV_DESCR_RECORD, 29, false},
        {"[('a', '<i2', 5), ('it\\'s', '<f8', (2,))]", NPV_DESCR_RECORD, 26, false},
        {"[(('title', 'name'), '<i8'), ('in', [('x', '<f4'), ('y', '|b1')], (3,))]", NPV_DESCR_RECORD, 23, false},
        {"[('a', [('b', [('c', '|O')])])]", NPV_DESCR_RECORD, 0, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char dict[256];
        snprintf(dict, sizeof dict, "{'descr': %s, 'fortran_order': False, 'shape': (7,), }", cases[i].descr);
        npv_npy_header header;
        npv_error error = {0};
        if (parse_dict(dict, &header, &error) != NPV_OK)
            fail_msg("%s: %s", cases[i].descr, error.message);
        assert_int_equal(header.kind, cases[i].kind);
        assert_int_equal(header.item_size, cases[i].size);
        assert_int_equal(header.data_size, 7 * cases[i].size);
        assert_int_equal(header.objects, cases[i].objects);
    }
}

static void damaged_headers_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *dict;
        npv_status status;
        const char *text;
    } cases[] = {
        {"", NPV_E_FORMAT, "expected '{' at byte 0"},
        {"{}", NPV_E_FORMAT, "descr, fortran_order and shape, and nothing else"},
        {"{'descr': '<f4', 'fortran_order': False}", NPV_E_FORMAT, "descr, fortran_order and shape"},
        {"{'descr': '<f4', 'descr': '<f4', 'shape': ()}", NPV_E_FORMAT, "once each"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (), 'x': 1}", NPV_E_FORMAT, "once each"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': ()} x", NPV_E_FORMAT, "nothing else at byte 54, found 'x'"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (),,}", NPV_E_FORMAT, "a string"},
        {"{'descr': '<f4' 'fortran_order': False, 'shape': ()}", NPV_E_FORMAT, "expected '}'"},
        {"{'descr': '<f4', 'fortran_order': 0, 'shape': ()}", NPV_E_FORMAT, "True or False"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (3)}", NPV_E_FORMAT, "expected ','"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (-3,)}", NPV_E_FORMAT, "a number"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (,)}", NPV_E_FORMAT, "a number"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1 2)}", NPV_E_FORMAT, "expected ','"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': 3}", NPV_E_FORMAT, "expected '('"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4L)}", NPV_E_FORMAT, "expected ')'"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (18446744073709551616,)}", NPV_E_FORMAT, "below 2**64"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296)}", NPV_E_FORMAT,
         "more than 2**64 bytes"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904,)}", NPV_E_FORMAT,
         "more than 2**64 bytes"},
        {"{'descr': '<U4611686018427387904', 'fortran_order': False, 'shape': ()}", NPV_E_UNSUPPORTED,
         "none of NumPy's"},
        {"{'descr': '<f4\n', 'fortran_order': False, 'shape': ()}", NPV_E_FORMAT, "the end of a string"},
        {"{'descr': '<f4", NPV_E_FORMAT, "the end of a string"},
        {"{'descr': '<f4\\", NPV_E_FORMAT, "the end of a string"},
        {"{'descr': '', 'fortran_order': False, 'shape': ()}", NPV_E_UNSUPPORTED, "none of NumPy's"},
        {"{'descr': '<f3', 'fortran_order': False, 'shape': ()}", NPV_E_UNSUPPORTED, "dtype '<f3' is none of NumPy's"},
        {"{'descr': '<f', 'fortran_order': False, 'shape': ()}", NPV_E_UNSUPPORTED, "none of NumPy's"},
        {"{'descr': '<f4x', 'fortran_order': False, 'shape': ()}", NPV_E_UNSUPPORTED, "none of NumPy's"},
        {"{'descr': '<f4[s]', 'fortran_order': False, 'shape': ()}", NPV_E_UNSUPPORTED, "none of NumPy's"},
        {"{'descr': '<M8[s', 'fortran_order': False, 'shape': ()}", NPV_E_UNSUPPORTED, "none of NumPy's"},
        {"{'descr': '|T16', 'fortran_order': False, 'shape': ()}", NPV_E_UNSUPPORTED, "none of NumPy's"},
        {"{'descr': [('a')], 'fortran_order': False, 'shape': ()}", NPV_E_FORMAT, "expected ','"},
        {"{'descr': [('a', '<i4', 3, 4)], 'fortran_order': False, 'shape': ()}", NPV_E_FORMAT, "expected ')'"},
        {"{'descr': [('a', '<i4', 'x')], 'fortran_order': False, 'shape': ()}", NPV_E_FORMAT, "a number"},
        {"{'descr': [(('a', 'b', 'c'), '<i4')], 'fortran_order': False, 'shape': ()}", NPV_E_FORMAT, "expected ')'"},
        {"{'descr': [('a', '<i8', (4294967296, 4294967296))], 'fortran_order': False, 'shape': ()}", NPV_E_FORMAT,
         "a field below 2**64 bytes"},
        {"{'descr': [('a', '|V18446744073709551615'), ('b', '|b1')], 'fortran_order': False, 'shape': ()}",
         NPV_E_FORMAT, "a record below 2**64 bytes"},
        {"{'descr': __import__('os').system('x'), 'fortran_order': False, 'shape': ()}", NPV_E_FORMAT, "a string"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        npv_npy_header header;
        npv_error error = {0};
        const npv_status status = parse_dict(cases[i].dict, &header, &error);
        if (status != cases[i].status || strstr(error.message, cases[i].text) == NULL)
            fail_msg("%s: status %d, %s", cases[i].dict, (int)status, error.message);
        assert_null(strchr(error.message, '\n'));
    }
}

static void header_may_not_nest_or_grow_without_bound(void **state) {
    (void)state;
    char dict[4096] = "{'fortran_order': False, 'shape': (), 'descr': ";
    for (int i = 0; i < 200; i++)
        strcat(dict, "[('a',");
    npv_npy_header header;
    npv_error error;
    assert_int_equal(parse_dict(dict, &header, &error), NPV_E_FORMAT);
    assert_non_null(strstr(error.message, "at most 16 records within each other"));
    strcpy(dict, "{'descr': '<f4', 'fortran_order': False, 'shape': (");
    for (int i = 0; i < 65; i++)
        strcat(dict, "1,");
    assert_int_equal(parse_dict(dict, &header, &error), NPV_E_FORMAT);
    assert_non_null(strstr(error.message, "at most 64 axes"));
    npv_buffer npy = forge_npy(2, "{}", NULL, 0);
    forge_put32(npy, 8, NPV_NPY_MAX_HEADER + 1);
    assert_int_equal(parse(npy, &header, &error), NPV_E_LIMIT);
    forge_put32(npy, 8, UINT32_MAX);
    assert_int_equal(parse(npy, &header, &error), NPV_E_LIMIT);
    free(npy.data);
}

static void every_shorter_header_is_refused(void **state) {
    (void)state;
    const char *const dict =
        "{'descr': [('a', '<i4', (2, 3)), (('t', 'b'), [('c', '|O')])], 'fortran_order': True, 'shape': (3, 4), }";
    npv_npy_header header;
    assert_int_equal(parse_dict(dict, &header, NULL), NPV_OK);
    char shorter[256];
    for (size_t length = 0; length < strlen(dict); length++) {
        snprintf(shorter, sizeof shorter, "%.*s", (int)length, dict);
        npv_error error;
        assert_int_not_equal(parse_dict(shorter, &header, &error), NPV_OK);
    }
    npv_buffer npy = forge_npy(1, dict, NULL, 0);
    for (size_t size = 0; size < npy.size; size++) {
        npv_buffer cut = {malloc(size + 1), size, 0};
        memcpy(cut.data, npy.data, size);
        assert_int_not_equal(parse((npv_buffer){cut.data, size, 0}, &header, NULL), NPV_OK);
        free(cut.data);
    }
    free(npy.data);
}

static void written_header_is_the_one_that_numpy_writes(void **state) {
    (void)state;
    unsigned char header[NPV_NPY_WRITTEN_HEADER + 1] = {0};
    npv_npy_write_header("<f4", 2, (const uint64_t[]){3, 4}, header);
    assert_memory_equal(
        header, "\x93NUMPY\x01\x00\x76\x00{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }  ", 10 + 61);
    assert_int_equal(strspn((char *)header + 10 + 59, " "), 118 - 59 - 1);
    assert_int_equal(header[127], '\n');
    npv_npy_write_header("|O", 1, (const uint64_t[]){UINT64_MAX}, header);
    assert_non_null(
        strstr((char *)header + 10, "'descr': '|O', 'fortran_order': False, 'shape': (18446744073709551615,), }"));
    npv_npy_write_header("|b1", 0, NULL, header);
    assert_non_null(strstr((char *)header + 10, "'shape': (), }"));
    npv_npy_write_header("<f4", 2, (const uint64_t[]){UINT64_MAX, UINT64_MAX}, header);
    assert_int_equal(header[127], '\n');
}

static void integers_of_every_width_are_read(void **state) {
    (void)state;
    static const unsigned char bytes[] = {0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    static const struct {
        char kind;
        uint64_t size;
        bool big;
        int64_t value;
    } cases[] = {{'i', 1, false, -2},         {'u', 1, false, 254},
                 {'i', 2, false, -2},         {'i', 2, true, -257},
                 {'u', 2, true, 0xfeff},      {'i', 4, false, -2},
                 {'u', 4, false, 0xfffffffe}, {'u', 4, true, 0xfeffffff},
                 {'i', 8, false, -2},         {'i', 8, true, -0x0100000000000001}};
    int64_t value = 0;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const npv_npy_header header = {.kind = cases[i].kind, .item_size = cases[i].size, .big_endian = cases[i].big};
        assert_int_equal(npv_npy_integer(&header, bytes, &value, NULL), NPV_OK);
        assert_true(value == cases[i].value);
    }
    const npv_npy_header huge = {.kind = 'u', .item_size = 8};
    npv_error error;
    assert_int_equal(npv_npy_integer(&huge, bytes, &value, &error), NPV_E_FORMAT);
    assert_non_null(strstr(error.message, "found 18446744073709551614"));
}

/* ------------------------------------------------------------------------------------------------------- Vectors -- */

static void vectors_are_matrices_of_floats(void **state) {
    (void)state;
    static const struct {
        const char *descr;
        const char *shape;
        npv_status status;
        const char *text;
    } cases[] = {
        {"'<f4'", "(3, 4)", NPV_OK, ""},
        {"'<f4'", "(0, 65536)", NPV_OK, ""},
        {"'<f4'", "(3,)", NPV_E_UNSUPPORTED, "found dtype '<f4' of shape (3,)"},
        {"'<f4'", "()", NPV_E_UNSUPPORTED, "found dtype '<f4' of shape ()"},
        {"'<f4'", "(3, 4, 5)", NPV_E_UNSUPPORTED, "of shape (3, 4, 5)"},
        {"'<i4'", "(3, 4)", NPV_E_UNSUPPORTED, "2-D array of float32, float64 or float16, found dtype '<i4'"},
        {"'<f16'", "(3, 4)", NPV_E_UNSUPPORTED, "found dtype '<f16'"},
        {"'<c8'", "(3, 4)", NPV_E_UNSUPPORTED, "found dtype '<c8'"},
        {"'|O'", "(3, 4)", NPV_E_UNSUPPORTED, "found dtype '|O'"},
        {"[('a', '<f4')]", "(3, 4)", NPV_E_UNSUPPORTED, "found dtype [('a', '<f4')]"},
        {"'<f4'", "(3, 0)", NPV_E_UNSUPPORTED, "at least 1 dimension, found dtype '<f4' of shape (3, 0)"},
        {"'<f4'", "(3, 65537)", NPV_E_LIMIT, "at most 65536 dimensions"},
        {"'<f2'", "(4611686018427387904, 1)", NPV_E_FORMAT, "more rows than memory can hold"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char dict[256];
        snprintf(dict, sizeof dict, "{'descr': %s, 'fortran_order': False, 'shape': %s}", cases[i].descr,
                 cases[i].shape);
        npv_npy_header header;
        npv_error error = {0};
        assert_int_equal(parse_dict(dict, &header, &error), NPV_OK);
        const npv_status status = npv_npy_check_vectors(&header, &error);
        if (status != cases[i].status || strstr(error.message, cases[i].text) == NULL)
            fail_msg("%s %s: status %d, %s", cases[i].descr, cases[i].shape, (int)status, error.message);
    }
}

static void native_vectors_are_told_from_others(void **state) {
    (void)state;
    static const struct {
        npv_npy_header header;
        const char *why; /* "": native */
    } cases[] = {
        {{.item_size = 4, .shape = {3, 4}}, ""},
        {{.item_size = 4, .shape = {3, 4}, .fortran_order = true}, "Fortran order"},
        {{.item_size = 4, .shape = {1, 4}, .fortran_order = true}, ""},
        {{.item_size = 4, .shape = {3, 1}, .fortran_order = true}, ""},
        {{.item_size = 4, .shape = {3, 4}, .big_endian = true}, "big-endian float32"},
        {{.item_size = 8, .shape = {3, 4}, .fortran_order = true}, "float64, Fortran order"},
        {{.item_size = 2, .shape = {3, 4}, .big_endian = true, .fortran_order = true},
         "big-endian float16, Fortran order"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char why[NPV_SHOWN];
        assert_int_equal(npv_npy_is_native(&cases[i].header, why), cases[i].why[0] == '\0');
        assert_string_equal(why, cases[i].why);
    }
}

static void put_swapped(unsigned char *to, const void *from, size_t size, bool swap) {
    for (size_t i = 0; i < size; i++)
        to[i] = ((const unsigned char *)from)[swap ? size - 1 - i : i];
}

/* Small multiples of 1/64: every format holds them. */
static float value_at(size_t row, size_t column) {
    return (float)((row * 31 + column * 7) % 2047) / 64 - 16;
}

/* The bits of such a value in binary16, from its definition. */
static uint16_t half_bits(float value) {
    if (value == 0)
        return 0;
    int exponent = 0;
    const float fraction = frexpf(fabsf(value), &exponent); /* 0.5 to 1 */
    return (uint16_t)((value < 0 ? 0x8000 : 0) | (exponent + 14) << 10 | (int)(fraction * 2048 - 1024));
}

static void check_conversion(size_t rows, size_t columns, size_t size, bool big, bool fortran) {
    unsigned char *raw = malloc(rows * columns * size);
    for (size_t row = 0; row < rows; row++)
        for (size_t column = 0; column < columns; column++) {
            const float f32 = value_at(row, column);
            const double f64 = f32;
            const uint16_t f16 = half_bits(f32);
            const void *from = size == 8 ? (const void *)&f64 : size == 4 ? (const void *)&f32 : (const void *)&f16;
            put_swapped(raw + (fortran ? column * rows + row : row * columns + column) * size, from, size, big);
        }
    const npv_npy_header header = {.kind = 'f',
                                   .item_size = size,
                                   .big_endian = big,
                                   .fortran_order = fortran,
                                   .axes = 2,
                                   .shape = {rows, columns}};
    float *vectors = malloc(rows * columns * sizeof(float));
    memory source = {{raw, rows * columns * size}, 0};
    assert_int_equal(npv_npy_read_vectors((npv_source){memory_read, &source}, &header, vectors, NULL), NPV_OK);
    assert_int_equal(source.at, source.bytes.size);
    for (size_t row = 0; row < rows; row++)
        for (size_t column = 0; column < columns; column++)
            if (vectors[row * columns + column] != value_at(row, column))
                fail_msg("%zu x %zu of %zu bytes: row %zu, column %zu", rows, columns, size, row, column);
    free(vectors);
    free(raw);
}

static void floats_of_every_kind_become_the_same_rows(void **state) {
    (void)state;
    static const size_t shapes[][2] = {{1, 1}, {1, 40}, {40, 1}, {3, 5}, {100, 16}, {77, 33}, {20000, 17}, {5, 9000}};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        for (size_t size = 2; size <= 8; size *= 2)
            for (int way = 0; way < 4; way++)
                check_conversion(shapes[i][0], shapes[i][1], size, (way & 1) != 0, (way & 2) != 0);
}

static void all_halves_are_exact(void **state) {
    (void)state;
    uint16_t *raw = malloc(65536 * sizeof *raw);
    float *vectors = malloc(65536 * sizeof *vectors);
    for (size_t i = 0; i < 65536; i++)
        raw[i] = (uint16_t)i;
    const npv_npy_header header = {.kind = 'f', .item_size = 2, .axes = 2, .shape = {256, 256}};
    memory source = {{(unsigned char *)raw, 65536 * sizeof *raw}, 0};
    assert_int_equal(npv_npy_read_vectors((npv_source){memory_read, &source}, &header, vectors, NULL), NPV_OK);
    for (int i = 0; i < 65536; i++) {
        const int exponent = i >> 10 & 31;
        const int fraction = i & 1023;
        const double size = exponent == 0   ? ldexp(fraction, -24)
                            : exponent < 31 ? ldexp(1024 + fraction, exponent - 25)
                            : fraction == 0 ? (double)INFINITY
                                            : (double)NAN;
        if (isnan(size))
            assert_true(isnan(vectors[i]));
        else
            assert_true((double)vectors[i] == (i >= 0x8000 ? -size : size));
        assert_int_equal(signbit(vectors[i]) != 0, i >= 0x8000);
    }
    free(vectors);
    free(raw);
}

static npv_status convert_doubles(const double *values, size_t rows, size_t columns, bool fortran, float *vectors,
                                  npv_error *error) {
    const npv_npy_header header = {
        .kind = 'f', .item_size = 8, .axes = 2, .shape = {rows, columns}, .fortran_order = fortran};
    memory source = {{(const unsigned char *)values, rows * columns * sizeof *values}, 0};
    return npv_npy_read_vectors((npv_source){memory_read, &source}, &header, vectors, error);
}

static void doubles_round_to_nearest_and_keep_infinity_and_nan(void **state) {
    (void)state;
    const double values[] = {
        1 + 0x1p-24, 1 + 0x1.8p-23, 0x1.fffffefffffffp127, (double)FLT_MAX,   -0.0,        0x1p-149,
        0x1p-150,    0x1.8p-149,    (double)INFINITY,      -(double)INFINITY, (double)NAN, 0.1};
    const float expected[] = {1, 1 + 0x1p-22F, FLT_MAX,  FLT_MAX,   -0.0F, 0x1p-149F,
                              0, 0x1p-148F,    INFINITY, -INFINITY, 0,     0.1F};
    float vectors[12];
    assert_int_equal(convert_doubles(values, 3, 4, false, vectors, NULL), NPV_OK);
    for (size_t i = 0; i < 12; i++)
        assert_true(i == 10 ? isnan(vectors[i]) : vectors[i] == expected[i]);
    assert_true(signbit(vectors[4]) != 0);
}

static void doubles_beyond_float32_are_named_by_row_and_column(void **state) {
    (void)state;
    const size_t rows = 3000;
    const size_t columns = 30;
    double *values = calloc(rows * columns, sizeof *values);
    float *vectors = malloc(rows * columns * sizeof *vectors);
    npv_error error;
    values[2000 * columns + 7] = 0x1.ffffffp127; /* half way to what would be the next float32 */
    values[2999 * columns + 7] = 1e300;
    assert_int_equal(convert_doubles(values, rows, columns, false, vectors, &error), NPV_E_UNSUPPORTED);
    assert_non_null(strstr(error.message, "row 2000, column 7: 3.40282e+38 does not fit a float32"));
    values[2000 * columns + 7] = 0;
    values[2999 * columns + 7] = 0;
    values[20 * rows + 2500] = -1e39;
    assert_int_equal(convert_doubles(values, rows, columns, true, vectors, &error), NPV_E_UNSUPPORTED);
    assert_non_null(strstr(error.message, "row 2500, column 20: -1e+39 does not fit"));
    free(vectors);
    free(values);
}

static void ending_sources_are_errors(void **state) {
    (void)state;
    float vectors[12];
    static const unsigned char raw[95];
    for (size_t size = 2; size <= 8; size *= 2)
        for (int fortran = 0; fortran < 2; fortran++) {
            const npv_npy_header header = {
                .kind = 'f', .item_size = size, .axes = 2, .shape = {3, 4}, .fortran_order = fortran != 0};
            memory source = {{raw, 12 * size - 1}, 0};
            npv_error error;
            assert_int_equal(npv_npy_read_vectors((npv_source){memory_read, &source}, &header, vectors, &error),
                             NPV_E_FORMAT);
            assert_string_equal(error.message, "the source ends");
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(header_in_any_spelling_means_the_same),
        cmocka_unit_test(versions_differ_in_the_width_of_the_length),
        cmocka_unit_test(dtypes_have_their_sizes),
        cmocka_unit_test(damaged_headers_are_refused),
        cmocka_unit_test(header_may_not_nest_or_grow_without_bound),
        cmocka_unit_test(every_shorter_header_is_refused),
        cmocka_unit_test(written_header_is_the_one_that_numpy_writes),
        cmocka_unit_test(integers_of_every_width_are_read),
        cmocka_unit_test(vectors_are_matrices_of_floats),
        cmocka_unit_test(native_vectors_are_told_from_others),
        cmocka_unit_test(floats_of_every_kind_become_the_same_rows),
        cmocka_unit_test(all_halves_are_exact),
        cmocka_unit_test(doubles_round_to_nearest_and_keep_infinity_and_nan),
        cmocka_unit_test(doubles_beyond_float32_are_named_by_row_and_column),
        cmocka_unit_test(ending_sources_are_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
