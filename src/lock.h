/*
 * The writer's lock: flock on a file of its own. It goes when its process does, however that ends.
 *
 * A child after fork would share it, and keep it when its parent is gone. So the locks of a process are listed, the one
 * thing that this library keeps globally beside the kernel table, and a child closes them before fork returns in it.
 * (POSIX record locks are not inherited, but any close of the file by the same process drops them.)
 */
#ifndef NPV_LOCK_H
#define NPV_LOCK_H

#include <stdbool.h>
#include <sys/types.h>

#include "npvec.h"

typedef struct npv_lock {
    int fd; /* open for reading and writing; -1: not held */
    struct npv_lock *next;
} npv_lock;

#define NPV_LOCK_FREE {-1, NULL}

/*
 * Opens the file at `path`, which is created with `mode` if it is not there, and locks it; afterwards the path still
 * names that file. *taken is false, and nothing is held, if somebody else has the lock; then *holder is his process, as
 * `read_holder` finds it in the file. The lock must stay where it is until it is released. Never waits.
 */
typedef pid_t npv_lock_read_holder(int fd);
npv_status npv_lock_take(const char *path, mode_t mode, npv_lock_read_holder *read_holder, npv_lock *lock, bool *taken,
                         pid_t *holder, npv_error *error);

/* Does the path still name the locked file? */
bool npv_lock_names(const npv_lock *lock, const char *path);

/* `from` is held no longer, and `to`, which held nothing, is what it was. */
void npv_lock_move(npv_lock *from, npv_lock *to);

/* Unlocks and closes the file. Nothing happens if it is not held. */
void npv_lock_release(npv_lock *lock);

#endif
