/*
 * _mask.c - the operators & | ^ ~ of masks: results of comparisons in a function that
 * is being recorded, which are tensors of 0 and 1 there, and plain bools or arrays of
 * them elsewhere. The last operation is a comparison, as of every mask: see
 * ad_builder_is_mask. Called by the number slots of _number.c only.
 */
#include "_tensor.h"

static bool is_traced(PyObject *o)
{
    return ad_tensor_check(o) && ad_tensor_is_traced((ad_tensor *)o);
}

static bool is_bool_array(PyObject *o)
{
    PyObject *dtype = PyObject_GetAttrString(o, "dtype");
    PyObject *kind = dtype != NULL ? PyObject_GetAttrString(dtype, "kind") : NULL;
    const bool is_bool = kind != NULL && PyUnicode_Check(kind) &&
                         PyUnicode_CompareWithASCIIString(kind, "b") == 0;
    Py_XDECREF(dtype);
    Py_XDECREF(kind);
    PyErr_Clear();
    return is_bool;
}

static bool has_mask_values(PyObject *o)
{
    if (!ad_tensor_check(o))
        return PyBool_Check(o) || is_bool_array(o);
    const ad_tensor *x = (ad_tensor *)o;
    const double one = ad_tensor_scalar(x);
    bool is_mask = x->array != NULL || one == 0.0 || one == 1.0;
    for (int64_t i = 0; is_mask && x->array != NULL && i < x->array->size; i++)
        is_mask = x->array->data[i] == 0.0 || x->array->data[i] == 1.0;
    return is_mask;
}

static PyObject *logic(int op, PyObject *a, PyObject *b)
{
    if (!is_traced(a) && !is_traced(b))
        Py_RETURN_NOTIMPLEMENTED;
    if (!has_mask_values(a) || !has_mask_values(b))
        return PyErr_Format(PyExc_TypeError,
                            "&, | and ^ of tensors take masks, which hold 0 and 1; "
                            "compare first: (x > 0) & (y > 0)");
    PyObject *args[] = {a, b};
    PyObject *joined = ad_py_apply(op, 2, args);
    if (joined == NULL || joined == Py_NotImplemented || op == AD_OP_NE)
        return joined;
    PyObject *zero = PyFloat_FromDouble(0.0);
    PyObject *again[] = {joined, zero};
    PyObject *mask = zero != NULL ? ad_py_apply(AD_OP_NE, 2, again) : NULL;
    Py_DECREF(joined);
    Py_XDECREF(zero);
    return mask;
}

PyObject *ad_mask_and(PyObject *a, PyObject *b)
{
    return logic(AD_OP_MUL, a, b);
}

PyObject *ad_mask_or(PyObject *a, PyObject *b)
{
    return logic(AD_OP_MAXIMUM, a, b);
}

PyObject *ad_mask_xor(PyObject *a, PyObject *b)
{
    return logic(AD_OP_NE, a, b);
}

PyObject *ad_mask_invert(PyObject *a)
{
    if (!is_traced(a) || !has_mask_values(a))
        return PyErr_Format(PyExc_TypeError, "bad operand type for unary ~: '%.100s'%s",
                            Py_TYPE(a)->tp_name,
                            is_traced(a) ? " that is no mask of 0 and 1" : "");
    PyObject *zero = PyFloat_FromDouble(0.0);
    PyObject *args[] = {a, zero};
    PyObject *mask = zero != NULL ? ad_py_apply(AD_OP_EQ, 2, args) : NULL;
    Py_XDECREF(zero);
    return mask;
}
