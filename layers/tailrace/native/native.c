/* tailrace._native: the ordinary record's way from stream record to bulk lines, without a Python frame per attribute.
 *
 * The Python code beside it (stream_records, attributes, identity, actions, bulk) is the specification. Each function
 * here answers either exactly what that code answers, byte for byte, or None: "not mine". None is the answer to all
 * that is illegal, odd or rare, so that nothing has to be refused, escaped or explained here. Bad data never raises.
 *
 * Memory: strings are borrowed from the objects that the caller holds for the time of the call; what is made grows in
 * a `Text` that is freed on every path; recursion ends at MAX_LEVELS. While an image is read no Python code runs, so
 * it cannot change meanwhile. The GIL is held throughout, and nothing is kept between calls.
 */
#include "key.h"
#include "python_abi.h"
#include "raw_event.h"
#include "sha256.h"

#include <stdlib.h>
#include <string.h>

#ifndef SOURCE_FINGERPRINT
#define SOURCE_FINGERPRINT ""
#endif

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

static Sha256Compress compress;
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

/* ---- bookkeeping and document ---- */

/* actions.iso_instant: the proleptic Gregorian calendar from 1970 on, by days counted from 1 March of the year 0. */
static int put_instant(Text *text, long long instant_ns) {
    long long seconds = instant_ns / NANOSECONDS, fraction = instant_ns % NANOSECONDS, rest = seconds % 86400;
    long long day = seconds / 86400 + 719468, era = day / 146097, of_era = day % 146097;
    long long year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    long long of_year = of_era - (365 * year + year / 4 - year / 100), month = (5 * of_year + 2) / 153;
    uint64_t parts[6] = {(uint64_t)(year + 400 * era + (month >= 10)), (uint64_t)(month < 10 ? month + 3 : month - 9),
                         (uint64_t)(of_year - (153 * month + 2) / 5 + 1), (uint64_t)(rest / 3600),
                         (uint64_t)(rest / 60 % 60), (uint64_t)(rest % 60)};
    for (int i = 0; i < 6; i++)
        if ((i > 0 && !put(text, &"0--T::"[i], 1)) || !put_digits(text, parts[i], i == 0 ? 4 : 2)) return 0;
    if (fraction > 0) {
        if (!PUT(text, ".") || !put_digits(text, (uint64_t)fraction, 9)) return 0;
        while (text->at[text->length - 1] == '0') text->length--;
    }
    return PUT(text, "Z");
}

static int put_word(Text *text, PyObject *object) {
    Span span;
    return read_text(object, &span) && is_word(span) && put_span(text, span);
}

static int put_event_id(Text *text, PyObject *event_id) {
    Span span;
    if (event_id == Py_None) return PUT(text, "null");
    return read_text(event_id, &span) && put_string(text, span);
}

/* actions.Planner._bookkeeping: `"ddb":{…` without its end. */
static int put_bookkeeping(Text *text, PyObject *record, const KeyPart *parts, int count) {
    PyObject *sequence_number = PyTuple_GetItem(record, SEQUENCE_NUMBER);
    PyObject *is_ttl_delete = PyTuple_GetItem(record, IS_TTL_DELETE);
    long long instant_ns;
    if (!PUT(text, "\"ddb\":{\"table\":\"") || !put_word(text, PyTuple_GetItem(record, TABLE))) return 0;
    if (!PUT(text, "\",\"key\":") || !put_key(text, parts, count)) return 0;
    if (!PUT(text, ",\"op\":\"") || !put_word(text, PyTuple_GetItem(record, OPERATION)) || !PUT(text, "\",")) return 0;
    if (sequence_number != Py_None &&
        !(PUT(text, "\"seq\":\"") && put_word(text, sequence_number) && PUT(text, "\",")))
        return 0;
    if (!PUT(text, "\"event_id\":") || !put_event_id(text, PyTuple_GetItem(record, EVENT_ID))) return 0;
    if (!read_integer(PyTuple_GetItem(record, INSTANT_NS), &instant_ns)) return 0;
    if (!PUT(text, ",\"changed_at\":\"") || !put_instant(text, instant_ns)) return 0;
    if (!PUT(text, "\",\"source\":\"") || !put_word(text, PyTuple_GetItem(record, SOURCE))) return 0;
    if (is_ttl_delete == Py_True) return PUT(text, "\",\"ttl\":true");
    return is_ttl_delete == Py_False && PUT(text, "\"");
}

