# Reverse and tangent sweeps, and functions with a gradient of their own.

cdef dict pending_errors = {}  # raised by Python code inside a sweep, by thread


cdef ad_status keep_error(object error) noexcept:
    """Remember an exception until the sweep has wound up. Calls nothing in Python, for
    the stack may be full."""
    pending_errors[<size_t>ad_current_tape] = error
    return AD_CALLBACK


cdef int raise_pending() except -1:
    """Raise the exception that a C function has set."""
    return -1


cdef ad_status keep_pending() noexcept:
    """keep_error for an exception that a C function has set."""
    try:
        raise_pending()
        return AD_CALLBACK
    except BaseException as error:
        return keep_error(error)


cdef object take_callback_error():
    return pending_errors.pop(<size_t>ad_current_tape,
                              SystemError("an exception was lost"))


cdef class Capture:
    """Collects the gradient of one input of autograd.grad."""

    cdef object gradient
    cdef void *sweep  # whose it is: others pass by


cdef class Sweep:
    """What one reverse sweep does with the gradients that it finds."""

    cdef dict leaf_captures    # id(leaf tensor) -> Capture
    cdef bint is_local         # inputs end the sweep, and nothing else hears of it
    cdef bint goes_on          # inputs do not end it, yet nothing else hears of it
    cdef list waiting          # (tensor, gradient) until the sweep has ended, or None

    cdef object tensor_of(self, const ad_value *v):
        cdef ad_tape *tape = ad_py_tape()
        cdef ad_value copy = v[0]
        if copy.array != NULL:
            ad_array_keep(copy.array)
        if not tape.is_recording:  # as it is only while a sweep creates a graph
            copy.entry = AD_NONE
        return ad_tensor_wrap(tape, &copy)

    cdef object own_tensor_of(self, const ad_value *v):
        """tensor_of for functions of the user's, which may change it in place: other
        branches of the graph may hold the same array."""
        cdef ad_value copy = v[0]
        if v.array == NULL or ad_array_is_private(v.array):
            return self.tensor_of(v)
        copy.array = ad_array_copy(v.array)
        if copy.array == NULL:
            raise MemoryError
        try:
            return self.tensor_of(&copy)
        finally:
            ad_array_drop(copy.array)

    cdef int give(self, object gradient, ad_value *v) except -1:
        """Replace v by a tensor's value, new reference."""
        cdef ad_value new
        ad_tensor_value(ad_py_tape(), as_tensor(gradient), &new)
        if new.array != NULL:
            ad_array_keep(new.array)
        ad_array_drop(v.array)
        v[0] = new
        return 0

    cdef int capture(self, Capture capture, object gradient) except -1:
        if capture.gradient is None:
            capture.gradient = gradient
        else:
            capture.gradient = capture.gradient + gradient
        return 0

    cdef int leaf(self, ad_leaf *leaf, const ad_value *adjoint) except -1:
        cdef ad_tape *tape = ad_py_tape()
        cdef ad_tensor *t
        if self.is_local and (leaf.handle == NULL or
                              id(<object>leaf.owner) not in self.leaf_captures):
            return 0
        if leaf.handle == NULL:
            if leaf.owner != NULL:  # hooks of a leaf that is gone
                (<Hooks>leaf.owner).run(self.own_tensor_of(adjoint))
            return 0
        t = <ad_tensor *>leaf.owner
        if self.waiting is not None:
            self.waiting.append((<object>t, self.tensor_of(adjoint) if t.hooks == NULL
                                 else self.own_tensor_of(adjoint)))
            return 0
        if t.hooks == NULL and self.leaf_captures is None:
            ad_tensor_accumulate_grad(tape, t, adjoint, tape.is_recording)
            return 0
        tensor = <object>t
        if t.hooks != NULL and not self.is_local:
            gradient = (<Hooks>t.hooks).run(self.own_tensor_of(adjoint))
        else:
            gradient = self.tensor_of(adjoint)
        if self.leaf_captures is not None:
            capture = self.leaf_captures.get(id(tensor))
            if capture is not None:
                self.capture(capture, gradient)
            return 0
        accumulate(tape, t, gradient, tape.is_recording)
        return 0

    cdef int settle(self, bint creates_graph) except -1:
        """Give what was waiting: the sweep has come to its end. No gradient changes
        before the last hook has returned."""
        cdef ad_tape *tape = ad_py_tape()
        cdef ad_tensor *t
        cdef list found = []
        waiting, self.waiting = self.waiting, None
        was_recording = set_recording(creates_graph)
        try:
            for tensor, gradient in waiting:
                t = as_tensor(tensor)
                if t.leaf != NULL and t.hooks != NULL:
                    gradient = (<Hooks>t.hooks).run(gradient)
                found.append((tensor, gradient))
            for tensor, gradient in found:
                ad_py_make_room(tape)
                accumulate(tape, as_tensor(tensor), gradient, creates_graph)
        finally:
            set_recording(was_recording)
        return 0

    cdef int watch(self, object owner, ad_value *adjoint, c_bool *ends) except -1:
        cdef ad_tape *tape
        if self.is_local and not isinstance(owner, Capture):
            return 0
        if isinstance(owner, Capture):
            if (<Capture>owner).sweep == <void *>self:
                self.capture(owner, self.tensor_of(adjoint))
                ends[0] = self.is_local and not self.goes_on
            return 0
        hooks = <Hooks>owner
        if hooks.functions:
            self.give(hooks.run(self.own_tensor_of(adjoint)), adjoint)
        tensor = hooks.owner()
        if hooks.retains and tensor is not None and self.waiting is not None:
            self.waiting.append((tensor, self.tensor_of(adjoint)))
        elif hooks.retains and tensor is not None:
            tape = ad_py_tape()
            ad_tensor_accumulate_grad(tape, as_tensor(tensor), adjoint, tape.is_recording)
        return 0

    cdef int custom(self, const ad_node *node, const ad_value *z_bar, ad_value *x_bar,
                    c_bool *has_adjoint) except -1:
        gradients = without_overrides((<object>node.attr.object).gradients, (
            self.own_tensor_of(z_bar), [_needs(node, k) for k in range(node.n_args)]))
        cdef ad_array *shape
        for k in range(node.n_args):
            gradient = gradients[k]
            if gradient is None:
                continue
            shape = node.args[k].array
            expected = () if shape == NULL else \
                tuple([shape.shape[i] for i in range(shape.ndim)])
            if shape_of(gradient) != expected:
                raise errors.ShapeError(
                    f"{(<object>node.attr.object).name()}: gradient {k + 1} has shape "
                    f"{shape_of(gradient)}, expected {expected}, the shape of its input")
            self.give(gradient, &x_bar[k])
            has_adjoint[k] = True
        return 0


