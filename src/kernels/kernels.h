/*
 * The arithmetic, once for each kind of processor.
 *
 * Every implementation of a function returns the same bits for the same input. The scalar one is the reference; the
 * others are instantiations of the templates. The table is chosen once, when it is first asked for, from what the
 * processor can do.
 */
#ifndef NPV_KERNELS_H
#define NPV_KERNELS_H

#include <stddef.h>
#include <stdint.h>

/*
 * Sums run in this many float64 lanes: product j goes to lane j mod 16, and the lanes are added pairwise, lane i +=
 * lane i + 8, then + 4, + 2, + 1. Sixteen fill the four accumulators that hide the latency of AVX2's multiply-add.
 */
#define NPV_LANES 16

/* Queries are widened to float64 and padded with zeros to this many elements. */
#define NPV_PADDED(dimensions) (((dimensions) + NPV_LANES - 1) / NPV_LANES * NPV_LANES)

/*
 * Scores `count` rows of `dimensions` floats, one after the other without gaps, against one query of
 * NPV_PADDED(dimensions) doubles that are float32 values (zeros behind `dimensions`). No alignment is needed beyond
 * that of the types. Reads nothing outside the rows.
 */
typedef void npv_score_rows(const double *query, const float *rows, size_t dimensions, size_t count, double *scores);

/* The square of a row's length: the bits of its score against itself. */
typedef double npv_square_row(const float *x, size_t dimensions);

/* unit[j] = x[j] / length, divided in float64 and rounded to float32. `unit` may be x. */
typedef void npv_scale_row(const float *x, size_t dimensions, double length, float *unit);

/*
 * Codes: a coarse copy of a row, from which upper bounds of its scores are computed (cascade.c).
 *
 * A row x is split along a fixed direction v: x = t v + p. Dimension j of p is coded as one byte, code = round(p[j] /
 * step) + 128, 1 to 255, with step = max|p[j]| / 127. The bytes are cut into two planes of nibbles, so that a scan may
 * read the high nibbles alone: they stand for step * (16 * high + 7.5 - 128), both together for step * (code - 128).
 *
 * A plane of a row takes NPV_PLANE_BYTES bytes. In each chunk of 64 dimensions and 32 bytes, byte i holds the nibble of
 * dimension i in its low half and that of dimension i + 32 in its high half. Dimensions that only fill up the last
 * chunk are coded as 128. Rows follow each other without gaps. No alignment is needed; scans are fastest from 64 bytes.
 */
#define NPV_CODED_DIMENSIONS(dimensions) (((dimensions) + 63) / 64 * 64)
#define NPV_PLANE_BYTES(dimensions) (NPV_CODED_DIMENSIONS(dimensions) / 2)

/* What else is kept of a coded row; |.| is the Euclidean length. */
typedef struct npv_code_header {
    float along;  /* t */
    float step;   /* 0 if the codes stand for nothing: all are 128 */
    float error4; /* at least |p - what the high nibbles stand for| */
    float error8; /* at least |p - what the codes stand for| */
    float length; /* at least |p| and the lengths of both things that stand for it */
} npv_code_header;

/*
 * Codes one row, given v and t. The errors hold for p = x - t v whatever t is, and whatever v is, as long as |v| <= 2.
 *
 * Where max|p[j]| is below NPV_LEAST_CODED, the step is 0. Where it, or |t|, is above NPV_MOST_CODED or not finite, or
 * where neither is zero and both are below NPV_LEAST_CODED, float32 cannot hold a useful bound: then the header has
 * infinite errors and zeros, which makes every bound infinite, and the codes are 128.
 */
#define NPV_LEAST_CODED 0x1p-110F
#define NPV_MOST_CODED 0x1p+100F
typedef void npv_encode_row(const float *direction, float along, const float *x, size_t dimensions, uint8_t *high,
                            uint8_t *low, npv_code_header *header);

/*
 * A query as integers: one of -127..127 for every coded dimension (zeros behind the last), dimension j at
 * npv_code_position(j, plane_bytes): first those of the low halves of all bytes of a plane, then those of the high
 * halves. 2 x plane_bytes of them.
 */
static inline size_t npv_code_position(size_t dimension, size_t plane_bytes) {
    return dimension / 64 * 32 + dimension % 32 + (dimension % 64 < 32 ? 0 : plane_bytes);
}

/* What of a query is coded: g = scale * query - along * direction. `scale` is a power of two. */
typedef struct npv_query_part {
    const double *query; /* both NPV_PADDED(dimensions), zeros behind the last */
    const double *direction;
    double scale;
    double along;
} npv_query_part;

