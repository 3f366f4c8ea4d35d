/* Entries, dictionaries and columns, against a table of values that were put in order by hand. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "meta/columns.h"
#include "meta/dictionary.h"
#include "meta/json.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define BYTES(literal) ((npv_bytes){(const unsigned char *)(literal), sizeof(literal) - 1})

static npv_bytes bytes_of(const npv_buffer *buffer) {
    return (npv_bytes){buffer->data, buffer->size};
}

static uint32_t random_state = 1;

static uint32_t random_below(uint32_t limit) {
    random_state = random_state * 1664525 + 1013904223;
    return (uint32_t)((uint64_t)random_state * limit >> 32);
}

/* ------------------------------------------------------------------------------------------- Values put in order -- */

/* Values of a class with the same rank are equal, and one with a lower rank is below one with a higher. */
typedef struct known {
    npv_class class;
    int rank;
    npv_buffer fragment;
} known;

#define MAX_RANK 8192
#define MAX_KNOWN 128
static known table[MAX_KNOWN];
static size_t table_count;

static npv_buffer *add_known(npv_class class, int rank) {
    assert_true(table_count < MAX_KNOWN);
    table[table_count] = (known){class, rank, {NULL, 0, 0}};
    return &table[table_count++].fragment;
}

static void write_u64(npv_buffer *fragment, const char *dtype, uint64_t number) {
    unsigned char item[8];
    for (int i = 0; i < 8; i++)
        item[i] = (unsigned char)(number >> 8 * i);
    assert_int_equal(npv_value_write_numpy(fragment, dtype, (npv_bytes){item, 8}, NULL), NPV_OK);
}

static void add_real(int rank, double real) {
    assert_int_equal(npv_value_write_float(add_known(NPV_CLASS_NUMBER, rank), real, NULL), NPV_OK);
}

static void add_int(int rank, int64_t integer) {
    assert_int_equal(npv_value_write_int(add_known(NPV_CLASS_NUMBER, rank), integer, NULL), NPV_OK);
}

static void add_text(int rank, npv_bytes text) {
    assert_int_equal(npv_value_write_str(add_known(NPV_CLASS_TEXT, rank), text, NULL), NPV_OK);
}

static void add_numpy(npv_class class, int rank, const char *dtype, npv_bytes item) {
    assert_int_equal(npv_value_write_numpy(add_known(class, rank), dtype, item, NULL), NPV_OK);
}

static void add_json(npv_class class, int rank, const char *json) {
    assert_int_equal(npv_json_to_fragment(json, add_known(class, rank), NULL), NPV_OK);
}

static void add_numbers(void) {
    int rank = 0;
    add_real(rank++, -(double)INFINITY);
    add_real(rank++, -1e300);
    add_real(rank++, -0x1.0000000000001p63);
    add_real(rank, -0x1p63), add_int(rank++, INT64_MIN);
    add_int(rank++, INT64_MIN + 1);
    add_real(rank, -0x1p53), add_int(rank++, -((int64_t)1 << 53));
    add_real(rank++, -1.5);
    add_real(rank, -1), add_int(rank++, -1);
    add_real(rank++, -0.5);
    add_real(rank++, -5e-324);
    add_real(rank, 0.0), add_real(rank, -0.0), add_int(rank, 0),
        add_numpy(NPV_CLASS_NUMBER, rank++, "<u1", BYTES("\0"));
    add_real(rank++, 5e-324);
    add_real(rank++, 0.5);
    add_real(rank, 1.0), add_int(rank, 1), add_numpy(NPV_CLASS_NUMBER, rank++, "<f2", BYTES("\0\x3c"));
    rank = 5000; /* random ones between, see write_random */
    add_real(rank, 0x1p53), add_int(rank++, (int64_t)1 << 53);
    add_int(rank++, ((int64_t)1 << 53) + 1);
    add_real(rank, 0x1.0000000000001p53), add_int(rank++, ((int64_t)1 << 53) + 2);
    add_real(rank++, 0x1.fffffffffffffp62);
    add_int(rank, INT64_MAX), write_u64(add_known(NPV_CLASS_NUMBER, rank), "<u8", INT64_MAX);
    write_u64(add_known(NPV_CLASS_NUMBER, rank++), "<m8[s]", INT64_MAX);
    add_real(rank, 0x1p63), add_json(NPV_CLASS_NUMBER, rank, "9223372036854775808");
    write_u64(add_known(NPV_CLASS_NUMBER, rank++), "<u8", (uint64_t)1 << 63);
    write_u64(add_known(NPV_CLASS_NUMBER, rank++), "<u8", ((uint64_t)1 << 63) + 1);
    add_real(rank, 0x1.0000000000001p63),
        write_u64(add_known(NPV_CLASS_NUMBER, rank++), "<u8", ((uint64_t)1 << 63) + 2048);
    add_json(NPV_CLASS_NUMBER, rank, "18446744073709551615");
    write_u64(add_known(NPV_CLASS_NUMBER, rank++), "<u8", UINT64_MAX);
    add_real(rank++, 0x1p64);
    add_real(rank++, 1e300);
    add_real(rank++, (double)INFINITY);
}

