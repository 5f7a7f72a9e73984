/*
 * _number.c - the hot path: operators and elementary functions of 0-d tensors.
 *
 * For each row of ops.def a C function of one, two or three operands. When the
 * operands are plain 0-d tensors of this thread's tape (or one of two is a float
 * or an int) the row's formula runs inline and 24 bytes are appended; every other
 * case goes through ad_py_apply. Each function then appears as a module function
 * and a method under every name of its row, and behind the operators.
 *
 * size: rows, their functions and methods, and the operators share functions that
 * the compiler inlines only within one file.
 */
#include "_tensor.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#include "elementary.h"

/* ---- The short way -------------------------------------------------------------------- */

/* Flags that allow it: a leaf is as good as any, once it has its entry. */
enum {
    PLAIN = AD_TENSOR_LEAF | AD_TENSOR_RICH | AD_TENSOR_RETAINS | AD_TENSOR_WATCHED
};

/* A leaf that this tape does not know yet gets its entry. */
static bool enter_leaf(ad_tensor *x, ad_tape *tape)
{
    uint32_t entry;
    return x->leaf != NULL &&
           ad_tape_leaf_entry(tape, x->leaf, x->value, false, &entry) == AD_OK;
}

static inline bool is_plain(PyObject *o, ad_tape *tape)
{
    ad_tensor *x = (ad_tensor *)o;
    return Py_TYPE(o) == ad_tensor_type && (x->h.flags & ~(uint32_t)PLAIN) == 0 &&
           ((x->h.entry < AD_SWEPT && x->h.tape == tape) || enter_leaf(x, tape));
}

/* The short way is open: recording, nothing special, and room left for the result
 * and for two leaves. Asked before is_plain. */
static inline bool is_open(const ad_tape *tape)
{
    return tape != NULL && tape->is_plain && tape->n + 2 < tape->limit;
}

/* A float or a small int as a constant. */
static inline bool as_constant(PyObject *o, double *c)
{
    if (PyFloat_CheckExact(o)) {
        *c = PyFloat_AS_DOUBLE(o);
        return true;
    }
    if (PyLong_CheckExact(o)) {
        *c = PyLong_AsDouble(o);
        if (*c != -1.0 || !PyErr_Occurred())
            return true;
        PyErr_Clear(); /* too large: the long way says so */
    }
    return false;
}

static inline PyObject *append(ad_tape *tape, double z, int op, int kind, uint32_t x,
                               uint64_t u)
{
    ad_tensor *result = ad_tensor_spare(tape);
    if (result == NULL)
        return NULL;
    ad_entry *e = &tape->entries[tape->n];
    e->value = z;
    memcpy(&e->u, &u, sizeof u);
    e->x = x;
    e->op = (uint16_t)op;
    e->kind = (uint8_t)kind;
    e->flags = 0;
    result->value = z;
    result->h.flags = 0;
    ad_handle_link(tape, &result->h, tape->n++);
    return (PyObject *)result;
}

/* A 0-d tensor of whose graph nothing is wanted: passive, or nothing is recorded. */
static inline bool is_resting(PyObject *o, const ad_tape *tape)
{
    const ad_tensor *x = (const ad_tensor *)o;
    return Py_TYPE(o) == ad_tensor_type &&
           (x->h.flags & (AD_TENSOR_ARRAY | AD_TENSOR_ALIAS)) == 0 &&
           ((x->h.entry == AD_NONE && x->leaf == NULL) ||
            (!tape->is_recording && !tape->wants_lines && !ad_tensor_is_traced(x)));
}

/* The number behind an operand at rest. */
static inline bool resting_value(PyObject *o, const ad_tape *tape, double *v)
{
    if (is_resting(o, tape)) {
        *v = ((const ad_tensor *)o)->value;
        return true;
    }
    return as_constant(o, v);
}

static PyObject *passive(ad_tape *tape, double z)
{
    ad_value v = {z, NULL, AD_NONE};
    return ad_tensor_wrap(tape, &v);
}

static inline uint64_t bits_of(double c)
{
    uint64_t u;
    memcpy(&u, &c, sizeof u);
    return u;
}

#define ENTRY(o) (((ad_tensor *)(o))->h.entry)
#define VALUE_AT(tape, o) ((tape)->entries[ENTRY(o)].value)
#define TAPE_OF(o) (((ad_tensor *)(o))->h.tape)

