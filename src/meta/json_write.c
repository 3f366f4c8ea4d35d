/* Fragments to JSON text. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "datetime.h"
#include "decimal.h"
#include "json.h"
#include "utf8.h"
#include "value.h"

static npv_status put(npv_buffer *json, const char *text, npv_error *error) {
    return npv_buffer_append(json, text, strlen(text), error);
}

/* Escapes the character at the head of `text`, which needs it; returns how many bytes that character takes. */
static size_t escape(npv_bytes text, char escaped[8]) {
    static const char HEX[] = "0123456789abcdef";
    static const char SHORT[] = "\"\"\\\\\bb\ff\nn\rr\tt";
    const unsigned first = text.data[0];
    for (const char *pair = SHORT; *pair != '\0'; pair += 2)
        if (first == (unsigned char)pair[0]) {
            memcpy(escaped, (char[]){'\\', pair[1], '\0'}, 3);
            return 1;
        }
    const bool is_surrogate = first >= 0x80;
    const unsigned code = is_surrogate ? 0xd000 | (text.data[1] & 0x3fu) << 6 | (text.data[2] & 0x3fu) : first;
    const char unicode[] = {'\\', 'u', HEX[code >> 12], HEX[code >> 8 & 15], HEX[code >> 4 & 15], HEX[code & 15], '\0'};
    memcpy(escaped, unicode, sizeof unicode);
    return is_surrogate ? 3 : 1;
}

static bool needs_escape(npv_bytes text) {
    const unsigned char c = text.data[0];
    return c < ' ' || c == '"' || c == '\\' || (c == 0xed && text.data[1] >= 0xa0);
}

static npv_status put_string(npv_buffer *json, npv_bytes text, npv_error *error) {
    npv_status status = put(json, "\"", error);
    while (status == NPV_OK && text.size > 0) {
        size_t plain = 0;
        while (plain < text.size && !needs_escape((npv_bytes){text.data + plain, text.size - plain}))
            plain++;
        status = npv_buffer_append(json, text.data, plain, error);
        text = (npv_bytes){text.data + plain, text.size - plain};
        if (status != NPV_OK || text.size == 0)
            break;
        char escaped[8];
        const size_t taken = escape(text, escaped);
        text = (npv_bytes){text.data + taken, text.size - taken};
        status = put(json, escaped, error);
    }
    return status != NPV_OK ? status : put(json, "\"", error);
}

static npv_status put_utf32(npv_buffer *json, npv_bytes utf32, npv_error *error) {
    npv_buffer utf8 = {NULL, 0, 0};
    npv_status status = NPV_OK;
    for (size_t i = 0; status == NPV_OK && i < utf32.size; i += 4) {
        const unsigned char *c = utf32.data + i;
        unsigned char sequence[4];
        const uint32_t code_point = c[0] | (uint32_t)c[1] << 8 | (uint32_t)c[2] << 16;
        status = npv_buffer_append(&utf8, sequence, npv_utf8_encode(code_point, sequence), error);
    }
    if (status == NPV_OK)
        status = put_string(json, (npv_bytes){utf8.data, utf8.size}, error);
    free(utf8.data);
    return status;
}

