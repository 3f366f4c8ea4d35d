#include "disk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "forge.h"

/* ---------------------------------------------------------------------------------------------------- Recording -- */

static disk_event *append(disk *d, disk_kind kind, unsigned file) {
    if (d->count == d->room) {
        d->room = d->room > 0 ? 2 * d->room : 256;
        d->events = realloc(d->events, d->room * sizeof *d->events);
        assert_non_null(d->events);
    }
    disk_event *const event = &d->events[d->count++];
    *event = (disk_event){.kind = kind, .file = file};
    return event;
}

static disk_name *find_name(disk_name *names, const char *name) {
    for (size_t i = 0; i < DISK_FILES; i++)
        if (names[i].file != 0 && strcmp(names[i].name, name) == 0)
            return &names[i];
    return NULL;
}

static void give_name(disk_name *names, const char *name, unsigned file) {
    disk_name *place = find_name(names, name);
    for (size_t i = 0; place == NULL; i++) {
        assert_true(i < DISK_FILES);
        if (names[i].file == 0)
            place = &names[i];
    }
    snprintf(place->name, sizeof place->name, "%s", name);
    place->file = file;
}

static void take_name(disk_name *names, const char *name) {
    disk_name *const place = find_name(names, name);
    if (place != NULL)
        place->file = 0;
}

/* What an event does to names. */
static void apply_to_names(disk_name *names, const disk_event *event) {
    if (event->kind == DISK_RENAME)
        take_name(names, event->from);
    if (event->kind == DISK_CREATE || event->kind == DISK_RENAME)
        give_name(names, event->name, event->file);
    if (event->kind == DISK_REMOVE)
        take_name(names, event->name);
}

static void append_name(disk *d, disk_kind kind, unsigned file, const char *name, const char *from) {
    disk_event *const event = append(d, kind, file);
    snprintf(event->name, sizeof event->name, "%s", name);
    snprintf(event->from, sizeof event->from, "%s", from);
    apply_to_names(d->names, event);
}

unsigned disk_find(const disk *d, const char *name) {
    for (size_t i = 0; i < DISK_FILES; i++)
        if (d->names[i].file != 0 && strcmp(d->names[i].name, name) == 0)
            return d->names[i].file;
    return 0;
}

unsigned disk_create(disk *d, const char *name) {
    append_name(d, DISK_CREATE, ++d->files, name, "");
    return d->files;
}

static bool are_zeros(const unsigned char *bytes, size_t size) {
    return bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0;
}

void disk_write(disk *d, unsigned file, uint64_t offset, const void *data, size_t size) {
    const unsigned char *rest = data;
    const bool zeros = size > DISK_SECTOR && are_zeros(data, size);
    while (size > 0) {
        const size_t room = zeros ? size : DISK_SECTOR - (size_t)(offset % DISK_SECTOR);
        disk_event *const event = append(d, DISK_WRITE, file);
        event->offset = offset;
        event->size = size < room ? size : room;
        event->bytes = malloc(event->size);
        assert_non_null(event->bytes);
        memcpy(event->bytes, rest, event->size);
        rest += event->size;
        offset += event->size;
        size -= event->size;
    }
}

void disk_cut(disk *d, unsigned file, uint64_t size) {
    append(d, DISK_CUT, file)->offset = size;
}

void disk_flush(disk *d, unsigned file) {
    append(d, DISK_FLUSH, file);
}

void disk_rename(disk *d, const char *from, const char *to) {
    append_name(d, DISK_RENAME, disk_find(d, from), to, from);
}

void disk_remove(disk *d, const char *name) {
    append_name(d, DISK_REMOVE, 0, name, "");
}

void disk_flush_names(disk *d) {
    append(d, DISK_FLUSH_NAMES, 0);
}

void disk_go_back(disk *d, size_t count) {
    while (d->count > count)
        free(d->events[--d->count].bytes);
    memset(d->names, 0, sizeof d->names);
    for (size_t i = 0; i < count; i++)
        apply_to_names(d->names, &d->events[i]);
}

void disk_free(disk *d) {
    disk_go_back(d, 0);
    free(d->events);
    *d = (disk){.events = NULL};
}

/* -------------------------------------------------------------------------------------------------------- Losing -- */

size_t disk_pending(const disk *d, size_t point, size_t *pending) {
    bool *const flushed = calloc(d->files + 1, sizeof *flushed); /* 0: names */
    size_t count = 0;
    assert_non_null(flushed);
    for (size_t i = point; i-- > 0;) {
        const disk_event *const event = &d->events[i];
        const bool of_data = event->kind == DISK_WRITE || event->kind == DISK_CUT;
        if (event->kind == DISK_FLUSH || event->kind == DISK_FLUSH_NAMES)
            flushed[event->file] = true;
        else if (!flushed[of_data ? event->file : 0])
            pending[count++] = i;
    }
    free(flushed);
    for (size_t i = 0; i < count / 2; i++) {
        const size_t other = pending[i];
        pending[i] = pending[count - 1 - i];
        pending[count - 1 - i] = other;
    }
    return count;
}

static void resize(npv_buffer *file, size_t size) {
    const size_t old = file->size;
    assert_int_equal(npv_buffer_reserve(file, size + 1, NULL), NPV_OK);
    if (size > old)
        memset(file->data + old, 0, size - old);
    file->size = size;
}

/* The first `kept` bytes of a write; `sized`: the others as if they were zeros that were written behind the end. */
static void apply_write(npv_buffer *file, const disk_event *event, size_t kept, bool sized) {
    const size_t end = (size_t)event->offset + (sized ? event->size : kept);
    if (kept == 0 && !sized)
        return;
    if (end > file->size)
        resize(file, end);
    memcpy(file->data + event->offset, event->bytes, kept);
}

static void apply(npv_buffer *files, disk_name *names, const disk_event *event, size_t kept, bool sized) {
    if (event->kind == DISK_WRITE)
        apply_write(&files[event->file], event, kept, sized);
    else if (kept == 0)
        return;
    else if (event->kind == DISK_CUT)
        resize(&files[event->file], (size_t)event->offset);
    else
        apply_to_names(names, event);
}

void disk_lose(const disk *d, size_t point, disk_loss loss) {
    size_t *const pending = calloc(point + 1, sizeof *pending);
    npv_buffer *const files = calloc(d->files + 1, sizeof *files);
    static const unsigned char zero[1];
    disk_name names[DISK_FILES] = {{.file = 0}};
    assert_true(pending != NULL && files != NULL);
    const size_t count = disk_pending(d, point, pending);
    for (size_t i = 0, next = 0; i < point; i++) {
        const bool flushed = next == count || pending[next] != i;
        const size_t whole = d->events[i].kind == DISK_WRITE ? d->events[i].size : 1;
        const size_t kept = flushed                             ? whole
                            : loss.lost != NULL && loss.lost[i] ? 0
                            : loss.torn == i                    ? loss.kept
                                                                : whole;
        next += !flushed;
        apply(files, names, &d->events[i], kept, loss.sized);
    }
    forge_remove_files();
    for (size_t i = 0; i < DISK_FILES; i++) {
        const npv_buffer *const file = &files[names[i].file];
        if (names[i].file != 0)
            forge_write(forge_path(names[i].name), (npv_bytes){file->size > 0 ? file->data : zero, file->size});
    }
    for (unsigned i = 0; i <= d->files; i++)
        free(files[i].data);
    free(files);
    free(pending);
}
