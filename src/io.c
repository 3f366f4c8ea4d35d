#ifdef __linux__
#define _GNU_SOURCE /* sync_file_range */
#endif
#include "io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#ifdef __APPLE__
#include <sys/random.h> /* getentropy; elsewhere in unistd.h */
#endif

#include "error.h"

/* ------------------------------------------------------------------------------------------------------ Reading -- */

static npv_status check_regular(const char *path, const struct stat *found, npv_error *error) {
    if (S_ISREG(found->st_mode))
        return NPV_OK;
    const char *const kind = S_ISDIR(found->st_mode)    ? "directory"
                             : S_ISFIFO(found->st_mode) ? "FIFO"
                                                        : "device or socket";
    return npv_fail(error, NPV_E_IO, "%s: expected a regular file, found a %s", path, kind);
}

static npv_status map_file(const char *path, npv_file *file, npv_error *error) {
    struct stat found;
    if (fstat(file->fd, &found) != 0)
        return npv_fail_io(error, path, "reading its size");
    const npv_status status = check_regular(path, &found, error);
    if (status != NPV_OK)
        return status;
    if (found.st_size == 0)
        return npv_fail(error, NPV_E_FORMAT, "%s: expected an .npz or .npy file, found an empty file", path);
    if ((uintmax_t)found.st_size > SIZE_MAX)
        return npv_fail(error, NPV_E_MEMORY, "%s: %jd bytes do not fit the address space", path,
                        (intmax_t)found.st_size);
    const size_t size = (size_t)found.st_size;
    void *const data = mmap(NULL, size, PROT_READ, MAP_PRIVATE, file->fd, 0);
    if (data == MAP_FAILED)
        return npv_fail_io(error, path, "mapping it");
    file->bytes = (npv_bytes){data, size};
    return NPV_OK;
}

npv_status npv_file_open(const char *path, npv_file *file, npv_error *error) {
    npv_file opened = NPV_FILE_CLOSED;
    /* O_NONBLOCK: a FIFO would wait for a writer. Regular files know no difference. */
    do
        opened.fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    while (opened.fd < 0 && errno == EINTR);
    if (opened.fd < 0)
        return npv_fail_io(error, path, "opening it");
    const npv_status status = map_file(path, &opened, error);
    if (status == NPV_OK)
        *file = opened;
    else
        npv_file_close(&opened);
    return status;
}

void npv_file_close(npv_file *file) {
    if (file->bytes.data != NULL)
        munmap((void *)(uintptr_t)file->bytes.data, file->bytes.size);
    if (file->fd >= 0)
        close(file->fd);
    *file = (npv_file)NPV_FILE_CLOSED;
}

/* ---------------------------------------------------------------------------------------------------- Replacing -- */

/* Bytes of `path` up to and including the last slash. */
static size_t directory_length(const char *path) {
    const char *const slash = strrchr(path, '/');
    return slash == NULL ? 0 : (size_t)(slash - path) + 1;
}

/* The file that `path` names, links resolved, and its st_mode if it is there (0 if not). The result is owned. */
static npv_status resolve(const char *path, char **resolved, mode_t *mode, npv_error *error) {
    struct stat found;
    *mode = 0;
    char *const real = realpath(path, NULL);
    if (real == NULL && errno != ENOENT)
        return npv_fail_io(error, path, "resolving its name");
    if (real == NULL) {
        if (lstat(path, &found) == 0)
            return npv_fail(error, NPV_E_IO, "%s: is a symbolic link to a file that does not exist", path);
        if (path[directory_length(path)] == '\0')
            return npv_fail(error, NPV_E_IO, "'%s': expected a path that ends in the name of a file", path);
        *resolved = strdup(path);
        return *resolved != NULL ? NPV_OK : npv_fail_memory(error, "a path", strlen(path) + 1);
    }
    npv_status status = NPV_OK;
    if (stat(real, &found) != 0)
        status = npv_fail_io(error, path, "reading its permissions");
    else
        status = check_regular(path, &found, error);
    if (status != NPV_OK) {
        free(real);
        return status;
    }
    *mode = found.st_mode;
    *resolved = real;
    return NPV_OK;
}

