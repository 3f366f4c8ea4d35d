/* npv_verify and npv_repair: what is wrong with a store's files, and what can be had of them. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "salvage.h"
#include "save.h"

/* A writer that saves replaces the archive and then the journal. */
#define MOST_ROUNDS 100

static npv_status salvage_once(const char *path, const char *journal_path, npv_findings *findings, npv_salvage *salvage,
                               bool *again, npv_error *error) {
    npv_status status = npv_salvage_archive(path, findings, salvage, error);
    *again = false;
    if (status == NPV_OK && npv_ends_in_npz(path))
        status = npv_salvage_journal(journal_path, salvage, again, error);
    if (status == NPV_OK && findings->status != NPV_OK)
        status = npv_fail_memory(error, "what was found", findings->lines.size);
    if (status == NPV_OK && salvage->store != NULL) {
        findings->counts.rows = salvage->store->rows - salvage->store->deleted;
        findings->counts.rows_partial =
            salvage->partial < findings->counts.rows ? salvage->partial : findings->counts.rows;
    }
    return status;
}

/* On success there is something to free. */
static npv_status salvage_at_once(const char *path, npv_findings *findings, npv_salvage *salvage, npv_error *error) {
    char *journal_path = NULL;
    bool again = true;
    npv_status status = npv_journal_path(path, &journal_path, error);
    for (int round = 0; status == NPV_OK && again; round++) {
        npv_findings_clear(findings);
        status = round < MOST_ROUNDS
                     ? salvage_once(path, journal_path, findings, salvage, &again, error)
                     : npv_fail(error, NPV_E_BUSY, "%s: it is replaced faster than it can be read", path);
        if (round < MOST_ROUNDS && (status != NPV_OK || again))
            npv_salvage_free(salvage);
    }
    free(journal_path);
    return status;
}

static void give_counts(const npv_findings *findings, npv_verification *result) {
    if (result == NULL)
        return;
    npv_verification counts = findings->counts;
    counts.size = result->size;
    memcpy(result, &counts, result->size < sizeof counts ? result->size : sizeof counts);
}

npv_status npv_verify(const char *path, npv_report *report, void *context, npv_verification *result, npv_error *error) {
    npv_findings findings = {.path = path};
    npv_salvage salvage;
    if (path == NULL)
        return npv_fail(error, NPV_E_ARGUMENT, "npv_verify: expected a path, found NULL");
    const npv_status status = salvage_at_once(path, &findings, &salvage, error);
    if (status == NPV_OK) {
        npv_findings_tell(&findings, report, context);
        give_counts(&findings, result);
        npv_salvage_free(&salvage);
    }
    npv_findings_clear(&findings);
    return status;
}

/* ------------------------------------------------------------------------------------------------------ Repair -- */

static npv_status check_free(const char *path, npv_error *error) {
    struct stat file;
    if (lstat(path, &file) == 0)
        return npv_fail(error, NPV_E_EXISTS, "%s: the file is there already, and is never overwritten", path);
    return errno == ENOENT ? NPV_OK : npv_fail_io(error, path, "looking for it");
}

static npv_status check_destination(const char *to, npv_error *error) {
    char *journal_path = NULL;
    if (!npv_ends_in_npz(to))
        return npv_fail(error, NPV_E_ARGUMENT, "%s: expected a name that ends in .npz", to);
    npv_status status = check_free(to, error);
    if (status == NPV_OK)
        status = npv_journal_path(to, &journal_path, error);
    if (status == NPV_OK)
        status = check_free(journal_path, error);
    free(journal_path);
    return status;
}

/* Makes an empty file of that name, which is ours to replace; its permissions are those of the original. */
static npv_status claim(const char *from, const char *to, npv_error *error) {
    struct stat file;
    if (stat(from, &file) != 0)
        return npv_fail_io(error, from, "looking for it");
    const int fd = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, file.st_mode & (mode_t)0777);
    if (fd < 0 && errno == EEXIST)
        return check_free(to, error);
    if (fd < 0)
        return npv_fail_io(error, to, "creating it");
    close(fd);
    return NPV_OK;
}

static npv_status save_salvaged(const npv_salvage *salvage, const char *from, const char *to, npv_error *error) {
    if (salvage->store == NULL)
        return npv_fail(error, NPV_E_FORMAT, "%s: there are no vectors that could be saved", from);
    npv_status status = claim(from, to, error);
    if (status != NPV_OK)
        return status;
    const bool compress = salvage->parts[NPV_PART_VECTORS].found.member.deflated;
    status = npv_store_save(salvage->store, to, compress, error);
    if (status != NPV_OK)
        unlink(to);
    return status;
}

npv_status npv_repair(const char *from, const char *to, npv_report *report, void *context, npv_verification *result,
                      npv_error *error) {
    npv_findings findings = {.path = from};
    npv_salvage salvage;
    if (from == NULL || to == NULL)
        return npv_fail(error, NPV_E_ARGUMENT, "npv_repair: expected two paths, found NULL");
    npv_status status = check_destination(to, error);
    if (status == NPV_OK)
        status = salvage_at_once(from, &findings, &salvage, error);
    if (status == NPV_OK) {
        npv_findings_tell(&findings, report, context);
        status = save_salvaged(&salvage, from, to, error);
        if (status == NPV_OK)
            give_counts(&findings, result);
        npv_salvage_free(&salvage);
    }
    npv_findings_clear(&findings);
    return status;
}
