/* Change records from an event's text, for all that decode.h would make of its objects, and what Python asks of their
 * maps afterwards.
 */
#ifndef TAILRACE_DECODE_RAW_H
#define TAILRACE_DECODE_RAW_H

#include "objects.h"
#include "raw_event.h"

/* Whole seconds of a JSON number, as read_instant takes them of the object that Python makes of it. */
static PyObject *read_raw_instant(Span number) {
    long long whole = 0;
    if (count_digits(number.at, number.size) == number.size) {
        if (number.size > 10) return NULL;
        for (size_t i = 0; i < number.size; i++) whole = 10 * whole + (number.at[i] - '0');
    } else {
        char *end;
        double seconds = PyOS_string_to_double(number.at, &end, NULL);
        if (end != number.at + number.size || !(seconds >= 0 && seconds <= (double)MAX_SECONDS)) return NULL;
        whole = (long long)seconds;
    }
    return whole <= MAX_SECONDS ? PyLong_FromLongLong(whole * NANOSECONDS) : NULL;
}

/* What the records of a run have in common, and the event that they are of. */
typedef struct {
    PyObject *whole, *arn, *table, *record_class;
    PyTypeObject *map_class;
    const char *first;
} Run;

static PyObject *new_map(const Run *run, Span json) {
    return json.at == NULL ? not_mine() : make_raw_text(run->map_class, run->whole, run->first, json);
}

static PyObject *make_record(const Run *run, const RawRecord *raw, Span json) {
    int operation = raw->operation == 'I' ? N_INSERT : raw->operation == 'M' ? N_MODIFY : N_REMOVE;
    PyObject *number = new_text(raw->number), *instant = read_raw_instant(raw->instant);
    PyObject *fields[RECORD_FIELDS] = {
        [TABLE] = kept(run->table),
        [OPERATION] = kept(names[operation]),
        [KEYS] = new_map(run, raw->keys),
        [NEW_IMAGE] = new_map(run, raw->new_image),
        [OLD_IMAGE] = new_map(run, raw->old_image),
        [SEQUENCE_NUMBER] = number,
        [EVENT_ID] = new_text(raw->event_id),
        [INSTANT_NS] = instant,
        [SOURCE] = kept(names[N_STREAMS]),
        [SOURCE_ARN] = kept(run->arn),
        [IS_TTL_DELETE] = kept(Py_False),
        [VIEW_TYPE] = new_text(raw->view),
        [POSITION] = kept(number),
        [WIRE] = new_map(run, json),
    };
    int is_whole = 1;
    for (int i = 0; i < RECORD_FIELDS; i++) is_whole = is_whole && fields[i] != NULL;
    if (is_whole) return make_named_tuple(run->record_class, fields, RECORD_FIELDS);
    for (int i = 0; i < RECORD_FIELDS; i++) Py_DecRef(fields[i]);
    PyErr_Clear();
    return NULL;
}

/* Ordinary records of one stream, appended to `records`. 1 at the end of them all, 0 before one that is not mine, whose
 * text is `other`; -1 where the text is no JSON. */
static int take_run(Cursor *cursor, const Run *run, PyObject *records, Span *other) {
    Span arn = {NULL, 0};
    int has_arn = read_text(run->arn, &arn) && is_exactly(run->table, &PyUnicode_Type);
    for (;;) {
        int is_first = cursor->at[-1] == '[';
        if (take(cursor, ']')) return take(cursor, '}') && is_over(cursor) ? 1 : -1;
        if (!is_first && !take(cursor, ',')) return -1;
        next_character(cursor);
        Cursor start = *cursor;
        RawRecord raw;
        PyObject *record = NULL;
        if (has_arn && take_record(cursor, arn, &raw) && raw.number.size <= MAX_SEQUENCE_DIGITS) {
            *other = (Span){start.at, (size_t)(cursor->at - start.at)};
            record = make_record(run, &raw, *other);
        }
        if (record == NULL) {
            *cursor = start;
            return take_value(cursor, other) ? 0 : -1;
        }
        int is_kept = PyList_Append(records, record) == 0;
        Py_DecRef(record);
        if (!is_kept) return -1;
    }
}

