/* A ZIP archive is taken only if it says one thing everywhere; what is written is what was asked for, or an error. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "forge.h"
#include "npz/zip.h"

/* Where fields lie: as in the ZIP specification, counted anew, and not from zip.c. */
enum { L_FLAGS = 6, L_METHOD = 8, L_CRC = 14, L_COMPRESSED = 18, L_SIZE = 22, L_NAME = 26, L_EXTRA = 28 };
enum { E_FLAGS = 8, E_METHOD = 10, E_CRC = 16, E_COMPRESSED = 20, E_SIZE = 24, E_NAME = 28, E_EXTRA = 30 };
enum { E_COMMENT = 32, E_DISK = 34, E_OFFSET = 42 };
enum { END_DISK = 4, END_ENTRIES = 8, END_TOTAL = 10, END_SIZE = 12, END_OFFSET = 16, END_COMMENT = 20 };

static const forged_member two[] = {{"a.npy", {(const unsigned char *)"hello, world", 12}, false},
                                    {"b.npy", {(const unsigned char *)"zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz", 32}, true}};

static npv_buffer sound(void) {
    return forge_zip(two, 2, "the comment");
}

/* From a copy of just the right size, so that a sanitizer sees every byte read too far. */
static npv_status open_zip(npv_buffer bytes, npv_error *error) {
    unsigned char *copy = malloc(bytes.size + (bytes.size == 0));
    memcpy(copy, bytes.data, bytes.size);
    npv_zip zip = {NULL, 0, {NULL, 0}};
    const npv_status status = npv_zip_open((npv_bytes){copy, bytes.size}, &zip, error);
    npv_zip_close(&zip);
    free(copy);
    return status;
}

static void check_refused(npv_buffer bytes, npv_status status, const char *text) {
    npv_error error = {0};
    const npv_status found = open_zip(bytes, &error);
    if (found != status || strstr(error.message, text) == NULL)
        fail_msg("expected %d, '%s'; found %d, '%s'", (int)status, text, (int)found, error.message);
    assert_null(strchr(error.message, '\n'));
    free(bytes.data);
}

/* ------------------------------------------------------------------------------------------------------- Reading -- */

static void members_are_found_and_read(void **state) {
    (void)state;
    npv_buffer bytes = sound();
    npv_zip zip;
    assert_int_equal(npv_zip_open((npv_bytes){bytes.data, bytes.size}, &zip, NULL), NPV_OK);
    assert_int_equal(zip.count, 2);
    assert_int_equal(zip.comment.size, 11);
    assert_memory_equal(zip.comment.data, "the comment", 11);
    assert_null(npv_zip_find(&zip, "a"));
    assert_null(npv_zip_find(&zip, "a.npyx"));
    for (size_t i = 0; i < 2; i++) {
        const npv_zip_member *member = npv_zip_find(&zip, two[i].name);
        assert_non_null(member);
        npv_buffer inflated = {NULL, 0, 0};
        npv_bytes contents;
        assert_int_equal(npv_zip_contents(member, &inflated, &contents, NULL), NPV_OK);
        assert_int_equal(contents.size, two[i].contents.size);
        assert_memory_equal(contents.data, two[i].contents.data, contents.size);
        assert_int_equal(inflated.size != 0, two[i].deflate);
        free(inflated.data);
    }
    npv_zip_close(&zip);
    free(bytes.data);
}

/* Reads the one member of an archive in pieces of `piece` bytes. */
static npv_status read_in_pieces(npv_buffer bytes, size_t piece, npv_buffer *out, npv_error *error) {
    npv_zip zip;
    npv_status status = npv_zip_open((npv_bytes){bytes.data, bytes.size}, &zip, error);
    if (status != NPV_OK)
        return status;
    npv_zip_reader reader;
    assert_int_equal(npv_zip_reader_open(&zip.members[0], &reader, error), NPV_OK);
    const npv_source source = npv_zip_reader_source(&reader);
    unsigned char *block = malloc(piece);
    while (status == NPV_OK && out->size < zip.members[0].size) {
        const size_t left = (size_t)zip.members[0].size - out->size;
        const size_t size = left < piece ? left : piece;
        status = source.read(source.context, block, size, error);
        if (status == NPV_OK)
            assert_int_equal(npv_buffer_append(out, block, size, NULL), NPV_OK);
    }
    if (status == NPV_OK)
        assert_int_equal(source.read(source.context, block, 1, NULL), NPV_E_FORMAT); /* there is no more */
    if (status == NPV_OK)
        status = npv_zip_reader_finish(&reader, error);
    npv_zip_reader_close(&reader);
    npv_zip_close(&zip);
    free(block);
    return status;
}

