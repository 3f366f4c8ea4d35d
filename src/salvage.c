/* The archive's members found, and its vectors read. */
#include "salvage.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "edit.h"
#include "error.h"
#include "identity.h"
#include "lazy.h"
#include "npz/npy.h"
#include "vector.h"

/* As file.c and stage.c have it. */
#define UNIT_TOLERANCE 1e-4

/* Rows that are lost keep their numbers, for the journal's sake, if they are no more than this: 64 MiB of documents. */
#define MOST_LOST ((uint64_t)1 << 22)

static const char *const NAMES[NPV_PARTS] = {"format_version.npy", "dimensions.npy", "normalize.npy",
                                             "metadata.npy",       "ids.npy",        "vectors.npy"};

/* -------------------------------------------------------------------------------------------------------- Parts -- */

static npv_status read_mended(void *context, void *data, size_t size, npv_error *error) {
    npv_part_reader *const reader = context;
    const uint64_t before = reader->zip.done;
    const npv_source source = npv_zip_reader_source(&reader->zip);
    const npv_status status = source.read(source.context, data, size, error);
    if (status != NPV_OK || !reader->part->mended || before >= sizeof reader->part->head)
        return status;
    const size_t left = sizeof reader->part->head - (size_t)before;
    memcpy(data, reader->part->head + before, size < left ? size : left);
    return NPV_OK;
}

npv_status npv_part_open(npv_part *part, npv_part_reader *reader, npv_error *error) {
    reader->part = part;
    return npv_zip_reader_open(&part->found.member, &reader->zip, error);
}

void npv_part_close(npv_part_reader *reader) {
    npv_zip_reader_close(&reader->zip);
}

npv_source npv_part_source(npv_part_reader *reader) {
    return (npv_source){read_mended, reader};
}

void npv_part_mend(npv_part *part, const char *descr, unsigned axes, const uint64_t *shape) {
    const npv_zip_member *const member = &part->found.member;
    const size_t size = sizeof part->head;
    if (!part->found.found || part->found.sound || member->deflated || member->data.size < size)
        return;
    npv_npy_write_header(descr, axes, shape, part->head);
    uLong crc = crc32(0, part->head, (uInt)size);
    for (size_t at = size; at < member->data.size;) {
        const size_t left = member->data.size - at, slice = left < (1u << 30) ? left : 1u << 30;
        crc = crc32(crc, member->data.data + at, (uInt)slice);
        at += slice;
    }
    part->mended = part->found.sound = crc == member->crc;
}

npv_status npv_salvage_error(npv_status status, const npv_error *wrong, npv_error *error) {
    return status == NPV_E_MEMORY ? npv_fail(error, status, "%s", wrong->message) : NPV_OK;
}

static npv_status read_header(npv_part *part, npv_error *error) {
    npv_part_reader reader;
    npv_status status = npv_part_open(part, &reader, error);
    if (status != NPV_OK)
        return status;
    status = npv_npy_read_header(npv_part_source(&reader), &part->header, error);
    npv_part_close(&reader);
    if (status == NPV_OK && part->found.member.name.data == NULL) /* a bare array says itself how long it is */
        part->found.claimed = part->header.size + part->header.data_size;
    const uint64_t data = part->found.claimed - part->header.size;
    if (status == NPV_OK && part->found.claimed >= part->header.size && !part->header.objects &&
        part->header.data_size != data)
        status = npv_fail(error, NPV_E_FORMAT, "expected %" PRIu64 " bytes of data, found %" PRIu64,
                          part->header.data_size, data);
    part->readable = status == NPV_OK && part->found.claimed >= part->header.size;
    return status;
}

/* Reads the header of a part, of which it is said if it cannot be read. */
static npv_status look_at(npv_salvage *salvage, npv_part *part, npv_error *error) {
    npv_error wrong = {.message = ""};
    if (!part->found.found)
        return NPV_OK;
    const npv_status status = read_header(part, &wrong);
    if (status != NPV_OK)
        npv_found(salvage->findings, "%s: its header cannot be read: %s", part->name, wrong.message);
    return npv_salvage_error(status, &wrong, error);
}

