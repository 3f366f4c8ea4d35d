#include "archive.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../error.h"
#include "npy.h"
#include "npy_ids.h"
#include "pickle.h"
#include "zip.h"

enum { FORMAT_VERSION = 1 };

static const char version_name[] = "format_version.npy";
static const char dimensions_name[] = "dimensions.npy";
static const char normalize_name[] = "normalize.npy";
static const char metadata_name[] = "metadata.npy";
static const char ids_name[] = "ids.npy";
static const char vectors_name[] = "vectors.npy";

struct npv_archive {
    npv_file file;
    char *path;
    npv_zip zip;          /* without members for a bare .npy, which is seen as ... */
    npv_zip_member alone; /* ... one stored member without a name */
    const npv_zip_member *vectors;
    const npv_zip_member *metadata; /* NULL: none */
    const npv_zip_member *ids;      /* NULL: none */
    npv_npy_header vectors_header;
    npv_npy_header metadata_header;
    npv_npy_header ids_header;
};

/* Puts path and member (may be NULL) in front of the message, which until then says only what is wrong. */
static npv_status in_file(const char *path, const npv_zip_member *member, npv_status status, npv_error *error) {
    if (status == NPV_OK || error == NULL)
        return status;
    char name[NPV_SHOWN] = "";
    if (member != NULL)
        npv_bytes_show(member->name, name);
    char whole[sizeof error->message];
    const int head = snprintf(whole, sizeof whole, "%s%s%s: ", path, name[0] == '\0' ? "" : ": ", name);
    const size_t used = head < 0 ? 0 : (size_t)head;
    const size_t wanted = strlen(error->message) + 1;
    if (used >= sizeof whole)
        return status; /* the path alone is longer than a message: what is wrong matters more */
    memcpy(whole + used, error->message, wanted < sizeof whole - used ? wanted : sizeof whole - used);
    whole[sizeof whole - 1] = '\0';
    memcpy(error->message, whole, sizeof whole);
    return status;
}

static npv_status in_member(const npv_archive *archive, const npv_zip_member *member, npv_status status,
                            npv_error *error) {
    return in_file(archive->path, member, status, error);
}

/* ----------------------------------------------------------------------------------------------------- Opening -- */

/* Reads the header of a member that must be an array, and compares what it explains with what the member has. */
static npv_status read_header(const npv_zip_member *member, npv_npy_header *header, npv_error *error) {
    npv_zip_reader reader;
    npv_status status = npv_zip_reader_open(member, &reader, error);
    if (status != NPV_OK)
        return status;
    status = npv_npy_read_header(npv_zip_reader_source(&reader), header, error);
    npv_zip_reader_close(&reader);
    if (status != NPV_OK || header->objects || header->data_size == member->size - header->size)
        return status;
    char shown[2 * NPV_SHOWN];
    npv_npy_describe(header, shown);
    return npv_fail(error, NPV_E_FORMAT, "expected %" PRIu64 " bytes of data for %s, found %" PRIu64, header->data_size,
                    shown, member->size - header->size);
}

static npv_status read_scalar(const npv_zip_member *member, bool boolean, int64_t *value, npv_error *error) {
    npv_npy_header header;
    npv_status status = read_header(member, &header, error);
    if (status != NPV_OK)
        return status;
    const bool right = boolean ? header.kind == 'b' : header.kind == 'i' || header.kind == 'u';
    if (!right || header.axes != 0) {
        char shown[2 * NPV_SHOWN];
        npv_npy_describe(&header, shown);
        return npv_fail(error, NPV_E_FORMAT, "expected one %s, found %s", boolean ? "bool" : "integer", shown);
    }
    npv_buffer inflated = {NULL, 0, 0};
    npv_bytes bytes = {NULL, 0};
    status = npv_zip_contents(member, &inflated, &bytes, error);
    if (status == NPV_OK && boolean)
        *value = bytes.data[header.size] != 0;
    else if (status == NPV_OK)
        status = npv_npy_integer(&header, bytes.data + header.size, value, error);
    free(inflated.data);
    return status;
}

/* As read_scalar, with the member's name in front of the message. If there is no such member, *value stays. */
static npv_status find_scalar(const npv_archive *archive, const char *name, bool boolean, int64_t *value,
                              npv_error *error) {
    const npv_zip_member *const member = npv_zip_find(&archive->zip, name);
    if (member == NULL)
        return NPV_OK;
    return in_member(archive, member, read_scalar(member, boolean, value, error), error);
}

