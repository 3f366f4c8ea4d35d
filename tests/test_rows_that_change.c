/* Rows are added, replaced, deleted, saved and opened again: at every moment the store is what a plain model says. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "oracle.h"
#include "store.h"

enum { DIMENSIONS = 32, MOST_ROWS = 2500, TAGS = 7, NO_YEAR = -1 };

/* A row as the test knows it. */
typedef struct model_row {
    bool deleted;
    char id[16]; /* "": none */
    bool document;
    int year; /* or NO_YEAR */
    int tag;
    float vector[DIMENSIONS];
} model_row;

typedef struct world {
    npv_store *store;
    model_row rows[MOST_ROWS];
    size_t count;
    oracle_random random;
    npv_normalize normalize;
    bool typed; /* years and tags are declared fields, which every row has */
    char path[64];
} world;

static unsigned below(world *w, unsigned limit) {
    return (unsigned)(oracle_next(&w->random) % limit);
}

static void must(npv_status status, const npv_error *error) {
    if (status != NPV_OK)
        fail_msg("%s", error->message);
}

static size_t live_rows(const world *w) {
    size_t count = 0;
    for (size_t i = 0; i < w->count; i++)
        count += !w->rows[i].deleted;
    return count;
}

static void spell_document(const model_row *row, char json[64]) {
    if (row->year == NO_YEAR)
        snprintf(json, 64, "{\"tag\": \"t%d\"}", row->tag);
    else
        snprintf(json, 64, "{\"tag\": \"t%d\", \"year\": %d}", row->tag, row->year);
}

/* -------------------------------------------------------------------------------------------------- Operations -- */

enum { MOST_AT_ONCE = 40 };

typedef struct batch {
    npv_batch given;
    model_row rows[MOST_AT_ONCE];
    float vectors[MOST_AT_ONCE * DIMENSIONS];
    char json[MOST_AT_ONCE][64];
    const char *documents[MOST_AT_ONCE];
    const char *ids[MOST_AT_ONCE];
} batch;

static void make_row(world *w, model_row *row) {
    *row = (model_row){.document = below(w, 10) > 0, .tag = (int)below(w, TAGS)};
    row->year = below(w, 5) == 0 ? NO_YEAR : 1990 + (int)below(w, 40);
    if (w->typed) {
        row->document = true;
        row->year = row->year == NO_YEAR ? 1989 : row->year;
    }
    for (size_t j = 0; j < DIMENSIONS; j++)
        row->vector[j] = oracle_normal(&w->random) + (j == 0 ? 2.0f : 0);
}

static void make_batch(world *w, batch *b, size_t count) {
    b->given = (npv_batch){sizeof(npv_batch), count, b->vectors, b->documents, b->ids, NULL, NULL};
    for (size_t i = 0; i < count; i++) {
        make_row(w, &b->rows[i]);
        memcpy(b->vectors + i * DIMENSIONS, b->rows[i].vector, sizeof b->rows[i].vector);
        spell_document(&b->rows[i], b->json[i]);
        b->documents[i] = b->rows[i].document ? b->json[i] : NULL;
        b->ids[i] = NULL;
    }
}

static size_t find_id(const world *w, const char *id) {
    for (size_t i = 0; i < w->count; i++)
        if (!w->rows[i].deleted && strcmp(w->rows[i].id, id) == 0)
            return i;
    return w->count;
}

/* Puts a row of a batch where it belongs; where the store scales, the vector is what the store made of it. */
static void put(world *w, const model_row *row, uint64_t place) {
    const float *stored = NULL;
    npv_error error = {0};
    if (place == w->count)
        w->count++;
    assert_true(place < w->count);
    w->rows[place] = *row;
    must(npv_get_vector(w->store, place, &stored, &error), &error);
    if (w->normalize == NPV_NORMALIZE_OFF)
        assert_memory_equal(stored, row->vector, sizeof row->vector);
    for (size_t j = 1; j < DIMENSIONS; j++)
        assert_true(fabsf(stored[j] * row->vector[0] - stored[0] * row->vector[j]) < 1e-4f);
    memcpy(w->rows[place].vector, stored, sizeof row->vector);
}

static void new_id(world *w, char id[16]) {
    do
        snprintf(id, 16, "id-%u", below(w, 4000));
    while (find_id(w, id) < w->count);
}

