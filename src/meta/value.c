#include "value.h"

#include <assert.h>
#include <string.h>

#include "../error.h"

/* A NumPy scalar is these, its dtype, these, its item, these. */
static const char SCALAR_BEGIN[] = "cnumpy.core.multiarray\nscalar\ncnumpy\ndtype\nX";
static const char SCALAR_MIDDLE[] = "\x89\x88\x87RB";
static const char SCALAR_END[] = "\x86R";

static const char *const TIME_UNITS[] = {"Y",  "M",  "W",  "D",  "h",  "m",  "s",
                                         "ms", "us", "ns", "ps", "fs", "as", "generic"};

const char *npv_time_unit_name(npv_time_unit unit) {
    return TIME_UNITS[unit];
}

npv_time_unit npv_time_unit_named(npv_bytes name) {
    for (npv_time_unit unit = NPV_TIME_Y; unit <= NPV_TIME_GENERIC; unit++)
        if (strlen(TIME_UNITS[unit]) == name.size && memcmp(TIME_UNITS[unit], name.data, name.size) == 0)
            return unit;
    return NPV_TIME_UNKNOWN;
}

/* ------------------------------------------------------------------------------------------------------- Writing -- */

static void store_u32(unsigned char *to, uint32_t value) {
    for (int i = 0; i < 4; i++)
        to[i] = (unsigned char)(value >> 8 * i);
}

static npv_status write_opcode(npv_buffer *fragment, unsigned char opcode, npv_error *error) {
    return npv_buffer_append(fragment, &opcode, 1, error);
}

npv_status npv_value_write_none(npv_buffer *fragment, npv_error *error) {
    return write_opcode(fragment, 'N', error);
}

npv_status npv_value_write_bool(npv_buffer *fragment, bool value, npv_error *error) {
    return write_opcode(fragment, value ? 0x88 : 0x89, error);
}

npv_status npv_value_write_int(npv_buffer *fragment, int64_t value, npv_error *error) {
    unsigned char bytes[8];
    for (int i = 0; i < 8; i++)
        bytes[i] = (unsigned char)((uint64_t)value >> 8 * i);
    return npv_value_write_integer(fragment, (npv_bytes){bytes, sizeof bytes}, error);
}

npv_status npv_value_write_float(npv_buffer *fragment, double value, npv_error *error) {
    unsigned char token[9] = {'G'};
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    for (int i = 0; i < 8; i++)
        token[1 + i] = (unsigned char)(bits >> (56 - 8 * i));
    return npv_buffer_append(fragment, token, sizeof token, error);
}

/* Text or bytes: one opcode for those shorter than 256, another for longer ones. */
static npv_status write_run(npv_buffer *fragment, unsigned char opcode_short, unsigned char opcode_long, npv_bytes run,
                            npv_error *error) {
    assert(run.size <= UINT32_MAX);
    unsigned char head[5] = {opcode_short, (unsigned char)run.size};
    const bool is_short = run.size <= UINT8_MAX;
    if (!is_short) {
        head[0] = opcode_long;
        store_u32(head + 1, (uint32_t)run.size);
    }
    const npv_status status = npv_buffer_append(fragment, head, is_short ? 2 : 5, error);
    return status != NPV_OK ? status : npv_buffer_append(fragment, run.data, run.size, error);
}

npv_status npv_value_write_str(npv_buffer *fragment, npv_bytes text, npv_error *error) {
    return write_run(fragment, 0x8c, 'X', text, error);
}

npv_status npv_value_write_bytes(npv_buffer *fragment, npv_bytes value, npv_error *error) {
    return write_run(fragment, 'C', 'B', value, error);
}

npv_status npv_value_write_integer(npv_buffer *fragment, npv_bytes value, npv_error *error) {
    assert(value.size > 0 && value.size <= NPV_MAX_INTEGER_BYTES);
    const unsigned char sign = value.data[value.size - 1] & 0x80 ? 0xff : 0;
    /* The highest byte says nothing if the one below has the same sign bit. */
    while (value.size > 1 && value.data[value.size - 1] == sign && (value.data[value.size - 2] & 0x80) == (sign & 0x80))
        value.size--;
    if (value.size > 4)
        return write_run(fragment, 0x8a, 0x8b, value, error);
    unsigned char token[5] = {'J', sign, sign, sign, sign};
    memcpy(token + 1, value.data, value.size);
    return npv_buffer_append(fragment, token, sizeof token, error);
}

npv_status npv_value_begin(npv_buffer *fragment, npv_value_kind container, npv_error *error) {
    assert(container == NPV_VALUE_LIST || container == NPV_VALUE_TUPLE || container == NPV_VALUE_DICT);
    if (container == NPV_VALUE_TUPLE)
        return write_opcode(fragment, '(', error);
    return npv_buffer_append(fragment, container == NPV_VALUE_LIST ? "](" : "}(", 2, error);
}

