#include "json_lexer.h"

#include <string.h>

#include "../error.h"
#include "utf8.h"

static unsigned char peek(npv_bytes text, size_t at) {
    return at < text.size ? text.data[at] : 0;
}

static bool is_digit(unsigned char c) {
    return c >= '0' && c <= '9';
}

/* -1: no hexadecimal digit. */
static int hex(unsigned char c) {
    if (is_digit(c))
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* ------------------------------------------------------------------------------------------------------- Strings -- */

/* Bytes of the escape that begins at `at`, or 0 if it is none. */
static size_t escape_size(npv_bytes text, size_t at) {
    const unsigned char kind = peek(text, at + 1);
    if (kind != 'u')
        return kind != 0 && strchr("\"\\/bfnrt", kind) != NULL ? 2 : 0;
    for (size_t i = 2; i < 6; i++)
        if (hex(peek(text, at + i)) < 0)
            return 0;
    return 6;
}

/* Eight bytes at once. May take bytes above the first such one for it, too, and a byte above 127 never. */
static bool has_mark(const unsigned char bytes[8]) {
    const uint64_t ones = UINT64_MAX / 255, high = ones << 7;
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    const uint64_t quote = word ^ ones * '"', backslash = word ^ ones * '\\';
    return (((quote - ones) & ~quote) | ((backslash - ones) & ~backslash) | ((word - ones * 0x20) & ~word)) & high;
}

/* From `at`, behind bytes of a string that only stand for themselves: not behind all of them. */
static size_t skip_plain(npv_bytes text, size_t at) {
    while (text.size - at >= 8 && !has_mark(text.data + at))
        at += 8;
    return at;
}

static npv_status find_string_end(const npv_json_lexer *lexer, size_t at, size_t *end) {
    const npv_bytes text = lexer->text;
    for (size_t i = skip_plain(text, at + 1); i < text.size; i++) {
        if (text.data[i] == '"') {
            *end = i + 1;
            return NPV_OK;
        }
        if (text.data[i] < 0x20)
            return npv_fail_at(lexer->error, NPV_E_ARGUMENT, i,
                               "%sexpected \\n, \\t or \\u%04x in a string, found the control character itself",
                               lexer->where, (unsigned)text.data[i]);
        if (text.data[i] != '\\')
            continue;
        const size_t size = escape_size(text, i);
        if (size == 0)
            return npv_fail_at(
                lexer->error, NPV_E_ARGUMENT, i,
                "%sexpected one of \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\u0000 in a string, found another \\",
                lexer->where);
        i = skip_plain(text, i + size) - 1;
    }
    return npv_fail_at(lexer->error, NPV_E_ARGUMENT, at,
                       "%sexpected \" at the end of the string that begins here, found the end", lexer->where);
}

static uint32_t read_hex(const unsigned char *digits) {
    uint32_t value = 0;
    for (size_t i = 0; i < 4; i++)
        value = value << 4 | (uint32_t)hex(digits[i]);
    return value;
}

/* Decodes what stands at *from in a string that was found to be sound; returns how many bytes it becomes, up to 4. */
static size_t decode(npv_bytes raw, size_t *from, unsigned char decoded[4]) {
    static const char escapes[] = "b\bf\fn\nr\rt\t";
    const unsigned char *const at = raw.data + *from;
    if (*at != '\\') {
        *decoded = *at;
        *from += 1;
        return 1;
    }
    if (at[1] != 'u') {
        const char *const escape = strchr(escapes, at[1]);
        *decoded = (unsigned char)(escape == NULL ? at[1] : escape[1]);
        *from += 2;
        return 1;
    }
    const uint32_t first = read_hex(at + 2);
    *from += 6;
    const bool is_high = first >= 0xd800 && first < 0xdc00, is_followed = peek(raw, *from) == '\\' && at[7] == 'u';
    const uint32_t second = is_high && is_followed ? read_hex(at + 8) : 0;
    if (second < 0xdc00 || second >= 0xe000)
        return npv_utf8_encode(first, decoded);
    *from += 6;
    return npv_utf8_encode(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00), decoded);
}

static npv_bytes without_quotes(const npv_json_token *token) {
    return (npv_bytes){token->raw.data + 1, token->raw.size - 2};
}

size_t npv_json_decode(const npv_json_token *token, unsigned char *text) {
    const npv_bytes raw = without_quotes(token);
    unsigned char *to = text;
    for (size_t from = 0; from < raw.size;) {
        unsigned char piece[4];
        const size_t size = decode(raw, &from, piece);
        memcpy(to, piece, size);
        to += size;
    }
    return (size_t)(to - text);
}

size_t npv_json_place(const npv_json_token *token, size_t at) {
    const npv_bytes raw = without_quotes(token);
    size_t from = 0, to = 0;
    while (from < raw.size) {
        unsigned char piece[4];
        size_t behind = from;
        to += decode(raw, &behind, piece);
        if (to > at)
            break;
        from = behind;
    }
    return token->position + 1 + from;
}