static void add_rows(world *w) {
    static batch b;
    npv_error error = {0};
    uint64_t first = 0;
    const size_t count = 1 + below(w, MOST_AT_ONCE);
    if (w->count + count > MOST_ROWS)
        return;
    make_batch(w, &b, count);
    const size_t before = w->count;
    for (size_t i = 0; i < count; i++) {
        if (below(w, 4) == 0)
            continue;
        do
            new_id(w, b.rows[i].id);
        while (i > 0 && b.ids[i - 1] != NULL && strcmp(b.ids[i - 1], b.rows[i].id) == 0);
        for (size_t j = 0; j < i; j++)
            if (b.ids[j] != NULL && strcmp(b.ids[j], b.rows[i].id) == 0)
                b.rows[i].id[0] = '\0';
        b.ids[i] = b.rows[i].id[0] == '\0' ? NULL : b.rows[i].id;
    }
    must(npv_add(w->store, &b.given, &first, &error), &error);
    assert_int_equal(first, before);
    for (size_t i = 0; i < count; i++)
        put(w, &b.rows[i], first + i);
}

static bool in_batch(const batch *b, size_t end, const char *id) {
    for (size_t i = 0; i < end; i++)
        if (strcmp(b->ids[i], id) == 0)
            return true;
    return false;
}

static void upsert_rows(world *w) {
    static batch b;
    uint64_t rows[MOST_AT_ONCE], replaced = 0, expected_replaced = 0;
    npv_error error = {0};
    const size_t count = 1 + below(w, MOST_AT_ONCE / 2);
    if (w->count + count > MOST_ROWS || w->count == 0)
        return;
    make_batch(w, &b, count);
    size_t next = w->count;
    uint64_t expected[MOST_AT_ONCE];
    for (size_t i = 0; i < count; i++) {
        const model_row *other = &w->rows[below(w, (unsigned)w->count)];
        if (!other->deleted && other->id[0] != '\0' && !in_batch(&b, i, other->id))
            strcpy(b.rows[i].id, other->id);
        else
            do
                new_id(w, b.rows[i].id);
            while (in_batch(&b, i, b.rows[i].id));
        b.ids[i] = b.rows[i].id;
        const size_t found = find_id(w, b.rows[i].id);
        expected[i] = found < w->count ? found : next++;
        expected_replaced += found < w->count;
    }
    must(npv_upsert(w->store, &b.given, rows, &replaced, &error), &error);
    assert_int_equal(replaced, expected_replaced);
    assert_memory_equal(rows, expected, count * sizeof *rows);
    for (size_t i = 0; i < count; i++)
        put(w, &b.rows[i], rows[i]);
}

/* Documents or records of rows by their numbers; vectors and ids stay. */
static void set_documents(world *w) {
    static batch b;
    uint64_t rows[MOST_AT_ONCE];
    npv_error error = {0};
    size_t count = 0;
    for (size_t tries = below(w, MOST_AT_ONCE / 2); tries > 0 && w->count > 0; tries--) {
        const uint64_t row = below(w, (unsigned)w->count);
        bool fresh = !w->rows[row].deleted;
        for (size_t i = 0; i < count; i++)
            fresh = fresh && rows[i] != row;
        if (fresh)
            rows[count++] = row;
    }
    make_batch(w, &b, count);
    b.given.vectors = NULL;
    b.given.ids = NULL;
    must(npv_set_documents(w->store, rows, &b.given, &error), &error);
    for (size_t i = 0; i < count; i++) {
        model_row *const row = &w->rows[rows[i]];
        memcpy(b.rows[i].vector, row->vector, sizeof row->vector);
        strcpy(b.rows[i].id, row->id);
        *row = b.rows[i];
    }
}

/* Selections: by a condition on year and tag, by rows, by ids, and what they have in common. */
typedef struct choice {
    npv_selection given;
    npv_filter *filter;
    uint64_t rows[MOST_AT_ONCE];
    const char *ids[MOST_AT_ONCE];
    bool passes[MOST_ROWS];
    size_t count;
} choice;

static bool satisfies(const model_row *row, unsigned kind, int year, int tag) {
    const bool has_year = row->document && row->year != NO_YEAR;
    switch (kind) {
    case 0:
        return has_year && row->year >= year;
    case 1:
        return row->document && row->tag == tag;
    case 2:
        return !has_year;
    case 3:
        return (has_year && row->year < year) || (row->document && row->tag == tag);
    default:
        return has_year && row->year != year;
    }
}