/* actions.Planner._document: the canonical item, and in it the bookkeeping with the digest of what stood before it. */
static int put_document(Text *text, PyObject *record, const KeyPart *parts, int count) {
    static const char hex[] = "0123456789abcdef";
    uint8_t hash[32];
    char digest[32];
    PyObject *image = PyTuple_GetItem(record, NEW_IMAGE);
    Span json;
    if (!(read_raw(image, &json) ? put_raw_item(text, json) : put_item(text, image))) return 0;
    sha256(compress, (const uint8_t *)text->at, text->length, hash);
    for (int i = 0; i < 16; i++) digest[2 * i] = hex[hash[i] >> 4], digest[2 * i + 1] = hex[hash[i] & 15];
    text->length--;
    if (text->length > 1 && !PUT(text, ",")) return 0;
    return put_bookkeeping(text, record, parts, count) && PUT(text, ",\"digest\":\"") &&
           put(text, digest, sizeof digest) && PUT(text, "\"}}");
}

static int put_tombstone(Text *text, PyObject *record, const KeyPart *parts, int count) {
    return PUT(text, "{") && put_bookkeeping(text, record, parts, count) && PUT(text, ",\"deleted\":true}}");
}

/* ---- the module's functions ---- */

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
    return a.size == b.size && memcmp(a.at, b.at, a.size) == 0;
}

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

static PyObject *new_text(Span span) {
    return span.at == NULL ? not_mine() : PyUnicode_FromStringAndSize(span.at, (Py_ssize_t)span.size);
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
        if (take(cursor, ']')) return take(cursor, '}') && next_character(cursor) == '\0' && cursor->at == cursor->end ? 1 : -1;
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
    return answer;
}

/* `{"S":"…"}` or `{"N":"…"}` as the dict that Python reads; NULL for all else. */
static PyObject *read_key_value(Span json) {
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
        PyObject *typed = found[i].at == NULL ? NULL : read_key_value(found[i]);
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
        !take_value(&cursor, &json) || !take(&cursor, '}') || next_character(&cursor) != '\0' ||
        cursor.at != cursor.end || (key = read_item_key(json, arguments[1])) == NULL) {
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

/* text(map): the JSON of a RawText; None of one that has none. */
static PyObject *text_of(PyObject *module, PyObject *const *arguments, Py_ssize_t count) {
    Span json;
    (void)module;
    if (count != 1) return refuse_call("text(map)");
    return read_raw(arguments[0], &json) ? PyBytes_FromStringAndSize(json.at, (Py_ssize_t)json.size) : not_mine();
}

/* find(map, name): the JSON of what a RawText has under a name; None where that is not told as easily, or nothing. */
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
    return found.at == NULL ? not_mine() : PyBytes_FromStringAndSize(found.at, (Py_ssize_t)found.size);
}

static PyObject *make_action(PyObject *record, PyObject *frame, PyObject *alias, PyObject *index, int done, Text *id,
                             Text *document) {
    PyObject *fields[ACTION_FIELDS] = {
        [ALIAS] = kept(alias),
        [ID] = PyUnicode_FromStringAndSize(id->at, (Py_ssize_t)id->length),
        [VERSION] = kept(PyTuple_GetItem(record, INSTANT_NS)),
        [ACTION_SEQUENCE_NUMBER] = kept(PyTuple_GetItem(record, SEQUENCE_NUMBER)),
        [DOCUMENT] = PyBytes_FromStringAndSize(document->at, (Py_ssize_t)document->length),
        [DONE] = kept(PyTuple_GetItem(frame, done)),
        [RECORD] = kept(index),
        [ACTION_EVENT_ID] = kept(PyTuple_GetItem(record, EVENT_ID)),
        [IS_UNDECIDED] = kept(Py_False),
    };
    if (fields[ID] != NULL && fields[DOCUMENT] != NULL)
        return make_named_tuple(PyTuple_GetItem(frame, ACTION), fields, ACTION_FIELDS);
    for (int i = 0; i < ACTION_FIELDS; i++) Py_DecRef(fields[i]); /* no memory: MemoryError is set */
    return NULL;
}

static int is_frame(PyObject *frame) {
    return is_tuple(frame) && PyTuple_Size(frame) == FRAME_FIELDS &&
           is_named_tuple_class(PyTuple_GetItem(frame, ACTION)) && is_tuple(PyTuple_GetItem(frame, KEY_NAMES));
}

/* The one action of a record that is filtered by nothing and changes no alias; NULL, without an error, for "not mine". */
static PyObject *plan(PyObject *record, PyObject *frame, PyObject *alias, PyObject *index) {
    char local_id[1024], local_document[8192];
    char local_key[4096]; /* DynamoDB's keys: 2,048 and 1,024 bytes */
    Text id = text_on(local_id, sizeof local_id), document = text_on(local_document, sizeof local_document);
    Arena arena = {local_key, 0, sizeof local_key};
    PyObject *action = NULL;
    KeyPart parts[2];
    Span prefix;
    int key_parts, is_removal, is_mine;
    if (!is_tuple(record) || PyTuple_Size(record) != RECORD_FIELDS) return NULL;
    is_removal = is_text(PyTuple_GetItem(record, OPERATION), "remove");
    is_mine = (!is_removal || PyTuple_GetItem(frame, DELETED) != Py_None) &&
              read_text(PyTuple_GetItem(frame, ID_PREFIX), &prefix) &&
              read_key(PyTuple_GetItem(record, KEYS), PyTuple_GetItem(frame, KEY_NAMES), &arena, parts, &key_parts) &&
              put_id(&id, prefix, parts, key_parts) &&
              (is_removal ? put_tombstone(&document, record, parts, key_parts)
                          : put_document(&document, record, parts, key_parts));
    if (is_mine) action = make_action(record, frame, alias, index, is_removal ? DELETED : INDEXED, &id, &document);
    free(id.heap);
    free(document.heap);
    return action;
}