npv_status npv_value_end(npv_buffer *fragment, npv_value_kind container, npv_error *error) {
    assert(container == NPV_VALUE_LIST || container == NPV_VALUE_TUPLE || container == NPV_VALUE_DICT);
    const unsigned char opcode = container == NPV_VALUE_LIST ? 'e' : container == NPV_VALUE_TUPLE ? 't' : 'u';
    return write_opcode(fragment, opcode, error);
}

npv_status npv_value_write_numpy(npv_buffer *fragment, const char *dtype, npv_bytes item, npv_error *error) {
    assert(item.size <= UINT32_MAX);
    unsigned char dtype_size[4], item_size[4];
    store_u32(dtype_size, (uint32_t)strlen(dtype));
    store_u32(item_size, (uint32_t)item.size);
    const npv_bytes parts[] = {
        {(const unsigned char *)SCALAR_BEGIN, sizeof SCALAR_BEGIN - 1},
        {dtype_size, 4},
        {(const unsigned char *)dtype, strlen(dtype)},
        {(const unsigned char *)SCALAR_MIDDLE, sizeof SCALAR_MIDDLE - 1},
        {item_size, 4},
        item,
        {(const unsigned char *)SCALAR_END, sizeof SCALAR_END - 1},
    };
    npv_status status = NPV_OK;
    for (size_t i = 0; status == NPV_OK && i < sizeof parts / sizeof *parts; i++)
        status = npv_buffer_append(fragment, parts[i].data, parts[i].size, error);
    return status;
}

/* ------------------------------------------------------------------------------------------------------- Reading -- */

static npv_bytes take(npv_bytes *rest, size_t size) {
    assert(size <= rest->size);
    const npv_bytes taken = {rest->data, size};
    rest->data += size;
    rest->size -= size;
    return taken;
}

static uint64_t load_little(npv_bytes bytes) {
    assert(bytes.size <= 8);
    uint64_t value = 0;
    for (size_t i = 0; i < bytes.size; i++)
        value |= (uint64_t)bytes.data[i] << 8 * i;
    return value;
}

/* Two's complement of 1 to 8 bytes. The sign bit is moved to the top, and back with copies of itself. */
static int64_t load_signed(npv_bytes bytes) {
    const unsigned unused = 64 - 8 * (unsigned)bytes.size;
    return (int64_t)(load_little(bytes) << unused) >> unused;
}

