/* The key of a record and what is made of it: the document's id, and the key that a document carries.
 *
 * Everything here answers 1, or 0 for "not mine".
 */
#ifndef TAILRACE_KEY_H
#define TAILRACE_KEY_H

#include "raw_item.h"
#include "raw_text.h"

#define MAX_ID_BYTES 512 /* identity.MAX_ID_BYTES: a longer id is hashed, in Python */

typedef struct {
    Span name, value;
    char kind; /* S or N */
} KeyPart;

static int read_key_part(PyObject *name, PyObject *typed, KeyPart *part) {
    PyObject *key, *value;
    Span kind;
    if (!read_text(name, &part->name) || !read_pair(typed, &key, &value) || !read_text(key, &kind)) return 0;
    if (kind.size != 1) return 0;
    part->kind = kind.at[0];
    if (part->kind == 'S') return read_text(value, &part->value);
    return part->kind == 'N' && read_number(value, &part->value);
}

static int is_before(Span one, Span other) {
    Entry a = {.text = one}, b = {.text = other};
    return compare(&a, &b) < 0;
}

static int read_key_parts(PyObject *keys, KeyPart parts[2], int *count) {
    Py_ssize_t position = 0;
    PyObject *name, *typed;
    if (!is_exactly(keys, &PyDict_Type)) return 0;
    *count = (int)PyDict_Size(keys);
    if (*count > 2) return 0;
    for (int i = 0; i < *count; i++)
        if (!PyDict_Next(keys, &position, &name, &typed) || !read_key_part(name, typed, &parts[i])) return 0;
    return 1;
}

static int take_key_part(Cursor *cursor, Arena *arena, KeyPart *part) {
    Span kind;
    int is_escaped;
    if (!take_plain(cursor, &part->name) || !take(cursor, ':') || !take(cursor, '{')) return 0;
    if (!take_plain(cursor, &kind) || kind.size != 1 || !take(cursor, ':')) return 0;
    part->kind = kind.at[0];
    if (!take_string(cursor, &part->value, &is_escaped)) return 0;
    if (part->kind == 'N') return !is_escaped && trim_number(&part->value) && take(cursor, '}');
    if (is_escaped && !unescape_into(arena, part->value, &part->value)) return 0;
    return part->kind == 'S' && take(cursor, '}');
}

static int take_key_parts(Span json, Arena *arena, KeyPart parts[2], int *count) {
    Cursor cursor = {json.at, json.at + json.size};
    *count = 0;
    if (!take(&cursor, '{')) return 0;
    do {
        if (*count == 2 || !take_key_part(&cursor, arena, &parts[*count])) return 0;
        ++*count;
    } while (take(&cursor, ','));
    if (*count == 2 && is_same(parts[0].name, parts[1].name)) return 0;
    return take(&cursor, '}');
}

/* The one or two parts of a key, in the order of `key_names`, or in alphabetical order where that is empty. `arena` has
 * room for what is escaped in a raw one. */
static int read_key(PyObject *keys, PyObject *key_names, Arena *arena, KeyPart parts[2], int *count) {
    Py_ssize_t named = PyTuple_Size(key_names);
    Span wanted, json;
    if (!(read_raw(keys, &json) ? take_key_parts(json, arena, parts, count) : read_key_parts(keys, parts, count)))
        return 0;
    if (*count < 1 || (named != 0 && named != *count)) return 0;
    if (*count == 2) {
        int is_swapped = is_before(parts[1].name, parts[0].name);
        if (named != 0) {
            if (!read_text(PyTuple_GetItem(key_names, 0), &wanted)) return 0;
            is_swapped = is_same(wanted, parts[1].name);
        }
        if (is_swapped) {
            KeyPart first = parts[0];
            parts[0] = parts[1];
            parts[1] = first;
        }
    }
    for (int i = 0; i < named; i++)
        if (!read_text(PyTuple_GetItem(key_names, i), &wanted) || !is_same(wanted, parts[i].name)) return 0;
    return 1;
}

/* identity.document_id, for ids that are neither hashed nor escaped as a whole. */
static int put_id(Text *text, Span prefix, const KeyPart *parts, int count) {
    if (!put_span(text, prefix)) return 0;
    for (int i = 0; i < count; i++) {
        if (i > 0 && !PUT(text, "|")) return 0;
        for (Span rest = parts[i].value; rest.size > 0;) { /* up to the next byte that wants a backslash before it */
            size_t run = 1;
            while (run < rest.size && rest.at[run] != '|' && rest.at[run] != '\\') run++;
            if ((rest.at[0] == '|' || rest.at[0] == '\\') && !PUT(text, "\\")) return 0;
            if (!put(text, rest.at, run)) return 0;
            rest = (Span){rest.at + run, rest.size - run};
        }
    }
    return text->length <= MAX_ID_BYTES && (text->length < 7 || memcmp(text->at, "sha256:", 7) != 0);
}

static int put_key(Text *text, const KeyPart *parts, int count) {
    for (int i = 0; i < count; i++) {
        char typed[] = ":{\"?\":";
        typed[3] = parts[i].kind;
        if (!put(text, i == 0 ? "{" : ",", 1) || !put_string(text, parts[i].name) ||
            !put(text, typed, sizeof typed - 1) || !put_string(text, parts[i].value) || !PUT(text, "}"))
            return 0;
    }
    return PUT(text, "}");
}

#endif
