/* The typed fields of a store, shown. */
#ifndef CLI_FIELDS_H
#define CLI_FIELDS_H

#include "npvec.h"
#include "text.h"

/* Appends "year:i4 title:U200", as create takes them. */
void cli_append_fields(cli_buffer *buffer, const npv_field *fields, size_t count);

/* Prints `, "fields": [{"name": "year", "type": "i4"}]`; nothing if there are none. */
void cli_print_fields_member(const npv_field *fields, size_t count);

#endif
