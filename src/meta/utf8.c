#include "utf8.h"

#include <string.h>

/* Bytes of the sequence at the head of `text`, 0 if it is none. */
static size_t sequence_size(npv_bytes text) {
    const unsigned char first = text.data[0];
    if (first < 0x80)
        return 1;
    const size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || size > text.size)
        return 0;
    for (size_t i = 1; i < size; i++)
        if ((text.data[i] & 0xc0) != 0x80)
            return 0;
    /* Overlong forms of three and four bytes, and what lies above U+10FFFF, show in the second byte. */
    const unsigned char second = text.data[1];
    if ((first == 0xe0 && second < 0xa0) || (first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f))
        return 0;
    return size;
}

size_t npv_utf8_prefix(npv_bytes text) {
    npv_bytes rest = text;
    while (rest.size > 0) {
        uint64_t eight = 0x80;
        if (rest.size >= 8)
            memcpy(&eight, rest.data, 8);
        const size_t size = (eight & 0x8080808080808080) == 0 ? 8 : sequence_size(rest);
        if (size == 0)
            break;
        rest.data += size;
        rest.size -= size;
    }
    return text.size - rest.size;
}

bool npv_utf8_valid(npv_bytes text) {
    return npv_utf8_prefix(text) == text.size;
}

size_t npv_utf8_encode(uint32_t code_point, unsigned char text[4]) {
    if (code_point < 0x80) {
        text[0] = (unsigned char)code_point;
        return 1;
    }
    const size_t size = code_point < 0x800 ? 2 : code_point < 0x10000 ? 3 : 4;
    for (size_t i = size - 1; i > 0; i--) {
        text[i] = (unsigned char)(0x80 | (code_point & 0x3f));
        code_point >>= 6;
    }
    text[0] = (unsigned char)((size == 2 ? 0xc0 : size == 3 ? 0xe0 : 0xf0) | code_point);
    return size;
}

size_t npv_utf8_decode(npv_bytes text, uint32_t *code_point) {
    static const unsigned char DATA_BITS[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    const unsigned char first = text.data[0];
    const size_t size = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    *code_point = first & DATA_BITS[size];
    for (size_t i = 1; i < size; i++)
        *code_point = *code_point << 6 | (text.data[i] & 0x3f);
    return size;
}

/* The fourth byte is zero in every code point that there is. */
static size_t encode_at(npv_bytes utf32, size_t at, unsigned char text[4]) {
    const unsigned char *const c = utf32.data + at;
    return npv_utf8_encode(c[0] | (uint32_t)c[1] << 8 | (uint32_t)c[2] << 16, text);
}

size_t npv_utf8_from_utf32(npv_bytes utf32, unsigned char *text) {
    size_t length = 0;
    for (size_t at = 0; at < utf32.size; at += 4)
        length += encode_at(utf32, at, text + length);
    return length;
}

bool npv_utf8_equals_utf32(npv_bytes text, npv_bytes utf32) {
    size_t length = 0;
    for (size_t at = 0; at < utf32.size; at += 4) {
        unsigned char sequence[4];
        const size_t size = encode_at(utf32, at, sequence);
        if (size > text.size - length || memcmp(text.data + length, sequence, size) != 0)
            return false;
        length += size;
    }
    return length == text.size;
}