static npv_status read_version(const npv_archive *archive, npv_error *error) {
    int64_t version = FORMAT_VERSION;
    const npv_status status = find_scalar(archive, version_name, false, &version, error);
    if (status != NPV_OK || version == FORMAT_VERSION)
        return status;
    return npv_fail(error, NPV_E_UNSUPPORTED,
                    "%s: expected format_version %d, found %" PRId64 ": it was written by a newer program",
                    archive->path, FORMAT_VERSION, version);
}

static npv_status read_dimensions(const npv_archive *archive, npv_archive_facts *facts, npv_error *error) {
    int64_t dimensions = (int64_t)facts->dimensions;
    const npv_status status = find_scalar(archive, dimensions_name, false, &dimensions, error);
    if (status != NPV_OK || dimensions == (int64_t)facts->dimensions)
        return status;
    return npv_fail(error, NPV_E_FORMAT, "%s: its member dimensions says %" PRId64 ", but its vectors have %zu",
                    archive->path, dimensions, facts->dimensions);
}

static npv_status read_normalize(const npv_archive *archive, npv_archive_facts *facts, npv_error *error) {
    int64_t normalize = -1;
    const npv_status status = find_scalar(archive, normalize_name, true, &normalize, error);
    if (status == NPV_OK)
        facts->normalize = normalize < 0 ? NPV_NORMALIZE_AUTO : normalize != 0 ? NPV_NORMALIZE_ON : NPV_NORMALIZE_OFF;
    return status;
}

/* How the vectors come in: mapped if the file has them as memory wants them. */
static void decide_mapping(const npv_archive *archive, npv_archive_facts *facts) {
    const npv_zip_member *const member = archive->vectors;
    char why[NPV_SHOWN];
    const bool native = npv_npy_is_native(&archive->vectors_header, why);
    facts->vectors_offset = member->offset + archive->vectors_header.size;
    const bool aligned = facts->vectors_offset % sizeof(float) == 0;
    facts->deflated = member->deflated;
    facts->mappable = native && !member->deflated && aligned && facts->rows > 0;
    facts->fd = archive->file.fd;
    if (facts->mappable)
        snprintf(facts->origin, sizeof facts->origin, "mapped");
    else if (facts->rows == 0)
        snprintf(facts->origin, sizeof facts->origin, "no rows");
    else if (native && !member->deflated)
        snprintf(facts->origin, sizeof facts->origin, "converted: data not aligned");
    else
        snprintf(facts->origin, sizeof facts->origin, "converted: %s%s%s", why, !native && member->deflated ? ", " : "",
                 member->deflated ? "deflated" : "");
}

static npv_status read_vectors_header(npv_archive *archive, npv_archive_facts *facts, npv_error *error) {
    npv_status status = read_header(archive->vectors, &archive->vectors_header, error);
    if (status == NPV_OK)
        status = npv_npy_check_vectors(&archive->vectors_header, error);
    if (status != NPV_OK)
        return in_member(archive, archive->vectors, status, error);
    facts->rows = archive->vectors_header.shape[0];
    facts->dimensions = (size_t)archive->vectors_header.shape[1];
    facts->narrowed = archive->vectors_header.item_size > sizeof(float);
    decide_mapping(archive, facts);
    return NPV_OK;
}

static npv_status check_metadata(const npv_npy_header *header, uint64_t rows, npv_error *error) {
    char shown[2 * NPV_SHOWN];
    npv_npy_describe(header, shown);
    if (header->kind == NPV_DESCR_RECORD && header->objects)
        return npv_fail(error, NPV_E_UNSUPPORTED, "records with Python objects in them are not read: %s", shown);
    if (header->kind != NPV_DESCR_RECORD && header->kind != 'O')
        return npv_fail(error, NPV_E_UNSUPPORTED, "expected an array of Python objects or a structured array, found %s",
                        shown);
    if (header->axes != 1)
        return npv_fail(error, NPV_E_UNSUPPORTED, "expected a 1-D array, found %s", shown);
    if (header->shape[0] != rows)
        return npv_fail(error, NPV_E_FORMAT, "expected an entry for each of the %" PRIu64 " vectors, found %s", rows,
                        shown);
    return NPV_OK;
}