static void add_texts(void) {
    add_text(0, BYTES("")), add_numpy(NPV_CLASS_TEXT, 0, "<U1", BYTES("\0\0\0\0"));
    add_text(1, BYTES("2024-05-16"));
    add_text(2, BYTES("2024-05-17")), write_u64(add_known(NPV_CLASS_TEXT, 2), "<M8[D]", 19860);
    add_text(3, BYTES("2024-05-17T00"));
    add_text(4, BYTES("A"));
    add_text(5, BYTES("a"));
    add_text(6, BYTES("a\0"));
    add_text(7, BYTES("a\0b"));
    add_text(8, BYTES("ab")), add_numpy(NPV_CLASS_TEXT, 8, "<U2", BYTES("a\0\0\0b\0\0\0"));
    add_text(5000, BYTES("\xc3\xa9")), add_numpy(NPV_CLASS_TEXT, 5000, "<U1", BYTES("\xe9\0\0\0"));
    add_text(5001, BYTES("\xed\xa0\x80")),
        add_numpy(NPV_CLASS_TEXT, 5001, "<U1", BYTES("\0\xd8\0\0")); /* a lone surrogate */
    add_text(5002, BYTES("\xee\x80\x80"));
    add_text(5003, BYTES("\xf0\x90\x80\x80")), add_numpy(NPV_CLASS_TEXT, 5003, "<U1", BYTES("\0\0\1\0"));
}

/* The order of arrays and others does not matter. */
static void add_containers(void) {
    add_json(NPV_CLASS_ARRAY, 0, "[]");
    add_json(NPV_CLASS_ARRAY, 1, "[1]");
    add_json(NPV_CLASS_ARRAY, 2, "[1, 2]");
    add_json(NPV_CLASS_ARRAY, 3, "[{\"a\": []}, \"x\"]");
    npv_buffer *const tuple = add_known(NPV_CLASS_ARRAY, 4);
    npv_value_begin(tuple, NPV_VALUE_TUPLE, NULL);
    assert_int_equal(npv_value_end(tuple, NPV_VALUE_TUPLE, NULL), NPV_OK);
    add_json(NPV_CLASS_OTHER, 0, "{}");
    add_json(NPV_CLASS_OTHER, 1, "{\"a\": 1}");
    npv_value_write_float(add_known(NPV_CLASS_OTHER, 2), (double)NAN, NULL);
    add_numpy(NPV_CLASS_OTHER, 2, "<f2", BYTES("\x01\xfe")); /* another NaN */
    npv_value_write_bytes(add_known(NPV_CLASS_OTHER, 3), BYTES("a"), NULL);
    npv_value_write_integer(add_known(NPV_CLASS_OTHER, 4), BYTES("\0\0\0\0\0\0\0\0\1"), NULL);
    npv_value_write_bytes(add_known(NPV_CLASS_OTHER, 5), BYTES(""), NULL);
}