cdef Sweep plain = Sweep.__new__(Sweep)


cdef object _needs(const ad_node *node, int k):
    return node.args[k].entry != AD_NONE


cdef ad_status on_leaf(void *context, ad_leaf *leaf, const ad_value *adjoint) noexcept:
    try:
        (<Sweep>context).leaf(leaf, adjoint)
        return AD_OK
    except BaseException as error:
        return keep_error(error)


cdef ad_status on_watch(void *context, void *owner, ad_value *adjoint,
                        c_bool *ends) noexcept:
    try:
        (<Sweep>context).watch(<object>owner, adjoint, ends)
        return AD_OK
    except BaseException as error:
        return keep_error(error)


cdef ad_status on_custom(void *context, const ad_node *node, const ad_value *z_bar,
                         ad_value *x_bar, c_bool *has_adjoint) noexcept:
    try:
        (<Sweep>context).custom(node, z_bar, x_bar, has_adjoint)
        return AD_OK
    except BaseException as error:
        return keep_error(error)


cdef ad_status poll(void *context) noexcept:
    try:
        PyErr_CheckSignals()
        return AD_OK
    except BaseException as error:
        return keep_error(error)


# ---- Reverse ---------------------------------------------------------------------------

cdef int seed_value(ad_tape *tape, object root, object seed, ad_value *v) except -1:
    """The adjoint to start with at a root: 1, or the seed that was given."""
    cdef ad_tensor *t = as_tensor(root)
    v.scalar, v.array, v.entry = 1.0, NULL, AD_NONE
    if seed is None:
        if t.array == NULL:
            return 0
        if t.array.size != 1:
            raise RuntimeError(
                f"grad can be implicitly created only for scalar outputs; this one has "
                f"shape {shape_of(root)}: give gradient= of that shape, or reduce it to "
                "a scalar first")
        v.array = ad_array_new(t.array.ndim, t.array.shape)
        if v.array == NULL:
            raise MemoryError
        ad_kernel_fill(v.array.size, 1.0, v.array.data)
        return 0
    if not ad_tensor_check(seed):
        raise TypeError(f"gradients can be either Tensors or None, but got "
                        f"'{type(seed).__name__}'; wrap it: autodiff.tensor(...)")
    if shape_of(seed) != shape_of(root):
        raise errors.ShapeError(
            f"Mismatch in shape: grad_output has a shape of {shape_of(seed)} and output "
            f"has a shape of {shape_of(root)}; they must be equal")
    ad_tensor_value(tape, as_tensor(seed), v)
    if v.array != NULL:
        ad_array_keep(v.array)
    return 0


