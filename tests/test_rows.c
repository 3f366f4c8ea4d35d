/* Arrays grow, never move, and take a file as their head. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "rows.h"

static void growing_keeps_place_and_contents(void **state) {
    (void)state;
    npv_array array = NPV_ARRAY_EMPTY;
    unsigned char *first = NULL;
    size_t filled = 0;
    for (size_t size = 1; size < 300u << 20; size = size * 3 + 1) {
        assert_int_equal(npv_array_grow(&array, size, NULL), NPV_OK);
        assert_true(array.usable >= size);
        if (first == NULL)
            first = array.data;
        assert_ptr_equal(array.data, first);
        for (size_t i = filled; i < size; i += 4093)
            assert_int_equal(array.data[i], 0);
        memset(array.data + filled, 0xA5, size - filled);
        filled = size;
    }
    for (size_t i = 0; i < filled; i += 4093)
        assert_int_equal(array.data[i], 0xA5);
    npv_array_free(&array);
    assert_null(array.data);
}

static void clearing_gives_zeros_at_the_same_place(void **state) {
    (void)state;
    npv_array array = NPV_ARRAY_EMPTY;
    assert_int_equal(npv_array_clear(&array, NULL), NPV_OK);
    assert_int_equal(npv_array_grow(&array, 100000, NULL), NPV_OK);
    memset(array.data, 7, 100000);
    unsigned char *borrowed = array.data;
    assert_int_equal(npv_array_clear(&array, NULL), NPV_OK);
    assert_int_equal(borrowed[99999], 0);
    assert_int_equal(npv_array_grow(&array, 200000, NULL), NPV_OK);
    assert_ptr_equal(array.data, borrowed);
    npv_array_free(&array);
}

static FILE *file_of(size_t size) {
    FILE *file = tmpfile();
    assert_non_null(file);
    for (size_t i = 0; i < size; i++)
        assert_int_not_equal(fputc((int)(i % 251), file), EOF);
    assert_int_equal(fflush(file), 0);
    return file;
}

static void check_mapped(const npv_array *array, size_t offset, size_t size) {
    for (size_t i = 0; i < size; i++)
        assert_int_equal(array->data[i], (offset + i) % 251);
}

static void a_file_is_the_head(void **state) {
    (void)state;
    enum { file_size = 20000 };
    const size_t spans[][2] = {{0, 1}, {64, 4096}, {64, 8128}, {4096, 4096}, {192, 19808}, {8192, 11808}, {100, 3}};
    FILE *file = file_of(file_size);
    for (size_t i = 0; i < sizeof spans / sizeof *spans; i++) {
        const size_t offset = spans[i][0];
        const size_t size = spans[i][1];
        npv_array array = NPV_ARRAY_EMPTY;
        assert_int_equal(npv_array_map_file(&array, fileno(file), offset, size, NULL), NPV_OK);
        assert_int_equal(array.usable, size);
        check_mapped(&array, offset, size);
        unsigned char *head = array.data;
        assert_int_equal(npv_array_grow(&array, size + 70000, NULL), NPV_OK);
        assert_ptr_equal(array.data, head);
        check_mapped(&array, offset, size);
        for (size_t j = size; j < size + 70000; j++)
            assert_int_equal(array.data[j], 0);
        memset(array.data + size, 9, 70000);
        check_mapped(&array, offset, size);
        assert_int_equal(npv_array_clear(&array, NULL), NPV_OK);
        assert_int_equal(head[0], 0);
        head[0] = 1;
        npv_array_free(&array);
    }
    fclose(file);
}

static void the_file_is_never_written(void **state) {
    (void)state;
    FILE *file = file_of(5000);
    npv_array array = NPV_ARRAY_EMPTY;
    unsigned char byte;
    assert_int_equal(npv_array_map_file(&array, fileno(file), 0, 4500, NULL), NPV_OK);
    assert_int_equal(npv_array_grow(&array, 5000, NULL), NPV_OK);
    memset(array.data + 4500, 255, 500);
    assert_int_equal(pread(fileno(file), &byte, 1, 4600), 1);
    assert_int_equal(byte, 4600 % 251);
    npv_array_free(&array);
    fclose(file);
}

/* Forgetting pages must not undo what was written behind the file's part of the last one. */
static void a_forgotten_file_is_read_again(void **state) {
    (void)state;
    FILE *file = file_of(20000);
    npv_array array = NPV_ARRAY_EMPTY;
    npv_array_forget_file(&array);
    assert_int_equal(npv_array_map_file(&array, fileno(file), 64, 15000, NULL), NPV_OK);
    check_mapped(&array, 64, 15000);
    assert_int_equal(npv_array_grow(&array, 30000, NULL), NPV_OK);
    memset(array.data + 15000, 5, 15000);
    npv_array_forget_file(&array);
    check_mapped(&array, 64, 15000);
    for (size_t i = 15000; i < 30000; i++)
        assert_int_equal(array.data[i], 5);
    assert_int_equal(npv_array_clear(&array, NULL), NPV_OK);
    memset(array.data, 6, 15000);
    npv_array_forget_file(&array);
    assert_int_equal(array.data[0], 6);
    npv_array_free(&array);
    fclose(file);
}