static npv_status read_scalar(npv_source source, int64_t *value, npv_error *error) {
    npv_npy_header header;
    unsigned char item[16];
    npv_status status = npv_npy_read_header(source, &header, error);
    if (status == NPV_OK && (header.axes != 0 || header.item_size > sizeof item))
        return npv_fail(error, NPV_E_FORMAT, "expected a number, found an array");
    if (status == NPV_OK)
        status = source.read(source.context, item, (size_t)header.item_size, error);
    if (status == NPV_OK && header.kind == 'b')
        *value = item[0] != 0;
    else if (status == NPV_OK)
        status = npv_npy_integer(&header, item, value, error);
    return status;
}

/* The number that a sound scalar holds; *value stays without one. */
static npv_status scalar(npv_part *part, int64_t *value, npv_error *error) {
    npv_part_reader reader;
    npv_error wrong;
    if (!part->readable || !part->found.sound)
        return NPV_OK;
    npv_status status = npv_part_open(part, &reader, &wrong);
    if (status == NPV_OK) {
        status = read_scalar(npv_part_source(&reader), value, &wrong);
        npv_part_close(&reader);
    }
    return npv_salvage_error(status, &wrong, error);
}

/* ------------------------------------------------------------------------------------------------------ Members -- */

static void take_bare_array(npv_salvage *salvage) {
    npv_part *const part = &salvage->parts[NPV_PART_VECTORS];
    const npv_bytes bytes = salvage->file.bytes;
    part->found = (npv_salvaged_member){.claimed = bytes.size, .found = true, .sound = true};
    part->found.member = (npv_zip_member){{NULL, 0}, bytes, 0, 0, bytes.size, 0, false};
}

static npv_status take_member(npv_salvage *salvage, npv_part *part, const npv_zip_member *member, bool sound,
                              npv_error *error) {
    part->found = (npv_salvaged_member){*member, member->size, true, sound};
    return sound ? NPV_OK : npv_zip_relocate(salvage->file.bytes, &part->found.member, &part->found.sound, error);
}

/* The members of a sound directory; all of them are checked, also those that mean nothing here. */
static npv_status take_members(npv_salvage *salvage, const npv_zip *zip, npv_error *error) {
    npv_status kept = NPV_OK;
    for (size_t i = 0; i < zip->count && kept == NPV_OK; i++) {
        const npv_zip_member *const member = &zip->members[i];
        npv_error wrong = {.message = ""};
        char shown[NPV_SHOWN];
        const npv_status status = npv_zip_check(member, &wrong);
        kept = npv_salvage_error(status, &wrong, error);
        npv_bytes_show(member->name, shown);
        if (status != NPV_OK)
            npv_found(salvage->findings, "%s: at bytes %" PRIu64 " to %" PRIu64 ": %s", shown, member->offset,
                      member->offset + member->data.size - 1, wrong.message);
        size_t part = 0;
        while (part < NPV_PARTS && npv_zip_find(zip, NAMES[part]) != member)
            part++;
        if (part == NPV_PARTS)
            npv_remark(salvage->findings, "%s: means nothing to npvec", shown);
        else if (kept == NPV_OK)
            kept = take_member(salvage, &salvage->parts[part], member, status == NPV_OK, error);
    }
    return kept;
}

static void say_member(npv_salvage *salvage, const npv_part *part) {
    const npv_salvaged_member *const found = &part->found;
    if (found->found && !found->sound)
        npv_found(salvage->findings, "%s: from byte %" PRIu64 ": its bytes are damaged, or cut off: found %zu",
                  part->name, found->member.offset, found->member.data.size);
}

/* The comment of an archive without a sound end. */
static void look_for_mark(npv_salvage *salvage) {
    static const char begin[] = "npvec 1 ";
    const npv_bytes bytes = salvage->file.bytes;
    for (size_t size = sizeof begin; size < 80 && size <= bytes.size && !salvage->marked; size++) {
        const npv_bytes comment = {bytes.data + bytes.size - size, size};
        if (memcmp(comment.data, begin, sizeof begin - 1) == 0)
            salvage->marked = npv_archive_parse_mark(comment, &salvage->mark);
    }
    salvage->mark_lost = !salvage->marked;
}

