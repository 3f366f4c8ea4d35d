/*
 * Every table of kernels against the definitions in kernels.h, to the last bit. Memory on which kernels work ends, or
 * begins, where access is forbidden.
 */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "kernel_input.h"
#include "kernels/kernels.h"

#define LARGEST 65536

/* ------------------------------------------------------------------------------------------------------ Helpers -- */

static const size_t more_dimensions[] = {255, 256, 257, 320, 383, 384, 385, 767, 768, 1535, 1536, 3072, 4096};

/* 1 to 200 and the ones above; 0 behind the last. */
static size_t dimensions_at(size_t i) {
    if (i < 200)
        return i + 1;
    return i - 200 < sizeof more_dimensions / sizeof *more_dimensions ? more_dimensions[i - 200] : 0;
}

/* The reference comes last. */
static const npv_kernels *reference(void) {
    const npv_kernels *last = NULL;
    for (size_t i = 0; npv_kernels_runnable(i) != NULL; i++)
        last = npv_kernels_runnable(i);
    return last;
}

/* ------------------------------------------------------------------------------------------------------- Choice -- */

static bool only_table_is(const char *asked, const char *expected) {
    const pid_t child = fork();
    if (child == 0) {
        const bool right = setenv("NPVEC_KERNELS", asked, 1) == 0 &&
                           strcmp(npv_kernels_chosen()->name, expected) == 0 && npv_kernels_runnable(1) == NULL;
        _exit(right ? 0 : 1);
    }
    int status = 1;
    return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

/* First of all tests: tables are chosen once in a process. */
static void test_environment_keeps_one_table(void **state) {
    (void)state;
    assert_true(only_table_is("scalar", "scalar"));
    assert_true(only_table_is("no such table", "scalar"));
}

static void test_tables_are_complete_and_chosen_from_the_best(void **state) {
    (void)state;
    assert_true(npv_kernels_chosen() == npv_kernels_runnable(0));
    for (size_t i = 0; npv_kernels_runnable(i) != NULL; i++) {
        const npv_kernels *table = npv_kernels_runnable(i);
        print_message("table %s\n", table->name);
        assert_true(table->dot && table->squared_distance && table->square_row && table->scale_row &&
                    table->encode_row && table->round_query && table->dot_nibbles && table->dot_nibbles_tile &&
                    table->bound_rows && table->rows_in_range);
    }
}

/* ------------------------------------------------------------------------------------------------------- Scores -- */

static double defined_sum(const double *query, const float *row, size_t dimensions, bool distance) {
    double lanes[16] = {0};
    for (size_t j = 0; j < dimensions; j++) {
        const double x = (double)row[j];
        const volatile double product = distance ? (query[j] - x) * (query[j] - x) : query[j] * x;
        lanes[j % 16] = lanes[j % 16] + product;
    }
    for (size_t half = 8; half > 0; half /= 2)
        for (size_t i = 0; i < half; i++)
            lanes[i] += lanes[i + half];
    return lanes[0];
}

static void check_scores(size_t dimensions, float scale, bool at_end) {
    enum { COUNT = 3 };
    const fenced rows = fence(COUNT * dimensions * sizeof(float), at_end);
    const fenced query = fence(NPV_PADDED(dimensions) * sizeof(double), at_end);
    float *x = rows.data;
    double *q = query.data;
    for (size_t i = 0; i < COUNT * dimensions; i++)
        x[i] = random_float() * scale;
    for (size_t j = 0; j < NPV_PADDED(dimensions); j++)
        q[j] = j < dimensions ? (double)random_float() : 0;
    for (size_t i = 0; npv_kernels_runnable(i) != NULL; i++) {
        const npv_kernels *table = npv_kernels_runnable(i);
        for (int distance = 0; distance < 2; distance++) {
            double scores[COUNT];
            (distance ? table->squared_distance : table->dot)(q, x, dimensions, COUNT, scores);
            for (size_t row = 0; row < COUNT; row++) {
                const double expected = defined_sum(q, x + row * dimensions, dimensions, distance);
                if (memcmp(&scores[row], &expected, sizeof expected) != 0)
                    fail_msg("%s, %zu dimensions: %a is not %a", table->name, dimensions, scores[row], expected);
            }
        }
    }
    unfence(rows);
    unfence(query);
}

static void test_scores_are_the_definition(void **state) {
    static const float scales[] = {1, 1e-30F, 1e18F, FLT_MIN / 8};
    (void)state;
    for (size_t i = 0; dimensions_at(i) != 0; i++)
        for (int at_end = 0; at_end < 2; at_end++)
            check_scores(dimensions_at(i), scales[(i + (size_t)at_end) % 4], at_end);
    check_scores(LARGEST, 1, true);
}

/* Measured and scaled where it ends, or begins, at a fence; and scaled in place. */
static void check_scaling(size_t dimensions, float scale, double length, bool at_end) {
    const fenced row = fence(dimensions * sizeof(float), at_end), unit = fence(dimensions * sizeof(float), at_end);
    float *const x = row.data, *const scaled = unit.data;
    double *const wide = calloc(NPV_PADDED(dimensions), sizeof *wide);
    float *const expected = calloc(dimensions, sizeof *expected), *const given = calloc(dimensions, sizeof *given);
    assert_true(wide != NULL && expected != NULL && given != NULL);
    for (size_t j = 0; j < dimensions; j++) {
        given[j] = random_float() * scale;
        wide[j] = (double)given[j];
        const volatile double quotient = wide[j] / length;
        expected[j] = (float)quotient;
    }
    const double square = defined_sum(wide, given, dimensions, false);
    for (size_t i = 0; npv_kernels_runnable(i) != NULL; i++) {
        const npv_kernels *const table = npv_kernels_runnable(i);
        memcpy(x, given, dimensions * sizeof *x);
        const double found = table->square_row(x, dimensions);
        if (memcmp(&found, &square, sizeof square) != 0)
            fail_msg("%s, %zu dimensions: square %a is not %a", table->name, dimensions, found, square);
        table->scale_row(x, dimensions, length, scaled);
        table->scale_row(x, dimensions, length, x);
        if (memcmp(scaled, expected, dimensions * sizeof *x) != 0 || memcmp(x, expected, dimensions * sizeof *x) != 0)
            fail_msg("%s, %zu dimensions: not divided by %a", table->name, dimensions, length);
    }
    free(wide);
    free(expected);
    free(given);
    unfence(row);
    unfence(unit);
}

static void test_rows_are_measured_and_scaled_as_defined(void **state) {
    static const float scales[] = {1, 1e-30F, 1e18F, FLT_MIN / 8};
    static const double lengths[] = {1, 19.6, 0x1.fffffffffffffp-2, 1e20, 3e-38, 0x1p-149};
    (void)state;
    for (size_t i = 0; dimensions_at(i) != 0; i++)
        for (size_t j = 0; j < 6; j++)
            check_scaling(dimensions_at(i), scales[(i + j) % 4], lengths[j], (i + j / 2) % 2 == 0);
    check_scaling(LARGEST, 1, 256, true);
}

/* ---------------------------------------------------------------------------------------------- Rounded queries -- */

/* A query and a direction, padded, between fences, and room for integers. */
typedef struct query_rounding {
    size_t dimensions;
    fenced query, direction, integers;
    npv_query_part part;
} query_rounding;

static query_rounding new_rounding(size_t dimensions, bool at_end) {
    const size_t bytes = NPV_PADDED(dimensions) * sizeof(double);
    query_rounding made = {
        dimensions, fence(bytes, at_end), fence(bytes, at_end), fence(2 * NPV_PLANE_BYTES(dimensions), at_end), {0}};
    made.part = (npv_query_part){made.query.data, made.direction.data, 1, 0};
    return made;
}

static void free_rounding(const query_rounding *made) {
    unfence(made->query);
    unfence(made->direction);
    unfence(made->integers);
}

/* By the letter of kernels.h, in long double where it does not matter. */
static void check_definition(const query_rounding *made, const npv_rounded_query *rounded) {
    const size_t plane_bytes = NPV_PLANE_BYTES(made->dimensions);
    const int8_t *integers = made->integers.data;
    long double squares = 0, errors = 0;
    double largest = 0, sum = 0, magnitude = 0;
    size_t unequal = 0;
    for (size_t j = 0; j < made->dimensions; j++) {
        const double g = made->part.query[j] * made->part.scale - made->part.along * made->part.direction[j];
        const int integer = integers[npv_code_position(j, plane_bytes)];
        const double in_steps = rounded->step >= NPV_LEAST_ROUNDED / 127 ? g / rounded->step : 0;
        assert_true(fabs(in_steps - integer) <= 0.5 + 1e-9);
        largest = fabs(g) > largest ? fabs(g) : largest;
        squares += (long double)g * g;
        errors += ((long double)g - (long double)integer * rounded->step) *
                  ((long double)g - (long double)integer * rounded->step);
        sum += integer;
        magnitude += abs(integer);
        unequal += integer != 0;
    }
    for (size_t j = 0; j < 2 * plane_bytes; j++)
        unequal -= integers[j] != 0;
    assert_int_equal(unequal, 0); /* nothing where there is no dimension */
    assert_true(rounded->step == largest / 127);
    assert_true(rounded->sum == sum && rounded->magnitude == magnitude);
    assert_true(fabsl(rounded->length - sqrtl(squares)) <= 1e-12L * sqrtl(squares));
    assert_true(fabsl(rounded->error - sqrtl(errors)) <= 1e-12L * sqrtl(squares));
}

/* The reference by the definition, and the other tables by the reference, to the last bit. */
static void check_rounding(const query_rounding *made) {
    const size_t bytes = 2 * NPV_PLANE_BYTES(made->dimensions);
    int8_t *expected_integers = malloc(bytes);
    const npv_rounded_query expected = reference()->round_query(&made->part, made->dimensions, made->integers.data);
    check_definition(made, &expected);
    memcpy(expected_integers, made->integers.data, bytes);
    for (size_t i = 0; npv_kernels_runnable(i) != NULL; i++) {
        const npv_kernels *table = npv_kernels_runnable(i);
        memset(made->integers.data, 0x55, bytes);
        const npv_rounded_query found = table->round_query(&made->part, made->dimensions, made->integers.data);
        if (memcmp(&found, &expected, sizeof found) != 0 || memcmp(made->integers.data, expected_integers, bytes) != 0)
            fail_msg("round_query of %s, %zu dimensions", table->name, made->dimensions);
    }
    free(expected_integers);
}

static void test_queries_are_rounded_as_defined(void **state) {
    static const double scales[] = {1, 0x1p-30, 0x1p70};
    (void)state;
    for (size_t i = 0; dimensions_at(i) != 0; i++) {
        query_rounding made = new_rounding(dimensions_at(i), i % 2 == 0);
        double *query = made.query.data;
        double *direction = made.direction.data;
        for (size_t j = 0; j < made.dimensions; j++) {
            query[j] = (double)random_float();
            direction[j] = (double)random_float();
        }
        made.part.scale = scales[i % 3];
        made.part.along = i % 4 == 0 ? 0 : (double)random_float();
        check_rounding(&made);
        free_rounding(&made);
    }
}

static void test_halves_of_queries_round_to_even(void **state) {
    query_rounding made = new_rounding(64, true);
    const int8_t *integers = made.integers.data;
    double *query = made.query.data;
    (void)state;
    query[0] = 127;
    for (int j = 1; j < 64; j++)
        query[j] = (j % 2 == 0 ? 1 : -1) * (j + 0.5);
    check_rounding(&made);
    for (size_t j = 1; j < 64; j++)
        assert_int_equal(integers[npv_code_position(j, 32)], (j % 2 == 0 ? 1 : -1) * (int)((j + 1) / 2 * 2));
    free_rounding(&made);
}

/* A query along the direction leaves nothing but what rounding made: it is not worth integers. */
static void test_what_is_hardly_there_is_not_rounded(void **state) {
    static const double sizes[] = {0, 0x1p-61, 0x1p-400};
    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        query_rounding made = new_rounding(100, true);
        for (size_t j = 0; j < made.dimensions; j++)
            ((double *)made.query.data)[j] = sizes[i];
        check_rounding(&made);
        for (size_t j = 0; j < 2 * NPV_PLANE_BYTES(100); j++)
            assert_int_equal(((int8_t *)made.integers.data)[j], 0);
        free_rounding(&made);
    }
}

