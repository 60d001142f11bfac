/* CPython's stable ABI (abi3, 3.11 and later), as far as this extension uses it.
 *
 * Declared by hand so that a machine without Python's headers, or for another platform than its own, can compile.
 * Every name and layout below is promised by PEP 384 and https://docs.python.org/3/c-api/stable.html for all
 * CPython 3.x with a GIL; nothing else of the interpreter is touched. References: "new" is ours to drop, "borrowed"
 * is not.
 */
#ifndef TAILRACE_PYTHON_ABI_H
#define TAILRACE_PYTHON_ABI_H

#include <stddef.h>
#include <stdint.h>

typedef intptr_t Py_ssize_t;
typedef struct _typeobject PyTypeObject; /* opaque */
typedef struct _object {
    Py_ssize_t ob_refcnt; /* never touched here: Py_IncRef and Py_DecRef know about immortal objects */
    PyTypeObject *ob_type;
} PyObject;

typedef PyObject *(*PyFastFunction)(PyObject *self, PyObject *const *arguments, Py_ssize_t count);
typedef struct {
    const char *ml_name;
    PyFastFunction ml_meth;
    int ml_flags;
    const char *ml_doc;
} PyMethodDef;

typedef struct {
    PyObject ob_base;
    PyObject *(*m_init)(void);
    Py_ssize_t m_index;
    PyObject *m_copy;
} PyModuleDef_Base;

typedef struct {
    PyModuleDef_Base m_base;
    const char *m_name;
    const char *m_doc;
    Py_ssize_t m_size;
    PyMethodDef *m_methods;
    void *m_slots;
    void *m_traverse;
    void *m_clear;
    void *m_free;
} PyModuleDef;

#define METH_FASTCALL 0x0080
#define PYTHON_ABI_VERSION 3
/* slot numbers, for PyType_GetSlot and PyType_FromSpec */
#define Py_tp_dealloc 52
#define Py_tp_new 65
#define Py_tp_free 74
#define Py_TPFLAGS_BASETYPE (1u << 10)

typedef PyObject *(*newfunc)(PyTypeObject *type, PyObject *arguments, PyObject *keywords);
typedef void (*freefunc)(void *memory);
typedef struct {
    int slot;
    void *pfunc;
} PyType_Slot;
typedef struct {
    const char *name;
    int basicsize, itemsize;
    unsigned int flags;
    PyType_Slot *slots;
} PyType_Spec;

extern PyTypeObject PyBytes_Type, PyDict_Type, PyFloat_Type, PyList_Type, PyLong_Type, PyTuple_Type, PyType_Type,
    PyUnicode_Type;
extern PyObject _Py_NoneStruct, _Py_TrueStruct, _Py_FalseStruct;
extern PyObject *PyExc_TypeError;
#define Py_None (&_Py_NoneStruct)
#define Py_True (&_Py_TrueStruct)
#define Py_False (&_Py_FalseStruct)

void Py_IncRef(PyObject *object);
void Py_DecRef(PyObject *object); /* NULL is allowed in both */
void PyErr_Clear(void);
PyObject *PyErr_Occurred(void); /* borrowed */
void PyErr_SetString(PyObject *type, const char *text);

PyObject *PyModule_Create2(PyModuleDef *definition, int abi_version); /* new */
int PyModule_AddStringConstant(PyObject *module, const char *name, const char *value);
void *PyType_GetSlot(PyTypeObject *type, int slot);
PyObject *PyType_FromSpec(PyType_Spec *spec);                           /* new */
PyObject *PyType_GenericAlloc(PyTypeObject *type, Py_ssize_t items);   /* new; filled with zeros */
int PyModule_AddObjectRef(PyObject *module, const char *name, PyObject *value);
int PyType_IsSubtype(PyTypeObject *type, PyTypeObject *of);

PyObject *PyUnicode_InternFromString(const char *text);                        /* new */
PyObject *PyUnicode_FromStringAndSize(const char *text, Py_ssize_t size);      /* new */
const char *PyUnicode_AsUTF8AndSize(PyObject *text, Py_ssize_t *size);         /* lives as long as the text */
PyObject *PyBytes_FromStringAndSize(const char *bytes, Py_ssize_t size);       /* new */
int PyBytes_AsStringAndSize(PyObject *bytes, char **content, Py_ssize_t *size); /* lives as long as the bytes */
long long PyLong_AsLongLong(PyObject *number);
PyObject *PyLong_FromLongLong(long long number); /* new */
double PyFloat_AsDouble(PyObject *number);
PyObject *PyDict_New(void);      /* new */
int PyDict_SetItem(PyObject *dict, PyObject *key, PyObject *value);
PyObject *PyDict_GetItemWithError(PyObject *dict, PyObject *key); /* borrowed */
int PyDict_Next(PyObject *dict, Py_ssize_t *position, PyObject **key, PyObject **value); /* borrowed */
Py_ssize_t PyDict_Size(PyObject *dict);
int PyList_Append(PyObject *list, PyObject *element);
double PyOS_string_to_double(const char *text, char **end, PyObject *overflow); /* -1 where it cannot */
Py_ssize_t PyList_Size(PyObject *list);
PyObject *PyList_GetItem(PyObject *list, Py_ssize_t index); /* borrowed */
Py_ssize_t PyTuple_Size(PyObject *tuple);
PyObject *PyTuple_New(Py_ssize_t size);                                    /* new */
PyObject *PyTuple_GetItem(PyObject *tuple, Py_ssize_t index);              /* borrowed */
int PyTuple_SetItem(PyObject *tuple, Py_ssize_t index, PyObject *element); /* takes the reference to the element */

#endif
