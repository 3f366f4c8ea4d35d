/* A store is opened from its file. */
#ifndef NPV_FILE_H
#define NPV_FILE_H

#include "store.h"

/* The archive and what its journal says, at one moment. */
npv_status npv_store_open_for_reading(const char *path, const npv_store_options *options, npv_store **store,
                                      npv_error *error);

/*
 * Does what the journal says from where the reader stands, whose descriptor the store keeps. NPV_E_FORMAT if the
 * journal says that it goes on from another kind of store.
 */
npv_status npv_store_follow(npv_store *store, npv_journal_reader *reader, bool *changed, npv_error *error);

#endif
