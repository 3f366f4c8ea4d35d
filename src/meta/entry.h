/* Entries: values as filters see them, of a few classes that are never compared with each other. */
#ifndef NPV_ENTRY_H
#define NPV_ENTRY_H

#include <stdbool.h>

#include "../bytes.h"
#include "value.h"

/* Classes of values, in the order of their codes in a column. */
typedef enum npv_class {
    NPV_CLASS_MISSING, /* always code 0 */
    NPV_CLASS_NULL,    /* always code 1: None, and times that are none */
    NPV_CLASS_BOOL,
    NPV_CLASS_NUMBER, /* int64, uint64 and float64, compared exactly; of NumPy's timedelta64 the ticks */
    NPV_CLASS_TEXT,   /* by bytes of UTF-8; datetimes are the text that NumPy prints */
    NPV_CLASS_ARRAY,  /* lists and tuples */
    NPV_CLASS_OTHER,  /* dicts, bytes, NaN, integers beyond 64 bits: never equal to anything that a filter can say */
    NPV_CLASSES
} npv_class;

typedef struct npv_entry {
    unsigned char class;  /* npv_class */
    unsigned char number; /* NUMBER: NPV_VALUE_INT, NPV_VALUE_UINT or NPV_VALUE_FLOAT */
    union {
        bool boolean;
        int64_t integer;
        uint64_t natural; /* above INT64_MAX */
        double real;
        npv_bytes bytes; /* TEXT: UTF-8. ARRAY, OTHER: the fragment */
    };
} npv_entry;

/* The order of values of one class: negative, 0, positive. Arrays and others have one by their bytes. */
int npv_entry_compare(const npv_entry *a, const npv_entry *b);

/* The same class and value. 1 and 1.0 are equal, true and 1 are not. */
bool npv_entry_equal(const npv_entry *a, const npv_entry *b);

/* Does an array's fragment hold an element equal to `value`? */
bool npv_entry_contains(const npv_entry *array, const npv_entry *value);

/*
 * The entry of a whole fragment; size 0: MISSING. Text that does not stand in it as UTF-8 is written to `room`, over
 * what is there, so such an entry is good until `room` is used again.
 */
npv_status npv_entry_of_fragment(npv_bytes fragment, npv_entry *entry, npv_buffer *room, npv_error *error);

/* The same for a field of a record, where `value` has no fragment. */
npv_status npv_entry_of_value(const npv_value *value, npv_entry *entry, npv_buffer *room, npv_error *error);

#endif