static npv_status read_metadata_header(npv_archive *archive, npv_archive_facts *facts, npv_error *error) {
    facts->metadata = NPV_METADATA_NONE;
    archive->metadata = npv_zip_find(&archive->zip, metadata_name);
    if (archive->metadata == NULL)
        return NPV_OK;
    npv_status status = read_header(archive->metadata, &archive->metadata_header, error);
    if (status == NPV_OK)
        status = check_metadata(&archive->metadata_header, facts->rows, error);
    if (status == NPV_OK)
        facts->metadata = archive->metadata_header.objects ? NPV_METADATA_DOCUMENTS : NPV_METADATA_TYPED;
    return in_member(archive, archive->metadata, status, error);
}

/* An array of that name that is no text is somebody else's: it means nothing here. */
static npv_status read_ids_header(npv_archive *archive, npv_archive_facts *facts, npv_error *error) {
    const npv_zip_member *const member = npv_zip_find(&archive->zip, ids_name);
    if (member == NULL)
        return NPV_OK;
    npv_status status = read_header(member, &archive->ids_header, error);
    if (status == NPV_OK && archive->ids_header.kind != 'U')
        return NPV_OK;
    if (status == NPV_OK)
        status = npv_npy_check_ids(&archive->ids_header, facts->rows, error);
    archive->ids = member;
    facts->ids = true;
    return in_member(archive, member, status, error);
}

static void find_unknown(const npv_archive *archive, npv_archive_facts *facts) {
    const char *const known[] = {version_name,  dimensions_name, normalize_name,
                                 metadata_name, vectors_name,    facts->ids ? ids_name : vectors_name};
    for (size_t i = 0; i < archive->zip.count && facts->unknown[0] == '\0'; i++) {
        const npv_bytes name = archive->zip.members[i].name;
        bool is_known = false;
        for (size_t j = 0; j < sizeof known / sizeof known[0]; j++)
            is_known = is_known || (name.size == strlen(known[j]) && memcmp(name.data, known[j], name.size) == 0);
        if (!is_known && name.size > 0)
            npv_bytes_show(name, facts->unknown);
        else if (!is_known)
            snprintf(facts->unknown, sizeof facts->unknown, "(no name)");
    }
}

/* "npvec 1 <id> <generation>": exactly as format_mark writes it. */
enum { MARK_SIZE = sizeof "npvec 1 " - 1 + 32 + 1 + 20 };

static void format_mark(const npv_archive_mark *mark, char text[MARK_SIZE + 1]) {
    int used = snprintf(text, MARK_SIZE + 1, "npvec 1 ");
    for (size_t i = 0; i < sizeof mark->store_id; i++)
        used += snprintf(text + used, MARK_SIZE + 1 - (size_t)used, "%02x", mark->store_id[i]);
    snprintf(text + used, MARK_SIZE + 1 - (size_t)used, " %" PRIu64, mark->generation);
}

static bool has_id(const npv_archive_mark *mark) {
    static const unsigned char none[sizeof mark->store_id] = {0};
    return memcmp(mark->store_id, none, sizeof none) != 0;
}

/* Reads loosely, then accepts only what is spelled as format_mark would spell it. */
bool npv_archive_parse_mark(npv_bytes comment, npv_archive_mark *mark) {
    char text[MARK_SIZE + 1] = "";
    if (comment.size > MARK_SIZE)
        return false;
    memcpy(text, comment.data, comment.size);
    npv_archive_mark found = {{0}, 0};
    const char *const digits = text + sizeof "npvec 1 " - 1;
    for (size_t i = 0; i < sizeof found.store_id; i++) {
        unsigned byte = 0;
        if (sscanf(digits + 2 * i, "%2x", &byte) != 1)
            return false;
        found.store_id[i] = (unsigned char)byte;
    }
    found.generation = strtoull(digits + 32, NULL, 10);
    char spelled[MARK_SIZE + 1];
    format_mark(&found, spelled);
    if (strlen(spelled) != comment.size || memcmp(spelled, text, comment.size) != 0)
        return false;
    /* There must be a next generation. */
    if (!has_id(&found) || found.generation == 0 || found.generation > INT64_MAX)
        return false;
    *mark = found;
    return true;
}

