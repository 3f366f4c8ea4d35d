/* JSON Lines, as `npvec add` and `npvec upsert` read them. */
#include "command.h"
#include "scratch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const cli_input plain = {.path = fuzz_file(data, size), .format = CLI_FORMAT_JSONL};
    const cli_input with_ids = {.path = plain.path, .format = CLI_FORMAT_JSONL, .id_field = "id"};
    fuzz_read(cli_read_jsonl, &plain, false);
    fuzz_read(cli_read_jsonl, &with_ids, true);
    return 0;
}