/* ---- A function for each row ------------------------------------------------------------ */

#define OP1(id, names, formula, ...)                                            \
    static PyObject *row_##id(PyObject *a)                                      \
    {                                                                           \
        ad_tape *tape = ad_current_tape;                                        \
        if (is_open(tape) && is_plain(a, tape)) {                               \
            const double x = VALUE_AT(tape, a);                                 \
            return append(tape, formula, AD_OP_##id, AD_KIND_UNARY, ENTRY(a),   \
                          0);                                                   \
        }                                                                       \
        if (tape != NULL && is_resting(a, tape)) {                              \
            const double x = ((ad_tensor *)a)->value;                           \
            return passive(tape, formula);                                      \
        }                                                                       \
        return ad_py_apply(AD_OP_##id, 1, &a);                                  \
    }
#define OP2(id, names, formula, ...)                                            \
    static PyObject *row_##id(PyObject *a, PyObject *b)                         \
    {                                                                           \
        ad_tape *tape = ad_current_tape;                                        \
        if (is_open(tape)) {                                                    \
            double c;                                                           \
            if (is_plain(a, tape)) {                                            \
                const double x = VALUE_AT(tape, a);                             \
                if (is_plain(b, tape)) {                                        \
                    const double y = VALUE_AT(tape, b);                         \
                    return append(tape, formula, AD_OP_##id, AD_KIND_BINARY,    \
                                  ENTRY(a), ENTRY(b));                          \
                }                                                               \
                if (as_constant(b, &c)) {                                       \
                    const double y = c;                                         \
                    return append(tape, formula, AD_OP_##id, AD_KIND_X_CONST,   \
                                  ENTRY(a), bits_of(c));                        \
                }                                                               \
            } else if (is_plain(b, tape) && as_constant(a, &c)) {               \
                const double x = c, y = VALUE_AT(tape, b);                      \
                return append(tape, formula, AD_OP_##id, AD_KIND_CONST_Y,       \
                              ENTRY(b), bits_of(c));                            \
            }                                                                   \
        }                                                                       \
        double x, y;                                                            \
        if (tape != NULL && resting_value(a, tape, &x) &&                       \
            resting_value(b, tape, &y) &&                                       \
            (ad_tensor_check(a) || ad_tensor_check(b)))                         \
            return passive(tape, formula);                                      \
        PyObject *args[] = {a, b};                                              \
        return ad_py_apply(AD_OP_##id, 2, args);                                \
    }
#define OP3(id, ...)                                                            \
    static PyObject *row_##id(PyObject *a, PyObject *b, PyObject *c)            \
    {                                                                           \
        PyObject *args[] = {a, b, c};                                           \
        return ad_py_apply(AD_OP_##id, 3, args);                                \
    }
#include "ops.def"
#undef OP1
#undef OP2
#undef OP3

/* ---- As functions and methods ------------------------------------------------------------- */

static PyObject *not_a_number(int op, PyObject *result, PyObject *const *args, int n)
{
    if (result != Py_NotImplemented)
        return result;
    Py_DECREF(result);
    for (int k = 0; k < n; k++)
        if (!ad_tensor_check(args[k]) && !PyFloat_Check(args[k]) &&
            !PyLong_Check(args[k]))
            return PyErr_Format(
                PyExc_TypeError,
                "%s: operand %d is a '%.100s'; expected a tensor, a real "
                "number or an array of real numbers",
                ad_op_name(op), k + 1, Py_TYPE(args[k])->tp_name);
    return PyErr_Format(PyExc_TypeError, "%s: operands are not numbers",
                        ad_op_name(op));
}

/* PyTorch's names of operands; the rule, and the rows that are exceptions. */
const char *const *ad_row_operands(int op)
{
    static const char *const rule[] = {"input", "other", "addend"};
    static const char *const power[] = {"input", "exponent"};
    static const char *const order_first[] = {"n", "input"};
    static const char *const range[] = {"input", "min", "max"};
    static const char *const choice[] = {"condition", "input", "other"};
    return op == AD_OP_POW         ? power
           : op == AD_OP_POLYGAMMA ? order_first
           : op == AD_OP_CLIP      ? range
           : op == AD_OP_WHERE     ? choice
                                   : rule;
}

/* The place of a keyword among the operands of a row, or -1. */
static int operand_named(int op, PyObject *name)
{
    for (int k = 0; k < ad_op_get(op)->n_args; k++)
        if (PyUnicode_CompareWithASCIIString(name, ad_row_operands(op)[k]) == 0)
            return k;
    return -1;
}

/* Sorts operands given by place, from `first` on, and by name into x. */
static bool sort_operands(int op, PyObject *const *args, Py_ssize_t n,
                          PyObject *keywords, int first, PyObject **x)
{
    const int wanted = ad_op_get(op)->n_args;
    if (n + first > wanted) {
        PyErr_Format(PyExc_TypeError, "%s() takes %d operand%s, got %zd",
                     ad_op_name(op), wanted, wanted == 1 ? "" : "s", n + first);
        return false;
    }
    for (Py_ssize_t k = 0; k < n; k++)
        x[first + k] = args[k];
    for (Py_ssize_t i = 0; keywords != NULL && i < PyTuple_GET_SIZE(keywords); i++) {
        PyObject *name = PyTuple_GET_ITEM(keywords, i);
        const int k = operand_named(op, name);
        if (k < 0 || x[k] != NULL) {
            PyErr_Format(PyExc_TypeError, "%s() got %s argument '%U'", ad_op_name(op),
                         k < 0 ? "an unexpected keyword" : "multiple values for", name);
            return false;
        }
        x[k] = args[n + i];
    }
    for (int k = 0; k < wanted; k++)
        if (x[k] == NULL) {
            PyErr_Format(PyExc_TypeError,
                         "%s() takes %d operand%s, and is missing number %d, '%s'",
                         ad_op_name(op), wanted, wanted == 1 ? "" : "s", k + 1,
                         ad_row_operands(op)[k]);
            return false;
        }
    return true;
}

/* Every call but the usual one, which has all operands by place, and what has no
 * number for an operand: the long way, with an error in the end if need be. */
static PyObject *apply_sorted(int op, PyObject *self, PyObject *const *args,
                              Py_ssize_t n, PyObject *keywords)
{
    const int wanted = ad_op_get(op)->n_args;
    PyObject *x[AD_MAX_ARITY] = {self};
    if (!sort_operands(op, args, n, keywords, self != NULL, x))
        return NULL;
    return not_a_number(op, ad_py_apply(op, wanted, x), x, wanted);
}

#define BY_NAME                                                                 \
    PyObject *self, PyObject *const *args, Py_ssize_t n, PyObject *keywords
#define CALL(id, wanted, self, result)                                          \
    if (n == (wanted) && keywords == NULL) {                                    \
        PyObject *z = result;                                                   \
        if (z != Py_NotImplemented)                                             \
            return z;                                                           \
        Py_DECREF(z);                                                           \
    }                                                                           \
    return apply_sorted(AD_OP_##id, self, args, n, keywords)

#define OP1(id, ...)                                                            \
    static PyObject *function_##id(PyObject *module, PyObject *a)               \
    {                                                                           \
        (void)module;                                                           \
        PyObject *z = row_##id(a);                                              \
        return z == Py_NotImplemented ? not_a_number(AD_OP_##id, z, &a, 1) : z; \
    }                                                                           \
    static PyObject *method_##id(PyObject *self, PyObject *unused)              \
    {                                                                           \
        (void)unused;                                                           \
        return row_##id(self);                                                  \
    }
#define OP2(id, ...)                                                            \
    static PyObject *function_##id(BY_NAME)                                     \
    {                                                                           \
        (void)self;                                                             \
        CALL(id, 2, NULL, row_##id(args[0], args[1]));                          \
    }                                                                           \
    static PyObject *method_##id(BY_NAME)                                       \
    {                                                                           \
        CALL(id, 1, self, row_##id(self, args[0]));                             \
    }
#define OP3(id, ...)                                                            \
    static PyObject *function_##id(BY_NAME)                                     \
    {                                                                           \
        (void)self;                                                             \
        CALL(id, 3, NULL, row_##id(args[0], args[1], args[2]));                 \
    }                                                                           \
    static PyObject *method_##id(BY_NAME)                                       \
    {                                                                           \
        CALL(id, 2, self, row_##id(self, args[0], args[1]));                    \
    }
#include "ops.def"
#undef OP1
#undef OP2
#undef OP3

typedef struct row {
    PyCFunction function, method;
    int function_flags, method_flags;
} row;

#define CAST(f) ((PyCFunction)(void (*)(void))(f))
enum { METH_BY_NAME = METH_FASTCALL | METH_KEYWORDS };
static const row rows[] = {
#define OP1(id, ...) {CAST(function_##id), CAST(method_##id), METH_O, METH_NOARGS},
#define OP2(id, ...)                                                            \
    {CAST(function_##id), CAST(method_##id), METH_BY_NAME, METH_BY_NAME},
#define OP3 OP2
#include "ops.def"
#undef OP1
#undef OP2
#undef OP3
};

enum { N_ROWS = sizeof rows / sizeof rows[0], MAX_NAMES = 512, NAMES_BYTES = 8192 };

/* Definitions live as long as the module does; they are filled once, at import. */
static PyMethodDef function_defs[MAX_NAMES], method_defs[MAX_NAMES];
static char name_store[NAMES_BYTES];

static int fill_defs(void)
{
    int n = 0;
    char *store = name_store;
    for (int op = 0; op < N_ROWS; op++) {
        const ad_op_info *info = ad_op_get(op);
        for (const char *at = info->names; *at != '\0';) {
            size_t length = strcspn(at, " ");
            if (n + 1 >= MAX_NAMES ||
                (size_t)(store - name_store) + length + 1 > NAMES_BYTES)
                return -1;
            memcpy(store, at, length);
            if (info->names[0] != '_' && *at != '_') {
                const row *r = &rows[op];
                function_defs[n] = (PyMethodDef){store, r->function, r->function_flags,
                                                 info->synopsis};
                method_defs[n++] =
                    (PyMethodDef){store, r->method, r->method_flags, info->synopsis};
                store += length + 1;
            } else
                memset(store, 0, length);
            at += length + (at[length] == ' ');
        }
    }
    return n;
}

/* Functions of one operand stay METH_O: the interpreter calls those a nanosecond
 * faster than what takes keywords. It asks the function's own vectorcall for all but
 * that short cut, so keywords come here. */
static vectorcallfunc call_by_place;

static PyObject *call_by_name(PyObject *f, PyObject *const *args, size_t n_flagged,
                              PyObject *keywords)
{
    const char *name = ((PyCFunctionObject *)f)->m_ml->ml_name;
    const Py_ssize_t n = PyVectorcall_NARGS(n_flagged);
    if (n == 1 && keywords == NULL)
        return call_by_place(f, args, n_flagged, NULL);
    return apply_sorted(ad_op_find(name, (int)strlen(name)), NULL, args, n, keywords);
}

static PyObject *new_function(PyMethodDef *def)
{
    PyObject *f = PyCFunction_New(def, NULL);
    if (f != NULL && def->ml_flags == METH_O) {
        call_by_place = ((PyCFunctionObject *)f)->vectorcall;
        ((PyCFunctionObject *)f)->vectorcall = call_by_name;
    }
    return f;
}

/* A dict name -> function, or with `type` the methods set on it. */
static PyObject *all_functions(PyTypeObject *type)
{
    PyObject *dict = PyDict_New();
    const PyMethodDef *defs = type != NULL ? method_defs : function_defs;
    for (int i = 0; dict != NULL && defs[i].ml_name != NULL; i++) {
        PyMethodDef *def = (PyMethodDef *)&defs[i];
        PyObject *f = type != NULL ? PyDescr_NewMethod(type, def) : new_function(def);
        if (f == NULL || PyDict_SetItemString(dict, def->ml_name, f) < 0)
            Py_CLEAR(dict);
        Py_XDECREF(f);
    }
    return dict;
}

PyObject *ad_row_functions(void)
{
    if (fill_defs() < 0)
        return PyErr_Format(PyExc_SystemError, "the op table has too many names");
    return all_functions(NULL);
}

PyObject *ad_row_methods(void)
{
    return all_functions(ad_tensor_type);
}

/* ---- Operators ---------------------------------------------------------------------------- */

static PyObject *number_power(PyObject *a, PyObject *b, PyObject *modulus)
{
    if (modulus == Py_None)
        return row_POW(a, b);
    PyErr_SetString(PyExc_TypeError, "pow() of a tensor takes no modulus");
    return NULL;
}

static PyObject *number_positive(PyObject *a)
{
    return Py_NewRef(a);
}

static PyObject *number_floor_divide(PyObject *a, PyObject *b)
{
    PyObject *quotient = row_DIV(a, b);
    if (quotient == NULL || quotient == Py_NotImplemented)
        return quotient;
    PyObject *z = row_FLOOR(quotient);
    Py_DECREF(quotient);
    return z;
}

static int number_bool(PyObject *a)
{
    ad_tensor *x = (ad_tensor *)a;
    if (x->array == NULL || x->array->size == 1) {
        if (ad_tensor_is_traced(x) && ad_py.guard(a, "bool()") < 0)
            return -1;
        return ad_tensor_scalar(x) != 0.0;
    }
    PyErr_Format(PyExc_RuntimeError,
                 "Boolean value of Tensor with %lld values is ambiguous; use .any() or "
                 ".all()",
                 (long long)x->array->size);
    return -1;
}

static PyObject *number_float(PyObject *a)
{
    ad_tensor *x = (ad_tensor *)a;
    if (x->array != NULL && x->array->size != 1) {
        PyErr_Format(
            PyExc_ValueError,
            "a Tensor with %lld elements cannot be converted to a Python scalar; "
            "only one-element tensors can",
            (long long)x->array->size);
        return NULL;
    }
    if (ad_tensor_is_traced(x)) {
        ad_py.guard(a, "float()"); /* an error */
        return NULL;
    }
    if (ad_tensor_requires_grad(x) && ad_py.warn_lost("float()") < 0)
        return NULL;
    return PyFloat_FromDouble(ad_tensor_scalar(x));
}

static PyObject *number_int(PyObject *a)
{
    ad_tensor *x = (ad_tensor *)a;
    if (x->array != NULL && x->array->size != 1) {
        PyErr_SetString(PyExc_ValueError,
                        "only one-element tensors can be converted to a Python int");
        return NULL;
    }
    if (ad_tensor_is_traced(x)) {
        if (ad_py.guard(a, "int()") < 0)
            return NULL;
    } else if (ad_tensor_requires_grad(x) && ad_py.warn_lost("int()") < 0)
        return NULL;
    return PyLong_FromDouble(ad_tensor_scalar(x));
}

/* Comparisons of a function that is being recorded: rows of the table, like any other
 * operation. Only where they decide something (bool) is there a guard. */
static PyObject *traced_compare(PyObject *a, PyObject *b, int op)
{
    static const int rows_of[] = {[Py_LT] = AD_OP_LT, [Py_LE] = AD_OP_LE,
                                  [Py_EQ] = AD_OP_EQ, [Py_NE] = AD_OP_NE,
                                  [Py_GT] = AD_OP_GT, [Py_GE] = AD_OP_GE};
    PyObject *args[] = {a, b};
    if (PyList_Check(b) || PyTuple_Check(b) || PyUnicode_Check(b))
        Py_RETURN_NOTIMPLEMENTED;
    return ad_py_apply(rows_of[op], 2, args);
}

static PyObject *rich_compare(PyObject *a, PyObject *b, int op)
{
    double x, y;
    ad_tensor *s = (ad_tensor *)a, *t = (ad_tensor *)b;
    if (ad_tensor_is_traced(s) || (ad_tensor_check(b) && ad_tensor_is_traced(t)))
        return traced_compare(a, b, op);
    if (s->array != NULL || (s->h.flags & AD_TENSOR_ALIAS))
        return ad_py.compare(a, b, op);
    x = s->value;
    if (ad_tensor_check(b) && t->array == NULL && !(t->h.flags & AD_TENSOR_ALIAS))
        y = t->value;
    else if (!as_constant(b, &y))
        return ad_py.compare(a, b, op);
    Py_RETURN_RICHCOMPARE(x, y, op);
}

static Py_hash_t hash_identity(PyObject *a)
{
    size_t h = (size_t)a;
    return (Py_hash_t)(h >> 4 | h << (8 * sizeof h - 4));
}

/* x changes in place while nothing is recorded: the update of a training loop. */
static bool update_scalar(ad_tape *tape, int op, PyObject *a, PyObject *b)
{
    ad_tensor *x = (ad_tensor *)a;
    double y;
    if (tape == NULL || tape->is_recording || tape->redirect != NULL ||
        !is_resting(a, tape) || (x->h.flags & AD_TENSOR_HIDDEN) ||
        !resting_value(b, tape, &y))
        return false;
    x->value = ad_op_value(op, x->value, y, 0.0);
    x->version++;
    ad_tensor_note_changed(x);
    return true;
}

/* `total += term` with total on the tape: the result of the operation becomes
 * total's entry, and the entry it leaves no longer has total's value. */
static bool extend_scalar(ad_tape *tape, int op, PyObject *a, PyObject *b)
{
    ad_tensor *x = (ad_tensor *)a;
    double c = 0.0;
    if (!is_open(tape) || !is_plain(a, tape) || x->leaf != NULL || x->hooks != NULL)
        return false;
    bool is_binary = is_plain(b, tape);
    if (!is_binary && !as_constant(b, &c))
        return false;
    ad_entry *e = &tape->entries[tape->n], *left = &tape->entries[x->h.entry];
    e->value = ad_op_value(op, left->value, is_binary ? VALUE_AT(tape, b) : c, 0.0);
    e->u.constant = c;
    if (is_binary)
        e->u.y = ENTRY(b);
    e->x = x->h.entry;
    e->op = (uint16_t)op;
    e->kind = is_binary ? AD_KIND_BINARY : AD_KIND_X_CONST;
    e->flags = AD_FLAG_INPLACE;
    ad_tape_mark_stale(tape, x->h.entry);
    x->value = e->value;
    x->version++;
    ad_handle_unlink(&x->h);
    ad_handle_link(tape, &x->h, tape->n++);
    return true;
}

static PyObject *inplace(int op, PyObject *a, PyObject *b)
{
    ad_tape *tape = ad_current_tape;
    if (update_scalar(tape, op, a, b) || extend_scalar(tape, op, a, b))
        return Py_NewRef(a);
    return ad_tensor_inplace(op, a, b);
}

#define INPLACE(name, id)                                                       \
    static PyObject *inplace_##name(PyObject *a, PyObject *b)                   \
    {                                                                           \
        return inplace(AD_OP_##id, a, b);                                       \
    }
INPLACE(add, ADD)
INPLACE(subtract, SUB)
INPLACE(multiply, MUL)
INPLACE(divide, DIV)
INPLACE(remainder, REMAINDER)

static PyObject *inplace_power(PyObject *a, PyObject *b, PyObject *modulus)
{
    (void)modulus;
    return inplace(AD_OP_POW, a, b);
}

static PyObject *number_matmul(PyObject *a, PyObject *b)
{
    return ad_py.matmul(a, b);
}

PyType_Slot ad_number_slots[] = {
    {Py_nb_add, row_ADD},
    {Py_nb_subtract, row_SUB},
    {Py_nb_multiply, row_MUL},
    {Py_nb_true_divide, row_DIV},
    {Py_nb_remainder, row_REMAINDER},
    {Py_nb_floor_divide, number_floor_divide},
    {Py_nb_power, number_power},
    {Py_nb_negative, row_NEG},
    {Py_nb_positive, number_positive},
    {Py_nb_absolute, row_ABS},
    {Py_nb_bool, number_bool},
    {Py_nb_float, number_float},
    {Py_nb_int, number_int},
    {Py_nb_matrix_multiply, number_matmul},
    {Py_nb_and, ad_mask_and},
    {Py_nb_or, ad_mask_or},
    {Py_nb_xor, ad_mask_xor},
    {Py_nb_invert, ad_mask_invert},
    {Py_nb_inplace_add, inplace_add},
    {Py_nb_inplace_subtract, inplace_subtract},
    {Py_nb_inplace_multiply, inplace_multiply},
    {Py_nb_inplace_true_divide, inplace_divide},
    {Py_nb_inplace_remainder, inplace_remainder},
    {Py_nb_inplace_power, inplace_power},
    {Py_tp_richcompare, rich_compare},
    {Py_tp_hash, hash_identity},
    {0, NULL},
};
