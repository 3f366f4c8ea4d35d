/*
 * The words of JSON, with their places, for filters and their parameters.
 *
 * jansson, which reads documents, cannot say where a key or a value stood, and has no integers above int64. A filter
 * needs both, and little else: its objects and arrays are taken apart as they are read, so there is no tree of JSON.
 */
#ifndef NPV_JSON_LEXER_H
#define NPV_JSON_LEXER_H

#include "build.h"

typedef enum npv_json_kind {
    NPV_JSON_END,
    NPV_JSON_STRING,
    NPV_JSON_NUMBER,
    NPV_JSON_TRUE,
    NPV_JSON_FALSE,
    NPV_JSON_NULL,
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
    npv_builder *builder;
} npv_json_lexer;

/* Goes to the next token. To start, with text, where and builder set, it is the first. */
npv_status npv_json_advance(npv_json_lexer *lexer);

/* The same if the token is of this kind; if not, NPV_E_ARGUMENT. */
npv_status npv_json_expect(npv_json_lexer *lexer, npv_json_kind kind, const char *expected);

/* NPV_E_ARGUMENT at the token: "expected ..., found ..."; `hint` is put behind. */
npv_status npv_json_fail(const npv_json_lexer *lexer, const char *expected, const char *hint);

/* Is the token a string, a number, true, false or null? */
bool npv_json_is_scalar(const npv_json_lexer *lexer);

/* The value of the token, a scalar. Its text lives as long as the filter. */
npv_status npv_json_scalar(const npv_json_lexer *lexer, npv_entry *value);

/* Where in the text of the lexer byte `at` of the text of a string token is spelled. */
size_t npv_json_place(const npv_json_token *token, size_t at);

#endif
