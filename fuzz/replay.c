/* Runs a fuzz target on all files of the directories that are named, and on no bytes. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int fail(const char *what, const char *path) {
    fprintf(stderr, "%s: %s\n", path, what);
    return -1;
}

static int run_file(const char *path) {
    enum { MOST = 1 << 20 };
    FILE *const file = fopen(path, "rb");
    uint8_t *const data = malloc(MOST);
    if (file == NULL || data == NULL)
        return fail("cannot be read", path);
    const size_t size = fread(data, 1, MOST, file);
    uint8_t *const exact = realloc(data, size + (size == 0)); /* so that a sanitizer sees where it ends */
    fclose(file);
    if (exact == NULL)
        return fail("no memory to read it", path);
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
    return 0;
}

/* Returns the number of files, or -1. */
static int run_directory(const char *path) {
    char name[4096];
    int count = 0;
    DIR *const directory = opendir(path);
    if (directory == NULL)
        return fail("is no directory", path);
    for (struct dirent *entry = readdir(directory); entry != NULL && count >= 0; entry = readdir(directory)) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        count = run_file(name) == 0 ? count + 1 : -1;
    }
    closedir(directory);
    return count == 0 ? fail("is empty", path) : count;
}

int main(int argc, char **argv) {
    LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
    for (int i = 1; i < argc; i++) {
        const int count = run_directory(argv[i]);
        if (count < 0)
            return 1;
        printf("%s: %d inputs\n", argv[i], count);
    }
    return 0;
}