/* Programs that edit archives may keep the comment: a mark counts only on what npvec could have written. */
static void read_mark(const npv_archive *archive, npv_archive_facts *facts) {
    char why[NPV_SHOWN];
    const bool ours = archive->zip.count == (facts->ids ? 6 : 5) && facts->unknown[0] == '\0' &&
                      npv_npy_is_native(&archive->vectors_header, why) && !archive->vectors_header.fortran_order;
    facts->marked = ours && npv_archive_parse_mark(archive->zip.comment, &facts->mark);
}

/* What npvec wrote says so in its first bytes; of others nothing is known before all is read. */
static npv_status look_for_objects(npv_archive *archive, npv_archive_facts *facts, npv_error *error) {
    unsigned char start[2] = {0, NPV_PICKLE_WITH_OBJECTS};
    npv_zip_reader reader;
    npv_npy_header header;
    if (facts->metadata != NPV_METADATA_DOCUMENTS)
        return NPV_OK;
    facts->objects = true;
    if (!facts->marked)
        return NPV_OK;
    npv_status status = npv_zip_reader_open(archive->metadata, &reader, error);
    if (status != NPV_OK)
        return status;
    const npv_source source = npv_zip_reader_source(&reader);
    status = npv_npy_read_header(source, &header, error);
    if (status == NPV_OK)
        status = source.read(source.context, start, sizeof start, error);
    npv_zip_reader_close(&reader);
    facts->objects = start[1] == NPV_PICKLE_WITH_OBJECTS;
    return in_member(archive, archive->metadata, status, error);
}

/* Decided by content: the name of a file says nothing. */
static npv_status find_members(npv_archive *archive, npv_error *error) {
    const npv_bytes bytes = archive->file.bytes;
    if (bytes.size >= NPV_NPY_MAGIC_SIZE && memcmp(bytes.data, NPV_NPY_MAGIC, NPV_NPY_MAGIC_SIZE) == 0) {
        archive->alone = (npv_zip_member){{NULL, 0}, bytes, 0, 0, bytes.size, 0, false};
        archive->vectors = &archive->alone;
        return NPV_OK;
    }
    const bool zip =
        bytes.size >= 4 && (memcmp(bytes.data, "PK\x03\x04", 4) == 0 || memcmp(bytes.data, "PK\x05\x06", 4) == 0);
    if (!zip)
        return npv_fail(error, NPV_E_FORMAT, "%s: expected an .npz or .npy file, found neither's first bytes",
                        archive->path);
    const npv_status status = in_file(archive->path, NULL, npv_zip_open(bytes, &archive->zip, error), error);
    if (status != NPV_OK)
        return status;
    archive->vectors = npv_zip_find(&archive->zip, vectors_name);
    if (archive->vectors == NULL)
        return npv_fail(error, NPV_E_UNSUPPORTED, "%s: expected an array called vectors, found none among %zu members",
                        archive->path, archive->zip.count);
    return NPV_OK;
}

static npv_status read_facts(npv_archive *archive, npv_archive_facts *facts, npv_error *error) {
    npv_status status = find_members(archive, error);
    if (status == NPV_OK)
        status = read_version(archive, error);
    if (status == NPV_OK)
        status = read_vectors_header(archive, facts, error);
    if (status == NPV_OK)
        status = read_dimensions(archive, facts, error);
    if (status == NPV_OK)
        status = read_normalize(archive, facts, error);
    if (status == NPV_OK)
        status = read_metadata_header(archive, facts, error);
    if (status == NPV_OK)
        status = read_ids_header(archive, facts, error);
    if (status == NPV_OK) {
        find_unknown(archive, facts);
        read_mark(archive, facts);
        status = look_for_objects(archive, facts, error);
    }
    return status;
}

npv_status npv_archive_open(const char *path, npv_archive **archive, npv_archive_facts *facts, npv_error *error) {
    npv_archive *const opened = calloc(1, sizeof *opened);
    if (opened == NULL)
        return npv_fail_memory(error, "an archive", sizeof *opened);
    opened->file = (npv_file)NPV_FILE_CLOSED;
    opened->path = strdup(path);
    npv_status status = opened->path != NULL ? NPV_OK : npv_fail_memory(error, "a path", strlen(path) + 1);
    if (status == NPV_OK)
        status = npv_file_open(path, &opened->file, error);
    npv_archive_facts read = {.fd = -1};
    if (status == NPV_OK)
        status = read_facts(opened, &read, error);
    if (status != NPV_OK) {
        npv_archive_close(opened);
        return status;
    }
    *archive = opened;
    *facts = read;
    return NPV_OK;
}

