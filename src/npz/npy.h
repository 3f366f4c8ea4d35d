/*
 * The .npy format: headers, and arrays of floats converted to float32 rows in C order.
 *
 * A header is the repr of a Python dict. It is parsed as what it is, by a parser for just that; nothing is evaluated.
 * Messages do not name the file; archive.c puts path and member in front.
 */
#ifndef NPV_NPY_H
#define NPV_NPY_H

#include <stdbool.h>

#include "../bytes.h"
#include "../meta/descr.h"

#define NPV_NPY_MAX_HEADER 1048576 /* bytes; NumPy itself refuses above 10,000 unless told otherwise */
#define NPV_NPY_MAX_AXES NPV_LITERAL_MAX_NUMBERS

#define NPV_NPY_MAGIC "\x93NUMPY"
#define NPV_NPY_MAGIC_SIZE 6

typedef struct npv_npy_header {
    size_t size;  /* of magic, version and header: the data begins here */
    char kind;    /* f i u b c S U V M m O, or NPV_DESCR_RECORD */
    bool objects; /* there are Python objects in it: the data is a pickle, of unknown size */
    bool big_endian;
    bool fortran_order;
    unsigned axes;
    uint64_t shape[NPV_NPY_MAX_AXES];
    uint64_t item_size;   /* bytes of one element */
    uint64_t data_size;   /* bytes of all of them */
    char text[NPV_SHOWN]; /* descr as the file spells it, for messages */
} npv_npy_header;

/* Reads magic, version and header; the data is what `source` gives next. O(header). */
npv_status npv_npy_read_header(npv_source source, npv_npy_header *header, npv_error *error);

/* The same, and appends the type as the file spells it, in UTF-8, to the empty `descr`. */
npv_status npv_npy_read_descr(npv_source source, npv_npy_header *header, npv_buffer *descr, npv_error *error);

/* "'<f8' of shape (3, 4)": what the header says, for messages. */
void npv_npy_describe(const npv_npy_header *header, char shown[2 * NPV_SHOWN]);

/* The value of a 0-d array of integers, from its item_size bytes. NPV_E_FORMAT if it is none or exceeds int64. */
npv_status npv_npy_integer(const npv_npy_header *header, const unsigned char *item, int64_t *value, npv_error *error);

/* Are these vectors: a matrix of f2, f4 or f8 in either byte order, of 1 to NPV_MAX_DIMENSIONS columns? */
npv_status npv_npy_check_vectors(const npv_npy_header *header, npv_error *error);

/* Do the data's bytes equal float32 rows in C order? If not, *why says what differs: "float64, Fortran order". */
bool npv_npy_is_native(const npv_npy_header *header, char why[NPV_SHOWN]);

/*
 * Reads the data of checked vectors as float32 rows in C order. Infinities and NaN pass; a finite value beyond
 * float32 is an error that names row and column. Scratch memory: 64 KB, and for Fortran order 16 columns.
 */
npv_status npv_npy_read_vectors(npv_source source, const npv_npy_header *header, float *vectors, npv_error *error);

#define NPV_NPY_WRITTEN_HEADER 128

/* The header that np.save writes for this descr (a type's letter and size, without quotes) and shape of 0 to 2 axes. */
void npv_npy_write_header(const char *descr, unsigned axes, const uint64_t *shape,
                          unsigned char header[NPV_NPY_WRITTEN_HEADER]);

/* The same for `rows` records: descr is a list of fields, in UTF-8. Appends to the empty `header`. */
npv_status npv_npy_write_record_header(const char *descr, uint64_t rows, npv_buffer *header, npv_error *error);

#endif
