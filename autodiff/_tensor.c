/*
 * _tensor.c - life of the tensor object: making, dropping, converting, applying
 * operations, attributes. Arithmetic is in _number.c, gradients and changes in place
 * in _update.c. Everything here holds the GIL.
 */
#include "_tensor.h"

#include "scan_value.h"

#include <stddef.h>
#include <string.h>

enum { MAX_SPARE = 1024 };

ad_py_hooks ad_py;
PyTypeObject *ad_tensor_type;

AD_THREAD_LOCAL ad_tape *ad_current_tape;
AD_THREAD_LOCAL PyObject *ad_overrides;

/* ---- The thread's tape -------------------------------------------------------------- */

static void forget_tape(PyObject *capsule)
{
    ad_tape *tape = PyCapsule_GetPointer(capsule, NULL);
    ad_spares *s = tape->upper;
    while (s->first != NULL) {
        ad_tensor *x = AD_TENSOR_OF(s->first);
        s->first = s->first->next;
        PyObject_GC_Del(x);
        Py_DECREF(ad_tensor_type);
    }
    PyMem_Free(s);
    if (ad_current_tape == tape)
        ad_current_tape = NULL;
    ad_tape_abandon(tape);
}

/* The tape dies with the thread's state dict, where a capsule holds it. */
static ad_tape *make_tape(void)
{
    PyObject *dict = PyThreadState_GetDict();
    ad_tape *tape = ad_tape_new();
    ad_spares *s = PyMem_Calloc(1, sizeof *s);
    if (dict == NULL || tape == NULL || s == NULL) {
        PyMem_Free(s);
        if (tape != NULL)
            ad_tape_abandon(tape);
        PyErr_NoMemory();
        return NULL;
    }
    tape->upper = s;
    tape->object_drop = ad_py.drop_object;
    tape->line_id = ad_py_line_id;
    tape->matmul = ad_py.large_matmul;
    tape->scan = ad_scan_value;
    tape->linalg = ad_py.linalg;
    tape->custom_tangent = ad_py.custom_tangent;
    PyObject *capsule = PyCapsule_New(tape, NULL, forget_tape);
    if (capsule == NULL) {
        PyMem_Free(s);
        ad_tape_abandon(tape);
        return NULL;
    }
    int failed = PyDict_SetItemString(dict, "autodiff.tape", capsule);
    Py_DECREF(capsule); /* on failure this frees the tape */
    if (failed)
        return NULL;
    return ad_current_tape = tape;
}

ad_tape *ad_py_tape(void)
{
    return ad_current_tape != NULL ? ad_current_tape : make_tape();
}

int ad_py_make_room(ad_tape *tape)
{
    if (tape->n + 2 < tape->limit) /* as the short way asks */
        return 0;
    ad_status status = ad_tape_make_room(tape);
    return status == AD_OK ? 0 : ad_py.set_status(tape, status);
}

/* ---- Making and dropping --------------------------------------------------------------- */

ad_tensor *ad_tensor_alloc(void)
{
    ad_tensor *x = PyObject_GC_New(ad_tensor, ad_tensor_type);
    if (x != NULL)
        memset((char *)x + offsetof(ad_tensor, h), 0,
               sizeof *x - offsetof(ad_tensor, h));
    return x;
}

PyObject *ad_tensor_wrap(ad_tape *tape, ad_value *v)
{
    ad_tensor *x = ad_tensor_spare(tape);
    if (x == NULL) {
        ad_value_drop(v);
        return NULL;
    }
    x->value = v->scalar;
    x->array = v->array;
    x->h.tape = tape;
    x->h.entry = AD_NONE;
    x->h.flags = v->array != NULL ? AD_TENSOR_ARRAY : 0;
    if (v->entry != AD_NONE)
        ad_handle_insert(tape, &x->h, v->entry);
    return (PyObject *)x;
}

