/* What a store with a journal must hold, kept by code that shares nothing with the library. */
#ifndef JOURNAL_MODEL_H
#define JOURNAL_MODEL_H

#include "oracle.h"
#include "store.h"

enum { MODEL_DIMENSIONS = 5, MODEL_ROWS = 4000 };

typedef enum model_kind { MODEL_DOCUMENTS, MODEL_TYPED, MODEL_PLAIN } model_kind;

typedef struct model_row {
    bool deleted;
    char id[16]; /* "": none */
    int n;       /* in its document; -1: it has none; of one in four the row has an object, too */
    float vector[MODEL_DIMENSIONS];
} model_row;

typedef struct model {
    model_kind kind;
    oracle_random random;
    int next_id, next_n;
    size_t count;
    model_row *rows; /* MODEL_ROWS */
    bool lenient;    /* a change of the store may fail, and then the model stays as it is: */
    npv_status status;
    npv_error error;
} model;

void must(npv_status status, const npv_error *error);

void model_init(model *m, uint64_t seed, model_kind kind);
model model_copy(const model *m);
void model_free(model *m);
unsigned model_below(model *m, unsigned limit);

/* Opens a file, or creates it if durability is not off. */
npv_store *model_open(const model *m, const char *path, npv_durability durability);
npv_store *model_create(const model *m, npv_durability durability);
npv_info model_info(npv_store *store);

/* The same to the store and to the model; `store` NULL: to the model alone, which then is what it would have become. */
void model_add(model *m, npv_store *store, size_t count);
void model_upsert(model *m, npv_store *store, size_t count, bool without_vectors);
void model_set_documents(model *m, npv_store *store, size_t count);
void model_delete(model *m, npv_store *store, size_t count);
void model_save(model *m, npv_store *store, const char *path);
void model_change(model *m, npv_store *store); /* one of them, but for saving; rarely npv_clear */

/* To the model alone. */
void model_clear(model *m);
void model_close_gaps(model *m);

/* Is the store what the model is? The second only says so. */
void model_check(const model *m, npv_store *store);
bool model_matches(const model *m, npv_store *store);

#endif
