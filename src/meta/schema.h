/* The typed fields of a store: how a record, one element of a structured NumPy array, is made up. */
#ifndef NPV_SCHEMA_H
#define NPV_SCHEMA_H

#include "../bytes.h"
#include "value.h"

typedef struct npv_schema_field {
    const char *name;
    char letter; /* one of "biufUSMm" */
    bool big_endian;
    size_t size;   /* bytes */
    size_t offset; /* in the record */
    npv_time time; /* M, m: unit and multiple */
} npv_schema_field;

typedef struct npv_record_schema {
    npv_schema_field *fields;
    npv_field *declared; /* the same for npv_get_schema */
    size_t field_count;  /* 0: there is no schema, or one that is not read (`unread`) */
    size_t record_size;
    char *descr;  /* as NumPy spells it */
    char *names;  /* owned: what the names and types point into */
    char *unread; /* owned: why records of this type are kept as they are, but have no fields for us; else NULL */
} npv_record_schema;

#define NPV_MAX_DESCR 1000000 /* bytes of a descr that is declared: it must fit a .npy header (NPV_NPY_MAX_HEADER) */

/* From declared fields: packed, little-endian. NPV_E_ARGUMENT names the field: unknown type, name twice, no name. */
npv_status npv_schema_declare(const npv_field *fields, size_t count, npv_record_schema *schema, npv_error *error);

/*
 * From the `descr` of a .npy header, a list of tuples. Padding ('', '|V4') is kept as what it is, padding.
 * NPV_E_UNSUPPORTED for fields that are no scalars of the types above: subarrays, records in records, objects, complex
 * numbers.
 */
npv_status npv_schema_from_descr(npv_bytes descr, npv_record_schema *schema, npv_error *error);

#define NPV_TYPE_TEXT 32

/* "U200", "M8[25us]": the type of a field without byte order. Returns the length. */
size_t npv_schema_spell_type(const npv_schema_field *field, char text[NPV_TYPE_TEXT]);

/* A schema without fields, for a type that npv_schema_from_descr does not take: with its message. */
npv_status npv_schema_unread(npv_bytes descr, size_t record_size, const char *why, npv_record_schema *schema,
                             npv_error *error);

void npv_schema_free(npv_record_schema *schema);

/* The number of the field of that name, or field_count. */
size_t npv_schema_find(const npv_record_schema *schema, npv_bytes name);

/*
 * The value of a field of a record: BOOL, INT, UINT, FLOAT, UTF32, STR ("S" that is ASCII), BYTES (other "S"),
 * DATETIME, TIMEDELTA, in the machine's byte order; pointers are into the record, but for big-endian text, which is
 * written to `room` (field->size bytes).
 */
npv_value npv_record_value(const npv_schema_field *field, const unsigned char *record, unsigned char *room);

/*
 * Any bytes are a value of their field, but for texts: their characters must be Unicode's. The error, of this status,
 * names the first row for which they are not. Records must be checked before their values are taken.
 */
npv_status npv_record_check_texts(const npv_record_schema *schema, const unsigned char *records, uint64_t rows,
                                  npv_status code, npv_error *error);

/* A record as the fragment of a dict of its fields: what npv_get_document shows. Times that are none are None. */
npv_status npv_record_to_fragment(const npv_record_schema *schema, const unsigned char *record, npv_buffer *fragment,
                                  npv_error *error);

/*
 * The other way: a dict with exactly the schema's fields, each with a value that fits. NPV_E_ARGUMENT names field and
 * value and says what fits. null fits M8 and m8 (NaT) and floats (NaN).
 */
npv_status npv_record_from_fragment(const npv_record_schema *schema, npv_bytes fragment, unsigned char *record,
                                    npv_error *error);

#endif
