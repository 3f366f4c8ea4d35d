#include "journal_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MOST_AT_ONCE = 1600, OFTEN_AT_ONCE = 32 };

void must(npv_status status, const npv_error *error) {
    if (status != NPV_OK)
        fail_msg("%s", error->message);
}

void model_init(model *m, uint64_t seed, model_kind kind) {
    *m = (model){.kind = kind, .random = {seed * 7919 + 1}, .rows = calloc(MODEL_ROWS, sizeof(model_row))};
    assert_non_null(m->rows);
}

model model_copy(const model *m) {
    model copy = *m;
    copy.rows = calloc(MODEL_ROWS, sizeof *copy.rows);
    assert_non_null(copy.rows);
    memcpy(copy.rows, m->rows, m->count * sizeof *copy.rows);
    return copy;
}

void model_free(model *m) {
    free(m->rows);
}

unsigned model_below(model *m, unsigned limit) {
    return (unsigned)(oracle_next(&m->random) % limit);
}

/* -------------------------------------------------------------------------------------------------------- Stores -- */

static const npv_field FIELDS[] = {{"n", "i4"}, {"text", "U5"}};

/* `creates`: the file may not be there, so the typed fields are told. */
static npv_store_options options_of(const model *m, npv_durability durability, bool creates) {
    npv_store_options options = NPV_STORE_OPTIONS_INIT;
    options.dimensions = MODEL_DIMENSIONS;
    options.normalize = NPV_NORMALIZE_OFF;
    options.threads = 1;
    options.durability = durability;
    if (m->kind == MODEL_TYPED && creates) {
        options.fields = FIELDS;
        options.field_count = 2;
    }
    return options;
}

npv_store *model_open(const model *m, const char *path, npv_durability durability) {
    const npv_store_options options = options_of(m, durability, durability != NPV_DURABILITY_OFF);
    npv_store *store = NULL;
    npv_error error = {0};
    must(npv_open(path, &options, &store, &error), &error);
    return store;
}

npv_store *model_create(const model *m, npv_durability durability) {
    const npv_store_options options = options_of(m, durability, true);
    npv_store *store = NULL;
    npv_error error = {0};
    must(npv_create(&options, &store, &error), &error);
    return store;
}

npv_info model_info(npv_store *store) {
    npv_info info = {.size = sizeof info};
    npv_error error = {0};
    must(npv_get_info(store, &info, &error), &error);
    return info;
}

/* ------------------------------------------------------------------------------------------------------- Changes -- */

/* Was it done? */
static bool done(model *m, npv_status status, const npv_error *error) {
    m->status = status;
    if (m->lenient)
        m->error = *error;
    else
        must(status, error);
    return status == NPV_OK;
}

typedef struct made {
    npv_batch batch;
    model_row rows[MOST_AT_ONCE];
    float vectors[MOST_AT_ONCE * MODEL_DIMENSIONS];
    const char *ids[MOST_AT_ONCE], *documents[MOST_AT_ONCE];
    char json[MOST_AT_ONCE][48], objects[MOST_AT_ONCE][16];
    npv_object given[MOST_AT_ONCE];
} made;

/* Some bytes; 0: the row has none. */
static int spell_object(int n, char object[16]) {
    return n >= 0 && n % 4 == 1 ? snprintf(object, 16, "cab\ncd%d\n.", n) : 0;
}

static void make(model *m, made *b, size_t count) {
    b->batch = (npv_batch){sizeof(npv_batch), count, b->vectors, b->documents, b->ids, NULL, NULL};
    if (m->kind == MODEL_PLAIN)
        b->batch.documents = NULL;
    if (m->kind == MODEL_DOCUMENTS)
        b->batch.objects = b->given;
    for (size_t i = 0; i < count; i++) {
        model_row *const row = &b->rows[i];
        *row = (model_row){.n = m->next_n++};
        if (m->kind == MODEL_PLAIN || (m->kind == MODEL_DOCUMENTS && model_below(m, 4) == 0))
            row->n = -1;
        for (size_t j = 0; j < MODEL_DIMENSIONS; j++)
            b->vectors[i * MODEL_DIMENSIONS + j] = row->vector[j] = oracle_normal(&m->random);
        snprintf(b->json[i], sizeof b->json[i], "{\"n\": %d, \"text\": \"t%d\"}", row->n, row->n % 1000);
        b->documents[i] = row->n < 0 ? NULL : b->json[i];
        const int size = spell_object(row->n, b->objects[i]);
        b->given[i] = (npv_object){size > 0 ? b->objects[i] : NULL, (size_t)size};
        b->ids[i] = NULL;
    }
}