/* Pages that were written to are ours: forgetting the file must not bring its bytes back. */
static void private_pages_are_not_forgotten(void **state) {
    (void)state;
    enum { size = 60000, offset = 100 };
    FILE *file = file_of(size + offset);
    for (size_t begin = 0; begin < size; begin += 7001) {
        npv_array array = NPV_ARRAY_EMPTY;
        unsigned char byte;
        assert_int_equal(npv_array_make_private(&array, 0, 100, NULL), NPV_OK);
        assert_int_equal(npv_array_map_file(&array, fileno(file), offset, size, NULL), NPV_OK);
        const size_t end = begin + 5000 < size ? begin + 5000 : size;
        assert_int_equal(npv_array_make_private(&array, end - 1, end, NULL), NPV_OK);
        assert_int_equal(npv_array_make_private(&array, begin, end, NULL), NPV_OK);
        memset(array.data + begin, 255, end - begin);
        npv_array_forget_file(&array);
        for (size_t i = 0; i < size; i++)
            assert_int_equal(array.data[i], i >= begin && i < end ? 255 : (offset + i) % 251);
        assert_int_equal(pread(fileno(file), &byte, 1, (off_t)(offset + begin)), 1);
        assert_int_equal(byte, (offset + begin) % 251);
        npv_array_free(&array);
    }
    fclose(file);
}

/* Where they can be, bytes are read from the file, and its pages are not asked for. */
static void bytes_are_read_from_the_file_unless_they_changed(void **state) {
    (void)state;
    enum { size = 60000, offset = 100, piece = 700, changed = 20000 };
    unsigned char room[piece];
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const size_t last_page = (size + offset) / page * page - offset;
    FILE *file = file_of(size + offset);
    npv_array array = NPV_ARRAY_EMPTY;
    assert_int_equal(npv_array_map_file(&array, fileno(file), offset, size, NULL), NPV_OK);
    fclose(file);
    assert_int_equal(npv_array_grow(&array, size + piece, NULL), NPV_OK);
    memset(array.data + size, 9, piece);
    array.data[last_page] = 0; /* it is a copy from the beginning */
    for (int edited = 0; edited <= 1; edited++) {
        size_t read = 0;
        for (size_t begin = 0; begin <= size; begin += piece) {
            memset(room, 255, piece);
            const unsigned char *const bytes = npv_array_read(&array, begin, piece, room);
            read += bytes == room;
            assert_true(bytes == room || bytes == array.data + begin);
            assert_memory_equal(bytes, array.data + begin, piece);
        }
        assert_in_range(read, edited ? 60 : 75, edited ? 80 : 85);
        assert_int_equal(npv_array_make_private(&array, changed, changed + 1, NULL), NPV_OK);
        array.data[changed] = 0;
        assert_true(npv_array_read(&array, changed - 1, 2, room) != room);
    }
    npv_array_free(&array);
}

