/*
 * Files and texts that are made to do harm, through the public functions: each gives an error or a store, in bounded
 * time and memory. What single readers do with their part is in test_zip, test_npy, test_pickle and test_documents.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "forge.h"
#include "npvec.h"

#define MIB ((size_t)1 << 20)
#define LITTLE (4 * MIB) /* what opening and searching any small file may take */
#define COUNT(array) (sizeof(array) / sizeof *(array))
#define BYTES(text) ((npv_bytes){(const unsigned char *)(text), sizeof(text) - 1})

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED
#endif
#endif
#if defined(SANITIZED) || defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
static const bool memory_counts = false; /* sanitizers keep what was freed */
#else
static const bool memory_counts = true;
#endif

static void append(npv_buffer *bytes, const void *data, size_t size) {
    assert_int_equal(npv_buffer_append(bytes, data, size, NULL), NPV_OK);
}

static void append_times(npv_buffer *bytes, const char *text, size_t times) {
    for (size_t i = 0; i < times; i++)
        append(bytes, text, strlen(text));
}

static npv_bytes all_of(const npv_buffer *buffer) {
    return (npv_bytes){buffer->data, buffer->size};
}

/* -------------------------------------------------------------------------------------------------------- Bounds -- */

/* A task in a process of its own; 0 is success. */
typedef int task(const void *context);

static size_t peak_of(const struct rusage *usage) {
#ifdef __APPLE__
    return (size_t)usage->ru_maxrss;
#else
    return (size_t)usage->ru_maxrss * 1024;
#endif
}

/* Runs the task in a process of its own and returns the most memory that it had. */
static size_t run_apart(task *run, const void *context, unsigned seconds) {
    struct rusage usage;
    int status = 0;
    fflush(NULL);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        setrlimit(RLIMIT_CPU, &(struct rlimit){seconds, seconds});
        _exit(run(context));
    }
    assert_int_equal(wait4(child, &status, 0, &usage), child);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        fail_msg("ended with status 0x%x after %ld s", (unsigned)status, (long)usage.ru_utime.tv_sec);
    return peak_of(&usage);
}

static int do_nothing(const void *context) {
    (void)context;
    return 0;
}

/* Runs the task, which may take so many bytes of memory more than a process has anyway, and seconds of processor. */
static void in_bounds(task *run, const void *context, size_t bytes, unsigned seconds) {
    const size_t before = run_apart(do_nothing, NULL, 1);
    const size_t most = run_apart(run, context, seconds);
    if (memory_counts && most > before + bytes)
        fail_msg("took %zu bytes more, expected %zu at most", most - before, bytes);
}

/* ------------------------------------------------------------------------------------------------ Using a store -- */

static uint64_t mix(uint64_t sum, const void *data, size_t size) {
    for (size_t i = 0; i < size; i++)
        sum = (sum ^ ((const unsigned char *)data)[i]) * UINT64_C(0x100000001b3);
    return sum;
}

static uint64_t mix_text(uint64_t sum, const char *text) {
    return text == NULL ? mix(sum, "", 1) : mix(sum, text, strlen(text));
}

/* What a store holds beside its vectors, as a number. */
static npv_status read_rows(npv_store *store, uint64_t *sum, npv_error *error) {
    npv_info info = {.size = sizeof info};
    npv_status status = npv_get_info(store, &info, error);
    for (uint64_t row = 0; row < info.rows && status == NPV_OK; row++) {
        const char *id = NULL;
        char *json = NULL;
        status = npv_get_document(store, row, &json, error);
        if (status == NPV_OK)
            status = npv_get_id(store, row, &id, error);
        if (status == NPV_OK)
            *sum = mix_text(mix_text(*sum, json), id);
        npv_free(json);
    }
    if (status == NPV_OK)
        *sum = mix(mix(mix(*sum, &info.rows, 8), &info.dimensions, sizeof info.dimensions), &info.normalize, 4);
    return status;
}

