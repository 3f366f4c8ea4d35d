#include "fields.h"

#include <stdio.h>

#include "json_text.h"

void cli_append_fields(cli_buffer *buffer, const npv_field *fields, size_t count) {
    for (size_t i = 0; i < count; i++)
        cli_append_format(buffer, "%s%s:%s", i > 0 ? " " : "", fields[i].name, fields[i].type);
}

void cli_print_fields_member(const npv_field *fields, size_t count) {
    for (size_t i = 0; i < count; i++) {
        printf(i == 0 ? ", \"fields\": [{\"name\": " : ", {\"name\": ");
        cli_print_json_string(fields[i].name);
        printf(", \"type\": ");
        cli_print_json_string(fields[i].type);
        printf("}");
    }
    printf(count > 0 ? "]" : "");
}