/* begin(event): where the records of `{"Records":[…` begin; None for any other text. */
static PyObject *begin(PyObject *module, PyObject *const *arguments, Py_ssize_t count) {
    Py_ssize_t size;
    char *first;
    Span name;
    (void)module;
    if (count != 1 || !is_exactly(arguments[0], &PyBytes_Type)) return refuse_call("begin(event)");
    if (PyBytes_AsStringAndSize(arguments[0], &first, &size) != 0) return NULL;
    Cursor cursor = {first, first + size};
    if (!take(&cursor, '{') || !take_plain(&cursor, &name) || !equals(name, "Records") || !take(&cursor, ':') ||
        !take(&cursor, '[') || !is_utf8((Span){first, (size_t)size}))
        return not_mine();
    return PyLong_FromLongLong(cursor.at - first);
}

/* decode_run(event, position, arn, table, ChangeRecord, RawMap, records): see acceleration.Native. */
static PyObject *decode_run(PyObject *module, PyObject *const *arguments, Py_ssize_t count) {
    long long position;
    Py_ssize_t size;
    char *first;
    Span other = {NULL, 0};
    PyObject *answer;
    (void)module;
    if (count != 7 || !is_exactly(arguments[0], &PyBytes_Type) || !read_integer(arguments[1], &position) ||
        !is_named_tuple_class(arguments[4]) || !is_raw_text_class(arguments[5]) ||
        !is_exactly(arguments[6], &PyList_Type) || PyBytes_AsStringAndSize(arguments[0], &first, &size) != 0 ||
        position < 1 || position > size)
        return refuse_call("decode_run(event, position, arn, table, ChangeRecord, RawMap, records)");
    Run run = {arguments[0], arguments[2], arguments[3], arguments[4], (PyTypeObject *)arguments[5], first};
    Cursor cursor = {first + position, first + size};
    int end = take_run(&cursor, &run, arguments[6], &other);
    if (PyErr_Occurred() != NULL) return NULL;
    if (end < 0 || (answer = PyTuple_New(2)) == NULL) return end < 0 ? not_mine() : NULL;
    PyTuple_SetItem(answer, 0, end ? not_mine() : PyBytes_FromStringAndSize(other.at, (Py_ssize_t)other.size));
    PyTuple_SetItem(answer, 1, PyLong_FromLongLong(cursor.at - first));
    if (PyErr_Occurred() == NULL) return answer;
    Py_DecRef(answer); /* no memory */
    return NULL;
}

/* text(map): the JSON of a RawText; None of one that has none. */
static PyObject *text_of(PyObject *module, PyObject *const *arguments, Py_ssize_t count) {
    Span json;
    (void)module;
    if (count != 1) return refuse_call("text(map)");
    return read_raw(arguments[0], &json) ? PyBytes_FromStringAndSize(json.at, (Py_ssize_t)json.size) : not_mine();
}

/* find(map, name): see acceleration.Native. */
static PyObject *find(PyObject *module, PyObject *const *arguments, Py_ssize_t count) {
    Span json, name, wanted, value, found = {NULL, 0};
    int is_escaped;
    (void)module;
    if (count != 2) return refuse_call("find(map, name)");
    if (!read_raw(arguments[0], &json) || !read_text(arguments[1], &wanted)) return not_mine();
    Cursor cursor = {json.at, json.at + json.size};
    if (!take(&cursor, '{')) return not_mine();
    do {
        if (!take_string(&cursor, &name, &is_escaped) || is_escaped) return not_mine();
        if (!take(&cursor, ':') || !take_value(&cursor, &value)) return not_mine();
        if (is_same(name, wanted)) found = value;
    } while (take(&cursor, ','));
    return found.at == NULL ? not_mine() : or_not_mine(read_scalar(found));
}

#endif