static void members_are_read_in_pieces_of_any_size(void **state) {
    (void)state;
    unsigned char *data = malloc(50000);
    for (size_t i = 0; i < 50000; i++)
        data[i] = (unsigned char)(i * i >> 7);
    for (int deflate = 0; deflate < 2; deflate++) {
        npv_buffer bytes = forge_zip(&(forged_member){"x", {data, 50000}, deflate != 0}, 1, "");
        static const size_t pieces[] = {1, 7, 4096, 49999, 50000, 60000};
        for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
            npv_buffer out = {NULL, 0, 0};
            assert_int_equal(read_in_pieces(bytes, pieces[i], &out, NULL), NPV_OK);
            assert_int_equal(out.size, 50000);
            assert_memory_equal(out.data, data, 50000);
            free(out.data);
        }
        free(bytes.data);
    }
    free(data);
}

static void empty_archives_and_members_are_read(void **state) {
    (void)state;
    npv_buffer empty = forge_zip(NULL, 0, "");
    assert_int_equal(open_zip(empty, NULL), NPV_OK);
    free(empty.data);
    for (int deflate = 0; deflate < 2; deflate++) {
        npv_buffer bytes = forge_zip(&(forged_member){"x", {(const unsigned char *)"", 0}, deflate != 0}, 1, "");
        npv_buffer out = {NULL, 0, 0};
        assert_int_equal(read_in_pieces(bytes, 10, &out, NULL), NPV_OK);
        assert_int_equal(out.size, 0);
        free(bytes.data);
    }
}

static void no_shorter_or_longer_file_is_taken(void **state) {
    (void)state;
    npv_buffer bytes = sound();
    npv_error error;
    for (size_t size = 0; size < bytes.size; size++)
        assert_int_not_equal(open_zip((npv_buffer){bytes.data, size, 0}, &error), NPV_OK);
    assert_int_equal(npv_buffer_append(&bytes, "\n", 1, NULL), NPV_OK);
    check_refused(bytes, NPV_E_FORMAT, "the file was cut short or something was appended");
}

static void directory_must_be_where_the_end_says(void **state) {
    (void)state;
    npv_buffer bytes = sound();
    forge_put32(bytes, forge_end(bytes) + END_OFFSET, 1);
    check_refused(bytes, NPV_E_FORMAT, "the ZIP directory is not where the end of the file says");
    bytes = sound();
    forge_put32(bytes, forge_end(bytes) + END_SIZE, 0xffffffff);
    check_refused(bytes, NPV_E_FORMAT, "the ZIP directory is not where the end of the file says");
    bytes = sound();
    forge_insert(&bytes, 0, "#!", 2); /* a program in front */
    check_refused(bytes, NPV_E_FORMAT, "the ZIP directory is not where the end of the file says");
    bytes = sound();
    forge_put16(bytes, forge_end(bytes) + END_TOTAL, 1);
    check_refused(bytes, NPV_E_FORMAT, "does not end after the 1 entries that it announces");
    bytes = sound();
    forge_put16(bytes, forge_end(bytes) + END_TOTAL, 3);
    check_refused(bytes, NPV_E_FORMAT, "the ZIP directory is damaged at byte");
    bytes = sound();
    forge_put16(bytes, forge_end(bytes) + END_TOTAL, 1025);
    check_refused(bytes, NPV_E_LIMIT, "at most 1024 members, found 1025");
    static const size_t lengths[] = {E_NAME, E_EXTRA, E_COMMENT};
    for (size_t i = 0; i < 3; i++) {
        bytes = sound();
        forge_put16(bytes, forge_entry(bytes, "b.npy") + lengths[i], 0xffff);
        check_refused(bytes, NPV_E_FORMAT, "the ZIP directory is damaged at byte");
    }
    bytes = sound();
    bytes.data[forge_entry(bytes, "b.npy") + 2]++;
    check_refused(bytes, NPV_E_FORMAT, "the ZIP directory is damaged at byte");
}