static npv_status search_members(npv_salvage *salvage, const npv_error *why, npv_error *error) {
    npv_salvaged_member found[NPV_PARTS];
    npv_found(salvage->findings, "%s", why->message);
    const npv_status status = npv_zip_salvage(salvage->file.bytes, NAMES, NPV_PARTS, found, error);
    for (size_t i = 0; i < NPV_PARTS; i++) {
        salvage->parts[i].found = found[i];
        say_member(salvage, &salvage->parts[i]);
    }
    look_for_mark(salvage);
    return status;
}

static npv_status find_parts(npv_salvage *salvage, npv_error *error) {
    const npv_bytes bytes = salvage->file.bytes;
    npv_error wrong = {.message = ""};
    npv_zip zip = {NULL, 0, {NULL, 0}};
    if (bytes.size >= NPV_NPY_MAGIC_SIZE && memcmp(bytes.data, NPV_NPY_MAGIC, NPV_NPY_MAGIC_SIZE) == 0) {
        take_bare_array(salvage);
        return NPV_OK;
    }
    npv_status status = npv_zip_open(bytes, &zip, &wrong);
    if (status == NPV_E_MEMORY)
        return npv_fail(error, status, "%s", wrong.message);
    if (status != NPV_OK)
        return search_members(salvage, &wrong, error);
    status = take_members(salvage, &zip, error);
    salvage->marked = npv_archive_parse_mark(zip.comment, &salvage->mark);
    salvage->mark_lost = !salvage->marked && zip.comment.size > 0;
    npv_zip_close(&zip);
    return status;
}

/* Reads a header that others depend on; what is wrong with it is said later. */
static npv_status read_early(npv_part *part, npv_error *error) {
    npv_error wrong;
    return part->found.found ? npv_salvage_error(read_header(part, &wrong), &wrong, error) : NPV_OK;
}

/* Headers that npvec wrote are known but for what they count, and that other parts tell. */
static npv_status mend_vectors(npv_salvage *salvage, npv_error *error) {
    npv_part *const parts = salvage->parts, *const vectors = &parts[NPV_PART_VECTORS];
    const uint64_t head = NPV_NPY_WRITTEN_HEADER;
    int64_t dimensions = 0;
    npv_status status = read_early(&parts[NPV_PART_DIMENSIONS], error);
    if (status == NPV_OK)
        status = scalar(&parts[NPV_PART_DIMENSIONS], &dimensions, error);
    const uint64_t row = dimensions > 0 && dimensions <= NPV_MAX_DIMENSIONS ? (uint64_t)dimensions * 4 : 0;
    if (row > 0 && vectors->found.claimed >= head)
        npv_part_mend(vectors, "<f4", 2, (const uint64_t[]){(vectors->found.claimed - head) / row, row / 4});
    return status == NPV_OK ? read_early(vectors, error) : status;
}

static npv_status mend_headers(npv_salvage *salvage, npv_error *error) {
    npv_part *const parts = salvage->parts, *const vectors = &parts[NPV_PART_VECTORS];
    const uint64_t head = NPV_NPY_WRITTEN_HEADER;
    npv_part_mend(&parts[NPV_PART_VERSION], "<i8", 0, NULL);
    npv_part_mend(&parts[NPV_PART_DIMENSIONS], "<i8", 0, NULL);
    npv_part_mend(&parts[NPV_PART_NORMALIZE], "|b1", 0, NULL);
    const npv_status status = mend_vectors(salvage, error);
    if (status != NPV_OK || !vectors->readable || vectors->header.axes != 2)
        return status;
    const uint64_t rows = vectors->header.shape[0], ids = parts[NPV_PART_IDS].found.claimed;
    npv_part_mend(&parts[NPV_PART_METADATA], "|O", 1, &rows);
    if (rows > 0 && ids > head) {
        char descr[32];
        snprintf(descr, sizeof descr, "<U%" PRIu64, (ids - head) / rows / 4);
        npv_part_mend(&parts[NPV_PART_IDS], descr, 1, &rows);
    }
    return NPV_OK;
}

/* ------------------------------------------------------------------------------------------------------ Vectors -- */

static bool is_native(const npv_salvage *salvage, const npv_part *part) {
    char why[NPV_SHOWN];
    return npv_npy_is_native(&part->header, why) && !part->found.member.deflated && salvage->file.fd >= 0 &&
           (part->found.member.offset + part->header.size) % sizeof(float) == 0;
}

