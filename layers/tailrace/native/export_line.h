/* Key and item of a line of an export, from its text: exports.decode_line for full exports in DynamoDB JSON. */
#ifndef TAILRACE_EXPORT_LINE_H
#define TAILRACE_EXPORT_LINE_H

#include "key.h"
#include "objects.h"

/* The key of an item whose attributes `key_names` are: a dict, or NULL. */
static PyObject *read_item_key(Span json, PyObject *key_names) {
    Span found[2] = {{NULL, 0}, {NULL, 0}}, wanted[2], name, value;
    Py_ssize_t named = PyTuple_Size(key_names);
    Cursor cursor = {json.at, json.at + json.size};
    PyObject *key;
    if (named < 1 || named > 2 || !take(&cursor, '{')) return NULL;
    for (int i = 0; i < named; i++)
        if (!read_text(PyTuple_GetItem(key_names, i), &wanted[i])) return NULL;
    do {
        if (!take_plain(&cursor, &name) || !take(&cursor, ':') || !take_value(&cursor, &value)) return NULL;
        for (int i = 0; i < named; i++) {
            if (!is_same(name, wanted[i])) continue;
            if (found[i].at != NULL) return NULL; /* twice: Python takes the last one */
            found[i] = value;
        }
    } while (take(&cursor, ','));
    if ((key = PyDict_New()) == NULL) return NULL;
    for (int i = 0; i < named; i++) {
        PyObject *typed = found[i].at == NULL ? NULL : read_scalar(found[i]);
        int is_kept = typed != NULL && PyDict_SetItem(key, PyTuple_GetItem(key_names, i), typed) == 0;
        Py_DecRef(typed);
        if (is_kept) continue;
        Py_DecRef(key);
        return NULL;
    }
    return key;
}

/* read_item(line, key_names, RawMap): see acceleration.Native. */
static PyObject *read_item(PyObject *module, PyObject *const *arguments, Py_ssize_t count) {
    Py_ssize_t size;
    char *first;
    Span name, json;
    PyObject *key, *answer;
    (void)module;
    if (count != 3 || !is_exactly(arguments[0], &PyBytes_Type) || !is_exactly(arguments[1], &PyTuple_Type) ||
        !is_raw_text_class(arguments[2]) || PyBytes_AsStringAndSize(arguments[0], &first, &size) != 0)
        return refuse_call("read_item(line, key_names, RawMap)");
    Cursor cursor = {first, first + size};
    if (!is_utf8((Span){first, (size_t)size}) || !take(&cursor, '{') || !take_plain(&cursor, &name) ||
        !equals(name, "Item") || !take(&cursor, ':') || next_character(&cursor) != '{' ||
        !take_value(&cursor, &json) || !take(&cursor, '}') || !is_over(&cursor) ||
        (key = read_item_key(json, arguments[1])) == NULL) {
        PyErr_Clear();
        return not_mine();
    }
    PyObject *item = make_raw_text((PyTypeObject *)arguments[2], arguments[0], first, json);
    if (item == NULL || (answer = PyTuple_New(2)) == NULL) {
        Py_DecRef(item);
        Py_DecRef(key);
        return NULL;
    }
    PyTuple_SetItem(answer, 0, key);
    PyTuple_SetItem(answer, 1, item);
    return answer;
}

#endif