static void archives_of_several_disks_are_refused(void **state) {
    (void)state;
    npv_buffer bytes = sound();
    forge_put16(bytes, forge_end(bytes) + END_DISK, 1);
    check_refused(bytes, NPV_E_UNSUPPORTED, "in one piece");
    bytes = sound();
    forge_put16(bytes, forge_end(bytes) + END_DISK + 2, 1);
    check_refused(bytes, NPV_E_UNSUPPORTED, "in one piece");
    bytes = sound();
    forge_put16(bytes, forge_entry(bytes, "a.npy") + E_DISK, 1);
    check_refused(bytes, NPV_E_UNSUPPORTED, "in one piece");
}

static void kinds_that_are_not_read_are_named(void **state) {
    (void)state;
    npv_buffer bytes = sound();
    forge_put16(bytes, forge_entry(bytes, "a.npy") + E_FLAGS, 1);
    check_refused(bytes, NPV_E_UNSUPPORTED, "member 'a.npy' is encrypted");
    bytes = sound();
    forge_put16(bytes, forge_local(bytes, "a.npy") + L_FLAGS, 1); /* only there */
    check_refused(bytes, NPV_E_FORMAT, "member 'a.npy': its local header differs from the directory");
    bytes = sound();
    forge_put16(bytes, forge_entry(bytes, "a.npy") + E_FLAGS, 64);
    check_refused(bytes, NPV_E_UNSUPPORTED, "member 'a.npy' is encrypted");
    bytes = sound();
    forge_put16(bytes, forge_entry(bytes, "a.npy") + E_FLAGS, 32);
    check_refused(bytes, NPV_E_UNSUPPORTED, "member 'a.npy' is a patch");
    bytes = sound();
    forge_put16(bytes, forge_entry(bytes, "a.npy") + E_METHOD, 14);
    check_refused(bytes, NPV_E_UNSUPPORTED,
                  "member 'a.npy': expected it stored or deflated, found compression method 14");
}

static void local_headers_must_agree(void **state) {
    (void)state;
    static const size_t fields[] = {L_METHOD, L_CRC, L_COMPRESSED, L_SIZE, L_NAME, 30};
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        npv_buffer bytes = sound();
        bytes.data[forge_local(bytes, "b.npy") + fields[i]] ^= 1;
        check_refused(bytes, NPV_E_FORMAT, "member 'b.npy': its local header differs from the directory");
    }
    static const uint32_t offsets[] = {1, 0x7fffffff, 0xffffffff};
    for (size_t i = 0; i < sizeof offsets / sizeof offsets[0]; i++) {
        npv_buffer bytes = sound();
        forge_put32(bytes, forge_entry(bytes, "a.npy") + E_OFFSET, offsets[i]);
        check_refused(bytes, NPV_E_FORMAT, "member 'a.npy': expected its local header at byte");
    }
    npv_buffer bytes = sound();
    forge_put16(bytes, forge_local(bytes, "b.npy") + L_EXTRA, 0xffff);
    check_refused(bytes, NPV_E_FORMAT, "member 'b.npy': expected its local header at byte");
    bytes = sound(); /* its data would reach into the directory */
    forge_put16(bytes, forge_local(bytes, "b.npy") + L_EXTRA, 1);
    check_refused(bytes, NPV_E_FORMAT, "member 'b.npy': its ");
}

static void set_sizes(npv_buffer bytes, const char *name, uint32_t compressed, uint32_t size) {
    forge_put32(bytes, forge_local(bytes, name) + L_COMPRESSED, compressed);
    forge_put32(bytes, forge_local(bytes, name) + L_SIZE, size);
    forge_put32(bytes, forge_entry(bytes, name) + E_COMPRESSED, compressed);
    forge_put32(bytes, forge_entry(bytes, name) + E_SIZE, size);
}

static void sizes_must_be_possible(void **state) {
    (void)state;
    npv_buffer bytes = sound();
    set_sizes(bytes, "a.npy", 13, 12);
    check_refused(bytes, NPV_E_FORMAT, "member 'a.npy' is stored, but its sizes differ: 13 and 12");
    bytes = sound();
    set_sizes(bytes, "b.npy", 1000, 1000);
    check_refused(bytes, NPV_E_FORMAT, "member 'b.npy': its 1000 bytes reach behind the ");
    bytes = sound();
    set_sizes(bytes, "a.npy", 14, 14); /* into the next local header */
    check_refused(bytes, NPV_E_FORMAT, "member 'b.npy' overlaps another one");
    bytes = sound();
    const uint32_t compressed = forge_get32(bytes, forge_local(bytes, "b.npy") + L_COMPRESSED);
    set_sizes(bytes, "b.npy", compressed, (compressed + 1) * 1032);
    check_refused(bytes, NPV_E_FORMAT, "bytes cannot inflate to");
}

