#include "scratch.h"

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char path[64];
static char output[128];

static void remove_files(void) {
    unlink(path);
    if (output[0] != '\0')
        unlink(output);
}

static void make_path(void) {
    snprintf(path, sizeof path, "%s/npvec-fuzz-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    const int file = mkstemp(path);
    assert(file >= 0);
    close(file);
    atexit(remove_files);
}

const char *fuzz_file(const uint8_t *data, size_t size) {
    if (path[0] == '\0')
        make_path();
    const int file = open(path, O_WRONLY | O_TRUNC);
    const ssize_t written = write(file, data, size);
    assert(file >= 0 && written == (ssize_t)size);
    (void)written;
    close(file);
    return path;
}

const char *fuzz_output(const char *suffix) {
    snprintf(output, sizeof output, "%s%s", path, suffix);
    return output;
}