static npv_status search(npv_store *store, size_t dimensions, npv_error *error) {
    npv_hits hits;
    float *const query = calloc(dimensions, sizeof *query);
    assert_non_null(query);
    query[0] = 1;
    const npv_status status = npv_search(store, query, 1, NULL, &hits, error);
    free(query);
    if (status == NPV_OK)
        npv_hits_free(&hits);
    return status;
}

/* All that a reader does with a file. *vectors: their sum, or 0 where they are mapped, and so never read as a whole. */
static npv_status use_file(const char *path, uint64_t *rest, uint64_t *vectors, npv_error *error) {
    npv_store_options options = NPV_STORE_OPTIONS_INIT;
    npv_store *store = NULL;
    npv_info info = {.size = sizeof info};
    options.threads = 1;
    *rest = *vectors = 0;
    npv_status status = npv_open(path, &options, &store, error);
    if (status != NPV_OK)
        return status;
    status = read_rows(store, rest, error);
    if (status == NPV_OK)
        status = npv_get_info(store, &info, error);
    if (status == NPV_OK && !info.mapped)
        *vectors = mix(0, npv_vectors(store), (size_t)info.rows * info.dimensions * sizeof(float));
    if (status == NPV_OK)
        status = search(store, info.dimensions, error);
    npv_close(store);
    return status;
}

typedef struct hostile_file {
    const char *path;
    npv_status expected;
    const char *message; /* a part of it */
} hostile_file;

static int check_file(const void *context) {
    const hostile_file *const file = context;
    npv_error error = {.message = ""};
    uint64_t rest, vectors;
    const npv_status status = use_file(file->path, &rest, &vectors, &error);
    if (status == file->expected && strstr(error.message, file->message) != NULL && strchr(error.message, '\n') == NULL)
        return 0;
    fprintf(stderr, "expected status %d and '%s', found %d: %s\n", (int)file->expected, file->message, (int)status,
            error.message);
    return 1;
}

/* Takes the bytes. */
static void check_bytes(npv_buffer bytes, npv_status expected, const char *message, size_t most_bytes) {
    const hostile_file file = {forge_path("hostile.npz"), expected, message};
    forge_write(file.path, all_of(&bytes));
    free(bytes.data);
    in_bounds(check_file, &file, most_bytes, 10);
    unlink(file.path);
}

#define F4(shape) "{'descr': '<f4', 'fortran_order': False, 'shape': " shape ", }"
#define OBJECTS(shape) "{'descr': '|O', 'fortran_order': False, 'shape': " shape ", }"

static const float two_rows[4] = {1, 0, 0, 1};

/* An archive of two rows, with documents of this pickle if there is one, and another member if it has a name. */
static npv_buffer small_archive(npv_bytes pickle, const char *name, npv_bytes contents, bool deflate) {
    npv_buffer vectors = forge_npy(1, F4("(2, 2)"), two_rows, sizeof two_rows);
    npv_buffer metadata = forge_npy(1, OBJECTS("(2,)"), pickle.data, pickle.size);
    forged_member members[3] = {{"vectors.npy", all_of(&vectors), false}};
    size_t count = 1;
    if (pickle.size > 0)
        members[count++] = (forged_member){"metadata.npy", all_of(&metadata), deflate};
    if (name != NULL)
        members[count++] = (forged_member){name, contents, deflate};
    const npv_buffer zip = forge_zip(members, count, "");
    free(vectors.data);
    free(metadata.data);
    return zip;
}

/* -------------------------------------------------------------------------------------------------- ZIP archives -- */

static void members_that_nobody_reads_are_never_inflated(void **state) {
    (void)state;
    const npv_bytes zeros = {calloc(1, 64 * MIB), 64 * MIB};
    npv_buffer bomb = small_archive((npv_bytes){NULL, 0}, "bomb.npy", zeros, true);
    assert_true(bomb.size < LITTLE);
    const npv_bytes inner = {bomb.data, bomb.size};
    npv_buffer nested = small_archive((npv_bytes){NULL, 0}, "inner.zip", inner, true);
    check_bytes(nested, NPV_OK, "", LITTLE);
    check_bytes(bomb, NPV_OK, "", LITTLE);
    free((void *)(uintptr_t)zeros.data);
}