/* The order of the directory is not that of the file. */
static void members_may_not_overlap_in_any_order(void **state) {
    (void)state;
    npv_buffer bytes = sound();
    const size_t entry = forge_entry(bytes, "a.npy");
    unsigned char first[46 + 5];
    assert_int_equal(forge_entry(bytes, "b.npy"), entry + sizeof first);
    memcpy(first, bytes.data + entry, sizeof first);
    memcpy(bytes.data + entry, bytes.data + entry + sizeof first, sizeof first);
    memcpy(bytes.data + entry + sizeof first, first, sizeof first);
    assert_int_equal(open_zip(bytes, NULL), NPV_OK);
    set_sizes(bytes, "a.npy", 13, 13);
    check_refused(bytes, NPV_E_FORMAT, "member 'a.npy' overlaps another one");
}

static void names_must_differ(void **state) {
    (void)state;
    const forged_member twice[] = {two[0], two[0]};
    check_refused(forge_zip(twice, 2, ""), NPV_E_FORMAT, "two members are called 'a.npy'");
    const forged_member odd[] = {{"a\nb", two[0].contents, false}, {"a\nb", two[0].contents, false}};
    check_refused(forge_zip(odd, 2, ""), NPV_E_FORMAT, "two members are called 'a?b'");
}

static npv_status read_member(npv_buffer bytes, const char *name, npv_error *error) {
    npv_zip zip;
    assert_int_equal(npv_zip_open((npv_bytes){bytes.data, bytes.size}, &zip, NULL), NPV_OK);
    npv_buffer inflated = {NULL, 0, 0};
    npv_bytes contents;
    const npv_status status = npv_zip_contents(npv_zip_find(&zip, name), &inflated, &contents, error);
    free(inflated.data);
    npv_zip_close(&zip);
    return status;
}

static void damaged_data_is_noticed(void **state) {
    (void)state;
    npv_error error;
    npv_buffer bytes = sound();
    bytes.data[forge_local(bytes, "a.npy") + 35 + 3] ^= 1;
    assert_int_equal(read_member(bytes, "a.npy", &error), NPV_E_FORMAT);
    assert_non_null(strstr(error.message, "expected CRC-32"));
    free(bytes.data);
    bytes = sound();
    const size_t data = forge_local(bytes, "b.npy") + 35;
    const size_t size = forge_get32(bytes, data - 35 + L_COMPRESSED);
    for (size_t i = 0; i < 8 * size; i++) {
        bytes.data[data + i / 8] ^= (unsigned char)(1 << i % 8);
        npv_zip zip;
        assert_int_equal(npv_zip_open((npv_bytes){bytes.data, bytes.size}, &zip, NULL), NPV_OK);
        npv_zip_close(&zip);
        const bool last_bits = i / 8 == size - 1 && read_member(bytes, "b.npy", NULL) == NPV_OK;
        if (!last_bits) /* which may be behind the end of the stream and mean nothing */
            assert_int_equal(read_member(bytes, "b.npy", NULL), NPV_E_FORMAT);
        bytes.data[data + i / 8] ^= (unsigned char)(1 << i % 8);
    }
    free(bytes.data);
}

static void inflated_size_must_be_exact(void **state) {
    (void)state;
    npv_buffer bytes = sound();
    const uint32_t compressed = forge_get32(bytes, forge_local(bytes, "b.npy") + L_COMPRESSED);
    npv_error error;
    set_sizes(bytes, "b.npy", compressed, 31);
    assert_int_equal(read_member(bytes, "b.npy", &error), NPV_E_FORMAT);
    assert_non_null(strstr(error.message, "do not end after 31 inflated ones"));
    set_sizes(bytes, "b.npy", compressed, 33);
    assert_int_equal(read_member(bytes, "b.npy", &error), NPV_E_FORMAT);
    assert_non_null(strstr(error.message, "its deflated bytes are damaged after"));
    set_sizes(bytes, "b.npy", compressed - 1, 32);
    assert_int_equal(read_member(bytes, "b.npy", &error), NPV_E_FORMAT);
    free(bytes.data);
    /* A stream that ends before its member does. */
    bytes = sound();
    const size_t end_of_data = forge_local(bytes, "b.npy") + 35 + compressed;
    forge_insert(&bytes, end_of_data, "\0", 1);
    forge_put32(bytes, forge_end(bytes) + END_OFFSET, forge_get32(bytes, forge_end(bytes) + END_OFFSET) + 1);
    set_sizes(bytes, "b.npy", compressed + 1, 32);
    assert_int_equal(read_member(bytes, "b.npy", &error), NPV_E_FORMAT);
    assert_non_null(strstr(error.message, "do not end after 32 inflated ones"));
    free(bytes.data);
}

