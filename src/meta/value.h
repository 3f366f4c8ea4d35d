/*
 * Values: what a document is made of, kept as fragments.
 *
 * A fragment is one value spelled in a small, canonical part of Python's pickle opcodes: no memo, no frames, no PROTO,
 * one spelling for every value. It means the same wherever it stands, so fragments are copied, nested and saved as
 * they are, and inside MARK .. APPENDS they are the very bytes of the file.
 *
 *      value       opcodes                                                       notes
 *      ----------  ------------------------------------------------------------  -----------------------------------
 *      none        N
 *      bool        0x88 true, 0x89 false
 *      int         J <int32>, otherwise 0x8a <u8 size> <two's complement>,       little-endian, shortest; at most
 *                  otherwise 0x8b <u32 size> <two's complement>                  NPV_MAX_INTEGER_BYTES
 *      float       G <float64>                                                   big-endian
 *      str         0x8c <u8 size> <UTF-8>, otherwise X <u32 size> <UTF-8>        UTF-8 with lone surrogates
 *      bytes       C <u8 size> <bytes>, otherwise B <u32 size> <bytes>
 *      list        ] ( value* e
 *      tuple       ( value* t
 *      dict        } ( (key value)* u                                            keys are no containers, all different
 *      NumPy       c numpy.core.multiarray \n scalar \n                          <dtype>: '<', a letter of "biufUSMm",
 *      scalar      c numpy \n dtype \n X <u32 size> <dtype>                      bytes (U: characters) an item, and
 *                  0x89 0x88 0x87 R  B <u32 size> <item, little-endian> 0x86 R   for M, m the unit: "<M8[25us]"
 *
 * An empty list is ] ( e and not just ]: otherwise an empty list before a tuple, ] (, would read like a list that
 * begins. Fragments in memory are always ones that these functions wrote, so reading asserts and checks nothing.
 */
#ifndef NPV_VALUE_H
#define NPV_VALUE_H

#include <stdbool.h>

#include "../bytes.h"

typedef enum npv_value_kind {
    NPV_VALUE_NONE,
    NPV_VALUE_BOOL,
    NPV_VALUE_INT,   /* fits int64 */
    NPV_VALUE_UINT,  /* a NumPy uint64 above that */
    NPV_VALUE_BIG,   /* any other integer */
    NPV_VALUE_FLOAT, /* NumPy's float16 and float32 too */
    NPV_VALUE_STR,
    NPV_VALUE_UTF32, /* NumPy's str_ */
    NPV_VALUE_BYTES,
    NPV_VALUE_DATETIME,
    NPV_VALUE_TIMEDELTA,
    NPV_VALUE_LIST, /* here a container begins; its values follow, in a dict key before value, and then an END */
    NPV_VALUE_TUPLE,
    NPV_VALUE_DICT,
    NPV_VALUE_END
} npv_value_kind;

/* NumPy's units of time, by its letters. */
typedef enum npv_time_unit {
    NPV_TIME_Y,
    NPV_TIME_M,
    NPV_TIME_W,
    NPV_TIME_D,
    NPV_TIME_h,
    NPV_TIME_m,
    NPV_TIME_s,
    NPV_TIME_ms,
    NPV_TIME_us,
    NPV_TIME_ns,
    NPV_TIME_ps,
    NPV_TIME_fs,
    NPV_TIME_as,
    NPV_TIME_GENERIC,
    NPV_TIME_UNKNOWN /* no unit at all */
} npv_time_unit;

#define NPV_NOT_A_TIME INT64_MIN

typedef struct npv_time {
    int64_t ticks;     /* or NPV_NOT_A_TIME */
    uint32_t multiple; /* a tick is this many units */
    npv_time_unit unit;
} npv_time;

/* One step of a walk through a fragment. Pointers are into the fragment. */
typedef struct npv_value {
    npv_value_kind kind;
    union {
        bool boolean;
        int64_t integer;
        uint64_t natural; /* UINT */
        double real;
        npv_bytes bytes; /* STR: UTF-8. UTF32: little-endian, no zeros at the end. BIG: two's complement. BYTES */
        npv_time time;   /* DATETIME, TIMEDELTA */
    };
} npv_value;

/* Takes the next step of a walk: `rest` is what is left of the fragment, and is not empty. */
npv_value npv_value_next(npv_bytes *rest);

/*
 * The value of a NumPy item of one of the letters "biufUSMm", little-endian; for M and m `time` says what a tick is.
 * Text points into the item and loses the zeros at its end.
 */
npv_value npv_value_of_item(char letter, npv_bytes item, npv_time time);

/* Steps over one whole value; a container with all that is in it. */
void npv_value_skip(npv_bytes *rest);

/* Append one value, or one end of a container (LIST, TUPLE, DICT). Text is UTF-8 (utf8.h), sizes are below 4 GiB. */
npv_status npv_value_write_none(npv_buffer *fragment, npv_error *error);
npv_status npv_value_write_bool(npv_buffer *fragment, bool value, npv_error *error);
npv_status npv_value_write_int(npv_buffer *fragment, int64_t value, npv_error *error);
npv_status npv_value_write_float(npv_buffer *fragment, double value, npv_error *error);
npv_status npv_value_write_str(npv_buffer *fragment, npv_bytes text, npv_error *error);
npv_status npv_value_write_bytes(npv_buffer *fragment, npv_bytes value, npv_error *error);
npv_status npv_value_begin(npv_buffer *fragment, npv_value_kind container, npv_error *error);
npv_status npv_value_end(npv_buffer *fragment, npv_value_kind container, npv_error *error);

/* An integer in two's complement, little-endian, shortest or not, of at most NPV_MAX_INTEGER_BYTES. */
npv_status npv_value_write_integer(npv_buffer *fragment, npv_bytes value, npv_error *error);

/* A NumPy scalar: dtype as in the table above, with an item that fits it. */
npv_status npv_value_write_numpy(npv_buffer *fragment, const char *dtype, npv_bytes item, npv_error *error);

/* "ms" and the like, "generic" without a unit. */
const char *npv_time_unit_name(npv_time_unit unit);

/* The unit of that name, or NPV_TIME_UNKNOWN. */
npv_time_unit npv_time_unit_named(npv_bytes name);

#endif