def sweep_reverse(roots, seeds, bint retain_graph, bint create_graph, inputs=None,
                  bint accumulate=True, bint strict_nan=False, bint check_nan=False,
                  bint is_local=False, bint is_mixed=False, bint is_quiet=False):
    """Sweep from roots (tensors) with seeds (tensors or None).

    Without inputs, gradients accumulate in the leaves' .grad and None is returned;
    with them, a list with the gradient of each, None where it is not reached. With
    is_local, each input stands for itself: the sweep ends at it, leaves alone what lies
    below all of them, and calls no hooks; is_mixed says that roots may depend on other
    things above the lowest input, which are left alone, too. With is_quiet the sweep
    goes through inputs, and calls no hooks.
    """
    cdef ad_tape *tape = ad_py_tape()
    cdef Py_ssize_t k, n = len(roots), n_set = 0
    cdef ad_sweep how
    cdef Sweep sweep = plain
    cdef ad_value *values = NULL
    cdef uint32_t *entries = NULL
    cdef uint32_t *ends = NULL
    cdef list captures = None
    cdef ad_status status
    cdef bint was_recording = tape.is_recording
    refuse_graph(None, "a backward sweep")
    if inputs is not None:
        sweep = Sweep.__new__(Sweep)
        sweep.is_local, sweep.goes_on = is_local or is_quiet, is_quiet
    elif tape.defers_leaves:
        sweep = Sweep.__new__(Sweep)
        sweep.waiting = []
    how = switches(tape, sweep, retain_graph, create_graph, strict_nan)
    how.checks_nan = how.checks_nan or check_nan
    values = <ad_value *>calloc(n + 1, sizeof(ad_value))
    entries = <uint32_t *>calloc(n + 1, sizeof(uint32_t))
    ad_tape_lock(tape)
    try:
        if values == NULL or entries == NULL:
            raise MemoryError
        tape.is_recording = True  # leaves that are roots get their entry
        for k in range(n):
            entries[k] = root_entry(tape, roots[k])
            n_set = k + 1
            seed_value(tape, roots[k], seeds[k], &values[k])
        tape.is_recording = was_recording
        if inputs is not None:
            captures = []  # those that watch are taken off whatever happens
            capture_inputs(tape, sweep, inputs, captures)
            if is_local:
                how.floor = lowest_of(inputs)
            if is_mixed:
                how.ends = ends = <uint32_t *>calloc(len(inputs) + 1, sizeof(uint32_t))
                if ends == NULL:
                    raise MemoryError
                for x in inputs:
                    if as_tensor(x).h.entry < AD_SWEPT:
                        ends[how.n_ends] = as_tensor(x).h.entry
                        how.n_ends += 1
            how.on_leaf = on_leaf
        status = ad_sweep_reverse(tape, n, entries, values, &how)
        check(tape, status)
    finally:
        tape.is_recording = was_recording
        for k in range(n_set):
            ad_array_drop(values[k].array)
        free(values)
        free(entries)
        free(ends)
        if captures is not None:
            for capture in captures:
                ad_watch_remove(tape, <void *>capture)
        ad_tape_unlock(tape)
    if sweep.waiting is not None:
        sweep.settle(create_graph)
    for k in range(n):
        ad_tensor_settle(as_tensor(roots[k]))
    if captures is None:
        return None
    return [(<Capture>capture).gradient for capture in captures]


