/*
 * JSON as text: walking the members of an object without a tree, and writing.
 *
 * Vectors are long arrays of numbers, for which a tree of values would cost fifty times their size; and documents may
 * hold NaN, which JSON parsers refuse. The walk finds where members begin and end; it does not check them.
 */
#ifndef CLI_JSON_TEXT_H
#define CLI_JSON_TEXT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "text.h"

typedef struct cli_member {
    cli_span key; /* with its quotes */
    cli_span value;
} cli_member;

typedef struct cli_members {
    const char *at; /* behind the last member */
    bool begun;
} cli_members;

typedef enum cli_walk { CLI_MEMBER, CLI_END, CLI_MALFORMED } cli_walk;

/* Starts at the first character of zero-terminated `json`. */
cli_members cli_members_of(const char *json);

/* The next member. CLI_END: there is none left, and nothing stands behind the object. CLI_MALFORMED: not an object. */
cli_walk cli_next_member(cli_members *members, cli_member *member);

bool cli_key_is(cli_span key, const char *name);

/* Finds the member `name`; false if there is none or `json` is not an object. */
bool cli_find_member(const char *json, const char *name, cli_span *value);

/*
 * Jansson's tree of any JSON value, or NULL with *mistake, to look at the form alone: integers may have 308 digits, and
 * escapes spell zeros in keys and halves of surrogate pairs. The library takes those, and Jansson gets others for them.
 */
json_t *cli_check_json(const char *text, size_t size, size_t flags, json_error_t *mistake);

/* Appends the text that a JSON string spells; false if the value is none, or spells no text. */
bool cli_append_string(cli_buffer *buffer, cli_span value);

/* Appends what a JSON string spells; other values, and strings that spell no text, as they stand. */
void cli_append_value(cli_buffer *buffer, cli_span value);

/* Appends `text` as a JSON string; bytes that are not UTF-8 become U+FFFD. */
void cli_append_json_string(cli_buffer *buffer, const char *text, size_t size);

/* The same, printed. */
void cli_print_json_string(const char *text);

/* Prints JSON with what could steer a terminal escaped, which JSON reads as the same value. */
void cli_print_json(FILE *file, cli_span json);

/* Prints the shortest decimal that reads back as the same bits, always with a point or an exponent. */
void cli_print_json_double(double value);

#endif
