# Leaves, hooks, grad_fn, grad mode: what a tensor knows of the graph it is in.

import functools
import itertools


# ---- Grad mode ---------------------------------------------------------------------

cdef inline void set_plain(ad_tape *tape) noexcept:
    tape.is_plain = (tape.is_recording and not tape.wants_lines
                     and tape.redirect == NULL and ad_overrides == NULL)


def set_recording(bint on):
    """Turn recording on or off in this thread; returns what it was."""
    cdef ad_tape *tape = ad_py_tape()
    cdef bint was = tape.is_recording
    tape.is_recording = on
    set_plain(tape)
    return was


cdef class GradMode:
    """Recording on or off: for a context, or for the calls of a function."""

    cdef bint wanted
    cdef uint64_t before  # a bit for each time it is entered, the latest lowest
    cdef object function

    def __enter__(self):
        cdef ad_tape *tape = ad_py_tape()
        self.before = self.before << 1 | <uint64_t>tape.is_recording
        tape.is_recording = self.wanted
        set_plain(tape)

    def __exit__(self, kind, error, trace):
        cdef ad_tape *tape = ad_py_tape()
        tape.is_recording = self.before & 1
        self.before >>= 1
        set_plain(tape)

    def __call__(self, *args, **kwargs):
        mode = type(self)
        if self.function is not None:  # it was a decorator without parentheses
            with mode():
                return self.function(*args, **kwargs)
        function = args[0]

        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            with mode():
                return function(*args, **kwargs)

        return wrapper

    def __get__(self, instance, owner):
        return self if instance is None else functools.partial(self, instance)

    def __getattr__(self, name):
        if self.function is None:
            raise AttributeError(f"'{type(self).__name__}' has no attribute {name!r}")
        return getattr(self.function, name)


cdef class no_grad(GradMode):
    """Context or decorator in which nothing is recorded.

    Examples
    --------
    >>> import autodiff as ad
    >>> w = ad.tensor(1.0, requires_grad=True)
    >>> with ad.no_grad():
    ...     w -= 0.5
    >>> w
    tensor(0.5000, requires_grad=True)
    """

    def __cinit__(self, function=None):
        self.wanted = False
        self.function = function


cdef class enable_grad(GradMode):
    """Context or decorator in which operations are recorded again."""

    def __cinit__(self, function=None):
        self.wanted = True
        self.function = function


def is_recording():
    """Whether operations on tensors that require grad are recorded."""
    return bool(ad_py_tape().is_recording)


def set_lines(int mode):
    """Note the user's line of each operation (detect_anomaly), from 1 on; from 2 on
    also check sweeps for NaN. Returns what it was."""
    cdef ad_tape *tape = ad_py_tape()
    cdef int was = tape.wants_lines + tape.checks_nan
    tape.wants_lines, tape.checks_nan = mode > 0, mode > 1
    set_plain(tape)
    return was


def wants_lines():
    """Whether lines are noted."""
    return bool(ad_py_tape().wants_lines)


# ---- The user's line ------------------------------------------------------------------

cdef str package_folder = __file__.rpartition("/")[0] or __file__.rpartition("\\")[0]
cdef dict line_ids = {}
cdef list line_texts = [None]


cdef c_bool is_inside(object code) noexcept:
    """Hook: is a code object this package's?"""
    try:
        return code.co_filename.startswith(package_folder)
    except BaseException:
        return False


cdef uint32_t new_line(object code, int line) noexcept:
    """Hook: a number for a line of the user's; 0 if memory is short."""
    try:
        key = (code.co_filename, line)
        found = line_ids.get(key)
        if found is None:
            found = line_ids[key] = len(line_texts)
            line_texts.append(f'File "{key[0]}", line {key[1]}')
        return found
    except BaseException:
        return 0


cdef object entry_line(ad_tape *tape, uint32_t entry):
    """Where an entry was recorded, or None."""
    if entry >= tape.n or entry >= tape.cap_lines or tape.lines == NULL:
        return None
    return line_texts[tape.lines[entry].recorded]


# ---- Requires grad ----------------------------------------------------------------------

def set_requires_grad(x, bint on):
    """Make x a leaf that requires grad, or a passive tensor again."""
    cdef ad_tensor *t = as_tensor(x)
    refuse_graph(x, "requires_grad_()")
    if not on and t.leaf == NULL and t.h.entry != AD_NONE:
        raise RuntimeError(
            "you can only change requires_grad flags of leaf variables. If you want to "
            "use a computed variable in a subgraph that doesn't require differentiation "
            "use var_no_grad = var.detach().")
    if on:
        t.h.flags &= ~AD_TENSOR_PART  # a leaf is meant for itself
    ad_tensor_set_requires_grad(t, on)


def requires_grad(x):
    """Whether x carries gradient."""
    return ad_tensor_requires_grad(as_tensor(x))


