/* An item's canonical JSON from the JSON text of its image: what item.h makes of the image that Python would read.
 *
 * Where Python's reader would see something else than the text shows at first sight (a name twice: there the last one
 * counts), it is "not mine". The text was found to be JSON in UTF-8 when its record was decoded (raw_event.h).
 */
#ifndef TAILRACE_RAW_ITEM_H
#define TAILRACE_RAW_ITEM_H

#include "item.h"
#include "json.h"

/* Where escaped strings are unescaped to: never moved, so that spans into it stay. */
typedef struct {
    char *at;
    size_t used, room;
} Arena;

typedef struct {
    Writer writer;
    Arena arena; /* on the heap, as large as the image, from the first escape on */
    Cursor cursor;
    size_t size;
} RawWriter;

static int unescape_into(Arena *arena, Span inner, Span *text) {
    if (inner.size > arena->room - arena->used) return 0;
    Py_ssize_t size = unescape(inner, arena->at + arena->used);
    if (size < 0) return 0;
    *text = (Span){arena->at + arena->used, (size_t)size};
    arena->used += (size_t)size;
    return 1;
}

static int read_escaped(RawWriter *raw, Span inner, Span *text) {
    if (raw->arena.at == NULL) raw->arena = (Arena){malloc(raw->size), 0, raw->size};
    return raw->arena.at != NULL && unescape_into(&raw->arena, inner, text);
}

static int read_raw_string(RawWriter *raw, Span *text, int *is_escaped) {
    if (!take_string(&raw->cursor, text, is_escaped)) return 0;
    return !*is_escaped || read_escaped(raw, *text, text);
}

/* What a value is written from: of a text its content, of a number its digits, of all else its JSON. */
typedef struct {
    Span json;
    char kind; /* the type's letter; small for a set, and `0` and `1` for NULL and BOOL; `"` for an escaped text */
} Typed;

static int put_typed(RawWriter *raw, Typed typed, int level);

static int take_kind(Cursor *cursor, char *kind) {
    static const struct {
        const char *name;
        char kind;
    } longer[] = {{"NULL", '0'}, {"BOOL", '1'}, {"SS", 's'}, {"NS", 'n'}};
    Span name;
    if (!take_plain(cursor, &name)) return 0;
    *kind = name.at[0];
    if (name.size == 1) return strchr("SNMLB", *kind) != NULL;
    for (size_t i = 0; i < sizeof longer / sizeof *longer; i++) {
        if (!equals(name, longer[i].name)) continue;
        *kind = longer[i].kind;
        return 1;
    }
    return 0;
}

/* The only pair of an object that has one: `{"S":"…"}`. */
static int take_typed(Cursor *cursor, Typed *typed) {
    int is_escaped;
    if (!take(cursor, '{') || !take_kind(cursor, &typed->kind) || !take(cursor, ':')) return 0;
    if (typed->kind == 'S') {
        if (!take_string(cursor, &typed->json, &is_escaped)) return 0;
        if (is_escaped) typed->kind = '"';
    } else if (typed->kind == 'N') {
        if (!take_plain(cursor, &typed->json) || !trim_number(&typed->json)) return 0;
    } else if (!take_value(cursor, &typed->json)) {
        return 0;
    }
    return take(cursor, '}');
}

static int push_raw_attributes(RawWriter *raw, int level) {
    Span name;
    Typed typed;
    int is_escaped;
    if (!take(&raw->cursor, '{')) return 0;
    if (take(&raw->cursor, '}')) return 1;
    do {
        if (!read_raw_string(raw, &name, &is_escaped) || !is_ordinary_name(name)) return 0;
        if (level == 0 && equals(name, "ddb")) return 0; /* documents.RESERVED_FIELD is set apart */
        if (!take(&raw->cursor, ':') || !take_typed(&raw->cursor, &typed)) return 0;
        Entry entry = {.order = text_order(name), .text = name, .json = typed.json, .kind = typed.kind};
        if (!push(&raw->writer, entry)) return 0;
    } while (take(&raw->cursor, ','));
    return take(&raw->cursor, '}');
}

