/* The types of the NumPy scalars that a document may hold. */
#ifndef NPV_PICKLE_DTYPE_H
#define NPV_PICKLE_DTYPE_H

#include "pickle_tree.h"

typedef struct npv_pickle_dtype {
    char text[32]; /* as value.h has it: "<f8", "<U12", "<M8[25us]" */
    char letter;   /* one of "biufUSMm" */
    size_t size;   /* bytes of an item */
} npv_pickle_dtype;

/*
 * Reads what NumPy writes, dtype('M8', False, True) with the state (4, '<', None, None, None, -1, -1, 0, (None, (b'us',
 * 25, 1, 1))), and what value.h writes, dtype('<M8[25us]', False, True). False: it is neither, or no type for a
 * document, or big-endian, which no scalar is on the machines that npvec runs on.
 */
bool npv_pickle_dtype_read(const npv_node *node, npv_pickle_dtype *dtype);

#endif
