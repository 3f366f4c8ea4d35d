/* .npy and .npz: what npv_open reads. */
#include <stdlib.h>
#include <string.h>

#include "input.h"
#include "member.h"

typedef struct npy_reader {
    const cli_input *input;
    npv_store *source;
    npv_info info;
    npv_schema schema;
    bool same_schema; /* as the store that is added to: records are taken as they are */
    cli_documents *documents;
} npy_reader;

static char *document_of(npv_store *source, cli_place place) {
    npv_error error;
    char *document = NULL;
    if (npv_get_document(source, place.number, &document, &error) != NPV_OK)
        cli_fail_at(place, "%s", error.message);
    if (document == NULL)
        return NULL;
    char *copy = cli_copy(document, strlen(document));
    npv_free(document);
    return copy;
}

static char *id_of(npv_store *source, cli_place place) {
    npv_error error;
    const char *id;
    if (npv_get_id(source, place.number, &id, &error) != NPV_OK)
        cli_fail_at(place, "%s", error.message);
    return id == NULL ? NULL : cli_copy(id, strlen(id));
}

/* The id is a member of the document. */
static void split_document(cli_new_row *row, const char *id_field) {
    char *whole = row->document;
    if (whole == NULL)
        cli_fail_at(row->place, "expected a document with a member \"%s\" for the id, found none", id_field);
    cli_object object = {.text = whole, .size = strlen(whole), .wanted = "an id", .place = row->place};
    row->id = cli_take_id(&object, id_field);
    row->document = cli_take_rest(&object);
    free(whole);
}

static cli_new_row row_of(const npy_reader *reader, uint64_t number) {
    const cli_input *input = reader->input;
    const size_t dimensions = reader->info.dimensions;
    cli_new_row row = {.vector = npv_vectors(reader->source) + number * dimensions,
                       .dimensions = dimensions,
                       .place = {input->path, "row", number}};
    const bool has_ids = reader->info.ids > 0;
    const bool whole_records = reader->same_schema && (has_ids || input->id_field == NULL);
    if (reader->documents != NULL)
        row.document = cli_next_document(reader->documents, input, &row.id);
    else if (whole_records)
        row.record = (const unsigned char *)reader->schema.records + number * reader->schema.record_size;
    else if (reader->info.metadata != NPV_METADATA_NONE)
        row.document = document_of(reader->source, row.place);
    if (has_ids)
        row.id = id_of(reader->source, row.place);
    else if (input->id_field != NULL && reader->documents == NULL)
        split_document(&row, input->id_field);
    return row;
}

static void open_source(npy_reader *reader) {
    const cli_input *input = reader->input;
    npv_error error;
    reader->info.size = sizeof reader->info;
    reader->schema.size = sizeof reader->schema;
    if (npv_open(input->path, NULL, &reader->source, &error) != NPV_OK ||
        npv_get_info(reader->source, &reader->info, &error) != NPV_OK ||
        npv_get_schema(reader->source, &reader->schema, &error) != NPV_OK)
        cli_fail_npv(input->path, &error);
    if (input->documents_path != NULL && reader->info.metadata != NPV_METADATA_NONE)
        cli_fail_usage("--metadata goes with files that hold vectors alone, and %s has documents of its own",
                       input->path);
    if (input->id_field_given && reader->info.ids > 0)
        cli_fail_usage("--id-field goes with files whose rows have no ids, and those of %s have", input->path);
}

static bool has_schema(npv_store *store, const char *descr) {
    npv_error error;
    npv_schema schema = {.size = sizeof schema};
    return npv_get_schema(store, &schema, &error) == NPV_OK && schema.descr != NULL && strcmp(schema.descr, descr) == 0;
}

void cli_read_npy(const cli_input *input, cli_adder *adder) {
    npy_reader reader = {.input = input};
    if (strcmp(input->path, "-") == 0)
        cli_fail_usage("npy and npz are read from a file, not from standard input");
    open_source(&reader);
    if (reader.info.rows > 0)
        cli_begin_adding(adder, reader.info.dimensions, reader.schema.fields, reader.schema.field_count);
    reader.same_schema =
        reader.info.rows > 0 && reader.schema.descr != NULL && has_schema(adder->store, reader.schema.descr);
    reader.documents = cli_open_documents(input->documents_path);
    for (uint64_t number = 0; number < reader.info.rows; number++) {
        const cli_new_row row = row_of(&reader, number);
        cli_add_row(adder, &row);
    }
    cli_close_documents(reader.documents, input->path);
    cli_add_rest(adder);
    npv_close(reader.source);
}
