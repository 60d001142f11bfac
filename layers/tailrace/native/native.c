/* tailrace._native: the ordinary record's way from stream record to bulk lines, without a Python frame per attribute.
 *
 * The Python code beside it (stream_records, attributes, identity, actions, bulk) is the specification. Each function
 * here answers either exactly what that code answers, byte for byte, or None: "not mine". None is the answer to all
 * that is illegal, odd or rare, so that nothing has to be refused, escaped or explained here. Bad data never raises.
 *
 * Memory: strings are borrowed from the objects that the caller holds for the time of the call, and a RawText holds the
 * bytes that it is a piece of; what is made grows in a `Text` that is freed on every path; recursion ends at MAX_LEVELS,
 * and at MAX_JSON_DEPTH in text. While an image is read no Python code runs, so
 * it cannot change meanwhile. The GIL is held throughout, and nothing is kept between calls.
 */
#include "decode.h"
#include "decode_raw.h"
#include "export_line.h"
#include "sha256.h"

#include <stdlib.h>
#include <string.h>

#ifndef SOURCE_FINGERPRINT
#define SOURCE_FINGERPRINT ""
#endif

static Sha256Compress compress;

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
/* ---- actions ---- */

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

/* The one action of a record that is filtered by nothing and changes no alias; NULL without an error for "not mine". */
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
/* ---- the module ---- */

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
                           PyModule_AddObjectRef(module, "RawText", (PyObject *)raw_text_type) ||
                           PyModule_AddStringConstant(module, "HASHING", hashing) ||
                           PyModule_AddStringConstant(module, "FINGERPRINT", SOURCE_FINGERPRINT))) {
        Py_DecRef(module);
        module = NULL;
    }
    return module;
}
