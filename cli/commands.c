#include "commands.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "progress.h"

npv_store *cli_open_store(const char *path) {
    npv_store *store;
    npv_error error;
    if (npv_open(path, NULL, &store, &error) != NPV_OK)
        cli_fail_npv(path, &error);
    return store;
}

npv_info cli_get_info(npv_store *store) {
    npv_error error;
    npv_info info = {.size = sizeof info};
    if (npv_get_info(store, &info, &error) != NPV_OK)
        cli_fail("%s", error.message);
    return info;
}

void cli_save_store(npv_store *store, const char *path, bool compress) {
    npv_error error;
    npv_save_options options = NPV_SAVE_OPTIONS_INIT;
    options.compress = compress;
    cli_progress_phase("saving");
    if (npv_save(store, path, &options, &error) != NPV_OK)
        cli_fail_npv(path, &error);
    cli_progress_end();
}

void cli_need_npz(const char *path) {
    const size_t length = strlen(path);
    if (length <= 4 || strcmp(path + length - 4, ".npz") != 0)
        cli_fail_usage("%s: expected a store's name, which ends in .npz", path);
}

bool cli_exists(const char *path) {
    struct stat file;
    if (lstat(path, &file) == 0)
        return true;
    if (errno != ENOENT)
        cli_fail_io(path, "looking for the file");
    return false;
}

void cli_refuse_to_overwrite(const char *path, bool force) {
    if (!force && cli_exists(path))
        cli_fail("%s: the file is there already; --force replaces it", path);
}

void cli_miss_document(npv_store *store, const char *path, const npv_error *error) {
    static bool said;
    if (error->code != NPV_E_UNSUPPORTED || cli_get_info(store).metadata != NPV_METADATA_TYPED)
        cli_fail_npv(path, error);
    if (!said)
        cli_warn("%s: %s", path, error->message);
    said = true;
}

char *cli_get_document(npv_store *store, const char *path, uint64_t row) {
    npv_error error;
    char *document = NULL;
    if (npv_get_document(store, row, &document, &error) != NPV_OK)
        cli_miss_document(store, path, &error);
    return document;
}
