/*
 * JSON text to fragments. Each word is written when it is read, so there is no tree: besides the fragment there are
 * only the places of the keys of those objects that are open, and the text of one string that has escapes.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../error.h"
#include "../hash.h"
#include "decimal.h"
#include "json.h"
#include "json_lexer.h"
#include "number.h"
#include "utf8.h"

#define FEW_KEYS 32 /* so many are faster compared each with each than put into a hash table with a seed of its own */

/* NPV_MAX_DOCUMENT_BYTES is far below 4 GiB. */
typedef struct key_place {
    uint32_t offset;   /* in the fragment */
    uint32_t position; /* in the text */
} key_place;

typedef struct reader {
    npv_json_lexer lexer;
    npv_buffer *fragment;
    size_t start;     /* of the document in the fragment's buffer */
    size_t depth;     /* arrays and objects around the token */
    npv_buffer keys;  /* key_place: of all objects around the token */
    npv_buffer plain; /* a string without its escapes */
    npv_error *error;
} reader;

/* ------------------------------------------------------------------------------------------------------- Scalars -- */

static npv_status write_string(reader *r) {
    const npv_json_token *const token = &r->lexer.token;
    const npv_bytes text = {token->raw.data + 1, token->raw.size - 2};
    if (memchr(text.data, '\\', text.size) == NULL)
        return npv_value_write_str(r->fragment, text, r->error);
    r->plain.size = 0;
    const npv_status status = npv_buffer_reserve(&r->plain, text.size, r->error);
    if (status != NPV_OK)
        return status;
    r->plain.size = npv_json_decode(token, r->plain.data);
    return npv_value_write_str(r->fragment, (npv_bytes){r->plain.data, r->plain.size}, r->error);
}

static npv_status write_number(reader *r) {
    const npv_bytes text = r->lexer.token.raw;
    unsigned char integer[NPV_MAX_INTEGER_BYTES];
    size_t size;
    npv_value value;
    if (!npv_number_is_integer(text)) {
        const double real = npv_number_to_double(text);
        return isfinite(real) ? npv_value_write_float(r->fragment, real, r->error)
                              : npv_json_fail(&r->lexer, "a number below 1.8e308", "; infinity is Infinity");
    }
    if (npv_number_to_integer(text, &value) && value.kind == NPV_VALUE_INT)
        return npv_value_write_int(r->fragment, value.integer, r->error);
    if (npv_decimal_to_integer(text, integer, &size))
        return npv_value_write_integer(r->fragment, (npv_bytes){integer, size}, r->error);
    return npv_fail_at(r->error, NPV_E_LIMIT, r->lexer.token.position,
                       "an integer in a document may have %d bytes, found one of %zu digits", NPV_MAX_INTEGER_BYTES,
                       text.size - (*text.data == '-'));
}

static npv_status write_not_finite(reader *r) {
    const unsigned char first = *r->lexer.token.raw.data;
    const double infinity = first == '-' ? -(double)INFINITY : (double)INFINITY;
    return npv_value_write_float(r->fragment, first == 'N' ? (double)NAN : infinity, r->error);
}

static npv_status write_scalar(reader *r) {
    const npv_json_kind kind = r->lexer.token.kind;
    switch (kind) {
    case NPV_JSON_STRING:
        return write_string(r);
    case NPV_JSON_NUMBER:
        return write_number(r);
    case NPV_JSON_TRUE:
    case NPV_JSON_FALSE:
        return npv_value_write_bool(r->fragment, kind == NPV_JSON_TRUE, r->error);
    case NPV_JSON_NULL:
        return npv_value_write_none(r->fragment, r->error);
    case NPV_JSON_NOT_FINITE:
        return write_not_finite(r);
    default:
        return npv_json_fail(&r->lexer, "a value", "");
    }
}

/* ---------------------------------------------------------------------------------------------------------- Keys -- */

static size_t key_count(const reader *r) {
    return r->keys.size / sizeof(key_place);
}

