/* Typed fields: declared by callers, or read from the type of a structured array. */
#include "schema.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../error.h"
#include "descr.h"
#include "utf8.h"

/* ----------------------------------------------------------------------------------------------- From a descr -- */

/* A schema in the making. A field's name and type are no longer than its spelling, which so bounds their room. */
typedef struct builder {
    npv_record_schema *schema;
    npv_buffer fields; /* npv_schema_field */
    char *next_name;
} builder;

static bool refuse(npv_literal *p, npv_bytes name, const char *why) {
    char shown[NPV_SHOWN];
    npv_bytes_show(name, shown);
    p->status = npv_fail(p->error, NPV_E_UNSUPPORTED, "field '%s' %s", shown, why);
    return false;
}

/* Why a type is none of ours, or NULL. */
static const char *objection(const npv_descr_field *field) {
    if (field->is_array)
        return "is an array, where npvec reads single values";
    switch (field->type.kind) {
    case NPV_DESCR_RECORD:
        return "is a record itself, where npvec reads single values";
    case 'c':
        return "is a complex number, which npvec does not read";
    case 'O':
        return "is a Python object, which npvec does not read in records";
    case 'V':
        return "is raw bytes (V), which npvec does not read";
    case 'f':
        return field->type.size > 8 ? "is a long double, which npvec does not read" : NULL;
    default:
        return NULL;
    }
}

/* Copies the name, or says why not. */
static bool take_name(npv_literal *p, builder *b, npv_bytes spelled, const char **name) {
    const size_t length = npv_literal_unescape(spelled, b->next_name);
    if (length == SIZE_MAX)
        return refuse(p, spelled, "has a name that npvec does not read");
    if (length == 0)
        return refuse(p, spelled, "has no name");
    if (npv_schema_find(b->schema, (npv_bytes){(const unsigned char *)b->next_name, length}) < b->schema->field_count)
        return refuse(p, spelled, "is there twice");
    b->next_name[length] = '\0';
    *name = b->next_name;
    b->next_name += length + 1;
    return true;
}

static bool visit_field(void *context, npv_literal *p, const npv_descr_field *described) {
    builder *b = context;
    npv_record_schema *schema = b->schema;
    const npv_descr *type = &described->type;
    npv_schema_field field = {.letter = type->kind, .offset = schema->record_size};
    if (type->size > INT32_MAX - schema->record_size) /* NumPy's own limit */
        return refuse(p, described->name, "makes records longer than 2**31 - 1 bytes");
    field.size = (size_t)type->size;
    schema->record_size += field.size;
    if (described->name.size == 0 && type->kind == 'V' && !described->is_array)
        return true;
    const char *why = objection(described);
    if (why == NULL && !npv_descr_unit(type->unit, &field.time))
        why = "has a unit of time that NumPy does not have";
    if (why == NULL && schema->field_count == NPV_MAX_FIELDS)
        why = "is one too many: npvec reads records of at most 1024 fields";
    if (why != NULL)
        return refuse(p, described->name, why);
    if (!take_name(p, b, described->name, &field.name))
        return false;
    field.big_endian = type->big_endian && field.size > 1 && type->kind != 'S';
    p->status = npv_buffer_append(&b->fields, &field, sizeof field, p->error);
    schema->fields = (npv_schema_field *)(void *)b->fields.data;
    schema->field_count += p->status == NPV_OK;
    return p->status == NPV_OK;
}

size_t npv_schema_spell_type(const npv_schema_field *field, char text[NPV_TYPE_TEXT]) {
    const size_t number = field->letter == 'U' ? field->size / 4 : field->size;
    const size_t used = (size_t)snprintf(text, NPV_TYPE_TEXT, "%c%zu", field->letter, number);
    if (field->time.unit == NPV_TIME_GENERIC)
        return used;
    char multiple[12] = "";
    if (field->time.multiple != 1)
        snprintf(multiple, sizeof multiple, "%u", (unsigned)field->time.multiple);
    return used + (size_t)snprintf(text + used, NPV_TYPE_TEXT - used, "[%s%s]", multiple,
                                   npv_time_unit_name(field->time.unit));
}