/* ------------------------------------------------------------------------------------------------ Integer dots -- */

/* Integers of queries in the order of dimensions. */
static int plain[NPV_TILE][LARGEST];

/* What fills the nibbles and the queries: random, or all at their ends. */
typedef enum filling { RANDOM, ALL_HIGHEST, ALL_LOWEST, OPPOSED, FILLINGS } filling;

static int fill_nibble(filling how) {
    return how == RANDOM ? random_int(0, 15) : how == ALL_LOWEST ? 0 : 15;
}

/* Fills a query, and puts it in the order of the nibbles, too. */
static void fill_query(int *query, size_t dimensions, filling how, size_t plane_bytes, int8_t *ordered) {
    memset(ordered, 0, 2 * plane_bytes);
    for (size_t j = 0; j < dimensions; j++) {
        query[j] = how == RANDOM ? random_int(-127, 127) : how == ALL_LOWEST ? -127 : 127;
        ordered[npv_code_position(j, plane_bytes)] = (int8_t)query[j];
    }
}

/* The nibble of dimension j, by the letter of kernels.h. */
static int nibble_of(const uint8_t *plane, size_t j) {
    const uint8_t byte = plane[j / 64 * 32 + j % 64 % 32];
    return j % 64 >= 32 ? byte / 16 : byte % 16;
}

