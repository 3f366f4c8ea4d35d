/* Recursive descent. It recurses into parentheses and NOT only, and counts them. */
#include "parse.h"

#include <stdio.h>
#include <string.h>

#include "../error.h"
#include "lexer.h"
#include "pattern.h"
#include "scalar.h"

typedef struct parser {
    npv_builder *builder;
    npv_parameters *parameters;
    npv_bytes text;
    npv_token token; /* the one to be looked at */
    size_t depth;    /* parentheses and NOTs around it */
} parser;

/* A value, and where it comes from. */
typedef struct value {
    npv_entry entry;
    npv_token token;
    bool is_parameter;
    npv_json_token parameter;
} value;

static npv_status parse_or(parser *p);

/* ------------------------------------------------------------------------------------------------------ Mistakes -- */

static npv_status fail_at(const parser *p, const npv_token *token, const char *expected, const char *hint) {
    char shown[NPV_SHOWN] = "the end";
    if (token->kind != NPV_TOKEN_END)
        npv_bytes_show(token->raw, shown);
    return npv_fail_at(p->builder->error, NPV_E_ARGUMENT, token->position, "expected %s, found %s%s", expected, shown,
                       hint);
}

static bool is_raw(const npv_token *token, const char *text) {
    return token->raw.size == strlen(text) && memcmp(token->raw.data, text, token->raw.size) == 0;
}

/* The token is none of those that may stand there. */
static npv_status fail_expected(const parser *p, const char *expected) {
    const char *hint = "";
    if (is_raw(&p->token, "&&"))
        hint = "; say AND";
    else if (is_raw(&p->token, "||"))
        hint = "; say OR";
    else if (is_raw(&p->token, "!"))
        hint = "; say NOT";
    return fail_at(p, &p->token, expected, hint);
}

static npv_status fail_no_value(const parser *p, const char *expected) {
    if (p->token.kind != NPV_TOKEN_NAME)
        return fail_expected(p, expected);
    return fail_at(p, &p->token, expected,
                   *p->token.raw.data == '"'
                       ? "; double quotes are for names of fields: say 'text'"
                       : "; fields are compared with values only, and text stands in quotes: 'text'");
}

/* A value was read, but it is not one that may stand there. */
static npv_status fail_value(const parser *p, const value *read, const char *expected, const char *hint) {
    if (read->is_parameter)
        return npv_parameters_fail(p->parameters, &read->parameter, expected, hint);
    return fail_at(p, &read->token, expected, hint);
}

/* ---------------------------------------------------------------------------------------------- Words and values -- */

static npv_status advance(parser *p) {
    return npv_token_read(p->text, p->token.position + p->token.raw.size, &p->token, p->builder->error);
}

static npv_status expect(parser *p, npv_token_kind kind, const char *expected) {
    return p->token.kind == kind ? advance(p) : fail_expected(p, expected);
}

/* Goes on if the token is of this kind; says whether it was. */
static npv_status accept(parser *p, npv_token_kind kind, bool *accepted) {
    *accepted = p->token.kind == kind;
    return *accepted ? advance(p) : NPV_OK;
}

static npv_status enter(parser *p) {
    if (p->depth++ < NPV_MAX_FILTER_DEPTH)
        return NPV_OK;
    return npv_fail_at(p->builder->error, NPV_E_LIMIT, p->token.position,
                       "expected conditions at most %d deep in NOT and parentheses, found more", NPV_MAX_FILTER_DEPTH);
}

/* The inside of a text in quotes, with doubled ones as one. */
static npv_status read_text(parser *p, npv_bytes *text) {
    const npv_bytes raw = {p->token.raw.data + 1, p->token.raw.size - 2};
    void *memory;
    const npv_status status = npv_build_memory(p->builder, raw.size, &memory);
    if (status != NPV_OK)
        return status;
    unsigned char *const to = memory;
    size_t size = 0;
    for (size_t i = 0; i < raw.size; i++) {
        to[size++] = raw.data[i];
        i += raw.data[i] == '\'';
    }
    *text = (npv_bytes){to, size};
    return NPV_OK;
}

static bool is_value(const npv_token *token) {
    return token->kind == NPV_TOKEN_TEXT || token->kind == NPV_TOKEN_NUMBER || token->kind == NPV_TOKEN_PARAMETER ||
           token->kind == NPV_TOKEN_TRUE || token->kind == NPV_TOKEN_FALSE || token->kind == NPV_TOKEN_NULL;
}