/* Deflate makes at most 1,032 bytes of one: that is the bound for members that are read. */
static void members_that_are_read_cost_what_they_inflate_to(void **state) {
    (void)state;
    static const char *const opcodes[] = {"(", "]", "N", "\x85"};
    for (size_t i = 0; i < COUNT(opcodes); i++) {
        npv_buffer pickle = {NULL, 0, 0};
        append(&pickle, ")", 1);
        append_times(&pickle, opcodes[i], 8 * MIB);
        check_bytes(small_archive(all_of(&pickle), NULL, (npv_bytes){NULL, 0}, true), NPV_E_FORMAT, "is cut off",
                    pickle.size * 45);
        free(pickle.data);
    }
    float *const zeros = calloc(4 * MIB, sizeof *zeros);
    npv_buffer vectors = forge_npy(1, F4("(65536, 64)"), zeros, 4 * MIB * sizeof *zeros);
    const forged_member member = {"vectors.npy", all_of(&vectors), true};
    check_bytes(forge_zip(&member, 1, ""), NPV_E_ARGUMENT, "length zero", vectors.size + 8 * MIB);
    free(vectors.data);
    free(zeros);
}

static void members_that_share_bytes_are_refused(void **state) {
    (void)state;
    /* The directory names the first member twice: the second name for the same bytes would double them. */
    npv_buffer zip = small_archive((npv_bytes){NULL, 0}, "vectorz.npy", BYTES("x"), false);
    const size_t second = forge_entry(zip, "vectorz.npy");
    zip.data[forge_local(zip, "vectors.npy") + 30 + 6] = 'z';
    memcpy(zip.data + second, zip.data + forge_entry(zip, "vectors.npy"), 46 + 11);
    check_bytes(zip, NPV_E_FORMAT, "", LITTLE);
    /* One member lies inside the other's data, its local header with it. */
    npv_buffer inner = small_archive((npv_bytes){NULL, 0}, NULL, (npv_bytes){NULL, 0}, false);
    zip = small_archive((npv_bytes){NULL, 0}, "vectors.npz", all_of(&inner), false);
    const size_t quoted = forge_local(zip, "vectors.npz") + 30 + 11;
    forge_put32(zip, zip.size - 22 - 2 * (46 + 11) + 42, (uint32_t)quoted); /* the first of two entries */
    check_bytes(zip, NPV_E_FORMAT, "overlaps", LITTLE);
    free(inner.data);
}

static void names_of_members_are_only_compared(void **state) {
    (void)state;
    static const char *const names[] = {"../vectors.npy", "/vectors.npy",  "./vectors.npy",    "VECTORS.NPY",
                                        "vectors.npy/",   "a/vectors.npy", "C:\\vectors.npy",  "vectors.npy ",
                                        "\033[2J",        "\xff\xfe",      "..\\..\\metadata", "vectors"};
    npv_buffer vectors = forge_npy(1, F4("(2, 2)"), two_rows, sizeof two_rows);
    for (size_t i = 0; i < COUNT(names); i++) {
        const forged_member alone = {names[i], all_of(&vectors), false};
        check_bytes(forge_zip(&alone, 1, ""), NPV_E_UNSUPPORTED, "expected an array called vectors, found none",
                    LITTLE);
        check_bytes(small_archive((npv_bytes){NULL, 0}, names[i], BYTES("x"), false), NPV_OK, "", LITTLE);
    }
    assert_int_equal(forge_count(""), 0);
    free(vectors.data);
}