static npv_status declare_fields(builder *b, npv_error *error) {
    npv_record_schema *schema = b->schema;
    schema->declared = malloc(schema->field_count * sizeof *schema->declared);
    if (schema->declared == NULL)
        return npv_fail_memory(error, "typed fields", schema->field_count * sizeof *schema->declared);
    for (size_t i = 0; i < schema->field_count; i++) {
        char type[NPV_TYPE_TEXT];
        const size_t length = npv_schema_spell_type(&schema->fields[i], type);
        schema->declared[i] = (npv_field){schema->fields[i].name, memcpy(b->next_name, type, length + 1)};
        b->next_name += length + 1;
    }
    return NPV_OK;
}

static npv_status copy_text(npv_bytes text, char **copy, npv_error *error) {
    *copy = malloc(text.size + 1);
    if (*copy == NULL)
        return npv_fail_memory(error, "the type of records", text.size + 1);
    memcpy(*copy, text.data, text.size);
    (*copy)[text.size] = '\0';
    return NPV_OK;
}

static npv_status parse(npv_bytes descr, builder *b, npv_error *error) {
    npv_descr type;
    npv_literal p = npv_literal_of(descr, error);
    const npv_descr_visitor visitor = {visit_field, b};
    if (!npv_descr_take(&p, &visitor, &type))
        return p.status;
    npv_literal_skip_space(&p);
    if (p.at != p.end || type.kind != NPV_DESCR_RECORD) {
        npv_literal_expected(&p, "one list of fields");
        return p.status;
    }
    if (b->schema->field_count == 0)
        return npv_fail(error, NPV_E_UNSUPPORTED, "its records have no fields");
    if (b->schema->record_size == 0)
        return npv_fail(error, NPV_E_UNSUPPORTED, "its records have no bytes");
    return declare_fields(b, error);
}

npv_status npv_schema_from_descr(npv_bytes descr, npv_record_schema *schema, npv_error *error) {
    npv_record_schema made = {0};
    builder b = {&made, {0}, NULL};
    npv_status status = copy_text(descr, &made.descr, error);
    if (status == NPV_OK && (made.names = malloc(descr.size + 1)) == NULL)
        status = npv_fail_memory(error, "names of fields", descr.size + 1);
    b.next_name = made.names;
    if (status == NPV_OK)
        status = parse(descr, &b, error);
    if (status == NPV_OK)
        *schema = made;
    else
        npv_schema_free(&made);
    return status;
}

npv_status npv_schema_unread(npv_bytes descr, size_t record_size, const char *why, npv_record_schema *schema,
                             npv_error *error) {
    npv_record_schema made = {.record_size = record_size};
    npv_status status = copy_text(descr, &made.descr, error);
    if (status == NPV_OK)
        status = copy_text((npv_bytes){(const unsigned char *)why, strlen(why)}, &made.unread, error);
    if (status == NPV_OK)
        *schema = made;
    else
        npv_schema_free(&made);
    return status;
}

/* ---------------------------------------------------------------------------------------------------- Declared -- */

static bool is_name(npv_bytes name) {
    for (size_t i = 0; i + 1 < name.size; i++)
        if (name.data[i] == 0xed && name.data[i + 1] >= 0xa0) /* half of a surrogate pair, which no file can hold */
            return false;
    return name.size > 0 && npv_utf8_valid(name);
}

/* "8[25us]": what follows the letter of a time, which must have a unit. */
static bool take_unit(npv_bytes text, npv_time *time) {
    if (text.size < 4 || memcmp(text.data, "8[", 2) != 0 || text.data[text.size - 1] != ']')
        return false;
    return npv_descr_unit((npv_bytes){text.data + 2, text.size - 3}, time) && time->unit != NPV_TIME_GENERIC;
}

/* "200": what follows the letter of a text. */
static bool take_length(npv_bytes text, uint64_t most, uint64_t *length) {
    npv_literal p = npv_literal_of(text, NULL);
    return text.size > 0 && *text.data >= '1' && *text.data <= '9' && npv_literal_number(&p, length) && p.at == p.end &&
           *length <= most;
}