static int make_table(void **state) {
    (void)state;
    add_known(NPV_CLASS_MISSING, 0);
    add_json(NPV_CLASS_NULL, 0, "null");
    write_u64(add_known(NPV_CLASS_NULL, 0), "<M8[D]", (uint64_t)1 << 63);
    write_u64(add_known(NPV_CLASS_NULL, 0), "<m8[D]", (uint64_t)1 << 63);
    write_u64(add_known(NPV_CLASS_NULL, 0), "<M8", 5);
    add_json(NPV_CLASS_BOOL, 0, "false");
    add_json(NPV_CLASS_BOOL, 1, "true"), add_numpy(NPV_CLASS_BOOL, 1, "<b1", BYTES("\1"));
    add_numbers();
    add_texts();
    add_containers();
    return 0;
}

static int free_table(void **state) {
    (void)state;
    for (size_t i = 0; i < table_count; i++)
        free(table[i].fragment.data);
    table_count = 0;
    return 0;
}

static int sign(int value) {
    return (value > 0) - (value < 0);
}

static void test_any_two_values_compare_as_they_were_put_in_order(void **state) {
    (void)state;
    npv_buffer rooms[2] = {{NULL, 0, 0}, {NULL, 0, 0}};
    for (size_t i = 0; i < table_count; i++)
        for (size_t j = 0; j < table_count; j++) {
            npv_entry a, b;
            assert_int_equal(npv_entry_of_fragment(bytes_of(&table[i].fragment), &a, &rooms[0], NULL), NPV_OK);
            assert_int_equal(npv_entry_of_fragment(bytes_of(&table[j].fragment), &b, &rooms[1], NULL), NPV_OK);
            assert_int_equal(a.class, table[i].class);
            const bool same_class = table[i].class == table[j].class;
            const int expected = sign(table[i].rank - table[j].rank);
            assert_int_equal(npv_entry_equal(&a, &b), same_class && expected == 0);
            if (same_class && a.class <= NPV_CLASS_TEXT)
                assert_int_equal(sign(npv_entry_compare(&a, &b)), expected);
        }
    free(rooms[0].data);
    free(rooms[1].data);
}

static void test_arrays_contain_what_is_equal_to_an_element(void **state) {
    (void)state;
    npv_buffer list = {NULL, 0, 0}, room = {NULL, 0, 0};
    for (size_t element = 0; element < table_count; element++) {
        if (table[element].fragment.size == 0)
            continue;
        list.size = 0;
        npv_value_begin(&list, NPV_VALUE_LIST, NULL);
        npv_value_begin(&list, NPV_VALUE_LIST, NULL); /* [[], element]: the end of an inner list is not its end */
        npv_value_end(&list, NPV_VALUE_LIST, NULL);
        npv_buffer_append(&list, table[element].fragment.data, table[element].fragment.size, NULL);
        assert_int_equal(npv_value_end(&list, NPV_VALUE_LIST, NULL), NPV_OK);
        npv_entry array, value;
        assert_int_equal(npv_entry_of_fragment(bytes_of(&list), &array, NULL, NULL), NPV_OK);
        for (size_t i = 0; i < table_count; i++) {
            assert_int_equal(npv_entry_of_fragment(bytes_of(&table[i].fragment), &value, &room, NULL), NPV_OK);
            const bool is_empty_list = table[i].class == NPV_CLASS_ARRAY && table[i].rank == 0;
            const bool equal = table[i].class == table[element].class && table[i].rank == table[element].rank;
            assert_int_equal(npv_entry_contains(&array, &value), equal || is_empty_list);
        }
    }
    free(list.data);
    free(room.data);
}

/* --------------------------------------------------------------------------------------------- A store's columns -- */

typedef struct fixture {
    npv_documents documents;
    npv_column_source source;
    npv_column *column;
    struct {
        npv_class class;
        int rank;
    } *rows;
    size_t row_capacity;
} fixture;

static void make_fixture(fixture *f, const char *path_text) {
    *f = (fixture){.documents = NPV_DOCUMENTS_EMPTY};
    f->source.documents = &f->documents;
    npv_path path;
    assert_int_equal(npv_path_parse(path_text, &path, NULL), NPV_OK);
    assert_int_equal(npv_column_new(&path, &f->column, NULL), NPV_OK);
    npv_path_free(&path);
}