static void sizes_that_follow_the_data_are_taken_from_the_directory(void **state) {
    (void)state;
    npv_buffer bytes = sound();
    const size_t local = forge_local(bytes, "b.npy");
    forge_put16(bytes, local + L_FLAGS, 8);
    forge_put16(bytes, forge_entry(bytes, "b.npy") + E_FLAGS, 8);
    forge_put32(bytes, local + L_CRC, 0);
    forge_put32(bytes, local + L_COMPRESSED, 0);
    forge_put32(bytes, local + L_SIZE, 0);
    assert_int_equal(read_member(bytes, "b.npy", NULL), NPV_OK);
    free(bytes.data);
}

/* --------------------------------------------------------------------------------------------------------- ZIP64 -- */

/* Every size and offset of "a.npy" moves into ZIP64 fields; end record and directory are announced by ZIP64, too. */
static npv_buffer sound64(void) {
    npv_buffer bytes = forge_zip(&two[0], 1, "note");
    unsigned char local_field[20] = {1, 0, 16, 0, 12, 0, 0, 0, 0, 0, 0, 0, 12};
    unsigned char entry_field[28] = {1, 0, 24, 0, 12, 0, 0, 0, 0, 0, 0, 0, 12};
    set_sizes(bytes, "a.npy", UINT32_MAX, UINT32_MAX);
    forge_put16(bytes, forge_local(bytes, "a.npy") + L_EXTRA, sizeof local_field);
    forge_insert(&bytes, forge_local(bytes, "a.npy") + 30 + 5, local_field, sizeof local_field);
    const size_t entry = forge_entry(bytes, "a.npy");
    forge_put32(bytes, entry + E_OFFSET, UINT32_MAX);
    forge_put16(bytes, entry + E_EXTRA, sizeof entry_field);
    forge_insert(&bytes, entry + 46 + 5, entry_field, sizeof entry_field);
    unsigned char record[56 + 20] = "PK\x06\x06";
    const npv_buffer whole = {record, sizeof record, 0};
    const size_t end = forge_end(bytes);
    forge_put64(whole, 4, 44);
    forge_put64(whole, 24, 1);
    forge_put64(whole, 32, 1);
    forge_put64(whole, 40, end - entry);
    forge_put64(whole, 48, entry);
    memcpy(record + 56, "PK\x06\x07", 4);
    forge_put64(whole, 56 + 8, end);
    forge_put32(whole, 56 + 16, 1);
    forge_insert(&bytes, end, record, sizeof record);
    forge_put16(bytes, forge_end(bytes) + END_ENTRIES, 0xffff);
    forge_put16(bytes, forge_end(bytes) + END_TOTAL, 0xffff);
    forge_put32(bytes, forge_end(bytes) + END_SIZE, UINT32_MAX);
    forge_put32(bytes, forge_end(bytes) + END_OFFSET, UINT32_MAX);
    return bytes;
}

static void zip64_sizes_and_offsets_are_read(void **state) {
    (void)state;
    npv_buffer bytes = sound64();
    assert_int_equal(read_member(bytes, "a.npy", NULL), NPV_OK);
    for (size_t size = 0; size < bytes.size; size++)
        assert_int_not_equal(open_zip((npv_buffer){bytes.data, size, 0}, NULL), NPV_OK);
    free(bytes.data);
}

static void zip64_field_holds_only_what_needs_it(void **state) {
    (void)state;
    npv_buffer bytes = sound();
    const unsigned char field[12] = {1, 0, 8, 0}; /* the offset, 0 */
    const size_t entry = forge_entry(bytes, "a.npy");
    forge_put32(bytes, entry + E_OFFSET, UINT32_MAX);
    forge_put16(bytes, entry + E_EXTRA, sizeof field);
    forge_insert(&bytes, entry + 46 + 5, field, sizeof field);
    forge_put32(bytes, forge_end(bytes) + END_SIZE, forge_get32(bytes, forge_end(bytes) + END_SIZE) + sizeof field);
    assert_int_equal(read_member(bytes, "a.npy", NULL), NPV_OK);
    free(bytes.data);
}

