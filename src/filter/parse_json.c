/* Recursive descent. It recurses into objects only, and counts them. */
#include <stdio.h>
#include <string.h>

#include "../error.h"
#include "parse.h"
#include "pattern.h"
#include "scalar.h"

typedef struct parser {
    npv_builder *builder;
    npv_json_lexer lexer;
    size_t depth; /* objects around the token */
} parser;

/* What an operator takes. */
typedef enum operand {
    OPERAND_CONDITION,  /* an object with conditions on fields */
    OPERAND_CONDITIONS, /* a list of them */
    OPERAND_OPERATORS,  /* an object with operators; behind a field, as all that follow */
    OPERAND_VALUE,
    OPERAND_KNOWN_VALUE, /* not null */
    OPERAND_LIST,
    OPERAND_PAIR,
    OPERAND_FLAG, /* false: negated */
    OPERAND_PATTERN
} operand;

/* An operator and the condition that it makes. */
typedef struct operation {
    const char *name;
    operand operand;
    npv_filter_kind kind;
    npv_comparison comparison; /* where the kind is EQUAL */
    bool negated;
    bool ignore_case;
} operation;

static const operation LOGIC[] = {
    {"$and", OPERAND_CONDITIONS, NPV_FILTER_AND, 0, false, false},
    {"$or", OPERAND_CONDITIONS, NPV_FILTER_OR, 0, false, false},
    {"$nor", OPERAND_CONDITIONS, NPV_FILTER_OR, 0, true, false},
    {"$not", OPERAND_CONDITION, NPV_FILTER_AND, 0, true, false},
};

static const operation OPERATORS[] = {
    {"$eq", OPERAND_VALUE, NPV_FILTER_EQUAL, NPV_COMPARE_EQUAL, false, false},
    {"$ne", OPERAND_VALUE, NPV_FILTER_EQUAL, NPV_COMPARE_EQUAL, true, false},
    {"$gt", OPERAND_KNOWN_VALUE, NPV_FILTER_EQUAL, NPV_COMPARE_GREATER, false, false},
    {"$gte", OPERAND_KNOWN_VALUE, NPV_FILTER_EQUAL, NPV_COMPARE_GREATER_OR_EQUAL, false, false},
    {"$lt", OPERAND_KNOWN_VALUE, NPV_FILTER_EQUAL, NPV_COMPARE_LESS, false, false},
    {"$lte", OPERAND_KNOWN_VALUE, NPV_FILTER_EQUAL, NPV_COMPARE_LESS_OR_EQUAL, false, false},
    {"$in", OPERAND_LIST, NPV_FILTER_IN, 0, false, false},
    {"$nin", OPERAND_LIST, NPV_FILTER_IN, 0, true, false},
    {"$between", OPERAND_PAIR, NPV_FILTER_AND, 0, false, false},
    {"$exists", OPERAND_FLAG, NPV_FILTER_EXISTS, 0, false, false},
    {"$null", OPERAND_FLAG, NPV_FILTER_IS_NULL, 0, false, false},
    {"$contains", OPERAND_KNOWN_VALUE, NPV_FILTER_CONTAINS, 0, false, false},
    {"$not_contains", OPERAND_KNOWN_VALUE, NPV_FILTER_CONTAINS, 0, true, false},
    {"$like", OPERAND_PATTERN, NPV_FILTER_LIKE, 0, false, false},
    {"$ilike", OPERAND_PATTERN, NPV_FILTER_LIKE, 0, false, true},
    {"$not", OPERAND_OPERATORS, NPV_FILTER_AND, 0, true, false},
};

#define COUNT(array) (sizeof(array) / sizeof *(array))

#define A_VALUE "a string, a number, true or false"

static npv_status read_member(parser *p, const npv_named_field *field);
static npv_status read_operator(parser *p, const npv_named_field *field);

/* ----------------------------------------------------------------------------------------------------- Structure -- */

static npv_status enter(parser *p) {
    if (p->depth++ < NPV_MAX_FILTER_DEPTH)
        return NPV_OK;
    return npv_fail_at(p->builder->error, NPV_E_LIMIT, p->lexer.token.position,
                       "expected objects at most %d deep, found more", NPV_MAX_FILTER_DEPTH);
}

