/* An item's canonical JSON from its image: what attributes.ImageReader and attributes.canonical_json make of it.
 *
 * Everything here answers 1, or 0 for "not mine". No Python code runs between two looks at an image, so none can change
 * it: only exact dicts, lists and texts are looked into, and nothing is compared by Python's `==`.
 */
#ifndef TAILRACE_ITEM_H
#define TAILRACE_ITEM_H

#include "python_abi.h"
#include "text.h"

#define MAX_LEVELS 16 /* DynamoDB allows 32: whatever comes near is Python's to judge */

/* ---- what an object is ---- */

static int is_exactly(PyObject *object, PyTypeObject *type) { return object->ob_type == type; }
static int is_tuple(PyObject *object) { return PyType_IsSubtype(object->ob_type, &PyTuple_Type); }

/* The UTF-8 of a str; not of a subclass, and not of one that is no valid Unicode. */
static int read_text(PyObject *object, Span *span) {
    Py_ssize_t size;
    if (!is_exactly(object, &PyUnicode_Type)) return 0;
    span->at = PyUnicode_AsUTF8AndSize(object, &size);
    if (span->at == NULL) {
        PyErr_Clear();
        return 0;
    }
    span->size = (size_t)size;
    return 1;
}

static int read_integer(PyObject *object, long long *number) {
    if (!is_exactly(object, &PyLong_Type)) return 0;
    *number = PyLong_AsLongLong(object);
    if (*number >= 0) return 1;
    PyErr_Clear();
    return 0;
}

/* The only pair of a dict that has one. */
static int read_pair(PyObject *dict, PyObject **key, PyObject **value) {
    Py_ssize_t position = 0;
    return is_exactly(dict, &PyDict_Type) && PyDict_Size(dict) == 1 && PyDict_Next(dict, &position, key, value);
}

static int equals(Span span, const char *literal) {
    return span.size == strlen(literal) && memcmp(span.at, literal, span.size) == 0;
}

/* Printable ASCII that needs no escaping: what decoding lets through as table, operation, number and source. */
static int is_word(Span span) {
    for (size_t i = 0; i < span.size; i++)
        if (span.at[i] < '!' || span.at[i] > '~' || span.at[i] == '"' || span.at[i] == '\\') return 0;
    return span.size > 0;
}

static size_t count_digits(const char *at, size_t size) {
    size_t i = 0;
    while (i < size && at[i] >= '0' && at[i] <= '9') i++;
    return i;
}

/* A number of at most 18 digits on each side of the point, as the span of its one spelling: without the zeros that end
 * a fraction (attributes.canonical_number). Any other spelling is left to Python. */
static int trim_number(Span *number) {
    size_t sign, whole, fraction;
    sign = number->size > 0 && number->at[0] == '-';
    const char *at = number->at + sign;
    whole = count_digits(at, number->size - sign);
    if (whole == 0 || whole > 18 || (*at == '0' && whole > 1)) return 0;
    if (sign + whole < number->size) {
        if (at[whole] != '.') return 0;
        fraction = count_digits(at + whole + 1, number->size - sign - whole - 1);
        if (fraction == 0 || fraction > 18 || sign + whole + 1 + fraction != number->size) return 0;
        while (fraction > 0 && at[whole + fraction] == '0') fraction--;
        number->size = sign + whole + (fraction > 0 ? 1 + fraction : 0);
    }
    return !(sign && *at == '0' && number->size == 2); /* minus zero */
}

static int read_number(PyObject *object, Span *number) { return read_text(object, number) && trim_number(number); }

/* Whether `names.escape_field_name` certainly leaves a name alone. */
static int is_ordinary_name(Span name) {
    static const char *const metadata[] = {
        "_id", "_index", "_source", "_type", "_routing", "_version", "_seq_no", "_primary_term", "_ignored",
        "_field_names", "_size", "_nested_path", "_doc_count", "_data_stream_timestamp",
    };
    unsigned char first = name.size > 0 ? (unsigned char)name.at[0] : 0;
    /* Blank names are escaped, and any name that begins otherwise is not blank: U+0085 to U+3000 are left to Python. */
    if (first <= ' ' || first == '.' || first == 0x7f || (first >= 0x80 && first < 0xe4)) return 0;
    for (size_t i = 0; first == '_' && i < sizeof metadata / sizeof *metadata; i++)
        if (equals(name, metadata[i])) return 0;
    if (memchr(name.at, '%', name.size) != NULL) return 0;
    for (const char *dot = name.at; (dot = memchr(dot, '.', name.size - (size_t)(dot - name.at))) != NULL; dot++) {
        if (dot + 1 == name.at + name.size || dot[1] <= ' ' || dot[1] > '~' || dot[1] == '.') return 0;
    }
    return 1;
}