static void put_nibble(uint8_t *plane, size_t j, int nibble) {
    const size_t byte = j / 64 * 32 + j % 64 % 32;
    plane[byte] = (uint8_t)(plane[byte] + nibble * (j % 64 >= 32 ? 16 : 1));
}

static void check_equal(const char *what, const npv_kernels *table, size_t dimensions, const int32_t *dots,
                        const int32_t *expected, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (dots[i] != expected[i])
            fail_msg("%s of %s, %zu dimensions, number %zu: %d is not %d", what, table->name, dimensions, i, dots[i],
                     expected[i]);
}

/* More rows than kernels take at once. */
enum { MOST_DOTS = 9 };

/* All tables find the rows' dots: expected[query * expected_count + number of the row]. */
static void check_tables(const int8_t *queries, const npv_plane_rows *rows, size_t dimensions, const int32_t *expected,
                         size_t expected_count) {
    int32_t wanted[NPV_TILE * MOST_DOTS];
    for (size_t q = 0; q < NPV_TILE; q++)
        for (size_t i = 0; i < rows->count; i++)
            wanted[q * rows->count + i] = expected[q * expected_count + (rows->listed == NULL ? i : rows->listed[i])];
    for (size_t i = 0; npv_kernels_runnable(i) != NULL; i++) {
        const npv_kernels *table = npv_kernels_runnable(i);
        int32_t dots[NPV_TILE * MOST_DOTS];
        table->dot_nibbles_tile(queries, rows, dots);
        check_equal("dot_nibbles_tile", table, dimensions, dots, wanted, NPV_TILE * rows->count);
        for (size_t q = 0; q < NPV_TILE; q++) {
            table->dot_nibbles(queries + q * 2 * rows->plane_bytes, rows, dots);
            check_equal("dot_nibbles", table, dimensions, dots, wanted + q * rows->count, rows->count);
        }
    }
}

