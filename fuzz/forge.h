/* Bytes that mutations do not hit upon. */
#ifndef FUZZ_FORGE_H
#define FUZZ_FORGE_H

#include "journal.h"

/* Corrects the CRC-32s of an archive: else nothing behind their check would ever be reached. */
void fuzz_correct(unsigned char *bytes, size_t size);

/* What is wrong with a record. */
enum { FUZZ_TORN_HEADER = 8, FUZZ_TORN_PAYLOAD = 16, FUZZ_SKIPS_ONE = 32, FUZZ_UNFLUSHED = 64 };

/*
 * A journal of this base, with right checksums, in bytes of which there are NPV_JOURNAL_HEADER + 16 *
 * (NPV_JOURNAL_RECORD + input.size); returns how many it takes. Input: for each record its type (and, of `damage`, what
 * is wrong with it), two bytes of length, and its payload, which is filled with zeros to a multiple of eight.
 */
size_t fuzz_make_journal(const npv_journal_base *base, npv_bytes input, unsigned damage, unsigned char *bytes);

#endif