void npv_archive_close(npv_archive *archive) {
    if (archive == NULL)
        return;
    npv_zip_close(&archive->zip);
    npv_file_close(&archive->file);
    free(archive->path);
    free(archive);
}

/* ----------------------------------------------------------------------------------------------------- Reading -- */

static npv_status read_vectors(const npv_archive *archive, npv_zip_reader *reader, float *vectors, npv_error *error) {
    npv_npy_header header;
    const npv_source source = npv_zip_reader_source(reader);
    npv_status status = npv_npy_read_header(source, &header, error);
    if (status == NPV_OK)
        status = npv_npy_read_vectors(source, &archive->vectors_header, vectors, error);
    /* A bare .npy has no CRC-32. */
    return status == NPV_OK && archive->vectors != &archive->alone ? npv_zip_reader_finish(reader, error) : status;
}

npv_status npv_archive_read_vectors(npv_archive *archive, float *vectors, npv_error *error) {
    npv_zip_reader reader;
    npv_status status = npv_zip_reader_open(archive->vectors, &reader, error);
    if (status == NPV_OK) {
        status = read_vectors(archive, &reader, vectors, error);
        npv_zip_reader_close(&reader);
    }
    return in_member(archive, archive->vectors, status, error);
}

npv_status npv_archive_read_documents(npv_archive *archive, npv_documents *documents, npv_error *error) {
    assert(archive->metadata != NULL && archive->metadata_header.objects);
    npv_buffer inflated = {NULL, 0, 0};
    npv_bytes npy = {NULL, 0};
    npv_status status = npv_zip_contents(archive->metadata, &inflated, &npy, error);
    if (status == NPV_OK) {
        const size_t header = archive->metadata_header.size;
        const npv_bytes pickle = {npy.data + header, npy.size - header};
        status = npv_pickle_read(pickle, archive->metadata_header.shape[0], documents, error);
    }
    free(inflated.data);
    return in_member(archive, archive->metadata, status, error);
}

npv_status npv_archive_schema_of(const npv_zip_member *member, npv_buffer *descr, npv_record_schema *schema,
                                 npv_error *error) {
    npv_zip_reader reader;
    npv_npy_header header;
    npv_status status = npv_zip_reader_open(member, &reader, error);
    if (status != NPV_OK)
        return status;
    status = npv_npy_read_descr(npv_zip_reader_source(&reader), &header, descr, error);
    npv_zip_reader_close(&reader);
    if (status != NPV_OK)
        return status;
    const npv_bytes text = {descr->data, descr->size};
    npv_error why;
    status = npv_schema_from_descr(text, schema, &why);
    if (status == NPV_E_UNSUPPORTED)
        return npv_schema_unread(text, (size_t)header.item_size, why.message, schema, error);
    return status == NPV_OK ? NPV_OK : npv_fail(error, status, "%s", why.message);
}

npv_status npv_archive_read_schema(npv_archive *archive, npv_record_schema *schema, npv_error *error) {
    assert(archive->metadata != NULL && !archive->metadata_header.objects);
    npv_buffer descr = {NULL, 0, 0};
    const npv_status status = npv_archive_schema_of(archive->metadata, &descr, schema, error);
    free(descr.data);
    return in_member(archive, archive->metadata, status, error);
}

static npv_status read_records(npv_zip_reader *reader, npv_array *records, npv_error *error) {
    npv_npy_header header;
    const npv_source source = npv_zip_reader_source(reader);
    npv_status status = npv_npy_read_header(source, &header, error);
    if (status == NPV_OK && header.data_size > SIZE_MAX)
        return npv_fail_memory(error, "the records", SIZE_MAX);
    if (status == NPV_OK)
        status = npv_array_grow(records, header.data_size > 0 ? (size_t)header.data_size : 1, error); /* never NULL */
    if (status == NPV_OK)
        status = source.read(source.context, records->data, (size_t)header.data_size, error);
    return status == NPV_OK ? npv_zip_reader_finish(reader, error) : status;
}

npv_status npv_archive_read_records(npv_archive *archive, const npv_record_schema *schema, npv_array *records,
                                    npv_error *error) {
    assert(archive->metadata != NULL && !archive->metadata_header.objects);
    npv_zip_reader reader;
    npv_status status = npv_zip_reader_open(archive->metadata, &reader, error);
    if (status == NPV_OK) {
        status = read_records(&reader, records, error);
        npv_zip_reader_close(&reader);
    }
    if (status == NPV_OK)
        status = npv_record_check_texts(schema, records->data, archive->metadata_header.shape[0], NPV_E_FORMAT, error);
    if (status != NPV_OK)
        npv_array_free(records);
    return in_member(archive, archive->metadata, status, error);
}