cdef ad_sweep switches(ad_tape *tape, Sweep sweep, bint retain_graph, bint create_graph,
                       bint strict_nan):
    """A sweep's switches and functions."""
    cdef ad_sweep how
    how.keeps_graph, how.creates_graph = retain_graph, create_graph
    how.is_strict, how.checks_nan, how.checks_inf = strict_nan, tape.checks_nan, False
    how.floor, how.n_ends, how.ends = 0, 0, NULL
    how.context = <void *>sweep
    how.on_leaf = ad_tensor_on_leaf if sweep.waiting is None else on_leaf
    how.on_watch, how.on_custom, how.poll = on_watch, on_custom, poll
    return how


cdef bint is_plain_seed(const ad_tensor *root, object seed) noexcept:
    """Nothing to check or to record: None for a 0-d root, a passive one of its shape."""
    cdef const ad_tensor *s
    if seed is None:
        return root.array == NULL
    if not ad_tensor_check(seed) or ad_tensor_requires_grad(as_tensor(seed)):
        return False
    s = as_tensor(seed)
    if root.array == NULL or s.array == NULL:
        return root.array == s.array
    return ad_array_same_shape(root.array, s.array)


def backward(x, gradient=None, retain_graph=None, bint create_graph=False, inputs=None,
             *, bint strict_nan=False):
    """Accumulate the gradients of x in its leaves; see `autodiff.backward`."""
    cdef ad_tape *tape = ad_py_tape()
    cdef ad_tensor *t = as_tensor(x)
    cdef bint retain = create_graph if retain_graph is None else retain_graph
    cdef uint32_t entry = t.h.entry
    cdef ad_value seed
    cdef ad_sweep how
    cdef Sweep sweep = plain
    if tape.redirect != NULL:
        refuse_graph(None, "backward()")
    if (inputs is not None or t.leaf != NULL or entry >= AD_SWEPT or t.h.tape != tape
            or not is_plain_seed(t, gradient)):
        return general_backward(x, gradient, retain, create_graph, inputs,
                                strict_nan=strict_nan)
    seed.scalar, seed.array, seed.entry = 1.0, NULL, AD_NONE
    if gradient is not None:
        ad_tensor_value(tape, as_tensor(gradient), &seed)
    if tape.defers_leaves:
        sweep = Sweep.__new__(Sweep)
        sweep.waiting = []
    how = switches(tape, sweep, retain, create_graph, strict_nan)
    check(tape, ad_sweep_reverse(tape, 1, &entry, &seed, &how))
    if sweep.waiting is not None:
        sweep.settle(create_graph)
    ad_tensor_settle(t)


cdef object general_backward = None  # set by autodiff.autograd


def set_backward(function):
    """Say what handles seeds and inputs."""
    global general_backward
    general_backward = function


cdef uint32_t root_entry(ad_tape *tape, object root) except? 0xffffffff:
    """The entry to sweep from."""
    if not ad_tensor_check(root):
        raise TypeError(f"expected a Tensor to sweep from, got '{type(root).__name__}'")
    cdef ad_tensor *t = as_tensor(root)
    cdef ad_value v
    if not ad_tensor_requires_grad(t):
        raise RuntimeError(
            "element 0 of tensors does not require grad and does not have a grad_fn: "
            "nothing that it was computed from has requires_grad=True, or it was "
            "computed under no_grad() or from detached values")
    if t.h.entry == AD_SWEPT:
        check(tape, AD_FREED)
    ad_tensor_value(tape, t, &v)
    return v.entry


cdef int capture_inputs(ad_tape *tape, Sweep sweep, inputs, list captures) except -1:
    """Append a Capture for each input: leaves by identity, others by a watch."""
    cdef ad_tensor *t
    sweep.leaf_captures = {}
    for x in inputs:
        if not ad_tensor_check(x):
            raise TypeError(f"inputs must be Tensors, got '{type(x).__name__}'")
        t = as_tensor(x)
        if not ad_tensor_requires_grad(t):
            raise RuntimeError("One of the differentiated Tensors does not require grad")
        capture = Capture()
        (<Capture>capture).sweep = <void *>sweep
        if t.leaf != NULL:
            capture = sweep.leaf_captures.setdefault(id(x), capture)
        captures.append(capture)
        if t.leaf == NULL and t.h.entry < AD_SWEPT:
            if t.h.tape != tape:
                check(tape, AD_ESCAPED if t.h.tape.redirect != NULL else AD_THREAD)
            check(tape, ad_watch_add(tape, t.h.entry, <void *>capture))
    return 0