static void choose_by_filter(world *w, choice *c) {
    char text[96];
    const unsigned kind = below(w, 5);
    const int year = 1985 + (int)below(w, 50), tag = (int)below(w, TAGS + 1);
    npv_error error = {0};
    if (kind == 0 || kind == 4)
        snprintf(text, sizeof text, kind == 0 ? "year >= %d" : "year != %d", year);
    else if (kind == 1)
        snprintf(text, sizeof text, "tag = 't%d'", tag);
    else if (kind == 2)
        snprintf(text, sizeof text, "year IS NULL");
    else
        snprintf(text, sizeof text, "year < %d OR tag = 't%d'", year, tag);
    must(npv_filter_new(text, NULL, &c->filter, &error), &error);
    c->given.filter = c->filter;
    for (size_t i = 0; i < w->count; i++)
        c->passes[i] = c->passes[i] && satisfies(&w->rows[i], kind, year, tag);
}

static void choose_by_rows(world *w, choice *c) {
    bool listed[MOST_ROWS] = {false};
    c->given.rows = c->rows;
    for (size_t tries = below(w, MOST_AT_ONCE); tries > 0; tries--) {
        const unsigned row = below(w, (unsigned)w->count);
        if (!w->rows[row].deleted && !listed[row])
            c->rows[c->given.row_count++] = row;
        listed[row] = listed[row] || !w->rows[row].deleted;
    }
    for (size_t i = 0; i < w->count; i++)
        c->passes[i] = c->passes[i] && listed[i];
}

static void choose_by_ids(world *w, choice *c) {
    bool listed[MOST_ROWS] = {false};
    c->given.ids = c->ids;
    for (size_t i = 0; i < MOST_AT_ONCE; i++) {
        const unsigned row = below(w, (unsigned)w->count);
        const bool known = !w->rows[row].deleted && w->rows[row].id[0] != '\0';
        c->ids[c->given.id_count++] = known ? w->rows[row].id : "nobody's";
        listed[row] = listed[row] || known;
    }
    for (size_t i = 0; i < w->count; i++)
        c->passes[i] = c->passes[i] && listed[i];
}

/* `kinds`: 1 a filter, 2 rows, 4 ids. */
static void choose(world *w, choice *c, unsigned kinds) {
    *c = (choice){.given = NPV_SELECTION_INIT};
    for (size_t i = 0; i < w->count; i++)
        c->passes[i] = !w->rows[i].deleted;
    if (w->count > 0 && kinds & 1)
        choose_by_filter(w, c);
    if (w->count > 0 && kinds & 2)
        choose_by_rows(w, c);
    if (w->count > 0 && kinds & 4)
        choose_by_ids(w, c);
    for (size_t i = 0; i < w->count; i++)
        c->count += c->passes[i];
}

static void delete_rows(world *w) {
    static choice c;
    uint64_t deleted = 12345;
    npv_error error = {0};
    if (w->count == 0)
        return;
    choose(w, &c, 1 + below(w, 7));
    if (c.count > live_rows(w) / 3 && below(w, 20) > 0) {
        npv_filter_free(c.filter);
        return;
    }
    must(npv_delete(w->store, &c.given, &deleted, &error), &error);
    assert_int_equal(deleted, c.count);
    for (size_t i = 0; i < w->count; i++)
        w->rows[i].deleted = w->rows[i].deleted || c.passes[i];
    npv_filter_free(c.filter);
}

static void close_gaps(world *w) {
    size_t end = 0;
    for (size_t i = 0; i < w->count; i++)
        if (!w->rows[i].deleted)
            w->rows[end++] = w->rows[i];
    w->count = end;
}

static void save_rows(world *w, bool reopen) {
    npv_save_options options = NPV_SAVE_OPTIONS_INIT;
    npv_error error = {0};
    options.compress = below(w, 3) == 0;
    must(npv_save(w->store, w->path, &options, &error), &error);
    close_gaps(w);
    if (!reopen)
        return;
    npv_close(w->store);
    must(npv_open(w->path, NULL, &w->store, &error), &error);
}

/* ------------------------------------------------------------------------------------------------------- Checks -- */

static void check_row(world *w, uint64_t row) {
    const model_row *expected = &w->rows[row];
    const float *vector = NULL;
    const char *id = NULL;
    char *json = NULL, spelled[64];
    npv_error error = {0};
    if (expected->deleted) {
        char message[64];
        snprintf(message, sizeof message, "row %d was deleted", (int)row);
        assert_int_equal(npv_get_vector(w->store, row, &vector, &error), NPV_E_RANGE);
        assert_string_equal(error.message, message);
        assert_int_equal(npv_get_document(w->store, row, &json, &error), NPV_E_RANGE);
        assert_int_equal(npv_get_id(w->store, row, &id, &error), NPV_E_RANGE);
        return;
    }
    must(npv_get_vector(w->store, row, &vector, &error), &error);
    assert_memory_equal(vector, expected->vector, sizeof expected->vector);
    must(npv_get_id(w->store, row, &id, &error), &error);
    if (expected->id[0] == '\0')
        assert_null(id);
    else
        assert_string_equal(id, expected->id);
    must(npv_get_document(w->store, row, &json, &error), &error);
    spell_document(expected, spelled);
    if (expected->document)
        assert_string_equal(json, spelled);
    else
        assert_null(json);
    npv_free(json);
}

