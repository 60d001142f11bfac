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
#include "item.h"
#include "python_abi.h"
#include "sha256.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>

#ifndef SOURCE_FINGERPRINT
#define SOURCE_FINGERPRINT ""
#endif

#define MAX_ID_BYTES 512         /* identity.MAX_ID_BYTES: a longer id is hashed, in Python */
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
       NAMES };
static const char *const SPELLINGS[NAMES] = {
    "eventSource", "eventSourceARN", "dynamodb", "SequenceNumber", "eventName", "Keys", "NewImage", "OldImage",
    "eventID", "ApproximateCreationDateTime", "userIdentity", "StreamViewType", "insert", "modify", "remove", "streams",
};
static PyObject *names[NAMES];

/* ---- key, id and bookkeeping ---- */

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
    Entry a = {0, one, NULL}, b = {0, other, NULL};
    return compare(&a, &b) < 0;
}

/* The one or two parts of a key, in the order of `key_names`, or in alphabetical order where that is empty. */
static int read_key(PyObject *keys, PyObject *key_names, KeyPart parts[2], int *count) {
    Py_ssize_t position = 0, named = PyTuple_Size(key_names);
    PyObject *name, *typed;
    Span wanted;
    if (!is_exactly(keys, &PyDict_Type)) return 0;
    *count = (int)PyDict_Size(keys);
    if (*count < 1 || *count > 2 || (named != 0 && named != *count)) return 0;
    for (int i = 0; i < *count; i++)
        if (!PyDict_Next(keys, &position, &name, &typed) || !read_key_part(name, typed, &parts[i])) return 0;
    if (*count == 2) {
        int is_swapped = is_before(parts[1].name, parts[0].name);
        if (named != 0) {
            if (!read_text(PyTuple_GetItem(key_names, 0), &wanted)) return 0;
            is_swapped = wanted.size == parts[1].name.size && memcmp(wanted.at, parts[1].name.at, wanted.size) == 0;
        }
        if (is_swapped) {
            KeyPart first = parts[0];
            parts[0] = parts[1];
            parts[1] = first;
        }
    }
    for (int i = 0; i < named; i++) {
        if (!read_text(PyTuple_GetItem(key_names, i), &wanted) || wanted.size != parts[i].name.size) return 0;
        if (memcmp(wanted.at, parts[i].name.at, wanted.size) != 0) return 0;
    }
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
    if (!put_item(text, PyTuple_GetItem(record, NEW_IMAGE))) return 0;
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

/* act(record, frame, alias, index): the one action of a record that is filtered by nothing and changes no alias. */
static PyObject *act(PyObject *module, PyObject *const *arguments, Py_ssize_t count) {
    char local_id[1024], local_document[8192];
    Text id = text_on(local_id, sizeof local_id), document = text_on(local_document, sizeof local_document);
    PyObject *record, *frame, *action = NULL;
    KeyPart parts[2];
    Span prefix;
    int key_parts, is_removal, is_mine;
    (void)module;
    if (count != 4 || !is_frame(arguments[1])) return refuse_call("act(record, frame, alias, index)");
    record = arguments[0], frame = arguments[1];
    if (!is_tuple(record) || PyTuple_Size(record) != RECORD_FIELDS) return not_mine();
    is_removal = is_text(PyTuple_GetItem(record, OPERATION), "remove");
    is_mine = (!is_removal || PyTuple_GetItem(frame, DELETED) != Py_None) &&
              read_text(PyTuple_GetItem(frame, ID_PREFIX), &prefix) &&
              read_key(PyTuple_GetItem(record, KEYS), PyTuple_GetItem(frame, KEY_NAMES), parts, &key_parts) &&
              put_id(&id, prefix, parts, key_parts) &&
              (is_removal ? put_tombstone(&document, record, parts, key_parts)
                          : put_document(&document, record, parts, key_parts));
    if (is_mine)
        action = make_action(record, frame, arguments[2], arguments[3], is_removal ? DELETED : INDEXED, &id, &document);
    free(id.heap);
    free(document.heap);
    return is_mine ? action : not_mine();
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
    {"act", act, METH_FASTCALL, NULL},
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
    if (module != NULL && (new_tuple == NULL || PyModule_AddStringConstant(module, "HASHING", hashing) ||
                           PyModule_AddStringConstant(module, "FINGERPRINT", SOURCE_FINGERPRINT))) {
        Py_DecRef(module);
        module = NULL;
    }
    return module;
}
