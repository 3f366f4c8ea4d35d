#include "where.h"

#include <stdlib.h>
#include <string.h>

#include "caret.h"
#include "commands.h"
#include "json_text.h"
#include "numbers.h"

void cli_set_where(cli_where *where, const char *text) {
    if (where->text != NULL)
        cli_fail_usage("--where was given twice; say AND between the two conditions");
    where->text = text;
}

/* Numbers are looked at here, because there are some that only the filter's reader takes, and says what is wrong. */
bool cli_is_json_value(const char *text) {
    const char *end = cli_skip_json_number(text);
    if (end != NULL && *end == '\0')
        return true;
    json_t *json = cli_check_json(text, strlen(text), 0, NULL);
    const bool is_value = json != NULL && !json_is_object(json);
    json_decref(json);
    return is_value;
}

static void check_utf8(const char *what, const char *text) {
    for (const char *at = text, *end = text + strlen(text); at < end;)
        if (cli_next_character(&at, end) == CLI_NOT_UTF8)
            cli_fail_usage("%s: expected UTF-8, found the byte 0x%02x", what, (unsigned)(unsigned char)at[-1]);
}

void cli_add_parameter(cli_where *where, const char *value) {
    check_utf8("--param", value);
    cli_append(&where->parameters, where->parameters.size == 0 ? "[" : ", ", where->parameters.size == 0 ? 1 : 2);
    if (cli_is_json_value(value))
        cli_append(&where->parameters, value, strlen(value));
    else
        cli_append_json_string(&where->parameters, value, strlen(value));
}

void cli_make_filter(cli_where *where) {
    static const char PARAMETERS[] = "parameters: ";
    npv_error error;
    if (where->parameters.text != NULL)
        cli_append(&where->parameters, "]", 1);
    if (where->text == NULL && where->parameters.text != NULL)
        cli_fail_usage("--param goes with --where");
    if (where->text == NULL || npv_filter_new(where->text, where->parameters.text, &where->filter, &error) == NPV_OK)
        return;
    if (strncmp(error.message, PARAMETERS, strlen(PARAMETERS)) != 0)
        cli_fail_in_text("--where", where->text, &error);
    memmove(error.message, error.message + strlen(PARAMETERS), strlen(error.message + strlen(PARAMETERS)) + 1);
    cli_fail_in_text("--param", where->parameters.text, &error);
}

/* False, with the reason, if there is a field in the filter that no row has. */
static bool has_fields(const npv_filter *filter, npv_store *store, npv_error *error) {
    return filter == NULL || npv_filter_check(store, filter, error) != NPV_E_NOT_FOUND;
}

void cli_check_filter(const cli_where *where, npv_store *store) {
    npv_error error;
    if (cli_get_info(store).metadata == NPV_METADATA_TYPED && !has_fields(where->filter, store, &error))
        cli_fail_in_text("--where", where->text, &error);
}

void cli_say_nothing_found(const cli_where *where, npv_store *store) {
    npv_error error;
    if (has_fields(where->filter, store, &error))
        cli_warn("nothing found");
    else
        cli_warn("nothing found: %s", error.message);
}

void cli_note_field(const char *what, const char *field, npv_store *store) {
    npv_error error;
    npv_filter *filter = NULL;
    cli_buffer text = {0};
    cli_append(&text, "{", 1);
    cli_append_json_string(&text, field, strlen(field));
    cli_append_format(&text, ": {\"$exists\": true}}");
    if (npv_filter_new(text.text, NULL, &filter, NULL) == NPV_OK && !has_fields(filter, store, &error))
        cli_warn("%s: %s", what, error.message);
    npv_filter_free(filter);
    free(text.text);
}

void cli_free_where(cli_where *where) {
    npv_filter_free(where->filter);
    free(where->parameters.text);
}