static void free_fixture(fixture *f) {
    npv_column_free(f->column);
    npv_documents_free(&f->documents);
    free(f->rows);
}

/* A value of `variety` or so, and its class and rank. */
static void write_random(npv_buffer *fragment, uint32_t variety, npv_class *class, int *rank) {
    const uint32_t which = random_below(4);
    if (which == 0) {
        const known *const from = &table[random_below((uint32_t)table_count)];
        npv_buffer_append(fragment, from->fragment.data, from->fragment.size, NULL);
        *class = from->class;
        *rank = from->rank;
        return;
    }
    const uint32_t number = random_below(variety);
    char text[32];
    snprintf(text, sizeof text, "common to all %04u", (unsigned)number);
    *class = which == 1 ? NPV_CLASS_TEXT : NPV_CLASS_NUMBER;
    *rank = 100 + (int)number;
    if (which == 1)
        npv_value_write_str(fragment, (npv_bytes){(unsigned char *)text, strlen(text)}, NULL);
    else if (which == 2)
        npv_value_write_int(fragment, 2 + number, NULL);
    else
        npv_value_write_float(fragment, 2.0 + number, NULL);
}

static void write_document(npv_buffer *document, npv_bytes value) {
    document->size = 0;
    npv_value_begin(document, NPV_VALUE_DICT, NULL);
    npv_value_write_str(document, BYTES("other"), NULL);
    npv_value_write_none(document, NULL);
    if (value.size > 0) {
        npv_value_write_str(document, BYTES("field"), NULL);
        npv_buffer_append(document, value.data, value.size, NULL);
    }
    assert_int_equal(npv_value_end(document, NPV_VALUE_DICT, NULL), NPV_OK);
}

static void set_row(fixture *f, size_t row, npv_class class, int rank) {
    if (row >= f->row_capacity) {
        f->row_capacity = 2 * row + 16;
        f->rows = realloc(f->rows, f->row_capacity * sizeof *f->rows);
        assert_non_null(f->rows);
    }
    f->rows[row].class = class;
    f->rows[row].rank = rank;
}

/* A row at the end, or, for rows that are there, another document in its place. */
static void put_row(fixture *f, size_t row, npv_bytes value, npv_class class, int rank) {
    npv_buffer document = {NULL, 0, 0};
    write_document(&document, value);
    assert_int_equal(npv_documents_append(&f->documents, bytes_of(&document), NULL), NPV_OK);
    free(document.data);
    npv_document_place *const places = (npv_document_place *)(void *)f->documents.places.data;
    if (row < f->documents.count - 1)
        places[row] = places[--f->documents.count];
    set_row(f, row, class, rank);
}

static void put_random_row(fixture *f, size_t row, uint32_t variety) {
    npv_buffer value = {NULL, 0, 0};
    npv_class class;
    int rank;
    write_random(&value, variety, &class, &rank);
    put_row(f, row, bytes_of(&value), class, rank);
    free(value.data);
}

static void assert_rows_have_their_values(const fixture *f, const npv_column_view *view) {
    static uint32_t code_of[NPV_CLASSES][MAX_RANK];
    memset(code_of, 0xff, sizeof code_of);
    const int none = -1;
    int *const rank_of = malloc(view->entry_count * sizeof *rank_of);
    for (uint32_t code = 0; code < view->entry_count; code++)
        rank_of[code] = none;
    for (size_t row = 0; row < view->rows; row++) {
        const uint32_t code = view->codes[row];
        const npv_class class = f->rows[row].class;
        const int rank = f->rows[row].rank;
        assert_true(code < view->entry_count);
        assert_int_equal(view->entries[code].class, class);
        assert_true(rank_of[code] == none || rank_of[code] == rank);
        assert_true(code_of[class][rank] == UINT32_MAX || code_of[class][rank] == code);
        rank_of[code] = rank;
        code_of[class][rank] = code;
        assert_true(class > NPV_CLASS_NULL || code == class);
        assert_int_equal(npv_column_code(f->column, &view->entries[code]), code);
    }
    /* Codes of the head are in order: by the table where a row has them, among them all by comparing. */
    for (unsigned c = 0; c < NPV_CLASS_ARRAY; c++)
        for (uint32_t code = view->class_start[c], last = code; code < view->class_start[c + 1]; code++) {
            if (rank_of[code] == none)
                continue;
            assert_true(code == last || rank_of[last] < rank_of[code]);
            last = code;
        }
    free(rank_of);
}

