/* The examples of docs/filters.md: both spellings make the same tree, and find the rows that it says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "filter/evaluate.h"
#include "meta/columns.h"
#include "meta/json.h"

#define MOST_ROWS 1024

/* Documents to ask, and the columns made of them. */
typedef struct table {
    npv_documents documents;
    npv_columns columns;
} table;

static void clear(table *t) {
    npv_columns_free(&t->columns);
    npv_documents_free(&t->documents);
    *t = (table){NPV_DOCUMENTS_EMPTY, {NULL, 0}};
}

static void add(table *t, const char *json) {
    npv_buffer fragment = {NULL, 0, 0};
    assert_int_equal(npv_json_to_fragment(json, &fragment, NULL), NPV_OK);
    assert_int_equal(npv_documents_append(&t->documents, (npv_bytes){fragment.data, fragment.size}, NULL), NPV_OK);
    assert_true(t->documents.count <= MOST_ROWS);
    free(fragment.data);
}

/* The rows that pass, as the documentation writes them. */
static void find(table *t, const char *text, const char *parameters, bool counted, char *found) {
    npv_filter *filter = NULL;
    npv_error error;
    if (npv_filter_new(text, parameters, &filter, &error) != NPV_OK)
        fail_msg("%s: %s", text, error.message);
    const npv_column_source source = {.documents = &t->documents};
    const npv_column *columns[8];
    const uint64_t rows = t->documents.count;
    uint64_t bits[MOST_ROWS / 64] = {0}, count = 0;
    assert_true(filter->path_count <= 8);
    for (size_t i = 0; i < filter->path_count; i++)
        assert_int_equal(npv_columns_get(&t->columns, &source, &filter->paths[i], rows, &columns[i], NULL), NPV_OK);
    npv_workers *const alone = npv_workers_new(1);
    assert_int_equal(npv_filter_evaluate(filter, npv_kernels_chosen(), alone, columns, rows, bits, NULL), NPV_OK);
    npv_workers_free(alone);
    npv_filter_free(filter);
    int length = sprintf(found, "=> rows");
    for (uint64_t row = 0; row < rows; row++) {
        if ((bits[row / 64] >> row % 64 & 1) == 0)
            continue;
        count++;
        if (!counted)
            length += sprintf(found + length, " %d", (int)row);
    }
    if (counted)
        sprintf(found, "=> %d facts", (int)count);
}

static char *read_line(FILE *file, char line[4096]) {
    if (fgets(line, 4096, file) == NULL)
        return NULL;
    line[strcspn(line, "\n")] = '\0';
    return line;
}

static void read_facts(table *facts) {
    char line[4096];
    FILE *const file = fopen(NPVEC_SOURCE_DIR "/examples/facts.jsonl", "r");
    assert_non_null(file);
    while (read_line(file, line) != NULL)
        add(facts, line);
    fclose(file);
}

/* One block: filters, below the first of which its parameters may stand, and what they find. */
static void run_block(FILE *file, table *facts, table *others) {
    char filters[2][4096], parameters[4096] = "", line[4096], found[8192];
    size_t count = 0;
    while (strncmp(read_line(file, line), "=> ", 3) != 0) {
        if (*line == '?')
            strcpy(parameters, line + 2);
        else
            strcpy(filters[count++], line);
        assert_true(count <= 2);
    }
    assert_true(count > 0);
    const bool counted = strstr(line, " facts") != NULL;
    for (size_t i = 0; i < count; i++) {
        find(counted ? facts : others, filters[i], *parameters == '\0' ? NULL : parameters, counted, found);
        if (strcmp(found, line) != 0)
            fail_msg("%s\nexpected %s\nfound    %s", filters[i], line, found);
    }
}

static void test_the_examples_find_what_the_documentation_says(void **state) {
    (void)state;
    char line[4096];
    table facts = {NPV_DOCUMENTS_EMPTY, {NULL, 0}}, others = {NPV_DOCUMENTS_EMPTY, {NULL, 0}};
    FILE *const file = fopen(NPVEC_SOURCE_DIR "/docs/filters.md", "r");
    size_t blocks = 0;
    assert_non_null(file);
    read_facts(&facts);
    while (read_line(file, line) != NULL) {
        if (strcmp(line, "```documents") == 0) {
            clear(&others);
            while (strcmp(read_line(file, line), "```") != 0)
                add(&others, line);
        } else if (strcmp(line, "```filter") == 0) {
            run_block(file, &facts, &others);
            blocks++;
        }
    }
    assert_in_range(blocks, 25, 1000);
    fclose(file);
    clear(&facts);
    clear(&others);
}

/* The table of mistakes: | `filter` | message | */
static void test_mistakes_are_reported_as_the_documentation_says(void **state) {
    (void)state;
    char line[4096];
    FILE *const file = fopen(NPVEC_SOURCE_DIR "/docs/filters.md", "r");
    size_t mistakes = 0;
    assert_non_null(file);
    while (read_line(file, line) != NULL && strcmp(line, "| written | said |") != 0)
        continue;
    for (read_line(file, line); read_line(file, line) != NULL && *line == '|'; mistakes++) {
        npv_filter *filter = NULL;
        npv_error error;
        char *const text = line + 3, *const end = strstr(text, "` | ");
        assert_non_null(end);
        line[strlen(line) - 2] = '\0';
        *end = '\0';
        assert_int_equal(npv_filter_new(text, NULL, &filter, &error), NPV_E_ARGUMENT);
        assert_string_equal(error.message, end + 4);
    }
    assert_in_range(mistakes, 4, 100);
    fclose(file);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_examples_find_what_the_documentation_says),
        cmocka_unit_test(test_mistakes_are_reported_as_the_documentation_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