void ad_tensor_make_rich(ad_tensor *x)
{
    x->h.flags |= AD_TENSOR_RICH;
    if (!PyObject_GC_IsTracked((PyObject *)x))
        PyObject_GC_Track(x);
}

/* May a sweep come to x's hooks when x itself is gone? Then they are the graph's as
 * much as x's, and a cycle through them is no garbage. */
static bool graph_needs_hooks(const ad_tensor *x)
{
    if (x->leaf != NULL)
        return x->leaf->refs > 1;
    return x->hooks != NULL && x->h.entry < AD_SWEPT &&
           ad_tape_is_operand(x->h.tape, x->h.entry);
}

static int tensor_traverse(PyObject *self, visitproc visit, void *arg)
{
    ad_tensor *x = (ad_tensor *)self;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(x->grad);
    if (!graph_needs_hooks(x))
        Py_VISIT(x->hooks);
    Py_VISIT(x->dict);
    return 0;
}

/* The hooks of a leaf or of an entry outlive the tensor: the graph owns them. */
static void hand_over_hooks(ad_tensor *x)
{
    if (x->hooks == NULL)
        return;
    if (x->leaf != NULL && x->leaf->refs > 1)
        x->leaf->owner = x->hooks;
    else if (x->leaf == NULL && x->h.entry < AD_SWEPT &&
             (x->h.flags & AD_TENSOR_WATCHED)) {
        if (!ad_watch_own(x->h.tape, x->hooks))
            return;
    } else
        return;
    x->hooks = NULL;
}

static int tensor_clear(PyObject *self)
{
    ad_tensor *x = (ad_tensor *)self;
    Py_CLEAR(x->grad);
    Py_CLEAR(x->dict);
    if (x->hooks != NULL && !graph_needs_hooks(x)) {
        if (x->h.flags & AD_TENSOR_WATCHED)
            ad_watch_remove(x->h.tape, x->hooks);
        x->h.flags &= ~(uint32_t)(AD_TENSOR_WATCHED | AD_TENSOR_RETAINS);
        Py_CLEAR(x->hooks);
    }
    return 0;
}

/* What is recorded of the leaf stays, and has no tensor any more. */
static void drop_leaf(ad_tensor *x)
{
    ad_leaf *leaf = x->leaf != NULL ? x->leaf : x->frozen;
    leaf->handle = NULL;
    if (leaf->owner == x)
        leaf->owner = NULL;
    if (x->leaf != NULL)
        x->h.entry = AD_NONE;
    x->leaf = x->frozen = NULL;
    ad_tape *tape = ad_py_tape();
    if (tape != NULL)
        ad_leaf_drop(tape, leaf);
}

static void drop_rich(ad_tensor *x)
{
    if (x->weakrefs != NULL)
        PyObject_ClearWeakRefs((PyObject *)x);
    hand_over_hooks(x);
    if (x->leaf != NULL || x->frozen != NULL)
        drop_leaf(x);
    if (x->next_alias != NULL || (x->h.flags & AD_TENSOR_ALIAS))
        ad_tensor_part(x);
    tensor_clear((PyObject *)x);
    Py_CLEAR(x->hooks);
    ad_array_drop(x->array);
    x->array = NULL;
}

/* Give up the entry and the object. */
static void give_back(ad_tensor *x)
{
    PyObject *self = (PyObject *)x;
    if (x->h.entry < AD_SWEPT)
        ad_handle_release(&x->h);
    ad_spares *s = ad_current_tape != NULL ? ad_current_tape->upper : NULL;
    if (s != NULL && s->n < MAX_SPARE) {
        x->h.next = s->first;
        s->first = &x->h;
        s->n++;
        return;
    }
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_Del(x);
    Py_DECREF(type);
}