static npv_status read_ids(const npv_archive *archive, npv_zip_reader *reader, npv_ids *ids, npv_error *error) {
    npv_npy_header header;
    const npv_source source = npv_zip_reader_source(reader);
    npv_status status = npv_npy_read_header(source, &header, error);
    if (status == NPV_OK)
        status = npv_npy_read_ids(source, &archive->ids_header, ids, error);
    return status == NPV_OK ? npv_zip_reader_finish(reader, error) : status;
}

npv_status npv_archive_read_ids(npv_archive *archive, npv_ids *ids, npv_error *error) {
    assert(archive->ids != NULL && ids->rows == 0);
    npv_zip_reader reader;
    npv_status status = npv_zip_reader_open(archive->ids, &reader, error);
    if (status == NPV_OK) {
        status = read_ids(archive, &reader, ids, error);
        npv_zip_reader_close(&reader);
    }
    if (status != NPV_OK)
        npv_ids_free(ids);
    return in_member(archive, archive->ids, status, error);
}

/* ----------------------------------------------------------------------------------------------------- Writing -- */

npv_status npv_archive_next_mark(npv_archive_mark *mark, npv_error *error) {
    npv_archive_mark next = *mark;
    while (!has_id(&next)) {
        const npv_status status = npv_random(next.store_id, sizeof next.store_id, error);
        if (status != NPV_OK)
            return status;
    }
    next.generation++;
    *mark = next;
    return NPV_OK;
}

/* A member whose data is at hand: a header and bytes, or either. */
static npv_status write_member(npv_zip_writer *zip, const char *name, npv_bytes header, npv_bytes data, bool deflate,
                               npv_error *error) {
    const npv_sink sink = npv_zip_writer_sink(zip);
    npv_status status = npv_zip_writer_begin(zip, name, (uint64_t)header.size + data.size, deflate, error);
    if (status == NPV_OK)
        status = sink.write(sink.context, header.data, header.size, error);
    if (status == NPV_OK)
        status = sink.write(sink.context, data.data, data.size, error);
    return status == NPV_OK ? npv_zip_writer_end(zip, error) : status;
}

static npv_status write_scalar(npv_zip_writer *zip, const char *name, const char *descr, uint64_t value, size_t size,
                               npv_error *error) {
    unsigned char header[NPV_NPY_WRITTEN_HEADER];
    unsigned char bytes[8];
    npv_npy_write_header(descr, 0, NULL, header);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (unsigned char)(value >> (8 * i));
    return write_member(zip, name, (npv_bytes){header, sizeof header}, (npv_bytes){bytes, size}, false, error);
}

/* Rows that are written. */
static uint64_t live_rows(const npv_archive_contents *contents) {
    return contents->live == NULL ? contents->rows : npv_bits_count(contents->live, contents->rows);
}

static npv_status write_documents(npv_zip_writer *zip, const npv_archive_contents *contents, npv_error *error) {
    assert(contents->documents->count == contents->rows);
    unsigned char header[NPV_NPY_WRITTEN_HEADER];
    npv_npy_write_header("|O", 1, (const uint64_t[]){live_rows(contents)}, header);
    const npv_sink sink = npv_zip_writer_sink(zip);
    const uint64_t size = sizeof header + npv_pickle_size(contents->documents, contents->live);
    npv_status status = npv_zip_writer_begin(zip, metadata_name, size, contents->compress, error);
    if (status == NPV_OK)
        status = sink.write(sink.context, header, sizeof header, error);
    if (status == NPV_OK)
        status = npv_pickle_write(contents->documents, contents->live, sink, error);
    return status == NPV_OK ? npv_zip_writer_end(zip, error) : status;
}