static PyObject *or_not_mine(PyObject *made) { return made == NULL && PyErr_Occurred() == NULL ? not_mine() : made; }

/* act(record, frame, alias, index) */
static PyObject *act(PyObject *module, PyObject *const *arguments, Py_ssize_t count) {
    (void)module;
    if (count != 4 || !is_frame(arguments[1])) return refuse_call("act(record, frame, alias, index)");
    return or_not_mine(plan(arguments[0], arguments[1], arguments[2], arguments[3]));
}

/* Frame and alias of a record's table, both borrowed; 0 where the table has none. */
static int find_frame(PyObject *record, PyObject *ordinary, PyObject **frame, PyObject **alias) {
    PyObject *table, *pair;
    if (!is_tuple(record) || PyTuple_Size(record) != RECORD_FIELDS) return 0;
    table = PyTuple_GetItem(record, TABLE);
    if (!is_exactly(table, &PyUnicode_Type)) return 0; /* anything else may run Python when it is compared */
    pair = PyDict_GetItemWithError(ordinary, table);
    if (pair == NULL || !is_tuple(pair) || PyTuple_Size(pair) != 2) {
        PyErr_Clear();
        return 0;
    }
    *frame = PyTuple_GetItem(pair, 0);
    *alias = PyTuple_GetItem(pair, 1);
    return is_frame(*frame);
}

/* act_run(records, start, ordinary, actions): see acceleration.Native. */
static PyObject *act_run(PyObject *module, PyObject *const *arguments, Py_ssize_t count) {
    PyObject *frame, *alias;
    long long place;
    (void)module;
    if (count != 4 || !is_exactly(arguments[0], &PyList_Type) || !read_integer(arguments[1], &place) ||
        !is_exactly(arguments[2], &PyDict_Type) || !is_exactly(arguments[3], &PyList_Type))
        return refuse_call("act_run(records, start, ordinary, actions)");
    for (; place < PyList_Size(arguments[0]); place++) {
        PyObject *record = PyList_GetItem(arguments[0], (Py_ssize_t)place), *index, *action = NULL;
        if (!find_frame(record, arguments[2], &frame, &alias)) break;
        if ((index = PyLong_FromLongLong(place)) != NULL) action = plan(record, frame, alias, index);
        Py_DecRef(index);
        if (action == NULL) break;
        int is_kept = PyList_Append(arguments[3], action) == 0;
        Py_DecRef(action);
        if (!is_kept) break;
    }
    return PyErr_Occurred() == NULL ? PyLong_FromLongLong(place) : NULL;
}

/* bulk.render: the action line and the document. */
static int put_lines(Text *text, PyObject *action) {
    PyObject *document;
    Span alias, id;
    Py_ssize_t size;
    char *source = NULL;
    long long version;
    if (!is_tuple(action) || PyTuple_Size(action) != ACTION_FIELDS) return 0;
    document = PyTuple_GetItem(action, DOCUMENT);
    if (!read_text(PyTuple_GetItem(action, ALIAS), &alias) || !read_text(PyTuple_GetItem(action, ID), &id)) return 0;
    if (!read_integer(PyTuple_GetItem(action, VERSION), &version)) return 0;
    if (document != Py_None && !is_exactly(document, &PyBytes_Type)) return 0;
    if (!(document == Py_None ? PUT(text, "{\"delete\":{\"_index\":") : PUT(text, "{\"index\":{\"_index\":"))) return 0;
    if (!put_string(text, alias) || !PUT(text, ",\"_id\":") || !put_string(text, id)) return 0;
    if (!PUT(text, ",\"version\":") || !put_digits(text, (uint64_t)version, 1)) return 0;
    if (!PUT(text, ",\"version_type\":\"external\"}}\n")) return 0;
    if (document == Py_None) return 1;
    return PyBytes_AsStringAndSize(document, &source, &size) == 0 && put(text, source, (size_t)size) && PUT(text, "\n");
}

