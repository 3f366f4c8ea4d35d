#include "filter.h"

#include <string.h>

#include "../error.h"
#include "../meta/utf8.h"
#include "parse.h"

static npv_status check_text(const char *text, const char *what, const char *where, npv_error *error) {
    const npv_bytes bytes = {(const unsigned char *)text, strlen(text)};
    if (bytes.size > NPV_MAX_FILTER_BYTES)
        return npv_fail_at(error, NPV_E_LIMIT, NPV_MAX_FILTER_BYTES, "%sexpected at most %d bytes of %s, found %zu",
                           where, NPV_MAX_FILTER_BYTES, what, bytes.size);
    const size_t mistake = npv_utf8_prefix(bytes);
    if (mistake == bytes.size)
        return NPV_OK;
    return npv_fail_at(error, NPV_E_ARGUMENT, mistake, "%sexpected UTF-8, found the byte 0x%02x", where,
                       (unsigned)bytes.data[mistake]);
}

static npv_status parse(npv_builder *builder, const char *text, const char *parameter_text) {
    const npv_bytes bytes = {(const unsigned char *)text, strlen(text)};
    npv_parameters parameters;
    npv_status status = npv_parameters_start(&parameters, parameter_text, builder);
    if (status != NPV_OK)
        return status;
    if (text[strspn(text, " \t\r\n")] == '{')
        status = npv_parse_json(builder, bytes);
    else
        status = npv_parse_text(builder, bytes, &parameters);
    return status != NPV_OK ? status : npv_parameters_end(&parameters);
}

npv_status npv_filter_new(const char *text, const char *parameters, npv_filter **filter, npv_error *error) {
    if (text == NULL || filter == NULL)
        return npv_fail(error, NPV_E_ARGUMENT, "expected a filter's text and where to put the filter, found NULL");
    npv_status status = check_text(text, "filter", "", error);
    if (status == NPV_OK && parameters != NULL)
        status = check_text(parameters, "parameters", "parameters: ", error);
    if (status != NPV_OK)
        return status;
    npv_builder builder;
    status = npv_build_start(&builder, error);
    if (status == NPV_OK)
        status = parse(&builder, text, parameters);
    if (status == NPV_OK)
        *filter = npv_build_finish(&builder);
    npv_build_free(&builder);
    return status;
}