/* Rows that are there; of a deflated member that is only known when they have been read. */
static uint64_t rows_there(const npv_part *part) {
    const npv_npy_header *const header = &part->header;
    const uint64_t rows = header->shape[0], row = header->shape[1] * header->item_size;
    const uint64_t size = part->found.member.size > header->size ? part->found.member.size - header->size : 0;
    if (size / row >= rows)
        return rows;
    return header->fortran_order ? 0 : size / row;
}

/* Row after row, until one cannot be read. */
static npv_status read_rows(npv_part *part, npv_source source, float *vectors, uint64_t *rows, npv_error *error) {
    npv_npy_header one = part->header;
    npv_error wrong;
    npv_status status = npv_npy_read_header(source, &one, &wrong);
    if (status == NPV_OK && one.fortran_order) {
        status = npv_npy_read_vectors(source, &part->header, vectors, &wrong);
        *rows = status == NPV_OK ? *rows : 0;
        return status == NPV_E_MEMORY ? npv_fail(error, status, "%s", wrong.message) : NPV_OK;
    }
    uint64_t row = 0;
    one.shape[0] = 1;
    for (; row < *rows && status == NPV_OK; row += status == NPV_OK)
        status = npv_npy_read_vectors(source, &one, vectors + row * one.shape[1], &wrong);
    *rows = row;
    return status == NPV_E_MEMORY ? npv_fail(error, status, "%s", wrong.message) : NPV_OK;
}

static npv_status load_vectors(npv_salvage *salvage, uint64_t *rows, npv_error *error) {
    npv_part *const part = &salvage->parts[NPV_PART_VECTORS];
    npv_store *const store = salvage->store;
    npv_part_reader reader;
    uint64_t bytes;
    if (__builtin_mul_overflow(*rows, store->dimensions * sizeof(float), &bytes) || bytes > SIZE_MAX / 2)
        return npv_fail_memory(error, "the vectors", SIZE_MAX);
    if (bytes == 0)
        return NPV_OK;
    if (is_native(salvage, part))
        return npv_array_map_file(&store->vectors, salvage->file.fd, part->found.member.offset + part->header.size,
                                  (size_t)bytes, error);
    npv_status status = npv_array_grow(&store->vectors, (size_t)bytes, error);
    if (status == NPV_OK)
        status = npv_part_open(part, &reader, error);
    if (status != NPV_OK)
        return status;
    status = read_rows(part, npv_part_source(&reader), (float *)(void *)store->vectors.data, rows, error);
    npv_part_close(&reader);
    return status;
}

/* What the file says, or what most of its rows are. */
static npv_status normalizes(npv_salvage *salvage, const double *lengths, uint64_t rows, npv_error *error) {
    int64_t said = -1;
    uint64_t unit = 0;
    const npv_status status = scalar(&salvage->parts[NPV_PART_NORMALIZE], &said, error);
    for (uint64_t row = 0; row < rows; row++)
        unit += fabs(lengths[row] - 1) <= UNIT_TOLERANCE;
    const bool whole = salvage->parts[NPV_PART_VECTORS].found.sound && !salvage->marked;
    const bool looks = whole ? unit == rows : unit > rows / 2;
    salvage->store->normalize = said >= 0 ? said != 0 : looks;
    return status;
}

/* A row of a sound file from elsewhere is scaled when such a file is opened, and so here. NPV_E_FORMAT: it is lost. */
static npv_status check_row(npv_salvage *salvage, uint64_t row, double length, npv_error *error) {
    npv_store *const store = salvage->store;
    const size_t dimensions = store->dimensions;
    float *const x = (float *)(void *)store->vectors.data + row * dimensions;
    if (!isfinite(length))
        return npv_fail_not_finite(error, NPV_E_FORMAT, "row", row, x, dimensions);
    if (!store->normalize || fabs(length - 1) <= UNIT_TOLERANCE)
        return NPV_OK;
    if (!(length > 0) || salvage->marked || !salvage->parts[NPV_PART_VECTORS].found.sound)
        return npv_fail(error, NPV_E_FORMAT, "row %" PRIu64 ": expected a vector of length 1, found %g", row, length);
    const npv_status status = npv_array_make_private(&store->vectors, (size_t)row * dimensions * 4,
                                                     (size_t)(row + 1) * dimensions * 4, error);
    if (status == NPV_OK)
        store->kernels->scale_row(x, dimensions, length, x);
    return status;
}

