#include "input.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "json_text.h"
#include "lines.h"
#include "member.h"

static const struct {
    const char *name;
    cli_format format;
} NAMES[] = {{"npz", CLI_FORMAT_NPZ},      {"npy", CLI_FORMAT_NPY}, {"jsonl", CLI_FORMAT_JSONL},
             {"ndjson", CLI_FORMAT_JSONL}, {"csv", CLI_FORMAT_CSV}, {"fvecs", CLI_FORMAT_FVECS}};

cli_format cli_format_named(const char *name) {
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++)
        if (strcasecmp(name, NAMES[i].name) == 0)
            return NAMES[i].format;
    return CLI_FORMAT_UNKNOWN;
}

cli_format cli_format_of_path(const char *path) {
    const char *point = strrchr(path, '.');
    return point == NULL ? CLI_FORMAT_UNKNOWN : cli_format_named(point + 1);
}

cli_format cli_format_of_input(const char *path) {
    char head[64] = "";
    struct stat status;
    const cli_format by_name = cli_format_of_path(path);
    /* What was read from a pipe to look at it would be gone. */
    if (strcmp(path, "-") == 0 || (stat(path, &status) == 0 && !S_ISREG(status.st_mode)))
        return by_name == CLI_FORMAT_UNKNOWN ? CLI_FORMAT_JSONL : by_name;
    FILE *file = cli_open_input(path);
    const size_t size = fread(head, 1, sizeof head - 1, file);
    if (size == 0 && ferror(file))
        cli_fail_io(path, "reading");
    fclose(file);
    if (memcmp(head, "\x93NUMPY", 6) == 0)
        return CLI_FORMAT_NPY;
    if (memcmp(head, "PK", 2) == 0 && (head[2] == 3 || head[2] == 5))
        return CLI_FORMAT_NPZ;
    if (by_name == CLI_FORMAT_UNKNOWN && head[strspn(head, " \t\r\n\xef\xbb\xbf")] == '{')
        return CLI_FORMAT_JSONL;
    return by_name;
}

void cli_read_input(const cli_input *input, cli_adder *adder) {
    if (input->documents_path != NULL && (input->format == CLI_FORMAT_JSONL || input->format == CLI_FORMAT_CSV))
        cli_fail_usage("--metadata goes with files that hold vectors alone, and %s has documents of its own",
                       cli_input_name(input->path));
    if (input->id_field_given && input->documents_path == NULL &&
        (input->format == CLI_FORMAT_NPY || input->format == CLI_FORMAT_FVECS))
        cli_fail_usage("--id-field goes with documents, and %s has none; name a file with them with --metadata",
                       cli_input_name(input->path));
    switch (input->format) {
    case CLI_FORMAT_NPZ:
    case CLI_FORMAT_NPY:
        cli_read_npy(input, adder);
        return;
    case CLI_FORMAT_JSONL:
        cli_read_jsonl(input, adder);
        return;
    case CLI_FORMAT_CSV:
        cli_read_csv(input, adder);
        return;
    case CLI_FORMAT_FVECS:
        cli_read_fvecs(input, adder);
        return;
    case CLI_FORMAT_UNKNOWN:
        break;
    }
    cli_fail_usage(
        "%s: neither its name nor its first bytes tell its format; say --format npy, npz, jsonl, csv or fvecs",
        input->path);
}

/* ---------------------------------------------------------------------------------------------------- Documents -- */

/* Checked here and not only by npv_add, because here the column is still that of the line. */
char *cli_copy_document(const char *text, size_t size, cli_place place) {
    json_error_t mistake;
    json_t *json = cli_check_json(text, size, JSON_REJECT_DUPLICATES, &mistake);
    if (json == NULL)
        cli_fail_at(place, "column %d: expected one JSON value: %s", mistake.column, mistake.text);
    const bool is_null = json_is_null(json);
    json_decref(json);
    return is_null ? NULL : cli_copy(text, size);
}

struct cli_documents {
    cli_lines lines;
    uint64_t count;
};

cli_documents *cli_open_documents(const char *path) {
    if (path == NULL)
        return NULL;
    cli_documents *documents = cli_resize(NULL, 1, sizeof *documents);
    *documents = (cli_documents){cli_open_lines(path), 0};
    return documents;
}

char *cli_next_document(cli_documents *documents, const cli_input *input, char **id) {
    char *text;
    size_t size;
    if (!cli_next_filled_line(&documents->lines, &text, &size))
        cli_fail("%s: expected a document for each vector of %s, one a line, found only %" PRIu64,
                 documents->lines.path, cli_input_name(input->path), documents->count);
    documents->count++;
    *id = NULL;
    if (input->id_field == NULL)
        return cli_copy_document(text, size, cli_lines_place(&documents->lines));
    cli_object object = {.text = text, .size = size, .wanted = "an id", .place = cli_lines_place(&documents->lines)};
    *id = cli_take_id(&object, input->id_field);
    return cli_take_rest(&object);
}

void cli_close_documents(cli_documents *documents, const char *vectors_path) {
    char *text;
    size_t size;
    if (documents == NULL)
        return;
    if (cli_next_filled_line(&documents->lines, &text, &size))
        cli_fail_at(cli_lines_place(&documents->lines),
                    "expected the end, because %s has %" PRIu64 " vectors, found another document", vectors_path,
                    documents->count);
    cli_close_lines(&documents->lines);
    free(documents);
}
