# What may be done with a value of a function that is being recorded, and what must be
# refused. Included by _core.pyx behind program.pxi, whose Recording it asks.
#
# Three kinds of question, by who asks: may a number be taken from it (guards), is it a
# mask of 0 and 1 where plain code has bools, may it change in place.


def is_traced(*operands):
    """Whether one of the operands is a value of a function that is being recorded as a
    program, or carries gradient into it."""
    for x in operands:
        if ad_tensor_check(x) and ad_tensor_is_traced(as_tensor(x)):
            return True
    return False


def stop(x):
    """x without its graph: in a function that is being recorded, a value through which
    no derivative passes."""
    cdef ad_attr attr
    memset(&attr, 0, sizeof(ad_attr))
    return ad_py_apply_attr(AD_OP_STOP, x, &attr)


cdef object detached(object x):
    """What detach() and .data are of a traced tensor. A change in place of either would
    be missing from the other; arrays are found to be shared, 0-d tensors are marked."""
    result = stop(x)
    if as_tensor(x).array == NULL:
        as_tensor(x).h.flags |= AD_TENSOR_STOPPED
        as_tensor(result).h.flags |= AD_TENSOR_STOPPED
    return result


cdef uint32_t value_id(object x) except? 0xffffffff:
    """The value of the program that x is, or AD_NONE."""
    cdef ad_value v
    ad_tensor_value(ad_py_tape(), as_tensor(x), &v)
    return v.entry


def is_mask(x):
    """Whether a traced tensor is what elsewhere is an array of bools."""
    cdef Recording trace = current_recording()
    if trace is None or not is_traced(x):
        return False
    return mask_at(trace.b, value_id(x))


cdef bint outer_mask(const ad_tensor *t) except -1:
    """Is t a mask of a function further out that is being recorded?"""
    cdef ad_builder *b = NULL
    if t.leaf == NULL and t.h.entry < AD_SWEPT:
        b = ad_builder_of(t.h.tape)
    return b != NULL and mask_at(b, t.h.entry)


cdef bint mask_at(const ad_builder *b, uint32_t value) except -1:
    """Is a value of a program a mask? Raises if that cannot be told."""
    cdef int found = ad_builder_is_mask(b, value)
    if found < 0:
        raise errors.TraceError(
            "arithmetic on masks of a function that is being recorded: whether the "
            "result is a mask cannot be told; combine masks with &, |, ^ and ~")
    return found > 0


cdef int check_masks(object a, object b) noexcept:
    """Hook: NumPy adds two masks by "or", of which the recorded sum knows nothing."""
    try:
        if _is_array_mask(a) and _is_array_mask(b):
            raise errors.TraceError(
                "a sum, or sums of products, of two masks in a function that is being "
                "recorded, of which NumPy makes a mask; use a | b, or 1.0 * a to count")
        return 0
    except BaseException as error:
        restore(error)
        return -1


cdef int refuse_masks(object a, object b) except -1:
    """Raise for two masks whose products are to be added up."""
    return check_masks(a, b) if ad_py_tape().redirect != NULL else 0


cdef bint _is_array_mask(object x) except -1:
    cdef Recording trace
    if ad_tensor_check(x):
        trace = current_recording()
        return (as_tensor(x).array != NULL and as_tensor(x).h.entry < AD_SWEPT
                and as_tensor(x).leaf == NULL and as_tensor(x).h.tape == trace.b.tape
                and ad_builder_is_mask(trace.b, as_tensor(x).h.entry) != 0)
    return isinstance(x, np.ndarray) and x.dtype.kind == "b"


cdef int check_traced_inplace(object x) except -1:
    """Raise if a recorded function may not change x in place."""
    cdef ad_tensor *t = as_tensor(x)
    cdef Recording trace = current_recording()
    if trace is None:
        check(ad_py_tape(), AD_ESCAPED)
    if t.leaf != NULL or t.h.tape != trace.b.tape:
        raise errors.TraceError(
            "a function that is being recorded changes a tensor of outside in place; "
            "what runs later is the record, which changes nothing: return the new value "
            "instead, or change a .clone()")
    if t.h.flags & AD_TENSOR_STOPPED:
        raise errors.TraceError(
            "a change in place of a tensor that shares its value with another (by "
            "detach or .data), in a function that is being recorded; write x = f(x)")
    if (t.h.entry != AD_NONE and not trace.b.tape.is_recording
            and not ad_builder_is_stopped(trace.b, t.h.entry)):
        raise errors.TraceError(
            "a value of the recorded function is changed in place under no_grad(); "
            "write x = f(x), or change it where gradients are recorded")
    return 0


cdef int guard(object x, const char *what) noexcept:
    """Hook: the function is about to choose by the value of x, or to lose it."""
    cdef ad_tensor *t = as_tensor(x)
    try:
        add_guard(x, what.decode())
        return 0
    except BaseException as error:
        restore(error)
        return -1


cdef int add_guard(object x, str what) except -1:
    """The value that x has, as bool or int, is what the program is good for."""
    cdef ad_value v
    cdef Recording trace = current_recording()
    if trace is None:
        check(ad_py_tape(), AD_ESCAPED)
    if what == "float()":
        refuse_number(x, "float()")
    if t_size(x) != 1:
        raise errors.TraceError(f"{what} of a tensor with {t_size(x)} elements")
    if shape_of(x):
        x = reshape(x, ())
    decided = (apply_row("_ne", x, 0.0) if what == "bool()"
               else apply_row("trunc", x) if what == "int()" else x)
    ad_tensor_value(trace.b.tape, as_tensor(decided), &v)
    if v.entry == AD_NONE:
        return 0
    if v.scalar != v.scalar:
        raise errors.TraceError(f"{what} of NaN in a function that is being recorded")
    check(trace.b.tape, ad_builder_guard(trace.b, v.entry, v.scalar, line_id()))
    return 0


def guard_value(x):
    """What the function that is being recorded does from here on is right only where x,
    of one element, has the value that it has this time."""
    add_guard(x, "the value")


cdef Py_ssize_t t_size(object x):
    return size_of(x)