static npv_status check_rows(npv_salvage *salvage, uint64_t rows, uint64_t *lost, npv_error *error) {
    npv_store *const store = salvage->store;
    const double *lengths = NULL;
    const bool sound = salvage->parts[NPV_PART_VECTORS].found.sound;
    uint64_t bad = 0;
    store->rows = rows;
    npv_status status = npv_store_lengths(store, &lengths, error);
    if (status == NPV_OK)
        status = normalizes(salvage, lengths, rows, error);
    for (uint64_t row = 0; row < rows && status == NPV_OK; row++) {
        npv_error wrong = {.message = ""};
        const npv_status found = check_row(salvage, row, lengths[row], &wrong);
        status = npv_salvage_error(found, &wrong, error);
        if (found == NPV_OK || status != NPV_OK)
            continue;
        npv_bit_set(lost, row);
        if (bad++ < 20)
            npv_found(salvage->findings, "%s: %s", NAMES[NPV_PART_VECTORS], wrong.message);
    }
    if (bad > 20)
        npv_remark(salvage->findings, "%s: and %" PRIu64 " rows more", NAMES[NPV_PART_VECTORS], bad - 20);
    if (!sound && bad < rows && status == NPV_OK)
        npv_remark(salvage->findings,
                   "%s: %" PRIu64 " rows can be read, but which of them are as they were cannot be told",
                   NAMES[NPV_PART_VECTORS], rows - bad);
    npv_array_free(&store->lengths);
    store->lengths_known = store->zero_rows = 0;
    return status;
}

/* --------------------------------------------------------------------------------------------------------- Rows -- */

void npv_salvage_name_rows(npv_salvage *salvage, const uint64_t *rows, uint64_t count, const char *what) {
    npv_bits_run run = {0, 0};
    for (int lines = 0; npv_bits_next_run(rows, count, &run); lines++) {
        char ids[256] = "";
        for (uint64_t row = run.first; row < run.end && strlen(ids) < 150; row++) {
            const char *const id = npv_ids_get(&salvage->store->ids, row);
            char shown[NPV_SHOWN];
            if (id == NULL)
                continue;
            npv_bytes_show((npv_bytes){(const unsigned char *)id, strlen(id)}, shown);
            snprintf(ids + strlen(ids), sizeof ids - strlen(ids), "%s%s", ids[0] == '\0' ? ", with the ids " : ", ",
                     shown);
        }
        if (lines == 1000) {
            npv_remark(salvage->findings, "and so are others behind row %" PRIu64, run.first);
            return;
        }
        if (run.end - run.first == 1)
            npv_remark(salvage->findings, "row %" PRIu64 " %s%s", run.first, what, ids);
        else
            npv_remark(salvage->findings, "rows %" PRIu64 " to %" PRIu64 " %s%s", run.first, run.end - 1, what, ids);
    }
}

/* Rows whose vectors are lost are deleted ones from here on. */
static npv_status drop_lost(npv_salvage *salvage, uint64_t *lost, uint64_t uncounted, npv_error *error) {
    npv_store *const store = salvage->store;
    const npv_row_set set = {lost, npv_bits_count(lost, store->rows)};
    salvage->findings->counts.rows_lost += set.count + uncounted;
    npv_salvage_name_rows(salvage, lost, store->rows, "of the archive: lost");
    if (uncounted > 0)
        npv_remark(salvage->findings, "%" PRIu64 " rows behind row %" PRIu64 " of the archive: lost", uncounted,
                   store->rows);
    return npv_edit_delete(store, &set, error);
}

