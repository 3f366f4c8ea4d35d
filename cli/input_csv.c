/*
 * CSV with a header: one column holds the vector, the others become members of the document.
 *
 * libcsv is fed line by line, so that a mistake can be told by the line on which its record begins.
 */
#include <csv.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "input.h"
#include "json_text.h"
#include "lines.h"
#include "numbers.h"

#define MAX_COLUMNS 4096
#define MAX_NAME 4096
/* libcsv lets its buffer grow by so much at a time. */
#ifndef CELL_BLOCK /* fuzz/CMakeLists.txt */
#define CELL_BLOCK 65536
#endif

typedef struct csv_reader {
    const cli_input *input;
    cli_adder *adder;
    cli_place place; /* where the record begins */
    char **names;    /* of the columns; NULL before the header was read */
    size_t columns;
    size_t vector_column; /* SIZE_MAX before the header was read */
    size_t id_column;     /* SIZE_MAX: there is none */

    /* The record so far. */
    size_t cell;
    char *id;
    cli_buffer document;
    cli_vector vector;
} csv_reader;

static int no_space(unsigned char c) {
    (void)c;
    return 0;
}

/* ------------------------------------------------------------------------------------------------------- Header -- */

static void take_name(csv_reader *reader, const char *text, size_t size) {
    if (reader->columns == MAX_COLUMNS)
        cli_fail_at(reader->place, "expected at most %d columns, found more", MAX_COLUMNS);
    if (size == 0 || size > MAX_NAME)
        cli_fail_at(reader->place, "column %zu: expected a name of 1 to %d bytes, found %zu", reader->columns + 1,
                    MAX_NAME, size);
    char *name = cli_copy(text, size);
    for (size_t i = 0; i < reader->columns; i++)
        if (strcmp(reader->names[i], name) == 0)
            cli_fail_at(reader->place, "expected different names of columns, found two called \"%s\"", name);
    reader->names = cli_resize(reader->names, reader->columns + 1, sizeof *reader->names);
    reader->names[reader->columns++] = name;
}

static bool find_column(const csv_reader *reader, const char *name, size_t *column) {
    for (size_t i = 0; i < reader->columns; i++)
        if (strcmp(reader->names[i], name) == 0) {
            *column = i;
            return true;
        }
    return false;
}

static void end_header(csv_reader *reader) {
    const char *name = reader->input->vector_field, *id = reader->input->id_field;
    size_t *const column = &reader->vector_column;
    const bool is_there = name != NULL
                              ? find_column(reader, name, column)
                              : find_column(reader, "vector", column) || find_column(reader, "embedding", column);
    if (!is_there)
        cli_fail_at(reader->place,
                    "expected a column \"%s\" with the vectors, found none; name it with --vector-column",
                    name == NULL ? "vector" : name);
    if (id != NULL && !find_column(reader, id, &reader->id_column))
        cli_fail_at(reader->place, "expected a column \"%s\" with the ids, found none; name it with --id-field", id);
}

/* ------------------------------------------------------------------------------------------------------ Records -- */

static void take_vector(csv_reader *reader, const char *cell) {
    const char *text = cell + strspn(cell, " \t\r\n");
    const bool has_bracket = *text == '[';
    text = cli_read_plain_numbers(text + has_bracket, NPV_MAX_DIMENSIONS, &reader->vector, reader->place);
    if (has_bracket && *text == ']')
        text++;
    else if (has_bracket)
        cli_fail_at(reader->place, "column \"%s\": expected ']' at the end of the vector",
                    reader->names[reader->vector_column]);
    if (text[strspn(text, " \t\r\n")] != '\0')
        cli_fail_at(reader->place, "column \"%s\": expected one vector, found more behind it",
                    reader->names[reader->vector_column]);
}

static bool is_one_of(const char *text, const char *const *words) {
    while (*words != NULL && strcmp(text, *words) != 0)
        words++;
    return *words != NULL;
}

/* Whether --infer takes the cell for a number: one that JSON can spell and a document can hold. */
static bool is_number(const char *cell) {
    const char *end = cli_skip_json_number(cell);
    if (end == NULL || *end != '\0')
        return false;
    if (strpbrk(cell, ".eE") != NULL)
        return isfinite(strtod(cell, NULL));
    const size_t digits = strlen(cell) - (*cell == '-');
    const char *const largest = *cell == '-' ? "9223372036854775808" : "9223372036854775807";
    return digits < 19 || (digits == 19 && strcmp(cell + (*cell == '-'), largest) <= 0);
}

static void append_inferred(cli_buffer *document, const char *cell, size_t size) {
    if (is_number(cell))
        cli_append(document, cell, size);
    else if (is_one_of(cell, (const char *const[]){"true", "True", "TRUE", NULL}))
        cli_append(document, "true", 4);
    else if (is_one_of(cell, (const char *const[]){"false", "False", "FALSE", NULL}))
        cli_append(document, "false", 5);
    else if (strcmp(cell, "null") == 0)
        cli_append(document, "null", 4);
    else
        cli_append_json_string(document, cell, size);
}

static void check_text(const csv_reader *reader, const char *cell, size_t size) {
    for (const char *at = cell, *end = cell + size; at < end;)
        if (cli_next_character(&at, end) == CLI_NOT_UTF8)
            cli_fail_at(reader->place, "column \"%s\": expected UTF-8, found the byte 0x%02x",
                        reader->names[reader->cell], (unsigned)(unsigned char)at[-1]);
}

