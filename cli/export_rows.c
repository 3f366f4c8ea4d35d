#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "export.h"
#include "json_text.h"
#include "progress.h"

/* ------------------------------------------------------------------------------------------------------- Vectors -- */

static void store_le32(unsigned char *bytes, uint32_t value) {
    for (int i = 0; i < 4; i++)
        bytes[i] = (unsigned char)(value >> 8 * i);
}

/* Writes all vectors, each behind `lead`, little-endian. */
static void write_vectors(npv_store *store, const unsigned char *lead, size_t lead_size, FILE *file) {
    const npv_info info = cli_get_info(store);
    const float *vectors = npv_vectors(store);
    unsigned char *bytes = cli_resize(NULL, info.dimensions, 4);
    for (uint64_t row = 0; row < info.rows && !ferror(file); row++) {
        for (size_t i = 0; i < info.dimensions; i++) {
            uint32_t bits;
            memcpy(&bits, vectors + row * info.dimensions + i, sizeof bits);
            store_le32(bytes + 4 * i, bits);
        }
        fwrite(lead, 1, lead_size, file);
        fwrite(bytes, 4, info.dimensions, file);
        cli_progress_update(row + 1);
    }
    free(bytes);
}

void cli_write_fvecs(npv_store *store, FILE *file) {
    unsigned char lead[4];
    store_le32(lead, (uint32_t)cli_get_info(store).dimensions);
    write_vectors(store, lead, sizeof lead, file);
}

/* The header is filled with blanks, so that the vectors begin on a 64-byte boundary. */
void cli_write_npy(npv_store *store, FILE *file) {
    enum { PREFIX = 10, HEADER = 128 - PREFIX };
    const npv_info info = cli_get_info(store);
    char header[HEADER + 1];
    const int size =
        snprintf(header, sizeof header, "{'descr': '<f4', 'fortran_order': False, 'shape': (%" PRIu64 ", %zu), }",
                 info.rows, info.dimensions);
    memset(header + size, ' ', (size_t)(HEADER - 1 - size));
    header[HEADER - 1] = '\n';
    fwrite("\x93NUMPY\x01\x00", 1, 8, file);
    fputc(HEADER, file);
    fputc(0, file);
    fwrite(header, 1, HEADER, file);
    write_vectors(store, (const unsigned char *)"", 0, file);
}

/* ---------------------------------------------------------------------------------------------------- JSON Lines -- */

static void write_name(const char *name, FILE *file) {
    cli_buffer text = {0};
    cli_append_json_string(&text, name, strlen(name));
    cli_append(&text, ": ", 2);
    cli_print_json(file, (cli_span){text.text, text.size});
    free(text.text);
}

/* null for a row without an id: whoever reads the line sees that none was forgotten. */
static void write_id(npv_store *store, const char *path, uint64_t row, FILE *file) {
    npv_error error;
    const char *id;
    if (npv_get_id(store, row, &id, &error) != NPV_OK)
        cli_fail_npv(path, &error);
    cli_buffer text = {0};
    if (id == NULL)
        cli_append(&text, "null", 4);
    else
        cli_append_json_string(&text, id, strlen(id));
    cli_print_json(file, (cli_span){text.text, text.size});
    free(text.text);
}

static void write_vector(const float *vector, size_t dimensions, FILE *file) {
    fputc('[', file);
    for (size_t i = 0; i < dimensions; i++)
        fprintf(file, "%s%.9g", i > 0 ? ", " : "", (double)vector[i]);
    fputc(']', file);
}

/* Ends the process if the document cannot take the member. */
static void check_member(const char *path, uint64_t row, const char *document, const char *name, const char *what) {
    cli_span value;
    if (document[0] != '{')
        cli_fail("%s: row %" PRIu64 ": expected a document that is an object, to put the %s into; --no-%ss writes "
                 "documents of any kind",
                 path, row, what, what);
    if (cli_find_member(document, name, &value))
        cli_fail("%s: row %" PRIu64 ": its document has a member \"%s\" already; choose another name for the %s with "
                 "--%s-field",
                 path, row, name, what, what);
}

static void write_object(npv_store *store, const char *path, uint64_t row, const char *document,
                         cli_members_added added, FILE *file) {
    const cli_span members = {document + 1, strlen(document) - 2};
    const char *between = "";
    if (added.id != NULL)
        check_member(path, row, document, added.id, "id");
    if (added.vector != NULL)
        check_member(path, row, document, added.vector, "vector");
    fputc('{', file);
    if (added.id != NULL) {
        write_name(added.id, file);
        write_id(store, path, row, file);
        between = ", ";
    }
    if (members.size > 0) {
        fputs(between, file);
        cli_print_json(file, members);
        between = ", ";
    }
    if (added.vector != NULL) {
        const size_t dimensions = cli_get_info(store).dimensions;
        fputs(between, file);
        write_name(added.vector, file);
        write_vector(npv_vectors(store) + row * dimensions, dimensions, file);
    }
    fputs("}\n", file);
}

static void write_document(const char *document, FILE *file) {
    cli_print_json(file, (cli_span){document, strlen(document)});
    fputc('\n', file);
}

void cli_write_jsonl(npv_store *store, const char *path, cli_members_added added, FILE *file) {
    const uint64_t rows = npv_count(store);
    for (uint64_t row = 0; row < rows && !ferror(file); row++) {
        char *document = cli_get_document(store, path, row);
        if (added.id == NULL && added.vector == NULL)
            write_document(document == NULL ? "null" : document, file);
        else
            write_object(store, path, row, document == NULL ? "{}" : document, added, file);
        npv_free(document);
        cli_progress_update(row + 1);
    }
}