static void assert_head_is_in_order(const npv_column_view *view) {
    assert_int_equal(view->class_start[0], 0);
    assert_int_equal(view->class_start[1], 1);
    assert_int_equal(view->class_start[2], 2);
    assert_int_equal(view->class_start[NPV_CLASSES], view->head);
    for (unsigned c = 0; c < NPV_CLASSES; c++)
        for (uint32_t code = view->class_start[c]; code < view->class_start[c + 1]; code++) {
            assert_int_equal(view->entries[code].class, c);
            if (code > view->class_start[c])
                assert_true(npv_entry_compare(&view->entries[code - 1], &view->entries[code]) < 0);
            assert_int_equal(npv_column_search(view, &view->entries[code], false), code);
            assert_int_equal(npv_column_search(view, &view->entries[code], true), code + 1);
        }
}

static void assert_tail_is_known(const npv_column_view *view) {
    size_t next = 0;
    for (uint64_t row = 0; row < view->rows; row++) {
        const bool is_listed = next < view->tail_count && view->tail_rows[next] == row;
        assert_true(is_listed || view->codes[row] < view->head);
        next += is_listed;
    }
    assert_int_equal(next, view->tail_count);
    assert_true(view->tail_count <= view->rows / 32);
    assert_true(view->entry_count - view->head <= view->rows / 32);
    assert_true(view->entry_count <= 2 + view->rows + 2 * (view->rows / 32));
}

/* Where each value of the table would stand, which most rows do not have, by looking at all entries. */
static void assert_searches_find_places(const npv_column_view *view) {
    npv_buffer room = {NULL, 0, 0};
    for (size_t i = 0; i < table_count; i++) {
        npv_entry value;
        assert_int_equal(npv_entry_of_fragment(bytes_of(&table[i].fragment), &value, &room, NULL), NPV_OK);
        uint32_t first = view->class_start[value.class], above = first;
        for (uint32_t code = first, end = view->class_start[value.class + 1]; code < end; code++) {
            const int order = npv_entry_compare(&view->entries[code], &value);
            first += order < 0;
            above += order <= 0;
        }
        assert_int_equal(npv_column_search(view, &value, false), first);
        assert_int_equal(npv_column_search(view, &value, true), above);
    }
    free(room.data);
}

static void assert_column_holds(const fixture *f, uint64_t rows) {
    const npv_column_view view = npv_column_look(f->column);
    assert_int_equal(view.rows, rows);
    assert_rows_have_their_values(f, &view);
    assert_head_is_in_order(&view);
    assert_tail_is_known(&view);
    assert_searches_find_places(&view);
}

static void extend(fixture *f, uint64_t rows) {
    assert_int_equal(npv_column_extend(f->column, &f->source, rows, NULL), NPV_OK);
}

static void test_columns_hold_the_values_of_rows_however_they_came(void **state) {
    (void)state;
    for (uint32_t variety = 3; variety < 4000; variety *= 9) {
        fixture f;
        make_fixture(&f, "field");
        assert_column_holds(&f, 0);
        while (f.documents.count < 4000) {
            const uint32_t most[] = {1, 3, 200, 900};
            const size_t more = 1 + random_below(most[random_below(COUNT(most))]);
            for (size_t i = 0; i < more; i++)
                put_random_row(&f, f.documents.count, variety);
            extend(&f, f.documents.count);
            if (more > f.documents.count / 32)
                assert_int_equal(npv_column_look(f.column).head, npv_column_look(f.column).entry_count);
            if (f.documents.count < 100 || random_below(8) == 0)
                assert_column_holds(&f, f.documents.count);
        }
        extend(&f, 5); /* it has those already */
        assert_column_holds(&f, f.documents.count);
        free_fixture(&f);
    }
}