static npv_status make_store(npv_salvage *salvage, npv_error *error) {
    const npv_part *const part = &salvage->parts[NPV_PART_VECTORS];
    const uint64_t claimed = part->header.shape[0], there = rows_there(part);
    const uint64_t rows = claimed - there <= MOST_LOST ? claimed : there;
    uint64_t read = there;
    npv_status status = npv_store_new((size_t)part->header.shape[1], 0, &salvage->store, error);
    uint64_t *const lost = calloc(npv_bits_words(rows) + 1, sizeof *lost);
    if (status == NPV_OK && lost == NULL)
        status = npv_fail_memory(error, "lost rows", npv_bits_words(rows) * sizeof *lost);
    if (status == NPV_OK)
        status = load_vectors(salvage, &read, error);
    if (status == NPV_OK)
        status = check_rows(salvage, read, lost, error);
    if (status == NPV_OK && rows > read)
        status = npv_array_grow(&salvage->store->vectors, (size_t)(rows * salvage->store->dimensions * 4), error);
    if (status == NPV_OK) {
        npv_bits_set(lost, read, rows);
        salvage->store->rows = rows;
        salvage->numbered = rows == claimed;
        status = npv_salvage_metadata(salvage, error);
    }
    if (status == NPV_OK)
        status = npv_salvage_ids(salvage, error);
    if (status == NPV_OK)
        status = drop_lost(salvage, lost, claimed - rows, error);
    free(lost);
    return status;
}

/* ------------------------------------------------------------------------------------------------------ Archive -- */

/* What opening finds wrong, if nothing else was found; and which archive a journal would name. */
static npv_status compare_with_opening(npv_salvage *salvage, npv_error *error) {
    npv_archive *archive = NULL;
    npv_archive_facts facts;
    npv_error wrong = {.message = ""};
    const char *const path = salvage->findings->path;
    npv_status status = npv_archive_open(path, &archive, &facts, &wrong);
    if (status == NPV_OK) {
        salvage->marked = facts.marked;
        status = npv_archive_identify(path, &facts, &salvage->identity, error);
        npv_archive_close(archive);
        return status;
    }
    memcpy(salvage->identity.id, salvage->mark.store_id, sizeof salvage->identity.id);
    salvage->identity.generation = salvage->mark.generation;
    if (status == NPV_E_MEMORY || status == NPV_E_IO ||
        (status == NPV_E_UNSUPPORTED && salvage->findings->counts.findings == 0))
        return npv_fail(error, status, "%s", wrong.message);
    const size_t head = strlen(path);
    if (salvage->findings->counts.findings == 0)
        npv_found(salvage->findings, "%s",
                  strncmp(wrong.message, path, head) == 0 && strlen(wrong.message) > head + 2 ? wrong.message + head + 2
                                                                                              : wrong.message);
    return NPV_OK;
}

static bool has_anything(const npv_salvage *salvage) {
    const npv_bytes bytes = salvage->file.bytes;
    bool found = bytes.size >= 4 && memcmp(bytes.data, "PK\x03\x04", 4) == 0;
    for (size_t i = 0; i < NPV_PARTS; i++)
        found = found || salvage->parts[i].found.found;
    return found;
}

npv_status npv_salvage_archive(const char *path, npv_findings *findings, npv_salvage *salvage, npv_error *error) {
    npv_part *const vectors = &salvage->parts[NPV_PART_VECTORS];
    *salvage = (npv_salvage){.findings = findings, .file = NPV_FILE_CLOSED};
    for (size_t i = 0; i < NPV_PARTS; i++)
        salvage->parts[i].name = NAMES[i];
    npv_status status = npv_file_open(path, &salvage->file, error);
    if (status == NPV_OK)
        status = find_parts(salvage, error);
    if (status != NPV_OK)
        return status;
    if (!has_anything(salvage))
        return npv_fail(error, NPV_E_FORMAT, "%s: expected an .npz or .npy file, found nothing of one", path);
    status = compare_with_opening(salvage, error);
    if (status == NPV_OK)
        status = mend_headers(salvage, error);
    for (size_t i = 0; i < NPV_PARTS && status == NPV_OK; i++)
        status = look_at(salvage, &salvage->parts[i], error);
    if (status != NPV_OK)
        return status;
    if (!vectors->readable || npv_npy_check_vectors(&vectors->header, NULL) != NPV_OK) {
        npv_found(findings, "%s: there are no vectors that can be read", vectors->name);
        return NPV_OK;
    }
    return make_store(salvage, error);
}

void npv_salvage_free(npv_salvage *salvage) {
    npv_close(salvage->store);
    npv_file_close(&salvage->file);
}