typedef struct npv_rounded_query {
    double step;      /* of one integer */
    double length;    /* |g| */
    double error;     /* |g - step * integers| */
    double sum;       /* of the integers */
    double magnitude; /* sum of their absolute values */
} npv_rounded_query;

/*
 * Rounds g to integers, halves to the even neighbour, with step = max|g[j]| / 127; all are 0 where the largest is below
 * NPV_LEAST_ROUNDED. In float64 and never fused: dimension j goes to lane j mod 8 of a sum, and the lanes are added
 * pairwise, lane i += lane i + 4, then + 2, then + 1. 2 x NPV_PLANE_BYTES(dimensions) integers.
 */
#define NPV_LEAST_ROUNDED 0x1p-60
typedef npv_rounded_query npv_round_query(const npv_query_part *part, size_t dimensions, int8_t *integers);

/* Rows of a plane: neighbours, or listed ones. */
typedef struct npv_plane_rows {
    const uint8_t *plane;
    size_t plane_bytes;
    const uint64_t *listed; /* their numbers; NULL: from the plane's first on */
    size_t count;
    size_t behind; /* rows that follow in the list, which will be wanted next */
} npv_plane_rows;

/*
 * dots[i] = sum of query[j] * nibble of dimension j of row i. At most 127 * 15 * 65,536 < 2^31. Memory behind neighbours
 * is asked for, and what is next in a list.
 */
#define NPV_SHORT_PLANE_BYTES 256 /* of rows so short that kernels take several neighbours together for one query too */
typedef void npv_dot_nibbles(const int8_t *query, const npv_plane_rows *rows, int32_t *dots);

/*
 * The same for NPV_TILE queries, one behind the other, at once: dots[query * count + i]. One load of codes serves all
 * of them. Four: AVX2 did 159 billion products a second, with six 151, with eight 143; AVX-512, which takes four rows
 * at once, 400, with six queries and two rows 361, with eight and two 230, for want of registers.
 */
#define NPV_TILE 4
typedef npv_dot_nibbles npv_dot_nibbles_tile;

/*
 * Upper bounds from integer dots: bounds[i] = ((per_along * along[i] + per_size * |along[i]|) + step[i] * (per_dot *
 * dots[i] + per_step)) + (per_error * error[i] + per_length * length[i]), in float32, in that order, never fused, so
 * that every processor finds the same. What does not come out finite (a header's infinite error, even times zero; an
 * overflow) becomes +infinity: no bound is NaN or -infinity. Returns the largest bound; -infinity for no rows.
 */
typedef struct npv_bound_terms {
    float per_along;
    float per_size;
    float per_dot;
    float per_step;
    float per_error;
    float per_length;
} npv_bound_terms;

/* The headers of coded rows, as separate arrays. */
typedef struct npv_code_columns {
    const float *along;
    const float *step;
    const float *error;
    const float *length;
} npv_code_columns;

typedef float npv_bound_rows(const npv_bound_terms *terms, const npv_code_columns *columns, const int32_t *dots,
                             size_t count, float *bounds);

/*
 * Which rows have a value that lies in a range, where values are numbers (the codes of a column, column.h): those with
 * first <= code < end, but for hole_first <= code < hole_end; first <= end, hole_first <= hole_end.
 *
 * Bit i % 64 of bits[i / 64] stands for row i of `count`. The bits of rows that are not in the range are cleared, and
 * those behind the last row, up to the end of its word. Words that are zero already cost next to nothing.
 *
 * Codes are uint32, unaligned; or the bits of floats, which the cascade puts into ranges too (bounds.h).
 */
typedef struct npv_code_range {
    uint32_t first;
    uint32_t end;
    uint32_t hole_first;
    uint32_t hole_end;
} npv_code_range;

typedef void npv_rows_in_range(const npv_code_range *range, const void *codes, size_t count, uint64_t *bits);

typedef struct npv_kernels {
    const char *name;
    npv_score_rows *dot;              /* sum of query[j] * row[j] */
    npv_score_rows *squared_distance; /* sum of (query[j] - row[j])^2 */
    npv_square_row *square_row;
    npv_scale_row *scale_row;
    npv_encode_row *encode_row;
    npv_round_query *round_query;
    npv_dot_nibbles *dot_nibbles;
    npv_dot_nibbles_tile *dot_nibbles_tile;
    npv_bound_rows *bound_rows;
    npv_rows_in_range *rows_in_range;
} npv_kernels;

/* The best table that this processor can run. */
const npv_kernels *npv_kernels_chosen(void);

/* The tables that this processor can run, best first, for tests; NULL behind the last one. */
const npv_kernels *npv_kernels_runnable(size_t i);

#endif
