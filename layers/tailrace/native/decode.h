/* Change records from the objects that a JSON reader made: stream_records.decode_stream_record. */
#ifndef TAILRACE_DECODE_H
#define TAILRACE_DECODE_H

#include "objects.h"

/* Whole seconds, of an int or of the float that some JSON readers make of 1.7637264E9. */
static PyObject *read_instant(PyObject *seconds) {
    long long whole = -1;
    if (seconds == NULL) return NULL;
    if (is_exactly(seconds, &PyFloat_Type)) {
        double number = PyFloat_AsDouble(seconds);
        if (number >= 0 && number <= (double)MAX_SECONDS) whole = (long long)number;
    } else if (!read_integer(seconds, &whole)) return NULL;
    return whole >= 0 && whole <= MAX_SECONDS ? PyLong_FromLongLong(whole * NANOSECONDS) : NULL;
}

/* The fields of a stream record that are to be fetched from `wire["dynamodb"]`. */
static int read_change(PyObject *change, PyObject **fields) {
    PyObject *seconds;
    Span number;
    if (!is_exactly(change, &PyDict_Type)) return 0;
    if (!look_up(change, N_SEQUENCE_NUMBER, &fields[SEQUENCE_NUMBER]) || fields[SEQUENCE_NUMBER] == NULL) return 0;
    if (!read_text(fields[SEQUENCE_NUMBER], &number) || number.size == 0 || number.size > MAX_SEQUENCE_DIGITS) return 0;
    if (count_digits(number.at, number.size) != number.size) return 0;
    fields[POSITION] = kept(fields[SEQUENCE_NUMBER]);
    if (!look_up(change, N_KEYS, &fields[KEYS]) || fields[KEYS] == NULL) return 0;
    if (!look_up(change, N_INSTANT, &seconds)) return 0;
    fields[INSTANT_NS] = read_instant(seconds);
    Py_DecRef(seconds);
    return fields[INSTANT_NS] != NULL && look_up(change, N_NEW_IMAGE, &fields[NEW_IMAGE]) &&
           look_up(change, N_OLD_IMAGE, &fields[OLD_IMAGE]) && look_up(change, N_VIEW_TYPE, &fields[VIEW_TYPE]);
}

static PyObject *read_operation(PyObject *wire) {
    PyObject *name, *operation = NULL;
    if (!look_up(wire, N_EVENT_NAME, &name)) return NULL;
    if (is_text(name, "INSERT")) operation = names[N_INSERT];
    else if (is_text(name, "MODIFY")) operation = names[N_MODIFY];
    else if (is_text(name, "REMOVE")) operation = names[N_REMOVE];
    Py_DecRef(name);
    Py_IncRef(operation);
    return operation;
}

static int read_wire(PyObject *wire, PyObject *arn, PyObject **fields) {
    PyObject *source, *identity, *change;
    int is_mine;
    if (!look_up(wire, N_EVENT_SOURCE, &source)) return 0;
    is_mine = is_text(source, "aws:dynamodb");
    Py_DecRef(source);
    if (!is_mine || !look_up(wire, N_USER_IDENTITY, &identity)) return 0;
    Py_DecRef(identity);
    if (identity != NULL) return 0; /* TTL's, or a service's: Python reads it */
    if (!look_up(wire, N_EVENT_SOURCE_ARN, &fields[SOURCE_ARN]) || !is_same_text(fields[SOURCE_ARN], arn)) return 0;
    if ((fields[OPERATION] = read_operation(wire)) == NULL) return 0;
    if (!look_up(wire, N_EVENT_ID, &fields[EVENT_ID])) return 0;
    if (!look_up(wire, N_DYNAMODB, &change) || change == NULL) return 0;
    is_mine = read_change(change, fields);
    Py_DecRef(change);
    return is_mine;
}

/* decode(wire, arn, table, ChangeRecord): stream_records.decode_stream_record for a record of the stream `arn`. */
static PyObject *decode(PyObject *module, PyObject *const *arguments, Py_ssize_t count) {
    PyObject *fields[RECORD_FIELDS] = {NULL};
    (void)module;
    if (count != 4 || !is_named_tuple_class(arguments[3])) return refuse_call("decode(wire, arn, table, ChangeRecord)");
    if (!is_exactly(arguments[0], &PyDict_Type) || !is_exactly(arguments[2], &PyUnicode_Type)) return not_mine();
    if (!read_wire(arguments[0], arguments[1], fields)) {
        for (int i = 0; i < RECORD_FIELDS; i++) Py_DecRef(fields[i]);
        PyErr_Clear();
        return not_mine();
    }
    fields[TABLE] = kept(arguments[2]);
    fields[SOURCE] = kept(names[N_STREAMS]);
    fields[IS_TTL_DELETE] = kept(Py_False);
    fields[WIRE] = kept(arguments[0]);
    for (int i = 0; i < RECORD_FIELDS; i++)
        if (fields[i] == NULL) fields[i] = kept(Py_None);
    return make_named_tuple(arguments[3], fields, RECORD_FIELDS);
}

#endif
