#include "shown.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "caret.h"
#include "commands.h"
#include "json_text.h"

void cli_split_fields(cli_shown *shown, char *words) {
    for (char *word = words; word != NULL;) {
        bool quoted = false;
        char *end = word;
        for (; *end != '\0' && (*end != ',' || quoted); end++)
            quoted ^= *end == '"';
        char *const next = *end == ',' ? end + 1 : NULL;
        *end = '\0';
        if (*word == '\0')
            cli_fail_usage("--fields: expected names with one comma between them, found an empty name");
        shown->fields = cli_resize(shown->fields, shown->field_count + 1, sizeof *shown->fields);
        shown->fields[shown->field_count++] = word;
        word = next;
    }
}

void cli_show_store(cli_shown *shown, npv_store *store, const char *path) {
    const npv_info info = cli_get_info(store);
    shown->store = store;
    shown->path = path;
    shown->dimensions = info.dimensions;
    shown->has_ids = info.ids > 0;
    shown->has_documents = info.metadata != NPV_METADATA_NONE;
}

/* ------------------------------------------------------------------------------------------------------- Content -- */

/* The fields were refused: asks for them one by one to learn which of them is wrong. */
static _Noreturn void fail_fields(const cli_shown *shown, uint64_t row, const npv_error *refused) {
    npv_error error;
    for (size_t i = 0; i < shown->field_count; i++) {
        char *json = NULL;
        if (npv_get_fields(shown->store, row, &shown->fields[i], 1, &json, &error) != NPV_OK)
            cli_fail_in_text("--fields", shown->fields[i], &error);
        npv_free(json);
    }
    cli_fail("--fields: %s", refused->message);
}

/* The document of a row, or its fields that are shown; NULL if there is none. */
static char *get_content(const cli_shown *shown, uint64_t row) {
    npv_error error;
    char *json = NULL;
    if (shown->field_count == 0)
        return cli_get_document(shown->store, shown->path, row);
    const npv_status status = npv_get_fields(shown->store, row, shown->fields, shown->field_count, &json, &error);
    if (status == NPV_E_ARGUMENT || status == NPV_E_NOT_FOUND || status == NPV_E_LIMIT)
        fail_fields(shown, row, &error);
    if (status != NPV_OK)
        cli_miss_document(shown->store, shown->path, &error);
    return json;
}

void cli_check_fields(const cli_shown *shown, const uint64_t *rows, size_t count) {
    bool checked = shown->field_count == 0;
    for (size_t i = 0; i < count && !checked; i++) {
        char *content = get_content(shown, rows[i]);
        checked = content != NULL; /* names are looked at where there is a document */
        npv_free(content);
    }
}

static const char *id_of(const cli_shown *shown, uint64_t row) {
    const char *id;
    npv_error error;
    if (npv_get_id(shown->store, row, &id, &error) != NPV_OK)
        cli_fail_npv(shown->path, &error);
    return id;
}

static void append_vector(cli_buffer *text, const cli_shown *shown, uint64_t row) {
    const float *vector;
    npv_error error;
    if (npv_get_vector(shown->store, row, &vector, &error) != NPV_OK)
        cli_fail_npv(shown->path, &error);
    cli_append(text, "[", 1);
    for (size_t i = 0; i < shown->dimensions; i++)
        cli_append_format(text, "%s%.9g", i > 0 ? ", " : "", (double)vector[i]);
    cli_append(text, "]", 1);
}

/* --------------------------------------------------------------------------------------------------------- Table -- */

void cli_add_row_columns(cli_table *table, const cli_shown *shown) {
    cli_add_column(table, "row", true);
    if (shown->has_ids)
        cli_add_column(table, "id", false);
}

void cli_add_row_cells(cli_table *table, const cli_shown *shown, uint64_t row) {
    cli_add_cell_format(table, "%" PRIu64, row);
    if (!shown->has_ids)
        return;
    const char *id = id_of(shown, row);
    cli_add_cell(table, id == NULL ? "" : id, id == NULL ? 0 : strlen(id));
}

void cli_add_content_columns(cli_table *table, const cli_shown *shown) {
    if (shown->vector)
        cli_add_column(table, "vector", false);
    for (size_t i = 0; i < shown->field_count; i++)
        cli_add_column(table, shown->fields[i], false);
    if (shown->field_count == 0 && shown->has_documents)
        cli_add_column(table, "document", false);
}

static void add_field_cell(cli_table *table, const char *content, const char *field) {
    cli_buffer text = {0};
    cli_span value;
    cli_append(&text, "", 0);
    if (content != NULL && cli_find_member(content, field, &value))
        cli_append_value(&text, value);
    cli_add_cell(table, text.text, text.size);
    free(text.text);
}

void cli_add_content_cells(cli_table *table, const cli_shown *shown, uint64_t row) {
    char *content = get_content(shown, row);
    if (shown->vector) {
        cli_buffer vector = {0};
        append_vector(&vector, shown, row);
        cli_add_cell(table, vector.text, vector.size);
        free(vector.text);
    }
    for (size_t i = 0; i < shown->field_count; i++)
        add_field_cell(table, content, shown->fields[i]);
    if (shown->field_count == 0 && shown->has_documents)
        cli_add_cell(table, content == NULL ? "" : content, content == NULL ? 0 : strlen(content));
    npv_free(content);
}

/* ---------------------------------------------------------------------------------------------------------- JSON -- */

void cli_print_content_members(const cli_shown *shown, uint64_t row) {
    char *content = get_content(shown, row);
    printf("\"document\": ");
    cli_print_json(stdout, content == NULL ? (cli_span){"null", 4} : (cli_span){content, strlen(content)});
    npv_free(content);
    if (shown->vector) {
        cli_buffer vector = {0};
        append_vector(&vector, shown, row);
        printf(", \"vector\": %s", vector.text);
        free(vector.text);
    }
    if (shown->has_ids) {
        const char *id = id_of(shown, row);
        printf(", \"id\": ");
        if (id == NULL)
            printf("null");
        else
            cli_print_json_string(id);
    }
}