static void damaged_zip64_records_are_refused(void **state) {
    (void)state;
    static const struct {
        int from_end; /* of the byte that changes, before the end record; or else ... */
        int in_entry; /* ... in the directory entry's field */
        const char *text;
    } cases[] = {
        {76, 0, "not where the end of the file says"},      /* signature */
        {76 - 4, 0, "not where the end of the file says"},  /* length */
        {76 - 39, 0, "at most 1024 members"},               /* entries, to 2**56 */
        {76 - 41, 0, "not where the end of the file says"}, /* directory's size */
        {76 - 55, 0, "not where the end of the file says"}, /* its offset, to 2**56 */
        {20, 0, "not where the end of the file says"},      /* the locator's signature */
        {20 - 8, 0, "not where the end of the file says"},  /* where it points */
        {20 - 15, 0, "not where the end of the file says"}, /* to 2**56 */
        {4, 0, "not where the end of the file says"},       /* disks, to 3 */
        {0, 46 + 5, "expected its local header"},           /* id of the field */
        {0, 46 + 5 + 2, "expected its local header"},       /* its length */
        {0, 46 + 5 + 4, "local header differs"},            /* size */
        {0, 46 + 5 + 12, "local header differs"},           /* compressed size */
        {0, 46 + 5 + 27, "expected its local header"},      /* offset, to 2**56 */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        npv_buffer bytes = sound64();
        const size_t at = cases[i].in_entry > 0 ? forge_entry(bytes, "a.npy") + (size_t)cases[i].in_entry
                                                : forge_end(bytes) - (size_t)cases[i].from_end;
        bytes.data[at] ^= 2;
        npv_error error = {0};
        if (open_zip(bytes, &error) == NPV_OK || strstr(error.message, cases[i].text) == NULL)
            fail_msg("case %zu: %s", i, error.message);
        free(bytes.data);
    }
    npv_buffer bytes = sound64();
    bytes.data[forge_local(bytes, "a.npy") + 30 + 5 + 4]++;
    check_refused(bytes, NPV_E_FORMAT, "local header differs");
}

/* ------------------------------------------------------------------------------------------------------- Writing -- */

static npv_status write_two(const char *path, npv_error *error) {
    npv_replacement file;
    npv_zip_writer writer;
    npv_status status = npv_replacement_open(path, &file, error);
    if (status != NPV_OK)
        return status;
    status = npv_zip_writer_open(&file, &writer, error);
    for (size_t i = 0; i < 2 && status == NPV_OK; i++) {
        const npv_sink sink = npv_zip_writer_sink(&writer);
        status = npv_zip_writer_begin(&writer, two[i].name, two[i].contents.size, two[i].deflate, error);
        for (size_t j = 0; j < two[i].contents.size && status == NPV_OK; j++)
            status = sink.write(sink.context, two[i].contents.data + j, 1, error);
        if (status == NPV_OK)
            status = npv_zip_writer_end(&writer, error);
    }
    if (status == NPV_OK)
        status = npv_zip_writer_finish(&writer, "the comment", error);
    npv_zip_writer_close(&writer);
    if (status == NPV_OK)
        return npv_replacement_commit(&file, error);
    npv_replacement_abandon(&file);
    return status;
}

static void written_archive_reads_back_aligned(void **state) {
    (void)state;
    assert_int_equal(write_two(forge_path("a"), NULL), NPV_OK);
    npv_buffer bytes = forge_read(forge_path("a"));
    npv_zip zip;
    assert_int_equal(npv_zip_open((npv_bytes){bytes.data, bytes.size}, &zip, NULL), NPV_OK);
    assert_int_equal(zip.count, 2);
    assert_int_equal(zip.comment.size, 11);
    assert_int_equal(zip.members[0].offset % NPV_ZIP_ALIGNMENT, 0);
    const size_t field = forge_local(bytes, "a.npy") + 30 + 5; /* padding: id, length, zeros */
    assert_int_equal(forge_get32(bytes, field) & 0xffff, NPV_ZIP_PADDING_ID);
    assert_int_equal(field + 4 + (forge_get32(bytes, field) >> 16), zip.members[0].offset);
    assert_false(zip.members[0].deflated);
    assert_true(zip.members[1].deflated);
    npv_zip_close(&zip);
    assert_int_equal(read_member(bytes, "a.npy", NULL), NPV_OK);
    assert_int_equal(read_member(bytes, "b.npy", NULL), NPV_OK);
    free(bytes.data);
    forge_remove_files();
}