/* -------------------------------------------------------------------------------------------------------- Tokens -- */

/* 0: no number begins here. */
static size_t number_size(npv_bytes text, size_t at) {
    size_t end = at + (peek(text, at) == '-');
    if (!is_digit(peek(text, end)))
        return 0;
    if (peek(text, end) == '0' && is_digit(peek(text, end + 1)))
        return 0;
    while (is_digit(peek(text, end)))
        end++;
    if (peek(text, end) == '.' && is_digit(peek(text, end + 1)))
        for (end++; is_digit(peek(text, end));)
            end++;
    const size_t exponent = end + 1 + (peek(text, end + 1) == '-' || peek(text, end + 1) == '+');
    if ((peek(text, end) | 0x20) == 'e' && is_digit(peek(text, exponent)))
        for (end = exponent; is_digit(peek(text, end));)
            end++;
    return end - at;
}

static bool is_word(unsigned char c) {
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c > 127 ||
           (c != 0 && strchr("_$+-.", c) != NULL);
}

/* Whatever begins with none of JSON's other characters: a number or a word, whether JSON has it or not. */
static size_t word_size(npv_bytes text, size_t at) {
    size_t end = at;
    while (is_word(peek(text, end)))
        end++;
    return end > at ? end - at : 1;
}

static bool is(npv_bytes word, const char *expected) {
    return strlen(expected) == word.size && memcmp(expected, word.data, word.size) == 0;
}

static npv_json_kind kind_of_word(npv_bytes word) {
    static const struct {
        const char *word;
        npv_json_kind kind;
    } words[] = {{"true", NPV_JSON_TRUE},      {"false", NPV_JSON_FALSE},         {"null", NPV_JSON_NULL},
                 {"NaN", NPV_JSON_NOT_FINITE}, {"Infinity", NPV_JSON_NOT_FINITE}, {"-Infinity", NPV_JSON_NOT_FINITE}};
    if (number_size(word, 0) == word.size)
        return NPV_JSON_NUMBER;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (is(word, words[i].word))
            return words[i].kind;
    return NPV_JSON_OTHER;
}

/* OTHER: it is no bracket, colon or comma. */
static npv_json_kind kind_of_mark(unsigned char c) {
    switch (c) {
    case '{':
        return NPV_JSON_OPEN_OBJECT;
    case '}':
        return NPV_JSON_CLOSE_OBJECT;
    case '[':
        return NPV_JSON_OPEN_ARRAY;
    case ']':
        return NPV_JSON_CLOSE_ARRAY;
    case ':':
        return NPV_JSON_COLON;
    case ',':
        return NPV_JSON_COMMA;
    default:
        return NPV_JSON_OTHER;
    }
}

npv_json_lexer npv_json_start(npv_bytes text, const char *where, npv_error *error) {
    return (npv_json_lexer){text, where, {NPV_JSON_END, 0, {text.data, 0}}, error};
}

npv_status npv_json_advance(npv_json_lexer *lexer) {
    const npv_bytes text = lexer->text;
    npv_json_token *const token = &lexer->token;
    size_t at = token->position + token->raw.size;
    while (peek(text, at) == ' ' || peek(text, at) == '\t' || peek(text, at) == '\n' || peek(text, at) == '\r')
        at++;
    *token = (npv_json_token){NPV_JSON_END, at, {text.data + at, 0}};
    if (at == text.size)
        return NPV_OK;
    if (text.data[at] == '"') {
        size_t end = at;
        const npv_status status = find_string_end(lexer, at, &end);
        if (status != NPV_OK)
            return status;
        *token = (npv_json_token){NPV_JSON_STRING, at, {text.data + at, end - at}};
        return NPV_OK;
    }
    token->kind = kind_of_mark(text.data[at]);
    token->raw.size = token->kind == NPV_JSON_OTHER ? word_size(text, at) : 1;
    if (token->kind == NPV_JSON_OTHER)
        token->kind = kind_of_word(token->raw);
    return NPV_OK;
}

npv_status npv_json_fail(const npv_json_lexer *lexer, const char *expected, const char *hint) {
    char shown[NPV_SHOWN] = "the end";
    if (lexer->token.kind != NPV_JSON_END)
        npv_bytes_show(lexer->token.raw, shown);
    return npv_fail_at(lexer->error, NPV_E_ARGUMENT, lexer->token.position, "%sexpected %s, found %s%s", lexer->where,
                       expected, shown, hint);
}

npv_status npv_json_expect(npv_json_lexer *lexer, npv_json_kind kind, const char *expected) {
    return lexer->token.kind == kind ? npv_json_advance(lexer) : npv_json_fail(lexer, expected, "");
}