static key_place place_of(const reader *r, size_t key) {
    return ((const key_place *)(const void *)r->keys.data)[key];
}

static npv_bytes text_of(const reader *r, size_t key) {
    const size_t at = r->start + place_of(r, key).offset;
    npv_bytes rest = {r->fragment->data + at, r->fragment->size - at};
    return npv_value_next(&rest).bytes;
}

static bool are_equal(npv_bytes a, npv_bytes b) {
    return a.size == b.size && memcmp(a.data, b.data, a.size) == 0;
}

static npv_status fail_twice(const reader *r, size_t key) {
    char shown[NPV_SHOWN];
    npv_bytes_show(text_of(r, key), shown);
    return npv_fail_at(r->error, NPV_E_ARGUMENT, place_of(r, key).position,
                       "expected different keys in an object, found \"%s\" twice", shown);
}

static npv_status check_few(const reader *r, size_t first) {
    npv_bytes texts[FEW_KEYS];
    for (size_t i = 0; i < key_count(r) - first; i++) {
        texts[i] = text_of(r, first + i);
        for (size_t j = 0; j < i; j++)
            if (are_equal(texts[i], texts[j]))
                return fail_twice(r, first + i);
    }
    return NPV_OK;
}

typedef struct sought {
    const reader *r;
    npv_bytes text;
} sought;

static bool is_sought(const void *context, uint32_t key) {
    const sought *const s = context;
    return are_equal(s->text, text_of(s->r, key));
}

static npv_status check_many(const reader *r, size_t first) {
    npv_hash_table seen;
    npv_hash_init(&seen);
    npv_status status = npv_hash_reserve(&seen, key_count(r) - first, r->error);
    for (size_t i = first; status == NPV_OK && i < key_count(r); i++) {
        const sought key = {r, text_of(r, i)};
        const uint32_t hash = npv_hash_of(&seen, key.text);
        status = npv_hash_find(&seen, hash, is_sought, &key) == NPV_HASH_NONE
                     ? npv_hash_insert(&seen, hash, (uint32_t)i, r->error)
                     : fail_twice(r, i);
    }
    npv_hash_free(&seen);
    return status;
}

/* At the end of an object: the keys from `first` on are its own, and must be different. */
static npv_status close_keys(reader *r, size_t first) {
    const npv_status status = key_count(r) - first <= FEW_KEYS ? check_few(r, first) : check_many(r, first);
    r->keys.size = first * sizeof(key_place);
    return status;
}

/* Takes a key and the colon behind it. */
static npv_status read_key(reader *r) {
    npv_json_lexer *const lexer = &r->lexer;
    if (lexer->token.kind != NPV_JSON_STRING)
        return npv_json_fail(lexer, "a key in double quotes", "");
    const key_place place = {(uint32_t)(r->fragment->size - r->start), (uint32_t)lexer->token.position};
    npv_status status = npv_buffer_append(&r->keys, &place, sizeof place, r->error);
    if (status == NPV_OK)
        status = write_string(r);
    if (status == NPV_OK)
        status = npv_json_advance(lexer);
    return status == NPV_OK ? npv_json_expect(lexer, NPV_JSON_COLON, "a colon behind the key") : status;
}

/* -------------------------------------------------------------------------------------------------------- Values -- */

static npv_status read_value(reader *r);

/* What stands between two brackets, the first of which is the token; it stops at the other one. */
static npv_status read_elements(reader *r, npv_json_kind close) {
    const bool is_object = close == NPV_JSON_CLOSE_OBJECT;
    npv_status status = npv_json_advance(&r->lexer);
    if (status == NPV_OK && r->lexer.token.kind == close)
        return NPV_OK;
    while (status == NPV_OK) {
        if (is_object)
            status = read_key(r);
        if (status == NPV_OK)
            status = read_value(r);
        if (status == NPV_OK && r->lexer.token.kind == close)
            return NPV_OK;
        if (status == NPV_OK)
            status = npv_json_expect(&r->lexer, NPV_JSON_COMMA, is_object ? "a comma or }" : "a comma or ]");
    }
    return status;
}

