/*
 * Journals with right checksums and any contents. Input: a byte that chooses the store and how many zeros there are
 * behind the records, then records as forge.h has them.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "forge.h"
#include "journalling.h"
#include "rows.h"
#include "scratch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { DIMENSIONS = 2, KINDS = 3, MOST_ROOM = 4096 };

/* Ahead of a writer's records: none, less than a record's header, more, and a page. */
static const size_t rooms[] = {0, 8, 72, MOST_ROOM};

static npv_store *new_store(unsigned kind) {
    static const npv_field fields[] = {{"n", "i4"}, {"s", "U2"}};
    npv_store_options options = {.size = sizeof options, .dimensions = DIMENSIONS, .threads = 1};
    npv_store *store = NULL;
    options.normalize = kind == 1 ? NPV_NORMALIZE_ON : NPV_NORMALIZE_OFF;
    options.fields = kind == 2 ? fields : NULL;
    options.field_count = kind == 2 ? 2 : 0;
    const npv_status status = npv_create(&options, &store, NULL);
    assert(status == NPV_OK);
    (void)status;
    return store;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0)
        return 0;
    npv_store *const store = new_store(data[0] % KINDS);
    const size_t room = rooms[data[0] / KINDS % (sizeof rooms / sizeof rooms[0])];
    unsigned char *const bytes = malloc(NPV_JOURNAL_HEADER + 16 * (NPV_JOURNAL_RECORD + size) + MOST_ROOM);
    assert(bytes != NULL);
    npv_journal_base base;
    npv_store_base(store, &base);
    const size_t end = fuzz_make_journal(&base, (npv_bytes){data + 1, size - 1}, 0, bytes);
    memset(bytes + end, 0, room);
    npv_journal_reader reader;
    npv_error error = {.message = ""};
    bool found, changed;
    npv_status status = npv_journal_reader_open("journal", fuzz_rewrite(bytes, end + room), &reader, &found, &error);
    assert(status == NPV_OK && found);
    status = npv_store_replay(store, &reader, &changed, &error);
    assert(status != NPV_OK || reader.offset == end); /* every record was taken in, and nothing of the room */
    npv_journal_reader_close(&reader);
    if (status != NPV_OK)
        fuzz_check_line(error.message);
    const bool is_read = fuzz_read_rows(store); /* whatever was taken in */
    assert(is_read);
    (void)is_read;
    npv_close(store);
    free(bytes);
    return 0;
}
