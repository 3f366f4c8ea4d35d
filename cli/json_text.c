#include "json_text.h"

#include <stdlib.h>
#include <string.h>

#define SPACES " \t\r\n"

/* ------------------------------------------------------------------------------------------------------ Walking -- */

/* All of these return the place behind what they skip, or NULL. */
static const char *skip_string(const char *text) {
    for (text++; *text != '"'; text++) {
        text += *text == '\\';
        if (*text == '\0')
            return NULL;
    }
    return text + 1;
}

static const char *skip_container(const char *text) {
    size_t depth = 0;
    do {
        if (*text == '\0')
            return NULL;
        if (*text == '"') {
            text = skip_string(text);
            if (text == NULL)
                return NULL;
            continue;
        }
        depth += *text == '[' || *text == '{';
        depth -= *text == ']' || *text == '}';
        text++;
    } while (depth > 0);
    return text;
}

static const char *skip_value(const char *text) {
    if (*text == '"')
        return skip_string(text);
    if (*text == '[' || *text == '{')
        return skip_container(text);
    const size_t size = strcspn(text, SPACES ",]}\":[{");
    return size == 0 ? NULL : text + size;
}

static const char *skip_spaces(const char *text) {
    return text + strspn(text, SPACES);
}

cli_members cli_members_of(const char *json) {
    return (cli_members){skip_spaces(json), false};
}

/* To the key of the next member, or to the closing bracket. NULL if neither stands there. */
static const char *find_next(cli_members *members) {
    const char *at = skip_spaces(members->at);
    const bool first = !members->begun;
    members->begun = true;
    if (first && *at != '{')
        return NULL;
    if (!first && *at == '}')
        return at;
    if (!first && *at != ',')
        return NULL;
    at = skip_spaces(at + 1);
    return *at == '"' || (first && *at == '}') ? at : NULL;
}

cli_walk cli_next_member(cli_members *members, cli_member *member) {
    const char *key = find_next(members);
    if (key == NULL)
        return CLI_MALFORMED;
    if (*key == '}')
        return *skip_spaces(key + 1) == '\0' ? CLI_END : CLI_MALFORMED;
    const char *at = skip_string(key);
    if (at == NULL)
        return CLI_MALFORMED;
    member->key = (cli_span){key, (size_t)(at - key)};
    at = skip_spaces(at);
    if (*at != ':')
        return CLI_MALFORMED;
    const char *value = skip_spaces(at + 1);
    members->at = skip_value(value);
    if (members->at == NULL)
        return CLI_MALFORMED;
    member->value = (cli_span){value, (size_t)(members->at - value)};
    return CLI_MEMBER;
}

/* \ud800 becomes \ue800, \u0000 becomes \ue000. */
static void replace_escapes(char *json) {
    for (char *at = strchr(json, '\\'); at != NULL && at[1] != '\0'; at = strchr(at + 2, '\\'))
        if (strncmp(at, "\\u0000", 6) == 0 || strncmp(at, "\\ud", 3) == 0 || strncmp(at, "\\uD", 3) == 0)
            at[2] = 'e';
}

json_t *cli_check_json(const char *text, size_t size, size_t flags, json_error_t *mistake) {
    cli_buffer copy = {0};
    cli_append(&copy, text, size);
    replace_escapes(copy.text);
    json_t *json = json_loadb(copy.text, size, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL | flags, mistake);
    free(copy.text);
    return json;
}

/* NULL if it is no string, or one that spells no text (half of a surrogate pair). */
static json_t *decode_string(cli_span json) {
    if (json.size == 0 || json.text[0] != '"')
        return NULL;
    return json_loadb(json.text, json.size, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
}

bool cli_key_is(cli_span key, const char *name) {
    const size_t size = strlen(name);
    if (memchr(key.text, '\\', key.size) == NULL)
        return key.size == size + 2 && memcmp(key.text + 1, name, size) == 0;
    json_t *decoded = decode_string(key);
    const bool is =
        decoded != NULL && json_string_length(decoded) == size && memcmp(json_string_value(decoded), name, size) == 0;
    json_decref(decoded);
    return is;
}

bool cli_find_member(const char *json, const char *name, cli_span *value) {
    cli_members members = cli_members_of(json);
    for (cli_member member; cli_next_member(&members, &member) == CLI_MEMBER;)
        if (cli_key_is(member.key, name)) {
            *value = member.value;
            return true;
        }
    return false;
}

/* ------------------------------------------------------------------------------------------------------ Writing -- */

bool cli_append_string(cli_buffer *buffer, cli_span value) {
    json_t *decoded = decode_string(value);
    if (decoded == NULL)
        return false;
    cli_append(buffer, json_string_value(decoded), json_string_length(decoded));
    json_decref(decoded);
    return true;
}

void cli_append_value(cli_buffer *buffer, cli_span value) {
    if (!cli_append_string(buffer, value))
        cli_append(buffer, value.text, value.size);
}

void cli_append_json_string(cli_buffer *buffer, const char *text, size_t size) {
    const char *const end = text + size;
    const char *plain = text;
    cli_append(buffer, "\"", 1);
    while (text < end) {
        const char *const start = text;
        const uint32_t character = cli_next_character(&text, end);
        if (character != CLI_NOT_UTF8 && character >= ' ' && character != '"' && character != '\\')
            continue;
        cli_append(buffer, plain, (size_t)(start - plain));
        plain = text;
        if (character == CLI_NOT_UTF8)
            cli_append(buffer, "\xef\xbf\xbd", 3);
        else if (character < ' ')
            cli_append_format(buffer, "\\u%04x", (unsigned)character);
        else
            cli_append_format(buffer, "\\%c", (int)character);
    }
    cli_append(buffer, plain, (size_t)(end - plain));
    cli_append(buffer, "\"", 1);
}

void cli_print_json_string(const char *text) {
    cli_buffer json = {0};
    cli_append_json_string(&json, text, strlen(text));
    cli_print_json(stdout, (cli_span){json.text, json.size});
    free(json.text);
}

void cli_print_json(FILE *file, cli_span json) {
    const char *const end = json.text + json.size;
    const char *plain = json.text;
    for (const char *at = json.text; at < end;) {
        const char *const start = at;
        const uint32_t character = cli_next_character(&at, end);
        if (character == CLI_NOT_UTF8 || !cli_is_unsafe(character))
            continue;
        fwrite(plain, 1, (size_t)(start - plain), file);
        fprintf(file, "\\u%04x", (unsigned)character);
        plain = at;
    }
    fwrite(plain, 1, (size_t)(end - plain), file);
}

void cli_print_json_double(double value) {
    char text[32];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    printf("%s%s", text, strpbrk(text, ".e") == NULL ? ".0" : "");
}
