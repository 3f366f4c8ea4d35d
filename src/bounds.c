#include "bounds.h"

#include <float.h>
#include <math.h>
#include <string.h>

/*
 * Slack for roundings. u = 2^-24 is that of float32; sixteen of it cover the at most nine roundings that any term goes
 * through in npv_bound_rows and in the coordinate `along`. What is left is float64's: below 2^-34 of |q||x| at 65,536
 * dimensions.
 */
#define FLOAT_SLACK 0x1p-20
#define DOUBLE_SLACK 0x1p-30

/* For conversions of bounds between metrics, in float64, then rounded to float32: twice what they cost. */
#define CONVERSION_SLACK 0x1p-22f

/* For squares of lengths and distances, sums of at most 65,536 positive float64 terms. */
#define SQUARE_SLACK 0x1p-36

/* High nibbles stand for 16 * high + MIDDLE - 128, both for 16 * high + low - 128. */
#define MIDDLE 7.5

/* The least float32 that is not below x. */
static float at_least(double x) {
    const float rounded = (float)x;
    return (double)rounded < x ? nextafterf(rounded, HUGE_VALF) : rounded;
}

/* |q|^2, in four lanes; the padding is zeros. */
static double square_of(const double *query, size_t dimensions) {
    double squares[4] = {0};
    for (size_t first = 0; first < dimensions; first += 4)
        for (size_t i = 0; i < 4; i++)
            squares[i] += query[first + i] * query[first + i];
    return (squares[0] + squares[2]) + (squares[1] + squares[3]);
}

/*
 * The terms for codes that stand for step * (weight * nibbles + offset), the nibbles' weighted sum reaching `most` for
 * a query of all ones.
 */
static npv_bound_terms make_terms(const npv_rounded_query *rounded, double query_length, double along,
                                  double direction_length, double weight, double offset, double most) {
    const double from_offset = rounded->step * offset * rounded->sum;
    const double largest_sum = rounded->step * most * rounded->magnitude;
    return (npv_bound_terms){
        .per_along = (float)along,
        .per_size = at_least(query_length * direction_length * FLOAT_SLACK),
        .per_dot = (float)(rounded->step * weight),
        .per_step = (float)(from_offset + (largest_sum + fabs(from_offset)) * FLOAT_SLACK),
        .per_error = at_least(rounded->length * (1 + FLOAT_SLACK) + query_length * DOUBLE_SLACK),
        .per_length = at_least(rounded->error * (1 + FLOAT_SLACK) + query_length * DOUBLE_SLACK),
    };
}

void npv_bounder_prepare(const npv_request *request, const npv_codes *codes, const double *query,
                         npv_bounder *bounder) {
    const size_t dimensions = request->dimensions;
    const double square = square_of(query, dimensions);
    int exponent = 0;
    double product;
    frexp(sqrt(square), &exponent);
    request->kernels->dot(query, codes->direction, dimensions, 1, &product);
    bounder->query_square = square;
    bounder->scale = ldexp(1, -exponent);
    const double along = product * bounder->scale;
    const double b = codes->direction_square > 0 ? along / codes->direction_square : 0;
    const double query_length = sqrt(square) * bounder->scale;
    const double direction_length = sqrt(codes->direction_square);
    const npv_query_part beside = {query, codes->wide_direction, bounder->scale, b};
    const npv_rounded_query rounded = request->kernels->round_query(&beside, dimensions, bounder->coarse);
    bounder->step = rounded.step;
    bounder->sum = rounded.sum;
    bounder->length = rounded.length;
    bounder->terms4 = make_terms(&rounded, query_length, along, direction_length, 16, MIDDLE - 128, 16 * 15);
    bounder->terms8 = make_terms(&rounded, query_length, along, direction_length, 1, -128, 255);
}

/* Bounds of dot products become bounds of cosines: each is divided by the row's length. */
static float divide_bounds(const double *lengths, size_t count, float *bounds) {
    float largest = -HUGE_VALF;
    for (size_t i = 0; i < count; i++) {
        const float bound = (float)((double)bounds[i] / lengths[i]);
        bounds[i] = bound + fabsf(bound) * CONVERSION_SLACK;
        if (!(bounds[i] > -HUGE_VALF)) /* too small for float32, or 0 / 0: such a row is always looked at */
            bounds[i] = HUGE_VALF;
        largest = bounds[i] > largest ? bounds[i] : largest;
    }
    return largest;
}