static uint64_t next_random(uint64_t *state) {
    *state = *state * 6364136223846793005U + 1442695040888963407U;
    return *state >> 33;
}

/* Writes these bytes in pieces of at most `most`, all of them at once if that is 0, and reads them back. */
static void check_written(const unsigned char *data, size_t size, size_t most, bool deflate, uint64_t *random) {
    npv_replacement file;
    npv_zip_writer writer;
    assert_int_equal(npv_replacement_open(forge_path("a"), &file, NULL), NPV_OK);
    assert_int_equal(npv_zip_writer_open(&file, &writer, NULL), NPV_OK);
    assert_int_equal(npv_zip_writer_begin(&writer, "x", size, deflate, NULL), NPV_OK);
    const npv_sink sink = npv_zip_writer_sink(&writer);
    for (size_t done = 0; done < size;) {
        const size_t wanted = most == 0 ? size : next_random(random) % (most + 1);
        const size_t piece = wanted < size - done ? wanted : size - done;
        assert_int_equal(sink.write(sink.context, data + done, piece, NULL), NPV_OK);
        done += piece;
    }
    assert_int_equal(npv_zip_writer_end(&writer, NULL), NPV_OK);
    assert_int_equal(npv_zip_writer_finish(&writer, "", NULL), NPV_OK);
    npv_zip_writer_close(&writer);
    assert_int_equal(npv_replacement_commit(&file, NULL), NPV_OK);
    npv_buffer bytes = forge_read(forge_path("a"));
    npv_buffer out = {NULL, 0, 0};
    assert_int_equal(read_in_pieces(bytes, size, &out, NULL), NPV_OK);
    assert_memory_equal(out.data, data, size);
    free(out.data);
    free(bytes.data);
}

/* Pieces below and above the sizes of buffer and slice, of bytes that deflate can do nothing with; and members for
 * whose ends the buffer has just enough room left, or just not. */
static void members_are_written_in_pieces_of_any_size(void **state) {
    (void)state;
    const size_t size = 5000000;
    static const size_t most[] = {100, 65536, 65537, 200000, 1048576, 3000000, 0};
    uint64_t random = 1;
    unsigned char *data = malloc(size);
    for (size_t i = 0; i < size; i++)
        data[i] = (unsigned char)next_random(&random);
    for (size_t i = 0; i < sizeof most / sizeof most[0]; i++) {
        check_written(data, size, most[i], false, &random);
        check_written(data, size, most[i], true, &random);
    }
    for (size_t less = 65400; less < 65600; less += 8)
        check_written(data, less, 0, true, &random);
    free(data);
    forge_remove_files();
}

static void writing_may_stop_anywhere(void **state) {
    (void)state;
    npv_replacement file;
    npv_zip_writer writer;
    assert_int_equal(npv_replacement_open(forge_path("a"), &file, NULL), NPV_OK);
    assert_int_equal(npv_zip_writer_open(&file, &writer, NULL), NPV_OK);
    assert_int_equal(npv_zip_writer_begin(&writer, "x", 10, true, NULL), NPV_OK);
    npv_zip_writer_close(&writer); /* a sanitizer sees what is not freed */
    npv_replacement_abandon(&file);
    assert_int_equal(forge_count(""), 0);
}

