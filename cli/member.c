#include "member.h"

#include <stdlib.h>
#include <string.h>

#include "input.h"
#include "json_text.h"
#include "numbers.h"

const char *cli_kind_of(cli_span value) {
    const char c = value.text[0];
    return c == '"'               ? "a string"
           : c == '{'             ? "an object"
           : c == '['             ? "an array"
           : c == 'n'             ? "null"
           : c == 't' || c == 'f' ? "a boolean"
                                  : "a number";
}

/* Not an object, or not JSON: says what is wrong with the text. */
static _Noreturn void fail_object(const cli_object *object) {
    if (object->size <= NPV_MAX_DOCUMENT_BYTES)
        free(cli_copy_document(object->text, object->size, object->place));
    cli_fail_at(object->place, "expected a JSON object with %s, found another value", object->wanted);
}

cli_found cli_seek_member(cli_object *object, const char *name) {
    cli_found found = {.key = {NULL, 0}};
    char *const text = object->text;
    cli_members members = cli_members_of(text);
    size_t before = (size_t)(members.at - text) + 1; /* where the previous member ends */
    cli_walk step;
    object->members = 0;
    for (cli_member member; (step = cli_next_member(&members, &member)) == CLI_MEMBER; object->members++) {
        const size_t end = (size_t)(members.at - text);
        if (cli_key_is(member.key, name)) {
            if (found.key.text != NULL)
                cli_fail_at(object->place, "expected one member \"%s\", found two", name);
            const bool is_first = object->members == 0;
            found = (cli_found){member.key, member.value, before, end};
            found.begin = is_first ? (size_t)(member.key.text - text) : before;
            found.end += is_first ? strspn(text + end, " \t\r") : 0;
            found.end += is_first && text[found.end] == ',';
        }
        before = end;
    }
    if (step == CLI_MALFORMED)
        fail_object(object);
    return found;
}

void cli_take_member(cli_object *object, const cli_found *found) {
    memset(object->text + found->begin, ' ', found->end - found->begin);
    object->members--;
    /* What is left between two members that were neighbours goes with the second. */
    size_t at = 0;
    while (at < object->taken && (found->end < object->begins[at] || found->begin > object->ends[at]))
        at++;
    if (at == object->taken) {
        object->begins[at] = found->begin;
        object->ends[at] = found->end;
        object->taken++;
        return;
    }
    if (found->begin < object->begins[at])
        object->begins[at] = found->begin;
    if (found->end > object->ends[at])
        object->ends[at] = found->end;
}

char *cli_take_rest(const cli_object *object) {
    size_t left = object->size;
    for (size_t i = 0; i < object->taken; i++)
        left -= object->ends[i] - object->begins[i];
    if (left > NPV_MAX_DOCUMENT_BYTES)
        cli_fail_at(object->place, "expected a document of at most %d bytes, found %zu", NPV_MAX_DOCUMENT_BYTES, left);
    char *rest = cli_copy_document(object->text, object->size, object->place);
    if (object->members == 0) {
        free(rest);
        return NULL;
    }
    size_t to = 0;
    for (size_t from = 0; from < object->size; from++) {
        for (size_t i = 0; i < object->taken; i++)
            from = from == object->begins[i] ? object->ends[i] : from;
        rest[to++] = object->text[from];
    }
    rest[to] = '\0';
    return rest;
}

/* ----------------------------------------------------------------------------------------------------------- Ids -- */

static bool is_integer(cli_span value) {
    const char *end = cli_skip_json_number(value.text);
    return end == value.text + value.size && strcspn(value.text, ".eE") >= value.size;
}

static char *decode_id(const cli_object *object, cli_span value, const char *name) {
    cli_buffer text = {0};
    cli_append(&text, "", 0);
    if (value.text[0] != '"')
        cli_append(&text, value.text, value.size);
    else if (!cli_append_string(&text, value)) {
        free(cli_copy_document(object->text, object->size, object->place));
        cli_fail_at(object->place, "expected text as the id in \"%s\", found half of a surrogate pair", name);
    }
    if (strlen(text.text) < text.size)
        cli_fail_at(object->place, "expected an id without zero characters in \"%s\"", name);
    return text.text;
}

char *cli_take_id(cli_object *object, const char *name) {
    const cli_found found = cli_seek_member(object, name);
    char *id = NULL;
    if (found.key.text == NULL)
        cli_fail_at(object->place, "expected a member \"%s\" with the id, found none; name it with --id-field", name);
    if (found.value.text[0] == '"' || is_integer(found.value))
        id = decode_id(object, found.value, name);
    else if (found.value.size != 4 || memcmp(found.value.text, "null", 4) != 0)
        cli_fail_at(object->place, "expected a string or an integer in %.*s, found %s", (int)found.key.size,
                    found.key.text, cli_kind_of(found.value));
    cli_take_member(object, &found);
    return id;
}
