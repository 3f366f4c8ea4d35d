/*
 * As much of cmocka as the kernel tests use, where cmocka itself is not to be had: under a cross compiler. The first
 * assertion that fails ends the program.
 */
#ifndef NPVEC_SMALL_CMOCKA_H
#define NPVEC_SMALL_CMOCKA_H

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct CMUnitTest {
    const char *name;
    void (*run)(void **state);
};

#define cmocka_unit_test(function) {#function, function}
#define cmocka_run_group_tests(tests, setup, teardown) small_cmocka_run(tests, sizeof(tests) / sizeof *(tests))

#define fail_msg(...) (fprintf(stderr, "%s:%d: ", __FILE__, __LINE__), fprintf(stderr, __VA_ARGS__), abort())
#define assert_true(condition) ((condition) ? (void)0 : fail_msg("%s\n", #condition))
#define assert_false(condition) assert_true(!(condition))
#define assert_null(pointer) assert_true((pointer) == NULL)
#define assert_non_null(pointer) assert_true((pointer) != NULL)
#define assert_ptr_equal(a, b) assert_true((const void *)(a) == (const void *)(b))
#define assert_int_equal(a, b) small_cmocka_equal((uint64_t)(a), (uint64_t)(b), __FILE__, __LINE__)
#define assert_memory_equal(a, b, size) assert_true(memcmp(a, b, size) == 0)
#define assert_string_equal(a, b) assert_true(strcmp(a, b) == 0)
#define print_message(...) printf(__VA_ARGS__)

static inline void small_cmocka_equal(uint64_t a, uint64_t b, const char *file, int line) {
    if (a == b)
        return;
    fprintf(stderr, "%s:%d: %" PRIx64 " is not %" PRIx64 "\n", file, line, a, b);
    abort();
}

static inline int small_cmocka_run(const struct CMUnitTest *tests, size_t count) {
    for (size_t i = 0; i < count; i++) {
        void *state = NULL;
        printf("%s\n", tests[i].name);
        tests[i].run(&state);
    }
    return 0;
}

#endif
