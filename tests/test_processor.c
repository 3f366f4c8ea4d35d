/* A thread may be kept off a processor, and is allowed on it again afterwards. */
#if defined(__linux__) && !defined(_GNU_SOURCE)
#define _GNU_SOURCE /* sched_getaffinity */
#endif
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "processor.h"

#if defined(__linux__)
static cpu_set_t allowed_now(void) {
    cpu_set_t allowed;
    assert_int_equal(sched_getaffinity(0, sizeof allowed, &allowed), 0);
    return allowed;
}

static void only_on(int processor) {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET((unsigned)processor, &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
}

static void a_thread_leaves_a_processor_and_may_come_back(void **state) {
    (void)state;
    const cpu_set_t before = allowed_now();
    const int here = npv_processor();
    assert_true(here >= 0);
    const bool others = CPU_COUNT(&before) > 1;
    assert_int_equal(npv_processor_avoid(here), others);
    cpu_set_t now = allowed_now();
    if (others) {
        assert_int_not_equal(npv_processor(), here);
        assert_false(CPU_ISSET((unsigned)here, &now));
        assert_int_equal(CPU_COUNT(&now), CPU_COUNT(&before) - 1);
        npv_processor_allow(here);
        now = allowed_now();
    }
    assert_true(CPU_EQUAL(&now, &before));
}

static void the_only_processor_is_kept(void **state) {
    (void)state;
    const cpu_set_t before = allowed_now();
    const int here = npv_processor();
    only_on(here);
    assert_false(npv_processor_avoid(here));
    cpu_set_t now = allowed_now();
    assert_true(CPU_ISSET((unsigned)here, &now));
    assert_int_equal(sched_setaffinity(0, sizeof before, &before), 0);
}

static void a_processor_that_is_not_allowed_stays_so(void **state) {
    (void)state;
    const cpu_set_t before = allowed_now();
    const int here = npv_processor();
    only_on(here);
    assert_false(npv_processor_avoid(here + 1));
    assert_false(npv_processor_avoid(-1));
    assert_false(npv_processor_avoid(INT32_MAX));
    cpu_set_t now = allowed_now();
    assert_int_equal(CPU_COUNT(&now), 1);
    assert_int_equal(sched_setaffinity(0, sizeof before, &before), 0);
}
#else
static void a_thread_leaves_a_processor_and_may_come_back(void **state) {
    (void)state;
    assert_int_equal(npv_processor(), -1);
    assert_false(npv_processor_avoid(0));
}
#endif

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_thread_leaves_a_processor_and_may_come_back),
#if defined(__linux__)
        cmocka_unit_test(the_only_processor_is_kept),
        cmocka_unit_test(a_processor_that_is_not_allowed_stays_so),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
