#include "output.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "report.h"
#include "text.h"

static char *temporary;

static void remove_temporary(void) {
    if (temporary != NULL)
        unlink(temporary);
    free(temporary);
    temporary = NULL;
}

FILE *cli_open_output(const char *path) {
    cli_buffer name = {0};
    const char *slash = strrchr(path, '/');
    const size_t directory = slash == NULL ? 0 : (size_t)(slash - path) + 1;
    cli_append(&name, path, directory);
    cli_append_format(&name, ".%s.XXXXXX", path + directory);
    const int fd = mkstemp(name.text);
    if (fd < 0)
        cli_fail_io(path, "creating a file beside it");
    temporary = name.text;
    atexit(remove_temporary);
    /* mkstemp lets nobody else read the file; the mask says who may. */
    const mode_t mask = umask(0);
    umask(mask);
    FILE *file = fchmod(fd, 0666 & ~mask) == 0 ? fdopen(fd, "wb") : NULL;
    if (file == NULL)
        cli_fail_io(path, "creating a file beside it");
    return file;
}

void cli_commit_output(FILE *file, const char *path) {
    if (ferror(file) || fflush(file) != 0 || fsync(fileno(file)) != 0)
        cli_fail_io(path, "writing");
    if (fclose(file) != 0)
        cli_fail_io(path, "writing");
    if (rename(temporary, path) != 0)
        cli_fail_io(path, "renaming the new file");
    free(temporary);
    temporary = NULL;
}
