/* The types of arrays as .npy headers spell them: '<f4', and [('year', '<i4'), ('title', '<U200')] for records. */
#ifndef NPV_DESCR_H
#define NPV_DESCR_H

#include "literal.h"
#include "value.h"

/* The `kind` of an array whose elements are records; the others are NumPy's letters: f i u b c S U V M m O. */
#define NPV_DESCR_RECORD 'R'

typedef struct npv_descr {
    char kind;
    bool objects; /* there are Python objects in it */
    bool big_endian;
    uint64_t size;  /* bytes of an element; of one with objects unknown */
    npv_bytes text; /* of a type that is no record: "<M8[25us]" */
    npv_bytes unit; /* M, m: what is in the brackets: "25us"; else empty */
} npv_descr;

typedef struct npv_descr_field {
    npv_bytes name; /* escapes as spelled */
    npv_descr type;
    bool is_array; /* it has a shape */
} npv_descr_field;

/* Told of the outermost record's fields, one after the other. False ends the parsing, with p->status. */
typedef struct npv_descr_visitor {
    bool (*visit)(void *context, npv_literal *p, const npv_descr_field *field);
    void *context;
} npv_descr_visitor;

/* Takes a type. `visitor` may be NULL. O(length). */
bool npv_descr_take(npv_literal *p, const npv_descr_visitor *visitor, npv_descr *descr);

/* "25us" as multiple and unit, nothing as a generic unit. False: it is no unit of NumPy's. */
bool npv_descr_unit(npv_bytes text, npv_time *time);

#endif