/* What stands in an object (`field` is NULL, or what its operators are for) or in an array. */
typedef npv_status read_element(parser *p, const npv_named_field *field);

/* Reads what stands between two brackets, the first of which is the token, with commas in between. */
static npv_status read_elements(parser *p, npv_json_kind close, read_element *read, const npv_named_field *field) {
    npv_json_lexer *const lexer = &p->lexer;
    const char *const expected = close == NPV_JSON_CLOSE_ARRAY ? "a comma or ]" : "a comma or }";
    npv_status status = npv_json_advance(lexer);
    if (status != NPV_OK || lexer->token.kind == close)
        return status != NPV_OK ? status : npv_json_advance(lexer);
    for (;;) {
        status = read(p, field);
        if (status != NPV_OK || lexer->token.kind == close)
            return status != NPV_OK ? status : npv_json_advance(lexer);
        status = npv_json_expect(lexer, NPV_JSON_COMMA, expected);
        if (status != NPV_OK)
            return status;
    }
}

/* The conditions in an object, all of which must hold. */
static npv_status read_object(parser *p, read_element *read, const npv_named_field *field) {
    const size_t mark = npv_build_mark(p->builder);
    npv_status status = enter(p);
    if (status == NPV_OK)
        status = read_elements(p, NPV_JSON_CLOSE_OBJECT, read, field);
    p->depth--;
    return status != NPV_OK ? status : npv_build_group(p->builder, NPV_FILTER_AND, mark);
}

/* Takes a key and the colon behind it. */
static npv_status take_key(parser *p, const char *expected, npv_json_token *token, npv_bytes *key) {
    if (p->lexer.token.kind != NPV_JSON_STRING)
        return npv_json_fail(&p->lexer, expected, "");
    npv_entry text;
    *token = p->lexer.token;
    npv_status status = npv_scalar_read(p->builder, &p->lexer, &text);
    *key = text.bytes;
    if (status == NPV_OK)
        status = npv_json_advance(&p->lexer);
    return status != NPV_OK ? status : npv_json_expect(&p->lexer, NPV_JSON_COLON, "a colon behind the key");
}

/* ------------------------------------------------------------------------------------------- Names of operators -- */

static bool is_operator(npv_bytes key) {
    return key.size > 0 && *key.data == '$';
}

static const operation *find_operator(const operation *operators, size_t count, npv_bytes key) {
    for (size_t i = 0; i < count; i++)
        if (strlen(operators[i].name) == key.size && memcmp(operators[i].name, key.data, key.size) == 0)
            return &operators[i];
    return NULL;
}

/* How many characters must be put in, left out or replaced to make the one of the other. */
static size_t distance(npv_bytes key, const char *name) {
    enum { LONGEST = 16 };
    const size_t length = strlen(name);
    size_t row[LONGEST + 1];
    if (key.size > LONGEST || length > LONGEST)
        return SIZE_MAX;
    for (size_t j = 0; j <= length; j++)
        row[j] = j;
    for (size_t i = 0; i < key.size; i++) {
        size_t diagonal = row[0]++;
        for (size_t j = 0; j < length; j++) {
            const size_t replaced = diagonal + (key.data[i] != (unsigned char)name[j]);
            const size_t shorter = (row[j] < row[j + 1] ? row[j] : row[j + 1]) + 1;
            diagonal = row[j + 1];
            row[j + 1] = replaced < shorter ? replaced : shorter;
        }
    }
    return row[length];
}

/* Names the operator that was probably meant. */
static void suggest(const operation *operators, size_t count, npv_bytes key, char *hint, size_t size) {
    size_t nearest = 3; /* edits: more make another word of it */
    for (size_t i = 0; i < count; i++) {
        const size_t edits = distance(key, operators[i].name);
        if (edits >= nearest)
            continue;
        nearest = edits;
        snprintf(hint, size, "; did you mean %s?", operators[i].name);
    }
}

static npv_status fail_at(const parser *p, const npv_json_token *token, const char *expected, const char *hint) {
    npv_json_lexer at = p->lexer;
    at.token = *token;
    return npv_json_fail(&at, expected, hint);
}

