/* Reading a journal: by read(2), because a file that is cut off while it is mapped kills whoever reads it. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <xxhash.h>

#include "error.h"
#include "journal.h"

#define WINDOW ((size_t)256 << 10)

/* -------------------------------------------------------------------------------------------------------- Window -- */

/* Reads at least `size` bytes from `offset`, or up to the end of the file, which is where *read says. */
static npv_status read_at(const npv_journal_reader *reader, uint64_t offset, unsigned char *place, size_t size,
                          size_t *read, npv_error *error) {
    *read = 0;
    while (*read < size) {
        const size_t slice = size - *read < ((size_t)1 << 30) ? size - *read : (size_t)1 << 30;
        const ssize_t result = pread(reader->fd, place + *read, slice, (off_t)(offset + *read));
        if (result < 0 && errno == EINTR)
            continue;
        if (result < 0)
            return npv_fail_io(error, reader->path, "reading the journal");
        if (result == 0) /* the writer has cut off what it could not finish */
            break;
        *read += (size_t)result;
    }
    return NPV_OK;
}

/* `size` bytes of the file from `offset`, which stay until the next call; *bytes has fewer if the file ends before. */
static npv_status look_at(npv_journal_reader *reader, uint64_t offset, uint64_t size, npv_bytes *bytes,
                          npv_error *error) {
    npv_buffer *const window = &reader->window;
    if (offset < reader->window_at || offset - reader->window_at > window->size ||
        size > window->size - (offset - reader->window_at)) {
        const uint64_t left = reader->file_size - offset;
        const uint64_t wanted = size > WINDOW ? size : left < WINDOW ? left : WINDOW;
        size_t read = 0;
        window->size = 0;
        npv_status status = wanted > SIZE_MAX ? npv_fail_memory(error, "a record of the journal", SIZE_MAX)
                                              : npv_buffer_reserve(window, (size_t)wanted, error);
        if (status == NPV_OK)
            status = read_at(reader, offset, window->data, (size_t)wanted, &read, error);
        if (status != NPV_OK)
            return status;
        reader->window_at = offset;
        window->size = read;
    }
    const size_t skip = (size_t)(offset - reader->window_at);
    const size_t there = window->size - skip;
    *bytes = (npv_bytes){window->data + skip, there < size ? there : (size_t)size};
    return NPV_OK;
}

/* ------------------------------------------------------------------------------------------------------- Opening -- */

