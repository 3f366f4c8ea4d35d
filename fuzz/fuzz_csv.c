/* CSV, as `npvec add` and `npvec upsert --infer` read it. */
#include "command.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const cli_input plain = {.path = "input", .format = CLI_FORMAT_CSV};
    const cli_input inferred = {.path = "input", .format = CLI_FORMAT_CSV, .id_field = "id", .infer = true};
    fuzz_command(cli_read_csv, &plain, false, data, size);
    fuzz_command(cli_read_csv, &inferred, true, data, size);
    return 0;
}