static int put_raw_map(RawWriter *raw, Span json, int level) {
    Writer *writer = &raw->writer;
    size_t first = writer->count;
    raw->cursor.at = json.at;
    if (level >= MAX_LEVELS || !push_raw_attributes(raw, level)) return 0;
    size_t end = writer->count;
    sort(writer->entries + first, end - first);
    for (size_t i = first; i < end; i++) { /* `entries` may move while values are written */
        Entry entry = writer->entries[i];
        if (i > first && compare(&entry, &writer->entries[i - 1]) == 0) return 0;
        if (!put(writer->text, i == first ? "{" : ",", 1) || !put_string(writer->text, entry.text)) return 0;
        if (!PUT(writer->text, ":") || !put_typed(raw, (Typed){entry.json, entry.kind}, level)) return 0;
    }
    writer->count = first;
    return end == first ? PUT(writer->text, "{}") : PUT(writer->text, "}");
}

static int put_raw_list(RawWriter *raw, Span json, int level) {
    Text *text = raw->writer.text;
    Cursor cursor = {json.at, raw->cursor.end};
    Typed typed;
    if (level >= MAX_LEVELS || !take(&cursor, '[') || !PUT(text, "[")) return 0;
    if (take(&cursor, ']')) return PUT(text, "]");
    for (;;) {
        if (!take_typed(&cursor, &typed) || !put_typed(raw, typed, level)) return 0;
        if (!take(&cursor, ',')) return PUT(text, "]");
        if (!PUT(text, ",")) return 0;
    }
}

static int put_raw_set(RawWriter *raw, Span json, int is_numbers) {
    size_t first = raw->writer.count;
    Span text;
    int is_escaped;
    raw->cursor.at = json.at;
    if (!take(&raw->cursor, '[') || next_character(&raw->cursor) == ']') return 0;
    do {
        if (is_numbers ? !take_plain(&raw->cursor, &text) || !trim_number(&text)
                       : !read_raw_string(raw, &text, &is_escaped))
            return 0;
        if (!push_element(&raw->writer, text, is_numbers)) return 0;
    } while (take(&raw->cursor, ','));
    return put_elements(&raw->writer, first, is_numbers);
}

static int put_raw_binary(RawWriter *raw, Span json) {
    Span text;
    int is_escaped;
    raw->cursor.at = json.at;
    return read_raw_string(raw, &text, &is_escaped) && put_binary(&raw->writer, text);
}

static int put_escaped(RawWriter *raw, Span inner) {
    Span text;
    return read_escaped(raw, inner, &text) && put_string(raw->writer.text, text);
}

static int put_typed(RawWriter *raw, Typed typed, int level) {
    Text *text = raw->writer.text;
    switch (typed.kind) {
    case 'S': return PUT(text, "\"") && put_span(text, typed.json) && PUT(text, "\""); /* not escaped: it needs none */
    case '"': return put_escaped(raw, typed.json);
    case 'N': return put_span(text, typed.json);
    case 'M': return put_raw_map(raw, typed.json, level + 1);
    case 'L': return put_raw_list(raw, typed.json, level + 1);
    case 'B': return put_raw_binary(raw, typed.json);
    case 's': return put_raw_set(raw, typed.json, 0);
    case 'n': return put_raw_set(raw, typed.json, 1);
    case '0': return equals(typed.json, "true") && PUT(text, "null");
    default: return (equals(typed.json, "true") || equals(typed.json, "false")) && put_span(text, typed.json);
    }
}

static int put_raw_item(Text *text, Span json) {
    Entry local[64];
    RawWriter raw = {
        {text, local, 0, sizeof local / sizeof *local, NULL}, {NULL, 0, 0}, {json.at, json.at + json.size}, json.size};
    int is_mine = put_raw_map(&raw, json, 0);
    free(raw.writer.heap);
    free(raw.arena.at);
    return is_mine;
}

#endif