static void test_columns_follow_updates(void **state) {
    (void)state;
    fixture f;
    make_fixture(&f, "field");
    for (size_t row = 0; row < 1000; row++)
        put_random_row(&f, row, 500);
    extend(&f, 900);
    for (int i = 0; i < 20000; i++) {
        const size_t row = random_below(1000); /* the column does not have the last of them */
        put_random_row(&f, row, 4000);
        assert_int_equal(npv_column_update(f.column, &f.source, row, NULL), NPV_OK);
        if (i % 500 == 0)
            assert_column_holds(&f, 900);
    }
    extend(&f, 1000);
    assert_column_holds(&f, 1000);
    free_fixture(&f);
}

static void put_int(fixture *f, size_t row, int integer) {
    npv_buffer value = {NULL, 0, 0};
    npv_value_write_int(&value, integer, NULL);
    put_row(f, row, bytes_of(&value), NPV_CLASS_NUMBER, integer % MAX_RANK);
    free(value.data);
}

static void test_values_that_no_row_has_any_more_are_let_go(void **state) {
    (void)state;
    fixture f;
    make_fixture(&f, "field");
    for (int i = 0; i < 20000; i++) {
        const size_t row = i < 10000 ? (size_t)(i % 64) : 5; /* many rows in turn, then always the same */
        put_int(&f, row, i);
        if (i < 64)
            extend(&f, f.documents.count);
        else
            assert_int_equal(npv_column_update(f.column, &f.source, row, NULL), NPV_OK);
        assert_true(npv_column_look(f.column).entry_count <= 2 + 64 + 4);
    }
    const npv_entry first = {.class = NPV_CLASS_NUMBER, .number = NPV_VALUE_INT, .integer = 0};
    assert_int_equal(npv_column_code(f.column, &first), 0);
    free_fixture(&f);
}

static void test_rows_that_come_one_by_one_seldom_cause_sorting(void **state) {
    (void)state;
    fixture f;
    make_fixture(&f, "field");
    size_t sorted = 0;
    for (size_t row = 0; row < 20000; row++) {
        put_int(&f, row, (int)(row * 7919 % 20000));
        const uint32_t head = npv_column_look(f.column).head;
        extend(&f, row + 1);
        sorted += npv_column_look(f.column).head != head;
    }
    assert_true(sorted > 100 && sorted < 500); /* 32 times for each factor of e */
    free_fixture(&f);
}

static void test_a_new_value_of_many_rows_does_not_stay_in_the_tail(void **state) {
    (void)state;
    fixture f;
    make_fixture(&f, "field");
    for (size_t row = 0; row < 2000; row++) {
        put_int(&f, row, row < 1000 ? 5 : 3);
        extend(&f, row + 1);
    }
    assert_column_holds(&f, 2000);
    assert_int_equal(npv_column_look(f.column).head, 4);
    free_fixture(&f);
}

static npv_entry text_entry(const char *text) {
    return (npv_entry){.class = NPV_CLASS_TEXT, .bytes = {(const unsigned char *)text, strlen(text)}};
}

static void test_a_dictionary_keeps_nothing_of_values_that_are_gone(void **state) {
    (void)state;
    npv_dictionary dictionary;
    assert_int_equal(npv_dictionary_init(&dictionary, NULL), NPV_OK);
    static const char *const texts[] = {"gamma", "alpha", "delta", "beta"};
    uint32_t code;
    for (size_t i = 0; i < COUNT(texts); i++) {
        const npv_entry entry = text_entry(texts[i]);
        assert_int_equal(npv_dictionary_intern(&dictionary, &entry, &code, NULL), NPV_OK);
        assert_int_equal(code, 2 + i);
    }
    static char text[5001]; /* more than a block of memory usually has */
    memset(text, 'x', sizeof text - 1);
    const npv_entry large = text_entry(text);
    assert_int_equal(npv_dictionary_intern(&dictionary, &large, &code, NULL), NPV_OK);
    assert_true(npv_entry_equal(&dictionary.entries[code], &large));
    npv_dictionary_truncate(&dictionary, 5);
    assert_int_equal(dictionary.count, 5);
    assert_int_equal(dictionary.table.count, 3);
    assert_int_equal(dictionary.bytes.size, strlen("gammaalphadelta"));
    uint32_t renumbered[] = {1, 1, 1, 0, 1};
    assert_int_equal(npv_dictionary_sort(&dictionary, renumbered, NULL), NPV_OK);
    assert_memory_equal(renumbered, ((const uint32_t[]){0, 1, 3, 0, 2}), sizeof renumbered);
    assert_int_equal(dictionary.count, 4);
    assert_int_equal(dictionary.table.count, 2);
    assert_int_equal(dictionary.bytes.size, strlen("deltagamma"));
    const npv_entry gone = text_entry("alpha"), kept = text_entry("gamma");
    assert_int_equal(npv_dictionary_find(&dictionary, &gone), 0);
    assert_int_equal(npv_dictionary_find(&dictionary, &kept), 3);
    npv_dictionary_free(&dictionary);
}

