/* A piece of an event's JSON that stands for a map; Python reads it where it has to (raw_events.RawMap). */
#ifndef TAILRACE_RAW_TEXT_H
#define TAILRACE_RAW_TEXT_H

#include "python_abi.h"
#include "text.h"

typedef struct {
    PyObject ob_base;
    PyObject *whole; /* bytes; NULL in one that Python made itself */
    Py_ssize_t start, size;
} RawText;

static PyTypeObject *raw_text_type;

static void free_raw_text(PyObject *self) {
    PyTypeObject *type = self->ob_type;
    freefunc free_object = (freefunc)PyType_GetSlot(type, Py_tp_free);
    Py_DecRef(((RawText *)self)->whole);
    free_object(self);
    Py_DecRef((PyObject *)type);
}

static PyTypeObject *make_raw_text_type(void) {
    static PyType_Slot slots[] = {{Py_tp_dealloc, free_raw_text}, {0, NULL}};
    static PyType_Spec spec = {"tailrace._native.RawText", sizeof(RawText), 0, Py_TPFLAGS_BASETYPE, slots};
    return (PyTypeObject *)PyType_FromSpec(&spec);
}

/* An instance of `class`, which is RawText or a class of Python above it. */
static PyObject *make_raw_text(PyTypeObject *class, PyObject *whole, const char *first, Span piece) {
    RawText *made = (RawText *)PyType_GenericAlloc(class, 0);
    if (made == NULL) return NULL;
    Py_IncRef(whole);
    made->whole = whole;
    made->start = piece.at - first;
    made->size = (Py_ssize_t)piece.size;
    return (PyObject *)made;
}

static int read_raw(PyObject *object, Span *json) {
    Py_ssize_t size;
    char *first;
    RawText *raw = (RawText *)object;
    if (!PyType_IsSubtype(object->ob_type, raw_text_type) || raw->whole == NULL) return 0;
    if (PyBytes_AsStringAndSize(raw->whole, &first, &size) != 0) {
        PyErr_Clear();
        return 0;
    }
    *json = (Span){first + raw->start, (size_t)raw->size};
    return 1;
}

#endif
