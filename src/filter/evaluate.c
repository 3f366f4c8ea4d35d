#include "evaluate.h"

#include <stdlib.h>
#include <string.h>

#include "../bits.h"
#include "../error.h"
#include "code_set.h"

/*
 * A set of rows, as bits, is narrowed to those for which a condition holds; so rows that are out already cost next to
 * nothing, 64 at a time, and work ends where none is left.
 */
typedef struct evaluation {
    const npv_kernels *kernels;
    npv_workers *workers;
    const npv_column *const *columns;
    size_t rows;
    size_t words; /* that `rows` bits take */
    npv_error *error;
} evaluation;

static bool is_empty(const uint64_t *bits, size_t words) {
    uint64_t any = 0;
    for (size_t i = 0; i < words && any == 0; i++)
        any |= bits[i];
    return any == 0;
}

/* ----------------------------------------------------------------------------------------------------- One field -- */

static void keep_members(const unsigned char *member, const uint32_t *codes, size_t rows, uint64_t *bits) {
    for (size_t word = 0; word < npv_bits_words(rows); word++) {
        const size_t first = word * 64;
        const size_t count = rows - first < 64 ? rows - first : 64;
        uint64_t in = 0;
        if (bits[word] == 0)
            continue;
        for (size_t i = 0; i < count; i++)
            in |= (uint64_t)member[codes[first + i]] << i;
        bits[word] &= in;
    }
}

/* Rows that a thread looks at, whole words: 64 KiB of codes. */
#define PART_ROWS ((size_t)16384)

/* The rows of a column whose codes are in a set. */
typedef struct set_job {
    const evaluation *run;
    const npv_code_set *set;
    const uint32_t *codes;
    uint64_t *bits;
} set_job;

static void keep_part(void *context, size_t part, unsigned worker) {
    const set_job *job = context;
    const size_t first = part * PART_ROWS;
    const size_t count = job->run->rows - first < PART_ROWS ? job->run->rows - first : PART_ROWS;
    (void)worker;
    if (job->set->listed == 0)
        keep_members(job->set->member, job->codes + first, count, job->bits + first / 64);
    else
        job->run->kernels->rows_in_range(&job->set->range, job->codes + first, count, job->bits + first / 64);
}

static void keep_set(const evaluation *run, const npv_code_set *set, const uint32_t *codes, uint64_t *bits) {
    const size_t parts = (run->rows + PART_ROWS - 1) / PART_ROWS;
    set_job job = {run, set, codes, bits};
    if (npv_workers_worth(run->workers, run->rows * sizeof *codes)) {
        npv_workers_run(run->workers, parts, keep_part, &job);
        return;
    }
    /* Not as a job: the search that follows would pass for one that comes soon after another. */
    for (size_t part = 0; part < parts; part++)
        keep_part(&job, part, 0);
}

/* Which of the rows in the column's tail are to be kept: `kept` has a byte for each of them. */
static void look_at_tail(const evaluation *run, const npv_code_set *set, const npv_column_view *column,
                         const uint64_t *bits, unsigned char *kept) {
    for (size_t i = 0; i < column->tail_count; i++) {
        const uint64_t row = column->tail_rows[i];
        kept[i] = row < run->rows && column->codes[row] >= set->listed && npv_bit(bits, row) &&
                  set->member[column->codes[row] - set->listed] != 0;
    }
}

static npv_status keep_in_range(const evaluation *run, const npv_code_set *set, const npv_column_view *column,
                                uint64_t *bits) {
    unsigned char *kept = NULL;
    if (column->tail_count > 0) {
        kept = malloc(column->tail_count);
        if (kept == NULL)
            return npv_fail_memory(run->error, "a filter's rows", column->tail_count);
        look_at_tail(run, set, column, bits, kept);
    }
    keep_set(run, set, column->codes, bits);
    for (size_t i = 0; kept != NULL && i < column->tail_count; i++)
        if (kept[i] != 0)
            npv_bit_set(bits, column->tail_rows[i]);
    free(kept);
    return NPV_OK;
}

