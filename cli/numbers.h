/* Vectors spelt in text. */
#ifndef CLI_NUMBERS_H
#define CLI_NUMBERS_H

#include <stdbool.h>

#include "report.h"

typedef struct cli_vector {
    float *values;
    size_t count;
    size_t capacity;
} cli_vector;

void cli_vector_push(cli_vector *vector, float value);

/* Where the JSON number at the head of `text` ends; NULL if there is none. */
const char *cli_skip_json_number(const char *text);

/* Rounds to float32, or ends the process if the number is too large for that. */
float cli_to_float(double value, cli_place place, size_t component);

/*
 * Appends the numbers of the JSON array at the head of `text`; returns the place behind it, or ends the process. They
 * are rounded by way of float64, so that the bits are those of np.asarray(json.loads(text), dtype=np.float32).
 */
const char *cli_read_json_numbers(const char *text, cli_vector *vector, cli_place place);

/*
 * Appends the numbers that `text` begins with, as programs print vectors: separated by white space, commas or
 * semicolons; at most `most`. Returns the place of the bracket or the zero behind them, or ends the process.
 */
const char *cli_read_plain_numbers(const char *text, size_t most, cli_vector *vector, cli_place place);

#endif
