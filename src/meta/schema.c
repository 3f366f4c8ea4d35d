/* Typed fields: declared by callers, or read from the type of a structured array. */
#include "schema.h"

#include <stdlib.h>
#include <string.h>

size_t npv_schema_find(const npv_record_schema *schema, npv_bytes name) {
    size_t i = 0;
    while (i < schema->field_count &&
           (strlen(schema->fields[i].name) != name.size || memcmp(schema->fields[i].name, name.data, name.size) != 0))
        i++;
    return i;
}

void npv_schema_free(npv_record_schema *schema) {
    free(schema->fields);
    free(schema->declared);
    free(schema->descr);
    free(schema->names);
    *schema = (npv_record_schema){0};
}
