// npvec.h is C++ too: this compiles without a warning, links, and runs.
#include <npvec.h>

#include <cstdio>
#include <cstring>

int main() {
    npv_store_options store_options = NPV_STORE_OPTIONS_INIT;
    const npv_save_options save_options = NPV_SAVE_OPTIONS_INIT;
    const npv_batch batch = NPV_BATCH_INIT;
    const npv_search_options search_options = NPV_SEARCH_OPTIONS_INIT;
    npv_store *store = nullptr;
    npv_error error;
    store_options.dimensions = 3;
    if (npv_create(&store_options, &store, &error) != NPV_OK)
        return std::fprintf(stderr, "%s\n", error.message), 1;
    npv_close(store);
    char version[32];
    std::snprintf(version, sizeof version, "%d.%d.%d", NPV_VERSION_MAJOR, NPV_VERSION_MINOR, NPV_VERSION_PATCH);
    return std::strcmp(version, npv_version()) != 0 || save_options.size == 0 || batch.size == 0 ||
           search_options.size == 0;
}