/* ---- an item's canonical JSON ---- */

typedef struct {
    uint64_t order; /* compared first: the first eight bytes of the text, or an integer of a number set */
    Span text;
    PyObject *value; /* borrowed; NULL in sets and in raw maps */
    Span json;       /* a raw map's value (raw_item.h) */
    char kind;
} Entry;

typedef struct {
    Text *text;
    Entry *entries; /* a stack: the maps and sets that are being written, the innermost last */
    size_t count, room;
    Entry *heap;
} Writer;

static int push(Writer *writer, Entry entry) {
    if (writer->count == writer->room) {
        size_t room = 2 * writer->room;
        Entry *heap = room * sizeof(Entry) <= MAX_TEXT_BYTES ? realloc(writer->heap, room * sizeof(Entry)) : NULL;
        if (heap == NULL) return 0;
        if (writer->heap == NULL) memcpy(heap, writer->entries, writer->count * sizeof(Entry));
        writer->entries = writer->heap = heap;
        writer->room = room;
    }
    writer->entries[writer->count++] = entry;
    return 1;
}

static uint64_t text_order(Span text) {
    uint64_t order = 0;
    for (size_t i = 0; i < 8; i++) order = order << 8 | (i < text.size ? (unsigned char)text.at[i] : 0);
    return order;
}

/* UTF-8 sorts by bytes as Unicode sorts by code points, and so orjson and Python's sorted(). */
static int compare(const void *one, const void *other) {
    const Entry *a = one, *b = other;
    if (a->order != b->order) return a->order < b->order ? -1 : 1;
    size_t shorter = a->text.size < b->text.size ? a->text.size : b->text.size;
    int difference = memcmp(a->text.at, b->text.at, shorter);
    if (difference != 0 || a->text.size == b->text.size) return difference;
    return a->text.size < b->text.size ? -1 : 1;
}

static void sort(Entry *entries, size_t count) {
    if (count > 24) {
        qsort(entries, count, sizeof *entries, compare);
        return;
    }
    for (size_t i = 1; i < count; i++) {
        Entry entry = entries[i];
        size_t j = i;
        for (; j > 0 && compare(&entry, &entries[j - 1]) < 0; j--) entries[j] = entries[j - 1];
        entries[j] = entry;
    }
}

static int put_value(Writer *writer, PyObject *typed, int level);

static int put_map(Writer *writer, PyObject *map, int level) {
    size_t first = writer->count;
    Py_ssize_t position = 0;
    PyObject *key, *typed;
    Span name;
    if (level >= MAX_LEVELS || !is_exactly(map, &PyDict_Type)) return 0;
    while (PyDict_Next(map, &position, &key, &typed)) {
        if (!read_text(key, &name) || !is_ordinary_name(name)) return 0;
        if (level == 0 && equals(name, "ddb")) return 0; /* documents.RESERVED_FIELD is set apart */
        if (!push(writer, (Entry){.order = text_order(name), .text = name, .value = typed})) return 0;
    }
    size_t end = writer->count;
    sort(writer->entries + first, end - first);
    for (size_t i = first; i < end; i++) { /* `entries` may move while values are written */
        if (!put(writer->text, i == first ? "{" : ",", 1) || !put_string(writer->text, writer->entries[i].text) ||
            !PUT(writer->text, ":") || !put_value(writer, writer->entries[i].value, level))
            return 0;
    }
    writer->count = first;
    return end == first ? PUT(writer->text, "{}") : PUT(writer->text, "}");
}

static int put_list(Writer *writer, PyObject *list, int level) {
    if (level >= MAX_LEVELS || !is_exactly(list, &PyList_Type)) return 0;
    if (!PUT(writer->text, "[")) return 0;
    for (Py_ssize_t i = 0; i < PyList_Size(list); i++)
        if ((i > 0 && !PUT(writer->text, ",")) || !put_value(writer, PyList_GetItem(list, i), level)) return 0;
    return PUT(writer->text, "]");
}

