#include "scratch.h"

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST = 4 };

static char stem[64];
static int stem_file;
static struct {
    const char *suffix;
    char path[96];
} files[MOST];

static void remove_files(void) {
    unlink(stem);
    for (size_t i = 0; i < MOST && files[i].suffix != NULL; i++)
        unlink(files[i].path);
}

static void make_stem(void) {
    snprintf(stem, sizeof stem, "%s/npvec-fuzz-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    stem_file = mkstemp(stem);
    assert(stem_file >= 0);
    atexit(remove_files);
}

const char *fuzz_path(const char *suffix) {
    size_t i = 0;
    if (stem[0] == '\0')
        make_stem();
    while (i < MOST && files[i].suffix != NULL && strcmp(files[i].suffix, suffix) != 0)
        i++;
    assert(i < MOST);
    if (files[i].suffix == NULL)
        snprintf(files[i].path, sizeof files[i].path, "%s%s", stem, suffix);
    files[i].suffix = suffix;
    return files[i].path;
}

void fuzz_write(const char *path, const uint8_t *data, size_t size) {
    const int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    const ssize_t written = write(file, data, size);
    assert(file >= 0 && written == (ssize_t)size);
    (void)written;
    close(file);
}

int fuzz_rewrite(const uint8_t *data, size_t size) {
    static size_t before;
    if (stem[0] == '\0')
        make_stem();
    const ssize_t written = pwrite(stem_file, data, size, 0);
    const int cut = size < before ? ftruncate(stem_file, (off_t)size) : 0;
    assert(written == (ssize_t)size && cut == 0);
    (void)written;
    (void)cut;
    before = size;
    return stem_file;
}