/* Lists of every length, in any order, with the same row more than once, and with more rows behind. */
static void check_lists(const int8_t *queries, const npv_plane_rows *all, size_t dimensions, const int32_t *expected,
                        bool at_end) {
    for (size_t count = 0; count <= MOST_DOTS; count++) {
        const size_t behind = (size_t)random_int(0, 12);
        const fenced list = fence((count + behind) * sizeof(uint64_t), at_end);
        for (size_t i = 0; i < count + behind; i++)
            ((uint64_t *)list.data)[i] = random_bits() % all->count;
        const npv_plane_rows rows = {all->plane, all->plane_bytes, list.data, count, behind};
        check_tables(queries, &rows, dimensions, expected, all->count);
        unfence(list);
    }
}

static void check_dots(size_t dimensions, size_t count, filling how, bool at_end) {
    const size_t plane_bytes = NPV_PLANE_BYTES(dimensions);
    const fenced planes = fence(count * plane_bytes, at_end);
    const fenced queries = fence(NPV_TILE * 2 * plane_bytes, at_end);
    int32_t expected[NPV_TILE * MOST_DOTS];

    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < NPV_CODED_DIMENSIONS(dimensions); j++)
            put_nibble((uint8_t *)planes.data + i * plane_bytes, j, fill_nibble(how));
    for (size_t q = 0; q < NPV_TILE; q++) {
        fill_query(plain[q], dimensions, how == OPPOSED && q % 2 == 0 ? ALL_LOWEST : how, plane_bytes,
                   (int8_t *)queries.data + q * 2 * plane_bytes);
        for (size_t i = 0; i < count; i++) {
            int64_t sum = 0;
            for (size_t j = 0; j < dimensions; j++)
                sum += plain[q][j] * nibble_of((uint8_t *)planes.data + i * plane_bytes, j);
            expected[q * count + i] = (int32_t)sum;
            assert_true(sum == expected[q * count + i]);
        }
    }
    const npv_plane_rows rows = {.plane = planes.data, .plane_bytes = plane_bytes, .count = count};
    check_tables(queries.data, &rows, dimensions, expected, count);
    if (count > 0)
        check_lists(queries.data, &rows, dimensions, expected, at_end);
    unfence(planes);
    unfence(queries);
}