static void gaps_close_in_memory_and_in_a_file(void **state) {
    (void)state;
    enum { items = 3000, item = 12, offset = 64 };
    static uint64_t kept[(items + 63) / 64];
    FILE *file = file_of(items * item + offset);
    for (size_t first_gap = 0; first_gap < items; first_gap += 977) {
        npv_array array = NPV_ARRAY_EMPTY;
        size_t count = 0;
        assert_int_equal(npv_array_map_file(&array, fileno(file), offset, items * item, NULL), NPV_OK);
        assert_int_equal(npv_array_make_private(&array, first_gap * item, items * item, NULL), NPV_OK);
        memset(kept, 0, sizeof kept);
        for (size_t i = 0; i < items; i++)
            if (i < first_gap || (i > first_gap && i % 5 != 0))
                npv_bit_set(kept, i);
        npv_array_close_gaps(&array, item, kept, items);
        npv_array_forget_file(&array);
        for (size_t i = 0; i < items; i++)
            for (size_t j = 0; npv_bit(kept, i) && j < item; j++)
                assert_int_equal(array.data[count++], (offset + i * item + j) % 251);
        assert_int_equal(npv_array_grow(&array, items * item + 50000, NULL), NPV_OK);
        memset(array.data + count, 7, items * item + 50000 - count);
        npv_array_forget_file(&array);
        assert_int_equal(array.data[count], 7);
        npv_array_free(&array);
    }
    fclose(file);
}

static void a_file_that_cannot_be_mapped_is_an_error(void **state) {
    (void)state;
    npv_array array = NPV_ARRAY_EMPTY;
    npv_error error = {0};
    assert_int_equal(npv_array_map_file(&array, -1, 0, 100, &error), NPV_E_IO);
    assert_non_null(strstr(error.message, "mapping 100 bytes of vectors failed"));
    assert_null(array.place);
    assert_int_equal(npv_array_map_file(&array, -1, 0, 0, &error), NPV_OK);
}

static void impossible_sizes_are_errors(void **state) {
    (void)state;
    npv_array array = NPV_ARRAY_EMPTY;
    npv_error error = {0};
    assert_int_equal(npv_array_grow(&array, SIZE_MAX - 100, &error), NPV_E_MEMORY);
    assert_int_equal(npv_array_grow(&array, (size_t)1 << 60, &error), NPV_E_MEMORY);
    assert_int_equal(npv_array_grow(&array, 10, &error), NPV_OK);
    array.data[0] = 5;
    assert_int_equal(npv_array_grow(&array, (size_t)1 << 60, &error), NPV_E_MEMORY);
    assert_int_equal(array.data[0], 5);
    npv_array_free(&array);
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) /* which need the address space themselves */
/* With little address space the array has to move; what was borrowed from it stays readable. */
static int grow_under_a_limit(void) {
    const struct rlimit limit = {(rlim_t)400 << 20, (rlim_t)400 << 20};
    npv_array array = NPV_ARRAY_EMPTY;
    if (setrlimit(RLIMIT_AS, &limit) != 0 || npv_array_grow(&array, 1000, NULL) != NPV_OK)
        return 1;
    const unsigned char *borrowed = array.data;
    memset(array.data, 3, 1000);
    if (npv_array_grow(&array, (size_t)50 << 20, NULL) != NPV_OK || array.data == borrowed)
        return 2;
    if (array.data[999] != 3 || array.data[1000] != 0 || borrowed[999] != 3)
        return 3;
    if (npv_array_grow(&array, (size_t)500 << 20, NULL) != NPV_E_MEMORY || array.data[999] != 3)
        return 4;
    npv_array_free(&array);
    return 0;
}

static void limited_address_space_moves_but_never_dangles(void **state) {
    (void)state;
    int status = -1;
    const pid_t child = fork();
    if (child == 0)
        _exit(grow_under_a_limit());
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}
#endif

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(growing_keeps_place_and_contents),
        cmocka_unit_test(clearing_gives_zeros_at_the_same_place),
        cmocka_unit_test(a_file_is_the_head),
        cmocka_unit_test(the_file_is_never_written),
        cmocka_unit_test(a_forgotten_file_is_read_again),
        cmocka_unit_test(private_pages_are_not_forgotten),
        cmocka_unit_test(bytes_are_read_from_the_file_unless_they_changed),
        cmocka_unit_test(gaps_close_in_memory_and_in_a_file),
        cmocka_unit_test(a_file_that_cannot_be_mapped_is_an_error),
        cmocka_unit_test(impossible_sizes_are_errors),
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
        cmocka_unit_test(limited_address_space_moves_but_never_dangles),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
