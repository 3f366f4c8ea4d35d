/* Ids as an array of NumPy's text: UTF-32, every element as wide as the longest, with zeros at its end. */
#ifndef NPV_NPY_IDS_H
#define NPV_NPY_IDS_H

#include "../ids.h"
#include "npy.h"

#define NPV_NPY_CHARACTER 4 /* bytes of one */

/* Can these be ids: one axis, an element for each row, not wider than an id may be? */
npv_status npv_npy_check_ids(const npv_npy_header *header, uint64_t rows, npv_error *error);

/* Reads the data of checked ids into the empty `ids`. Empty text is no id. Messages name the rows. */
npv_status npv_npy_read_ids(npv_source source, const npv_npy_header *header, npv_ids *ids, npv_error *error);

/* The same as far as the source goes, for at most `rows`; ids that are none, or are there already, are left out. */
npv_status npv_npy_salvage_ids(npv_source source, const npv_npy_header *header, uint64_t rows, npv_ids *ids,
                               npv_error *error);

/* Characters of the longest id. */
size_t npv_npy_id_characters(const npv_ids *ids);

/* Writes the ids of these rows (`live` NULL: all), little-endian, `characters` of them each. */
npv_status npv_npy_write_ids(const npv_ids *ids, uint64_t rows, const uint64_t *live, size_t characters, npv_sink sink,
                             npv_error *error);

#endif