static void test_integer_dots_are_the_definition(void **state) {
    (void)state;
    for (size_t i = 0; dimensions_at(i) != 0; i++)
        check_dots(dimensions_at(i), i % 10, RANDOM, i / 10 % 2 == 0);
}

static void test_integer_dots_hold_the_largest_sums(void **state) {
    static const size_t dimensions[] = {64, 256, 1024, 1536, 2048, 4096, LARGEST};
    (void)state;
    for (size_t i = 0; i < sizeof dimensions / sizeof *dimensions; i++)
        for (filling how = RANDOM; how < FILLINGS; how++)
            check_dots(dimensions[i], 5, how, true);
}

/* ------------------------------------------------------------------------------------------------------- Bounds -- */

static float defined_bound(const npv_bound_terms *terms, float along, float step, float error, float length,
                           int32_t dot) {
    const volatile float by_along = terms->per_along * along;
    const volatile float by_size = terms->per_size * fabsf(along);
    const volatile float first = by_along + by_size;
    const volatile float by_dot = terms->per_dot * (float)dot;
    const volatile float per_step = by_dot + terms->per_step;
    const volatile float second = step * per_step;
    const volatile float by_error = terms->per_error * error;
    const volatile float by_length = terms->per_length * length;
    const volatile float third = by_error + by_length;
    const volatile float sum = first + second;
    const volatile float bound = sum + third;
    return isfinite(bound) ? bound : INFINITY;
}

static void check_bounds(const npv_bound_terms *terms, size_t count, const float *odd_values, size_t odd_count) {
    fenced columns[6]; /* along, step, error, length, dots, bounds */
    for (size_t i = 0; i < 6; i++)
        columns[i] = fence(count * sizeof(float), true);
    const npv_code_columns headers = {columns[0].data, columns[1].data, columns[2].data, columns[3].data};
    int32_t *dots = columns[4].data;
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < 4; j++) {
            const bool odd = random_int(0, 5) == 0 && odd_count > 0;
            ((float *)columns[j].data)[i] = odd ? odd_values[random_bits() % odd_count] : random_float();
        }
        dots[i] = random_int(-1000000000, 1000000000);
    }
    float expected_largest = -INFINITY;
    float expected[64];
    for (size_t i = 0; i < count; i++) {
        expected[i] =
            defined_bound(terms, headers.along[i], headers.step[i], headers.error[i], headers.length[i], dots[i]);
        expected_largest = fmaxf(expected_largest, expected[i]);
    }
    for (size_t i = 0; npv_kernels_runnable(i) != NULL; i++) {
        const npv_kernels *table = npv_kernels_runnable(i);
        const float largest = table->bound_rows(terms, &headers, dots, count, columns[5].data);
        assert_true(count == 0 || memcmp(columns[5].data, expected, count * sizeof(float)) == 0);
        assert_true(largest == expected_largest && !(largest == 0 && signbit(largest)));
    }
    for (size_t i = 0; i < 6; i++)
        unfence(columns[i]);
}

static void test_bounds_are_the_definition(void **state) {
    static const float odd[] = {0, -0.0F, INFINITY, -INFINITY, NAN, FLT_MAX, -FLT_MAX, FLT_MIN / 4, 1e30F};
    (void)state;
    for (size_t count = 0; count <= 40; count++) {
        npv_bound_terms terms = {random_float(), 1e-6F, 1e-9F, random_float(), random_float(), random_float()};
        check_bounds(&terms, count, NULL, 0);
        check_bounds(&terms, count, odd, sizeof odd / sizeof *odd);
        terms.per_error = 0; /* times an infinite error */
        check_bounds(&terms, count, odd, sizeof odd / sizeof *odd);
        terms = (npv_bound_terms){-0.0F, -0.0F, 0, -0.0F, -0.0F, -0.0F};
        check_bounds(&terms, count, odd, 2);
    }
}

/* ----------------------------------------------------------------------------------------------- Codes of rows -- */

/* One row, where it is coded to, and what it is coded to by the reference. */
typedef struct coding {
    size_t dimensions;
    float *x;
    float *direction;
    float along;
    fenced memory[4];
    uint8_t *high;
    uint8_t *low;
    npv_code_header header;
} coding;

