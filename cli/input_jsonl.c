/* JSON Lines: objects that hold a vector; the rest of each is its document. */
#include <stdlib.h>
#include <string.h>

#include "input.h"
#include "json_text.h"
#include "lines.h"
#include "numbers.h"

/* The member that holds the vector, and what goes with it when it is cut out. */
typedef struct found {
    cli_span key, value;
    char *cut_begin, *cut_end; /* from the comma before it, or to the comma behind it */
    size_t members;
} found;

/* Not an object, or not JSON: says what is wrong with the line. */
static _Noreturn void fail_line(const char *text, size_t size, cli_place place) {
    if (size <= NPV_MAX_DOCUMENT_BYTES)
        free(cli_copy_document(text, size, place));
    cli_fail_at(place, "expected a JSON object with a vector, found another value");
}

static const char *kind_of(cli_span value) {
    const char c = value.text[0];
    return c == '"'               ? "a string"
           : c == '{'             ? "an object"
           : c == 'n'             ? "null"
           : c == 't' || c == 'f' ? "a boolean"
                                  : "a number";
}

/* Looks for the member `name` of the whole line. */
static found find_vector(char *text, size_t size, const char *name, cli_place place) {
    found result = {.members = 0};
    cli_members members = cli_members_of(text);
    size_t before = (size_t)(members.at - text) + 1; /* where the previous member ends */
    cli_walk step;
    for (cli_member member; (step = cli_next_member(&members, &member)) == CLI_MEMBER; result.members++) {
        const size_t end = (size_t)(members.at - text);
        if (cli_key_is(member.key, name)) {
            if (result.key.text != NULL)
                cli_fail_at(place, "expected one member \"%s\", found two", name);
            const bool is_first = result.members == 0;
            result.key = member.key;
            result.value = member.value;
            result.cut_begin = is_first ? text + (member.key.text - text) : text + before;
            result.cut_end = text + end + (is_first ? strspn(text + end, " \t\r") : 0);
            result.cut_end += is_first && *result.cut_end == ',';
        }
        before = end;
    }
    if (step == CLI_MALFORMED)
        fail_line(text, size, place);
    return result;
}

static found find_named_vector(char *text, size_t size, const char *name, cli_place place) {
    const char *asked = name == NULL ? "vector" : name;
    found vector = find_vector(text, size, asked, place);
    if (vector.key.text == NULL && name == NULL)
        vector = find_vector(text, size, "embedding", place);
    if (vector.key.text == NULL)
        cli_fail_at(place, "expected a member \"%s\" with the vector, found none; name it with --vector-field", asked);
    if (vector.value.text[0] != '[')
        cli_fail_at(place, "expected an array of numbers in %.*s, found %s", (int)vector.key.size, vector.key.text,
                    kind_of(vector.value));
    return vector;
}

/* The line without its vector; NULL if that leaves nothing. */
static char *take_document(char *text, size_t size, const found *vector, cli_place place) {
    const size_t cut = (size_t)(vector->cut_end - vector->cut_begin);
    if (size - cut > NPV_MAX_DOCUMENT_BYTES)
        cli_fail_at(place, "expected a document of at most %d bytes, found %zu", NPV_MAX_DOCUMENT_BYTES, size - cut);
    /* Blanks keep the columns as they are for the check. */
    memset(vector->cut_begin, ' ', cut);
    char *document = cli_copy_document(text, size, place);
    if (vector->members == 1) {
        free(document);
        return NULL;
    }
    const size_t begin = (size_t)(vector->cut_begin - text);
    memmove(document + begin, document + begin + cut, size - begin - cut + 1);
    return document;
}

void cli_read_jsonl(const cli_input *input, cli_adder *adder) {
    cli_lines lines = cli_open_lines(input->path);
    cli_vector vector = {0};
    char *text;
    size_t size;
    while (cli_next_filled_line(&lines, &text, &size)) {
        const cli_place place = cli_lines_place(&lines);
        const found member = find_named_vector(text, size, input->vector_field, place);
        vector.count = 0;
        cli_read_json_numbers(member.value.text, &vector, place);
        cli_add_row(adder, vector.values, vector.count, take_document(text, size, &member, place), place);
    }
    free(vector.values);
    cli_close_lines(&lines);
}
