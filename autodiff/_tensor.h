/*
 * _tensor.h - the tensor object: where CPython and the core meet.
 *
 * A 0-d tensor keeps its double inline; an n-d one keeps an ad_array. A tensor is
 * one of
 *     passive   leaf NULL, entry AD_NONE
 *     a leaf    leaf set; entry caches its LEAF entry on h.tape, or AD_NONE
 *     tracked   leaf NULL, entry on h.tape (and on its list), or AD_SWEPT
 * Only _tensor.c, _number.c and _core.pyx may include this.
 *
 * Tensors stay unknown to the cyclic collector until they own something that can
 * close a cycle (a gradient, hooks, attributes): it would slow graphs down by
 * several times.
 */
#ifndef AD_PY_TENSOR_H
#define AD_PY_TENSOR_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>

#include "apply.h"
#include "compat.h"
#include "sweep.h"
#include "tape.h"

enum {
    AD_TENSOR_ARRAY = 1,  /* n-d */
    AD_TENSOR_ALIAS = 2,  /* 0-d whose value is root's */
    AD_TENSOR_LEAF = 4,
    AD_TENSOR_RICH = 8,   /* owns grad, hooks or dict, or has aliases */
    AD_TENSOR_HIDDEN = 16, /* made by .data: writes leave no trace */
    AD_TENSOR_RETAINS = 32, /* retain_grad() */
    AD_TENSOR_WATCHED = 64, /* its entry has a watch with `hooks` as owner */
    AD_TENSOR_CHANGED = 128, /* has another value than its entry */
    AD_TENSOR_SHARED = 256, /* an alias of it is part of a graph */
    AD_TENSOR_PART =
        1024, /* a copy of what elsewhere is a view: a slice, a transpose */
    AD_TENSOR_STOPPED = 512, /* traced, 0-d: shares its value with a detached one */
};

typedef struct ad_tensor ad_tensor;
struct ad_tensor {
    PyObject_HEAD
    ad_handle h;
    double value;
    ad_array *array;
    ad_leaf *leaf;
    ad_leaf *frozen; /* after requires_grad_(False), in case it is taken back */
    PyObject *grad;
    PyObject *hooks;    /* see _core.pyx: Hooks */
    PyObject *dict;
    PyObject *weakrefs;
    int64_t version; /* of a 0-d value: changes in place so far, from any start */
    /* 0-d tensors that share a value (detach, .data): one, the root, keeps it; the
     * others stand in a list that starts at the root's next_alias. Nobody owns
     * anybody: when the root dies, the next one takes its place. */
    ad_tensor *root; /* of an alias; else NULL */
    ad_tensor *next_alias, *previous_alias;
};

static inline ad_tensor *ad_tensor_root(const ad_tensor *x)
{
    return x->h.flags & AD_TENSOR_ALIAS ? x->root : (ad_tensor *)x;
}

/* What the C files need of the Python layer; filled at import by _core.pyx. */
typedef struct ad_py_hooks {
    /* Any other operand (numpy arrays and scalars, nested lists) as a passive
     * value, new reference. 1: done; 0: not a number of any kind; -1: error. */
    int (*to_value)(PyObject *object, ad_value *value);
    PyObject *(*to_numpy)(ad_value *value); /* takes the reference */
    PyObject *(*compare)(PyObject *a, PyObject *b, int op);
    PyObject *(*matmul)(PyObject *a, PyObject *b);
    ad_matmul_hook large_matmul; /* every tape's */
    ad_linalg_hook linalg; /* every tape's */
    ad_status (*custom_tangent)(ad_tape *tape, const ad_node *node,
                                const ad_value *x_dot, const bool *is_active,
                                ad_value *out); /* every tape's */
    int (*set_status)(ad_tape *tape, int status); /* raise; always -1 */
    int (*warn_lost)(const char *what);            /* contract: no silent loss */
    void (*drop_object)(void *object);
    /* Of a code object: whether it is this package's; the number of a line of it, 0
     * if there is none. See _line.c. */
    bool (*is_inside)(PyObject *code);
    uint32_t (*new_line)(PyObject *code, int line);
    /* While a function is recorded: an operand from outside of it, as an input of the
     * program; a value that a choice hangs on (0-d, what for), which becomes a guard. */
    int (*capture)(ad_tape *tape, PyObject *tensor, ad_value *value);
    int (*guard)(PyObject *tensor, const char *what);
    /* Operands of an addition that is recorded: of two masks, NumPy makes a mask. */
    int (*check_masks)(PyObject *a, PyObject *b);
    int (*before_inplace)(PyObject *tensor);
    int (*leave_entry)(PyObject *tensor);
    void (*follow_entry)(PyObject *tensor);
    ad_status (*hooked_leaf)(void *context, ad_leaf *leaf, const ad_value *adjoint);
    ad_status (*keep_error)(void); /* hold the exception until the sweep has ended */
    /* While lines are noted: x was made of tensors with gradient, under no_grad. */
    int (*note_unrecorded)(PyObject *x);
    /* While ad_overrides is set: 1 with the result of an operation that it has a rule
     * for (of x <op>= y: 1 once x has changed), 0 to go on as ever, -1 on error. */
    int (*overridden)(int op, int n_args, PyObject **args, const ad_attr *attr,
                      PyObject **z);
    int (*overridden_inplace)(int op, PyObject *x, PyObject *y);
} ad_py_hooks;

extern ad_py_hooks ad_py;
extern PyTypeObject *ad_tensor_type;

static inline int ad_tensor_check(PyObject *o)
{
    return Py_TYPE(o) == ad_tensor_type;
}

