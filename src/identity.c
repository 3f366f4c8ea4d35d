#include "identity.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <xxhash.h>

#include "error.h"

#define FINGERPRINT_HEAD 4096
#define FINGERPRINT_TAIL 65536

npv_status npv_archive_identify(const char *path, const npv_archive_facts *facts, npv_journal_base *base,
                                npv_error *error) {
    struct stat file;
    memcpy(base->id, facts->mark.store_id, sizeof base->id);
    base->generation = facts->mark.generation;
    if (facts->marked)
        return NPV_OK;
    unsigned char *const bytes = malloc(FINGERPRINT_HEAD + FINGERPRINT_TAIL);
    if (bytes == NULL)
        return npv_fail_memory(error, "a file's fingerprint", FINGERPRINT_HEAD + FINGERPRINT_TAIL);
    ssize_t head = -1, tail = -1;
    if (fstat(facts->fd, &file) == 0) {
        head = pread(facts->fd, bytes, FINGERPRINT_HEAD, 0);
        const off_t from = file.st_size > FINGERPRINT_TAIL ? file.st_size - FINGERPRINT_TAIL : 0;
        if (head >= 0)
            tail = pread(facts->fd, bytes + head, FINGERPRINT_TAIL, from);
    }
    if (tail >= 0)
        XXH128_canonicalFromHash((XXH128_canonical_t *)(void *)base->id,
                                 XXH3_128bits_withSeed(bytes, (size_t)(head + tail), (XXH64_hash_t)file.st_size));
    free(bytes);
    return tail >= 0 ? NPV_OK : npv_fail_io(error, path, "reading it");
}

npv_status npv_store_file_is_same(const npv_store *store, bool *same, npv_error *error) {
    npv_archive *archive = NULL;
    npv_archive_facts facts;
    npv_journal_base base;
    npv_status status = npv_archive_open(store->path, &archive, &facts, error);
    if (status != NPV_OK)
        return status;
    status = npv_archive_identify(store->path, &facts, &base, error);
    *same = status == NPV_OK && npv_journal_same_archive(&base, &store->followed.base);
    npv_archive_close(archive);
    return status;
}
