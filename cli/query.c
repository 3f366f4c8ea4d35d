#include "query.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "input.h"
#include "lines.h"
#include "query_npy.h"
#include "text.h"

/* Of queries as text: room for some thousands. */
#define MAX_TEXT 268435456

static char *read_text(const char *path) {
    cli_buffer text = {0};
    char block[65536];
    size_t got;
    FILE *file = cli_open_input(path);
    cli_append(&text, "", 0);
    while ((got = fread(block, 1, sizeof block, file)) > 0) {
        cli_append(&text, block, got);
        if (text.size > MAX_TEXT)
            cli_fail("%s: expected at most %d bytes of queries as text, found more", cli_input_name(path), MAX_TEXT);
    }
    if (ferror(file))
        cli_fail_io(cli_input_name(path), "reading");
    if (file != stdin)
        fclose(file);
    if (strlen(text.text) < text.size)
        cli_fail("%s: expected numbers, found a zero byte at byte %zu", cli_input_name(path), strlen(text.text));
    return text.text;
}

static void check_count(size_t found, size_t dimensions, size_t query, cli_place place) {
    if (found != dimensions)
        cli_fail_at(place, "query %zu: expected %zu numbers, as the store's vectors have, found %zu", query, dimensions,
                    found);
}

/* [1, 2], [[1, 2], [3, 4]], one such array a line, and the same as NumPy prints it. */
static size_t read_arrays(const char *text, size_t dimensions, cli_vector *queries, cli_place place) {
    static const char BETWEEN[] = " \t\r\n,";
    const char *inner = text + 1 + strspn(text + 1, BETWEEN);
    const bool nested = *inner == '[';
    size_t count = 0;
    for (text = nested ? inner : text; *text == '['; text += strspn(text, BETWEEN), count++) {
        const size_t before = queries->count;
        text = cli_read_plain_numbers(text + 1, NPV_MAX_DIMENSIONS, queries, place);
        if (*text != ']')
            cli_fail_at(place, "query %zu: expected ']' behind its numbers, found %s", count,
                        *text == '[' ? "another '['" : "the end");
        check_count(queries->count - before, dimensions, count, place);
        text++;
    }
    if (nested && *text != ']')
        cli_fail_at(place, "expected ']' behind the queries, found %s", *text == '\0' ? "the end" : "something else");
    text += nested;
    if (text[strspn(text, BETWEEN)] != '\0')
        cli_fail_at(place, "expected nothing behind query %zu, found '%.16s'", count - 1, text);
    return count;
}

static size_t read_text_queries(const char *path, size_t dimensions, cli_vector *queries) {
    const cli_place place = {cli_input_name(path), NULL, 0};
    char *text = read_text(path);
    const char *head = text + strspn(text, " \t\r\n");
    size_t count;
    if (*head == '[') {
        count = read_arrays(head, dimensions, queries, place);
    } else {
        head = cli_read_plain_numbers(head, SIZE_MAX, queries, place);
        if (*head != '\0')
            cli_fail_at(place, "expected numbers alone or arrays alone, found '%c' behind number %zu", *head,
                        queries->count);
        if (queries->count % dimensions != 0)
            cli_fail_at(place, "expected %zu numbers for a query, as the store's vectors have, found %zu", dimensions,
                        queries->count);
        count = queries->count / dimensions;
    }
    free(text);
    return count;
}

static size_t read_opened_queries(const char *path, size_t dimensions, cli_vector *queries) {
    npv_store *store = cli_open_store(path);
    const npv_info info = cli_get_info(store);
    if (info.rows > 0)
        check_count(info.dimensions, dimensions, 0, (cli_place){path, NULL, 0});
    const float *vectors = npv_vectors(store);
    for (size_t i = 0; i < info.rows * info.dimensions; i++)
        cli_vector_push(queries, vectors[i]);
    npv_close(store);
    return (size_t)info.rows;
}

size_t cli_read_queries(const char *path, size_t dimensions, cli_vector *queries) {
    const cli_format format = strcmp(path, "-") == 0 ? CLI_FORMAT_UNKNOWN : cli_format_of_input(path);
    size_t count;
    if (format == CLI_FORMAT_NPY && cli_read_flat_npy(path, queries)) {
        check_count(queries->count, dimensions, 0, (cli_place){path, NULL, 0});
        count = 1;
    } else if (format == CLI_FORMAT_NPY || format == CLI_FORMAT_NPZ) {
        count = read_opened_queries(path, dimensions, queries);
    } else {
        count = read_text_queries(path, dimensions, queries);
    }
    if (count == 0)
        cli_fail("%s: expected a query of %zu numbers, found none", cli_input_name(path), dimensions);
    return count;
}