static npv_status write_ids(npv_zip_writer *zip, const npv_archive_contents *contents, npv_error *error) {
    unsigned char header[NPV_NPY_WRITTEN_HEADER];
    char descr[16];
    const size_t characters = npv_npy_id_characters(contents->ids);
    const uint64_t rows = live_rows(contents);
    snprintf(descr, sizeof descr, "<U%zu", characters);
    npv_npy_write_header(descr, 1, &rows, header);
    const npv_sink sink = npv_zip_writer_sink(zip);
    const uint64_t size = sizeof header + rows * characters * NPV_NPY_CHARACTER;
    npv_status status = npv_zip_writer_begin(zip, ids_name, size, contents->compress, error);
    if (status == NPV_OK)
        status = sink.write(sink.context, header, sizeof header, error);
    if (status == NPV_OK)
        status = npv_npy_write_ids(contents->ids, contents->rows, contents->live, characters, sink, error);
    return status == NPV_OK ? npv_zip_writer_end(zip, error) : status;
}

/* An array with an item for each row, of which the live ones are written. */
static npv_status write_items(npv_zip_writer *zip, const char *name, npv_bytes header, const void *items,
                              size_t item_size, const npv_archive_contents *contents, npv_error *error) {
    const npv_sink sink = npv_zip_writer_sink(zip);
    const uint64_t size = header.size + live_rows(contents) * item_size;
    npv_bits_run run = {0, 0};
    npv_status status = npv_zip_writer_begin(zip, name, size, contents->compress, error);
    if (status == NPV_OK)
        status = sink.write(sink.context, header.data, header.size, error);
    while (status == NPV_OK && npv_bits_next_run(contents->live, contents->rows, &run))
        status = sink.write(sink.context, (const unsigned char *)items + run.first * item_size,
                            (size_t)(run.end - run.first) * item_size, error);
    return status == NPV_OK ? npv_zip_writer_end(zip, error) : status;
}

static npv_status write_records(npv_zip_writer *zip, const npv_archive_contents *contents, npv_error *error) {
    npv_buffer header = {NULL, 0, 0};
    npv_status status = npv_npy_write_record_header(contents->schema->descr, live_rows(contents), &header, error);
    if (status == NPV_OK)
        status = write_items(zip, metadata_name, (npv_bytes){header.data, header.size}, contents->records,
                             contents->schema->record_size, contents, error);
    free(header.data);
    return status;
}

static npv_status write_vectors(npv_zip_writer *zip, const npv_archive_contents *contents, npv_error *error) {
    unsigned char header[NPV_NPY_WRITTEN_HEADER];
    npv_npy_write_header("<f4", 2, (const uint64_t[]){live_rows(contents), contents->dimensions}, header);
    return write_items(zip, vectors_name, (npv_bytes){header, sizeof header}, contents->vectors,
                       contents->dimensions * sizeof(float), contents, error);
}

static npv_status write_members(npv_zip_writer *zip, const npv_archive_contents *contents, npv_error *error) {
    npv_status status = write_scalar(zip, version_name, "<i8", FORMAT_VERSION, 8, error);
    if (status == NPV_OK)
        status = write_scalar(zip, dimensions_name, "<i8", contents->dimensions, 8, error);
    if (status == NPV_OK)
        status = write_scalar(zip, normalize_name, "|b1", contents->normalize ? 1 : 0, 1, error);
    if (status == NPV_OK && contents->schema != NULL)
        status = write_records(zip, contents, error);
    else if (status == NPV_OK)
        status = write_documents(zip, contents, error);
    if (status == NPV_OK && contents->ids != NULL && contents->ids->table.count > 0)
        status = write_ids(zip, contents, error);
    return status == NPV_OK ? write_vectors(zip, contents, error) : status;
}

static npv_status write_archive(npv_replacement *file, const npv_archive_contents *contents, npv_error *error) {
    npv_zip_writer zip;
    npv_status status = npv_zip_writer_open(file, &zip, error);
    if (status != NPV_OK)
        return status;
    char mark[MARK_SIZE + 1];
    format_mark(&contents->mark, mark);
    status = write_members(&zip, contents, error);
    if (status == NPV_OK)
        status = npv_zip_writer_finish(&zip, mark, error);
    npv_zip_writer_close(&zip);
    return status;
}

npv_status npv_archive_write(const char *path, const npv_archive_contents *contents, npv_error *error) {
    assert(has_id(&contents->mark) && contents->mark.generation > 0);
    npv_replacement file;
    npv_status status = npv_replacement_open(path, &file, error);
    if (status != NPV_OK)
        return status;
    status = write_archive(&file, contents, error);
    if (status == NPV_OK)
        return npv_replacement_commit(&file, error);
    npv_replacement_abandon(&file);
    return status;
}
