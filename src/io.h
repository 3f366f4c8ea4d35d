/* Files: read by mapping them, written whole beside their destination and renamed. */
#ifndef NPV_IO_H
#define NPV_IO_H

#include "bytes.h"

/* A file open for reading, mapped whole and read-only. */
typedef struct npv_file {
    int fd;
    npv_bytes bytes; /* valid until npv_file_close */
} npv_file;

#define NPV_FILE_CLOSED {-1, {NULL, 0}}

/* Fails for what is not a regular file, and with NPV_E_FORMAT for an empty one. Never blocks on a FIFO. */
npv_status npv_file_open(const char *path, npv_file *file, npv_error *error);
void npv_file_close(npv_file *file);

/*
 * A file being written beside `path`, as `.<name>.<random>.tmp`. Bytes are written at any offset with
 * npv_replacement_write; then either npv_replacement_commit (fsync, keep the permissions of the file that was there,
 * rename, fsync the directory) or npv_replacement_abandon (removes it), exactly one of them; a commit that fails
 * removes it, too. Survives EINTR and short writes. If `path` is a symbolic link, the file it points to is replaced.
 */
typedef struct npv_replacement {
    int fd;
    char *path;      /* destination, links resolved; owned */
    char *temporary; /* beside it; owned */
} npv_replacement;

npv_status npv_replacement_open(const char *path, npv_replacement *file, npv_error *error);
npv_status npv_replacement_write(npv_replacement *file, uint64_t offset, const void *data, size_t size,
                                 npv_error *error);
npv_status npv_replacement_commit(npv_replacement *file, npv_error *error);
void npv_replacement_abandon(npv_replacement *file);

/* Flushes what was written to a file, and its size, to the disk. 0, or -1 with errno. */
int npv_flush_data(int fd);

/* The same for the names in the directory of `path`. */
npv_status npv_flush_names(const char *path, npv_error *error);

/* Cuts a file off, or extends it with zeros. 0, or -1 with errno. */
int npv_cut_file(int fd, uint64_t size);

/* Fills at most 256 bytes with random ones from the system. */
npv_status npv_random(void *data, size_t size, npv_error *error);

#endif
