#include "rows.h"

#include <assert.h>
#include <string.h>

enum { MOST_ROWS = 64 }; /* that are looked at one by one */

void fuzz_check_line(const char *line) {
    assert(line[0] != '\0' && strchr(line, '\n') == NULL);
    (void)line;
}

static npv_status read_row(npv_store *store, uint64_t row, npv_error *error) {
    const float *vector = NULL;
    const char *id = NULL;
    char *json = NULL;
    uint64_t found = row;
    npv_status status = npv_get_vector(store, row, &vector, error);
    if (status == NPV_E_RANGE) /* it was deleted */
        return NPV_OK;
    if (status == NPV_OK)
        status = npv_get_document(store, row, &json, error);
    if (status == NPV_OK)
        status = npv_get_id(store, row, &id, error);
    if (status == NPV_OK && id != NULL)
        status = npv_find(store, id, &found, error);
    assert(status != NPV_OK || (vector != NULL && found == row && (json == NULL || json[0] != '\0')));
    npv_free(json);
    return status;
}

bool fuzz_read_rows(npv_store *store) {
    npv_info info = {.size = sizeof info};
    npv_schema schema = {.size = sizeof schema};
    npv_error error = {.message = ""};
    npv_status status = npv_get_info(store, &info, &error);
    assert(status == NPV_OK && info.rows <= info.row_end && info.dimensions > 0);
    status = npv_get_schema(store, &schema, &error);
    for (uint64_t row = 0; row < info.row_end && row < MOST_ROWS && status == NPV_OK; row++)
        status = read_row(store, row, &error);
    if (status != NPV_OK)
        fuzz_check_line(error.message);
    return status == NPV_OK;
}
