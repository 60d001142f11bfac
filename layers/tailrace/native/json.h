/* JSON as text: where its strings and values begin and end.
 *
 * Strict, as RFC 8259 has it; whatever is not is "not mine" and left to Python's reader. Everything here answers 1 and
 * moves the cursor behind what it has read, or 0. The text ends with a NUL, which stands in no JSON, so that looking at
 * one character more is always allowed.
 */
#ifndef TAILRACE_JSON_H
#define TAILRACE_JSON_H

#include "text.h"

#define MAX_JSON_DEPTH 96 /* DynamoDB's 32 levels are 64 of JSON, within a record and an event */

typedef struct {
    const char *at, *end;
} Cursor;

static inline char next_character(Cursor *cursor) {
    while (*cursor->at == ' ' || *cursor->at == '\n' || *cursor->at == '\r' || *cursor->at == '\t') cursor->at++;
    return *cursor->at;
}

static inline int take(Cursor *cursor, char character) {
    if (next_character(cursor) != character) return 0;
    cursor->at++;
    return 1;
}

/* Whether nothing but blanks follows. */
static int is_over(Cursor *cursor) { return next_character(cursor) == '\0' && cursor->at == cursor->end; }

static int take_word(Cursor *cursor, const char *word) {
    size_t size = strlen(word);
    if ((size_t)(cursor->end - cursor->at) < size || memcmp(cursor->at, word, size) != 0) return 0;
    cursor->at += size;
    return 1;
}

static int hex_value(char digit) {
    if (digit >= '0' && digit <= '9') return digit - '0';
    if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
    return digit >= 'A' && digit <= 'F' ? digit - 'A' + 10 : -1;
}

static int read_hex(const char *at) {
    int number = 0;
    for (int i = 0; i < 4; i++) {
        int value = hex_value(at[i]);
        if (value < 0) return -1; /* a NUL, too: never beyond the end */
        number = number << 4 | value;
    }
    return number;
}

/* A string: what stands between its quotes, escapes and all. */
static int take_string(Cursor *cursor, Span *inner, int *is_escaped) {
    if (!take(cursor, '"')) return 0;
    inner->at = cursor->at;
    *is_escaped = 0;
    for (;;) {
        cursor->at += plain_run(cursor->at, (size_t)(cursor->end - cursor->at));
        if (*cursor->at == '"') break;
        if (*cursor->at != '\\') return 0; /* a control character, or the end */
        *is_escaped = 1;
        if (cursor->at[1] == '\0' || strchr("\"\\/bfnrtu", cursor->at[1]) == NULL) return 0;
        if (cursor->at[1] == 'u' && read_hex(cursor->at + 2) < 0) return 0;
        cursor->at += 2;
    }
    inner->size = (size_t)(cursor->at - inner->at);
    cursor->at++;
    return 1;
}

/* A string without escapes. */
static int take_plain(Cursor *cursor, Span *text) {
    int is_escaped;
    return take_string(cursor, text, &is_escaped) && !is_escaped;
}

static size_t skip_digits(Cursor *cursor) {
    const char *first = cursor->at;
    while (*cursor->at >= '0' && *cursor->at <= '9') cursor->at++;
    return (size_t)(cursor->at - first);
}

static int take_number(Cursor *cursor, Span *number) {
    next_character(cursor);
    number->at = cursor->at;
    if (*cursor->at == '-') cursor->at++;
    int begins_with_zero = *cursor->at == '0';
    size_t whole = skip_digits(cursor);
    if (whole == 0 || (begins_with_zero && whole > 1)) return 0;
    if (*cursor->at == '.') {
        cursor->at++;
        if (skip_digits(cursor) == 0) return 0;
    }
    if (*cursor->at == 'e' || *cursor->at == 'E') {
        cursor->at++;
        if (*cursor->at == '+' || *cursor->at == '-') cursor->at++;
        if (skip_digits(cursor) == 0) return 0;
    }
    number->size = (size_t)(cursor->at - number->at);
    return 1;
}

static int skip_value(Cursor *cursor, int depth);

static int skip_object(Cursor *cursor, int depth) {
    Span name;
    int is_escaped;
    cursor->at++;
    if (take(cursor, '}')) return 1;
    do {
        if (!take_string(cursor, &name, &is_escaped) || !take(cursor, ':') || !skip_value(cursor, depth + 1)) return 0;
    } while (take(cursor, ','));
    return take(cursor, '}');
}

