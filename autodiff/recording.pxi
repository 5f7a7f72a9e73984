# Functions being recorded as programs: inputs, what they capture, guards.


# ---- Recording ---------------------------------------------------------------------

cdef class Recording:
    """A function being recorded.

    Between `begin` and `end` operations of this thread go into a program. Inputs are
    tensors that carry a value; tensors of outside that carry gradient become inputs of
    their own, listed in `captured`, in the order in which they were met.
    """

    cdef ad_builder *b
    cdef ad_tape *outer  # what this thread recorded on before
    cdef readonly Recording outer_recording
    cdef readonly list captured
    cdef dict captured_values
    cdef public dict families  # ways through bodies of loops, by place: see programs/families
    cdef readonly tuple place  # of this recording in those around it
    cdef object inner_place    # of recordings inside, where it is not by their number
    cdef Py_ssize_t n_inner

    def __cinit__(self):
        self.b = ad_builder_new(True)
        if self.b == NULL:
            raise MemoryError
        self.b.owner = <void *>self
        self.captured, self.captured_values = [], {}
        cdef ad_tape *tape = self.b.tape
        self.outer = ad_py_tape()
        tape.upper = self.outer.upper
        tape.object_drop, tape.line_id = self.outer.object_drop, self.outer.line_id
        tape.matmul, tape.linalg = self.outer.matmul, self.outer.linalg
        tape.scan = self.outer.scan
        tape.wants_lines = True

    def __dealloc__(self):
        ad_builder_free(self.b)

    def begin(self):
        """Record from here on."""
        self.outer = ad_py_tape()
        self.outer_recording = current_recording()
        self.place = ()
        if self.outer_recording is not None:
            self.place = self.outer_recording.place_inside()
        if self.families is None:
            self.families = ({} if self.outer_recording is None
                             else self.outer_recording.families)
        set_current_tape(self.b.tape)

    def end(self):
        """Record as before `begin` again; whatever happened in between."""
        set_current_tape(self.outer)

    def input(self, value):
        """The next input, with the value (a float or ndarray) it has this time."""
        cdef ad_value v
        cdef ad_array *owned = NULL
        cdef uint32_t entry
        v.scalar, v.array, v.entry = 0.0, NULL, AD_NONE
        if isinstance(value, float):
            v.scalar = value
        elif ad_tensor_check(value):
            v.scalar = ad_tensor_scalar(as_tensor(value))
            v.array = as_tensor(value).array
            if v.array != NULL:  # the function may change its argument, not the caller's
                v.array = ad_array_copy(v.array)
                if v.array == NULL:
                    raise MemoryError
        elif to_value(value, &v) != 1:
            raise TypeError(f"expected a number or an array of real numbers, got "
                            f"'{type(value).__name__}'")
        try:
            check(self.b.tape, ad_builder_input(self.b, v.array, &entry))
        except BaseException:
            ad_array_drop(v.array)
            raise
        v.entry = entry
        if (isinstance(value, (bool, np.bool_))
                or isinstance(value, np.ndarray) and value.dtype.kind == "b"):
            v.entry = self.as_mask(&v)
        return ad_tensor_wrap(self.b.tape, &v)

    cdef uint32_t as_mask(self, const ad_value *v) except? 0xffffffff:
        """A value of 0 and 1 as the result of a comparison, as every mask is."""
        cdef ad_value args[2]
        cdef ad_value out
        args[0] = v[0]
        args[1].scalar, args[1].array, args[1].entry = 0.0, NULL, AD_NONE
        check(self.b.tape, ad_apply(self.b.tape, AD_OP_NE, 2, args, NULL, &out))
        ad_array_drop(out.array)
        return out.entry

    cdef int capture(self, object x, ad_value *v) except -1:
        """An operand that carries gradient: ours, or one from outside."""
        cdef ad_tensor *t = as_tensor(x)
        cdef uint32_t entry
        if t.leaf == NULL and t.h.tape == self.b.tape:
            if t.h.flags & AD_TENSOR_CHANGED:
                raise errors.TraceError(
                    "a value of the recorded function was changed in place under "
                    "no_grad(); write x = f(x), or change it where gradients are recorded")
            v.entry = t.h.entry
            return 0
        found = self.captured_values.get(id(x))
        if found is None:
            self.check_outer(t)
            check(self.b.tape, ad_builder_input(self.b, t.array, &entry))
            self.captured.append(x)
            v.entry = entry
            if outer_mask(t):
                entry = self.as_mask(v)
            self.captured_values[id(x)] = found = entry
        v.entry = found
        return 0

    cdef int check_outer(self, ad_tensor *t) except -1:
        """Raise unless t is a leaf, or a value of a graph that is open further out."""
        cdef Recording trace = self
        if t.leaf != NULL or t.h.entry == AD_SWEPT:
            return 0
        while trace is not None:
            if t.h.tape == trace.outer:
                return 0
            trace = trace.outer_recording
        check(self.b.tape, AD_ESCAPED if t.h.tape.redirect != NULL else AD_THREAD)

    cdef tuple place_inside(self):
        return self.next_place() if self.inner_place is None else self.inner_place

    def next_place(self):
        """What says where this function has got to: the same for another recording that
        chose the same way so far."""
        cdef const ad_program *p = self.b.program
        cdef uint32_t k
        self.n_inner += 1
        return (self.place, tuple([p.guards[k].outcome for k in range(p.n_guards)]),
                self.n_inner)

    def n_guards(self):
        """How many choices there were so far."""
        return self.b.program.n_guards

    def size(self):
        """How many values there are so far."""
        return self.b.program.n

    def reads_others(self, outputs, inputs, uint32_t start):
        """Whether outputs depend, to first order, on values below `start`, or on what was
        captured since, other than through inputs."""
        cdef ad_program *p = self.b.program
        cdef ad_instr *instr
        cdef const uint32_t *args
        cdef uint32_t i
        cdef int k
        known = {value_id(x) for x in inputs}
        waiting = {value_id(x) for x in outputs} - {AD_NONE}
        for i in range(p.n - 1, -1, -1):
            if i not in waiting or i in known:
                continue
            instr = &p.instr[i]
            if i < start and instr.op not in (AD_OP_CONST, AD_OP_STOP):
                return True
            if instr.op == AD_OP_INPUT:
                return True
            if instr.op == AD_OP_STOP:
                continue
            args = ad_instr_args(p, instr)
            for k in range(instr.n_args):
                waiting.add(args[k])
        return False

    def finish(self, outputs, bint keeps_guards=True):
        """The program of these outputs: tensors of this function, or constants."""
        cdef Py_ssize_t k, n = len(outputs)
        cdef ad_value *values = <ad_value *>calloc(n + 1, sizeof(ad_value))
        cdef ad_program *p = NULL
        try:
            if values == NULL:
                raise MemoryError
            for k in range(n):
                ad_tensor_value(self.b.tape, as_tensor(outputs[k]), &values[k])
            check(self.b.tape, ad_builder_finish(self.b, n, values, keeps_guards, &p))
            return program_new(p)
        finally:
            free(values)


