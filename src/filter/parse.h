/* The two dialects: each puts one condition on the builder's stack. `text` is UTF-8. */
#ifndef NPV_PARSE_H
#define NPV_PARSE_H

#include "parameters.h"

npv_status npv_parse_text(npv_builder *builder, npv_bytes text, npv_parameters *parameters);
npv_status npv_parse_json(npv_builder *builder, npv_bytes text);

#endif