/* Takes any value, NULL too. */
static npv_status take_value(parser *p, const char *expected, value *taken) {
    if (!is_value(&p->token))
        return fail_no_value(p, expected);
    taken->token = p->token;
    taken->is_parameter = p->token.kind == NPV_TOKEN_PARAMETER;
    npv_entry *const entry = &taken->entry;
    npv_status status = NPV_OK;
    switch (p->token.kind) {
    case NPV_TOKEN_TEXT:
        *entry = (npv_entry){.class = NPV_CLASS_TEXT};
        status = read_text(p, &entry->bytes);
        break;
    case NPV_TOKEN_NUMBER:
        status = npv_scalar_of_number(p->token.raw, "", p->token.position, entry, p->builder->error);
        break;
    case NPV_TOKEN_PARAMETER:
        status = npv_parameters_take(p->parameters, p->token.position, entry, &taken->parameter);
        break;
    case NPV_TOKEN_NULL:
        *entry = (npv_entry){.class = NPV_CLASS_NULL};
        break;
    default:
        *entry = (npv_entry){.class = NPV_CLASS_BOOL, .boolean = p->token.kind == NPV_TOKEN_TRUE};
    }
    return status != NPV_OK ? status : advance(p);
}

/* A comparison with NULL is never true. */
static npv_status refuse_null(const parser *p, const value *taken) {
    if (taken->entry.class != NPV_CLASS_NULL)
        return NPV_OK;
    return fail_value(p, taken, "a value that is not null", "; nothing compares with NULL: say IS NULL or IS NOT NULL");
}

static npv_status take_known_value(parser *p, const char *expected, value *taken) {
    const npv_status status = take_value(p, expected, taken);
    return status != NPV_OK ? status : refuse_null(p, taken);
}

static npv_status take_text(parser *p, const char *expected, value *taken) {
    const npv_status status = take_value(p, expected, taken);
    if (status != NPV_OK || taken->entry.class == NPV_CLASS_TEXT)
        return status;
    return fail_value(p, taken, expected, "");
}

static npv_status take_field(parser *p, npv_named_field *taken) {
    npv_error *const error = p->builder->error;
    const size_t position = p->token.position;
    npv_bytes rest = {p->text.data + position, p->text.size - position};
    npv_path path;
    npv_status status = npv_path_take(&rest, &path, error);
    if (status != NPV_OK) {
        if (error != NULL && error->position != NPV_NO_POSITION)
            error->position += position;
        return status;
    }
    p->token.raw.size = p->text.size - rest.size - position;
    *taken = (npv_named_field){0, position, p->token.raw};
    status = npv_build_field(p->builder, &path, taken);
    return status != NPV_OK ? status : advance(p);
}

/* ---------------------------------------------------------------------------------------------------- Conditions -- */

static npv_status parse_comparison(parser *p, const npv_named_field *field) {
    const npv_comparison comparison = p->token.comparison;
    value compared;
    npv_status status = advance(p);
    if (status == NPV_OK)
        status = take_known_value(p, "a value to compare with", &compared);
    return status != NPV_OK ? status : npv_build_comparison(p->builder, comparison, *field, &compared.entry);
}

/* Behind IN: a list in parentheses. */
static npv_status parse_list(parser *p) {
    npv_status status = expect(p, NPV_TOKEN_OPEN, "a list (1, 2) or ? behind IN");
    bool closed = false, comma = true;
    if (status == NPV_OK)
        status = accept(p, NPV_TOKEN_CLOSE, &closed);
    while (status == NPV_OK && !closed) {
        value element;
        status = take_value(p, "a value in the list", &element);
        if (status == NPV_OK)
            status = npv_build_list_add(p->builder, &element.entry);
        if (status == NPV_OK)
            status = accept(p, NPV_TOKEN_COMMA, &comma);
        if (status == NPV_OK && !comma) {
            status = expect(p, NPV_TOKEN_CLOSE, "a comma or ) in the list");
            closed = true;
        }
    }
    return status;
}

static npv_status parse_in(parser *p, const npv_named_field *field) {
    npv_status status = advance(p);
    if (status != NPV_OK)
        return status;
    npv_build_list_begin(p->builder);
    if (p->token.kind == NPV_TOKEN_PARAMETER) {
        status = npv_parameters_take_list(p->parameters, p->token.position);
        if (status == NPV_OK)
            status = advance(p);
    } else {
        status = parse_list(p);
    }
    return status != NPV_OK ? status : npv_build_list_in(p->builder, *field);
}

static npv_status parse_between(parser *p, const npv_named_field *field) {
    value low, high;
    npv_status status = advance(p);
    if (status == NPV_OK)
        status = take_known_value(p, "a value behind BETWEEN", &low);
    if (status == NPV_OK)
        status = expect(p, NPV_TOKEN_AND, "AND and the upper value of BETWEEN");
    if (status == NPV_OK)
        status = take_known_value(p, "the upper value of BETWEEN", &high);
    return status != NPV_OK ? status : npv_build_between(p->builder, *field, &low.entry, &high.entry);
}

