/* CSV, as `npvec add` and `npvec upsert --infer` read it. */
#include "command.h"
#include "scratch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const cli_input plain = {.path = fuzz_file(data, size), .format = CLI_FORMAT_CSV};
    const cli_input inferred = {.path = plain.path, .format = CLI_FORMAT_CSV, .id_field = "id", .infer = true};
    fuzz_read(cli_read_csv, &plain, false);
    fuzz_read(cli_read_csv, &inferred, true);
    return 0;
}
