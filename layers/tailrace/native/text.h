/* Text that grows, and JSON strings in it, escaped as orjson escapes them.
 *
 * Everything here answers 1, or 0 where there is no room; whoever makes a Text frees its `heap`.
 */
#ifndef TAILRACE_TEXT_H
#define TAILRACE_TEXT_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define MAX_TEXT_BYTES (64u << 20) /* far above an item (400 KB) and a bulk body (10 MiB) */

typedef struct {
    char *at; /* the caller's local room at first, then `heap` */
    size_t length, room;
    char *heap;
} Text;

typedef struct {
    const char *at;
    size_t size;
} Span; /* UTF-8 of a str, borrowed */

static int is_same(Span one, Span other) { return one.size == other.size && memcmp(one.at, other.at, one.size) == 0; }

static Text text_on(char *local, size_t room) { return (Text){local, 0, room, NULL}; }

static __attribute__((noinline)) int grow(Text *text, size_t more) {
    if (more > MAX_TEXT_BYTES || text->length + more > MAX_TEXT_BYTES) return 0;
    size_t room = 2 * (text->length + more);
    char *heap = realloc(text->heap, room);
    if (heap == NULL) return 0;
    if (text->heap == NULL) memcpy(heap, text->at, text->length);
    text->at = text->heap = heap;
    text->room = room;
    return 1;
}

static inline __attribute__((always_inline)) int put(Text *text, const char *bytes, size_t size) {
    if (size > text->room - text->length && !grow(text, size)) return 0;
    memcpy(text->at + text->length, bytes, size);
    text->length += size;
    return 1;
}
#define PUT(text, literal) put(text, literal, sizeof(literal) - 1)

static int put_span(Text *text, Span span) { return put(text, span.at, span.size); }

static int put_digits(Text *text, uint64_t number, int least) {
    char digits[20];
    int count = 0;
    do digits[sizeof digits - ++count] = (char)('0' + number % 10);
    while ((number /= 10) > 0 || count < least);
    return put(text, digits + sizeof digits - count, (size_t)count);
}

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "plain_run counts from the lowest byte"
#endif

static inline uint64_t eight_bytes(const char *at) {
    uint64_t word;
    memcpy(&word, at, 8);
    return word;
}

/* How many bytes stand in a JSON string as they are: all but control characters, the quote and the backslash. */
static size_t plain_run(const char *at, size_t size) {
    const uint64_t ones = 0x0101010101010101u;
    size_t i = 0;
    for (; i + 8 <= size; i += 8) {
        uint64_t word = eight_bytes(at + i), quote = word ^ (ones * '"'), backslash = word ^ (ones * '\\');
        uint64_t found = ((word - ones * 0x20) & ~word) | ((quote - ones) & ~quote) | ((backslash - ones) & ~backslash);
        found &= ones * 0x80; /* its lowest bit is right; higher ones may be borrowed from */
        if (found) return i + (size_t)__builtin_ctzll(found) / 8;
    }
    while (i < size && (unsigned char)at[i] >= 0x20 && at[i] != '"' && at[i] != '\\') i++;
    return i;
}

static int put_escape(Text *text, unsigned char byte) {
    static const char hex[] = "0123456789abcdef";
    char longer[6] = {'\\', 'u', '0', '0', hex[byte >> 4], hex[byte & 15]}, shorter[2] = {'\\', (char)byte};
    switch (byte) {
    case '\b': shorter[1] = 'b'; break;
    case '\t': shorter[1] = 't'; break;
    case '\n': shorter[1] = 'n'; break;
    case '\f': shorter[1] = 'f'; break;
    case '\r': shorter[1] = 'r'; break;
    case '"': case '\\': break;
    default: return put(text, longer, sizeof longer);
    }
    return put(text, shorter, sizeof shorter);
}

/* A JSON string, escaped as orjson escapes it. */
static int put_string(Text *text, Span span) {
    if (!PUT(text, "\"")) return 0;
    for (;;) {
        size_t run = plain_run(span.at, span.size);
        if (!put(text, span.at, run)) return 0;
        if (run == span.size) return PUT(text, "\"");
        if (!put_escape(text, (unsigned char)span.at[run])) return 0;
        span.at += run + 1;
        span.size -= run + 1;
    }
}

#endif
