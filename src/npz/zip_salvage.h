/* Members of a ZIP archive that was cut off, or contradicts itself. Errors are for want of memory: damage is none. */
#ifndef NPV_ZIP_SALVAGE_H
#define NPV_ZIP_SALVAGE_H

#include "zip.h"

/* Checks the whole of a member, without keeping it. */
npv_status npv_zip_check(const npv_zip_member *member, npv_error *error);

/*
 * A member that is damaged: is it that its local header does not say where its data begins? Then *member does
 * afterwards.
 */
npv_status npv_zip_relocate(npv_bytes bytes, npv_zip_member *member, bool *found, npv_error *error);

typedef struct npv_salvaged_member {
    npv_zip_member member; /* of a stored one that is cut off, `size` is what is there */
    uint64_t claimed;      /* bytes that it has by its header, inflated */
    bool found;
    bool sound; /* npv_zip_check */
} npv_salvaged_member;

/*
 * Looks at every byte for local headers and directory entries with one of these names. Of those with the same name the
 * first sound one is taken, else the one with most bytes.
 */
npv_status npv_zip_salvage(npv_bytes bytes, const char *const *names, size_t count, npv_salvaged_member *found,
                           npv_error *error);

#endif