/* A member of 5 GiB, most of it a hole in the file, and one behind it: sizes and offsets that 32 bits cannot hold. */
static void archives_above_4_gib_are_written(void **state) {
    (void)state;
    const uint64_t size = (uint64_t)5 << 30;
    static const unsigned char block[70000]; /* larger than the writer's buffer, which is thus empty behind it */
    npv_replacement file;
    npv_zip_writer writer;
    assert_int_equal(npv_replacement_open(forge_path("a"), &file, NULL), NPV_OK);
    assert_int_equal(npv_zip_writer_open(&file, &writer, NULL), NPV_OK);
    const npv_sink sink = npv_zip_writer_sink(&writer);
    assert_int_equal(npv_zip_writer_begin(&writer, "large", size, false, NULL), NPV_OK);
    assert_int_equal(sink.write(sink.context, block, sizeof block, NULL), NPV_OK);
    assert_int_equal(writer.buffered, 0);
    writer.flushed += size - sizeof block;
    writer.expected = 0;
    assert_int_equal(npv_zip_writer_end(&writer, NULL), NPV_OK);
    assert_int_equal(npv_zip_writer_begin(&writer, "a.npy", two[0].contents.size, false, NULL), NPV_OK);
    assert_int_equal(sink.write(sink.context, two[0].contents.data, two[0].contents.size, NULL), NPV_OK);
    assert_int_equal(npv_zip_writer_end(&writer, NULL), NPV_OK);
    assert_int_equal(npv_zip_writer_finish(&writer, "the comment", NULL), NPV_OK);
    npv_zip_writer_close(&writer);
    assert_int_equal(npv_replacement_commit(&file, NULL), NPV_OK);
    npv_file mapped = NPV_FILE_CLOSED;
    npv_zip zip;
    npv_error error = {0};
    assert_int_equal(npv_file_open(forge_path("a"), &mapped, NULL), NPV_OK);
    if (npv_zip_open(mapped.bytes, &zip, &error) != NPV_OK)
        fail_msg("%s", error.message);
    assert_int_equal(zip.count, 2);
    assert_true(zip.members[0].size == size && zip.members[0].offset % NPV_ZIP_ALIGNMENT == 0);
    assert_true(zip.members[1].start > size && zip.members[1].offset % NPV_ZIP_ALIGNMENT == 0);
    npv_bytes contents;
    assert_int_equal(npv_zip_contents(&zip.members[1], NULL, &contents, NULL), NPV_OK);
    assert_memory_equal(contents.data, two[0].contents.data, contents.size);
    npv_zip_close(&zip);
    npv_file_close(&mapped);
    forge_remove_files();
}

static void every_failing_write_is_reported(void **state) {
    (void)state;
    assert_int_equal(write_two(forge_path("a"), NULL), NPV_OK);
    npv_buffer whole = forge_read(forge_path("a"));
    struct rlimit old;
    getrlimit(RLIMIT_FSIZE, &old);
    signal(SIGXFSZ, SIG_IGN);
    for (size_t size = 0; size < whole.size; size++) {
        npv_error error = {0};
        setrlimit(RLIMIT_FSIZE, &(struct rlimit){size, old.rlim_max});
        const npv_status status = write_two(forge_path("a"), &error);
        setrlimit(RLIMIT_FSIZE, &old);
        assert_int_equal(status, NPV_E_IO);
        assert_non_null(strstr(error.message, "File too large"));
        assert_true(forge_same_file(forge_path("a"), (npv_bytes){whole.data, whole.size}));
        assert_int_equal(forge_count(""), 1);
    }
    free(whole.data);
    forge_remove_files();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_are_found_and_read),
        cmocka_unit_test(members_are_read_in_pieces_of_any_size),
        cmocka_unit_test(empty_archives_and_members_are_read),
        cmocka_unit_test(no_shorter_or_longer_file_is_taken),
        cmocka_unit_test(directory_must_be_where_the_end_says),
        cmocka_unit_test(archives_of_several_disks_are_refused),
        cmocka_unit_test(kinds_that_are_not_read_are_named),
        cmocka_unit_test(local_headers_must_agree),
        cmocka_unit_test(sizes_must_be_possible),
        cmocka_unit_test(members_may_not_overlap_in_any_order),
        cmocka_unit_test(names_must_differ),
        cmocka_unit_test(damaged_data_is_noticed),
        cmocka_unit_test(inflated_size_must_be_exact),
        cmocka_unit_test(sizes_that_follow_the_data_are_taken_from_the_directory),
        cmocka_unit_test(zip64_sizes_and_offsets_are_read),
        cmocka_unit_test(zip64_field_holds_only_what_needs_it),
        cmocka_unit_test(damaged_zip64_records_are_refused),
        cmocka_unit_test(written_archive_reads_back_aligned),
        cmocka_unit_test(members_are_written_in_pieces_of_any_size),
        cmocka_unit_test(writing_may_stop_anywhere),
        cmocka_unit_test(archives_above_4_gib_are_written),
        cmocka_unit_test(every_failing_write_is_reported),
    };
    return cmocka_run_group_tests(tests, forge_setup, forge_teardown);
}
