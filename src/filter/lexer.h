/* The words of the text dialect. */
#ifndef NPV_LEXER_H
#define NPV_LEXER_H

#include "build.h"

typedef enum npv_token_kind {
    NPV_TOKEN_END,
    NPV_TOKEN_NAME, /* here a path begins; the token is its first step */
    NPV_TOKEN_TEXT, /* in single quotes */
    NPV_TOKEN_NUMBER,
    NPV_TOKEN_PARAMETER,
    NPV_TOKEN_COMPARISON,
    NPV_TOKEN_OPEN,
    NPV_TOKEN_CLOSE,
    NPV_TOKEN_COMMA,
    NPV_TOKEN_OTHER, /* what the language has no use for */
    NPV_TOKEN_AND,   /* from here on: keywords, in either case */
    NPV_TOKEN_OR,
    NPV_TOKEN_NOT,
    NPV_TOKEN_IN,
    NPV_TOKEN_BETWEEN,
    NPV_TOKEN_LIKE,
    NPV_TOKEN_ILIKE,
    NPV_TOKEN_ESCAPE,
    NPV_TOKEN_CONTAINS,
    NPV_TOKEN_IS,
    NPV_TOKEN_EXISTS,
    NPV_TOKEN_TRUE,
    NPV_TOKEN_FALSE,
    NPV_TOKEN_NULL
} npv_token_kind;

typedef struct npv_token {
    npv_token_kind kind;
    npv_comparison comparison; /* of COMPARISON */
    size_t position;
    npv_bytes raw; /* as it stands in the text, with its quotes */
} npv_token;

/* Reads the token at or behind `position`. NPV_E_ARGUMENT: quotes that do not end, letters behind a number. */
npv_status npv_token_read(npv_bytes text, size_t position, npv_token *token, npv_error *error);

#endif