static npv_status open_file(npv_journal_reader *reader, bool *found, npv_error *error) {
    struct stat file;
    if (reader->owns_fd) {
        do
            reader->fd = open(reader->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
        while (reader->fd < 0 && errno == EINTR);
    }
    *found = false;
    if (reader->fd < 0)
        return errno == ENOENT ? NPV_OK : npv_fail_io(error, reader->path, "opening the journal");
    if (fstat(reader->fd, &file) != 0)
        return npv_fail_io(error, reader->path, "reading the size of the journal");
    if (!S_ISREG(file.st_mode))
        return npv_fail(error, NPV_E_IO, "%s: expected a regular file", reader->path);
    reader->file_size = (uint64_t)file.st_size;
    *found = file.st_size > 0;
    return NPV_OK;
}

static npv_status read_header(npv_journal_reader *reader, const char *path, int fd, bool *found,
                              unsigned char header[NPV_JOURNAL_HEADER], npv_error *error) {
    size_t read = 0;
    *reader = (npv_journal_reader){.path = path, .fd = fd, .owns_fd = fd < 0, .offset = NPV_JOURNAL_HEADER};
    npv_status status = open_file(reader, found, error);
    if (status == NPV_OK && *found)
        status = read_at(reader, 0, header, NPV_JOURNAL_HEADER, &read, error);
    if (status == NPV_OK && *found && read < NPV_JOURNAL_HEADER)
        return npv_fail(error, NPV_E_FORMAT, "%s: the journal is cut off: expected at least %d bytes, found %zu", path,
                        NPV_JOURNAL_HEADER, read);
    return status;
}

npv_status npv_journal_reader_open(const char *path, int fd, npv_journal_reader *reader, bool *found,
                                   npv_error *error) {
    unsigned char bytes[NPV_JOURNAL_HEADER];
    npv_status status = read_header(reader, path, fd, found, bytes, error);
    if (status == NPV_OK && *found)
        status = npv_journal_read_header(path, bytes, &reader->header, error);
    if (status != NPV_OK || !*found)
        npv_journal_reader_close(reader);
    return status;
}

npv_status npv_journal_reader_open_damaged(const char *path, npv_journal_reader *reader, bool *found,
                                           npv_error *error) {
    unsigned char bytes[NPV_JOURNAL_HEADER];
    npv_status status = read_header(reader, path, -1, found, bytes, error);
    if (status == NPV_OK && *found)
        npv_journal_take_header(bytes, &reader->header);
    if (status != NPV_OK || !*found)
        npv_journal_reader_close(reader);
    return status;
}

void npv_journal_reader_close(npv_journal_reader *reader) {
    if (reader->owns_fd && reader->fd >= 0)
        close(reader->fd);
    reader->fd = -1;
    free(reader->window.data);
    reader->window = (npv_buffer){NULL, 0, 0};
}

/* ------------------------------------------------------------------------------------------------------- Records -- */

npv_status npv_journal_look(npv_journal_reader *reader, uint64_t offset, npv_journal_sight *sight, npv_error *error) {
    npv_bytes bytes;
    *sight = (npv_journal_sight){.at = offset};
    if (offset > reader->file_size || reader->file_size - offset < NPV_JOURNAL_RECORD)
        return NPV_OK;
    npv_status status = look_at(reader, offset, NPV_JOURNAL_RECORD, &bytes, error);
    if (status != NPV_OK || bytes.size < NPV_JOURNAL_RECORD ||
        !npv_journal_read_record_header(bytes.data, reader->header.salt, offset, &sight->header))
        return status;
    const npv_journal_record_header *const header = &sight->header;
    sight->has_header = true;
    if (header->size > reader->file_size - offset - NPV_JOURNAL_RECORD)
        return NPV_OK;
    status = look_at(reader, offset, NPV_JOURNAL_RECORD + header->size, &bytes, error);
    if (status != NPV_OK || bytes.size < NPV_JOURNAL_RECORD + header->size)
        return status;
    const npv_bytes payload = {bytes.data + NPV_JOURNAL_RECORD, (size_t)header->size};
    sight->sound = header->size % 8 == 0 &&
                   XXH3_64bits_withSeed(payload.data, payload.size, reader->header.salt) == header->checksum;
    sight->record = (npv_journal_record){(npv_journal_type)header->type, header->sequence, header->unflushed, payload};
    reader->wasted += sight->sound ? 0 : header->size;
    return NPV_OK;
}

/*
 * A sound header of a damaged payload costs reading all of that. Payloads that were written do not overlap, so together
 * they are no larger than the file; those that somebody made up are not looked for any further.
 */
#define MOST_WASTE 16

/* Are there so many zeros in the window, at this place of the file? */
static bool are_zeros(const npv_journal_reader *reader, uint64_t at, size_t size) {
    static const unsigned char zeros[NPV_JOURNAL_RECORD];
    const npv_buffer *const window = &reader->window;
    return at >= reader->window_at && at - reader->window_at <= window->size &&
           window->size - (at - reader->window_at) >= size &&
           memcmp(window->data + (at - reader->window_at), zeros, size) == 0;
}

/* Room is looked through many times as fast. */
static uint64_t skip_zeros(const npv_journal_reader *reader, uint64_t at) {
    while (are_zeros(reader, at, 8))
        at += 8;
    return at;
}

npv_status npv_journal_find(npv_journal_reader *reader, uint64_t from, npv_journal_sight *sight, npv_error *error) {
    npv_status status = NPV_OK;
    *sight = (npv_journal_sight){.at = from};
    for (uint64_t at = from; status == NPV_OK && at < reader->file_size && !sight->sound;
         at = skip_zeros(reader, at + 8)) {
        if (reader->wasted / MOST_WASTE > reader->file_size)
            break;
        status = npv_journal_look(reader, at, sight, error);
    }
    return status;
}

/* Was the record after the last one that was read still unflushed when this one behind it was written? */
static bool allows_loss(const npv_journal_reader *reader, const npv_journal_record *record) {
    return record->sequence > reader->sequence + 1 && record->sequence - reader->sequence - 1 <= record->unflushed;
}

/* A record is not whole. Does it end the journal, or do sound ones follow that were written when it was on the disk? */
static npv_status look_behind(npv_journal_reader *reader, bool *others, npv_error *error) {
    npv_journal_sight sight;
    uint64_t at = reader->offset + 8;
    npv_status status;
    while ((status = npv_journal_find(reader, at, &sight, error)) == NPV_OK && sight.sound &&
           allows_loss(reader, &sight.record))
        at = sight.at + NPV_JOURNAL_RECORD + sight.header.size;
    *others = sight.sound || reader->wasted / MOST_WASTE > reader->file_size;
    return status;
}

static npv_status take(npv_journal_reader *reader, const npv_journal_sight *sight, npv_journal_record *record,
                       bool *found, npv_error *error) {
    if (sight->record.sequence != reader->sequence + 1)
        return npv_fail(error, NPV_E_FORMAT,
                        "%s: the journal is damaged: expected change %" PRIu64 " at byte %" PRIu64 ", found %" PRIu64,
                        reader->path, reader->sequence + 1, reader->offset, sight->record.sequence);
    *record = sight->record;
    *found = true;
    npv_journal_pass(reader, sight);
    return NPV_OK;
}

/*
 * The writer may be at it: of the record that it is writing, any part may be there. So if a record is not whole and
 * others lie behind it, it is looked at again, for by then it must have been finished.
 */
npv_status npv_journal_next(npv_journal_reader *reader, npv_journal_record *record, bool *found, npv_error *error) {
    npv_journal_sight sight;
    bool others = true;
    *found = false;
    if (reader->offset >= reader->file_size)
        return NPV_OK;
    for (int looks = 0; looks < 2 && others; looks++) {
        npv_status status = npv_journal_look(reader, reader->offset, &sight, error);
        if (status != NPV_OK)
            return status;
        if (sight.sound)
            return take(reader, &sight, record, found, error);
        if (reader->follows && are_zeros(reader, reader->offset, NPV_JOURNAL_RECORD))
            return NPV_OK;
        status = look_behind(reader, &others, error);
        if (status != NPV_OK)
            return status;
        reader->window.size = 0;
    }
    if (!others)
        return NPV_OK;
    return npv_fail(error, NPV_E_FORMAT,
                    "%s: the journal is damaged: change %" PRIu64 ", at byte %" PRIu64 " of %" PRIu64
                    ", is broken, and others lie behind it",
                    reader->path, reader->sequence + 1, reader->offset, reader->file_size);
}

npv_status npv_journal_unfinished(npv_journal_reader *reader, uint64_t *size, npv_error *error) {
    npv_bytes bytes = {NULL, 1};
    *size = 0;
    for (uint64_t at = reader->offset; at < reader->file_size && bytes.size > 0; at += bytes.size) {
        const uint64_t left = reader->file_size - at;
        const npv_status status = look_at(reader, at, left < WINDOW ? left : WINDOW, &bytes, error);
        if (status != NPV_OK)
            return status;
        size_t end = bytes.size;
        while (end > 0 && bytes.data[end - 1] == 0)
            end--;
        if (end > 0)
            *size = at + end - reader->offset;
    }
    return NPV_OK;
}

void npv_journal_pass(npv_journal_reader *reader, const npv_journal_sight *sight) {
    reader->offset = sight->at + NPV_JOURNAL_RECORD + sight->header.size;
    reader->sequence = sight->header.sequence;
}