static coding make_coding(size_t dimensions, bool at_end) {
    coding made = {.dimensions = dimensions};
    for (size_t i = 0; i < 4; i++)
        made.memory[i] = fence(i < 2 ? dimensions * sizeof(float) : NPV_PLANE_BYTES(dimensions), at_end);
    made.x = made.memory[0].data;
    made.direction = made.memory[1].data;
    made.high = made.memory[2].data;
    made.low = made.memory[3].data;
    double square = 0;
    for (size_t j = 0; j < dimensions; j++) {
        made.direction[j] = random_float();
        square += (double)made.direction[j] * (double)made.direction[j];
    }
    for (size_t j = 0; j < dimensions; j++)
        made.direction[j] = (float)((double)made.direction[j] / sqrt(square));
    return made;
}

static void free_coding(coding *made) {
    for (size_t i = 0; i < 4; i++)
        unfence(made->memory[i]);
}

/* t = v.x, as a float. */
static float along_of(const coding *made) {
    double along = 0;
    for (size_t j = 0; j < made->dimensions; j++)
        along += (double)made->direction[j] * (double)made->x[j];
    return (float)along;
}

/* Codes by every table, and finds all of them equal to the reference, to the last bit. */
static void encode(coding *made) {
    const size_t plane_bytes = NPV_PLANE_BYTES(made->dimensions);
    reference()->encode_row(made->direction, made->along, made->x, made->dimensions, made->high, made->low,
                            &made->header);
    uint8_t *const expected = malloc(2 * plane_bytes);
    assert_true(expected != NULL);
    memcpy(expected, made->high, plane_bytes);
    memcpy(expected + plane_bytes, made->low, plane_bytes);
    for (size_t i = 0; npv_kernels_runnable(i) != NULL; i++) {
        const npv_kernels *table = npv_kernels_runnable(i);
        npv_code_header header;
        memset(made->high, 0xEE, plane_bytes);
        memset(made->low, 0xEE, plane_bytes);
        table->encode_row(made->direction, made->along, made->x, made->dimensions, made->high, made->low, &header);
        if (memcmp(&header, &made->header, sizeof header) != 0 || memcmp(made->high, expected, plane_bytes) != 0 ||
            memcmp(made->low, expected + plane_bytes, plane_bytes) != 0)
            fail_msg("%s codes a row of %zu dimensions otherwise than scalar", table->name, made->dimensions);
    }
    free(expected);
}

/* The lengths that a header bounds, in more precision than it was computed in. */
typedef struct true_lengths {
    long double whole, largest, coded4, coded8, error4, error8, along;
} true_lengths;

static true_lengths measure(const coding *made) {
    long double whole = 0;
    long double largest = 0;
    long double coded4 = 0;
    long double coded8 = 0;
    long double error4 = 0;
    long double error8 = 0;
    const long double step = (long double)made->header.step;
    for (size_t j = 0; j < made->dimensions; j++) {
        const long double p = (long double)made->x[j] - (long double)made->along * (long double)made->direction[j];
        const long double value4 = step * ((long double)(16 * nibble_of(made->high, j)) + 7.5L - 128);
        const long double value8 = step * (long double)(16 * nibble_of(made->high, j) + nibble_of(made->low, j) - 128);
        whole += p * p;
        largest = fmaxl(largest, fabsl(p));
        coded4 += value4 * value4;
        coded8 += value8 * value8;
        error4 += (p - value4) * (p - value4);
        error8 += (p - value8) * (p - value8);
    }
    return (true_lengths){.whole = sqrtl(whole),
                          .largest = largest,
                          .coded4 = sqrtl(coded4),
                          .coded8 = sqrtl(coded8),
                          .error4 = sqrtl(error4),
                          .error8 = sqrtl(error8),
                          .along = fabsl((long double)made->along)};
}

static void check_bounded(const char *what, size_t dimensions, long double truth, float bound, long double most) {
    if (!(truth <= (long double)bound) || !((long double)bound <= most))
        fail_msg("%s in %zu dimensions is %.9Lg, bounded by %.9g, which may be at most %.9Lg", what, dimensions, truth,
                 (double)bound, most);
}