/* A text of a set, or an integer of at most 18 digits. */
static int push_element(Writer *writer, Span text, int is_numbers) {
    if (!is_numbers) return push(writer, (Entry){.order = text_order(text), .text = text});
    if (memchr(text.at, '.', text.size) != NULL) return 0;
    /* What follows the digits is a NUL, the point of a fraction of zeros, or the quote that ends a JSON string. */
    return push(writer, (Entry){.order = (uint64_t)strtoll(text.at, NULL, 10) ^ (uint64_t)1 << 63, .text = text});
}

/* The set that lies on the stack from `first` on: sorted, each once. */
static int put_elements(Writer *writer, size_t first, int is_numbers) {
    sort(writer->entries + first, writer->count - first);
    for (size_t i = first; i < writer->count; i++) {
        Span text = writer->entries[i].text;
        if (i > first && compare(&writer->entries[i], &writer->entries[i - 1]) == 0) continue;
        if (!put(writer->text, i == first ? "[" : ",", 1)) return 0;
        if (!(is_numbers ? put_span(writer->text, text) : put_string(writer->text, text))) return 0;
    }
    writer->count = first;
    return PUT(writer->text, "]");
}

static int put_set(Writer *writer, PyObject *list, int is_numbers) {
    size_t first = writer->count;
    Span text;
    if (!is_exactly(list, &PyList_Type) || PyList_Size(list) == 0) return 0;
    for (Py_ssize_t i = 0; i < PyList_Size(list); i++) {
        PyObject *element = PyList_GetItem(list, i);
        if (!(is_numbers ? read_number(element, &text) : read_text(element, &text))) return 0;
        if (!push_element(writer, text, is_numbers)) return 0;
    }
    return put_elements(writer, first, is_numbers);
}

static int sextet(unsigned char character) {
    if (character >= 'A' && character <= 'Z') return character - 'A';
    if (character >= 'a' && character <= 'z') return character - 'a' + 26;
    if (character >= '0' && character <= '9') return character - '0' + 52;
    return character == '+' ? 62 : character == '/' ? 63 : -1;
}

/* Whether decoding and encoding again gives this very text: padded, and no bits behind the last byte. */
static int is_canonical_base64(Span text) {
    if (text.size % 4 != 0) return 0;
    size_t padding = 0, size = text.size;
    while (padding < 2 && size > 0 && text.at[size - 1] == '=') padding++, size--;
    for (size_t i = 0; i < size; i++)
        if (sextet((unsigned char)text.at[i]) < 0) return 0;
    return padding == 0 || (sextet((unsigned char)text.at[size - 1]) & (padding == 2 ? 15 : 3)) == 0;
}

/* B: base64 text, as events and exports have it. Bytes, as the SDK has them, are left to Python. */
static int put_binary(Writer *writer, Span text) {
    return is_canonical_base64(text) && PUT(writer->text, "\"") && put_span(writer->text, text) &&
           PUT(writer->text, "\"");
}

static int put_value(Writer *writer, PyObject *typed, int level) {
    PyObject *key, *value;
    Span kind, text;
    if (!read_pair(typed, &key, &value) || !read_text(key, &kind)) return 0;
    if (kind.size == 1) {
        switch (kind.at[0]) {
        case 'S': return read_text(value, &text) && put_string(writer->text, text);
        case 'N': return read_number(value, &text) && put_span(writer->text, text);
        case 'M': return put_map(writer, value, level + 1);
        case 'L': return put_list(writer, value, level + 1);
        case 'B': return read_text(value, &text) && put_binary(writer, text);
        default: return 0;
        }
    }
    if (equals(kind, "BOOL") && value == Py_True) return PUT(writer->text, "true");
    if (equals(kind, "BOOL") && value == Py_False) return PUT(writer->text, "false");
    if (equals(kind, "NULL") && value == Py_True) return PUT(writer->text, "null");
    if (equals(kind, "SS")) return put_set(writer, value, 0);
    return equals(kind, "NS") && put_set(writer, value, 1);
}

/* attributes.ImageReader and canonical_json in one. */
static int put_item(Text *text, PyObject *image) {
    Entry local[64];
    Writer writer = {text, local, 0, sizeof local / sizeof *local, NULL};
    int is_mine = put_map(&writer, image, 0);
    free(writer.heap);
    return is_mine;
}

#endif
