#include "plan.h"

/* Vectors that a core scans in a few microseconds: bounding them first would not be faster. */
#define LEAST_BYTES ((uint64_t)64 << 10)

/* When more than this share of the rows is asked for, most have to be scored anyway. */
#define LARGEST_SHARE_OF_K 0.125

/* What reading all of the codes' high nibbles costs, in plain scans. */
#define COST4 0.125

/*
 * A row that is picked out costs this many times what it costs in a stream, to each of the threads that would share the
 * scan if the query is alone; the low nibbles of a code, which are short.
 */
#define PICKED_OUT 2.0
#define PICKED_OUT_CODE 4.0

/*
 * Every so many-th search tries 4 bits again, and the next one 8 bits if it would only scan: data and queries change.
 */
#define RETRY 64

/* Weight of the newest search in the moving averages. */
#define NEWEST 0.25

bool npv_plan_wants_codes(const npv_request *request) {
    return request->eligible_count * request->dimensions * sizeof(float) >= LEAST_BYTES &&
           (double)request->k <= LARGEST_SHARE_OF_K * (double)request->eligible_count;
}

static npv_kind *kind_of(npv_experience *experience, const npv_request *request) {
    size_t kind = 0;
    for (size_t k = request->k; k > 1 && kind + 1 < NPV_KINDS_OF_K; k /= 4)
        kind++;
    return &experience->kinds[request->metric][kind];
}

npv_plan npv_plan_choose(npv_experience *experience, const npv_request *request) {
    npv_kind *kind = kind_of(experience, request);
    const uint32_t turn = kind->searches++ % RETRY;
    if (turn == 0)
        return NPV_PLAN_CASCADE4;
    const double rest = kind->scored * PICKED_OUT * (request->query_count == 1 ? request->threads : 1);
    const double cost4 = COST4 + kind->survivors * COST4 * PICKED_OUT_CODE + rest;
    const double cost8 = 2 * COST4 + rest;
    if (cost4 >= 1 && cost8 >= 1)
        return turn == 1 ? NPV_PLAN_CASCADE8 : NPV_PLAN_SCAN;
    return cost4 <= cost8 ? NPV_PLAN_CASCADE4 : NPV_PLAN_CASCADE8;
}

static void average(double *mean, double newest) {
    *mean += NEWEST * (newest - *mean);
}

void npv_plan_learn(npv_experience *experience, const npv_request *request, npv_plan plan,
                    const npv_cascade_cost *cost) {
    npv_kind *kind = kind_of(experience, request);
    const double rows = (double)request->eligible_count * (double)request->query_count;
    if (plan == NPV_PLAN_CASCADE4)
        average(&kind->survivors, (double)cost->survivors / rows);
    if (plan == NPV_PLAN_CASCADE8 || cost->given_up == 0) /* what 4 bits leave undecided, 8 may well rule out */
        average(&kind->scored, (double)cost->rows32 / rows);
}
