# What a transform of a function needs of the tape: inputs of its own, a recorded call,
# what the function closes over, and tangents through operations with rules in Python.

def open_inputs(list values):
    """Two lists of tensors, on new entries of the tape: where sweeps end, and arguments.

    A value is a Tensor or what NumPy takes for real numbers. One that is tracked, while
    the tape records, stays the history of its input. An argument may be changed in place:
    its memory is its own, and the other tensor on its entry stays.
    """
    cdef ad_tape *tape = ad_py_tape()
    cdef list ends = [], arguments = []
    for value in values:
        if (tape.is_recording and ad_tensor_check(value)
                and ad_tensor_requires_grad(as_tensor(value))):
            argument = follow_view(value, _same)
        else:
            argument = new_input(tape, value)
        ends.append(tensor_at(tape, as_tensor(argument).h.entry))
        arguments.append(argument)
    return ends, arguments


def _same(view):
    return view


cdef object new_input(ad_tape *tape, object value):
    """A tensor on an entry without operands."""
    cdef ad_value v
    v.scalar, v.array, v.entry = 0.0, NULL, AD_NONE
    ad_py_make_room(tape)
    if isinstance(value, float):
        v.scalar = value
    elif ad_tensor_check(value):
        if as_tensor(value).array == NULL:
            v.scalar = ad_tensor_scalar(as_tensor(value))
        else:
            v.array = ad_array_copy(as_tensor(value).array)
            if v.array == NULL:
                raise MemoryError
    else:
        array = as_float64(value)
        if array.ndim == 0:
            v.scalar = array.item()
        else:
            v.array = copy_of(array)
    cdef ad_status status = ad_record(tape, AD_OP_RESHAPE, 0, NULL, NULL, &v)
    if status != AD_OK:
        ad_array_drop(v.array)
        check(tape, status)
    return ad_tensor_wrap(tape, &v)


cdef object tensor_at(ad_tape *tape, uint32_t entry):
    """A tensor on an entry, for sweeps: of an array it has the shape only."""
    cdef ad_entry *e = &tape.entries[entry]
    cdef ad_value v
    v.scalar, v.array, v.entry = e.value, NULL, entry
    if e.kind == AD_KIND_LEAF and e.u.leaf.handle != NULL:
        return <object>e.u.leaf.owner
    if e.flags & AD_FLAG_ARRAY:
        if e.kind != AD_KIND_NODE:
            check(tape, AD_FREED)
        v.array = ad_array_ghost(e.u.node.result.ndim, e.u.node.result.shape)
        if v.array == NULL:
            raise MemoryError
    return ad_tensor_wrap(tape, &v)


def call_recorded(function, list arguments, bint is_transform=False):
    """function(*arguments), recorded; in a transform a loss of gradient is an error."""
    cdef ad_tape *tape = ad_py_tape()
    cdef bint was_recording = tape.is_recording
    cdef int32_t n_before = tape.n_transforms
    try:
        tape.is_recording = True
        tape.n_transforms = n_before + is_transform
        set_plain(tape)
        return function(*arguments)
    finally:
        tape.n_transforms = n_before
        tape.is_recording = was_recording
        set_plain(tape)


def in_transform():
    """Whether a function is being transformed in this thread."""
    return ad_py_tape().n_transforms > 0


def leaf_count():
    """How many entries of leaves this thread's tape has made so far."""
    return ad_py_tape().n_leaf_entries


def entry_of(x):
    """The index of a tracked tensor's entry, for now."""
    return as_tensor(x).h.entry


# ---- What is closed over ---------------------------------------------------------------

cdef ad_status on_found(void *context, uint32_t entry) noexcept:
    try:
        (<list>context).append(entry)
        return AD_OK
    except BaseException as error:
        return keep_error(error)


def frontier(outputs, list ends):
    """Tensors outside the piece of tape that starts with ends[0], on which outputs (tensors)
    depend other than through ends. Those that are not leaves have no elements, only an
    entry and a shape."""
    cdef ad_tape *tape = ad_py_tape()
    ad_tape_lock(tape)
    try:
        return [tensor_at(tape, entry) for entry in entries_outside(tape, outputs, ends)]
    finally:
        ad_tape_unlock(tape)


def reads_outside(outputs, list ends):
    """Whether outputs have a frontier."""
    return len(entries_outside(ad_py_tape(), outputs, ends)) > 0


cdef list entries_outside(ad_tape *tape, outputs, list ends):
    """The entries of the frontier, highest first; good until the tape moves."""
    cdef list found = [], roots = []
    cdef Py_ssize_t k
    cdef uint32_t *entries = <uint32_t *>calloc(len(outputs) + len(ends) + 1,
                                                sizeof(uint32_t))
    cdef bint was_recording = tape.is_recording
    ad_tape_lock(tape)
    try:
        if entries == NULL:
            raise MemoryError
        tape.is_recording = True  # leaves that are outputs get their entry
        for x in outputs:
            if ad_tensor_requires_grad(as_tensor(x)) and as_tensor(x).h.entry != AD_SWEPT:
                roots.append(root_entry(tape, x))
        for k in range(len(roots)):
            entries[k] = roots[k]
        for k in range(len(ends)):
            entries[len(roots) + k] = as_tensor(ends[k]).h.entry
        check(tape, ad_frontier(tape, len(roots), entries, len(ends),
                                entries + len(roots), lowest_of(ends), on_found,
                                <void *>found))
        return found
    finally:
        tape.is_recording = was_recording
        free(entries)
        ad_tape_unlock(tape)


# ---- Tangents of custom functions ----------------------------------------------------------

cdef ad_status on_custom_tangent(ad_tape *tape, const ad_node *node,
                                 const ad_value *x_dot, const c_bool *is_active,
                                 ad_value *out) noexcept:
    try:
        custom_tangent(tape, node, x_dot, is_active, out)
        return AD_OK
    except BaseException as error:
        return keep_error(error)


cdef int custom_tangent(ad_tape *tape, const ad_node *node, const ad_value *x_dot,
                        const c_bool *is_active, ad_value *out) except -1:
    cdef int k
    cdef list tangents = [None] * node.n_args
    cdef tuple shape = ()
    for k in range(node.n_args):
        if is_active[k]:
            tangents[k] = plain.tensor_of(&x_dot[k])
    if node.result != NULL:
        shape = tuple([node.result.shape[k] for k in range(node.result.ndim)])
    rule = <object>node.attr.object
    if not hasattr(rule, "tangent"):
        check(tape, AD_NO_TANGENT)
    z_dot = without_overrides(rule.tangent, (tangents, shape))
    if not ad_tensor_check(z_dot) or shape_of(z_dot) != shape:
        raise errors.ShapeError(f"{rule.name()}: the tangent must be a tensor of shape "
                                f"{shape}, that of the result")
    out.scalar, out.array, out.entry = 0.0, NULL, AD_NONE
    plain.give(z_dot, out)
    if not tape.is_recording:
        out.entry = AD_NONE
    return 0


def own_values(x):
    """The values of a tensor, which is not used again, as a float or an array that shares
    memory with nothing."""
    cdef ad_tensor *t = as_tensor(x)
    if t.array == NULL:
        return ad_tensor_scalar(t)
    if t.array.refs == 1 and t.array.buffer != NULL and t.array.buffer.refs == 1:
        return view_of(t.array)
    return view_of(t.array).copy()