static npv_status fail_logic(const parser *p, const npv_json_token *token, npv_bytes key) {
    char hint[128] = "";
    if (find_operator(OPERATORS, COUNT(OPERATORS), key) != NULL)
        snprintf(hint, sizeof hint, "; say {\"field\": {%.*s: ...}}", (int)token->raw.size,
                 (const char *)token->raw.data);
    else
        suggest(LOGIC, COUNT(LOGIC), key, hint, sizeof hint);
    return fail_at(p, token, "a field, $and, $or, $nor or $not", hint);
}

static npv_status fail_operator(const parser *p, const npv_json_token *token, npv_bytes key,
                                const npv_named_field *field) {
    char hint[3 * NPV_SHOWN] = "", outer[NPV_SHOWN], inner[NPV_SHOWN];
    npv_bytes_show((npv_bytes){field->raw.data + 1, field->raw.size - 2}, outer);
    npv_bytes_show(key, inner);
    if (!is_operator(key))
        snprintf(hint, sizeof hint, "; for a field inside another say {\"%s.%s\": ...}", outer, inner);
    else if (find_operator(LOGIC, COUNT(LOGIC), key) != NULL)
        snprintf(hint, sizeof hint, "; say {\"%s\": [{\"%s\": ...}, ...]}", inner, outer);
    else
        suggest(OPERATORS, COUNT(OPERATORS), key, hint, sizeof hint);
    return fail_at(p, token,
                   "$eq $ne $gt $gte $lt $lte $in $nin $between $exists $null $contains $not_contains $like $ilike or "
                   "$not",
                   hint);
}

/* ------------------------------------------------------------------------------------------------------ Operands -- */

/* Takes a value, null too. */
static npv_status take_value(parser *p, npv_entry *value) {
    if (!npv_scalar_is(&p->lexer))
        return npv_json_fail(&p->lexer, A_VALUE, "");
    const npv_status status = npv_scalar_read(p->builder, &p->lexer, value);
    return status != NPV_OK ? status : npv_json_advance(&p->lexer);
}

static npv_status take_known_value(parser *p, npv_entry *value) {
    if (p->lexer.token.kind == NPV_JSON_NULL)
        return npv_json_fail(&p->lexer, A_VALUE, "; nothing compares with null: say {\"$null\": true}");
    return take_value(p, value);
}

static npv_status read_comparison(parser *p, const operation *op, const npv_named_field *field) {
    if (p->lexer.token.kind == NPV_JSON_OPEN_ARRAY)
        return npv_json_fail(&p->lexer, A_VALUE, "; for one of several values say {\"$in\": [...]}");
    npv_entry value;
    const npv_status status = op->operand == OPERAND_VALUE ? take_value(p, &value) : take_known_value(p, &value);
    if (status != NPV_OK)
        return status;
    if (value.class == NPV_CLASS_NULL)
        return npv_build_condition(p->builder, NPV_FILTER_IS_NULL, *field, NULL);
    if (op->kind == NPV_FILTER_EQUAL)
        return npv_build_comparison(p->builder, op->comparison, *field, &value);
    return npv_build_condition(p->builder, op->kind, *field, &value);
}

static npv_status read_list_value(parser *p, const npv_named_field *field) {
    (void)field;
    npv_entry value;
    const npv_status status = take_value(p, &value);
    return status != NPV_OK ? status : npv_build_list_add(p->builder, &value);
}

/* null is as good a value as in {"field": null}: the field may be null or missing. */
static npv_status read_list(parser *p, const npv_named_field *field) {
    const size_t mark = npv_build_mark(p->builder);
    if (p->lexer.token.kind != NPV_JSON_OPEN_ARRAY)
        return npv_json_fail(&p->lexer, "an array of values", "");
    npv_build_list_begin(p->builder);
    npv_status status = read_elements(p, NPV_JSON_CLOSE_ARRAY, read_list_value, field);
    const bool with_null = p->builder->with_null;
    p->builder->with_null = false;
    if (status == NPV_OK && (p->builder->values.size > 0 || !with_null))
        status = npv_build_list_in(p->builder, *field);
    if (status == NPV_OK && with_null)
        status = npv_build_condition(p->builder, NPV_FILTER_IS_NULL, *field, NULL);
    return status != NPV_OK ? status : npv_build_group(p->builder, NPV_FILTER_OR, mark);
}