static void archives_of_too_many_members_are_refused(void **state) {
    (void)state;
    enum { MEMBERS = 60000 };
    forged_member *const members = calloc(MEMBERS, sizeof *members);
    char(*const names)[8] = calloc(MEMBERS, sizeof *names);
    for (size_t i = 0; i < MEMBERS; i++) {
        snprintf(names[i], sizeof names[i], "%zu", i);
        members[i] = (forged_member){names[i], BYTES(""), false};
    }
    check_bytes(forge_zip(members, MEMBERS, ""), NPV_E_LIMIT, "expected at most 1024 members, found 60000", 8 * MIB);
    free(members);
    free(names);
}

/* ------------------------------------------------------------------------------------------------------- Headers -- */

static npv_buffer archive_of(int version, const char *dict, npv_bytes data) {
    npv_buffer vectors = forge_npy(version, dict, data.data, data.size);
    const forged_member member = {"vectors.npy", all_of(&vectors), false};
    const npv_buffer zip = forge_zip(&member, 1, "");
    free(vectors.data);
    return zip;
}

static void shapes_that_overflow_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *dict;
        npv_status status;
    } cases[] = {
        {F4("(9223372036854775808, 2)"), NPV_E_FORMAT},
        {F4("(4294967296, 4294967296)"), NPV_E_FORMAT},
        {F4("(4611686018427387905, 1)"), NPV_E_FORMAT}, /* four bytes, modulo 2**64 */
        {F4("(18446744073709551615, 0)"), NPV_E_FORMAT},
        {F4("(99999999999999999999999, 1)"), NPV_E_FORMAT},
        {F4("(-1, 2)"), NPV_E_FORMAT},
        {F4("(2, 65537)"), NPV_E_FORMAT},
        {F4("(1000000000000, 2)"), NPV_E_FORMAT},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        check_bytes(archive_of(1, cases[i].dict, BYTES("1234")), cases[i].status, "", LITTLE);
}

static void floods_in_headers_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *text;
        npv_status status;
    } floods[] = {
        {"(", NPV_E_FORMAT},      {"[", NPV_E_FORMAT},  {"[('a',", NPV_E_FORMAT},
        {"'", NPV_E_UNSUPPORTED}, {"1", NPV_E_FORMAT},  {" ", NPV_E_FORMAT},
        {"{", NPV_E_FORMAT},      {"\\", NPV_E_FORMAT}, {"'\\'", NPV_E_UNSUPPORTED},
    };
    for (size_t i = 0; i < COUNT(floods); i++) {
        npv_buffer dict = {NULL, 0, 0};
        append_times(&dict, "{'descr': ", 1);
        append_times(&dict, floods[i].text, 1000000 / strlen(floods[i].text));
        append(&dict, "", 1);
        check_bytes(archive_of(2, (const char *)dict.data, BYTES("1234")), floods[i].status, "vectors.npy: ", 16 * MIB);
        free(dict.data);
    }
    npv_buffer longest = archive_of(2, F4("(1, 1)"), BYTES("1234"));
    forge_put32(longest, forge_local(longest, "vectors.npy") + 30 + 11 + 8, UINT32_MAX);
    check_bytes(longest, NPV_E_LIMIT, "", LITTLE);
}

/* ------------------------------------------------------------------------------------------------------- Pickles -- */

#define ARRAY_HEAD                                                                      \
    "cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\0t\x43\1btR(K\1K\2\x85" \
    "cnumpy\ndtype\n(\x8c\2O8\x89\x88tR(K\3\x8c\1|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x3ftb\x89"

/* The pickle of two rows: a list of what `rows` says. */
static npv_buffer pickle_of(npv_bytes rows) {
    npv_buffer pickle = {NULL, 0, 0};
    append(&pickle, ARRAY_HEAD "](", sizeof ARRAY_HEAD "](" - 1);
    append(&pickle, rows.data, rows.size);
    append(&pickle, "etb.", 4);
    return pickle;
}

/* Takes the bytes of the rows. */
static void check_rows(npv_buffer rows, npv_status expected, const char *message, size_t most_bytes) {
    npv_buffer pickle = pickle_of(all_of(&rows));
    check_bytes(small_archive(all_of(&pickle), NULL, (npv_bytes){NULL, 0}, true), expected, message, most_bytes);
    free(pickle.data);
    free(rows.data);
}

