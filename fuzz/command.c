#include "command.h"

#include <assert.h>
#include <csv.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include "rows.h"

/* ---------------------------------------------------------------------------------------- What the command calls -- */

/* Stands before every allocation of the command's. They form a ring, so that all can be freed. */
typedef union block {
    struct {
        union block *next, *before;
    };
    max_align_t alignment;
} block;

static block ring = {{&ring, &ring}};
static const uint8_t *source;    /* of the input, */
static size_t source_size, done; /* ... and how many of them have been read */
static jmp_buf ended;

_Noreturn void fuzz_exit(int code);
void *fuzz_realloc(void *memory, size_t size);
void fuzz_free(void *memory);
FILE *fuzz_fopen(const char *path, const char *mode);
ssize_t fuzz_read(int fd, void *place, size_t room);
int fuzz_fclose(FILE *file);
int fuzz_csv_init(struct csv_parser *parser, unsigned char options);

void fuzz_exit(int code) {
    (void)code;
    longjmp(ended, 1);
}

static block *unlinked(void *memory) {
    block *const head = (block *)memory - 1;
    head->before->next = head->next;
    head->next->before = head->before;
    return head;
}

void *fuzz_realloc(void *memory, size_t size) {
    block *const head = realloc(memory == NULL ? NULL : unlinked(memory), sizeof *head + size);
    if (head == NULL)
        abort();
    head->next = ring.next;
    head->before = &ring;
    head->next->before = ring.next = head;
    return head + 1;
}

void fuzz_free(void *memory) {
    if (memory != NULL)
        free(unlinked(memory));
}

/* The input is the only file, and is never asked for anything but its bytes. A real one takes a quarter of the time. */
FILE *fuzz_fopen(const char *path, const char *mode) {
    (void)path;
    (void)mode;
    done = 0;
    return stdout;
}

ssize_t fuzz_read(int fd, void *place, size_t room) {
    const size_t left = source_size - done, count = left < room ? left : room;
    (void)fd;
    if (count > 0)
        memcpy(place, source + done, count);
    done += count;
    return (ssize_t)count;
}

int fuzz_fclose(FILE *file) {
    (void)file;
    return 0;
}

int fuzz_csv_init(struct csv_parser *parser, unsigned char options) {
    const int result = csv_init(parser, options);
    csv_set_realloc_func(parser, fuzz_realloc);
    csv_set_free_func(parser, fuzz_free);
    return result;
}

/* ------------------------------------------------------------------------------------------------------ The run -- */

static void free_rest(void) {
    while (ring.next != &ring)
        fuzz_free(ring.next + 1);
}

void fuzz_command(fuzz_reader *reader, const cli_input *input, bool upsert, const uint8_t *data, size_t data_size) {
    /* Static, because what changes between setjmp and longjmp is lost where it is not. */
    static cli_adder adder;
    adder = (cli_adder){.store_path = "store.npz", .upsert = upsert, .options = NPV_STORE_OPTIONS_INIT};
    adder.options.normalize = NPV_NORMALIZE_OFF;
    adder.options.threads = 1;
    source = data;
    source_size = data_size;
    if (setjmp(ended) == 0) {
        reader(input, &adder);
        cli_add_rest(&adder);
    }
    if (adder.store != NULL) {
        const bool is_read = fuzz_read_rows(adder.store);
        assert(is_read);
        (void)is_read;
    }
    npv_close(adder.store);
    free_rest();
}
