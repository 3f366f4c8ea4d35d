/*
 * The distinct values of a column, numbered: their codes.
 *
 * New values get the next code. Sorting renumbers them in the order of values, and lets go of those not in use. Codes
 * below `head` are in order; those from there on, the tail, came since.
 */
#ifndef NPV_DICTIONARY_H
#define NPV_DICTIONARY_H

#include "../hash.h"
#include "arena.h"
#include "entry.h"

typedef struct npv_dictionary {
    npv_entry *entries; /* [0] is MISSING, [1] is NULL, always */
    uint32_t count;
    uint32_t capacity;
    uint32_t head;
    uint32_t class_start[NPV_CLASSES + 1]; /* the codes of class c in the head: class_start[c] to class_start[c + 1] */
    npv_hash_table table;                  /* codes by values, but for the first two */
    npv_arena bytes;                       /* of the entries */
} npv_dictionary;

npv_status npv_dictionary_init(npv_dictionary *dictionary, npv_error *error);
void npv_dictionary_free(npv_dictionary *dictionary);

/* The code of the value, a new one if need be: then it is copied. NPV_E_MEMORY, NPV_E_LIMIT: nothing has changed. */
npv_status npv_dictionary_intern(npv_dictionary *dictionary, const npv_entry *value, uint32_t *code, npv_error *error);

/* The code of the value, or 0. */
uint32_t npv_dictionary_find(const npv_dictionary *dictionary, const npv_entry *value);

/* Forgets the values from this code on, all of which are in the tail. */
void npv_dictionary_truncate(npv_dictionary *dictionary, uint32_t count);

/*
 * Sorts. On entry renumbered[code] is not 0 for codes in use; on success it is the new code of each of them. On failure
 * the dictionary is as before. O(values + t log t), where t values are in the tail.
 */
npv_status npv_dictionary_sort(npv_dictionary *dictionary, uint32_t *renumbered, npv_error *error);

#endif
