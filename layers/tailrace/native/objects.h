/* Records, actions and frames as Python's objects, and the few things that are done to all of them. */
#ifndef TAILRACE_OBJECTS_H
#define TAILRACE_OBJECTS_H

#include "raw_item.h"
#include "raw_text.h"

#include <string.h>

#define MAX_SEQUENCE_DIGITS 40   /* stream_records.MAX_SEQUENCE_NUMBER_DIGITS */
#define MAX_SECONDS 9223372036LL /* the last whole second on the nanosecond scale of versions */
#define NANOSECONDS 1000000000LL

/* The places of records.ChangeRecord and actions.Action; tests/unit/test_native.py compares them with the classes. */
enum { TABLE, OPERATION, KEYS, NEW_IMAGE, OLD_IMAGE, SEQUENCE_NUMBER, EVENT_ID, INSTANT_NS, SOURCE, SOURCE_ARN,
       IS_TTL_DELETE, VIEW_TYPE, POSITION, WIRE, RECORD_FIELDS };
enum { ALIAS, ID, VERSION, ACTION_SEQUENCE_NUMBER, DOCUMENT, DONE, RECORD, ACTION_EVENT_ID, IS_UNDECIDED,
       ACTION_FIELDS };
/* What actions.TableRules.frame hands over: the class Action, two outcomes (no second one where deletes are hard), the
 * names of the key and the prefix of ids. */
enum { ACTION, INDEXED, DELETED, KEY_NAMES, ID_PREFIX, FRAME_FIELDS };

static newfunc new_tuple;

/* ---- names that are looked up or handed out: made once, when the module is loaded ---- */

enum { N_EVENT_SOURCE, N_EVENT_SOURCE_ARN, N_DYNAMODB, N_SEQUENCE_NUMBER, N_EVENT_NAME, N_KEYS, N_NEW_IMAGE,
       N_OLD_IMAGE, N_EVENT_ID, N_INSTANT, N_USER_IDENTITY, N_VIEW_TYPE, N_INSERT, N_MODIFY, N_REMOVE, N_STREAMS,
       N_S, N_N, NAMES };
static const char *const SPELLINGS[NAMES] = {
    "eventSource", "eventSourceARN", "dynamodb", "SequenceNumber", "eventName", "Keys", "NewImage", "OldImage",
    "eventID", "ApproximateCreationDateTime", "userIdentity", "StreamViewType", "insert", "modify", "remove", "streams",
    "S", "N",
};
static PyObject *names[NAMES];

/* ---- what every function needs ---- */

static PyObject *refuse_call(const char *text) {
    PyErr_SetString(PyExc_TypeError, text);
    return NULL;
}

static PyObject *not_mine(void) {
    Py_IncRef(Py_None);
    return Py_None;
}

static PyObject *kept(PyObject *object) {
    Py_IncRef(object);
    return object;
}

/* An instance of a NamedTuple class; takes the references to the fields, of which none is NULL. */
static PyObject *make_named_tuple(PyObject *class, PyObject **fields, int count) {
    PyObject *tuple = PyTuple_New(count), *arguments = PyTuple_New(1), *made = NULL;
    for (int i = 0; i < count; i++) {
        if (tuple != NULL) PyTuple_SetItem(tuple, i, fields[i]);
        else Py_DecRef(fields[i]);
    }
    if (tuple != NULL && arguments != NULL) {
        PyTuple_SetItem(arguments, 0, tuple);
        made = new_tuple((PyTypeObject *)class, arguments, NULL);
    } else {
        Py_DecRef(tuple);
    }
    Py_DecRef(arguments);
    return made;
}

static int is_named_tuple_class(PyObject *object) {
    return PyType_IsSubtype(object->ob_type, &PyType_Type) &&
           PyType_IsSubtype((PyTypeObject *)object, &PyTuple_Type);
}

static int is_raw_text_class(PyObject *object) {
    return PyType_IsSubtype(object->ob_type, &PyType_Type) && PyType_IsSubtype((PyTypeObject *)object, raw_text_type);
}

/* What a dict has under a name, as a new reference; NULL where it has nothing. 0 where that cannot be told. */
static int look_up(PyObject *dict, int name, PyObject **found) {
    *found = PyDict_GetItemWithError(dict, names[name]); /* may run Python: keys may be anything */
    Py_IncRef(*found);
    if (*found != NULL || PyErr_Occurred() == NULL) return 1;
    PyErr_Clear();
    return 0;
}

static int is_text(PyObject *object, const char *literal) {
    Span span;
    return object != NULL && read_text(object, &span) && equals(span, literal);
}

static int is_same_text(PyObject *one, PyObject *other) {
    Span a, b;
    if (one == NULL || !read_text(one, &a) || !read_text(other, &b)) return 0;
    return is_same(a, b);
}

static PyObject *new_text(Span span) {
    return span.at == NULL ? not_mine() : PyUnicode_FromStringAndSize(span.at, (Py_ssize_t)span.size);
}

static PyObject *or_not_mine(PyObject *made) { return made == NULL && PyErr_Occurred() == NULL ? not_mine() : made; }

/* `{"S":"…"}` or `{"N":"…"}` as the dict that Python reads; NULL for all else, and with an error where there is no memory. */
static PyObject *read_scalar(Span json) {
    char local[4096];
    Arena arena = {local, 0, sizeof local};
    Cursor cursor = {json.at, json.at + json.size};
    Span kind, text;
    int is_escaped;
    PyObject *value, *typed = NULL;
    if (!take(&cursor, '{') || !take_plain(&cursor, &kind) || (!equals(kind, "S") && !equals(kind, "N"))) return NULL;
    if (!take(&cursor, ':') || !take_string(&cursor, &text, &is_escaped)) return NULL;
    if (is_escaped && !unescape_into(&arena, text, &text)) return NULL;
    if (!take(&cursor, '}') || (value = new_text(text)) == NULL) return NULL;
    if ((typed = PyDict_New()) != NULL && PyDict_SetItem(typed, names[kind.at[0] == 'S' ? N_S : N_N], value) != 0) {
        Py_DecRef(typed);
        typed = NULL;
    }
    Py_DecRef(value);
    return typed;
}

#endif