/* The first bytes of a name that leave room for the dot, the random digits and ".tmp" in a name of NAME_MAX bytes. */
static int kept_of_name(const char *name) {
    const size_t most = 200;
    size_t kept = strlen(name);
    if (kept > most) {
        kept = most;
        while (kept > 0 && ((unsigned char)name[kept] & 0xc0) == 0x80) /* not inside a UTF-8 character */
            kept--;
    }
    return (int)kept;
}

static npv_status open_beside(const char *path, mode_t mode, char **temporary, int *fd, npv_error *error) {
    const size_t directory = directory_length(path);
    const char *const name = path + directory;
    const size_t room = strlen(path) + sizeof ".." + 16 + sizeof ".tmp";
    char *const text = malloc(room);
    if (text == NULL)
        return npv_fail_memory(error, "a path", room);
    npv_status status = NPV_OK;
    do {
        uint64_t number = 0;
        status = npv_random(&number, sizeof number, error);
        if (status != NPV_OK)
            break;
        snprintf(text, room, "%.*s.%.*s.%016llx.tmp", (int)directory, path, kept_of_name(name), name,
                 (unsigned long long)number);
        *fd = open(text, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    } while (*fd < 0 && (errno == EEXIST || errno == EINTR));
    if (status == NPV_OK && *fd < 0)
        status = npv_fail_io(error, path, "creating a temporary file beside it");
    if (status == NPV_OK)
        *temporary = text;
    else
        free(text);
    return status;
}

npv_status npv_replacement_open(const char *path, npv_replacement *file, npv_error *error) {
    npv_replacement opened = {-1, NULL, NULL};
    mode_t mode = 0;
    npv_status status = resolve(path, &opened.path, &mode, error);
    if (status != NPV_OK)
        return status;
    /* Never more permissive, even while it is written, than the file that it replaces. */
    status = open_beside(opened.path, mode != 0 ? mode & (mode_t)0777 : 0666, &opened.temporary, &opened.fd, error);
    if (status == NPV_OK)
        *file = opened;
    else
        free(opened.path);
    return status;
}

/*
 * The system starts to write what is complete of a large file while the rest is still being made: of 100 MB the flush
 * at the end takes 15 ms instead of 45. Only a hint; what fails there the flush reports.
 */
#define EARLY_STEP ((uint64_t)8 << 20)

static void start_writing(int fd, uint64_t offset, uint64_t end) {
#ifdef __linux__
    const uint64_t first = offset / EARLY_STEP * EARLY_STEP, last = end / EARLY_STEP * EARLY_STEP;
    if (first < last)
        (void)sync_file_range(fd, (off_t)first, (off_t)(last - first), SYNC_FILE_RANGE_WRITE);
#else
    (void)fd, (void)offset, (void)end;
#endif
}

npv_status npv_replacement_write(npv_replacement *file, uint64_t offset, const void *data, size_t size,
                                 npv_error *error) {
    const unsigned char *rest = data;
    while (size > 0) {
        /* One call never writes more than about 2 GiB on Linux, and refuses to on macOS. */
        const size_t slice = size < ((size_t)1 << 30) ? size : (size_t)1 << 30;
        const ssize_t written = pwrite(file->fd, rest, slice, (off_t)offset);
        if (written < 0 && errno == EINTR)
            continue;
        if (written == 0) /* no more room, on systems that do not say ENOSPC */
            errno = ENOSPC;
        if (written <= 0)
            return npv_fail_io(error, file->path, "writing its replacement");
        start_writing(file->fd, offset, offset + (uint64_t)written);
        rest += written;
        size -= (size_t)written;
        offset += (uint64_t)written;
    }
    return NPV_OK;
}

/* Also a file that somebody made since the replacement was opened counts as the one that is replaced. */
static npv_status keep_permissions(const npv_replacement *file, npv_error *error) {
    struct stat old;
    struct stat new;
    if (stat(file->path, &old) != 0)
        return errno == ENOENT ? NPV_OK : npv_fail_io(error, file->path, "reading its permissions");
    if (fstat(file->fd, &new) != 0)
        return npv_fail_io(error, file->path, "reading the permissions of its replacement");
    /* The owner is kept where the system lets us: root may, others mostly may not and lose nothing by it. */
    const bool moved = old.st_uid != new.st_uid || old.st_gid != new.st_gid;
    if (moved && fchown(file->fd, old.st_uid, old.st_gid) != 0)
        errno = 0;
    const mode_t mode = old.st_mode & (mode_t)07777;
    if (mode != (new.st_mode &(mode_t)07777) && fchmod(file->fd, mode) != 0)
        return npv_fail_io(error, file->path, "keeping its permissions");
    return NPV_OK;
}

/* On macOS fsync leaves the bytes in the drive's cache. */
static int flush_to_disk(int fd) {
#ifdef F_FULLFSYNC
    if (fcntl(fd, F_FULLFSYNC) == 0)
        return 0;
#endif
    return fsync(fd);
}

int npv_flush_data(int fd) {
    int result;
    do
#ifdef __APPLE__
        result = flush_to_disk(fd);
#else
        result = fdatasync(fd);
#endif
    while (result != 0 && errno == EINTR);
    return result;
}

int npv_cut_file(int fd, uint64_t size) {
    int result;
    do
        result = ftruncate(fd, (off_t)size);
    while (result != 0 && errno == EINTR);
    return result;
}

static npv_status open_directory(const char *path, int *fd, npv_error *error) {
    const size_t length = directory_length(path);
    char *const directory = length == 0 ? strdup(".") : strndup(path, length);
    if (directory == NULL)
        return npv_fail_memory(error, "a path", length + 2);
    *fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const npv_status status = *fd >= 0 ? NPV_OK : npv_fail_io(error, path, "opening its directory");
    free(directory);
    return status;
}

/* Some file systems cannot flush a directory and say so; there is nothing more to be done on them. */
static bool flush_directory(int directory) {
    return fsync(directory) == 0 || errno == EINVAL || errno == ENOTSUP;
}

npv_status npv_flush_names(const char *path, npv_error *error) {
    int directory = -1;
    npv_status status = open_directory(path, &directory, error);
    if (status != NPV_OK)
        return status;
    if (!flush_directory(directory))
        status = npv_fail_io(error, path, "flushing its directory");
    close(directory);
    return status;
}

static npv_status rename_into_place(const npv_replacement *file, int directory, npv_error *error) {
    if (rename(file->temporary, file->path) != 0)
        return npv_fail_io(error, file->path, "renaming its replacement into place");
    if (!flush_directory(directory))
        return npv_fail_io(error, file->path, "flushing its directory (the new file is in place)");
    return NPV_OK;
}

npv_status npv_replacement_commit(npv_replacement *file, npv_error *error) {
    int directory = -1;
    npv_status status = keep_permissions(file, error);
    if (status == NPV_OK && flush_to_disk(file->fd) != 0)
        status = npv_fail_io(error, file->path, "flushing its replacement to the disk");
    if (status == NPV_OK)
        status = open_directory(file->path, &directory, error);
    if (status == NPV_OK)
        status = rename_into_place(file, directory, error);
    if (directory >= 0)
        close(directory);
    npv_replacement_abandon(file); /* after a rename the temporary name is gone, and there is nothing left to remove */
    return status;
}

void npv_replacement_abandon(npv_replacement *file) {
    close(file->fd);
    unlink(file->temporary);
    free(file->temporary);
    free(file->path);
    *file = (npv_replacement){-1, NULL, NULL};
}

npv_status npv_random(void *data, size_t size, npv_error *error) {
    if (getentropy(data, size) != 0)
        return npv_fail(error, NPV_E_IO, "getting %zu random bytes failed: %s", size, strerror(errno));
    return NPV_OK;
}