static void take_value(csv_reader *reader, const char *cell, size_t size) {
    const char *name = reader->names[reader->cell];
    cli_buffer *document = &reader->document;
    check_text(reader, cell, size);
    cli_append(document, ", ", document->size > 0 ? 2 : 0);
    cli_append_json_string(document, name, strlen(name));
    cli_append(document, ": ", 2);
    if (reader->input->infer)
        append_inferred(document, cell, size);
    else
        cli_append_json_string(document, cell, size);
    if (document->size > NPV_MAX_DOCUMENT_BYTES)
        cli_fail_at(reader->place, "expected a document of at most %d bytes, found more", NPV_MAX_DOCUMENT_BYTES);
}

static void take_id(csv_reader *reader, const char *cell, size_t size) {
    check_text(reader, cell, size);
    reader->id = cli_copy(cell, size);
}

static void end_record(csv_reader *reader) {
    if (reader->cell != reader->columns)
        cli_fail_at(reader->place, "expected %zu cells, found %zu", reader->columns, reader->cell);
    char *document = NULL;
    if (reader->columns > (reader->id_column == SIZE_MAX ? 1u : 2u)) {
        cli_buffer json = {0};
        cli_append_format(&json, "{%s}", reader->document.size > 0 ? reader->document.text : "");
        document = json.text;
    }
    cli_add_row(reader->adder, &(cli_new_row){.vector = reader->vector.values,
                                              .dimensions = reader->vector.count,
                                              .document = document,
                                              .id = reader->id,
                                              .place = reader->place});
    reader->document.size = reader->vector.count = 0;
    reader->id = NULL;
}

/* ------------------------------------------------------------------------------------------------------- libcsv -- */

/* A cell; NULL for one that is empty and not quoted. */
static void take_cell(void *cell, size_t size, void *context) {
    csv_reader *reader = context;
    const bool in_header = reader->vector_column == SIZE_MAX;
    if (in_header) {
        take_name(reader, cell, cell == NULL ? 0 : size);
        return;
    }
    if (reader->cell == reader->columns)
        cli_fail_at(reader->place, "expected %zu cells, found more", reader->columns);
    if (reader->cell == reader->vector_column)
        take_vector(reader, cell == NULL ? "" : cell);
    else if (cell != NULL && reader->cell == reader->id_column)
        take_id(reader, cell, size);
    else if (cell != NULL)
        take_value(reader, cell, size);
    reader->cell++;
}

static void end_line(int end, void *context) {
    (void)end;
    csv_reader *reader = context;
    if (reader->vector_column == SIZE_MAX)
        end_header(reader);
    else
        end_record(reader);
    reader->cell = 0;
    reader->place.unit = NULL; /* the next record begins elsewhere */
}

static void feed(struct csv_parser *parser, csv_reader *reader, const char *text, size_t size) {
    const size_t taken = csv_parse(parser, text, size, take_cell, end_line, reader);
    if (taken != size && csv_error(parser) == CSV_EPARSE)
        cli_fail_at(reader->place,
                    "expected quotes only around whole cells, and doubled inside them, found one elsewhere");
    if (taken != size)
        cli_fail_at(reader->place, "%s", csv_strerror(csv_error(parser)));
    if (csv_get_buffer_size(parser) > CLI_MAX_LINE + CELL_BLOCK)
        cli_fail_at(reader->place, "expected a cell of at most %d bytes, found more: is a quote not closed?",
                    CLI_MAX_LINE);
}

static void read_records(struct csv_parser *parser, csv_reader *reader, cli_lines *lines) {
    char *text;
    size_t size;
    while (cli_next_line(lines, &text, &size)) {
        const bool begins_record = reader->place.unit == NULL;
        if (begins_record && text[strspn(text, "\r")] == '\0')
            continue;
        if (begins_record)
            reader->place = cli_lines_place(lines);
        feed(parser, reader, text, size);
        feed(parser, reader, "\n", 1);
    }
    if (csv_fini(parser, take_cell, end_line, reader) != 0)
        cli_fail_at(reader->place, "expected the closing quote of a cell, found the end of the file");
    if (reader->vector_column == SIZE_MAX)
        cli_fail("%s: expected a header with the names of the columns, found an empty file", lines->path);
}

void cli_read_csv(const cli_input *input, cli_adder *adder) {
    struct csv_parser parser;
    cli_lines lines = cli_open_lines(input->path);
    csv_reader reader = {.input = input,
                         .adder = adder,
                         .place = {lines.path, NULL, 0},
                         .vector_column = SIZE_MAX,
                         .id_column = SIZE_MAX};
    if (csv_init(&parser, CSV_STRICT | CSV_STRICT_FINI | CSV_APPEND_NULL | CSV_EMPTY_IS_NULL) != 0)
        cli_fail("out of memory: the CSV parser");
    csv_set_space_func(&parser, no_space);
    csv_set_blk_size(&parser, CELL_BLOCK);
    read_records(&parser, &reader, &lines);
    csv_free(&parser);
    for (size_t i = 0; i < reader.columns; i++)
        free(reader.names[i]);
    free(reader.names);
    free(reader.document.text);
    free(reader.vector.values);
    cli_close_lines(&lines);
}
