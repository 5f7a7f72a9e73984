# Operations whose gradient is a rule of the user's: autodiff.gradient_override.
#
# While rules are set in a thread, the short ways of operators are closed and the doors
# (ad_py_apply, ad_py_apply_attr, apply_many) ask here first. A rule is a callable of
# (operands, value) that returns the value on an entry of its own: see override.py.


def set_overrides(rules):
    """Set this thread's rules, a dict by opcode or None; returns what they were."""
    global ad_overrides
    cdef PyObject *was = ad_overrides
    before = None if was == NULL else <object>was
    if rules is not None:
        Py_INCREF(rules)
    ad_overrides = NULL if rules is None else <PyObject *>rules
    if was != NULL:
        Py_DECREF(before)
    set_plain(ad_py_tape())
    return before


cdef object without_overrides(function, tuple arguments):
    """function(*arguments): derivatives that are written in Python are as they stand."""
    if ad_overrides == NULL:
        return function(*arguments)
    rules = set_overrides(None)
    try:
        return function(*arguments)
    finally:
        set_overrides(rules)


def defer_leaves():
    """From now on, sweeps of this thread give gradients once they have succeeded."""
    ad_py_tape().defers_leaves = True


def opcodes():
    """The opcode of each public name of an operation, structural ones too."""
    found = {}
    for op in range(ad_op_count()):
        for name in ad_op_get(op).names.decode().split():
            found[name] = op
    return found


cdef bint is_operand(object x):
    return (ad_tensor_check(x) or isinstance(x, (int, float, np.ndarray))
            or (hasattr(x, "__float__") and not isinstance(x, str)))


cdef object override_of(int op, list operands, const ad_attr *attr):
    """The result of an operation that has a rule, or None."""
    cdef ad_tape *tape = ad_py_tape()
    cdef PyObject *args[3]
    rule = (<dict>ad_overrides).get(op)
    if rule is None or not tape.is_recording:
        return None
    if not any([ad_tensor_check(x) and ad_tensor_requires_grad(as_tensor(x))
                for x in operands]) or not all([is_operand(x) for x in operands]):
        return None
    rules = set_overrides(None)
    try:
        tape.is_recording = False
        set_plain(tape)
        try:
            if attr == NULL:  # a row
                for k in range(len(operands)):
                    args[k] = <PyObject *>operands[k]
                value = ad_py_apply(op, len(operands), args)
            else:
                value = apply_many(op, operands, <ad_attr *>attr)
        finally:
            tape.is_recording = True
            set_plain(tape)
        return rule(operands, value)
    finally:
        set_overrides(rules)


cdef int overridden(int op, int n_args, PyObject **args, const ad_attr *attr,
                    PyObject **z) noexcept:
    """Hook: the result of an operation, if a rule makes it."""
    cdef int k
    try:
        found = override_of(op, [<object>args[k] for k in range(n_args)], attr)
        if found is None:
            return 0
        Py_INCREF(found)
        z[0] = <PyObject *>found
        return 1
    except BaseException as error:
        restore(error)
        return -1


cdef int overridden_inplace(int op, object x, object y) noexcept:
    """Hook: x <op>= y, if a rule makes it."""
    try:
        if (<dict>ad_overrides).get(op) is None or not ad_py_tape().is_recording:
            return 0
        name = ad_op_name(op).decode()
        assign_result(x, lambda value: FUNCTIONS[name](value, y))
        return 1
    except BaseException as error:
        restore(error)
        return -1