static void tensor_dealloc(PyObject *self)
{
    ad_tensor *x = (ad_tensor *)self;
    const uint32_t rich =
        AD_TENSOR_ARRAY | AD_TENSOR_ALIAS | AD_TENSOR_LEAF | AD_TENSOR_RICH;
    if (!(x->h.flags & rich) && x->weakrefs == NULL) {
        give_back(x);
        return;
    }
    PyObject_GC_UnTrack(self);
    Py_TRASHCAN_BEGIN(self, tensor_dealloc) /* a chain of attributes may be long */
        drop_rich(x);
    give_back(x);
    Py_TRASHCAN_END
}

/* ---- Converting -------------------------------------------------------------------------- */

double ad_tensor_scalar(const ad_tensor *x)
{
    x = ad_tensor_root(x);
    return x->array != NULL && x->array->size == 1 ? x->array->data[0] : x->value;
}

int ad_tensor_requires_grad(const ad_tensor *x)
{
    return x->leaf != NULL || x->h.entry != AD_NONE;
}

/* x was changed in place behind its graph's back: an entry with the value it has now,
 * through which the gradient passes unchanged. */
static ad_status renew_entry(ad_tape *tape, ad_tensor *x, double value)
{
    ad_entry e = {.value = value, .x = x->h.entry, .op = AD_OP_ADD};
    e.kind = AD_KIND_X_CONST;
    e.u.constant = value - tape->entries[x->h.entry].value;
    uint32_t index;
    ad_status status = ad_tape_push(tape, &e, &index);
    if (status != AD_OK)
        return status;
    ad_handle_unlink(&x->h);
    ad_handle_link(tape, &x->h, index);
    x->h.flags &= ~(uint32_t)AD_TENSOR_CHANGED;
    return AD_OK;
}

int ad_tensor_value(ad_tape *tape, ad_tensor *x, ad_value *v)
{
    v->scalar = x->array == NULL ? ad_tensor_scalar(x) : 0.0;
    v->array = x->array;
    v->entry = AD_NONE;
    if (tape->redirect != NULL)
        return ad_tensor_requires_grad(x) ? ad_py.capture(tape, (PyObject *)x, v) : 0;
    if (x->leaf == NULL && x->h.entry < AD_SWEPT && x->h.tape->redirect != NULL)
        return ad_py.set_status(tape, AD_ESCAPED);
    if (!tape->is_recording)
        return 0;
    if (x->leaf != NULL) {
        ad_status status =
            ad_tape_leaf_entry(tape, x->leaf, v->scalar, x->array != NULL, &v->entry);
        return status == AD_OK ? 0 : ad_py.set_status(tape, status);
    }
    v->entry = x->h.entry;
    if (v->entry < AD_SWEPT && x->h.tape != tape)
        return ad_py.set_status(tape, AD_THREAD);
    if (v->entry < AD_SWEPT && (x->h.flags & AD_TENSOR_CHANGED)) {
        ad_status status = renew_entry(tape, x, v->scalar);
        v->entry = x->h.entry;
        return status == AD_OK ? 0 : ad_py.set_status(tape, status);
    }
    return 0;
}

int ad_operand_value(ad_tape *tape, PyObject *o, ad_value *v, ad_array **owned)
{
    *owned = NULL;
    if (ad_tensor_check(o))
        return ad_tensor_value(tape, (ad_tensor *)o, v) < 0 ? -1 : 1;
    *v = (ad_value){0.0, NULL, AD_NONE};
    if (PyFloat_CheckExact(o)) {
        v->scalar = PyFloat_AS_DOUBLE(o);
        return 1;
    }
    if (PyLong_Check(o)) {
        v->scalar = PyLong_AsDouble(o);
        return v->scalar == -1.0 && PyErr_Occurred() ? -1 : 1;
    }
    int found = ad_py.to_value(o, v);
    *owned = v->array;
    return found;
}

/* ---- Applying ------------------------------------------------------------------------------ */

