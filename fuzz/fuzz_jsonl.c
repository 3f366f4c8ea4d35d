/* JSON Lines, as `npvec add` and `npvec upsert` read them. */
#include "command.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const cli_input plain = {.path = "input", .format = CLI_FORMAT_JSONL};
    const cli_input with_ids = {.path = "input", .format = CLI_FORMAT_JSONL, .id_field = "id"};
    fuzz_command(cli_read_jsonl, &plain, false, data, size);
    fuzz_command(cli_read_jsonl, &with_ids, true, data, size);
    return 0;
}
