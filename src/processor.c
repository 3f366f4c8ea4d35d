#if defined(__linux__) && !defined(_GNU_SOURCE)
#define _GNU_SOURCE /* sched_getcpu, sched_setaffinity */
#endif
#include "processor.h"

#include <sched.h>

#if defined(__linux__)
int npv_processor(void) {
    return sched_getcpu();
}

bool npv_processor_avoid(int processor) {
    cpu_set_t allowed;
    if (processor < 0 || sched_getaffinity(0, sizeof allowed, &allowed) != 0 ||
        !CPU_ISSET((unsigned)processor, &allowed))
        return false;
    CPU_CLR((unsigned)processor, &allowed);
    return CPU_COUNT(&allowed) > 0 && sched_setaffinity(0, sizeof allowed, &allowed) == 0;
}

void npv_processor_allow(int processor) {
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0)
        return;
    CPU_SET((unsigned)processor, &allowed);
    sched_setaffinity(0, sizeof allowed, &allowed);
}
#else
int npv_processor(void) {
    return -1;
}

bool npv_processor_avoid(int processor) {
    (void)processor;
    return false;
}

void npv_processor_allow(int processor) {
    (void)processor;
}
#endif
