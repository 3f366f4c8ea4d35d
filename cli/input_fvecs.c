/* fvecs: each vector is led by its dimensions, an int32; everything is little-endian. */
#include <stdlib.h>
#include <string.h>

#include "input.h"
#include "lines.h"

static uint32_t read_le32(const unsigned char *bytes) {
    return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

/* Reads `size` bytes. False if the file ends before the first of them. */
static bool read_all(FILE *file, void *bytes, size_t size, cli_place place) {
    const size_t got = fread(bytes, 1, size, file);
    if (got == size)
        return true;
    if (ferror(file))
        cli_fail_io(place.path, "reading");
    if (got > 0)
        cli_fail_at(place, "expected %zu bytes, found the end of the file after %zu", size, got);
    return false;
}

static bool read_dimensions(FILE *file, size_t *dimensions, cli_place place) {
    unsigned char bytes[4];
    if (!read_all(file, bytes, sizeof bytes, place))
        return false;
    const uint32_t count = read_le32(bytes);
    if (count == 0 || count > NPV_MAX_DIMENSIONS)
        cli_fail_at(place, "expected 1 to %d dimensions, found %lu: is this an fvecs file?", NPV_MAX_DIMENSIONS,
                    (unsigned long)count);
    *dimensions = count;
    return true;
}

static void read_vector(FILE *file, size_t dimensions, float *vector, unsigned char *bytes, cli_place place) {
    if (!read_all(file, bytes, 4 * dimensions, place))
        cli_fail_at(place, "expected %zu bytes, found the end of the file", 4 * dimensions);
    for (size_t i = 0; i < dimensions; i++) {
        const uint32_t bits = read_le32(bytes + 4 * i);
        memcpy(vector + i, &bits, sizeof bits);
    }
}

void cli_read_fvecs(const cli_input *input, cli_adder *adder) {
    const char *path = cli_input_name(input->path);
    float *vector = cli_resize(NULL, NPV_MAX_DIMENSIONS, sizeof *vector);
    unsigned char *bytes = cli_resize(NULL, NPV_MAX_DIMENSIONS, 4);
    FILE *file = cli_open_input(input->path);
    cli_documents *documents = cli_open_documents(input->documents_path);
    size_t dimensions;
    for (cli_place place = {path, "row", 0}; read_dimensions(file, &dimensions, place); place.number++) {
        read_vector(file, dimensions, vector, bytes, place);
        cli_new_row row = {.vector = vector, .dimensions = dimensions, .place = place};
        if (documents != NULL)
            row.document = cli_next_document(documents, input, &row.id);
        cli_add_row(adder, &row);
    }
    cli_close_documents(documents, path);
    if (file != stdin)
        fclose(file);
    free(bytes);
    free(vector);
}
