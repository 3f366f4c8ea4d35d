#include "lexer.h"

#include <string.h>

#include "../error.h"

static bool is_digit(unsigned char c) {
    return c >= '0' && c <= '9';
}

/* As in path.h, the digits and the '-' that may not be first included. */
static bool is_name(unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '_' || c == '$' || c == '@' ||
           c == '-' || c > 127;
}

/* The byte at `at`, or 0 behind the end: it stands in no text, which ends with it. */
static unsigned char peek(npv_bytes text, size_t at) {
    return at < text.size ? text.data[at] : 0;
}

static bool equals_ignoring_case(npv_bytes text, const char *upper) {
    for (size_t i = 0; i < text.size; i++) {
        const unsigned char c = text.data[i];
        if ((c >= 'a' && c <= 'z' ? c - ('a' - 'A') : c) != upper[i]) /* the zero at its end, too, is different */
            return false;
    }
    return upper[text.size] == '\0';
}

static npv_token_kind kind_of_word(npv_bytes word) {
    static const char *const keywords[] = {"AND",    "OR",       "NOT", "IN",     "BETWEEN", "LIKE",  "ILIKE",
                                           "ESCAPE", "CONTAINS", "IS",  "EXISTS", "TRUE",    "FALSE", "NULL"};
    for (size_t i = 0; i < sizeof keywords / sizeof *keywords; i++)
        if (equals_ignoring_case(word, keywords[i]))
            return (npv_token_kind)(NPV_TOKEN_AND + i);
    return NPV_TOKEN_NAME;
}

/* Behind the quote that ends what begins at `at`; doubled ones do not. */
static npv_status find_quote(npv_bytes text, size_t at, size_t *end, npv_error *error) {
    const unsigned char quote = text.data[at];
    for (size_t i = at + 1; i < text.size; i++) {
        if (text.data[i] != quote)
            continue;
        if (peek(text, i + 1) != quote) {
            *end = i + 1;
            return NPV_OK;
        }
        i++;
    }
    return npv_fail_at(error, NPV_E_ARGUMENT, at, "expected %c at the end of the %s that begins here, found the end",
                       quote, quote == '"' ? "name" : "text");
}

static size_t skip_digits(npv_bytes text, size_t at) {
    while (is_digit(peek(text, at)))
        at++;
    return at;
}

static size_t skip_sign(npv_bytes text, size_t at) {
    return at + (peek(text, at) == '-' || peek(text, at) == '+');
}

static bool begins_number(npv_bytes text, size_t at) {
    at = skip_sign(text, at);
    return is_digit(peek(text, at)) || (peek(text, at) == '.' && is_digit(peek(text, at + 1)));
}

static npv_status find_number_end(npv_bytes text, size_t at, size_t *end, npv_error *error) {
    const size_t begin = at;
    at = skip_digits(text, skip_sign(text, at));
    if (peek(text, at) == '.')
        at = skip_digits(text, at + 1);
    const size_t exponent = skip_sign(text, at + 1);
    if ((peek(text, at) | 0x20) == 'e' && is_digit(peek(text, exponent)))
        at = skip_digits(text, exponent);
    *end = at;
    if (!is_name(peek(text, at)) && peek(text, at) != '.')
        return NPV_OK;
    while (is_name(peek(text, at)) || peek(text, at) == '.')
        at++;
    char shown[NPV_SHOWN];
    npv_bytes_show((npv_bytes){text.data + begin, at - begin}, shown);
    return npv_fail_at(
        error, NPV_E_ARGUMENT, begin,
        "expected a decimal number, found %s; text and dates stand in single quotes, names that begin with a "
        "digit in double quotes",
        shown);
}

/* How many bytes of an operator, a bracket or what else there is stand at `at`, and what it is. */
static size_t read_sign(npv_bytes text, size_t at, npv_token *token) {
    static const struct {
        const char *text;
        npv_token_kind kind;
        npv_comparison comparison;
    } signs[] = {{"==", NPV_TOKEN_COMPARISON, NPV_COMPARE_EQUAL},
                 {"=", NPV_TOKEN_COMPARISON, NPV_COMPARE_EQUAL},
                 {"!=", NPV_TOKEN_COMPARISON, NPV_COMPARE_NOT_EQUAL},
                 {"<>", NPV_TOKEN_COMPARISON, NPV_COMPARE_NOT_EQUAL},
                 {"<=", NPV_TOKEN_COMPARISON, NPV_COMPARE_LESS_OR_EQUAL},
                 {"<", NPV_TOKEN_COMPARISON, NPV_COMPARE_LESS},
                 {">=", NPV_TOKEN_COMPARISON, NPV_COMPARE_GREATER_OR_EQUAL},
                 {">", NPV_TOKEN_COMPARISON, NPV_COMPARE_GREATER},
                 {"?", NPV_TOKEN_PARAMETER, 0},
                 {"(", NPV_TOKEN_OPEN, 0},
                 {")", NPV_TOKEN_CLOSE, 0},
                 {",", NPV_TOKEN_COMMA, 0},
                 {"&&", NPV_TOKEN_OTHER, 0},
                 {"||", NPV_TOKEN_OTHER, 0}};
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++) {
        const size_t length = strlen(signs[i].text);
        if (length > text.size - at || memcmp(text.data + at, signs[i].text, length) != 0)
            continue;
        token->kind = signs[i].kind;
        token->comparison = signs[i].comparison;
        return length;
    }
    token->kind = NPV_TOKEN_OTHER;
    return 1;
}

npv_status npv_token_read(npv_bytes text, size_t position, npv_token *token, npv_error *error) {
    size_t at = position;
    while (peek(text, at) == ' ' || (peek(text, at) >= '\t' && peek(text, at) <= '\r'))
        at++;
    *token = (npv_token){.kind = NPV_TOKEN_END, .position = at};
    const unsigned char first = peek(text, at);
    size_t end = at;
    npv_status status = NPV_OK;
    if (at == text.size) {
        end = at;
    } else if (first == '\'' || first == '"') {
        token->kind = first == '"' ? NPV_TOKEN_NAME : NPV_TOKEN_TEXT;
        status = find_quote(text, at, &end, error);
    } else if (begins_number(text, at)) {
        token->kind = NPV_TOKEN_NUMBER;
        status = find_number_end(text, at, &end, error);
    } else if (is_name(first) && first != '-') {
        while (is_name(peek(text, end)))
            end++;
        token->kind = kind_of_word((npv_bytes){text.data + at, end - at});
    } else if (first == '[') { /* an element of a document that is an array */
        token->kind = NPV_TOKEN_NAME;
        end = at + 1;
    } else {
        end = at + read_sign(text, at, token);
    }
    token->raw = (npv_bytes){text.data + at, end - at};
    return status;
}
