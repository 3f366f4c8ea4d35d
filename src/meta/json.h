/* JSON text to and from the fragments that the store keeps (value.h). */
#ifndef NPV_JSON_H
#define NPV_JSON_H

#include "../bytes.h"

/* Appends the fragment of the JSON text to `fragment`. On failure error->position is the byte offset in `json`. */
npv_status npv_json_to_fragment(const char *json, npv_buffer *fragment, npv_error *error);

/* Appends the fragment as JSON text, without a terminating zero. Spelling as npv_get_document describes it. */
npv_status npv_fragment_to_json(npv_bytes fragment, npv_buffer *json, npv_error *error);

#endif
