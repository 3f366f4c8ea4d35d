/* Which archive is it? Journals say which one they go on from. */
#ifndef NPV_IDENTITY_H
#define NPV_IDENTITY_H

#include "store.h"

/*
 * Sets id and generation of *base. Of a file without a mark its size, its beginning, and its end, where a ZIP archive
 * has its directory with the checksums of all members, stand for it; its generation is 0.
 */
npv_status npv_archive_identify(const char *path, const npv_archive_facts *facts, npv_journal_base *base,
                                npv_error *error);

/* Is the archive at the store's path still the one that it was read from or saved to? */
npv_status npv_store_file_is_same(const npv_store *store, bool *same, npv_error *error);

#endif