static void check_rows(world *w) {
    npv_info info = {.size = sizeof info};
    npv_error error = {0};
    uint64_t ids = 0, found = 0;
    for (uint64_t row = 0; row < w->count; row++) {
        check_row(w, row);
        if (w->rows[row].deleted || w->rows[row].id[0] == '\0')
            continue;
        ids++;
        must(npv_find(w->store, w->rows[row].id, &found, &error), &error);
        assert_int_equal(found, row);
    }
    must(npv_get_info(w->store, &info, &error), &error);
    assert_int_equal(info.rows, live_rows(w));
    assert_int_equal(info.row_end, w->count);
    assert_int_equal(info.ids, ids);
    assert_int_equal(npv_count(w->store), live_rows(w));
    assert_int_equal(npv_find(w->store, "nobody's", &found, &error), NPV_E_NOT_FOUND);
}

static void check_search(world *w) {
    static choice c;
    npv_search_options options = NPV_SEARCH_OPTIONS_INIT;
    npv_explain told = {.size = sizeof told};
    float queries[3 * DIMENSIONS];
    choose(w, &c, below(w, 3) == 0 ? below(w, 4) : below(w, 2));
    for (size_t i = 0; i < sizeof queries / sizeof *queries; i++)
        queries[i] = oracle_normal(&w->random);
    options.metric = (npv_metric)below(w, 3);
    options.k = 1 + below(w, below(w, 8) == 0 ? MOST_ROWS : 8);
    options.exhaustive = below(w, 8) == 0;
    options.filter = c.given.filter;
    options.within_rows = c.given.rows;
    options.within_count = c.given.row_count;
    options.explain = &told;
    oracle_check_among(w->store, queries, 1 + below(w, 3), &options, c.passes);
    assert_int_equal(told.rows, c.count * told.queries);
    assert_true(told.filter_seconds >= 0 && told.filter_seconds <= told.search_seconds);
    assert_true(options.filter == NULL || told.filter_seconds > 0);
    npv_filter_free(c.filter);
}

static const world *sorted_world;
static bool sorted_down;

/* Years, then none. */
static int by_year(const void *a, const void *b) {
    const uint64_t first = *(const uint64_t *)a, second = *(const uint64_t *)b;
    const model_row *x = &sorted_world->rows[first], *y = &sorted_world->rows[second];
    const bool has_x = x->document && x->year != NO_YEAR, has_y = y->document && y->year != NO_YEAR;
    if (has_x != has_y)
        return has_x ? -1 : 1;
    if (has_x && x->year != y->year)
        return (x->year < y->year) != sorted_down ? -1 : 1;
    return first < second ? -1 : 1;
}

static void check_selection(world *w) {
    static choice c;
    static uint64_t expected[MOST_ROWS];
    npv_select_options options = NPV_SELECT_OPTIONS_INIT;
    npv_error error = {0};
    uint64_t *rows = NULL, counted = 0;
    size_t count = 0, all = 0;
    choose(w, &c, below(w, 8));
    must(npv_count_selected(w->store, &c.given, &counted, &error), &error);
    assert_int_equal(counted, c.count);
    for (size_t i = 0; i < w->count; i++)
        if (c.passes[i])
            expected[all++] = i;
    options.selection = &c.given;
    options.order_by = below(w, 4) == 0 ? NULL : "year";
    options.descending = below(w, 2) == 0;
    options.offset = below(w, 3) == 0 ? below(w, (unsigned)all + 20) : 0;
    options.limit = below(w, 2) == 0 ? below(w, (unsigned)all + 20) : UINT64_MAX;
    sorted_world = w;
    sorted_down = options.descending != 0;
    if (options.order_by != NULL)
        qsort(expected, all, sizeof *expected, by_year);
    must(npv_select(w->store, &options, &rows, &count, &error), &error);
    const size_t begin = options.offset < all ? (size_t)options.offset : all;
    assert_int_equal(count, options.limit < all - begin ? options.limit : all - begin);
    assert_memory_equal(rows, expected + begin, count * sizeof *rows);
    npv_free(rows);
    npv_filter_free(c.filter);
}

