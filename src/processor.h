/* On which processors a thread may run, where the system lets it choose (Linux). */
#ifndef NPV_PROCESSOR_H
#define NPV_PROCESSOR_H

#include <stdbool.h>

/* The number of the processor that the calling thread runs on; -1: not known. */
int npv_processor(void);

/* From now on the calling thread runs on others only. False: it may not, or there are none; then all is as it was. */
bool npv_processor_avoid(int processor);

/* Takes that back. The thread stays where it is. */
void npv_processor_allow(int processor);

#endif