cdef int before_inplace(object x) noexcept:
    """Hook: is x allowed to change in place while the tape records?"""
    cdef ad_tensor *t = as_tensor(x)
    try:
        if ad_py_tape().redirect != NULL:
            check_traced_inplace(x)
        elif t.leaf != NULL:
            raise RuntimeError(
                "a leaf Variable that requires grad is being used in an in-place "
                "operation; update it under no_grad(), or change a .clone() of it")
        return 0
    except BaseException as error:
        restore(error)
        return -1


cdef int check_inplace(object x) except -1:
    """Raise if x may not change in place."""
    return before_inplace(x)  # has set the exception where it returns -1


cpdef object as_part(object x):
    """x, noted as a copy of what NumPy and PyTorch show by a view."""
    as_tensor(x).h.flags |= AD_TENSOR_PART
    return x


cpdef bint is_part(object x) except -1:
    """Whether x is such a copy, and nothing has been said of it."""
    return (as_tensor(x).h.flags & AD_TENSOR_PART) != 0


cdef int check_part(object x) except -1:
    """Say, once for each, that a change of a part leaves the whole as it is. Operators
    do not ask: x[0] += 1 changes a part, and assigns it then."""
    if not is_part(x):
        return 0
    as_tensor(x).h.flags &= ~AD_TENSOR_PART
    warnings.warn(
        "a slice, transpose or other part of a tensor is changed in place; parts are "
        "copies here, so the tensor itself stays as it is. Assign to an index of "
        "the tensor (x[...] = y), or say that a copy is meant: x[...].clone()",
        errors.CopyWarning, stacklevel=1 + library_frames())
    return 0


def assign(x, y):
    """x takes the value of y (a tensor or number of its shape), in place."""
    cdef ad_tape *tape = ad_py_tape()
    check_part(x)
    if tape.is_recording or tape.redirect != NULL:
        check_inplace(x)
        if ad_tensor_check(y) and ad_tensor_requires_grad(as_tensor(y)):
            y = y.clone()  # an entry of its own, which becomes x's history
        elif ad_tensor_requires_grad(as_tensor(x)):
            y = apply_row("where", 0.0, x, y)  # no gradient goes to what x was
    return take(x, y)


cdef object take(object x, object y):
    """x takes y's value; if y's entry is newly made, that as well."""
    cdef ad_tape *tape = ad_py_tape()
    cdef ad_value v
    cdef ad_array *owned = NULL
    ad_py_make_room(tape)
    if not ad_operand_value(tape, y, &v, &owned):
        raise TypeError(f"cannot assign a '{type(y).__name__}' to a tensor; expected a "
                        "tensor, a real number or an array of real numbers")
    if v.array != NULL and owned == NULL:
        ad_array_keep(v.array)
    ad_tensor_assign(tape, as_tensor(x), &v)
    return x


def alias(x, bint hidden):
    """A passive tensor that shares x's value (detach; .data if hidden)."""
    if is_traced(x):
        return detached(x)
    made = ad_tensor_alias(ad_py_tape(), as_tensor(x), hidden)
    if is_part(x):
        as_part(made)
    if ad_py_tape().wants_lines and ad_tensor_requires_grad(as_tensor(x)):
        note_origin(made, ".data" if hidden else ".detach()")
    return made


cdef int note_origin(object x, str what) except -1:
    """Keep with x, which has no graph, what it lost that to, and at which line."""
    x._origin = (what, line_texts[line_id()])
    return 0


cdef int note_unrecorded(object x) noexcept:
    """Hook: x was computed from tensors with gradient while nothing was recorded."""
    try:
        note_origin(x, "no_grad()")
        return 0
    except BaseException as error:
        restore(error)
        return -1


def sharer(x):
    """A tensor that requires grad and shares its elements with x, or None."""
    cdef ad_tape *tape = ad_py_tape()
    cdef ad_tensor *t = as_tensor(x)
    cdef ad_tensor *s
    cdef ad_handle *h = tape.handles.next
    while h != &tape.handles:
        s = ad_tensor_of(h)
        if s != t and (s.array == t.array if t.array != NULL else
                       t.h.flags & AD_TENSOR_ALIAS and ad_tensor_root(t) == s):
            return <object>s
        h = h.next
    return None


def version(x):
    """How often the value of x was changed in place, counted from any start."""
    cdef ad_tensor *t = as_tensor(x)
    if t.array != NULL:
        return t.array.buffer.version
    return ad_tensor_root(t).version


