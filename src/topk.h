/*
 * The best k rows under the total order: higher key first, then lower row.
 *
 * A key is a score turned so that higher is better (minus the distance). The rows are kept as a heap with the worst of
 * them on top, so that most offers end after one comparison. O(log k) for a row that is taken.
 */
#ifndef NPV_TOPK_H
#define NPV_TOPK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct npv_candidate {
    double key;
    uint64_t row;
} npv_candidate;

typedef struct npv_topk {
    npv_candidate *heap; /* room for k; the worst one first */
    size_t count;
    size_t k;
} npv_topk;

static inline bool npv_better(npv_candidate a, npv_candidate b) {
    return a.key > b.key || (a.key == b.key && a.row < b.row);
}

static inline void npv_topk_sift_up(npv_topk *top, size_t i) {
    const npv_candidate moved = top->heap[i];
    while (i > 0 && npv_better(top->heap[(i - 1) / 2], moved)) {
        top->heap[i] = top->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    top->heap[i] = moved;
}

static inline void npv_topk_sift_down(npv_topk *top) {
    const npv_candidate moved = top->heap[0];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= top->count)
            break;
        if (child + 1 < top->count && npv_better(top->heap[child], top->heap[child + 1]))
            child++;
        if (!npv_better(moved, top->heap[child]))
            break;
        top->heap[i] = top->heap[child];
        i = child;
    }
    top->heap[i] = moved;
}

/* Keeps `candidate` if it is among the best k so far. The key must not be NaN. */
static inline void npv_topk_offer(npv_topk *top, npv_candidate candidate) {
    if (top->count < top->k) {
        top->heap[top->count++] = candidate;
        npv_topk_sift_up(top, top->count - 1);
    } else if (npv_better(candidate, top->heap[0])) {
        top->heap[0] = candidate;
        npv_topk_sift_down(top);
    }
}

/* Leaves the candidates best first; no more offers after that. O(k log k) */
static inline void npv_topk_sort(npv_topk *top) {
    npv_topk left = *top;
    while (left.count > 1) {
        const npv_candidate worst = left.heap[0];
        left.heap[0] = left.heap[--left.count];
        npv_topk_sift_down(&left);
        left.heap[left.count] = worst;
    }
}

#endif