static double load_double(uint64_t bits) {
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static double load_big_double(npv_bytes bytes) {
    uint64_t bits = 0;
    for (int i = 0; i < 8; i++)
        bits = bits << 8 | bytes.data[i];
    return load_double(bits);
}

static double load_single(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return (double)value;
}

/* A half's exponent and fraction where a float64 has them are the value / 2^1008, the difference of the biases. */
static double load_half(uint64_t bits) {
    const uint64_t sign = (bits & 0x8000) << 48;
    const bool is_finite = (bits & 0x7c00) != 0x7c00;
    const uint64_t magnitude = (bits & 0x7fff) << 42;
    if (!is_finite)
        return load_double(sign | 0x7ff0000000000000 | magnitude);
    return load_double(sign | magnitude) * 0x1p1008;
}

static npv_bytes without_zeros(npv_bytes item, size_t unit) {
    static const unsigned char zeros[4];
    while (item.size > 0 && memcmp(item.data + item.size - unit, zeros, unit) == 0)
        item.size -= unit;
    return item;
}

/* The brackets of "<M8[25us]"; there are none around a generic unit, nor in other types. */
static npv_time tick_of(npv_bytes dtype) {
    npv_time time = {0, 0, NPV_TIME_GENERIC};
    if (dtype.size > 3 && dtype.data[3] == '[') {
        npv_bytes name = {dtype.data + 4, dtype.size - 5};
        while (*name.data >= '0' && *name.data <= '9')
            time.multiple = time.multiple * 10 + (uint32_t)(*take(&name, 1).data - '0');
        time.unit = npv_time_unit_named(name);
    }
    if (time.multiple == 0)
        time.multiple = 1;
    return time;
}

npv_value npv_value_of_item(char letter, npv_bytes item, npv_time time) {
    npv_value value = {.kind = NPV_VALUE_INT};
    switch (letter) {
    case 'b':
        return (npv_value){.kind = NPV_VALUE_BOOL, .boolean = *item.data != 0};
    case 'i':
        value.integer = load_signed(item);
        return value;
    case 'u':
        value.natural = load_little(item);
        value.kind = value.natural > INT64_MAX ? NPV_VALUE_UINT : NPV_VALUE_INT;
        if (value.kind == NPV_VALUE_INT)
            value.integer = (int64_t)value.natural;
        return value;
    case 'f':
        value.kind = NPV_VALUE_FLOAT;
        value.real = item.size == 2   ? load_half(load_little(item))
                     : item.size == 4 ? load_single((uint32_t)load_little(item))
                                      : load_double(load_little(item));
        return value;
    case 'U':
        return (npv_value){.kind = NPV_VALUE_UTF32, .bytes = without_zeros(item, 4)};
    case 'S':
        return (npv_value){.kind = NPV_VALUE_BYTES, .bytes = without_zeros(item, 1)};
    default:
        assert(letter == 'M' || letter == 'm');
        time.ticks = load_signed(item);
        return (npv_value){.kind = letter == 'M' ? NPV_VALUE_DATETIME : NPV_VALUE_TIMEDELTA, .time = time};
    }
}

static npv_bytes take_run(npv_bytes *rest, size_t size_bytes) {
    return take(rest, (size_t)load_little(take(rest, size_bytes)));
}

static npv_bytes take_numpy(npv_bytes *rest, npv_bytes *dtype) {
    take(rest, sizeof SCALAR_BEGIN - 2); /* its opcode and its zero are not there */
    *dtype = take_run(rest, 4);
    take(rest, sizeof SCALAR_MIDDLE - 1);
    const npv_bytes item = take_run(rest, 4);
    take(rest, sizeof SCALAR_END - 1);
    return item;
}

static npv_value next_numpy(npv_bytes *rest) {
    npv_bytes dtype;
    const npv_bytes item = take_numpy(rest, &dtype);
    return npv_value_of_item((char)dtype.data[1], item, tick_of(dtype));
}

static npv_value next_long(npv_bytes bytes) {
    if (bytes.size > 8)
        return (npv_value){.kind = NPV_VALUE_BIG, .bytes = bytes};
    return (npv_value){.kind = NPV_VALUE_INT, .integer = load_signed(bytes)};
}

npv_value npv_value_next(npv_bytes *rest) {
    switch (*take(rest, 1).data) {
    case 'N':
        return (npv_value){.kind = NPV_VALUE_NONE};
    case 0x88:
        return (npv_value){.kind = NPV_VALUE_BOOL, .boolean = true};
    case 0x89:
        return (npv_value){.kind = NPV_VALUE_BOOL, .boolean = false};
    case 'J':
        return (npv_value){.kind = NPV_VALUE_INT, .integer = load_signed(take(rest, 4))};
    case 0x8a:
        return next_long(take_run(rest, 1));
    case 0x8b:
        return next_long(take_run(rest, 4));
    case 'G':
        return (npv_value){.kind = NPV_VALUE_FLOAT, .real = load_big_double(take(rest, 8))};
    case 0x8c:
        return (npv_value){.kind = NPV_VALUE_STR, .bytes = take_run(rest, 1)};
    case 'X':
        return (npv_value){.kind = NPV_VALUE_STR, .bytes = take_run(rest, 4)};
    case 'C':
        return (npv_value){.kind = NPV_VALUE_BYTES, .bytes = take_run(rest, 1)};
    case 'B':
        return (npv_value){.kind = NPV_VALUE_BYTES, .bytes = take_run(rest, 4)};
    case ']':
        take(rest, 1);
        return (npv_value){.kind = NPV_VALUE_LIST};
    case '}':
        take(rest, 1);
        return (npv_value){.kind = NPV_VALUE_DICT};
    case '(':
        return (npv_value){.kind = NPV_VALUE_TUPLE};
    case 'c':
        return next_numpy(rest);
    default:
        assert(rest->data[-1] == 'e' || rest->data[-1] == 't' || rest->data[-1] == 'u');
        return (npv_value){.kind = NPV_VALUE_END};
    }
}

/* Steps over what npv_value_next would take; returns by how much more containers are open then. */
static int skip_step(npv_bytes *rest) {
    npv_bytes dtype;
    switch (*take(rest, 1).data) {
    case 'N':
    case 0x88:
    case 0x89:
        return 0;
    case 'J':
        take(rest, 4);
        return 0;
    case 'G':
        take(rest, 8);
        return 0;
    case 0x8a:
    case 0x8c:
    case 'C':
        take_run(rest, 1);
        return 0;
    case 0x8b:
    case 'X':
    case 'B':
        take_run(rest, 4);
        return 0;
    case 'c':
        take_numpy(rest, &dtype);
        return 0;
    case ']':
    case '}':
        take(rest, 1);
        return 1;
    case '(':
        return 1;
    default:
        assert(rest->data[-1] == 'e' || rest->data[-1] == 't' || rest->data[-1] == 'u');
        return -1;
    }
}

void npv_value_skip(npv_bytes *rest) {
    int open = 0;
    do
        open += skip_step(rest);
    while (open > 0);
}
