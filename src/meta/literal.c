#include "literal.h"

#include <stdio.h>
#include <string.h>

#include "../error.h"
#include "utf8.h"

npv_literal npv_literal_of(npv_bytes text, npv_error *error) {
    const unsigned char *const start = text.size > 0 ? text.data : (const unsigned char *)""; /* it may be NULL */
    return (npv_literal){start, start, start + text.size, NPV_OK, error};
}

bool npv_literal_expected(npv_literal *p, const char *what) {
    const size_t left = (size_t)(p->end - p->at);
    char shown[NPV_SHOWN];
    npv_bytes_show((npv_bytes){p->at, left < 16 ? left : 16}, shown);
    p->status = npv_fail(p->error, NPV_E_FORMAT, "its .npy header is damaged: expected %s at byte %zu, found '%s'",
                         what, (size_t)(p->at - p->start), shown);
    return false;
}

void npv_literal_skip_space(npv_literal *p) {
    while (p->at < p->end && (*p->at == ' ' || *p->at == '\n' || *p->at == '\t' || *p->at == '\r'))
        p->at++;
}

bool npv_literal_next_is(npv_literal *p, char wanted) {
    npv_literal_skip_space(p);
    return p->at < p->end && *p->at == (unsigned char)wanted;
}

bool npv_literal_accept(npv_literal *p, char wanted) {
    if (!npv_literal_next_is(p, wanted))
        return false;
    p->at++;
    return true;
}

bool npv_literal_character(npv_literal *p, char wanted) {
    const char what[] = {'\'', wanted, '\'', '\0'};
    return npv_literal_accept(p, wanted) || npv_literal_expected(p, what);
}

bool npv_literal_another(npv_literal *p, char end) {
    return npv_literal_accept(p, ',') && !npv_literal_next_is(p, end);
}

bool npv_literal_string(npv_literal *p, npv_bytes *string) {
    npv_literal_skip_space(p);
    if (p->at == p->end || (*p->at != '\'' && *p->at != '"'))
        return npv_literal_expected(p, "a string");
    const unsigned char quote = *p->at++;
    string->data = p->at;
    while (p->at < p->end && *p->at != quote && *p->at >= 0x20)
        p->at += *p->at == '\\' && p->end - p->at > 1 ? 2 : 1;
    if (p->at == p->end || *p->at != quote)
        return npv_literal_expected(p, "the end of a string");
    string->size = (size_t)(p->at - string->data);
    p->at++;
    return true;
}

static bool is_digit(const npv_literal *p) {
    return p->at < p->end && *p->at >= '0' && *p->at <= '9';
}

bool npv_literal_number(npv_literal *p, uint64_t *number) {
    npv_literal_skip_space(p);
    if (!is_digit(p))
        return npv_literal_expected(p, "a number");
    *number = 0;
    for (; is_digit(p); p->at++)
        if (__builtin_mul_overflow(*number, 10U, number) ||
            __builtin_add_overflow(*number, (uint64_t)(*p->at - '0'), number))
            return npv_literal_expected(p, "a number below 2**64");
    return true;
}

bool npv_literal_bool(npv_literal *p, bool *value) {
    npv_literal_skip_space(p);
    const size_t left = (size_t)(p->end - p->at);
    *value = left >= 4 && memcmp(p->at, "True", 4) == 0;
    if (!*value && (left < 5 || memcmp(p->at, "False", 5) != 0))
        return npv_literal_expected(p, "True or False");
    p->at += *value ? 4 : 5;
    return true;
}

bool npv_literal_numbers(npv_literal *p, unsigned *count, uint64_t numbers[NPV_LITERAL_MAX_NUMBERS]) {
    *count = 0;
    if (!npv_literal_character(p, '('))
        return false;
    if (npv_literal_accept(p, ')'))
        return true;
    bool more = true;
    while (more) {
        if (*count == NPV_LITERAL_MAX_NUMBERS)
            return npv_literal_expected(p, "at most 64 axes");
        if (!npv_literal_number(p, &numbers[(*count)++]))
            return false;
        if (*count == 1 && !npv_literal_next_is(p, ','))
            return npv_literal_expected(p, "','");
        more = npv_literal_another(p, ')');
    }
    return npv_literal_character(p, ')');
}

/* ----------------------------------------------------------------------------------------------------- Escapes -- */

/* Escapes of one letter that repr writes, and what they stand for. */
static const char LETTERS[][2] = {{'\\', '\\'}, {'\'', '\''}, {'"', '"'}, {'n', '\n'}, {'r', '\r'}, {'t', '\t'}};

