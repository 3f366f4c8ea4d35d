/*
 * Readers of the command, which end the process over a mistake, in a process that goes on. Their sources are compiled
 * with fuzz_exit in the place of exit, and so on (CMakeLists.txt).
 */
#ifndef FUZZ_COMMAND_H
#define FUZZ_COMMAND_H

#include "input.h"

typedef void fuzz_reader(const cli_input *input, cli_adder *adder);

/* Reads these bytes into a store and goes through its rows, whether or not there was a mistake at the end. */
void fuzz_command(fuzz_reader *reader, const cli_input *input, bool upsert, const uint8_t *data, size_t data_size);

#endif