static npv_status read_pair(parser *p, const npv_named_field *field) {
    npv_entry low, high;
    npv_status status = npv_json_expect(&p->lexer, NPV_JSON_OPEN_ARRAY, "an array [lower, upper]");
    if (status == NPV_OK)
        status = take_known_value(p, &low);
    if (status == NPV_OK)
        status = npv_json_expect(&p->lexer, NPV_JSON_COMMA, "a comma and the upper value");
    if (status == NPV_OK)
        status = take_known_value(p, &high);
    if (status == NPV_OK)
        status = npv_json_expect(&p->lexer, NPV_JSON_CLOSE_ARRAY, "] behind the upper value");
    return status != NPV_OK ? status : npv_build_between(p->builder, *field, &low, &high);
}

static npv_status read_flag(parser *p, const operation *op, const npv_named_field *field) {
    const npv_json_kind kind = p->lexer.token.kind;
    if (kind != NPV_JSON_TRUE && kind != NPV_JSON_FALSE)
        return npv_json_fail(&p->lexer, "true or false", "");
    npv_status status = npv_json_advance(&p->lexer);
    if (status == NPV_OK)
        status = npv_build_condition(p->builder, op->kind, *field, NULL);
    return status == NPV_OK && kind == NPV_JSON_FALSE ? npv_build_not(p->builder) : status;
}

static npv_status take_string(parser *p, const char *expected, npv_json_token *token, npv_bytes *string) {
    npv_entry value;
    *token = p->lexer.token;
    if (token->kind != NPV_JSON_STRING)
        return npv_json_fail(&p->lexer, expected, "");
    const npv_status status = take_value(p, &value);
    *string = value.bytes;
    return status;
}

/* "pattern", or ["pattern", "escape"]. */
static npv_status read_pattern(parser *p, const operation *op, const npv_named_field *field) {
    const bool with_escape = p->lexer.token.kind == NPV_JSON_OPEN_ARRAY;
    npv_json_token token, escape_token;
    npv_bytes pattern, escape = {NULL, 0};
    bool valid;
    npv_status status = with_escape ? npv_json_advance(&p->lexer) : NPV_OK;
    if (status == NPV_OK)
        status = take_string(p, "a pattern, or [pattern, escape]", &token, &pattern);
    if (status == NPV_OK && with_escape)
        status = npv_json_expect(&p->lexer, NPV_JSON_COMMA, "a comma and the escape");
    if (status == NPV_OK && with_escape)
        status = take_string(p, "an escape of one character", &escape_token, &escape);
    if (status == NPV_OK && with_escape && !npv_pattern_is_escape(escape))
        return fail_at(p, &escape_token, "an escape of one character", "");
    if (status == NPV_OK && with_escape)
        status = npv_json_expect(&p->lexer, NPV_JSON_CLOSE_ARRAY, "] behind the escape");
    if (status == NPV_OK)
        status = npv_build_like(p->builder, *field, pattern, escape, op->ignore_case, &valid);
    if (status == NPV_OK && !valid)
        return fail_at(p, &token, "a character behind the last escape of the pattern", "");
    return status;
}

static npv_status read_condition(parser *p, const npv_named_field *field) {
    (void)field;
    if (p->lexer.token.kind != NPV_JSON_OPEN_OBJECT)
        return npv_json_fail(&p->lexer, "an object with conditions", "");
    return read_object(p, read_member, NULL);
}

static npv_status read_conditions(parser *p, npv_filter_kind kind) {
    const size_t mark = npv_build_mark(p->builder);
    if (p->lexer.token.kind != NPV_JSON_OPEN_ARRAY)
        return npv_json_fail(&p->lexer, "an array of objects with conditions", "");
    const npv_status status = read_elements(p, NPV_JSON_CLOSE_ARRAY, read_condition, NULL);
    return status != NPV_OK ? status : npv_build_group(p->builder, kind, mark);
}

static npv_status read_operators(parser *p, const npv_named_field *field) {
    if (p->lexer.token.kind != NPV_JSON_OPEN_OBJECT)
        return npv_json_fail(&p->lexer, "an object with operators", "");
    npv_json_lexer behind = p->lexer;
    const npv_status status = npv_json_advance(&behind);
    if (status == NPV_OK && behind.token.kind == NPV_JSON_CLOSE_OBJECT)
        return npv_json_fail(&behind, "an operator such as \"$eq\"", "");
    return status != NPV_OK ? status : read_object(p, read_operator, field);
}