static npv_status read_container(reader *r, npv_value_kind container, npv_json_kind close) {
    const size_t first_key = key_count(r);
    if (r->depth == NPV_MAX_DOCUMENT_DEPTH)
        return npv_fail_at(r->error, NPV_E_LIMIT, r->lexer.token.position,
                           "arrays and objects in a document may be nested %d deep, found more",
                           NPV_MAX_DOCUMENT_DEPTH);
    r->depth++;
    npv_status status = npv_value_begin(r->fragment, container, r->error);
    if (status == NPV_OK)
        status = read_elements(r, close);
    if (status == NPV_OK)
        status = close_keys(r, first_key);
    r->depth--;
    return status == NPV_OK ? npv_value_end(r->fragment, container, r->error) : status;
}

/* Recurses into containers, so no deeper than they may be nested. */
static npv_status read_value(reader *r) {
    const npv_json_token token = r->lexer.token;
    npv_status status;
    if (token.kind == NPV_JSON_OPEN_OBJECT)
        status = read_container(r, NPV_VALUE_DICT, NPV_JSON_CLOSE_OBJECT);
    else if (token.kind == NPV_JSON_OPEN_ARRAY)
        status = read_container(r, NPV_VALUE_LIST, NPV_JSON_CLOSE_ARRAY);
    else
        status = write_scalar(r);
    /* Numbers take more bytes than their text: to look at each value is what bounds the memory. */
    if (status == NPV_OK && r->fragment->size - r->start > NPV_MAX_DOCUMENT_BYTES)
        return npv_fail_at(r->error, NPV_E_LIMIT, token.position,
                           "a document may take %d bytes as stored, found more; split it over several rows",
                           NPV_MAX_DOCUMENT_BYTES);
    return status == NPV_OK ? npv_json_advance(&r->lexer) : status;
}

/* ----------------------------------------------------------------------------------------------------- Documents -- */

/* Where the text ceases to be UTF-8, or its end. A surrogate, which utf8.h lets through, is none: escapes spell it. */
static size_t find_mistake(npv_bytes text) {
    const unsigned char *const end = text.data + npv_utf8_prefix(text);
    for (const unsigned char *at = text.data; (at = memchr(at, 0xed, (size_t)(end - at))) != NULL; at++)
        if (at[1] >= 0xa0)
            return (size_t)(at - text.data);
    return (size_t)(end - text.data);
}

static npv_status check_text(npv_bytes text, npv_error *error) {
    if (text.size > NPV_MAX_DOCUMENT_BYTES)
        return npv_fail_at(error, NPV_E_LIMIT, NPV_MAX_DOCUMENT_BYTES,
                           "a document may have %d bytes of JSON, found %zu; split it over several rows",
                           NPV_MAX_DOCUMENT_BYTES, text.size);
    const size_t mistake = find_mistake(text);
    if (mistake == text.size)
        return NPV_OK;
    return npv_fail_at(error, NPV_E_ARGUMENT, mistake, "expected UTF-8, found the byte 0x%02x",
                       (unsigned)text.data[mistake]);
}

npv_status npv_json_to_fragment(const char *json, npv_buffer *fragment, npv_error *error) {
    const npv_bytes text = {(const unsigned char *)json, strlen(json)};
    reader r = {
        .lexer = npv_json_start(text, "", error), .fragment = fragment, .start = fragment->size, .error = error};
    npv_status status = check_text(text, error);
    if (status == NPV_OK) /* most documents take about as many bytes as their text: one allocation instead of some */
        status = npv_buffer_reserve(fragment, text.size + text.size / 8 + 64, error);
    if (status == NPV_OK)
        status = npv_json_advance(&r.lexer);
    if (status == NPV_OK)
        status = read_value(&r);
    if (status == NPV_OK)
        status = npv_json_expect(&r.lexer, NPV_JSON_END, "the end");
    if (status != NPV_OK)
        fragment->size = r.start;
    free(r.keys.data);
    free(r.plain.data);
    return status;
}
