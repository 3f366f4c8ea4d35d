/*
 * The words of JSON, with their places: for documents, and for filters and their parameters.
 *
 * Whoever reads takes what the words say to where it belongs as they come, so there is no tree of JSON. The dialect is
 * RFC 8259's, and has the NaN, Infinity and -Infinity of Python's json module.
 */
#ifndef NPV_JSON_LEXER_H
#define NPV_JSON_LEXER_H

#include <stdbool.h>

#include "../bytes.h"

typedef enum npv_json_kind {
    NPV_JSON_END,
    NPV_JSON_STRING,
    NPV_JSON_NUMBER,
    NPV_JSON_TRUE,
    NPV_JSON_FALSE,
    NPV_JSON_NULL,
    NPV_JSON_NOT_FINITE, /* NaN, Infinity, -Infinity */
    NPV_JSON_OPEN_OBJECT,
    NPV_JSON_CLOSE_OBJECT,
    NPV_JSON_OPEN_ARRAY,
    NPV_JSON_CLOSE_ARRAY,
    NPV_JSON_COLON,
    NPV_JSON_COMMA,
    NPV_JSON_OTHER /* no JSON */
} npv_json_kind;

typedef struct npv_json_token {
    npv_json_kind kind;
    size_t position;
    npv_bytes raw; /* as it stands in the text, with its quotes */
} npv_json_token;

typedef struct npv_json_lexer {
    npv_bytes text;       /* UTF-8 (utf8.h) */
    const char *where;    /* what messages begin with */
    npv_json_token token; /* the one to be looked at */
    npv_error *error;
} npv_json_lexer;

/* A lexer of the text, to be advanced to the first token. */
npv_json_lexer npv_json_start(npv_bytes text, const char *where, npv_error *error);

/* Goes to the next token. NPV_E_ARGUMENT for a string that is none; whatever else is no JSON is a token. */
npv_status npv_json_advance(npv_json_lexer *lexer);

/* The same if the token is of this kind; if not, NPV_E_ARGUMENT. */
npv_status npv_json_expect(npv_json_lexer *lexer, npv_json_kind kind, const char *expected);

/* NPV_E_ARGUMENT at the token: "expected ..., found ..."; `hint` is put behind. */
npv_status npv_json_fail(const npv_json_lexer *lexer, const char *expected, const char *hint);

/*
 * Writes the text that a string token spells, which is never longer than the token without its quotes. Returns its
 * length. Halves of surrogate pairs that stand alone stay what they are.
 */
size_t npv_json_decode(const npv_json_token *token, unsigned char *text);

/* Where in the text of the lexer byte `at` of the text of a string token is spelled. */
size_t npv_json_place(const npv_json_token *token, size_t at);

#endif