static void name_row(model *m, made *b, size_t i) {
    snprintf(b->rows[i].id, sizeof b->rows[i].id, "id%d", m->next_id++);
    b->ids[i] = b->rows[i].id;
}

void model_add(model *m, npv_store *store, size_t count) {
    made b;
    npv_error error = {0};
    uint64_t first = UINT64_MAX;
    make(m, &b, count);
    for (size_t i = 0; i < count; i++)
        if (model_below(m, 5) > 0)
            name_row(m, &b, i);
    assert_true(m->count + count <= MODEL_ROWS);
    if (store != NULL && !done(m, npv_add(store, &b.batch, &first, &error), &error))
        return;
    assert_true(store == NULL || first == m->count);
    memcpy(m->rows + m->count, b.rows, count * sizeof b.rows[0]);
    m->count += count;
}

/* A row with an id that none of the batch has yet, or m->count. */
static size_t pick_named(model *m, const uint64_t *chosen, size_t count) {
    for (int tries = 0; tries < 50 && m->count > 0; tries++) {
        const size_t row = model_below(m, (unsigned)m->count);
        bool fresh = !m->rows[row].deleted && m->rows[row].id[0] != '\0';
        for (size_t i = 0; i < count; i++)
            fresh = fresh && chosen[i] != row;
        if (fresh)
            return row;
    }
    return m->count;
}

void model_upsert(model *m, npv_store *store, size_t count, bool without_vectors) {
    made b;
    npv_error error = {0};
    uint64_t places[MOST_AT_ONCE], rows[MOST_AT_ONCE], replaced = 0, added = 0;
    make(m, &b, count);
    for (size_t i = 0; i < count; i++) {
        places[i] = without_vectors || model_below(m, 3) > 0 ? pick_named(m, places, i) : m->count;
        if (places[i] == m->count && without_vectors)
            return;
        if (places[i] == m->count) {
            name_row(m, &b, i);
            places[i] = UINT64_MAX; /* told apart from other new ones below */
        } else {
            strcpy(b.rows[i].id, m->rows[places[i]].id);
            b.ids[i] = b.rows[i].id;
            if (without_vectors)
                memcpy(b.rows[i].vector, m->rows[places[i]].vector, sizeof b.rows[i].vector);
        }
    }
    if (without_vectors)
        b.batch.vectors = NULL;
    assert_true(m->count + count <= MODEL_ROWS);
    if (store != NULL && !done(m, npv_upsert(store, &b.batch, rows, &replaced, &error), &error))
        return;
    for (size_t i = 0; i < count; i++) {
        if (places[i] == UINT64_MAX)
            places[i] = m->count + added++;
        assert_true(store == NULL || rows[i] == places[i]);
        m->rows[places[i]] = b.rows[i];
    }
    m->count += added;
    assert_true(store == NULL || replaced == count - added);
}

/* Up to `count` rows that are there, each once. */
static size_t pick_rows(model *m, uint64_t *rows, size_t count) {
    size_t chosen = 0;
    for (int tries = 0; tries < 100 && chosen < count && m->count > 0; tries++) {
        const size_t row = model_below(m, (unsigned)m->count);
        bool fresh = !m->rows[row].deleted;
        for (size_t i = 0; i < chosen; i++)
            fresh = fresh && rows[i] != row;
        if (fresh)
            rows[chosen++] = row;
    }
    return chosen;
}

void model_set_documents(model *m, npv_store *store, size_t count) {
    made b;
    npv_error error = {0};
    uint64_t rows[MOST_AT_ONCE];
    const size_t chosen = pick_rows(m, rows, count);
    make(m, &b, chosen);
    b.batch.vectors = NULL;
    b.batch.ids = NULL;
    if (store != NULL && !done(m, npv_set_documents(store, rows, &b.batch, &error), &error))
        return;
    for (size_t i = 0; i < chosen; i++)
        m->rows[rows[i]].n = b.rows[i].n;
}

