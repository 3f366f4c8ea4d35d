#include "forge.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

static char directory[256];

int forge_setup(void **state) {
    (void)state;
    const char *parent = getenv("TMPDIR");
    snprintf(directory, sizeof directory, "%s/npvec-test-XXXXXX", parent != NULL ? parent : "/tmp");
    return mkdtemp(directory) != NULL ? 0 : -1;
}

const char *forge_path(const char *name) {
    static char paths[8][1024];
    static size_t next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", directory, name);
    return path;
}

static bool ends_in(const char *name, const char *suffix) {
    const size_t length = strlen(name);
    return length >= strlen(suffix) && strcmp(name + length - strlen(suffix), suffix) == 0;
}

static size_t visit(const char *suffix, bool removing) {
    size_t count = 0;
    DIR *entries = opendir(directory);
    assert_non_null(entries);
    for (struct dirent *entry = readdir(entries); entry != NULL; entry = readdir(entries)) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 || !ends_in(entry->d_name, suffix))
            continue;
        count++;
        if (removing && unlink(forge_path(entry->d_name)) != 0)
            rmdir(forge_path(entry->d_name));
    }
    closedir(entries);
    return count;
}

size_t forge_count(const char *suffix) {
    return visit(suffix, false);
}

void forge_remove_files(void) {
    visit("", true);
}

int forge_teardown(void **state) {
    (void)state;
    forge_remove_files();
    return rmdir(directory);
}

void forge_write(const char *path, npv_bytes bytes) {
    unlink(path); /* ext4 flushes a file that is cut to nothing and written again: that took most of the tests' time */
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes.data, 1, bytes.size, file), bytes.size);
    assert_int_equal(fclose(file), 0);
}

npv_buffer forge_read(const char *path) {
    npv_buffer bytes = {NULL, 0, 0};
    unsigned char block[4096];
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    for (size_t got = fread(block, 1, sizeof block, file); got > 0; got = fread(block, 1, sizeof block, file))
        assert_int_equal(npv_buffer_append(&bytes, block, got, NULL), NPV_OK);
    fclose(file);
    return bytes;
}

bool forge_same_file(const char *path, npv_bytes bytes) {
    npv_buffer found = forge_read(path);
    const bool same = found.size == bytes.size && memcmp(found.data, bytes.data, bytes.size) == 0;
    free(found.data);
    return same;
}

static void append(npv_buffer *bytes, const void *data, size_t size) {
    assert_int_equal(npv_buffer_append(bytes, data, size, NULL), NPV_OK);
}

static void append_number(npv_buffer *bytes, uint64_t value, size_t size) {
    for (size_t i = 0; i < size; i++)
        append(bytes, &(unsigned char){(unsigned char)(i < 8 ? value >> (8 * i) : 0)}, 1);
}

npv_buffer forge_npy(int version, const char *dict, const void *data, size_t size) {
    npv_buffer npy = {NULL, 0, 0};
    append(&npy, "\x93NUMPY", 6);
    append_number(&npy, (unsigned)version, 2);
    append_number(&npy, strlen(dict), version == 1 ? 2 : 4);
    append(&npy, dict, strlen(dict));
    append(&npy, data, size);
    return npy;
}