static npv_status parse_escape(parser *p, npv_bytes *escape) {
    bool given;
    npv_status status = accept(p, NPV_TOKEN_ESCAPE, &given);
    *escape = (npv_bytes){NULL, 0};
    if (status != NPV_OK || !given)
        return status;
    value character;
    status = take_text(p, "one character in quotes behind ESCAPE", &character);
    if (status == NPV_OK && !npv_pattern_is_escape(character.entry.bytes))
        return fail_value(p, &character, "one character in quotes behind ESCAPE", "");
    *escape = character.entry.bytes;
    return status;
}

static npv_status parse_like(parser *p, const npv_named_field *field) {
    const bool ignore_case = p->token.kind == NPV_TOKEN_ILIKE;
    value pattern;
    npv_bytes escape;
    bool valid;
    npv_status status = advance(p);
    if (status == NPV_OK)
        status = take_text(p, "a pattern in quotes", &pattern);
    if (status == NPV_OK)
        status = parse_escape(p, &escape);
    if (status == NPV_OK)
        status = npv_build_like(p->builder, *field, pattern.entry.bytes, escape, ignore_case, &valid);
    if (status == NPV_OK && !valid)
        return fail_value(p, &pattern, "a character behind the last escape of the pattern", "");
    return status;
}

static npv_status parse_contains(parser *p, const npv_named_field *field) {
    value part;
    npv_status status = advance(p);
    if (status == NPV_OK)
        status = take_known_value(p, "a value behind CONTAINS", &part);
    return status != NPV_OK ? status : npv_build_condition(p->builder, NPV_FILTER_CONTAINS, *field, &part.entry);
}

static npv_status parse_is_null(parser *p, const npv_named_field *field) {
    bool negated;
    npv_status status = advance(p);
    if (status == NPV_OK)
        status = accept(p, NPV_TOKEN_NOT, &negated);
    if (status == NPV_OK)
        status = expect(p, NPV_TOKEN_NULL, "NULL or NOT NULL behind IS");
    if (status == NPV_OK)
        status = npv_build_condition(p->builder, NPV_FILTER_IS_NULL, *field, NULL);
    return status == NPV_OK && negated ? npv_build_not(p->builder) : status;
}

static npv_status fail_no_operator(const parser *p, const npv_named_field *field, bool negated) {
    if (negated)
        return fail_expected(p, "IN, BETWEEN, LIKE, ILIKE or CONTAINS behind NOT");
    const npv_token_kind kind = p->token.kind;
    char name[NPV_SHOWN], hint[NPV_SHOWN + 64];
    npv_bytes_show(field->raw, name);
    snprintf(hint, sizeof hint, "; if it is true or false, say %s = true", name);
    const bool is_alone =
        kind == NPV_TOKEN_END || kind == NPV_TOKEN_AND || kind == NPV_TOKEN_OR || kind == NPV_TOKEN_CLOSE;
    const char *const expected = "= != < <= > >=, IN, BETWEEN, LIKE, ILIKE, CONTAINS, IS or NOT behind the field";
    return is_alone ? fail_at(p, &p->token, expected, hint) : fail_expected(p, expected);
}

/* What may stand behind NOT as well. */
static npv_status parse_predicate(parser *p, const npv_named_field *field, bool negated) {
    switch (p->token.kind) {
    case NPV_TOKEN_IN:
        return parse_in(p, field);
    case NPV_TOKEN_BETWEEN:
        return parse_between(p, field);
    case NPV_TOKEN_LIKE:
    case NPV_TOKEN_ILIKE:
        return parse_like(p, field);
    case NPV_TOKEN_CONTAINS:
        return parse_contains(p, field);
    default:
        return fail_no_operator(p, field, negated);
    }
}

static npv_status parse_field_condition(parser *p) {
    npv_named_field field;
    npv_status status = take_field(p, &field);
    if (status != NPV_OK)
        return status;
    if (p->token.kind == NPV_TOKEN_COMPARISON)
        return parse_comparison(p, &field);
    if (p->token.kind == NPV_TOKEN_IS)
        return parse_is_null(p, &field);
    bool negated;
    status = accept(p, NPV_TOKEN_NOT, &negated);
    if (status == NPV_OK)
        status = parse_predicate(p, &field, negated);
    return status == NPV_OK && negated ? npv_build_not(p->builder) : status;
}

