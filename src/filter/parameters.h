/* The values for the ? of a filter: a JSON array that is read along with the filter, one value for each ?. */
#ifndef NPV_PARAMETERS_H
#define NPV_PARAMETERS_H

#include "../meta/json_lexer.h"
#include "build.h"

typedef struct npv_parameters {
    npv_json_lexer lexer; /* at the next value, or at the end of the array */
    npv_builder *builder;
    size_t taken;
} npv_parameters;

/* `text` is UTF-8; NULL: there are none. */
npv_status npv_parameters_start(npv_parameters *parameters, const char *text, npv_builder *builder);

/* The value for the ? at `position` of the filter. *token is the value's own, for errors. */
npv_status npv_parameters_take(npv_parameters *parameters, size_t position, npv_entry *value, npv_json_token *token);

/* Adds the values of an array to the list that is being built. */
npv_status npv_parameters_take_list(npv_parameters *parameters, size_t position);

/* NPV_E_ARGUMENT at `token`: "parameters: expected ..., found ...". */
npv_status npv_parameters_fail(const npv_parameters *parameters, const npv_json_token *token, const char *expected,
                               const char *hint);

/* All of them must have been taken. */
npv_status npv_parameters_end(npv_parameters *parameters);

#endif