cdef uint32_t lowest_of(inputs):
    """The lowest entry among tensors of this thread's tape."""
    cdef uint32_t lowest = AD_NONE
    for x in inputs:
        if as_tensor(x).h.entry < AD_SWEPT:
            lowest = min(lowest, as_tensor(x).h.entry)
    return lowest if lowest != AD_NONE else 0


def accumulate_grad(x, gradient, bint create_graph=False):
    """x.grad += gradient."""
    refuse_graph(None, "a gradient")
    cdef ad_tape *tape = ad_py_tape()
    ad_py_make_room(tape)
    accumulate(tape, as_tensor(x), gradient, create_graph)


cdef int accumulate(ad_tape *tape, ad_tensor *x, object gradient,
                    bint creates_graph) except -1:
    """x.grad += gradient, a tensor that may be somebody's: its array stays its own."""
    cdef ad_value v
    ad_tensor_value(tape, as_tensor(gradient), &v)
    if v.array != NULL:
        ad_array_keep(v.array)
    try:
        ad_tensor_accumulate_grad(tape, x, &v, creates_graph)
    finally:
        ad_array_drop(v.array)
    return 0


# ---- Tangents -------------------------------------------------------------------------------

def sweep_tangent(outputs, inputs, tangents, bint strict_nan=False,
                  bint create_graph=True):
    """Tangents of outputs for tangents of inputs, as a list; None: not reached. With
    create_graph they are recorded if the tape records."""
    refuse_graph(None, "a tangent sweep", "autodiff.jvp")
    cdef ad_tape *tape = ad_py_tape()
    cdef Py_ssize_t k, n_in = len(inputs), n_out = len(outputs)
    cdef ad_value *seeds = <ad_value *>calloc(n_in + 1, sizeof(ad_value))
    cdef ad_value *out = <ad_value *>calloc(n_out + 1, sizeof(ad_value))
    cdef uint32_t *ins = <uint32_t *>calloc(n_in + 1, sizeof(uint32_t))
    cdef uint32_t *outs = <uint32_t *>calloc(n_out + 1, sizeof(uint32_t))
    cdef c_bool *reached = <c_bool *>calloc(n_out + 1, sizeof(c_bool))
    cdef bint was_recording = tape.is_recording
    ad_tape_lock(tape)
    try:
        if seeds == NULL or out == NULL or ins == NULL or outs == NULL or reached == NULL:
            raise MemoryError
        tape.is_recording = True
        for k in range(n_in):
            ins[k] = root_entry(tape, inputs[k])
            seed_value(tape, inputs[k], tangents[k], &seeds[k])
        for k in range(n_out):
            outs[k] = root_entry(tape, outputs[k])
        tape.is_recording = was_recording and create_graph
        check(tape, ad_sweep_tangent(tape, n_in, ins, seeds, n_out, outs, strict_nan, out,
                                     reached))
        return [ad_tensor_wrap(tape, &out[k]) if reached[k] else None
                for k in range(n_out)]
    finally:
        tape.is_recording = was_recording
        for k in range(n_in):
            if seeds != NULL:
                ad_array_drop(seeds[k].array)
        free(seeds)
        free(out)
        free(ins)
        free(outs)
        free(reached)
        ad_tape_unlock(tape)


# ---- Custom functions --------------------------------------------------------------------------

def record_custom(function, list inputs, result):
    """A tensor with the value of `result` (passive), whose gradients come from
    function.gradients(z_bar, needs) -> a list with one, or None, for each input."""
    cdef ad_tape *tape = ad_py_tape()
    cdef Py_ssize_t k, n = len(inputs)
    cdef ad_value *values = <ad_value *>calloc(n + 1, sizeof(ad_value))
    cdef ad_value out
    cdef ad_attr attr
    memset(&attr, 0, sizeof(ad_attr))
    attr.object = <void *>function
    try:
        if values == NULL:
            raise MemoryError
        ad_py_make_room(tape)
        for k in range(n):
            ad_tensor_value(tape, as_tensor(inputs[k]), &values[k])
        ad_tensor_value(tape, as_tensor(result), &out)
        out.entry = AD_NONE
        check(tape, ad_record(tape, AD_OP_CUSTOM, n, values, &attr, &out))
        Py_INCREF(function)  # the node owns it
        if out.array != NULL:
            ad_array_keep(out.array)
        return ad_tensor_wrap(tape, &out)
    finally:
        free(values)
