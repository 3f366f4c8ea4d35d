/* Catching up with what another process writes: npv_refresh. */
#include "refresh.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "compact.h"
#include "error.h"
#include "file.h"
#include "identity.h"
#include "journalling.h"
#include "lazy.h"

/* ------------------------------------------------------------------------------------------------------- Retired -- */

struct npv_retired_rows {
    npv_array vectors, records;
    npv_record_schema schema;
    struct npv_retired_rows *next;
};

void npv_retired_rows_free(struct npv_retired_rows *retired) {
    while (retired != NULL) {
        struct npv_retired_rows *const next = retired->next;
        npv_array_free(&retired->vectors);
        npv_array_free(&retired->records);
        npv_schema_free(&retired->schema);
        free(retired);
        retired = next;
    }
}

/* Keeps what `store` has for borrowed pointers; of what was kept before, only the addresses. */
static void retire(npv_store *store, struct npv_retired_rows *place) {
    *place = (struct npv_retired_rows){store->vectors, store->records, store->schema, store->retired};
    if (store->retired != NULL) {
        npv_array_vacate(&store->retired->vectors);
        npv_array_vacate(&store->retired->records);
    }
    npv_array_trim(&place->vectors);
    npv_array_trim(&place->records);
    store->vectors = store->records = (npv_array)NPV_ARRAY_EMPTY;
    store->schema = (npv_record_schema){.fields = NULL};
    store->retired = place;
}

/* ----------------------------------------------------------------------------------------------------- Replacing -- */

/* What was read from files (store.h); locks, threads and experience stay with their store. */
static void swap_contents(npv_store *a, npv_store *b) {
    const size_t first = offsetof(npv_store, dimensions);
    unsigned char *const mine = (unsigned char *)a, *const others = (unsigned char *)b;
    for (size_t i = first; i < sizeof *a; i++) {
        const unsigned char byte = mine[i];
        mine[i] = others[i];
        others[i] = byte;
    }
}

/* Opens the file again, and takes over what is in it. */
static npv_status reload(npv_store *store, npv_error *error) {
    npv_store_options options = NPV_STORE_OPTIONS_INIT;
    npv_store *fresh = NULL;
    struct npv_retired_rows *const place = malloc(sizeof *place);
    if (place == NULL)
        return npv_fail_memory(error, "rows that are replaced", sizeof *place);
    options.dimensions = store->dimensions;
    options.normalize = store->normalize ? NPV_NORMALIZE_ON : NPV_NORMALIZE_OFF;
    options.threads = 1;
    const npv_status status = npv_store_open_for_reading(store->path, &options, &fresh, error);
    if (status != NPV_OK) {
        free(place);
        return status;
    }
    swap_contents(store, fresh);
    fresh->retired = store->retired; /* it has what this store had */
    retire(fresh, place);
    store->retired = place;
    fresh->retired = NULL;
    npv_close(fresh);
    return NPV_OK;
}

/* --------------------------------------------------------------------------------------------------- Catching up -- */

/* What the journal that has been followed says by now: to its end, also if it has been replaced meanwhile. */
static npv_status read_on(npv_store *store, int *changed, npv_error *error) {
    npv_journal_reader reader;
    const npv_journal_position followed = store->followed;
    bool found, more = false;
    if (followed.fd < 0)
        return NPV_OK;
    npv_status status = npv_journal_reader_open(store->journal_path, followed.fd, &reader, &found, error);
    if (status != NPV_OK || !found)
        return status;
    reader.offset = followed.offset;
    reader.sequence = followed.sequence;
    reader.follows = true;
    status = npv_store_replay(store, &reader, &more, error);
    *changed = more ? 1 : *changed;
    npv_journal_reader_close(&reader);
    return status;
}

/* The writer has saved: the archive has what this store has, with the gaps of deleted rows closed. */
static npv_status follow_fold(npv_store *store, npv_journal_reader *reader, int *changed, npv_error *error) {
    npv_compaction compaction;
    bool more = false;
    if (store->deleted > 0) {
        npv_status status = npv_store_load_metadata(store, error);
        if (status == NPV_OK)
            status = npv_store_load_ids(store, error);
        if (status == NPV_OK)
            status = npv_compaction_prepare(store, &compaction, error);
        if (status != NPV_OK)
            return status;
        npv_compaction_run(store, &compaction);
        npv_compaction_free(&compaction);
        *changed = 2;
    }
    store->followed.base = reader->header.base;
    memcpy(store->mark.store_id, reader->header.base.id, sizeof store->mark.store_id);
    store->mark.generation = reader->header.base.generation;
    const npv_status status = npv_store_follow(store, reader, &more, error);
    *changed = *changed == 0 && more ? 1 : *changed;
    return status;
}

/* Another journal than the one that was followed, or none. */
static npv_status follow_other(npv_store *store, npv_journal_reader *reader, bool found, int *changed,
                               npv_error *error) {
    const npv_journal_position *const followed = &store->followed;
    npv_journal_base base;
    bool more = false;
    npv_store_base(store, &base);
    if (found && followed->fd >= 0 && reader->header.follows_salt == followed->salt &&
        reader->header.follows_sequence == followed->sequence && reader->header.base.generation == base.generation + 1)
        return follow_fold(store, reader, changed, error);
    if (found && followed->sequence == 0 && npv_journal_same_base(&reader->header.base, &base)) {
        const npv_status status = npv_store_follow(store, reader, &more, error);
        *changed = more ? 1 : *changed;
        return status;
    }
    bool same;
    npv_status status = npv_store_file_is_same(store, &same, error);
    if (status != NPV_OK || (same && followed->sequence == 0))
        return status;
    status = reload(store, error);
    *changed = status == NPV_OK ? 2 : *changed;
    return status;
}

static npv_status refresh(npv_store *store, int *changed, npv_error *error) {
    npv_journal_reader reader;
    bool found;
    npv_status status = read_on(store, changed, error);
    if (status == NPV_OK)
        status = npv_journal_reader_open(store->journal_path, -1, &reader, &found, error);
    if (status != NPV_OK)
        return status;
    if (!found || store->followed.fd < 0 || reader.header.salt != store->followed.salt)
        status = follow_other(store, &reader, found, changed, error);
    npv_journal_reader_close(&reader);
    return status;
}

static npv_status check(const npv_store *store, npv_error *error) {
    if (store->path == NULL)
        return npv_fail(error, NPV_E_ARGUMENT, "npv_refresh: expected a store with a file, found one without");
    if (store->own_changes)
        return npv_fail(error, NPV_E_ARGUMENT,
                        "%s: this store has changes of its own, which npv_refresh cannot mix with those of others; "
                        "save it to another path, or open the file again",
                        store->path);
    return NPV_OK;
}

npv_status npv_refresh(npv_store *store, int *changed, npv_error *error) {
    int what = 0;
    if (store == NULL)
        return npv_fail(error, NPV_E_ARGUMENT, "npv_refresh: expected a store, found NULL");
    npv_store_lock_for_writing(store);
    npv_status status = NPV_OK;
    if (store->journal != NULL && store->journal->foreign)
        status = npv_journal_check(store->journal, error);
    else if (store->journal == NULL) /* else nobody but this store changes the file */
        status = check(store, error);
    if (status == NPV_OK && store->journal == NULL)
        status = refresh(store, &what, error);
    npv_store_unlock(store);
    if (status == NPV_OK && changed != NULL)
        *changed = what;
    return status;
}