/* A tensor of this value; where it has lost a graph and lines are noted, with why. */
static PyObject *wrap_noted(ad_tape *tape, ad_value *out, int n_args,
                            PyObject *const *args)
{
    PyObject *z = ad_tensor_wrap(tape, out);
    if (z == NULL || !tape->wants_lines || tape->is_recording || tape->redirect != NULL)
        return z;
    for (int k = 0; k < n_args; k++)
        if (ad_tensor_check(args[k]) && ad_tensor_requires_grad((ad_tensor *)args[k])) {
            if (ad_py.note_unrecorded(z) < 0)
                Py_CLEAR(z);
            break;
        }
    return z;
}

static PyObject *wrap_result(ad_tape *tape, ad_value *out, int n_args,
                             PyObject *const *args)
{
    for (int k = 0; k < n_args; k++)
        if (ad_tensor_check(args[k]))
            return wrap_noted(tape, out, n_args, args);
    return out->array != NULL ? ad_py.to_numpy(out) : PyFloat_FromDouble(out->scalar);
}

/* Is a rule of the user's in the place of the operation's own? Then z is set. */
static bool is_overridden(int op, int n_args, PyObject *const *args,
                          const ad_attr *attr, PyObject **z)
{
    if (ad_overrides == NULL)
        return false;
    *z = NULL;
    return ad_py.overridden(op, n_args, (PyObject **)args, attr, z) != 0;
}

PyObject *ad_py_apply(int op, int n_args, PyObject *const *args)
{
    PyObject *z;
    if (is_overridden(op, n_args, args, NULL, &z))
        return z;
    ad_tape *tape = ad_py_tape();
    if (tape == NULL || ad_py_make_room(tape) < 0)
        return NULL;
    ad_value values[AD_MAX_ARITY], out;
    ad_array *owned[AD_MAX_ARITY] = {NULL};
    int found = 1, k = 0;
    for (; k < n_args && found == 1; k++)
        found = ad_operand_value(tape, args[k], &values[k], &owned[k]);
    ad_status status = AD_OK;
    if (found == 1 && op == AD_OP_ADD && tape->redirect != NULL &&
        ad_py.check_masks(args[0], args[1]) < 0)
        found = -1;
    if (found == 1)
        status = ad_apply(tape, op, n_args, values, NULL, &out);
    while (k-- > 0)
        ad_array_drop(owned[k]);
    if (found == 0)
        return Py_NewRef(Py_NotImplemented);
    if (found < 0)
        return NULL;
    if (status != AD_OK) {
        ad_py.set_status(tape, status);
        return NULL;
    }
    return wrap_result(tape, &out, n_args, args);
}

PyObject *ad_py_apply_attr(int op, PyObject *x, const ad_attr *attr)
{
    PyObject *z;
    if (is_overridden(op, 1, &x, attr, &z))
        return z;
    ad_tape *tape = ad_py_tape();
    ad_value v, out;
    if (tape == NULL || ad_py_make_room(tape) < 0 ||
        ad_tensor_value(tape, (ad_tensor *)x, &v) < 0)
        return NULL;
    ad_status status = ad_apply(tape, op, 1, &v, attr, &out);
    if (status != AD_OK) {
        ad_py.set_status(tape, status);
        return NULL;
    }
    return wrap_noted(tape, &out, 1, &x);
}

/* ---- Attributes -------------------------------------------------------------------------------- */

static int tensor_setattro(PyObject *self, PyObject *name, PyObject *value)
{
    ad_tensor *x = (ad_tensor *)self;
    int failed = PyObject_GenericSetAttr(self, name, value);
    if (!failed && x->dict != NULL && !(x->h.flags & AD_TENSOR_RICH))
        ad_tensor_make_rich(x);
    return failed;
}

static PyObject *get_requires_grad(PyObject *self, void *closure)
{
    (void)closure;
    return PyBool_FromLong(ad_tensor_requires_grad((ad_tensor *)self));
}

static PyObject *get_is_leaf(PyObject *self, void *closure)
{
    ad_tensor *x = (ad_tensor *)self;
    (void)closure;
    return PyBool_FromLong(x->leaf != NULL || x->h.entry == AD_NONE);
}