static npv_buffer text_rows(const char *rows, size_t size) {
    npv_buffer buffer = {NULL, 0, 0};
    append(&buffer, rows, size);
    return buffer;
}

static void what_calls_is_named_and_not_called(void **state) {
    (void)state;
    char rows[512];
    const char *const made = forge_path("made");
    static const char *const calls[] = {
        "cos\nsystem\n(X%c%c%c%ctouch %stRN",           /* REDUCE */
        "cos\nsystem\n(X%c%c%c%ctouch %st\x81N",        /* NEWOBJ */
        "cos\nsystem\n(X%c%c%c%ctouch %st}\x92N",       /* NEWOBJ_EX */
        "\x8c\2os\x8c\6system\x93(X%c%c%c%ctouch %stRN" /* STACK_GLOBAL */
    };
    for (size_t i = 0; i < COUNT(calls); i++) {
        const int size = snprintf(rows, sizeof rows, calls[i], (int)strlen(made) + 6, 0, 0, 0, made);
        check_rows(text_rows(rows, (size_t)size), NPV_E_UNSUPPORTED, "row 0: class os.system is not data", LITTLE);
    }
    const int size = snprintf(rows, sizeof rows, "(S'touch %s'\nios\nsystem\nN", made); /* INST */
    check_rows(text_rows(rows, (size_t)size), NPV_E_UNSUPPORTED, "is not data that npvec reads", LITTLE);
    assert_int_equal(access(made, F_OK), -1);
}

static void small_pickles_stay_small(void **state) {
    (void)state;
    /* Lists of lists of ... of one text: both rows would be 16 MiB. */
    npv_buffer rows = text_rows("(\x8c\x01x\x94", 5);
    for (unsigned char depth = 0; depth < 30; depth++) {
        append(&rows, "(", 1);
        for (int i = 0; i < 9; i++)
            append(&rows, (unsigned char[]){'h', depth}, 2);
        append(&rows, "l\x94", 2);
    }
    append(&rows, "lN", 2);
    check_rows(rows, NPV_E_LIMIT, "row 0: ", LITTLE);
}

static void pickles_of_any_depth_are_read_in_bounded_depth(void **state) {
    (void)state;
    npv_buffer rows = {NULL, 0, 0};
    append_times(&rows, "]", 1000000);
    append_times(&rows, "a", 999999);
    append(&rows, "N", 1);
    check_rows(rows, NPV_E_LIMIT, "row 0: lists and dicts may be nested 128 deep", 256 * MIB);
    rows = text_rows("N}\x94(\x8c\1xh\0u", 10); /* a dict in itself */
    check_rows(rows, NPV_E_UNSUPPORTED, "row 1: a list, a tuple or a dict contains itself", LITTLE);
    check_rows(text_rows("N\x8c\2\xc3(", 5), NPV_E_FORMAT, "row 1: text is not valid UTF-8", LITTLE);
    check_rows(text_rows("N}(\x8c\1xN\x8c\1xNu", 12), NPV_E_FORMAT, "row 1: a dict has two equal keys", LITTLE);
}

/* --------------------------------------------------------------------------------------------------------- Texts -- */

static npv_store *empty_store(void) {
    npv_store_options options = NPV_STORE_OPTIONS_INIT;
    npv_store *store = NULL;
    options.dimensions = 2;
    options.threads = 1;
    assert_int_equal(npv_create(&options, &store, NULL), NPV_OK);
    return store;
}

static npv_status add_document(npv_store *store, const char *json, npv_error *error) {
    npv_batch batch = NPV_BATCH_INIT;
    batch.count = 1;
    batch.vectors = two_rows;
    batch.documents = &json;
    return npv_add(store, &batch, NULL, error);
}