static int skip_array(Cursor *cursor, int depth) {
    cursor->at++;
    if (take(cursor, ']')) return 1;
    do {
        if (!skip_value(cursor, depth + 1)) return 0;
    } while (take(cursor, ','));
    return take(cursor, ']');
}

/* Any value. */
static int skip_value(Cursor *cursor, int depth) {
    Span span;
    int is_escaped;
    if (depth > MAX_JSON_DEPTH) return 0;
    switch (next_character(cursor)) {
    case '"': return take_string(cursor, &span, &is_escaped);
    case '{': return skip_object(cursor, depth);
    case '[': return skip_array(cursor, depth);
    case 't': return take_word(cursor, "true");
    case 'f': return take_word(cursor, "false");
    case 'n': return take_word(cursor, "null");
    default: return take_number(cursor, &span);
    }
}

/* The value's own text. */
static int take_value(Cursor *cursor, Span *value) {
    next_character(cursor);
    value->at = cursor->at;
    if (!skip_value(cursor, 0)) return 0;
    value->size = (size_t)(cursor->at - value->at);
    return 1;
}

static char *put_code_point(char *to, unsigned code) {
    if (code < 0x80) {
        *to++ = (char)code;
    } else if (code < 0x800) {
        *to++ = (char)(0xc0 | code >> 6);
    } else if (code < 0x10000) {
        *to++ = (char)(0xe0 | code >> 12);
        *to++ = (char)(0x80 | (code >> 6 & 63));
    } else {
        *to++ = (char)(0xf0 | code >> 18);
        *to++ = (char)(0x80 | (code >> 12 & 63));
        *to++ = (char)(0x80 | (code >> 6 & 63));
    }
    if (code >= 0x80) *to++ = (char)(0x80 | (code & 63));
    return to;
}

/* What a string says, written to `to`, which has room for as many bytes as `inner`; never more are needed. The size, or
 * -1 where half a surrogate pair stands alone: no UTF-8 can hold it. */
static Py_ssize_t unescape(Span inner, char *to) {
    static const char plain[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    const char *from = inner.at, *end = inner.at + inner.size;
    char *first = to;
    while (from < end) {
        if (*from != '\\') {
            *to++ = *from++;
            continue;
        }
        if (from[1] != 'u') {
            *to++ = meant[strchr(plain, from[1]) - plain];
            from += 2;
            continue;
        }
        unsigned code = (unsigned)read_hex(from + 2);
        from += 6;
        if (code >= 0xd800 && code < 0xe000) {
            int low = code < 0xdc00 && end - from >= 6 && from[0] == '\\' && from[1] == 'u' ? read_hex(from + 2) : -1;
            if (low < 0xdc00 || low > 0xdfff) return -1;
            code = 0x10000 + ((code - 0xd800) << 10) + ((unsigned)low - 0xdc00);
            from += 6;
        }
        to = put_code_point(to, code);
    }
    return to - first;
}

/* The length of a character's UTF-8, or 0 where it is none (RFC 3629: no surrogates, nothing overlong). */
static size_t utf8_length(const unsigned char *at) {
    unsigned char low = 0x80, high = 0xbf;
    size_t length;
    if (at[0] >= 0xc2 && at[0] <= 0xdf) length = 2;
    else if (at[0] >= 0xe0 && at[0] <= 0xef) length = 3;
    else if (at[0] >= 0xf0 && at[0] <= 0xf4) length = 4;
    else return at[0] < 0x80;
    if (at[0] == 0xe0) low = 0xa0;
    if (at[0] == 0xed) high = 0x9f;
    if (at[0] == 0xf0) low = 0x90;
    if (at[0] == 0xf4) high = 0x8f;
    if (at[1] < low || at[1] > high) return 0;
    for (size_t i = 2; i < length; i++)
        if (at[i] < 0x80 || at[i] > 0xbf) return 0;
    return length;
}

static int is_utf8(Span text) {
    for (size_t i = 0; i < text.size;) {
        if (i + 8 <= text.size && (eight_bytes(text.at + i) & 0x8080808080808080u) == 0) {
            i += 8;
            continue;
        }
        size_t length = utf8_length((const unsigned char *)text.at + i); /* the NUL at the end is no continuation */
        if (length == 0) return 0;
        i += length;
    }
    return 1;
}

#endif