static PyObject *get_grad(PyObject *self, void *closure)
{
    ad_tensor *x = (ad_tensor *)self;
    (void)closure;
    if (x->grad != NULL)
        return Py_NewRef(x->grad);
    bool is_lost =
        x->leaf == NULL && x->h.entry != AD_NONE && !(x->h.flags & AD_TENSOR_RETAINS);
    if (is_lost &&
        PyErr_WarnEx(
            PyExc_UserWarning,
            "The .grad attribute of a Tensor that is not a leaf Tensor is being "
            "accessed. Its .grad attribute won't be populated during "
            "autograd.backward(). If you do want the gradient of a non-leaf "
            "Tensor, call .retain_grad() on it before backward(); if you meant "
            "the leaf, read the leaf's .grad",
            1) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static int set_grad(PyObject *self, PyObject *value, void *closure)
{
    ad_tensor *x = (ad_tensor *)self;
    (void)closure;
    if (value == NULL || value == Py_None) {
        Py_CLEAR(x->grad);
        return 0;
    }
    if (!ad_tensor_check(value)) {
        PyErr_Format(PyExc_TypeError, "grad must be a Tensor or None, not %s",
                     Py_TYPE(value)->tp_name);
        return -1;
    }
    ad_tensor *g = (ad_tensor *)value;
    bool fits = x->array == NULL
                    ? g->array == NULL
                    : g->array != NULL && ad_array_same_shape(x->array, g->array);
    if (!fits) {
        PyErr_SetString(PyExc_RuntimeError,
                        "assigned grad has data of a different size; it must have the "
                        "shape of its tensor");
        return -1;
    }
    Py_XSETREF(x->grad, Py_NewRef(value));
    ad_tensor_make_rich(x);
    return 0;
}

static PyObject *get_dict(PyObject *self, void *closure)
{
    ad_tensor_make_rich((ad_tensor *)self); /* the dict may hold anything */
    return PyObject_GenericGetDict(self, closure);
}

static PyGetSetDef getset[] = {
    {"_requires_grad", get_requires_grad, NULL, NULL, NULL},
    {"is_leaf", get_is_leaf, NULL,
     "True unless recorded as the result of an operation.", NULL},
    {"grad", get_grad, set_grad, "Gradient accumulated by backward, or None.", NULL},
    {"__dict__", get_dict, PyObject_GenericSetDict, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef members[] = {
    {"__dictoffset__", T_PYSSIZET, offsetof(ad_tensor, dict), READONLY, NULL},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(ad_tensor, weakrefs), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

/* Tensor(...): what tensor.py makes of it. Without a tp_new of its own the type would
 * let object.__new__ hand out a tensor that nobody has filled in. */
static PyObject *tensor_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    PyObject *make = PyObject_GetAttrString((PyObject *)type, "_from_data");
    if (make == NULL)
        return NULL;
    PyObject *x = PyObject_Call(make, args, keywords);
    Py_DECREF(make);
    return x;
}

PyObject *ad_tensor_type_new(void)
{
    enum { OWN = 8, MOST = 64 };
    PyType_Slot slots[OWN + MOST] = {
        {Py_tp_dealloc, tensor_dealloc}, {Py_tp_traverse, tensor_traverse},
        {Py_tp_clear, tensor_clear},     {Py_tp_setattro, tensor_setattro},
        {Py_tp_getset, getset},          {Py_tp_members, members},
        {Py_tp_new, tensor_new},
    };
    int n = 7;
    for (int i = 0; ad_number_slots[i].slot != 0; i++)
        slots[n++] = ad_number_slots[i];
    slots[n] = (PyType_Slot){0, NULL};
    PyType_Spec spec = {
        .name = "autodiff.Tensor",
        .basicsize = sizeof(ad_tensor),
        .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
        .slots = slots,
    };
    ad_tensor_type = (PyTypeObject *)PyType_FromSpec(&spec);
    return (PyObject *)ad_tensor_type;
}