/* Make the type; `methods` beyond the rows' come from Python. NULL on error. */
PyObject *ad_tensor_type_new(void);

/* A module-level function for every public name of every row, in a new dict. */
PyObject *ad_row_functions(void);
/* Method descriptors likewise, to be set on the type; after ad_row_functions. */
PyObject *ad_row_methods(void);
/* What the operands of a row are called as keywords, as many as it has. */
const char *const *ad_row_operands(int op);

/* This thread's tape, or NULL as long as it has none. */
extern AD_THREAD_LOCAL ad_tape *ad_current_tape;

/* Rules of this thread's gradient_override: a dict by opcode, owned; mostly NULL. The
 * short way is closed while it is set. */
extern AD_THREAD_LOCAL PyObject *ad_overrides;

static inline void ad_set_current_tape(ad_tape *tape)
{
    ad_current_tape = tape;
}

/* Does x's value belong to a program: is x a value of a function that is (or was)
 * being recorded, or a tensor with gradient while this thread records one? What a
 * function does with the mere number is then lost on replay. */
static inline bool ad_tensor_is_traced(const ad_tensor *x)
{
    if (x->leaf == NULL && x->h.entry == AD_NONE)
        return false;
    if (ad_current_tape != NULL && ad_current_tape->redirect != NULL)
        return true;
    return x->leaf == NULL && x->h.entry != AD_SWEPT && x->h.tape->redirect != NULL;
}

/* This thread's tape, made when first asked for; NULL with MemoryError set. */
ad_tape *ad_py_tape(void);

/* Spare tensor objects of a thread, strung on h.next; each holds its reference to
 * the type. A tape's `upper` points to it. */
typedef struct ad_spares {
    ad_handle *first;
    int n;
} ad_spares;

#define AD_TENSOR_OF(handle) ((ad_tensor *)((char *)(handle) - offsetof(ad_tensor, h)))

/* An object with every field but `h` and `value` as a plain 0-d tensor has them. */
ad_tensor *ad_tensor_alloc(void);

static inline ad_tensor *ad_tensor_spare(ad_tape *tape)
{
    ad_spares *s = (ad_spares *)tape->upper;
    if (s->first == NULL)
        return ad_tensor_alloc();
    ad_tensor *x = AD_TENSOR_OF(s->first);
    s->first = s->first->next;
    s->n--;
#ifdef Py_REF_DEBUG
    _Py_NewReference((PyObject *)x);
#else
    Py_SET_REFCNT((PyObject *)x, 1);
#endif
    return x;
}

/* A new tensor; takes v's array reference, also on failure. */
PyObject *ad_tensor_wrap(ad_tape *tape, ad_value *v);

/* The operand as a value (array borrowed); a leaf gets its entry when the tape
 * records. -1 with an exception set. Nothing moves on the tape. */
int ad_tensor_value(ad_tape *tape, ad_tensor *x, ad_value *v);

/* Any operand; *owned is an array to drop afterwards, or NULL. 1, 0 (not a
 * number) or -1. */
int ad_operand_value(ad_tape *tape, PyObject *o, ad_value *v, ad_array **owned);

/* Room on the tape; call before operands are read. -1 on error. */
int ad_py_make_room(ad_tape *tape);

/* op(args) for operands of any kind; a float or ndarray when no operand is a
 * tensor; Py_NotImplemented (new reference) when one is not a number. */
PyObject *ad_py_apply(int op, int n_args, PyObject *const *args);
/* The same for a structural op on one tensor. */
PyObject *ad_py_apply_attr(int op, PyObject *x, const ad_attr *attr);

double ad_tensor_scalar(const ad_tensor *x);
int ad_tensor_requires_grad(const ad_tensor *x);

/* Make x a leaf that requires grad, or passive again. */
int ad_tensor_set_requires_grad(ad_tensor *x, int requires);

/* x takes v's value in place (takes v's reference). is_recorded: v has an entry
 * that becomes x's history. -1 on error. */
int ad_tensor_assign(ad_tape *tape, ad_tensor *x, ad_value *v);
/* The graph learns that x's 0-d value, and that of its aliases, is another now. */
void ad_tensor_note_changed(ad_tensor *x);

/* A passive tensor that shares x's value; is_hidden: writes to it leave no trace. */
PyObject *ad_tensor_alias(ad_tape *tape, ad_tensor *x, int is_hidden);

/* x, a 0-d tensor, leaves the others that share its value. */
void ad_tensor_part(ad_tensor *x);
PyObject *ad_tensor_inplace(int op, PyObject *x, PyObject *y);

/* Add an adjoint to x.grad. */
int ad_tensor_accumulate_grad(ad_tape *tape, ad_tensor *x, const ad_value *adjoint,
                              int creates_graph);

/* ad_sweep.on_leaf that accumulates in .grad. Hooks, and leaves that are gone, go
 * the long way. */
ad_status ad_tensor_on_leaf(void *context, ad_leaf *leaf, const ad_value *adjoint);

/* After a sweep: a swept root lets go of the tape. */
void ad_tensor_settle(ad_tensor *x);

/* x now owns something that may close a cycle. */
void ad_tensor_make_rich(ad_tensor *x);

/* A number for the user's line that runs; 0: none. */
uint32_t ad_py_line_id(void);

/* & | ^ ~ of masks; NotImplemented, or a TypeError, where nothing is recorded. */
PyObject *ad_mask_and(PyObject *a, PyObject *b);
PyObject *ad_mask_or(PyObject *a, PyObject *b);
PyObject *ad_mask_xor(PyObject *a, PyObject *b);
PyObject *ad_mask_invert(PyObject *a);

extern PyType_Slot ad_number_slots[];

#endif