cdef Recording current_recording():
    """The innermost function that this thread records, or None."""
    cdef ad_tape *tape = ad_py_tape()
    cdef ad_builder *b = ad_builder_of(tape)
    return <Recording>b.owner if b != NULL and b.owner != NULL else None


@contextlib.contextmanager
def recording_at(recording, tuple place):
    """Give recordings inside one (None: nothing happens) a place of their own."""
    cdef Recording outer = recording
    if outer is None:
        yield
        return
    before = outer.inner_place
    outer.inner_place = place
    try:
        yield
    finally:
        outer.inner_place = before


def is_recorded(x):
    """Whether x is a value of a function that is being recorded."""
    return as_tensor(x).leaf == NULL and as_tensor(x).h.entry < AD_SWEPT


def innermost_recording():
    """The innermost function that this thread records, or None."""
    return current_recording()


def is_tracing():
    """Whether this thread records a function as a program."""
    return current_recording() is not None


cdef int capture(ad_tape *tape, object x, ad_value *v) noexcept:
    """Hook: an operand of an operation that goes into a program."""
    cdef ad_builder *b = ad_builder_of(tape)
    try:
        if b == NULL or b.owner == NULL:
            check(tape, AD_ESCAPED)
        return (<Recording>b.owner).capture(x, v)
    except BaseException as error:
        restore(error)
        return -1