/* A declared type as NumPy spells it, with its byte order. */
static bool spell_declared(const char *type, char spelled[NPV_TYPE_TEXT + 1]) {
    static const char *const PLAIN[] = {"b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"};
    const char letter = *type;
    npv_schema_field field = {.letter = letter, .size = 8, .time = {0, 1, NPV_TIME_GENERIC}};
    uint64_t number = 0;
    bool is_known = false;
    for (size_t i = 0; i < sizeof PLAIN / sizeof *PLAIN; i++)
        is_known = is_known || strcmp(type, PLAIN[i]) == 0;
    if (is_known) {
        field.size = (size_t)(type[1] - '0');
    } else {
        const npv_bytes rest = {(const unsigned char *)type + 1, letter == '\0' ? 0 : strlen(type + 1)};
        const bool is_time = (letter == 'M' || letter == 'm') && take_unit(rest, &field.time);
        const bool is_text =
            (letter == 'U' || letter == 'S') && take_length(rest, letter == 'U' ? INT32_MAX / 4 : INT32_MAX, &number);
        if (!is_time && !is_text)
            return false;
        if (is_text)
            field.size = (size_t)number * (letter == 'U' ? 4 : 1);
    }
    *spelled = field.size == 1 || letter == 'S' ? '|' : '<';
    npv_schema_spell_type(&field, spelled + 1);
    return true;
}

static npv_status append_text(npv_buffer *descr, const char *text, npv_error *error) {
    return npv_buffer_append(descr, text, strlen(text), error);
}

static npv_status spell_field(const npv_field *field, size_t number, npv_buffer *descr, npv_error *error) {
    char shown[NPV_SHOWN];
    char spelled[NPV_TYPE_TEXT + 1];
    const char *given = field->name == NULL ? "" : field->name;
    const npv_bytes name = {(const unsigned char *)given, strlen(given)};
    if (!is_name(name))
        return npv_fail(error, NPV_E_ARGUMENT, "field %zu: expected a name in UTF-8, found %s", number,
                        name.size == 0 ? "none" : "other bytes");
    npv_bytes_show(name, shown);
    if (field->type == NULL || !spell_declared(field->type, spelled)) {
        char found[NPV_SHOWN] = "none";
        if (field->type != NULL)
            npv_bytes_show((npv_bytes){(const unsigned char *)field->type, strlen(field->type)}, found);
        return npv_fail(error, NPV_E_ARGUMENT,
                        "field '%s': expected a type (b1, i1 to i8, u1 to u8, f2 to f8, U<characters>, S<bytes>, "
                        "M8[<unit>], m8[<unit>]), found '%s'",
                        shown, found);
    }
    npv_status status = append_text(descr, number == 0 ? "(" : ", (", error);
    if (status == NPV_OK)
        status = npv_literal_append_string(descr, name, error);
    if (status == NPV_OK)
        status = append_text(descr, ", '", error);
    if (status == NPV_OK)
        status = append_text(descr, spelled, error);
    return status == NPV_OK ? append_text(descr, "')", error) : status;
}

static npv_status spell(const npv_field *fields, size_t count, npv_buffer *descr, npv_error *error) {
    npv_status status = append_text(descr, "[", error);
    for (size_t i = 0; i < count && status == NPV_OK; i++)
        status = spell_field(&fields[i], i, descr, error);
    if (status == NPV_OK && descr->size > NPV_MAX_DESCR)
        return npv_fail(error, NPV_E_LIMIT, "expected names of fields of at most %d bytes in all", NPV_MAX_DESCR);
    return status == NPV_OK ? append_text(descr, "]", error) : status;
}

npv_status npv_schema_declare(const npv_field *fields, size_t count, npv_record_schema *schema, npv_error *error) {
    if (count == 0)
        return npv_fail(error, NPV_E_ARGUMENT, "expected at least one field, found none");
    if (count > NPV_MAX_FIELDS)
        return npv_fail(error, NPV_E_LIMIT, "expected at most %d fields, found %zu", NPV_MAX_FIELDS, count);
    npv_buffer descr = {0};
    npv_status status = spell(fields, count, &descr, error);
    if (status == NPV_OK)
        status = npv_schema_from_descr((npv_bytes){descr.data, descr.size}, schema, error);
    free(descr.data);
    if (status != NPV_E_UNSUPPORTED)
        return status;
    /* A name that is there twice, or too long a record, is the caller's mistake here. */
    if (error != NULL)
        error->code = NPV_E_ARGUMENT;
    return NPV_E_ARGUMENT;
}

/* ------------------------------------------------------------------------------------------------------- Looking -- */

size_t npv_schema_find(const npv_record_schema *schema, npv_bytes name) {
    size_t i = 0;
    while (i < schema->field_count &&
           (strlen(schema->fields[i].name) != name.size || memcmp(schema->fields[i].name, name.data, name.size) != 0))
        i++;
    return i;
}

void npv_schema_free(npv_record_schema *schema) {
    free(schema->fields);
    free(schema->declared);
    free(schema->descr);
    free(schema->names);
    free(schema->unread);
    *schema = (npv_record_schema){0};
}
