#include "caret.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"
#include "text.h"

/* Columns of text that are shown, and of them, where the text is longer, those before the place. */
#define SHOWN 76
#define BEFORE 40
#define ELLIPSIS "\xe2\x80\xa6"

static size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

/* What is shown of the text up to the place. Its end is kept if it is cut. */
static void print_before(const char *before, size_t *width, bool all_fits) {
    size_t cut = 0, used = 0;
    *width = cli_width(before);
    if (!all_fits && *width > BEFORE)
        cut = cli_fit(before, *width - BEFORE + 1, &used);
    *width -= used;
    *width += cut > 0;
    fprintf(stderr, "  %s%s", cut > 0 ? ELLIPSIS : "", before + cut);
}

static void print_after(const char *after, size_t columns) {
    size_t used;
    const bool cut = cli_width(after) > columns;
    const size_t size = cli_fit(after, columns - cut, &used);
    fprintf(stderr, "%.*s%s\n", (int)size, after, cut ? ELLIPSIS : "");
}

static void print_caret(const char *text, size_t position) {
    const size_t size = strlen(text);
    cli_buffer before = {0}, after = {0};
    size_t width;
    position = least(position, size);
    cli_append_visible(&before, text, position);
    cli_append_visible(&after, text + position, size - position);
    print_before(before.text, &width, cli_width(before.text) + cli_width(after.text) <= SHOWN);
    print_after(after.text, SHOWN - least(width, BEFORE + 1));
    fprintf(stderr, "  %*s^\n", (int)width, "");
    free(before.text);
    free(after.text);
}

void cli_fail_in_text(const char *what, const char *text, const npv_error *error) {
    cli_warn("%s: %s", what, error->message);
    if (error->position != NPV_NO_POSITION)
        print_caret(text, error->position);
    exit(CLI_ERROR);
}

void cli_fail_field(const char *what, const char *field, const char *path, const npv_error *error) {
    if (field != NULL && (error->position != NPV_NO_POSITION || error->code == NPV_E_NOT_FOUND))
        cli_fail_in_text(what, field, error);
    cli_fail_npv(path, error);
}
