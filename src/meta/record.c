/* Records read: as values, and as documents. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "../error.h"
#include "schema.h"
#include "utf8.h"

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

static bool is_ascii(npv_bytes bytes) {
    for (size_t i = 0; i < bytes.size; i++)
        if (bytes.data[i] >= 0x80)
            return false;
    return true;
}

npv_value npv_record_value(const npv_schema_field *field, const unsigned char *record, unsigned char *room) {
    unsigned char number[8];
    const npv_bytes item = little_endian_item(field, record + field->offset, room, number);
    npv_value value = npv_value_of_item(field->letter, item, field->time);
    if (value.kind == NPV_VALUE_BYTES && is_ascii(value.bytes))
        value.kind = NPV_VALUE_STR;
    return value;
}

/* ---------------------------------------------------------------------------------------------------- Checking -- */

static uint32_t load_character(const unsigned char *data, bool big_endian) {
    uint32_t character;
    memcpy(&character, data, sizeof character);
    return big_endian ? __builtin_bswap32(character) : character;
}

static npv_status check_text(const npv_schema_field *field, const unsigned char *record, uint64_t row, npv_status code,
                             npv_error *error) {
    for (size_t i = 0; i < field->size; i += 4) {
        const uint32_t character = load_character(record + field->offset + i, field->big_endian);
        if (character <= NPV_MAX_CODE_POINT)
            continue;
        char shown[NPV_SHOWN];
        npv_bytes_show((npv_bytes){(const unsigned char *)field->name, strlen(field->name)}, shown);
        return npv_fail(error, code, "row %" PRIu64 ": field '%s': expected text, found 0x%" PRIx32 " as a character",
                        row, shown, character);
    }
    return NPV_OK;
}

npv_status npv_record_check_texts(const npv_record_schema *schema, const unsigned char *records, uint64_t rows,
                                  npv_status code, npv_error *error) {
    npv_status status = NPV_OK;
    for (size_t i = 0; i < schema->field_count && status == NPV_OK; i++)
        for (uint64_t row = 0; row < rows && status == NPV_OK && schema->fields[i].letter == 'U'; row++)
            status = check_text(&schema->fields[i], records + row * schema->record_size, row, code, error);
    return status;
}

/* ------------------------------------------------------------------------------------------------- As documents -- */

static npv_status write_utf32(npv_bytes utf32, npv_buffer *utf8, npv_buffer *fragment, npv_error *error) {
    utf8->size = 0;
    npv_status status = npv_buffer_reserve(utf8, utf32.size, error);
    for (size_t i = 0; i < utf32.size && status == NPV_OK; i += 4) {
        uint32_t character;
        memcpy(&character, utf32.data + i, sizeof character);
        utf8->size += npv_utf8_encode(character, utf8->data + utf8->size);
    }
    return status == NPV_OK ? npv_value_write_str(fragment, (npv_bytes){utf8->data, utf8->size}, error) : status;
}

/* A time as a NumPy scalar: no other value knows its unit. */
static npv_status write_time(const npv_schema_field *field, npv_time time, npv_buffer *fragment, npv_error *error) {
    if (time.ticks == NPV_NOT_A_TIME)
        return npv_value_write_none(fragment, error);
    char dtype[1 + NPV_TYPE_TEXT] = "<";
    unsigned char item[8];
    npv_schema_spell_type(field, dtype + 1);
    for (size_t i = 0; i < sizeof item; i++)
        item[i] = (unsigned char)((uint64_t)time.ticks >> 8 * i);
    return npv_value_write_numpy(fragment, dtype, (npv_bytes){item, sizeof item}, error);
}

static npv_status write_natural(uint64_t natural, npv_buffer *fragment, npv_error *error) {
    unsigned char bytes[9] = {0};
    for (size_t i = 0; i < 8; i++)
        bytes[i] = (unsigned char)(natural >> 8 * i);
    return npv_value_write_integer(fragment, (npv_bytes){bytes, sizeof bytes}, error);
}

static npv_status write_value(const npv_schema_field *field, npv_value value, npv_buffer *utf8, npv_buffer *fragment,
                              npv_error *error) {
    switch (value.kind) {
    case NPV_VALUE_BOOL:
        return npv_value_write_bool(fragment, value.boolean, error);
    case NPV_VALUE_INT:
        return npv_value_write_int(fragment, value.integer, error);
    case NPV_VALUE_UINT:
        return write_natural(value.natural, fragment, error);
    case NPV_VALUE_FLOAT:
        return npv_value_write_float(fragment, value.real, error);
    case NPV_VALUE_UTF32:
        return write_utf32(value.bytes, utf8, fragment, error);
    case NPV_VALUE_BYTES:
        return npv_value_write_bytes(fragment, value.bytes, error);
    case NPV_VALUE_STR:
        return npv_value_write_str(fragment, value.bytes, error);
    default:
        return write_time(field, value.time, fragment, error);
    }
}

npv_status npv_record_to_fragment(const npv_record_schema *schema, const unsigned char *record, npv_buffer *fragment,
                                  npv_error *error) {
    const size_t start = fragment->size;
    npv_buffer room = {0}, utf8 = {0};
    npv_status status = npv_buffer_reserve(&room, schema->record_size, error);
    if (status == NPV_OK)
        status = npv_value_begin(fragment, NPV_VALUE_DICT, error);
    for (size_t i = 0; i < schema->field_count && status == NPV_OK; i++) {
        const npv_schema_field *field = &schema->fields[i];
        status =
            npv_value_write_str(fragment, (npv_bytes){(const unsigned char *)field->name, strlen(field->name)}, error);
        if (status == NPV_OK)
            status = write_value(field, npv_record_value(field, record, room.data), &utf8, fragment, error);
    }
    if (status == NPV_OK)
        status = npv_value_end(fragment, NPV_VALUE_DICT, error);
    if (status != NPV_OK)
        fragment->size = start;
    free(room.data);
    free(utf8.data);
    return status;
}
