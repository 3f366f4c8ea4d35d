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

static void append_blanks(cli_buffer *line, size_t count) {
    while (count-- > 0)
        cli_append(line, " ", 1);
}

static void append_cell(cli_buffer *line, const char *cell, size_t width, bool right) {
    const bool cut = cli_width(cell) > width;
    size_t used;
    const size_t size = cli_fit(cell, cut ? width - 1 : width, &used);
    const size_t blanks = width - used - cut;
    append_blanks(line, right ? blanks : 0);
    cli_append(line, cell, size);
    cli_append(line, ELLIPSIS, cut ? strlen(ELLIPSIS) : 0);
    append_blanks(line, right ? 0 : blanks);
}

static void print_line(const cli_table *table, char *const *cells, const size_t *widths) {
    cli_buffer line = {0};
    for (size_t i = 0; i < table->columns; i++) {
        append_blanks(&line, i > 0 ? GAP : 0);
        append_cell(&line, cells[i], widths[i], table->right[i]);
    }
    while (line.size > 0 && line.text[line.size - 1] == ' ')
        line.size--;
    fwrite(line.text, 1, line.size, stdout);
    putchar('\n');
    free(line.text);
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
    for (size_t i = 0; has_rows && i < table->count; i += table->columns)
        print_line(table, table->cells + i, widths);
    for (size_t i = 0; i < table->count; i++)
        free(table->cells[i]);
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
