/* .npy: the header, and behind it vectors, ids, or records of which the schema is read. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "meta/json.h"
#include "meta/schema.h"
#include "npz/npy.h"
#include "npz/npy_ids.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST_RECORDS = 4 }; /* that are looked at: more are more of the same */

static npv_status take(void *context, void *data, size_t size, npv_error *error) {
    npv_bytes *const rest = context;
    (void)error;
    if (size > rest->size)
        return NPV_E_FORMAT;
    if (size > 0)
        memcpy(data, rest->data, size);
    *rest = (npv_bytes){rest->data + size, rest->size - size};
    return NPV_OK;
}

static void read_vectors(npv_bytes rest, const npv_npy_header *header) {
    float *const vectors = malloc((size_t)(header->shape[0] * header->shape[1]) * sizeof *vectors + 1);
    assert(vectors != NULL);
    npv_npy_read_vectors((npv_source){take, &rest}, header, vectors, NULL);
    free(vectors);
}

static void read_ids(npv_bytes rest, const npv_npy_header *header) {
    npv_ids ids;
    npv_ids_init(&ids);
    if (npv_npy_read_ids((npv_source){take, &rest}, header, &ids, NULL) == NPV_OK)
        assert(npv_npy_id_characters(&ids) <= header->item_size / NPV_NPY_CHARACTER);
    npv_ids_free(&ids);
}

/* What a record is shown as must be JSON, and what it holds a value of its schema again. */
static void read_record(const npv_record_schema *schema, const unsigned char *record) {
    npv_buffer fragment = {NULL, 0, 0}, json = {NULL, 0, 0};
    if (npv_record_check_texts(schema, record, 1, NPV_E_FORMAT, NULL) == NPV_OK) {
        unsigned char *const again = calloc(1, schema->record_size);
        npv_status status = npv_record_to_fragment(schema, record, &fragment, NULL);
        assert(status == NPV_OK);
        status = npv_fragment_to_json((npv_bytes){fragment.data, fragment.size}, &json, NULL);
        assert(status == NPV_OK && json.size >= 2 && again != NULL);
        (void)npv_record_from_fragment(schema, (npv_bytes){fragment.data, fragment.size}, again, NULL);
        free(again);
    }
    free(fragment.data);
    free(json.data);
}

static void read_records(npv_bytes rest, const npv_npy_header *header, npv_bytes descr) {
    npv_record_schema schema;
    npv_error error = {.message = ""};
    const npv_status status = npv_schema_from_descr(descr, &schema, &error);
    if (status != NPV_OK) {
        assert(error.message[0] != '\0' && strchr(error.message, '\n') == NULL);
        return;
    }
    assert(schema.record_size == header->item_size);
    for (int i = 0; i < MOST_RECORDS && schema.record_size > 0 && rest.size >= schema.record_size; i++) {
        read_record(&schema, rest.data);
        rest = (npv_bytes){rest.data + schema.record_size, rest.size - schema.record_size};
    }
    npv_schema_free(&schema);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    npv_bytes rest = {data, size};
    npv_buffer descr = {NULL, 0, 0};
    npv_npy_header header;
    if (npv_npy_read_descr((npv_source){take, &rest}, &header, &descr, NULL) == NPV_OK && !header.objects) {
        const bool whole = header.data_size <= rest.size;
        if (whole && npv_npy_check_vectors(&header, NULL) == NPV_OK)
            read_vectors(rest, &header);
        if (whole && header.kind == 'U' && npv_npy_check_ids(&header, header.shape[0], NULL) == NPV_OK)
            read_ids(rest, &header);
        if (header.kind == NPV_DESCR_RECORD)
            read_records(rest, &header, (npv_bytes){descr.data, descr.size});
    }
    free(descr.data);
    return 0;
}
