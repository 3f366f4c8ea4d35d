/* Tables for people: columns aligned, cut to the width of a terminal, whole everywhere else. */
#ifndef CLI_TABLE_H
#define CLI_TABLE_H

#include <stdbool.h>
#include <stddef.h>

typedef struct cli_table {
    size_t columns;
    bool *right;  /* columns that are aligned on the right */
    char **cells; /* row after row, the first of them the header */
    size_t count, capacity;
} cli_table;

/* Adds a column; all of them before the first cell that is no header. */
void cli_add_column(cli_table *table, const char *name, bool right);

/* Adds the next cell. What could steer a terminal is shown escaped. */
void cli_add_cell(cli_table *table, const char *text, size_t size);
void cli_add_cell_format(cli_table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Prints the table, if it has rows, and frees it. */
void cli_print_table(cli_table *table);

/* Prints a line of text that is shown as a cell is. */
void cli_print_line(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
