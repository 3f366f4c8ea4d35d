/* Records read: as values, and as documents. */
#include <string.h>

#include "schema.h"

static npv_bytes reversed(const unsigned char *data, size_t size, unsigned char *to) {
    for (size_t i = 0; i < size; i++)
        to[i] = data[size - 1 - i];
    return (npv_bytes){to, size};
}

/* The field's bytes as they would stand in a little-endian record. */
static npv_bytes little_endian_item(const npv_schema_field *field, const unsigned char *data, unsigned char *room,
                                    unsigned char number[8]) {
    if (!field->big_endian)
        return (npv_bytes){data, field->size};
    if (field->letter != 'U')
        return reversed(data, field->size, number);
    for (size_t i = 0; i < field->size; i += 4)
        reversed(data + i, 4, room + i);
    return (npv_bytes){room, field->size};
}

npv_value npv_record_value(const npv_schema_field *field, const unsigned char *record, unsigned char *room) {
    unsigned char number[8];
    const npv_bytes item = little_endian_item(field, record + field->offset, room, number);
    return npv_value_of_item(field->letter, item, field->time);
}