/* Codes the row; then the header bounds what it says, and not by much more than needed. */
static void check_coding(coding *made) {
    encode(made);
    const true_lengths lengths = measure(made);
    const npv_code_header *header = &made->header;
    const long double margin = 1.0L + 0x1p-11L;
    const long double rounding = 0x1p-20L * (lengths.whole + lengths.along);
    assert_true(header->along == made->along);
    assert_true(fabsl((long double)header->step * 127 - lengths.largest) <= 1e-6L * lengths.largest + rounding);
    for (size_t j = 0; j < NPV_CODED_DIMENSIONS(made->dimensions); j++) {
        const int code = 16 * nibble_of(made->high, j) + nibble_of(made->low, j);
        assert_true(j < made->dimensions ? code >= 1 && code <= 255 : code == 128);
    }
    check_bounded("error4", made->dimensions, lengths.error4, header->error4, lengths.error4 * margin + rounding);
    check_bounded("error8", made->dimensions, lengths.error8, header->error8, lengths.error8 * margin + rounding);
    check_bounded("length", made->dimensions, fmaxl(lengths.whole, fmaxl(lengths.coded4, lengths.coded8)),
                  header->length, (lengths.whole + fmaxl(lengths.error4, lengths.error8)) * margin + 3 * rounding);
    /* Half a step in each dimension: the step is no larger than it must be, and codes are the nearest. */
    assert_true((double)header->error8 <=
                0.501 * (double)header->step * sqrt((double)made->dimensions) + (double)(rounding * 2));
}

static void fill_row(coding *made, float scale) {
    for (size_t j = 0; j < made->dimensions; j++)
        made->x[j] = random_float() * scale;
    made->along = along_of(made);
}

static void test_headers_bound_the_errors_of_codes(void **state) {
    static const float scales[] = {1, 1e-30F, 1e18F, 1e-15F};
    (void)state;
    for (size_t i = 0; dimensions_at(i) != 0; i++) {
        coding made = make_coding(dimensions_at(i), i % 2 == 0);
        fill_row(&made, scales[i % 4]);
        check_coding(&made);
        made.along = random_float() * scales[i % 4]; /* any t will do */
        check_coding(&made);
        made.x[random_bits() % made.dimensions] *= 1000;
        made.along = along_of(&made);
        check_coding(&made);
        free_coding(&made);
    }
}

/* Rows along the direction, where p is nothing but what rounding left, and rows close to them. */
static void test_headers_bound_the_errors_of_rows_along_the_direction(void **state) {
    (void)state;
    for (size_t i = 0; dimensions_at(i) != 0; i++) {
        coding made = make_coding(dimensions_at(i), i % 2 == 0);
        for (int near = 0; near < 3; near++) {
            made.along = 3 + random_float() * 0.1F;
            for (size_t j = 0; j < made.dimensions; j++)
                made.x[j] = made.along * made.direction[j] * (near == 2 ? 1 + 1e-6F * random_float() : 1);
            if (near == 1)
                made.along = nextafterf(made.along, 4);
            encode(&made);
            const true_lengths lengths = measure(&made);
            assert_true(lengths.error4 <= (long double)made.header.error4);
            assert_true(lengths.error8 <= (long double)made.header.error8);
            assert_true(lengths.whole <= (long double)made.header.length);
            assert_true((double)made.header.error8 <= 1e-6 * (double)made.along);
        }
        free_coding(&made);
    }
}

/* In each lane half of the squares is large, and the others are lost in the rounding of its sum. */
static void test_headers_bound_errors_that_float32_sums_lose(void **state) {
    (void)state;
    coding made = make_coding(LARGEST, true);
    memset(made.direction, 0, LARGEST * sizeof(float));
    for (int sign = -1; sign <= 1; sign += 2)
        for (size_t j = 0; j < LARGEST; j++)
            made.x[j] = j == 0 ? 127 : j < LARGEST / 4 ? 0.499F : 0.004F * (float)sign;
    made.along = 0;
    check_coding(&made);
    for (size_t j = 1; j < LARGEST; j++) /* and for the high nibbles, which stand for 7.5 and -8.5 around zero */
        made.x[j] = j < LARGEST / 4 ? -0.499F : 7.46F;
    check_coding(&made);
    free_coding(&made);
}

static void test_codes_round_halves_to_even(void **state) {
    (void)state;
    coding made = make_coding(200, true);
    memset(made.direction, 0, 200 * sizeof(float));
    made.along = 0;
    for (int j = 0; j < 200; j++)
        made.x[j] = j == 0 ? 127 : (float)j / 2 - 50; /* a step is 1 */
    check_coding(&made);
    for (int j = 1; j < 200; j++) {
        const int below = j / 2 - 50;
        const int expected = j % 2 == 0 ? below : below % 2 == 0 ? below : below + 1;
        const size_t at = (size_t)j;
        assert_int_equal(16 * nibble_of(made.high, at) + nibble_of(made.low, at), expected + 128);
    }
    free_coding(&made);
}

