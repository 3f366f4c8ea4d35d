#include "pattern.h"

#include <string.h>

#define NONE SIZE_MAX

static unsigned char lower(unsigned char c) {
    return c >= 'A' && c <= 'Z' ? (unsigned char)(c + ('a' - 'A')) : c;
}

static bool starts_with(npv_bytes text, size_t at, npv_bytes start) {
    return start.size > 0 && start.size <= text.size - at && memcmp(text.data + at, start.data, start.size) == 0;
}

/* Appends a wildcard so that the order of pattern.h is kept; returns the new size. */
static size_t put_wildcard(unsigned char *compiled, size_t size, unsigned char wildcard) {
    const bool after_any = size > 0 && compiled[size - 1] == NPV_PATTERN_ANY;
    if (!after_any) {
        compiled[size] = wildcard;
        return size + 1;
    }
    if (wildcard == NPV_PATTERN_ANY)
        return size;
    compiled[size - 1] = NPV_PATTERN_ONE;
    compiled[size] = NPV_PATTERN_ANY;
    return size + 1;
}

bool npv_pattern_is_escape(npv_bytes text) {
    size_t count = 0;
    for (size_t i = 0; i < text.size; i++)
        count += (text.data[i] & 0xc0) != 0x80;
    return count == 1;
}

bool npv_pattern_compile(npv_bytes like, npv_bytes escape, bool ignore_case, unsigned char *compiled, size_t *size) {
    size_t length = 0;
    for (size_t i = 0; i < like.size; i++) {
        const bool is_escaped = starts_with(like, i, escape);
        if (is_escaped)
            i += escape.size;
        if (i == like.size)
            return false;
        const unsigned char c = like.data[i];
        if (!is_escaped && (c == '%' || c == '_'))
            length = put_wildcard(compiled, length, c == '%' ? NPV_PATTERN_ANY : NPV_PATTERN_ONE);
        else
            compiled[length++] = ignore_case ? lower(c) : c;
    }
    *size = length;
    return true;
}

/* The first place from `from` on where the text has this byte, or the text's end. */
static size_t find(npv_bytes text, size_t from, unsigned char byte, bool ignore_case) {
    if (!ignore_case) {
        const unsigned char *const found = memchr(text.data + from, byte, text.size - from);
        return found == NULL ? text.size : (size_t)(found - text.data);
    }
    while (from < text.size && lower(text.data[from]) != byte)
        from++;
    return from;
}

static size_t after_code_point(npv_bytes text, size_t at) {
    do
        at++;
    while (at < text.size && (text.data[at] & 0xc0) == 0x80);
    return at;
}

/*
 * Only the last % passed is ever tried again, one byte further: what stood before it matched as early as could be,
 * which leaves the most for the rest. Literals begin with the first byte of a code point, so no match begins inside
 * one.
 */
bool npv_pattern_match(npv_bytes compiled, bool ignore_case, npv_bytes text) {
    size_t p = 0, t = 0, after_any = NONE, start = 0;
    for (;;) {
        if (p < compiled.size && compiled.data[p] == NPV_PATTERN_ANY) {
            after_any = ++p;
            if (p == compiled.size)
                return true;
            start = t = find(text, t, compiled.data[p], ignore_case);
        } else if (t == text.size) {
            return p == compiled.size;
        } else if (p < compiled.size && compiled.data[p] == NPV_PATTERN_ONE) {
            p++;
            t = after_code_point(text, t);
        } else if (p < compiled.size && compiled.data[p] == (ignore_case ? lower(text.data[t]) : text.data[t])) {
            p++;
            t++;
        } else if (after_any == NONE) {
            return false;
        } else {
            p = after_any;
            start = t = find(text, start + 1, compiled.data[p], ignore_case);
        }
    }
}
