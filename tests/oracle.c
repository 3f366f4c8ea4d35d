#include "oracle.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

uint64_t oracle_next(oracle_random *random) {
    random->state = random->state * 6364136223846793005u + 1442695040888963407u;
    uint64_t mixed = random->state;
    mixed ^= mixed >> 33;
    mixed *= 0xff51afd7ed558ccdu;
    return mixed ^ mixed >> 33;
}

float oracle_normal(oracle_random *random) {
    double sum = -6;
    for (int i = 0; i < 12; i++)
        sum += (double)(oracle_next(random) >> 11) / 9007199254740992.0;
    return (float)sum;
}

float *oracle_vectors(oracle_random *random, size_t rows, size_t dimensions) {
    float *vectors = malloc((rows * dimensions + 1) * sizeof *vectors);
    assert_non_null(vectors);
    for (size_t i = 0; i < rows * dimensions; i++)
        vectors[i] = oracle_normal(random);
    return vectors;
}

/* volatile: neither fused nor kept wider than the definition says. */
static double add(double a, double b) {
    volatile double sum = a + b;
    return sum;
}

static double in_lanes(const float *a, const float *b, size_t dimensions, bool squared_difference) {
    double lane[16] = {0};
    for (size_t j = 0; j < dimensions; j++) {
        const double difference = (double)a[j] - (double)b[j];
        volatile double term = squared_difference ? difference * difference : (double)a[j] * (double)b[j];
        lane[j % 16] = add(lane[j % 16], term);
    }
    for (size_t half = 8; half >= 1; half /= 2)
        for (size_t i = 0; i < half; i++)
            lane[i] = add(lane[i], lane[i + half]);
    return lane[0];
}

double oracle_score(const float *query, const float *row, size_t dimensions, npv_metric metric, bool normalize) {
    float *prepared = malloc(dimensions * sizeof *prepared);
    assert_non_null(prepared);
    memcpy(prepared, query, dimensions * sizeof *prepared);
    if (normalize || metric == NPV_COSINE) {
        const double length = sqrt(in_lanes(query, query, dimensions, false));
        for (size_t j = 0; j < dimensions; j++)
            prepared[j] = (float)((double)query[j] / length);
    }
    double score;
    if (metric == NPV_EUCLIDEAN)
        score = sqrt(in_lanes(prepared, row, dimensions, true));
    else
        score = in_lanes(prepared, row, dimensions, false);
    if (metric == NPV_COSINE && !normalize)
        score /= sqrt(in_lanes(row, row, dimensions, false));
    free(prepared);
    return score;
}

static npv_metric sorted_metric;

static int compare(const void *a, const void *b) {
    const npv_hit *first = a;
    const npv_hit *second = b;
    if (first->score != second->score) {
        const bool higher = first->score > second->score;
        return higher == (sorted_metric != NPV_EUCLIDEAN) ? -1 : 1;
    }
    return first->row < second->row ? -1 : 1;
}

static bool eligible(const npv_search_options *options, uint64_t row, double score) {
    if (options->metric == NPV_EUCLIDEAN ? score > options->max_distance : score < options->min_score)
        return false;
    if (options->within_rows == NULL)
        return true;
    for (size_t i = 0; i < options->within_count; i++)
        if (options->within_rows[i] == row)
            return true;
    return false;
}

static void check_query(const npv_info *info, const float *vectors, const float *query,
                        const npv_search_options *options, const bool *among, const npv_hit *hits, size_t count) {
    npv_hit *expected = malloc(((size_t)info->row_end + 1) * sizeof *expected);
    assert_non_null(expected);
    size_t eligible_count = 0;
    for (uint64_t row = 0; row < info->row_end; row++) {
        if (among != NULL && !among[row])
            continue;
        const double score = oracle_score(query, vectors + row * info->dimensions, info->dimensions, options->metric,
                                          info->normalize != 0);
        if (eligible(options, row, score))
            expected[eligible_count++] = (npv_hit){row, score};
    }
    sorted_metric = options->metric;
    qsort(expected, eligible_count, sizeof *expected, compare);
    assert_int_equal(count, eligible_count < options->k ? eligible_count : options->k);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(hits[i].row, expected[i].row);
        assert_memory_equal(&hits[i].score, &expected[i].score, sizeof(double));
    }
    free(expected);
}

void oracle_check(npv_store *store, const float *queries, size_t query_count, const npv_search_options *options) {
    oracle_check_among(store, queries, query_count, options, NULL);
}

void oracle_check_among(npv_store *store, const float *queries, size_t query_count, const npv_search_options *options,
                        const bool *among) {
    npv_info info = {.size = sizeof info};
    npv_hits hits;
    npv_error error = {0};
    assert_int_equal(npv_get_info(store, &info, &error), NPV_OK);
    if (npv_search(store, queries, query_count, options, &hits, &error) != NPV_OK)
        fail_msg("%s", error.message);
    assert_int_equal(hits.query_count, query_count);
    for (size_t i = 0; i < query_count; i++)
        check_query(&info, npv_vectors(store), queries + i * info.dimensions, options, among, hits.hit + hits.starts[i],
                    hits.starts[i + 1] - hits.starts[i]);
    npv_hits_free(&hits);
}