/* pack(actions, start, max_bytes, max_actions): the body that begins at `start`, and where the next one begins. */
static PyObject *pack(PyObject *module, PyObject *const *arguments, Py_ssize_t count) {
    char local[4096];
    Text text = text_on(local, sizeof local);
    long long start, max_bytes, max_actions, end;
    PyObject *answer, *content;
    (void)module;
    if (count != 4 || !is_exactly(arguments[0], &PyList_Type) || !read_integer(arguments[1], &start) ||
        !read_integer(arguments[2], &max_bytes) || !read_integer(arguments[3], &max_actions))
        return refuse_call("pack(actions, start, max_bytes, max_actions)");
    for (end = start; end < PyList_Size(arguments[0]); end++) {
        size_t before = text.length;
        if (end > start && end - start >= max_actions) break;
        if (!put_lines(&text, PyList_GetItem(arguments[0], (Py_ssize_t)end))) {
            PyErr_Clear();
            free(text.heap);
            return not_mine();
        }
        if (end > start && text.length > (size_t)max_bytes) {
            text.length = before;
            break;
        }
    }
    content = PyBytes_FromStringAndSize(text.at, (Py_ssize_t)text.length);
    free(text.heap);
    if (content == NULL || (answer = PyTuple_New(2)) == NULL) {
        Py_DecRef(content);
        return NULL;
    }
    PyTuple_SetItem(answer, 0, content);
    PyTuple_SetItem(answer, 1, PyLong_FromLongLong(end));
    return answer;
}

/* canonical(image): attributes.canonical_json of what attributes.ImageReader reads. For tests. */
static PyObject *canonical(PyObject *module, PyObject *const *arguments, Py_ssize_t count) {
    char local[4096];
    Text text = text_on(local, sizeof local);
    PyObject *answer;
    (void)module;
    if (count != 1) return refuse_call("canonical(image)");
    if (put_item(&text, arguments[0])) answer = PyBytes_FromStringAndSize(text.at, (Py_ssize_t)text.length);
    else answer = not_mine();
    free(text.heap);
    return answer;
}

/* sha256(data, is_portable): SHA-256, in the way that was chosen or in the portable one. For tests. */
static PyObject *hash_bytes(PyObject *module, PyObject *const *arguments, Py_ssize_t count) {
    uint8_t hashed[32];
    Py_ssize_t size;
    char *data;
    (void)module;
    if (count != 2 || !is_exactly(arguments[0], &PyBytes_Type)) return refuse_call("sha256(data, is_portable)");
    if (PyBytes_AsStringAndSize(arguments[0], &data, &size) != 0) return NULL;
    sha256(arguments[1] == Py_True ? sha256_portable : compress, (const uint8_t *)data, (size_t)size, hashed);
    return PyBytes_FromStringAndSize((const char *)hashed, sizeof hashed);
}

static PyMethodDef functions[] = {
    {"decode", decode, METH_FASTCALL, NULL},
    {"begin", begin, METH_FASTCALL, NULL},
    {"decode_run", decode_run, METH_FASTCALL, NULL},
    {"read_item", read_item, METH_FASTCALL, NULL},
    {"text", text_of, METH_FASTCALL, NULL},
    {"find", find, METH_FASTCALL, NULL},
    {"act", act, METH_FASTCALL, NULL},
    {"act_run", act_run, METH_FASTCALL, NULL},
    {"pack", pack, METH_FASTCALL, NULL},
    {"canonical", canonical, METH_FASTCALL, NULL},
    {"sha256", hash_bytes, METH_FASTCALL, NULL},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef definition = {
    .m_base = {{1, NULL}, NULL, 0, NULL},
    .m_name = "tailrace._native",
    .m_doc = "The ordinary record's way from stream record to bulk lines.",
    .m_size = -1, /* one per process: it keeps its names */
    .m_methods = functions,
};

__attribute__((visibility("default"))) PyObject *PyInit__native(void) {
    PyObject *module = PyModule_Create2(&definition, PYTHON_ABI_VERSION);
    compress = sha256_choose();
    new_tuple = (newfunc)PyType_GetSlot(&PyTuple_Type, Py_tp_new);
    for (int i = 0; i < NAMES && module != NULL; i++) {
        if ((names[i] = PyUnicode_InternFromString(SPELLINGS[i])) != NULL) continue;
        Py_DecRef(module);
        module = NULL;
    }
    const char *hashing = compress == sha256_portable ? "portable" : "hardware";
    raw_text_type = make_raw_text_type();
    if (module != NULL && (new_tuple == NULL || raw_text_type == NULL ||
                           PyModule_AddObjectRef(module, "RawText", (PyObject *)raw_text_type) || PyModule_AddStringConstant(module, "HASHING", hashing) ||
                           PyModule_AddStringConstant(module, "FINGERPRINT", SOURCE_FINGERPRINT))) {
        Py_DecRef(module);
        module = NULL;
    }
    return module;
}
