#include "output.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "report.h"
#include "text.h"

static char *volatile temporary;

static void remove_temporary(void) {
    if (temporary != NULL)
        unlink(temporary);
}

/* Whoever interrupts us finds nothing left over. */
static void remove_and_stop(int number) {
    remove_temporary();
    signal(number, SIG_DFL);
    raise(number);
}

static void watch_for_the_end(void) {
    static const int NUMBERS[] = {SIGHUP, SIGINT, SIGTERM};
    atexit(remove_temporary);
    for (size_t i = 0; i < sizeof NUMBERS / sizeof *NUMBERS; i++)
        if (signal(NUMBERS[i], remove_and_stop) == SIG_IGN)
            signal(NUMBERS[i], SIG_IGN);
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
    watch_for_the_end();
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
    char *renamed = temporary;
    temporary = NULL;
    free(renamed);
}
