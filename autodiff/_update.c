/*
 * _update.c - what changes a tensor after it was made: becoming a leaf, receiving
 * gradients, losing its graph, taking another value in place. Holds the GIL.
 */
#include "_tensor.h"

#include <stdlib.h>
#include <string.h>

#include "kernel.h"

/* ---- Leaves and gradients ------------------------------------------------------------------ */

/* A leaf no more. What is recorded of it waits in case that is taken back. */
static void freeze(ad_tensor *x)
{
    ad_leaf *leaf = x->leaf;
    leaf->handle = NULL;
    leaf->owner = NULL;
    x->leaf = NULL;
    x->h.entry = AD_NONE;
    x->h.flags &= ~(uint32_t)AD_TENSOR_LEAF;
    if (leaf->refs > 1) {
        x->frozen = leaf;
        ad_tensor_make_rich(x); /* its death is to be noticed */
    } else
        free(leaf);
}

int ad_tensor_set_requires_grad(ad_tensor *x, int requires)
{
    if (!requires) {
        if (x->leaf != NULL)
            freeze(x);
        return 0;
    }
    if (x->leaf != NULL || x->h.entry != AD_NONE)
        return 0;
    ad_leaf *leaf = x->frozen;
    if (leaf == NULL && (leaf = malloc(sizeof *leaf)) == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    *leaf = (ad_leaf){x->frozen != NULL ? leaf->refs : 1, &x->h, x};
    x->leaf = leaf;
    x->frozen = NULL;
    x->h.flags |= AD_TENSOR_LEAF;
    if (x->h.flags & AD_TENSOR_ALIAS)
        x->root->h.flags |= AD_TENSOR_SHARED;
    return 0;
}

static bool has_shape_of(const ad_tensor *x, const ad_value *v)
{
    if (x->array == NULL || v->array == NULL)
        return x->array == v->array;
    return ad_array_same_shape(x->array, v->array);
}

int ad_tensor_accumulate_grad(ad_tape *tape, ad_tensor *x, const ad_value *adjoint,
                              int creates_graph)
{
    ad_value sum = *adjoint;
    ad_tensor *old =
        x->grad != NULL && ad_tensor_check(x->grad) ? (ad_tensor *)x->grad : NULL;
    if (old != NULL && !has_shape_of(old, adjoint))
        return ad_py.set_status(tape,
                                ad_fail(&tape->message, AD_SHAPE,
                                        "the gradient has another shape than the "
                                        ".grad it is to be added to; set .grad to "
                                        "None after a change of .data's shape"));
    if (old != NULL && !creates_graph && !ad_tensor_requires_grad(old)) {
        if (old->array == NULL) {
            ad_tensor *root = ad_tensor_root(old);
            root->value += adjoint->scalar;
            root->version++;
            if (root->next_alias != NULL)
                ad_tensor_note_changed(root);
        } else {
            ad_kernel_add(old->array->size, adjoint->array->data, old->array->data);
            ad_array_changed(tape, old->array);
        }
        return 0;
    }
    if (old != NULL) {
        ad_value pair[2];
        if (ad_tensor_value(tape, old, &pair[0]) < 0)
            return -1;
        pair[1] = *adjoint;
        ad_status status = ad_apply(tape, AD_OP_ADD, 2, pair, NULL, &sum);
        if (status != AD_OK)
            return ad_py.set_status(tape, status);
    } else if (sum.array != NULL) {
        /* Others may hold the same array; a gradient is changed in place. */
        bool is_ours = sum.array->refs == 1 && ad_array_is_private(sum.array);
        bool is_tracked = creates_graph && sum.entry != AD_NONE;
        sum.array =
            is_ours || is_tracked ? ad_array_keep(sum.array) : ad_array_copy(sum.array);
        if (sum.array == NULL) {
            PyErr_NoMemory();
            return -1;
        }
    }
    PyObject *grad = ad_tensor_wrap(tape, &sum);
    if (grad == NULL)
        return -1;
    Py_XSETREF(x->grad, grad);
    ad_tensor_make_rich(x);
    return 0;
}

ad_status ad_tensor_on_leaf(void *context, ad_leaf *leaf, const ad_value *adjoint)
{
    ad_tensor *x = leaf->owner;
    ad_tape *tape = ad_current_tape;
    if (leaf->handle == NULL || x->hooks != NULL)
        return ad_py.hooked_leaf(context, leaf, adjoint);
    bool creates_graph = tape->is_recording;
    if (ad_tensor_accumulate_grad(tape, x, adjoint, creates_graph) < 0)
        return ad_py.keep_error();
    return AD_OK;
}

void ad_tensor_settle(ad_tensor *x)
{
    if (x->leaf != NULL || x->h.entry >= AD_SWEPT || x->h.tape->redirect != NULL)
        return;
    ad_tape *tape = x->h.tape;
    const ad_entry *e = &tape->entries[x->h.entry];
    bool is_freed = e->kind == AD_KIND_FREED;
    if (e->kind <= AD_KIND_BINARY)
        is_freed |= tape->entries[e->x].kind == AD_KIND_FREED;
    if (e->kind == AD_KIND_BINARY)
        is_freed |= tape->entries[e->u.y].kind == AD_KIND_FREED;
    if (!is_freed || tape->n_locks > 0)
        return;
    if (x->h.flags & AD_TENSOR_WATCHED)
        ad_watch_remove(tape, x->hooks);
    x->h.flags = (x->h.flags & 0xffffu & ~(uint32_t)AD_TENSOR_WATCHED) | (uint32_t)e->op
                                                                             << 16;
    ad_handle_release(&x->h);
    x->h.entry = AD_SWEPT;
}

/* ---- Sharing a value ------------------------------------------------------------------------ */

PyObject *ad_tensor_alias(ad_tape *tape, ad_tensor *x, int is_hidden)
{
    ad_value v = {0.0, NULL, AD_NONE};
    if (x->array != NULL)
        v.array = ad_array_keep(x->array); /* the very header: no graph to miss */
    ad_tensor *alias = (ad_tensor *)ad_tensor_wrap(tape, &v);
    if (alias == NULL)
        return NULL;
    if (is_hidden)
        alias->h.flags |= AD_TENSOR_HIDDEN;
    if (x->array != NULL)
        return (PyObject *)alias;
    ad_tensor *root = ad_tensor_root(x);
    alias->h.flags |= AD_TENSOR_ALIAS;
    alias->root = alias->previous_alias = root;
    alias->next_alias = root->next_alias;
    if (root->next_alias != NULL)
        root->next_alias->previous_alias = alias;
    root->next_alias = alias;
    ad_tensor_make_rich(root); /* its death is to be noticed */
    return (PyObject *)alias;
}

void ad_tensor_part(ad_tensor *x)
{
    ad_tensor *next = x->next_alias;
    if (x->h.flags & AD_TENSOR_ALIAS) {
        x->previous_alias->next_alias = next;
        if (next != NULL)
            next->previous_alias = x->previous_alias;
        x->value = x->root->value;
        x->version = x->root->version;
    } else if (next != NULL) {
        next->previous_alias = next->root = NULL;
        next->value = x->value;
        next->version = x->version;
        next->h.flags &= ~(uint32_t)AD_TENSOR_ALIAS;
        next->h.flags |= x->h.flags & AD_TENSOR_SHARED;
        for (ad_tensor *other = next->next_alias; other != NULL;
             other = other->next_alias)
            other->root = next;
        if (next->next_alias != NULL)
            ad_tensor_make_rich(next);
    }
    x->root = x->next_alias = x->previous_alias = NULL;
    x->h.flags &= ~(uint32_t)AD_TENSOR_ALIAS;
}

/* ---- Changing in place ------------------------------------------------------------------------ */

/* One of those that share a value. A hidden change leaves what is recorded valid. */
static void note_one(ad_tensor *x, bool is_hidden)
{
    if (x->leaf != NULL && is_hidden)
        x->h.entry = AD_NONE; /* the next use records the new value */
    else if (x->leaf != NULL)
        ad_leaf_changed(x->leaf);
    else if (x->h.entry < AD_SWEPT) {
        if (!is_hidden)
            ad_tape_mark_stale(x->h.tape, x->h.entry);
        x->h.flags |= AD_TENSOR_CHANGED;
    }
}

static void note_all(ad_tensor *x, bool is_hidden)
{
    for (x = ad_tensor_root(x); x != NULL; x = x->next_alias)
        note_one(x, is_hidden);
}

void ad_tensor_note_changed(ad_tensor *x)
{
    note_all(x, false);
}

static int write_array(ad_tape *tape, ad_tensor *x, ad_value *v)
{
    ad_array *a = x->array;
    if (tape->redirect != NULL && v->entry != AD_NONE && v->array != NULL &&
        ad_array_same_shape(a, v->array)) {
        /* Elements that are in a program, or are an argument's, never change. */
        x->array = ad_array_keep(v->array);
        ad_array_drop(a);
        return 0;
    }
    if (v->array == NULL)
        ad_kernel_fill(a->size, v->scalar, a->data);
    else if (ad_array_same_shape(a, v->array)) {
        if (a->size > 0)
            memmove(a->data, v->array->data, (size_t)a->size * sizeof *a->data);
    } else {
        PyErr_Format(PyExc_RuntimeError,
                     "an in-place operation cannot change the shape of its tensor");
        return -1;
    }
    if (!(x->h.flags & AD_TENSOR_HIDDEN)) {
        ad_array_changed(tape, a);
        if (x->leaf != NULL)
            ad_leaf_changed(x->leaf);
    }
    return 0;
}

/* A recorded change of x would be missing from the graph of a view of the same
 * elements, or of what x is a view of. A view has a header of its own; what the tape
 * saved, and detached tensors, use x's. */
static bool is_shared(const ad_tape *tape, const ad_tensor *x, const ad_value *v)
{
    if (v->entry == AD_NONE)
        return false;
    if (tape->redirect != NULL) /* the value of a detached tensor is another's there */
        return x->array != NULL
                   ? x->array->refs > 1 || x->array->buffer->refs > 1
                   : x->next_alias != NULL || (x->h.flags & AD_TENSOR_ALIAS);
    return x->array != NULL && x->array->buffer->refs > 1;
}

int ad_tensor_assign(ad_tape *tape, ad_tensor *x, ad_value *v)
{
    int failed = 0;
    if (is_shared(tape, x, v)) {
        PyErr_SetString(
            PyExc_RuntimeError,
            "a recorded in-place change of a tensor that shares its memory "
            "with another (by view, reshape, flatten, squeeze or detach) "
            "would be missing from the other's gradient; change a .clone(), "
            "or write x = f(x)");
        failed = -1;
    } else if (x->array != NULL)
        failed = write_array(tape, x, v);
    else if (v->array != NULL && v->array->size != 1) {
        PyErr_Format(PyExc_RuntimeError,
                     "an in-place operation cannot give a 0-d tensor %lld elements",
                     (long long)v->array->size);
        failed = -1;
    } else {
        ad_tensor *root = ad_tensor_root(x);
        const bool is_hidden = x->h.flags & AD_TENSOR_HIDDEN;
        root->version += !is_hidden;
        root->value = v->array != NULL ? v->array->data[0] : v->scalar;
        note_all(x, is_hidden);
    }
    ad_value_drop(v);
    if (failed < 0 || v->entry == AD_NONE)
        return failed;
    /* The operation becomes x's history. */
    if (tape->redirect == NULL && !(tape->entries[v->entry].flags & AD_FLAG_ARRAY))
        tape->entries[v->entry].flags |= AD_FLAG_INPLACE;
    int follows = x->hooks != NULL ? ad_py.leave_entry((PyObject *)x) : 0;
    if (x->h.entry < AD_SWEPT)
        ad_handle_unlink(&x->h);
    ad_handle_link(tape, &x->h, v->entry);
    x->h.flags &= ~(uint32_t)AD_TENSOR_CHANGED;
    if (x->h.flags & AD_TENSOR_ALIAS)
        x->root->h.flags |= AD_TENSOR_SHARED;
    if (follows)
        ad_py.follow_entry((PyObject *)x);
    return 0;
}

PyObject *ad_tensor_inplace(int op, PyObject *self, PyObject *other)
{
    int done = ad_overrides != NULL ? ad_py.overridden_inplace(op, self, other) : 0;
    if (done != 0)
        return done > 0 ? Py_NewRef(self) : NULL;
    ad_tensor *x = (ad_tensor *)self;
    ad_tape *tape = ad_py_tape();
    if (tape == NULL || ad_py_make_room(tape) < 0)
        return NULL;
    if ((tape->is_recording || tape->redirect != NULL) &&
        ad_py.before_inplace(self) < 0)
        return NULL;
    ad_value args[2], out;
    ad_array *owned = NULL, *copy = NULL;
    if (ad_tensor_value(tape, x, &args[0]) < 0)
        return NULL;
    int found = ad_operand_value(tape, other, &args[1], &owned);
    if (found != 1)
        return found == 0 ? Py_NewRef(Py_NotImplemented) : NULL;
    bool is_recorded =
        tape->is_recording && (args[0].entry != AD_NONE || args[1].entry != AD_NONE);
    if (op == AD_OP_ADD && tape->redirect != NULL &&
        ad_py.check_masks(self, other) < 0) {
        ad_array_drop(owned);
        return NULL;
    }
    /* What the operation saves of x must survive the change of x. */
    if (is_recorded && x->array != NULL) {
        if ((copy = ad_array_copy(x->array)) == NULL) {
            ad_array_drop(owned);
            return PyErr_NoMemory();
        }
        args[0].array = copy;
    }
    ad_status status = ad_apply(tape, op, 2, args, NULL, &out);
    ad_array_drop(owned);
    ad_array_drop(copy);
    if (status != AD_OK) {
        ad_py.set_status(tape, status);
        return NULL;
    }
    return ad_tensor_assign(tape, x, &out) < 0 ? NULL : Py_NewRef(self);
}
