#include "rows.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "error.h"

#ifndef MAP_NORESERVE
#define MAP_NORESERVE 0 /* macOS: address space costs nothing anyway */
#endif

/* Enough for 40 million rows x 384; 47 bits of address space hold two thousand such reservations. */
#define FAR_AHEAD ((size_t)64 << 30)
#define HUGE_PAGE ((size_t)2 << 20)

/*
 * From here on, huge pages are asked for. To the system a hint, to a scan 512 times fewer page table entries to walk,
 * and to rows that are added half of their time: 15 MB in pages of 4 KiB take 6 ms to become memory, in huge ones 1.
 */
#define HUGE_FROM (HUGE_PAGE / 2)
#define LARGEST_STEP ((size_t)64 << 20)

struct npv_old_place {
    struct npv_old_place *next;
    unsigned char *place;
    size_t reserved;
};

static size_t page_size(void) {
    return (size_t)sysconf(_SC_PAGESIZE);
}

static size_t round_up(size_t bytes, size_t unit) {
    return (bytes + unit - 1) / unit * unit;
}

/* Under a limit on address space (ulimit -v) a far reservation would starve the rest of the process. */
static bool address_space_is_limited(void) {
    struct rlimit limit;
    return getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY;
}

/* Reserves at least `needed` bytes, as far ahead as the system allows. */
static npv_status reserve(npv_array *array, size_t needed, npv_error *error) {
    if (needed > SIZE_MAX / 4)
        return npv_fail_memory(error, "an array", needed);
    const size_t least = round_up(needed, HUGE_PAGE);
    size_t size = 2 * least;
    if (size < FAR_AHEAD && !address_space_is_limited())
        size = FAR_AHEAD;
    for (;;) {
        void *place = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (place != MAP_FAILED) {
            array->place = place;
            array->reserved = size;
            return NPV_OK;
        }
        if (size == least)
            return npv_fail_memory(error, "address space of an array", least);
        size = size / 2 > least ? round_up(size / 2, HUGE_PAGE) : least;
    }
}

static void close_file(npv_array *array) {
    if (array->file_bytes > 0 && array->file >= 0)
        (void)close(array->file);
    array->file_bytes = 0;
}

/* Moves the elements to a reservation of twice the size; the old one stays readable. */
static npv_status move(npv_array *array, size_t needed, npv_error *error) {
    struct npv_old_place *old = malloc(sizeof *old);
    if (old == NULL)
        return npv_fail_memory(error, "an array", sizeof *old);
    npv_array wider = NPV_ARRAY_EMPTY;
    npv_status status = reserve(&wider, needed > 2 * array->reserved ? needed : 2 * array->reserved, error);
    if (status == NPV_OK) {
        wider.data = wider.place;
        status = npv_array_grow(&wider, needed, error);
    }
    if (status != NPV_OK) {
        npv_array_free(&wider);
        free(old);
        return status;
    }
    memcpy(wider.data, array->data, array->usable);
    close_file(array);
    free(array->file_pages);
    *old = (struct npv_old_place){array->old, array->place, array->reserved};
    wider.old = old;
    *array = wider;
    return NPV_OK;
}

/* The end of what becomes usable: ahead of the need in growing steps, so that small appends rarely get here. */
static size_t step_end(const npv_array *array, size_t end) {
    const size_t used = (size_t)(array->data - array->place) + array->usable;
    const size_t step = used < LARGEST_STEP ? used : LARGEST_STEP;
    const size_t ahead = used + step > end ? used + step : end;
    const size_t rounded = round_up(ahead, ahead > HUGE_FROM ? HUGE_PAGE : page_size());
    return rounded < array->reserved ? rounded : array->reserved;
}

npv_status npv_array_grow(npv_array *array, size_t bytes, npv_error *error) {
    if (bytes <= array->usable)
        return NPV_OK;
    if (array->place == NULL) {
        const npv_status status = reserve(array, bytes, error);
        if (status != NPV_OK)
            return status;
        array->data = array->place;
    }
    const size_t head = (size_t)(array->data - array->place);
    if (bytes > array->reserved - head)
        return move(array, bytes, error);

    const size_t mapped = round_up(head + array->usable, page_size());
    const size_t end = step_end(array, head + bytes);
    if (end > mapped && mprotect(array->place + mapped, end - mapped, PROT_READ | PROT_WRITE) != 0)
        return npv_fail_memory(error, "growing an array", bytes);
#ifdef MADV_HUGEPAGE
    if (end > HUGE_FROM)
        (void)madvise(array->place + mapped, end - mapped, MADV_HUGEPAGE);
#endif
    /* Behind a mapped head, the rest of its last page still holds bytes of the file. */
    memset(array->data + array->usable, 0, mapped - head - array->usable);
    array->usable = end - head;
    return NPV_OK;
}

npv_status npv_array_map_file(npv_array *array, int fd, uint64_t offset, size_t bytes, npv_error *error) {
    assert(array->place == NULL);
    if (bytes == 0)
        return NPV_OK;
    const size_t page = page_size();
    const size_t head = (size_t)(offset % page);
    const npv_status status = reserve(array, head + bytes, error);
    if (status != NPV_OK)
        return status;
    const size_t length = round_up(head + bytes, page);
    void *mapped = mmap(array->place, length, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, (off_t)(offset - head));
    if (mapped == MAP_FAILED || mprotect(array->place + length - page, page, PROT_READ | PROT_WRITE) != 0) {
        const int reason = errno;
        npv_array_free(array);
        return npv_fail(error, NPV_E_IO, "mapping %zu bytes of vectors failed: %s", bytes, strerror(reason));
    }
    array->data = array->place + head;
    array->usable = bytes;
    array->file_bytes = length - page; /* the last page may be written to, and must not be forgotten */
    array->file_offset = offset - head;
    if (array->file_bytes > 0)
        array->file = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    return NPV_OK;
}