def set_data(x, y):
    """x.data = y: a new value without a trace."""
    cdef ad_tape *tape = ad_py_tape()
    cdef ad_tensor *t = as_tensor(x)
    cdef ad_tensor *s = as_tensor(y)
    cdef uint32_t was = t.h.flags
    cdef ad_value v
    if tape.redirect != NULL or is_traced(x) or is_traced(y):
        raise errors.TraceError("x.data = ... in a function that is being recorded; "
                                "write x = f(x)")
    if t.array != NULL and s.array != NULL:
        ad_array_keep(s.array)
        ad_array_drop(t.array)
        t.array = s.array
    elif t.array == NULL and s.array == NULL:
        v.scalar, v.array, v.entry = ad_tensor_scalar(s), NULL, AD_NONE
        t.h.flags |= AD_TENSOR_HIDDEN
        ad_tensor_assign(tape, t, &v)
        t.h.flags &= ~(AD_TENSOR_HIDDEN & ~was)
    else:
        raise RuntimeError("x.data takes a tensor with as many axes as x: 0-d for 0-d, "
                           "n-d for n-d")
    if t.leaf != NULL:
        t.h.entry = AD_NONE


# ---- Hooks ----------------------------------------------------------------------------------

cdef class Hooks:
    """What waits for the gradient of one tensor: functions, and retain_grad.

    Owned by the tensor; by its graph once the tensor is gone.
    """

    cdef dict functions
    cdef bint retains
    cdef object owner  # weak reference to the tensor

    def __init__(self, tensor):
        import weakref
        self.functions = {}
        self.owner = weakref.ref(tensor)

    cdef object run(self, object gradient):
        """Pass the gradient through the functions; returns what comes out: the gradient
        itself, or a tensor of its own."""
        given = gradient
        for function in list(self.functions.values()):
            replaced = function(gradient)
            if replaced is None:
                continue
            if not ad_tensor_check(replaced):
                raise TypeError(f"a hook must return a Tensor or None, not "
                                f"'{type(replaced).__name__}'")
            if shape_of(replaced) != shape_of(gradient):
                raise errors.ShapeError(
                    f"a hook has changed the shape of the gradient from "
                    f"{shape_of(gradient)} to {shape_of(replaced)}")
            gradient = replaced
        return gradient if gradient is given else gradient.clone()


cdef Hooks hooks_of(object x):
    """The Hooks of a tensor that requires grad, made when first asked for."""
    cdef ad_tensor *t = as_tensor(x)
    cdef Hooks hooks
    if t.hooks != NULL:
        return <Hooks>t.hooks
    hooks = Hooks(x)
    if t.leaf == NULL:
        if t.h.entry >= AD_SWEPT:
            return hooks  # its graph is gone: nothing will ever call them
        check(t.h.tape, ad_watch_add(t.h.tape, t.h.entry, <void *>hooks))
        t.h.flags |= AD_TENSOR_WATCHED
    Py_INCREF(hooks)
    t.hooks = <PyObject *>hooks
    ad_tensor_make_rich(t)
    return hooks


class RemovableHandle:
    """Returned by register_hook; `remove()` takes the hook off, also as a context."""

    _ids = itertools.count()

    def __init__(self, functions):
        self.id = next(self._ids)
        self._functions = functions

    def remove(self):
        """Take the hook off; harmless when it is off already."""
        self._functions.pop(self.id, None)

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.remove()


def register_hook(x, function):
    """Call function(grad) when the gradient of x is known; it may return another."""
    refuse_graph(x, "register_hook()")
    if not ad_tensor_requires_grad(as_tensor(x)):
        raise RuntimeError("cannot register a hook on a tensor that doesn't require "
                           "gradient")
    if not callable(function):
        raise TypeError(f"a hook must be callable, got '{type(function).__name__}'")
    cdef Hooks hooks = hooks_of(x)
    defer_leaves()
    handle = RemovableHandle(hooks.functions)
    hooks.functions[handle.id] = function
    return handle


def retain_grad(x):
    """Let backward() fill x.grad although x is not a leaf."""
    cdef ad_tensor *t = as_tensor(x)
    refuse_graph(x, "retain_grad()")
    if not ad_tensor_requires_grad(t):
        raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
    if t.leaf != NULL:
        return
    hooks_of(x).retains = True
    t.h.flags |= AD_TENSOR_RETAINS


def retains_grad(x):
    """Whether retain_grad() was called on a non-leaf."""
    return bool(as_tensor(x).h.flags & AD_TENSOR_RETAINS)


cdef int leave_entry(object x) noexcept:
    """Hook: x is about to leave its entry for another (a change in place). Hooks stay
    with the gradient they were registered for; 1 if retain_grad() is to follow x."""
    cdef ad_tensor *t = as_tensor(x)
    cdef Hooks hooks = <Hooks>t.hooks
    cdef bint follows = hooks.retains
    hooks.retains = False
    if not hooks.functions or not ad_watch_own(t.h.tape, <void *>hooks):
        ad_watch_remove(t.h.tape, <void *>hooks)
        Py_DECREF(hooks)
    t.hooks = NULL
    t.h.flags &= ~<uint32_t>(AD_TENSOR_WATCHED | AD_TENSOR_RETAINS)
    return follows