/* 2023 <= year */
static npv_status parse_swapped(parser *p) {
    static const npv_comparison swapped[] = {
        [NPV_COMPARE_EQUAL] = NPV_COMPARE_EQUAL,  [NPV_COMPARE_NOT_EQUAL] = NPV_COMPARE_NOT_EQUAL,
        [NPV_COMPARE_LESS] = NPV_COMPARE_GREATER, [NPV_COMPARE_LESS_OR_EQUAL] = NPV_COMPARE_GREATER_OR_EQUAL,
        [NPV_COMPARE_GREATER] = NPV_COMPARE_LESS, [NPV_COMPARE_GREATER_OR_EQUAL] = NPV_COMPARE_LESS_OR_EQUAL,
    };
    value compared;
    npv_named_field field;
    npv_status status = take_known_value(p, "a value", &compared);
    const npv_comparison comparison = p->token.comparison;
    if (status == NPV_OK)
        status = expect(p, NPV_TOKEN_COMPARISON, "= != < <= > or >= and a field behind the value");
    if (status == NPV_OK && p->token.kind != NPV_TOKEN_NAME)
        return fail_at(p, &p->token, "a field to compare the value with", "; its name stands bare or in double quotes");
    if (status == NPV_OK)
        status = take_field(p, &field);
    return status != NPV_OK ? status : npv_build_comparison(p->builder, swapped[comparison], field, &compared.entry);
}

static npv_status parse_exists(parser *p) {
    npv_named_field field;
    npv_status status = advance(p);
    if (status == NPV_OK)
        status = expect(p, NPV_TOKEN_OPEN, "( and the name of a field behind EXISTS");
    if (status == NPV_OK && p->token.kind != NPV_TOKEN_NAME)
        return fail_expected(p, "the name of a field in EXISTS()");
    if (status == NPV_OK)
        status = take_field(p, &field);
    if (status == NPV_OK)
        status = expect(p, NPV_TOKEN_CLOSE, ") behind the field of EXISTS");
    return status != NPV_OK ? status : npv_build_condition(p->builder, NPV_FILTER_EXISTS, field, NULL);
}

/* ------------------------------------------------------------------------------------------------------- Logic -- */

static npv_status parse_parentheses(parser *p) {
    npv_status status = enter(p);
    if (status == NPV_OK)
        status = advance(p);
    if (status == NPV_OK)
        status = parse_or(p);
    p->depth--;
    return status != NPV_OK ? status : expect(p, NPV_TOKEN_CLOSE, "AND, OR or )");
}

static npv_status parse_condition(parser *p) {
    if (p->token.kind == NPV_TOKEN_OPEN)
        return parse_parentheses(p);
    if (p->token.kind == NPV_TOKEN_EXISTS)
        return parse_exists(p);
    if (p->token.kind == NPV_TOKEN_NAME)
        return parse_field_condition(p);
    if (is_value(&p->token))
        return parse_swapped(p);
    if (p->token.kind > NPV_TOKEN_OTHER)
        return fail_at(p, &p->token, "a condition", "; a field of that name stands in double quotes");
    return fail_expected(p, "a condition, such as year >= 2023");
}

static npv_status parse_not(parser *p) {
    if (p->token.kind != NPV_TOKEN_NOT)
        return parse_condition(p);
    npv_status status = enter(p);
    if (status == NPV_OK)
        status = advance(p);
    if (status == NPV_OK)
        status = parse_not(p);
    p->depth--;
    return status != NPV_OK ? status : npv_build_not(p->builder);
}

static npv_status parse_and(parser *p) {
    const size_t mark = npv_build_mark(p->builder);
    bool more = true;
    npv_status status = NPV_OK;
    while (status == NPV_OK && more) {
        status = parse_not(p);
        if (status == NPV_OK)
            status = accept(p, NPV_TOKEN_AND, &more);
    }
    return status != NPV_OK ? status : npv_build_group(p->builder, NPV_FILTER_AND, mark);
}

static npv_status parse_or(parser *p) {
    const size_t mark = npv_build_mark(p->builder);
    bool more = true;
    npv_status status = NPV_OK;
    while (status == NPV_OK && more) {
        status = parse_and(p);
        if (status == NPV_OK)
            status = accept(p, NPV_TOKEN_OR, &more);
    }
    return status != NPV_OK ? status : npv_build_group(p->builder, NPV_FILTER_OR, mark);
}

npv_status npv_parse_text(npv_builder *builder, npv_bytes text, npv_parameters *parameters) {
    parser p = {.builder = builder, .parameters = parameters, .text = text};
    npv_status status = npv_token_read(text, 0, &p.token, builder->error);
    if (status == NPV_OK)
        status = parse_or(&p);
    return status != NPV_OK ? status : expect(&p, NPV_TOKEN_END, "AND, OR or the end");
}