static npv_status allow_private_pages(npv_array *array, npv_error *error) {
    const uint64_t pages = array->file_bytes / page_size();
    uint64_t *const file_pages = calloc(npv_bits_words(pages), sizeof *file_pages);
    if (file_pages == NULL)
        return npv_fail_memory(error, "private pages of a file", npv_bits_words(pages) * sizeof *file_pages);
    /* All at once: a mapping with thousands of protections in turn would run into the system's limit on mappings. */
    if (mprotect(array->place, array->file_bytes, PROT_READ | PROT_WRITE) != 0) {
        free(file_pages);
        return npv_fail_memory(error, "private pages of a file", array->file_bytes);
    }
    npv_bits_set(file_pages, 0, pages);
    array->file_pages = file_pages;
    return NPV_OK;
}

npv_status npv_array_make_private(npv_array *array, size_t begin, size_t end, npv_error *error) {
    const size_t head = (size_t)(array->data - array->place);
    if (begin >= end || head + begin >= array->file_bytes)
        return NPV_OK;
    const npv_status status = array->file_pages == NULL ? allow_private_pages(array, error) : NPV_OK;
    if (status != NPV_OK)
        return status;
    const size_t page = page_size();
    const size_t last = head + end < array->file_bytes ? head + end - 1 : array->file_bytes - 1;
    for (size_t i = (head + begin) / page; i <= last / page; i++)
        npv_bit_clear(array->file_pages, i);
    return NPV_OK;
}

void npv_array_shrink(const npv_array *array, size_t bytes) {
    if (array->place == NULL)
        return;
    const size_t head = (size_t)(array->data - array->place);
    const size_t begin = round_up(head + bytes, page_size());
    const size_t end = round_up(head + array->usable, page_size());
    if (begin < end)
        (void)madvise(array->place + begin, end - begin, MADV_DONTNEED);
}

void npv_array_close_gaps(npv_array *array, size_t item_size, const uint64_t *kept, uint64_t items) {
    npv_bits_run run = {0, 0};
    size_t end = 0;
    while (npv_bits_next_run(kept, items, &run)) {
        const size_t begin = (size_t)run.first * item_size;
        const size_t bytes = (size_t)(run.end - run.first) * item_size;
        if (end < begin)
            memmove(array->data + end, array->data + begin, bytes);
        end += bytes;
    }
    npv_array_shrink(array, end);
}

void npv_array_settle(npv_array *array, size_t item_size, uint64_t first, const uint64_t *places, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const uint64_t from = first + i;
        assert(places[i] <= from);
        if (places[i] < from)
            memcpy(array->data + places[i] * item_size, array->data + from * item_size, item_size);
    }
}

/* Are the bytes from `begin` to `end` of the reservation as they are in the file? */
static bool is_as_in_file(const npv_array *array, size_t begin, size_t end) {
    if (end > array->file_bytes)
        return false;
    for (size_t page = begin / page_size(); array->file_pages != NULL && page <= (end - 1) / page_size(); page++)
        if (!npv_bit(array->file_pages, page))
            return false;
    return true;
}

const unsigned char *npv_array_read(const npv_array *array, size_t offset, size_t size, unsigned char *room) {
    const size_t begin = (size_t)(array->data - array->place) + offset;
    if (array->file_bytes > 0 && array->file >= 0 && is_as_in_file(array, begin, begin + size) &&
        pread(array->file, room, size, (off_t)(array->file_offset + begin)) == (ssize_t)size)
        return room;
    return array->data + offset;
}

void npv_array_forget_file(const npv_array *array) {
    const size_t page = page_size();
    npv_bits_run run = {0, 0};
    while (npv_bits_next_run(array->file_pages, array->file_bytes / page, &run))
        (void)madvise(array->place + run.first * page, (size_t)(run.end - run.first) * page, MADV_DONTNEED);
}

npv_status npv_array_clear(npv_array *array, npv_error *error) {
    if (array->place == NULL)
        return NPV_OK;
    const size_t head = (size_t)(array->data - array->place);
    const size_t length = round_up(head + array->usable, page_size());
    if (length == 0)
        return NPV_OK;
    /* Fresh zero pages over the old ones: memory and file go, addresses stay. */
    void *fresh = mmap(array->place, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    if (fresh == MAP_FAILED)
        return npv_fail_memory(error, "clearing an array", length);
    array->usable = length - head;
    close_file(array);
    free(array->file_pages);
    array->file_pages = NULL;
    return NPV_OK;
}

void npv_array_trim(npv_array *array) {
    const size_t used = round_up((size_t)(array->data - array->place) + array->usable, page_size());
    if (array->place == NULL || used == 0 || used >= array->reserved)
        return;
    if (munmap(array->place + used, array->reserved - used) == 0)
        array->reserved = used;
}

void npv_array_vacate(npv_array *array) {
    /* If it fails, memory is what is lost. */
    if (array->place != NULL)
        (void)mmap(array->place, array->reserved, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE,
                   -1, 0);
}

void npv_array_free(npv_array *array) {
    if (array->place != NULL)
        munmap(array->place, array->reserved);
    while (array->old != NULL) {
        struct npv_old_place *old = array->old;
        array->old = old->next;
        munmap(old->place, old->reserved);
        free(old);
    }
    close_file(array);
    free(array->file_pages);
    *array = (npv_array)NPV_ARRAY_EMPTY;
}