static void keep_one_by_one(const evaluation *run, const npv_filter_node *condition, bool negated,
                            const npv_column_view *column, uint64_t *bits) {
    for (size_t word = 0; word < run->words; word++)
        for (uint64_t left = bits[word]; left != 0; left &= left - 1) {
            const size_t row = word * 64 + (unsigned)__builtin_ctzll(left);
            if (!npv_condition_holds(condition, negated, &column->entries[column->codes[row]]))
                npv_bit_clear(bits, row);
        }
}

static npv_status keep_condition(const evaluation *run, const npv_filter_node *condition, bool negated,
                                 uint64_t *bits) {
    const npv_column *const column = run->columns[condition->path];
    const npv_column_view view = npv_column_look(column);
    if (npv_condition_reads_values(condition) && npv_bits_count(bits, run->rows) < view.entry_count) {
        keep_one_by_one(run, condition, negated, &view, bits);
        return NPV_OK;
    }
    npv_code_set set;
    npv_status status = npv_code_set_make(condition, negated, column, &set, run->error);
    if (status != NPV_OK)
        return status;
    if (set.listed == 0)
        keep_set(run, &set, view.codes, bits);
    else
        status = keep_in_range(run, &set, &view, bits);
    npv_code_set_free(&set);
    return status;
}

/* --------------------------------------------------------------------------------------------------------- Trees -- */

static npv_status keep(const evaluation *run, const npv_filter_node *node, bool negated, uint64_t *bits);

static npv_status keep_all(const evaluation *run, const npv_filter_node *node, bool negated, uint64_t *bits) {
    npv_status status = NPV_OK;
    for (size_t i = 0; status == NPV_OK && i < node->child_count && !is_empty(bits, run->words); i++)
        status = keep(run, node->children[i], negated, bits);
    return status;
}

/* Each child sees the rows that those before it have left over. */
static npv_status keep_any(const evaluation *run, const npv_filter_node *node, bool negated, uint64_t *bits) {
    const size_t bytes = run->words * sizeof *bits;
    uint64_t *const left = malloc(2 * bytes);
    if (left == NULL)
        return npv_fail_memory(run->error, "a filter's rows", 2 * bytes);
    uint64_t *const found = left + run->words;
    npv_status status = NPV_OK;
    memcpy(left, bits, bytes);
    memset(bits, 0, bytes);
    for (size_t i = 0; status == NPV_OK && i < node->child_count && !is_empty(left, run->words); i++) {
        memcpy(found, left, bytes);
        status = keep(run, node->children[i], negated, found);
        for (size_t word = 0; word < run->words; word++) {
            bits[word] |= found[word];
            left[word] &= ~found[word];
        }
    }
    free(left);
    return status;
}

static npv_status keep(const evaluation *run, const npv_filter_node *node, bool negated, uint64_t *bits) {
    switch (node->kind) {
    case NPV_FILTER_NOT:
        return keep(run, node->children[0], !negated, bits);
    case NPV_FILTER_AND:
    case NPV_FILTER_OR:
        return ((node->kind == NPV_FILTER_AND) != negated ? keep_all : keep_any)(run, node, negated, bits);
    default:
        return keep_condition(run, node, negated, bits);
    }
}

npv_status npv_filter_evaluate(const npv_filter *filter, const npv_kernels *kernels, npv_workers *workers,
                               const npv_column *const *columns, uint64_t rows, uint64_t *bits, npv_error *error) {
    const evaluation run = {kernels, workers, columns, rows, npv_bits_words(rows), error};
    if (rows == 0)
        return NPV_OK;
    memset(bits, 0, run.words * sizeof *bits);
    npv_bits_set(bits, 0, rows);
    return keep(&run, filter->root, false, bits);
}
