#include "query_npy.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lines.h"

#define PREFIX_SIZE 10 /* magic, version, length of the header in two bytes: what np.save writes for plain arrays */
#define MAX_HEADER 65535

/* What stands behind 'key': in the header, which is the text of a Python dict; "" if it is not there. */
static const char *find_entry(const char *header, const char *key) {
    const char *entry = strstr(header, key);
    if (entry == NULL)
        return "";
    entry += strlen(key);
    return entry + strspn(entry, " ");
}

/* The count in a shape of one dimension, "(3,)"; false for others. */
static bool read_flat_shape(const char *shape, size_t *count) {
    char *end;
    if (shape[0] != '(' || !isdigit((unsigned char)shape[1]))
        return false;
    const unsigned long found = strtoul(shape + 1, &end, 10);
    *count = found > NPV_MAX_DIMENSIONS ? NPV_MAX_DIMENSIONS + 1 : found;
    return end[0] == ',' && end[1 + strspn(end + 1, " ")] == ')';
}

static double read_little_endian(const unsigned char *bytes, size_t size) {
    uint64_t bits = 0;
    for (size_t i = size; i-- > 0;)
        bits = bits << 8 | bytes[i];
    if (size == sizeof(double)) {
        double value;
        memcpy(&value, &bits, sizeof value);
        return value;
    }
    const uint32_t low = (uint32_t)bits;
    float value;
    memcpy(&value, &low, sizeof value);
    return (double)value;
}

static void read_numbers(FILE *file, size_t size, size_t count, cli_vector *vector, const char *path) {
    const cli_place place = {path, NULL, 0};
    for (size_t i = 0; i < count; i++) {
        unsigned char bytes[sizeof(double)];
        if (fread(bytes, 1, size, file) != size)
            cli_fail_at(place, "expected %zu numbers, found the end of the file after %zu", count, i);
        cli_vector_push(vector, cli_to_float(read_little_endian(bytes, size), place, i));
    }
}

bool cli_read_flat_npy(const char *path, cli_vector *vector) {
    unsigned char prefix[PREFIX_SIZE];
    char header[MAX_HEADER + 1] = "";
    size_t count = 0;
    FILE *file = cli_open_input(path);
    if (fread(prefix, 1, PREFIX_SIZE, file) == PREFIX_SIZE && prefix[6] == 1)
        header[fread(header, 1, prefix[8] | (size_t)prefix[9] << 8, file)] = '\0';
    const bool is_flat = read_flat_shape(find_entry(header, "'shape':"), &count);
    if (is_flat) {
        const char *type = find_entry(header, "'descr':");
        const size_t size = strncmp(type, "'<f4'", 5) == 0 ? 4 : strncmp(type, "'<f8'", 5) == 0 ? 8 : 0;
        if (size == 0)
            cli_fail("%s: expected a query as <f4 or <f8, found %.*s", path, (int)strcspn(type, ","), type);
        if (count > NPV_MAX_DIMENSIONS)
            cli_fail("%s: expected at most %d numbers, found more", path, NPV_MAX_DIMENSIONS);
        read_numbers(file, size, count, vector, path);
    }
    fclose(file);
    return is_flat;
}
