#include "parameters.h"

#include <stdio.h>
#include <string.h>

#include "../error.h"
#include "scalar.h"

npv_status npv_parameters_start(npv_parameters *parameters, const char *text, npv_builder *builder) {
    if (text == NULL)
        text = "[]";
    const npv_bytes bytes = {(const unsigned char *)text, strlen(text)};
    *parameters = (npv_parameters){npv_json_start(bytes, "parameters: ", builder->error), builder, 0};
    npv_json_lexer *const lexer = &parameters->lexer;
    const npv_status status = npv_json_advance(lexer);
    return status != NPV_OK ? status : npv_json_expect(lexer, NPV_JSON_OPEN_ARRAY, "a JSON array of values for the ?");
}

/* There is one more value. */
static npv_status check_next(const npv_parameters *parameters, size_t position) {
    if (parameters->lexer.token.kind != NPV_JSON_CLOSE_ARRAY)
        return NPV_OK;
    return npv_fail_at(parameters->builder->error, NPV_E_ARGUMENT, position,
                       "expected a parameter for this ?, found only %zu in all", parameters->taken);
}

/* Goes behind the value at which the lexer is, and behind a comma if one follows. */
static npv_status go_on(npv_json_lexer *lexer) {
    npv_status status = npv_json_advance(lexer);
    if (status != NPV_OK || lexer->token.kind == NPV_JSON_CLOSE_ARRAY)
        return status;
    status = npv_json_expect(lexer, NPV_JSON_COMMA, "a comma or ]");
    if (status == NPV_OK && lexer->token.kind == NPV_JSON_CLOSE_ARRAY)
        return npv_json_fail(lexer, "a value behind the comma", "");
    return status;
}

npv_status npv_parameters_take(npv_parameters *parameters, size_t position, npv_entry *value, npv_json_token *token) {
    npv_json_lexer *const lexer = &parameters->lexer;
    npv_status status = check_next(parameters, position);
    if (status != NPV_OK)
        return status;
    *token = lexer->token;
    if (!npv_scalar_is(lexer))
        return npv_json_fail(lexer, "a string, a number, true, false or null",
                             token->kind == NPV_JSON_OPEN_ARRAY ? "; a list is for IN ?, without parentheses" : "");
    status = npv_scalar_read(parameters->builder, lexer, value);
    parameters->taken++;
    return status != NPV_OK ? status : go_on(lexer);
}

npv_status npv_parameters_take_list(npv_parameters *parameters, size_t position) {
    npv_json_lexer *const lexer = &parameters->lexer;
    npv_status status = check_next(parameters, position);
    if (status == NPV_OK)
        status = npv_json_expect(lexer, NPV_JSON_OPEN_ARRAY, "an array for IN ?");
    while (status == NPV_OK && lexer->token.kind != NPV_JSON_CLOSE_ARRAY) {
        npv_entry value;
        if (!npv_scalar_is(lexer))
            return npv_json_fail(lexer, "a string, a number, true, false or null", "");
        status = npv_scalar_read(parameters->builder, lexer, &value);
        if (status == NPV_OK)
            status = npv_build_list_add(parameters->builder, &value);
        if (status == NPV_OK)
            status = go_on(lexer);
    }
    parameters->taken++;
    return status != NPV_OK ? status : go_on(lexer);
}

npv_status npv_parameters_fail(const npv_parameters *parameters, const npv_json_token *token, const char *expected,
                               const char *hint) {
    npv_json_lexer at = parameters->lexer;
    at.token = *token;
    return npv_json_fail(&at, expected, hint);
}

npv_status npv_parameters_end(npv_parameters *parameters) {
    npv_json_lexer *const lexer = &parameters->lexer;
    char expected[64];
    snprintf(expected, sizeof expected, "the end of the array, as the filter has %zu ?", parameters->taken);
    const npv_status status = npv_json_expect(lexer, NPV_JSON_CLOSE_ARRAY, expected);
    return status != NPV_OK ? status : npv_json_expect(lexer, NPV_JSON_END, "the end");
}