/* And of q.x - |x|^2 / 2, which falls as the distance grows: |q - x|^2 = |q|^2 - 2 (q.x - |x|^2 / 2). */
static float subtract_half_squares(const double *lengths, double scale, size_t count, float *bounds) {
    float largest = -HUGE_VALF;
    for (size_t i = 0; i < count; i++) {
        const double half_square = lengths[i] * lengths[i] * (0.5 * (1 - SQUARE_SLACK)) * scale;
        const float bound = (float)((double)bounds[i] - half_square);
        bounds[i] = bound + fabsf(bound) * CONVERSION_SLACK;
        if (!(bounds[i] > -HUGE_VALF))
            bounds[i] = HUGE_VALF;
        largest = bounds[i] > largest ? bounds[i] : largest;
    }
    return largest;
}

npv_headers npv_headers_from(const npv_request *request, const npv_codes *codes, int bits, uint64_t first) {
    const npv_code_block *block = npv_codes_block(codes, first);
    const size_t i = first % NPV_BLOCK_ROWS;
    return (npv_headers){
        .columns = {block->along + i, block->step + i, (bits == 4 ? block->error4 : block->error8) + i,
                    block->length + i},
        .lengths = request->lengths == NULL ? NULL : request->lengths + first,
    };
}

float npv_bound_keys(const npv_request *request, const npv_bounder *bounder, int bits, const npv_headers *headers,
                     size_t count, const int32_t *dots, float *bounds) {
    const npv_bound_terms *terms = bits == 4 ? &bounder->terms4 : &bounder->terms8;
    const float largest = request->kernels->bound_rows(terms, &headers->columns, dots, count, bounds);
    if (request->metric == NPV_EUCLIDEAN)
        return subtract_half_squares(headers->lengths, bounder->scale, count, bounds);
    if (request->divide)
        return divide_bounds(headers->lengths, count, bounds);
    return largest;
}

/* At least the next float32 above. As good as at_least where a float32 more does no harm, and without its branch. */
static float raised(float x) {
    return x + (fabsf(x) * FLT_EPSILON + FLT_TRUE_MIN);
}

void npv_sharpen_bounds(const npv_request *request, const npv_bounder *bounder, const npv_codes *codes,
                        const int32_t *low_dots, size_t count, const npv_bounded_row *rows) {
    for (size_t i = 0; i < count; i++) {
        const uint64_t row = rows[i].row;
        const npv_code_header header = npv_codes_header(codes, row);
        const double nearer = (double)header.step * bounder->step * (low_dots[i] - MIDDLE * bounder->sum);
        const double change = nearer - bounder->length * ((double)header.error4 - (double)header.error8);
        const double bound = *rows[i].bound + (request->divide ? change / request->lengths[row] : change);
        *rows[i].bound = bound < HUGE_VAL ? raised((float)bound) : HUGE_VALF; /* also infinite less infinite */
    }
}

static double bound_of_key(const npv_request *request, const npv_bounder *bounder, double key) {
    if (request->metric != NPV_EUCLIDEAN)
        return key * bounder->scale;
    return (bounder->query_square * (1 - SQUARE_SLACK) - key * key * (1 + SQUARE_SLACK)) * (0.5 * bounder->scale);
}

float npv_bound_of_key(const npv_request *request, const npv_bounder *bounder, double key) {
    const float least = at_least(bound_of_key(request, bounder, key));
    return least > -FLT_MAX ? least : -FLT_MAX;
}

/* The bits of floats, as integers, are in order among those of one sign: negative ones backwards, behind all others. */
#define MINUS_ZERO 0x80000000U
#define ABOVE_INFINITY 0x7F800001U

uint64_t npv_bounds_from(const npv_kernels *kernels, const float bounds[NPV_BLOCK_ROWS], float least) {
    uint32_t bits = MINUS_ZERO;
    uint64_t rows = UINT64_MAX;
    if (least != 0)
        memcpy(&bits, &least, sizeof bits);
    const npv_code_range range = bits < MINUS_ZERO ? (npv_code_range){bits, ABOVE_INFINITY, 0, 0}
                                                   : (npv_code_range){0, bits + 1, ABOVE_INFINITY, MINUS_ZERO};
    kernels->rows_in_range(&range, bounds, NPV_BLOCK_ROWS, &rows);
    return rows;
}