static void test_values_that_a_column_lacks_have_no_code(void **state) {
    (void)state;
    fixture f;
    make_fixture(&f, "field");
    put_row(&f, 0, BYTES("J\1\0\0\0"), NPV_CLASS_NUMBER, 0);
    put_row(&f, 1, BYTES("\x8c\1x"), NPV_CLASS_TEXT, 0);
    extend(&f, 2);
    const npv_entry one = {.class = NPV_CLASS_NUMBER, .number = NPV_VALUE_FLOAT, .real = 1.0};
    const npv_entry more = {.class = NPV_CLASS_NUMBER, .number = NPV_VALUE_FLOAT, .real = 1.5};
    const npv_entry yes = {.class = NPV_CLASS_BOOL, .boolean = true};
    const npv_entry text = {.class = NPV_CLASS_TEXT, .bytes = BYTES("x")};
    const npv_entry other = {.class = NPV_CLASS_OTHER, .bytes = BYTES("x")};
    const npv_entry none = {.class = NPV_CLASS_NULL};
    assert_int_equal(npv_column_code(f.column, &one), npv_column_look(f.column).codes[0]);
    assert_int_equal(npv_column_code(f.column, &text), npv_column_look(f.column).codes[1]);
    assert_int_equal(npv_column_code(f.column, &more), 0);
    assert_int_equal(npv_column_code(f.column, &yes), 0);
    assert_int_equal(npv_column_code(f.column, &other), 0);
    assert_int_equal(npv_column_code(f.column, &none), 1);
    free_fixture(&f);
}

static void test_a_field_has_a_limited_number_of_values(void **state) {
    (void)state;
    npv_dictionary dictionary;
    assert_int_equal(npv_dictionary_init(&dictionary, NULL), NPV_OK);
    dictionary.count = UINT32_MAX - 1; /* as if they were there */
    const npv_entry yes = {.class = NPV_CLASS_BOOL, .boolean = true};
    uint32_t code;
    npv_error error;
    assert_int_equal(npv_dictionary_intern(&dictionary, &yes, &code, &error), NPV_E_LIMIT);
    assert_string_equal(error.message, "a field has at most 4294967294 different values");
    npv_dictionary_free(&dictionary);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_two_values_compare_as_they_were_put_in_order),
        cmocka_unit_test(test_arrays_contain_what_is_equal_to_an_element),
        cmocka_unit_test(test_columns_hold_the_values_of_rows_however_they_came),
        cmocka_unit_test(test_columns_follow_updates),
        cmocka_unit_test(test_values_that_no_row_has_any_more_are_let_go),
        cmocka_unit_test(test_rows_that_come_one_by_one_seldom_cause_sorting),
        cmocka_unit_test(test_a_new_value_of_many_rows_does_not_stay_in_the_tail),
        cmocka_unit_test(test_a_dictionary_keeps_nothing_of_values_that_are_gone),
        cmocka_unit_test(test_values_that_a_column_lacks_have_no_code),
        cmocka_unit_test(test_a_field_has_a_limited_number_of_values),
    };
    return cmocka_run_group_tests(tests, make_table, free_table);
}
