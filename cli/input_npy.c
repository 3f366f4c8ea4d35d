/* .npy and .npz: what npv_open reads. */
#include <string.h>

#include "input.h"

static char *document_of(npv_store *source, const char *path, uint64_t row) {
    npv_error error;
    char *document = NULL;
    if (npv_get_document(source, row, &document, &error) != NPV_OK)
        cli_fail_at((cli_place){path, "row", row}, "%s", error.message);
    return document;
}

void cli_read_npy(const cli_input *input, cli_adder *adder) {
    npv_store *source;
    npv_error error;
    npv_info info = {.size = sizeof info};
    if (strcmp(input->path, "-") == 0)
        cli_fail_usage("npy and npz are read from a file, not from standard input");
    if (npv_open(input->path, NULL, &source, &error) != NPV_OK)
        cli_fail_npv(input->path, &error);
    if (npv_get_info(source, &info, &error) != NPV_OK)
        cli_fail_npv(input->path, &error);
    if (input->documents_path != NULL && info.metadata != NPV_METADATA_NONE)
        cli_fail_usage("--metadata goes with files that hold vectors alone, and %s has documents of its own",
                       input->path);
    cli_documents *documents = cli_open_documents(input->documents_path);
    const float *vectors = npv_vectors(source);
    for (uint64_t row = 0; row < info.rows; row++) {
        char *document = documents != NULL                    ? cli_next_document(documents, input->path)
                         : info.metadata != NPV_METADATA_NONE ? document_of(source, input->path, row)
                                                              : NULL;
        cli_add_row(adder, vectors + row * info.dimensions, info.dimensions, document,
                    (cli_place){input->path, "row", row});
    }
    cli_close_documents(documents, input->path);
    cli_add_rest(adder);
    npv_close(source);
}