cdef void follow_entry(object x) noexcept:
    """Hook: x has its new entry."""
    retain_grad(x)


cdef void drop_object(void *object_) noexcept:
    """Hook: the tape gives up an object that it owned."""
    Py_DECREF(<object>object_)


# ---- grad_fn -----------------------------------------------------------------------------------

cdef class Node:
    """An operation of the graph, as grad_fn and next_functions show it."""

    cdef ad_handle pin
    cdef bint is_pinned
    cdef int op
    cdef object leaf

    def __dealloc__(self):
        if self.is_pinned:
            ad_pin_release(&self.pin)

    def name(self):
        """The operation's name, as PyTorch writes it: "MulBackward0"."""
        if self.leaf is not None:
            return "AccumulateGrad"
        if self.is_pinned and self.pin.tape.entries[self.pin.entry].kind == AD_KIND_NODE:
            if self.op == AD_OP_CUSTOM:
                node = self.pin.tape.entries[self.pin.entry].u.node
                return (<object>node.attr.object).name()
        text = ad_op_name(self.op).decode().lstrip("_")
        return "".join(part.capitalize() for part in text.split("_")) + "Backward0"

    @property
    def variable(self):
        """The leaf tensor, of an AccumulateGrad node."""
        return self.leaf

    @property
    def next_functions(self):
        """((node, 0), ...) of the operands; (None, 0) where one is passive."""
        if not self.is_pinned:
            return ()
        cdef ad_tape *tape = self.pin.tape
        cdef ad_entry *e = &tape.entries[self.pin.entry]
        cdef ad_value args[3]
        cdef int k, n
        if e.kind == AD_KIND_NODE:
            operands = [e.u.node.args[k].entry for k in range(e.u.node.n_args)]
        else:
            n = ad_entry_args(tape, e, args)
            operands = [args[k].entry for k in range(n)]
        return tuple([(node_at(tape, entry), 0) for entry in operands])

    @property
    def metadata(self):
        """Where the operation was recorded (under detect_anomaly), and its index."""
        if not self.is_pinned:
            return {}
        return {"line": entry_line(self.pin.tape, self.pin.entry),
                "entry": self.pin.entry}

    def __repr__(self):
        return f"<{self.name()}>"

    def __eq__(self, other):
        if not isinstance(other, Node):
            return NotImplemented
        cdef Node b = other
        if self.leaf is not None or b.leaf is not None:
            return self.leaf is b.leaf
        return self is b or (self.is_pinned and b.is_pinned
                             and self.pin.tape == b.pin.tape
                             and self.pin.entry == b.pin.entry)

    def __hash__(self):
        # The entry may move; what stays is the operation.
        return hash((self.op, id(self.leaf) if self.leaf is not None else 0))


cdef object node_at(ad_tape *tape, uint32_t entry):
    if entry >= AD_SWEPT:
        return None
    cdef Node node = Node.__new__(Node)
    cdef ad_entry *e = &tape.entries[entry]
    node.op = e.op
    if e.kind == AD_KIND_LEAF:
        if e.u.leaf.handle == NULL:
            return None
        node.leaf = <object>e.u.leaf.owner
        return node
    ad_pin_link(tape, &node.pin, entry)
    node.is_pinned = True
    return node


def grad_fn(x):
    """The operation that made x, or None for a leaf."""
    cdef ad_tensor *t = as_tensor(x)
    cdef Node node
    if t.leaf != NULL or t.h.entry == AD_NONE:
        return None
    refuse_graph(x, "grad_fn")
    if t.h.entry == AD_SWEPT:
        node = Node.__new__(Node)
        node.op = t.h.flags >> 16
        return node
    return node_at(t.h.tape, t.h.entry)


def cut(x):
    """Make x a passive tensor: detach_()."""
    cdef ad_tensor *t = as_tensor(x)
    cdef ad_value v
    if is_traced(x):
        check_inplace(x)
        take(x, stop(x.clone()))
    elif t.leaf != NULL:
        ad_tensor_set_requires_grad(t, False)
    elif t.h.entry == AD_SWEPT:
        t.h.entry = AD_NONE
    elif t.h.entry != AD_NONE:
        if t.hooks != NULL:
            leave_entry(x)
        ad_handle_release(&t.h)


def assign_result(x, function):
    """x becomes function(x), in place, with the function's history."""
    cdef ad_tape *tape = ad_py_tape()
    check_part(x)
    if tape.is_recording or tape.redirect != NULL:
        check_inplace(x)
        if ad_tensor_requires_grad(as_tensor(x)):
            # What the function saves of x must survive the change of x.
            return take(x, function(x.clone()))
    return take(x, function(x))