static void check_facets(world *w) {
    static choice c;
    npv_facets facets = {0};
    npv_error error = {0};
    uint64_t counts[TAGS] = {0}, missing = 0;
    size_t distinct = 0;
    choose(w, &c, below(w, 8));
    for (size_t i = 0; i < w->count; i++) {
        missing += c.passes[i] && !w->rows[i].document;
        counts[w->rows[i].tag] += c.passes[i] && w->rows[i].document;
    }
    for (size_t tag = 0; tag < TAGS; tag++)
        distinct += counts[tag] > 0;
    must(npv_get_facets(w->store, "tag", &c.given, &facets, &error), &error);
    assert_int_equal(facets.count, distinct);
    assert_int_equal(facets.missing, missing);
    for (size_t i = 0; i < facets.count; i++) {
        int tag = -1;
        assert_int_equal(sscanf(facets.facet[i].json, "\"t%d\"", &tag), 1);
        assert_int_equal(facets.facet[i].count, counts[tag]);
        if (i == 0)
            continue;
        const npv_facet *before = &facets.facet[i - 1];
        assert_true(before->count > facets.facet[i].count ||
                    (before->count == facets.facet[i].count && strcmp(before->json, facets.facet[i].json) < 0));
    }
    npv_facets_free(&facets);
    assert_null(facets.facet);
    npv_filter_free(c.filter);
}

static void live(npv_normalize normalize, bool typed, uint64_t seed, int steps) {
    static const npv_field declared[] = {{"tag", "U4"}, {"year", "i4"}};
    static world w;
    npv_store_options options = NPV_STORE_OPTIONS_INIT;
    npv_error error = {0};
    w = (world){.random = {seed}, .normalize = normalize, .typed = typed};
    snprintf(w.path, sizeof w.path, "/tmp/npvec-change-%ld.npz", (long)getpid());
    options.dimensions = DIMENSIONS;
    options.normalize = normalize;
    options.fields = typed ? declared : NULL;
    options.field_count = typed ? 2 : 0;
    must(npv_create(&options, &w.store, &error), &error);
    for (int step = 0; step < steps; step++) {
        const unsigned what = below(&w, 100);
        if (what < 40)
            add_rows(&w);
        else if (what < 58)
            upsert_rows(&w);
        else if (what < 65)
            set_documents(&w);
        else if (what < 90)
            delete_rows(&w);
        else
            save_rows(&w, what < 96);
        for (int i = 0; i < 4; i++)
            check_search(&w);
        check_selection(&w);
        check_facets(&w);
        if (step % 4 == 0)
            check_rows(&w);
    }
    check_rows(&w);
    npv_close(w.store);
    unlink(w.path);
}

static void rows_are_what_a_model_says(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 6; seed++)
        live(seed % 2 == 0 ? NPV_NORMALIZE_ON : NPV_NORMALIZE_OFF, seed % 3 == 0, seed, 200);
}

/* Of a mapped file only what changes is copied; the rest may be let go and read again. */
static void changed_rows_of_a_mapped_file_stay_changed(void **state) {
    (void)state;
    static world w;
    static choice c;
    npv_error error = {0};
    for (int round = 0; round < 6; round++) {
        w = (world){.random = {(uint64_t)round + 50}, .normalize = NPV_NORMALIZE_OFF};
        npv_store_options options = NPV_STORE_OPTIONS_INIT;
        snprintf(w.path, sizeof w.path, "/tmp/npvec-mapped-%ld.npz", (long)getpid());
        options.dimensions = DIMENSIONS;
        options.normalize = NPV_NORMALIZE_OFF;
        must(npv_create(&options, &w.store, &error), &error);
        while (w.count < 1000)
            add_rows(&w);
        must(npv_save(w.store, w.path, NULL, &error), &error);
        npv_close(w.store);
        must(npv_open(w.path, NULL, &w.store, &error), &error);
        assert_true(w.store->mapped);
        const uint64_t first = round % 3 == 0 ? 0 : below(&w, 900);
        c = (choice){.given = NPV_SELECTION_INIT, .rows = {first}};
        c.given.rows = c.rows;
        c.given.row_count = 1;
        must(npv_delete(w.store, &c.given, NULL, &error), &error);
        w.rows[first].deleted = true;
        if (round >= 3)
            upsert_rows(&w);
        npv_array_forget_file(&w.store->vectors);
        check_rows(&w);
        save_rows(&w, false);
        assert_int_equal(w.store->mapped, first > 0);
        npv_array_forget_file(&w.store->vectors);
        check_rows(&w);
        add_rows(&w);
        npv_array_forget_file(&w.store->vectors);
        check_rows(&w);
        npv_close(w.store);
        unlink(w.path);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_what_a_model_says),
        cmocka_unit_test(changed_rows_of_a_mapped_file_stay_changed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