static npv_buffer deflated(npv_bytes contents) {
    npv_buffer out = {malloc(contents.size + 100), 0, contents.size + 100};
    z_stream stream = {0};
    assert_int_equal(deflateInit2(&stream, 6, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
    stream.next_in = (Bytef *)(uintptr_t)contents.data;
    stream.avail_in = (uInt)contents.size;
    stream.next_out = out.data;
    stream.avail_out = (uInt)out.capacity;
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    out.size = stream.total_out;
    deflateEnd(&stream);
    return out;
}

/* What local header and directory entry have in common, from "version needed" to the length of the extra field. */
static void append_common(npv_buffer *zip, const forged_member *member, size_t stored) {
    append_number(zip, 20, 2);
    append_number(zip, 0, 2);
    append_number(zip, member->deflate ? 8 : 0, 2);
    append_number(zip, 0x00210000, 4);
    append_number(zip, crc32(0, member->contents.data, (uInt)member->contents.size), 4);
    append_number(zip, stored, 4);
    append_number(zip, member->contents.size, 4);
    append_number(zip, strlen(member->name), 2);
    append_number(zip, 0, 2);
}

static size_t append_member(npv_buffer *zip, const forged_member *member) {
    npv_buffer data = {NULL, 0, 0};
    if (member->deflate)
        data = deflated(member->contents);
    else
        append(&data, member->contents.data, member->contents.size);
    append(zip, "PK\x03\x04", 4);
    append_common(zip, member, data.size);
    append(zip, member->name, strlen(member->name));
    append(zip, data.data, data.size);
    free(data.data);
    return data.size;
}

npv_buffer forge_zip(const forged_member *members, size_t count, const char *comment) {
    npv_buffer zip = {NULL, 0, 0};
    npv_buffer entries = {NULL, 0, 0};
    for (size_t i = 0; i < count; i++) {
        const size_t offset = zip.size;
        const size_t stored = append_member(&zip, &members[i]);
        append(&entries, "PK\x01\x02", 4);
        append_number(&entries, 20, 2);
        append_common(&entries, &members[i], stored);
        append_number(&entries, 0, 2 + 2 + 2 + 4);
        append_number(&entries, offset, 4);
        append(&entries, members[i].name, strlen(members[i].name));
    }
    const size_t directory_offset = zip.size;
    append(&zip, entries.data, entries.size);
    append(&zip, "PK\x05\x06\0\0\0\0", 8);
    append_number(&zip, count, 2);
    append_number(&zip, count, 2);
    append_number(&zip, entries.size, 4);
    append_number(&zip, directory_offset, 4);
    append_number(&zip, strlen(comment), 2);
    append(&zip, comment, strlen(comment));
    free(entries.data);
    return zip;
}

static size_t find(npv_buffer zip, const char *signature, size_t name_at, const char *name) {
    for (size_t at = 0; at + name_at + strlen(name) <= zip.size; at++)
        if (memcmp(zip.data + at, signature, 4) == 0 && memcmp(zip.data + at + name_at, name, strlen(name)) == 0)
            return at;
    fail_msg("no record for '%s'", name);
    return 0;
}

size_t forge_local(npv_buffer zip, const char *name) {
    return find(zip, "PK\x03\x04", 30, name);
}

size_t forge_entry(npv_buffer zip, const char *name) {
    return find(zip, "PK\x01\x02", 46, name);
}

size_t forge_end(npv_buffer zip) {
    return find(zip, "PK\x05\x06", 22, "");
}

static void put(npv_buffer bytes, size_t at, uint64_t value, size_t size) {
    assert_true(at + size <= bytes.size);
    for (size_t i = 0; i < size; i++)
        bytes.data[at + i] = (unsigned char)(value >> (8 * i));
}

void forge_put16(npv_buffer bytes, size_t at, unsigned value) {
    put(bytes, at, value, 2);
}

void forge_put32(npv_buffer bytes, size_t at, uint32_t value) {
    put(bytes, at, value, 4);
}

void forge_put64(npv_buffer bytes, size_t at, uint64_t value) {
    put(bytes, at, value, 8);
}

uint32_t forge_get32(npv_buffer bytes, size_t at) {
    uint32_t value = 0;
    for (size_t i = 4; i > 0; i--)
        value = value << 8 | bytes.data[at + i - 1];
    return value;
}

void forge_insert(npv_buffer *bytes, size_t at, const void *data, size_t size) {
    append(bytes, data, size);
    memmove(bytes->data + at + size, bytes->data + at, bytes->size - size - at);
    memcpy(bytes->data + at, data, size);
}
