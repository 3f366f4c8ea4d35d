/* A store and its file. */
#ifndef NPV_FILE_H
#define NPV_FILE_H

#include "npvec.h"

/* Reads documents or typed metadata that are still in the file. Under the reading or the writing lock. */
npv_status npv_store_load_metadata(npv_store *store, npv_error *error);

#endif