static void test_codes_of_nothing(void **state) {
    (void)state;
    for (size_t dimensions = 1; dimensions < 140; dimensions += 23) {
        coding made = make_coding(dimensions, true);
        memset(made.x, 0, dimensions * sizeof(float));
        made.along = 0;
        check_coding(&made);
        assert_true(made.header.error4 == 0 && made.header.error8 == 0 && made.header.length == 0);

        made.along = NPV_LEAST_CODED; /* and with all of p too small for a step */
        for (size_t j = 0; j < dimensions; j++) {
            made.direction[j] = 0;
            made.x[j] = NPV_LEAST_CODED * (j % 2 == 0 ? 0.9F : -0.9F);
        }
        encode(&made);
        assert_true(made.header.step == 0 && made.header.along == made.along && isfinite(made.header.error8));
        assert_true(measure(&made).whole <= (long double)made.header.error8);
        assert_true(measure(&made).whole <= (long double)made.header.error4);
        assert_true(measure(&made).whole <= (long double)made.header.length);
        free_coding(&made);
    }
}

/* The row cannot be coded: its bound is infinite whatever the terms are. */
static void check_unbounded(coding *made) {
    const npv_bound_terms terms[] = {{1, 1e-6F, 1, 1, 1, 1}, {-1, 0, -1, -1, 0, 0}, {0, 0, 0, 0, 0, 0}};
    const npv_code_header *header = &made->header;
    const npv_code_columns columns[] = {{&header->along, &header->step, &header->error4, &header->length},
                                        {&header->along, &header->step, &header->error8, &header->length}};
    const int32_t dot = 77;
    float bound;
    encode(made);
    for (size_t i = 0; i < 6; i++)
        assert_true(reference()->bound_rows(&terms[i / 2], &columns[i % 2], &dot, 1, &bound) == INFINITY);
    assert_true(header->along == 0 && header->step == 0 && header->length == 0);
    for (size_t j = 0; j < made->dimensions; j++)
        assert_true(16 * nibble_of(made->high, j) + nibble_of(made->low, j) == 128);
}

static void test_rows_that_cannot_be_coded_are_unbounded(void **state) {
    static const float odd[] = {NAN, INFINITY, -INFINITY, 1e31F, FLT_MAX, -FLT_MAX};
    (void)state;
    for (size_t dimensions = 1; dimensions < 140; dimensions += 9)
        for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
            coding made = make_coding(dimensions, true);
            for (int rest = 0; rest < 3; rest++) { /* beside zeros, ordinary numbers and tiny ones */
                fill_row(&made, rest == 0 ? 0 : rest == 1 ? 1 : FLT_MIN);
                made.x[random_bits() % dimensions] = odd[i];
                check_unbounded(&made);
                fill_row(&made, rest == 0 ? 0 : rest == 1 ? 1 : FLT_MIN);
                made.along = odd[i];
                check_unbounded(&made);
            }
            fill_row(&made, FLT_MIN * 4);
            check_unbounded(&made);
            free_coding(&made);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_environment_keeps_one_table),
        cmocka_unit_test(test_tables_are_complete_and_chosen_from_the_best),
        cmocka_unit_test(test_scores_are_the_definition),
        cmocka_unit_test(test_rows_are_measured_and_scaled_as_defined),
        cmocka_unit_test(test_queries_are_rounded_as_defined),
        cmocka_unit_test(test_halves_of_queries_round_to_even),
        cmocka_unit_test(test_what_is_hardly_there_is_not_rounded),
        cmocka_unit_test(test_integer_dots_are_the_definition),
        cmocka_unit_test(test_integer_dots_hold_the_largest_sums),
        cmocka_unit_test(test_bounds_are_the_definition),
        cmocka_unit_test(test_headers_bound_the_errors_of_codes),
        cmocka_unit_test(test_headers_bound_the_errors_of_rows_along_the_direction),
        cmocka_unit_test(test_headers_bound_errors_that_float32_sums_lose),
        cmocka_unit_test(test_codes_round_halves_to_even),
        cmocka_unit_test(test_codes_of_nothing),
        cmocka_unit_test(test_rows_that_cannot_be_coded_are_unbounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
