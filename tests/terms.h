/* Filters as tests write them, and what they mean, by code that shares nothing with the library's evaluation. */
#ifndef TERMS_H
#define TERMS_H

#include <jansson.h>
#include <stdbool.h>

#include "filter/filter.h"

/* Fields by their path's text, and as keys and numbers: "#1" is an element. */
typedef struct term_field {
    const char *path;
    const char *steps[4];
} term_field;

enum { TERM_FIELDS = 12 };
extern const term_field term_fields[TERM_FIELDS];

typedef struct term {
    npv_filter_kind kind;
    bool ignore_case;
    size_t field;
    json_t *values; /* array; LIKE: of the pattern, with \ as escape */
    size_t child_count;
    struct term *children[5];
} term;

/* Is the filter true for the document? JSON null is a row without one. */
bool term_passes(const term *filter, const json_t *document);

/* The filter as the library has it, in memory from term_memory. */
npv_filter_node *term_node(const term *filter);

/* Zeros, freed all at once. */
void *term_memory(size_t size);
void term_free_all(void);

#endif