void model_delete(model *m, npv_store *store, size_t count) {
    uint64_t rows[MOST_AT_ONCE], deleted = 0;
    npv_error error = {0};
    npv_selection selection = NPV_SELECTION_INIT;
    const size_t chosen = pick_rows(m, rows, count);
    selection.rows = rows;
    selection.row_count = chosen;
    if (store != NULL && !done(m, npv_delete(store, &selection, &deleted, &error), &error))
        return;
    assert_true(store == NULL || deleted == chosen);
    for (size_t i = 0; i < chosen; i++)
        m->rows[rows[i]].deleted = true;
}

void model_clear(model *m) {
    m->count = 0;
}

void model_close_gaps(model *m) {
    size_t kept = 0;
    for (size_t i = 0; i < m->count; i++)
        if (!m->rows[i].deleted)
            m->rows[kept++] = m->rows[i];
    m->count = kept;
}

void model_save(model *m, npv_store *store, const char *path) {
    npv_error error = {0};
    if (store != NULL && !done(m, npv_save(store, path, NULL, &error), &error))
        return;
    model_close_gaps(m);
}

void model_change(model *m, npv_store *store) {
    npv_error error = {0};
    const unsigned what = model_below(m, 40);
    if (what == 0) {
        if (store == NULL || done(m, npv_clear(store, &error), &error))
            model_clear(m);
    } else if (what < 18 || m->count == 0) {
        model_add(m, store, 1 + model_below(m, what % 2 == 0 ? 4 : OFTEN_AT_ONCE));
    } else if (what < 26) {
        model_upsert(m, store, 1 + model_below(m, 6), false);
    } else if (what < 29) {
        model_upsert(m, store, 1 + model_below(m, 3), true);
    } else if (what < 32) {
        model_set_documents(m, store, 1 + model_below(m, 5));
    } else {
        model_delete(m, store, 1 + model_below(m, 5));
    }
}

/* ------------------------------------------------------------------------------------------------------ Checking -- */

static bool document_matches(const model *m, npv_store *store, uint64_t row, int n) {
    char expected[64], *json = NULL;
    npv_error error = {0};
    if (npv_get_document(store, row, &json, &error) != NPV_OK)
        return false;
    snprintf(expected, sizeof expected, "{\"n\": %d, \"text\": \"t%d\"}", n, n % 1000);
    const bool same = json == NULL ? n < 0 : n >= 0 && strcmp(json, expected) == 0;
    (void)m;
    npv_free(json);
    return same;
}

static bool object_matches(const model *m, npv_store *store, uint64_t row, int n) {
    char expected[16];
    unsigned char *object = NULL;
    size_t size = 0;
    if (npv_get_object(store, row, &object, &size, NULL) != NPV_OK)
        return false;
    const size_t wanted = m->kind == MODEL_DOCUMENTS ? (size_t)spell_object(n, expected) : 0;
    const bool same = wanted == size && (wanted == 0 ? object == NULL : memcmp(expected, object, size) == 0);
    npv_free(object);
    return same;
}

static bool row_matches(const model *m, npv_store *store, uint64_t row) {
    const model_row *const expected = &m->rows[row];
    const float *vector;
    const char *id = NULL;
    uint64_t found = UINT64_MAX;
    if (npv_get_vector(store, row, &vector, NULL) != NPV_OK)
        return expected->deleted;
    if (expected->deleted || memcmp(vector, expected->vector, sizeof expected->vector) != 0 ||
        npv_get_id(store, row, &id, NULL) != NPV_OK || (id == NULL) != (expected->id[0] == '\0'))
        return false;
    if (id != NULL && (strcmp(id, expected->id) != 0 || npv_find(store, id, &found, NULL) != NPV_OK || found != row))
        return false;
    return document_matches(m, store, row, expected->n) && object_matches(m, store, row, expected->n);
}

bool model_matches(const model *m, npv_store *store) {
    const npv_info info = model_info(store);
    if (info.row_end != m->count)
        return false;
    for (uint64_t row = 0; row < m->count; row++)
        if (!row_matches(m, store, row))
            return false;
    return true;
}

void model_check(const model *m, npv_store *store) {
    assert_int_equal(model_info(store).row_end, m->count);
    for (uint64_t row = 0; row < m->count; row++)
        if (!row_matches(m, store, row))
            fail_msg("row %d is not what it was", (int)row);
}