static npv_status read_operand(parser *p, const operation *op, const npv_named_field *field) {
    switch (op->operand) {
    case OPERAND_CONDITION:
        return read_condition(p, NULL);
    case OPERAND_CONDITIONS:
        return read_conditions(p, op->kind);
    case OPERAND_OPERATORS:
        return read_operators(p, field);
    case OPERAND_LIST:
        return read_list(p, field);
    case OPERAND_PAIR:
        return read_pair(p, field);
    case OPERAND_FLAG:
        return read_flag(p, op, field);
    case OPERAND_PATTERN:
        return read_pattern(p, op, field);
    default:
        return read_comparison(p, op, field);
    }
}

static npv_status apply(parser *p, const operation *op, const npv_named_field *field) {
    const npv_status status = read_operand(p, op, field);
    return status == NPV_OK && op->negated ? npv_build_not(p->builder) : status;
}

/* ------------------------------------------------------------------------------------------------------- Members -- */

/* "$gte": 2023 */
static npv_status read_operator(parser *p, const npv_named_field *field) {
    npv_json_token token;
    npv_bytes key;
    const npv_status status = take_key(p, "an operator such as \"$eq\"", &token, &key);
    if (status != NPV_OK)
        return status;
    const operation *const op = find_operator(OPERATORS, COUNT(OPERATORS), key);
    return op == NULL ? fail_operator(p, &token, key, field) : apply(p, op, field);
}

/* The path that a key spells. */
static npv_status find_field(const parser *p, const npv_json_token *token, npv_bytes key, npv_named_field *field) {
    npv_error *const error = p->builder->error;
    npv_bytes rest = key;
    npv_path path;
    *field = (npv_named_field){0, token->position, token->raw};
    const npv_status status = npv_path_take(&rest, &path, error);
    if (status != NPV_OK) {
        if (error != NULL && error->position != NPV_NO_POSITION)
            error->position = npv_json_place(token, error->position);
        return status;
    }
    if (rest.size == 0)
        return npv_build_field(p->builder, &path, field);
    npv_path_free(&path);
    char shown[NPV_SHOWN];
    npv_bytes_show(rest, shown);
    return npv_fail_at(
        error, NPV_E_ARGUMENT, npv_json_place(token, key.size - rest.size),
        "expected the end of the field's name, found %s; names of other characters than letters, digits, _ "
        "and - stand in double quotes of their own: \"\\\"a b\\\"\"",
        shown);
}

/* What a field is compared with: a value, or an object of operators. */
static npv_status read_field_condition(parser *p, const npv_named_field *field) {
    static const operation equal = {"$eq", OPERAND_VALUE, NPV_FILTER_EQUAL, NPV_COMPARE_EQUAL, false, false};
    return p->lexer.token.kind == NPV_JSON_OPEN_OBJECT ? read_operators(p, field) : read_comparison(p, &equal, field);
}

/* "year": 2023, or "$or": [...] */
static npv_status read_member(parser *p, const npv_named_field *outer) {
    (void)outer;
    npv_json_token token;
    npv_bytes key;
    npv_status status = take_key(p, "a field or an operator such as \"$or\"", &token, &key);
    if (status != NPV_OK)
        return status;
    if (is_operator(key)) {
        const operation *const op = find_operator(LOGIC, COUNT(LOGIC), key);
        return op == NULL ? fail_logic(p, &token, key) : apply(p, op, NULL);
    }
    npv_named_field field;
    status = find_field(p, &token, key, &field);
    return status != NPV_OK ? status : read_field_condition(p, &field);
}

npv_status npv_parse_json(npv_builder *builder, npv_bytes text) {
    parser p = {.builder = builder, .lexer = npv_json_start(text, "", builder->error)};
    npv_status status = npv_json_advance(&p.lexer);
    if (status == NPV_OK)
        status = read_condition(&p, NULL);
    return status != NPV_OK ? status : npv_json_expect(&p.lexer, NPV_JSON_END, "the end");
}
