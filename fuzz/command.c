#include "command.h"

#include <assert.h>
#include <csv.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

/* ---------------------------------------------------------------------------------------- What the command calls -- */

/* Stands before every allocation of the command's. They form a ring, so that all can be freed. */
typedef union block {
    struct {
        union block *next, *before;
    };
    max_align_t alignment;
} block;

static block ring = {{&ring, &ring}};
static FILE *opened;
static jmp_buf ended;

_Noreturn void fuzz_exit(int code);
void *fuzz_realloc(void *memory, size_t size);
void fuzz_free(void *memory);
FILE *fuzz_fopen(const char *path, const char *mode);
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

FILE *fuzz_fopen(const char *path, const char *mode) {
    assert(opened == NULL);
    opened = fopen(path, mode);
    return opened;
}

int fuzz_fclose(FILE *file) {
    opened = NULL;
    return fclose(file);
}

int fuzz_csv_init(struct csv_parser *parser, unsigned char options) {
    const int result = csv_init(parser, options);
    csv_set_realloc_func(parser, fuzz_realloc);
    csv_set_free_func(parser, fuzz_free);
    return result;
}

/* ------------------------------------------------------------------------------------------------------ The run -- */

/* What was added must be there: numbers, and documents and ids that are text. */
static void check_rows(npv_store *store) {
    npv_info info = {.size = sizeof info};
    npv_error error;
    const npv_status known = npv_get_info(store, &info, &error);
    assert(known == NPV_OK && info.dimensions > 0 && info.dimensions <= NPV_MAX_DIMENSIONS);
    for (uint64_t row = 0; row < info.rows; row++) {
        const float *vector = NULL;
        const char *id = NULL;
        char *document = NULL;
        uint64_t found = row;
        npv_status status = npv_get_vector(store, row, &vector, &error);
        status = status == NPV_OK ? npv_get_document(store, row, &document, &error) : status;
        status = status == NPV_OK ? npv_get_id(store, row, &id, &error) : status;
        status = status == NPV_OK && id != NULL ? npv_find(store, id, &found, &error) : status;
        assert(status == NPV_OK && found == row && (document == NULL || strlen(document) > 0));
        npv_free(document);
    }
    (void)known;
}

static void free_rest(void) {
    if (opened != NULL)
        fuzz_fclose(opened);
    while (ring.next != &ring)
        fuzz_free(ring.next + 1);
}

void fuzz_read(void (*read)(const cli_input *input, cli_adder *adder), const cli_input *input, bool upsert) {
    /* Static, because what changes between setjmp and longjmp is lost where it is not. */
    static cli_adder adder;
    adder = (cli_adder){.store_path = "store.npz", .upsert = upsert, .options = NPV_STORE_OPTIONS_INIT};
    adder.options.normalize = NPV_NORMALIZE_OFF;
    adder.options.threads = 1;
    if (setjmp(ended) == 0) {
        read(input, &adder);
        cli_add_rest(&adder);
    }
    if (adder.store != NULL)
        check_rows(adder.store);
    npv_close(adder.store);
    free_rest();
}