static npv_status put_base64(npv_buffer *json, npv_bytes bytes, npv_error *error) {
    static const char ALPHABET[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    npv_status status = put(json, "{\"$bytes\": \"", error);
    for (size_t i = 0; status == NPV_OK && i < bytes.size; i += 3) {
        const size_t left = bytes.size - i;
        const unsigned second = left > 1 ? bytes.data[i + 1] : 0, third = left > 2 ? bytes.data[i + 2] : 0;
        const unsigned triple = (unsigned)bytes.data[i] << 16 | second << 8 | third;
        const char four[] = {ALPHABET[triple >> 18], ALPHABET[triple >> 12 & 63],
                             left > 1 ? ALPHABET[triple >> 6 & 63] : '=', left > 2 ? ALPHABET[triple & 63] : '='};
        status = npv_buffer_append(json, four, sizeof four, error);
    }
    return status != NPV_OK ? status : put(json, "\"}", error);
}

static npv_status put_float(npv_buffer *json, double value, npv_error *error) {
    if (isnan(value))
        return put(json, "NaN", error);
    if (isinf(value))
        return put(json, value > 0 ? "Infinity" : "-Infinity", error);
    char text[NPV_DECIMAL_DOUBLE_SIZE];
    return npv_buffer_append(json, text, npv_decimal_from_double(value, text), error);
}

static npv_status put_integer(npv_buffer *json, npv_bytes integer, npv_error *error) {
    char text[NPV_DECIMAL_INTEGER_SIZE];
    return npv_buffer_append(json, text, npv_decimal_from_integer(integer, text), error);
}

/* Little-endian two's complement; a zero in the ninth byte keeps a uint64 positive. */
static npv_status put_int(npv_buffer *json, uint64_t value, bool negative, npv_error *error) {
    unsigned char bytes[9];
    for (int i = 0; i < 8; i++)
        bytes[i] = (unsigned char)(value >> 8 * i);
    bytes[8] = negative ? 0xff : 0;
    return put_integer(json, (npv_bytes){bytes, sizeof bytes}, error);
}

static npv_status put_datetime(npv_buffer *json, npv_time time, npv_error *error) {
    char text[NPV_DATETIME_TEXT_SIZE];
    const size_t length = npv_datetime_to_text(time, text);
    return put_string(json, (npv_bytes){(const unsigned char *)text, length}, error);
}

static npv_status put_timedelta(npv_buffer *json, npv_time time, npv_error *error) {
    npv_status status = put(json, "{\"$timedelta\": [", error);
    if (status == NPV_OK && time.ticks == NPV_NOT_A_TIME)
        status = put(json, "\"NaT\"", error);
    else if (status == NPV_OK)
        status = put_int(json, (uint64_t)time.ticks, time.ticks < 0, error);
    if (status == NPV_OK)
        status = put(json, ", \"", error);
    if (status == NPV_OK && time.multiple != 1)
        status = put_int(json, time.multiple, false, error);
    if (status == NPV_OK)
        status = put(json, npv_time_unit_name(time.unit), error);
    return status != NPV_OK ? status : put(json, "\"]}", error);
}

static npv_status put_value(npv_buffer *json, npv_value value, npv_bytes *rest, npv_error *error);

/* JSON has only string keys: any other key is the string of its own JSON text, as with Python's json. */
static npv_status put_key(npv_buffer *json, npv_value key, npv_bytes *rest, npv_error *error) {
    if (key.kind == NPV_VALUE_STR || key.kind == NPV_VALUE_UTF32 || key.kind == NPV_VALUE_DATETIME)
        return put_value(json, key, rest, error);
    npv_buffer text = {NULL, 0, 0};
    npv_status status = put_value(&text, key, rest, error);
    if (status == NPV_OK)
        status = put_string(json, (npv_bytes){text.data, text.size}, error);
    free(text.data);
    return status;
}

static npv_status put_container(npv_buffer *json, npv_value_kind container, npv_bytes *rest, npv_error *error) {
    const bool is_dict = container == NPV_VALUE_DICT;
    npv_status status = put(json, is_dict ? "{" : "[", error);
    bool first = true;
    for (npv_value value; status == NPV_OK && (value = npv_value_next(rest)).kind != NPV_VALUE_END; first = false) {
        if (!first)
            status = put(json, ", ", error);
        if (status == NPV_OK && is_dict) {
            status = put_key(json, value, rest, error);
            if (status == NPV_OK)
                status = put(json, ": ", error);
            value = npv_value_next(rest);
        }
        if (status == NPV_OK)
            status = put_value(json, value, rest, error);
    }
    return status != NPV_OK ? status : put(json, is_dict ? "}" : "]", error);
}

static npv_status put_value(npv_buffer *json, npv_value value, npv_bytes *rest, npv_error *error) {
    switch (value.kind) {
    case NPV_VALUE_NONE:
        return put(json, "null", error);
    case NPV_VALUE_BOOL:
        return put(json, value.boolean ? "true" : "false", error);
    case NPV_VALUE_INT:
        return put_int(json, (uint64_t)value.integer, value.integer < 0, error);
    case NPV_VALUE_UINT:
        return put_int(json, value.natural, false, error);
    case NPV_VALUE_BIG:
        return put_integer(json, value.bytes, error);
    case NPV_VALUE_FLOAT:
        return put_float(json, value.real, error);
    case NPV_VALUE_STR:
        return put_string(json, value.bytes, error);
    case NPV_VALUE_UTF32:
        return put_utf32(json, value.bytes, error);
    case NPV_VALUE_BYTES:
        return put_base64(json, value.bytes, error);
    case NPV_VALUE_DATETIME:
        return put_datetime(json, value.time, error);
    case NPV_VALUE_TIMEDELTA:
        return put_timedelta(json, value.time, error);
    default:
        return put_container(json, value.kind, rest, error);
    }
}

npv_status npv_fragment_to_json(npv_bytes fragment, npv_buffer *json, npv_error *error) {
    const size_t start = json->size;
    const npv_value value = npv_value_next(&fragment);
    const npv_status status = put_value(json, value, &fragment, error);
    if (status != NPV_OK)
        json->size = start;
    return status;
}
