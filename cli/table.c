#include "table.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "report.h"
#include "text.h"

#define GAP 2
#define ELLIPSIS "\xe2\x80\xa6"
#define LEAST_WIDTH 8 /* of a column that is cut */
#define USUAL_TERMINAL 80

static void push(cli_table *table, char *cell) {
    if (table->count == table->capacity) {
        table->capacity = table->capacity == 0 ? 64 : 2 * table->capacity;
        table->cells = cli_resize(table->cells, table->capacity, sizeof *table->cells);
    }
    table->cells[table->count++] = cell;
}

void cli_add_cell(cli_table *table, const char *text, size_t size) {
    cli_buffer cell = {0};
    cli_append_visible(&cell, text, size);
    push(table, cell.text);
}

void cli_add_cell_format(cli_table *table, const char *format, ...) {
    cli_buffer text = {0};
    va_list values;
    va_start(values, format);
    cli_append_values(&text, format, values);
    va_end(values);
    cli_add_cell(table, text.text, text.size);
    free(text.text);
}

void cli_add_column(cli_table *table, const char *name, bool right) {
    table->right = cli_resize(table->right, table->columns + 1, sizeof *table->right);
    table->right[table->columns++] = right;
    cli_add_cell(table, name, strlen(name));
}

/* Columns of the terminal; SIZE_MAX if standard output is none. */
static size_t available_width(void) {
    struct winsize size;
    if (!isatty(STDOUT_FILENO))
        return SIZE_MAX;
    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : USUAL_TERMINAL;
}

static size_t total_width(const size_t *widths, size_t columns) {
    size_t total = 0;
    for (size_t i = 0; i < columns; i++)
        total += widths[i] + (i > 0 ? GAP : 0);
    return total;
}

/* Narrows the widest columns alike until all fit, or none can be narrowed further. */
static void fit_widths(size_t *widths, size_t columns, size_t available) {
    for (size_t i = 0; i < columns && available != SIZE_MAX; i++)
        widths[i] = widths[i] < available ? widths[i] : available;
    while (total_width(widths, columns) > available) {
        size_t widest = 0;
        for (size_t i = 1; i < columns; i++)
            widest = widths[i] > widths[widest] ? i : widest;
        if (widths[widest] <= LEAST_WIDTH)
            return;
        widths[widest]--;
    }
}

static void print_spaces(size_t count) {
    while (count-- > 0)
        putchar(' ');
}

static void print_cell(const char *cell, size_t width, bool right, bool last) {
    const size_t needed = cli_width(cell);
    if (needed > width) {
        const size_t size = cli_fit(cell, width - 1);
        cli_buffer kept = {0};
        cli_append(&kept, cell, size);
        cli_append(&kept, ELLIPSIS, strlen(ELLIPSIS));
        fputs(kept.text, stdout);
        if (!last)
            print_spaces(width - cli_width(kept.text));
        free(kept.text);
        return;
    }
    if (right)
        print_spaces(width - needed);
    fputs(cell, stdout);
    if (!right && !last)
        print_spaces(width - needed);
}

static size_t *measure(const cli_table *table) {
    size_t *widths = cli_resize(NULL, table->columns, sizeof *widths);
    memset(widths, 0, table->columns * sizeof *widths);
    for (size_t i = 0; i < table->count; i++) {
        const size_t width = cli_width(table->cells[i]);
        size_t *widest = &widths[i % table->columns];
        *widest = width > *widest ? width : *widest;
    }
    fit_widths(widths, table->columns, available_width());
    return widths;
}

void cli_print_table(cli_table *table) {
    const bool has_rows = table->count > table->columns;
    size_t *widths = has_rows ? measure(table) : NULL;
    for (size_t i = 0; i < table->count; i++) {
        const size_t column = i % table->columns;
        const bool last = column + 1 == table->columns;
        if (has_rows) {
            print_cell(table->cells[i], widths[column], table->right[column], last);
            fputs(last ? "\n" : "  ", stdout);
        }
        free(table->cells[i]);
    }
    free(widths);
    free(table->cells);
    free(table->right);
    *table = (cli_table){0};
}

void cli_print_line(const char *format, ...) {
    cli_buffer line = {0}, shown = {0};
    va_list values;
    va_start(values, format);
    cli_append_values(&line, format, values);
    va_end(values);
    cli_append_visible(&shown, line.text, line.size);
    puts(shown.text);
    free(line.text);
    free(shown.text);
}