static int hex_digit(unsigned char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* Takes what follows a backslash. False: an escape that repr does not write. */
static bool take_escape(npv_bytes *rest, uint32_t *code_point) {
    if (rest->size == 0)
        return false;
    const unsigned char letter = *rest->data;
    *rest = (npv_bytes){rest->data + 1, rest->size - 1};
    for (size_t i = 0; i < sizeof LETTERS / sizeof *LETTERS; i++)
        if (letter == (unsigned char)LETTERS[i][0]) {
            *code_point = (unsigned char)LETTERS[i][1];
            return true;
        }
    const size_t digits = letter == 'x' ? 2 : letter == 'u' ? 4 : letter == 'U' ? 8 : 0;
    if (digits == 0 || rest->size < digits)
        return false;
    *code_point = 0;
    for (size_t i = 0; i < digits; i++) {
        const int digit = hex_digit(rest->data[i]);
        if (digit < 0)
            return false;
        *code_point = *code_point << 4 | (uint32_t)digit;
    }
    *rest = (npv_bytes){rest->data + digits, rest->size - digits};
    return true;
}

static bool is_text(uint32_t code_point) {
    return code_point > 0 && code_point <= NPV_MAX_CODE_POINT && (code_point < 0xd800 || code_point > 0xdfff);
}

size_t npv_literal_unescape(npv_bytes string, char *text) {
    size_t length = 0;
    while (string.size > 0) {
        const unsigned char c = *string.data;
        string = (npv_bytes){string.data + 1, string.size - 1};
        uint32_t code_point = 0;
        if (c != '\\') {
            text[length++] = (char)c;
        } else if (take_escape(&string, &code_point) && is_text(code_point)) {
            length += npv_utf8_encode(code_point, (unsigned char *)text + length);
        } else {
            return SIZE_MAX;
        }
    }
    return length;
}

/*
 * Characters that str.isprintable says no to, and repr escapes: those that are assigned and invisible. What Unicode has
 * not assigned yet depends on Python's version, and stays as it is.
 */
static bool is_printable(uint32_t c) {
    static const uint32_t HIDDEN[][2] = {{0, 0x1f},          {0x7f, 0xa0},       {0xad, 0xad},     {0x600, 0x605},
                                         {0x61c, 0x61c},     {0x6dd, 0x6dd},     {0x70f, 0x70f},   {0x1680, 0x1680},
                                         {0x180e, 0x180e},   {0x2000, 0x200f},   {0x2028, 0x202f}, {0x205f, 0x206f},
                                         {0x3000, 0x3000},   {0xd800, 0xf8ff},   {0xfeff, 0xfeff}, {0xfff9, 0xfffb},
                                         {0xe0000, 0xe007f}, {0xf0000, 0x10ffff}};
    for (size_t i = 0; i < sizeof HIDDEN / sizeof *HIDDEN; i++)
        if (c >= HIDDEN[i][0] && c <= HIDDEN[i][1])
            return false;
    return true;
}

/* repr's spelling of a character: itself, or its escape. */
static size_t spell(npv_bytes character, uint32_t code_point, char quote, char spelled[12]) {
    for (size_t i = 0; i < sizeof LETTERS / sizeof *LETTERS; i++) {
        const char c = LETTERS[i][1];
        if (code_point == (unsigned char)c && ((c != '\'' && c != '"') || c == quote))
            return (size_t)snprintf(spelled, 12, "\\%c", LETTERS[i][0]);
    }
    if (!is_printable(code_point))
        return (size_t)snprintf(spelled, 12,
                                code_point < 0x100     ? "\\x%02x"
                                : code_point < 0x10000 ? "\\u%04x"
                                                       : "\\U%08x",
                                (unsigned)code_point);
    memcpy(spelled, character.data, character.size);
    return character.size;
}

npv_status npv_literal_append_string(npv_buffer *literal, npv_bytes text, npv_error *error) {
    const bool single = text.size > 0 && memchr(text.data, '\'', text.size) != NULL;
    const char quote = single && memchr(text.data, '"', text.size) == NULL ? '"' : '\'';
    npv_status status = npv_buffer_append(literal, &quote, 1, error);
    while (status == NPV_OK && text.size > 0) {
        uint32_t code_point = 0;
        char spelled[12];
        const size_t size = npv_utf8_decode(text, &code_point);
        status =
            npv_buffer_append(literal, spelled, spell((npv_bytes){text.data, size}, code_point, quote, spelled), error);
        text = (npv_bytes){text.data + size, text.size - size};
    }
    return status == NPV_OK ? npv_buffer_append(literal, &quote, 1, error) : status;
}
