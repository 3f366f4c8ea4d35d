/*
 * A disk under one directory that may lose its power: what was done to files and names is recorded, and the directory
 * is made again as the disk may hold it afterwards. What was flushed is there. Of the rest each sector that was
 * written, each truncation and each name that was given, changed or removed may be there or not, whatever came before
 * or after it.
 */
#ifndef DISK_H
#define DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum disk_kind {
    DISK_WRITE, /* at most one sector, or zeros, whose sectors read the same if they are lost */
    DISK_CUT,
    DISK_FLUSH,
    DISK_CREATE,
    DISK_RENAME,
    DISK_REMOVE,
    DISK_FLUSH_NAMES
} disk_kind;

enum { DISK_NAME = 128, DISK_FILES = 64, DISK_SECTOR = 512 };

typedef struct disk_event {
    disk_kind kind;
    unsigned file; /* 1 for the first that was created; 0: none */
    uint64_t offset;
    size_t size;
    unsigned char *bytes;
    char name[DISK_NAME], from[DISK_NAME];
} disk_event;

typedef struct disk_name {
    char name[DISK_NAME];
    unsigned file;
} disk_name;

typedef struct disk {
    disk_event *events;
    size_t count, room;
    unsigned files;
    disk_name names[DISK_FILES]; /* as programs see them now */
} disk;

void disk_free(disk *d);

unsigned disk_find(const disk *d, const char *name); /* 0: not there */
unsigned disk_create(disk *d, const char *name);
void disk_write(disk *d, unsigned file, uint64_t offset, const void *data, size_t size);
void disk_cut(disk *d, unsigned file, uint64_t size);
void disk_flush(disk *d, unsigned file);
void disk_rename(disk *d, const char *from, const char *to);
void disk_remove(disk *d, const char *name);
void disk_flush_names(disk *d);

/* As if nothing had happened since there were `count` events. */
void disk_go_back(disk *d, size_t count);

/* What a power loss takes away. */
typedef struct disk_loss {
    const bool *lost; /* one for each event; those that were flushed are not asked. NULL: nothing is */
    bool sized;       /* files have grown by what was lost, which reads as zeros */
    size_t torn;      /* of this event only the first bytes are there; SIZE_MAX: of none */
    size_t kept;
} disk_loss;

/* Events before `point` that are not flushed by then, in `pending` (room for `point`). Returns how many. */
size_t disk_pending(const disk *d, size_t point, size_t *pending);

/* Makes the files of forge.h's directory what a power loss at `point` leaves. */
void disk_lose(const disk *d, size_t point, disk_loss loss);

#endif
