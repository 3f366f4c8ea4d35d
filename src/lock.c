#include "lock.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"

/* ---------------------------------------------------------------------------------------------------- After fork -- */

static pthread_once_t prepared = PTHREAD_ONCE_INIT;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* also held from opening a file to listing its lock */
static npv_lock *held;

static void before_fork(void) {
    pthread_mutex_lock(&mutex);
}

static void in_parent(void) {
    pthread_mutex_unlock(&mutex);
}

static void in_child(void) {
    for (npv_lock *lock = held; lock != NULL; lock = lock->next) {
        close(lock->fd);
        lock->fd = -1;
    }
    held = NULL;
    pthread_mutex_unlock(&mutex);
}

static void prepare(void) {
    /* It fails for want of memory alone; then children keep the lock of a parent that died, until they end. */
    (void)pthread_atfork(before_fork, in_parent, in_child);
}

/* Under the mutex. */
static void forget(const npv_lock *lock) {
    npv_lock **place = &held;
    while (*place != NULL && *place != lock)
        place = &(*place)->next;
    if (*place != NULL)
        *place = lock->next;
}

/* ------------------------------------------------------------------------------------------------------- Locking -- */

/* The descriptor of the locked file; -1 with errno, which is EWOULDBLOCK if somebody else has the lock. */
static int open_and_lock(const char *path, mode_t mode, npv_lock_read_holder *read_holder, pid_t *holder) {
    int fd, result;
    /* A link would make whoever planted it choose the file. */
    do
        fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, mode);
    while (fd < 0 && errno == EINTR);
    if (fd < 0)
        return -1;
    do
        result = flock(fd, LOCK_EX | LOCK_NB);
    while (result != 0 && errno == EINTR);
    if (result == 0)
        return fd;
    const int reason = errno;
    struct stat file;
    if (reason == EWOULDBLOCK)
        *holder = read_holder(fd);
    else if (fstat(fd, &file) == 0 && file.st_size == 0)
        unlink(path); /* this file system has no locks; the file may have been made here */
    close(fd);
    errno = reason;
    return -1;
}

static bool is_named(const npv_lock *lock, const char *path, struct stat *file) {
    struct stat named;
    return fstat(lock->fd, file) == 0 && lstat(path, &named) == 0 && file->st_dev == named.st_dev &&
           file->st_ino == named.st_ino;
}

bool npv_lock_names(const npv_lock *lock, const char *path) {
    struct stat file;
    return is_named(lock, path, &file);
}

static npv_status check_regular(npv_lock *lock, const char *path, const struct stat *file, npv_error *error) {
    if (S_ISREG(file->st_mode))
        return NPV_OK;
    npv_lock_release(lock);
    return npv_fail(error, NPV_E_IO, "%s: expected a regular file", path);
}

/* Each round somebody else has come and gone. */
#define MOST_ROUNDS 1000

npv_status npv_lock_take(const char *path, mode_t mode, npv_lock_read_holder *read_holder, npv_lock *lock, bool *taken,
                         pid_t *holder, npv_error *error) {
    pthread_once(&prepared, prepare);
    for (int round = 0; round < MOST_ROUNDS; round++) {
        pthread_mutex_lock(&mutex);
        *holder = 0;
        lock->fd = open_and_lock(path, mode, read_holder, holder);
        const int reason = errno;
        if (lock->fd >= 0) {
            lock->next = held;
            held = lock;
        }
        pthread_mutex_unlock(&mutex);
        errno = reason;
        *taken = lock->fd >= 0;
        if (!*taken && (reason == ENOLCK || reason == ENOTSUP || reason == EOPNOTSUPP || reason == ENOSYS))
            return npv_fail(error, NPV_E_UNSUPPORTED, "%s: locking it failed: %s; this file system takes no writers",
                            path, strerror(reason));
        if (!*taken)
            return reason == EWOULDBLOCK ? NPV_OK : npv_fail_io(error, path, "opening and locking it for writing");
        struct stat file;
        if (is_named(lock, path, &file)) /* whoever held it before may have replaced or removed the file */
            return check_regular(lock, path, &file, error);
        npv_lock_release(lock);
    }
    return npv_fail(error, NPV_E_BUSY, "%s: it is replaced faster than it can be locked", path);
}

void npv_lock_move(npv_lock *from, npv_lock *to) {
    pthread_mutex_lock(&mutex);
    forget(from);
    to->fd = from->fd;
    if (to->fd >= 0) {
        to->next = held;
        held = to;
    }
    *from = (npv_lock)NPV_LOCK_FREE;
    pthread_mutex_unlock(&mutex);
}

void npv_lock_release(npv_lock *lock) {
    if (lock->fd < 0)
        return;
    pthread_mutex_lock(&mutex);
    forget(lock);
    close(lock->fd);
    *lock = (npv_lock)NPV_LOCK_FREE;
    pthread_mutex_unlock(&mutex);
}