/* {"a":{"a":... or [[[..., a million deep, closed again or not, as document and as filter. */
static int check_depths(const void *context) {
    const char *const *const spelling = context;
    npv_store *const store = empty_store();
    int failures = 0;
    for (size_t closed = 0; closed < 2; closed++) {
        npv_buffer json = {NULL, 0, 0};
        npv_filter *filter = NULL;
        npv_error error = {.message = ""};
        append_times(&json, spelling[0], 1000000);
        append_times(&json, spelling[1], 1);
        append_times(&json, spelling[2], closed ? 1000000 : 0);
        append(&json, "", 1);
        const npv_status added = add_document(store, (const char *)json.data, &error);
        const npv_status parsed = npv_filter_new((const char *)json.data, NULL, &filter, &error);
        const npv_status given = npv_filter_new("a = ?", (const char *)json.data, &filter, &error);
        failures += added != NPV_E_LIMIT && added != NPV_E_ARGUMENT;
        failures += parsed != NPV_E_LIMIT && parsed != NPV_E_ARGUMENT;
        failures += given != NPV_E_LIMIT && given != NPV_E_ARGUMENT;
        free(json.data);
    }
    npv_close(store);
    return failures;
}

static void texts_of_any_depth_are_refused(void **state) {
    (void)state;
    static const char *const spellings[][3] = {{"[", "1", "]"},         {"{\"a\":", "1", "}"},    {"(", "a = 1", ")"},
                                               {"NOT ", "a = 1", ""},   {"{\"$not\":", "1", "}"}, {"[{", "", ""},
                                               {"{\"$and\":[", "", ""}, {"a[0].", "b = 1", ""}};
    for (size_t i = 0; i < COUNT(spellings); i++)
        in_bounds(check_depths, spellings[i], 128 * MIB, 10);
}

static void documents_that_are_no_json_are_refused(void **state) {
    (void)state;
    static const char *const texts[] = {"{\"a\": 1, \"a\": 2}",
                                        "{\"a\": {\"b\": 1, \"b\": 1}}",
                                        "\"\xff\"",
                                        "\"\xc0\x80\"",
                                        "\"\xed\xa0\x80\"",
                                        "{\"\xf5\": 1}",
                                        "\"\x01\"",
                                        "[1,]",
                                        "{,}",
                                        "01",
                                        "0x1",
                                        "-",
                                        "",
                                        " ",
                                        "\"",
                                        "nul",
                                        "1 2",
                                        "\357\273\2771"};
    npv_store *const store = empty_store();
    for (size_t i = 0; i < COUNT(texts); i++) {
        npv_error error = {.position = NPV_NO_POSITION};
        if (add_document(store, texts[i], &error) != NPV_E_ARGUMENT)
            fail_msg("'%s' was taken", texts[i]);
        assert_true(error.position <= strlen(texts[i]));
    }
    assert_int_equal(npv_count(store), 0);
    npv_close(store);
}

/* -------------------------------------------------------------------------------------------------------- Damage -- */

typedef struct sound_file {
    npv_bytes bytes;
    uint64_t rest, vectors;
    size_t vectors_begin, vectors_end; /* where they are mapped: nobody reads them all */
} sound_file;

static void save_store(const char *path, const npv_field *fields, size_t field_count, bool compress) {
    static const char *const documents[] = {"{\"year\": 2024, \"name\": \"a\\u00e9\"}",
                                            "{\"year\": -1, \"name\": \"\"}"};
    static const char *const ids[] = {"first", NULL};
    npv_store_options options = NPV_STORE_OPTIONS_INIT;
    npv_save_options saving = NPV_SAVE_OPTIONS_INIT;
    npv_batch batch = NPV_BATCH_INIT;
    npv_store *store = NULL;
    options.dimensions = 2;
    options.fields = fields;
    options.field_count = field_count;
    saving.compress = compress;
    batch.count = 2;
    batch.vectors = two_rows;
    batch.documents = documents;
    batch.ids = ids;
    assert_int_equal(npv_create(&options, &store, NULL), NPV_OK);
    assert_int_equal(npv_add(store, &batch, NULL, NULL), NPV_OK);
    assert_int_equal(npv_save(store, path, &saving, NULL), NPV_OK);
    npv_close(store);
}

