/*
 * Which way a search takes: the plain scan, or a cascade that begins with 4 or with 8 bits. All give the same answer;
 * the choice is by the bytes that earlier searches of the same kind had to read.
 */
#ifndef NPV_PLAN_H
#define NPV_PLAN_H

#include "cascade.h"
#include "scan.h"

typedef enum npv_plan { NPV_PLAN_SCAN = 0, NPV_PLAN_CASCADE4 = 4, NPV_PLAN_CASCADE8 = 8 } npv_plan;

/* Searches of one kind: one metric, and k within a factor of four. */
#define NPV_KINDS_OF_K 16

typedef struct npv_kind {
    double survivors; /* share of the rows that survive 4 bits: moving average */
    double scored;    /* share that is read as float32 */
    uint32_t searches;
} npv_kind;

typedef struct npv_experience {
    npv_kind kinds[3][NPV_KINDS_OF_K];
} npv_experience;

/* Would codes help a search like this at all? */
bool npv_plan_wants_codes(const npv_request *request);

npv_plan npv_plan_choose(npv_experience *experience, const npv_request *request);

/* What a cascade cost, summed over the queries of the request. */
void npv_plan_learn(npv_experience *experience, const npv_request *request, npv_plan plan,
                    const npv_cascade_cost *cost);

#endif
