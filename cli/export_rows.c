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

static bool is_object(const char *document) {
    return document[0] == '{';
}

static void write_vector_member(const char *name, const float *vector, size_t dimensions, FILE *file) {
    cli_buffer text = {0};
    cli_append_json_string(&text, name, strlen(name));
    cli_print_json(file, (cli_span){text.text, text.size});
    fputs(": [", file);
    for (size_t i = 0; i < dimensions; i++)
        fprintf(file, "%s%.9g", i > 0 ? ", " : "", (double)vector[i]);
    fputs("]}\n", file);
    free(text.text);
}

/* The head of an object that is a document, up to where another member can follow. */
static void write_members(const char *path, uint64_t row, const char *document, const char *vector_field, FILE *file) {
    cli_span value;
    if (!is_object(document))
        cli_fail("%s: row %" PRIu64 ": expected a document that is an object, to put the vector into; --no-vectors "
                 "writes documents of any kind",
                 path, row);
    if (cli_find_member(document, vector_field, &value))
        cli_fail("%s: row %" PRIu64
                 ": its document has a member \"%s\" already; choose another name for the vector with "
                 "--vector-field",
                 path, row, vector_field);
    const size_t size = strlen(document) - 1; /* without the closing bracket */
    cli_print_json(file, (cli_span){document, size});
    fputs(size > 1 ? ", " : "", file);
}

void cli_write_jsonl(npv_store *store, const char *path, const char *vector_field, FILE *file) {
    const npv_info info = cli_get_info(store);
    const float *vectors = npv_vectors(store);
    for (uint64_t row = 0; row < info.rows && !ferror(file); row++) {
        char *document = cli_get_document(store, path, row);
        if (vector_field == NULL) {
            const char *line = document == NULL ? "null" : document;
            cli_print_json(file, (cli_span){line, strlen(line)});
            fputc('\n', file);
        } else {
            if (document == NULL)
                fputc('{', file);
            else
                write_members(path, row, document, vector_field, file);
            write_vector_member(vector_field, vectors + row * info.dimensions, info.dimensions, file);
        }
        npv_free(document);
        cli_progress_update(row + 1);
    }
}