/* 0 if the bytes give an error, or a store that is equal, but perhaps for the bytes of mapped vectors. */
static int try_damaged(const sound_file *sound, npv_bytes damaged, size_t at, bool must_fail) {
    npv_error error = {.message = ""};
    uint64_t rest, vectors;
    const char *const path = forge_path("damaged.npz");
    const bool in_mapped = at >= sound->vectors_begin && at < sound->vectors_end;
    forge_write(path, damaged);
    const npv_status status = use_file(path, &rest, &vectors, &error);
    const bool is_equal = !must_fail && rest == sound->rest && (vectors == sound->vectors || sound->vectors == 0);
    if (status != NPV_OK ? error.message[0] != '\0' && strchr(error.message, '\n') == NULL : is_equal || in_mapped)
        return 0;
    fprintf(stderr, "byte %zu of %zu was believed, or the message is wrong: %s\n", at, damaged.size, error.message);
    return 1;
}

/* Every shorter file, and every file with one byte that is another. */
static int damage_everywhere(const void *context) {
    static const unsigned char flips[] = {0x01, 0x10, 0x80, 0xff};
    const sound_file *const sound = context;
    int failures = 0;
    for (size_t size = 0; size < sound->bytes.size; size++)
        failures += try_damaged(sound, (npv_bytes){sound->bytes.data, size}, 0, true);
    unsigned char *const copy = malloc(sound->bytes.size);
    memcpy(copy, sound->bytes.data, sound->bytes.size);
    for (size_t at = 0; at < sound->bytes.size; at++)
        for (size_t i = 0; i < COUNT(flips); i++) {
            copy[at] = sound->bytes.data[at] ^ flips[i];
            failures += try_damaged(sound, (npv_bytes){copy, sound->bytes.size}, at, false);
            copy[at] = sound->bytes.data[at];
        }
    free(copy);
    return failures > 0;
}

static void no_damaged_byte_is_believed(void **state) {
    (void)state;
    static const npv_field fields[] = {{"year", "i2"}, {"name", "U3"}};
    for (int round = 0; round < 4; round++) {
        const bool typed = round % 2 != 0, compress = round / 2 != 0;
        const char *const path = forge_path("sound.npz");
        save_store(path, typed ? fields : NULL, typed ? 2 : 0, compress);
        npv_buffer bytes = forge_read(path);
        sound_file sound = {.bytes = all_of(&bytes)};
        assert_int_equal(use_file(path, &sound.rest, &sound.vectors, NULL), NPV_OK);
        assert_int_equal(sound.vectors == 0, !compress);
        if (!compress) { /* they are the last member's, before the directory, which begins with this entry */
            sound.vectors_end = forge_entry(bytes, "format_version.npy");
            sound.vectors_begin = sound.vectors_end - sizeof two_rows;
        }
        in_bounds(damage_everywhere, &sound, 16 * MIB, 60);
        free(bytes.data);
        forge_remove_files();
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_that_nobody_reads_are_never_inflated),
        cmocka_unit_test(members_that_are_read_cost_what_they_inflate_to),
        cmocka_unit_test(members_that_share_bytes_are_refused),
        cmocka_unit_test(names_of_members_are_only_compared),
        cmocka_unit_test(archives_of_too_many_members_are_refused),
        cmocka_unit_test(shapes_that_overflow_are_refused),
        cmocka_unit_test(floods_in_headers_are_refused),
        cmocka_unit_test(what_calls_is_named_and_not_called),
        cmocka_unit_test(small_pickles_stay_small),
        cmocka_unit_test(pickles_of_any_depth_are_read_in_bounded_depth),
        cmocka_unit_test(texts_of_any_depth_are_refused),
        cmocka_unit_test(documents_that_are_no_json_are_refused),
        cmocka_unit_test(no_damaged_byte_is_believed),
    };
    return cmocka_run_group_tests(tests, forge_setup, forge_teardown);
}
