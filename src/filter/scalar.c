#include "scalar.h"

#include <math.h>

#include "../error.h"
#include "../meta/number.h"

static npv_status fail_number(npv_bytes text, const char *where, size_t position, const char *expected,
                              npv_error *error) {
    char shown[NPV_SHOWN];
    npv_bytes_show(text, shown);
    return npv_fail_at(error, NPV_E_ARGUMENT, position, "%sexpected %s, found %s", where, expected, shown);
}

npv_status npv_scalar_of_number(npv_bytes text, const char *where, size_t position, npv_entry *value,
                                npv_error *error) {
    npv_value integer;
    if (!npv_number_is_integer(text)) {
        *value = (npv_entry){.class = NPV_CLASS_NUMBER, .number = NPV_VALUE_FLOAT, .real = npv_number_to_double(text)};
        return isfinite(value->real) ? NPV_OK : fail_number(text, where, position, "a number below 1.8e308", error);
    }
    if (!npv_number_to_integer(text, &integer))
        return fail_number(text, where, position,
                           "an integer from -9223372036854775808 to 18446744073709551615, or a number with a point or "
                           "an exponent",
                           error);
    *value = (npv_entry){.class = NPV_CLASS_NUMBER, .number = (unsigned char)integer.kind};
    if (integer.kind == NPV_VALUE_INT)
        value->integer = integer.integer;
    else
        value->natural = integer.natural;
    return NPV_OK;
}

bool npv_scalar_is(const npv_json_lexer *lexer) {
    switch (lexer->token.kind) {
    case NPV_JSON_STRING:
    case NPV_JSON_NUMBER:
    case NPV_JSON_TRUE:
    case NPV_JSON_FALSE:
    case NPV_JSON_NULL:
        return true;
    default:
        return false;
    }
}

static npv_status read_string(npv_builder *builder, const npv_json_token *token, npv_bytes *text) {
    void *memory;
    const npv_status status = npv_build_memory(builder, token->raw.size - 2, &memory);
    if (status == NPV_OK)
        *text = (npv_bytes){memory, npv_json_decode(token, memory)};
    return status;
}

npv_status npv_scalar_read(npv_builder *builder, const npv_json_lexer *lexer, npv_entry *value) {
    const npv_json_token *const token = &lexer->token;
    switch (token->kind) {
    case NPV_JSON_STRING:
        *value = (npv_entry){.class = NPV_CLASS_TEXT};
        return read_string(builder, token, &value->bytes);
    case NPV_JSON_NUMBER:
        return npv_scalar_of_number(token->raw, lexer->where, token->position, value, lexer->error);
    case NPV_JSON_NULL:
        *value = (npv_entry){.class = NPV_CLASS_NULL};
        return NPV_OK;
    default:
        *value = (npv_entry){.class = NPV_CLASS_BOOL, .boolean = token->kind == NPV_JSON_TRUE};
        return NPV_OK;
    }
}
