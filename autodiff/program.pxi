# Recorded functions as programs, their derivatives, and loops in them.


# ---- Programs ---------------------------------------------------------------------

cdef object program_views = None  # set by autodiff.programs.compiled


def set_program_views(text, dot, c):
    """Say how a program is shown: as text, as a graph, as C."""
    global program_views
    program_views = text, dot, c


cdef class Program:
    """A recorded function: instructions on values, inputs, outputs, guards.

    Never changes; may be shared by threads. Made by recording a function, by
    differentiating another program, or by loading one.
    """

    cdef ad_program *p

    def __init__(self):
        raise TypeError("programs are made by recording a function: autodiff.compile")

    def __dealloc__(self):
        ad_program_drop(self.p)

    def __str__(self):
        return repr(self) if program_views is None else program_views[0](self)

    def to_dot(self):
        """The program as a graph for Graphviz."""
        return program_views[1](self)

    def to_c(self, str name="f"):
        """The program as a function of standalone C99."""
        return program_views[2](self, name)

    @property
    def n_instructions(self):
        """Number of instructions, inputs and constants included."""
        return self.p.n

    @property
    def has_loops(self):
        """Whether an instruction runs another program step by step."""
        cdef uint32_t i
        for i in range(self.p.n):
            if self.p.instr[i].op == AD_OP_SCAN:
                return True
        return False

    @property
    def input_shapes(self):
        """Shape of each input; () is a number."""
        return [shape_at(self.p, k) for k in range(self.p.n_inputs)]

    @property
    def output_shapes(self):
        """Shape of each output."""
        return [shape_at(self.p, self.p.outputs[k]) for k in range(self.p.n_outputs)]

    @property
    def guards(self):
        """What the function's choices came out as, and where: (outcome, line)."""
        return [(self.p.guards[k].outcome, line_texts[self.p.guards[k].line])
                for k in range(self.p.n_guards)]

    @property
    def outputs(self):
        """Which value each output is."""
        return [self.p.outputs[k] for k in range(self.p.n_outputs)]

    @property
    def guard_values(self):
        """Which value each guard looks at."""
        return [self.p.guards[k].value for k in range(self.p.n_guards)]

    def instructions(self):
        """Every Instruction, in order: what listings and exports are made from."""
        return [instruction_of(self.p, i) for i in range(self.p.n)]

    def to_bytes(self):
        """The program in a versioned format, for `program_from_bytes`."""
        return program_bytes(self.p)

    def __reduce__(self):
        return program_from_bytes, (program_bytes(self.p),)

    def evaluate(self, inputs):
        """Outputs, and what the guards' values are, one operation after another.

        Slow and simple, by the operations of tensors: what every other way to run the
        program is held against.
        """
        cdef ad_tape *tape = ad_py_tape()
        cdef ad_value *given = NULL
        cdef ad_value *values = NULL
        cdef bint was = tape.is_recording
        cdef Py_ssize_t k, n = len(inputs)
        if n != self.p.n_inputs:
            raise TypeError(f"the program has {self.p.n_inputs} inputs, got {n}")
        tensors = [x if ad_tensor_check(x) else from_array(x) for x in inputs]
        given = <ad_value *>calloc(n + 1, sizeof(ad_value))
        values = <ad_value *>calloc(self.p.n + 1, sizeof(ad_value))
        try:
            if given == NULL or values == NULL:
                raise MemoryError
            for k in range(n):
                ad_tensor_value(tape, as_tensor(tensors[k]), &given[k])
            check(tape, ad_program_replay(tape, self.p, given, values))
            outputs = [wrap_kept(tape, &values[self.p.outputs[k]])
                       for k in range(self.p.n_outputs)]
            return outputs, [values[self.p.guards[k].value].scalar
                             for k in range(self.p.n_guards)]
        finally:
            if values != NULL:
                ad_values_drop(self.p.n, values)
            free(given)
            free(values)

    def values(self, inputs):
        """Every instruction's value, as a list of floats and arrays."""
        cdef ad_tape *tape = ad_py_tape()
        cdef ad_value *given = NULL
        cdef ad_value *values = NULL
        cdef Py_ssize_t k, n = self.p.n_inputs
        tensors = [from_array(peek(x)) for x in inputs]
        if len(tensors) != n:
            raise TypeError(f"the program has {n} inputs, got {len(tensors)}")
        given = <ad_value *>calloc(n + 1, sizeof(ad_value))
        values = <ad_value *>calloc(self.p.n + 1, sizeof(ad_value))
        try:
            if given == NULL or values == NULL:
                raise MemoryError
            for k in range(n):
                ad_tensor_value(tape, as_tensor(tensors[k]), &given[k])
            check(tape, ad_program_replay(tape, self.p, given, values))
            return [peek(wrap_kept(tape, &values[k])) for k in range(self.p.n)]
        finally:
            if values != NULL:
                ad_values_drop(self.p.n, values)
            free(given)
            free(values)

    def apply(self, inputs):
        """Outputs as tensors, by the operations of tensors, wherever these go: into the
        graph, or into the program that is being recorded, guards included."""
        return self.applied(inputs, True)[0]

    def apply_openly(self, inputs):
        """The same, and the values that guards look at; none is recorded as a guard."""
        return self.applied(inputs, False)

    cdef tuple applied(self, inputs, bint keeps_guards):
        cdef Recording recording = current_recording()
        cdef ad_tape *tape = ad_py_tape()
        cdef Py_ssize_t k, n = self.p.n_inputs
        cdef ad_value *given = <ad_value *>calloc(n + 1, sizeof(ad_value))
        cdef ad_value *values = <ad_value *>calloc(self.p.n + 1, sizeof(ad_value))
        tensors = [x if ad_tensor_check(x) else from_array(x) for x in inputs]
        try:
            if given == NULL or values == NULL:
                raise MemoryError
            for k in range(n):
                ad_tensor_value(tape, as_tensor(tensors[k]), &given[k])
            check(tape, ad_program_replay(tape, self.p, given, values))
            for k in range(self.p.n_guards if recording is not None and keeps_guards else 0):
                if values[self.p.guards[k].value].entry != AD_NONE:
                    check(tape, ad_builder_guard(
                        recording.b, values[self.p.guards[k].value].entry,
                        self.p.guards[k].outcome, self.p.guards[k].line))
            return ([wrap_kept(tape, &values[self.p.outputs[k]])
                     for k in range(self.p.n_outputs)],
                    [] if keeps_guards
                    else [wrap_kept(tape, &values[self.p.guards[k].value])
                          for k in range(self.p.n_guards)])
        finally:
            if values != NULL:
                ad_values_drop(self.p.n, values)
            free(given)
            free(values)

    def with_inputs(self, order):
        """The same program with its inputs in another order: input k is order[k]."""
        if sorted(order) != list(range(self.p.n_inputs)):
            raise ValueError(f"an order of {self.p.n_inputs} inputs, got {order}")
        shapes = self.input_shapes
        places = sorted(range(len(order)), key=lambda k: order[k])
        return self.with_places(places, [shapes[k] for k in order])

    def with_places(self, places, shapes):
        """The same program with inputs of these shapes, of which its own input k is
        places[k]; what no place names has no effect."""
        cdef Py_ssize_t k, n = len(shapes)
        cdef ad_builder *b = ad_builder_new(False)
        cdef ad_value *given = <ad_value *>calloc(n + 1, sizeof(ad_value))
        cdef ad_value *inputs = <ad_value *>calloc(self.p.n_inputs + 1, sizeof(ad_value))
        cdef ad_value *values = <ad_value *>calloc(self.p.n + 1, sizeof(ad_value))
        cdef ad_value *outputs = <ad_value *>calloc(self.p.n_outputs + 1, sizeof(ad_value))
        cdef ad_program *q = NULL
        cdef ad_array *array
        try:
            if (b == NULL or given == NULL or inputs == NULL or values == NULL
                    or outputs == NULL):
                raise MemoryError
            if len(places) != self.p.n_inputs:
                raise ValueError(f"a place for each of {self.p.n_inputs} inputs")
            for k in range(n):
                array = shape_only(shapes[k])
                try:
                    add_input(b, array, &given[k])
                finally:
                    ad_array_drop(array)
            for k in range(self.p.n_inputs):
                if <tuple>shapes[places[k]] != shape_at(self.p, k):
                    raise ValueError(f"input {k} has the shape {shape_at(self.p, k)}")
                inputs[k] = given[<Py_ssize_t>places[k]]
            check(b.tape, ad_builder_inline(b, self.p, inputs, values))
            for k in range(self.p.n_outputs):
                outputs[k] = values[self.p.outputs[k]]
            check(b.tape, ad_builder_finish(b, self.p.n_outputs, outputs, True, &q))
            return program_new(q)
        finally:
            if values != NULL:
                ad_values_drop(self.p.n, values)
            if given != NULL:
                ad_values_drop(n, given)
            free(given)
            free(inputs)
            free(values)
            free(outputs)
            ad_builder_free(b)

    def with_outputs(self, order, bint keeps_guards=True):
        """The same program with only these of its outputs, in this order."""
        cdef Py_ssize_t k, n = len(order)
        cdef ad_builder *b = ad_builder_new(False)
        cdef ad_value *inputs = <ad_value *>calloc(self.p.n_inputs + 1, sizeof(ad_value))
        cdef ad_value *values = <ad_value *>calloc(self.p.n + 1, sizeof(ad_value))
        cdef ad_value *outputs = <ad_value *>calloc(n + 1, sizeof(ad_value))
        cdef ad_program *q = NULL
        try:
            if b == NULL or inputs == NULL or values == NULL or outputs == NULL:
                raise MemoryError
            for k in range(self.p.n_inputs):
                add_input(b, ad_program_shape(self.p, k), &inputs[k])
            check(b.tape, ad_builder_inline(b, self.p, inputs, values))
            for k in range(n):
                outputs[k] = values[self.p.outputs[<uint32_t>order[k]]]
            check(b.tape, ad_builder_finish(b, n, outputs, keeps_guards, &q))
            return program_new(q)
        finally:
            if values != NULL:
                ad_values_drop(self.p.n, values)
            if inputs != NULL:
                ad_values_drop(self.p.n_inputs, inputs)
            free(inputs)
            free(values)
            free(outputs)
            ad_builder_free(b)

    def reverse(self, wanted, bint keeps_outputs=True, bint unit_seeds=False):
        """The program with inputs (x..., seeds of all outputs...) and outputs
        (outputs..., adjoints of the inputs that are wanted...).

        With unit_seeds, seeds are 1 and not inputs: of a number, the gradient.
        """
        return differentiate(self.p, [bool(w) for w in wanted], True, keeps_outputs,
                             unit_seeds)

    def forward(self, active, bint keeps_outputs=True):
        """The program with inputs (x..., tangents of those that are active...) and
        outputs (outputs..., tangents of all outputs...)."""
        return differentiate(self.p, [bool(a) for a in active], False, keeps_outputs,
                             False)


# ---- Loops ------------------------------------------------------------------------

def snapshot_stride(int64_t n_left, int64_t n_snapshots):
    """After how many steps to keep the next carry; see csrc/schedule.h."""
    return ad_schedule_stride(n_left, n_snapshots)


def apply_scan(Program body, operands, int64_t n_steps, uint32_t n_shared,
               uint32_t n_carry, uint32_t n_sums, bint has_exit,
               bint is_reversed=False, int64_t n_snapshots=0):
    """Run a body program step by step; see csrc/scan.h.

    Returns the vector of results, as a tensor, and where its parts begin: (last carries,
    rows, sums, the number of steps done or None).
    """
    cdef ad_scan spec
    cdef ad_scan *scan
    cdef ad_attr attr
    cdef uint32_t k
    memset(&spec, 0, sizeof(ad_scan))
    memset(&attr, 0, sizeof(ad_attr))
    spec.body, spec.n_steps = body.p, n_steps
    spec.n_shared, spec.n_carry = n_shared, n_carry
    spec.n_rows = body.p.n_inputs - n_shared - n_carry
    spec.n_out_sums = n_sums
    spec.n_out_rows = body.p.n_outputs - n_carry - n_sums - has_exit
    spec.has_exit, spec.is_reversed = has_exit, is_reversed
    spec.n_snapshots = n_snapshots
    scan = ad_scan_new(&spec)
    if scan == NULL:
        raise MemoryError
    attr.scan = scan
    try:
        vector = apply_many(AD_OP_SCAN, list(operands), &attr)
        return (vector,
                [ad_scan_offset(scan, AD_SCAN_CARRY, k) for k in range(n_carry)],
                [ad_scan_offset(scan, AD_SCAN_ROWS, k) for k in range(spec.n_out_rows)],
                [ad_scan_offset(scan, AD_SCAN_SUMS, k) for k in range(n_sums)],
                ad_scan_offset(scan, AD_SCAN_DONE, 0) if has_exit else None)
    finally:
        ad_scan_drop(scan)


def apply_call(value, active, context, Program adjoint=None, Program tangent=None):
    """The value, with a derivative in the active tensors that comes as programs, or none;
    see csrc/call.h."""
    cdef ad_call spec
    cdef ad_call *call
    cdef ad_attr attr
    memset(&spec, 0, sizeof(ad_call))
    memset(&attr, 0, sizeof(ad_attr))
    spec.n_active = len(active)
    if adjoint is not None:
        spec.adjoint, spec.tangent = adjoint.p, tangent.p
    call = ad_call_new(&spec)
    if call == NULL:
        raise MemoryError
    attr.call = call
    try:
        return apply_many(AD_OP_CALL, [value, *active, *context], &attr)
    finally:
        ad_call_drop(call)


cdef tuple shape_at(const ad_program *p, uint32_t i):
    cdef ad_array *shape = ad_program_shape(p, i)
    if shape == NULL:
        return ()
    return tuple([shape.shape[j] for j in range(shape.ndim)])


cdef ad_array *shape_only(tuple shape) except? NULL:
    """A shape without elements; NULL is a number's."""
    cdef int64_t extents[32]  # AD_MAX_NDIM
    cdef ad_array *array
    cdef int k
    if not shape:
        return NULL
    for k in range(len(shape)):
        extents[k] = shape[k]
    array = ad_array_ghost(<int>len(shape), extents)
    if array == NULL:
        raise MemoryError
    return array


cdef Program program_new(ad_program *p):
    """Takes the reference."""
    cdef Program program = Program.__new__(Program)
    program.p = p
    return program


cdef object wrap_kept(ad_tape *tape, const ad_value *v):
    cdef ad_value copy = v[0]
    if copy.array != NULL:
        ad_array_keep(copy.array)
    return ad_tensor_wrap(tape, &copy)


cdef int add_input(ad_builder *b, ad_array *shape, ad_value *v) except -1:
    """A new input of the shape, as an operand."""
    cdef uint32_t entry
    check(b.tape, ad_builder_input(b, shape, &entry))
    v[0] = ad_builder_value(b, entry)
    return 0


cdef int set_filled(ad_value *v, ad_array *shape, double value) except -1:
    """An array of a shape filled with a value, or the value, as a constant."""
    v.scalar, v.array, v.entry = value, NULL, AD_NONE
    if shape == NULL:
        return 0
    v.array = ad_array_new(shape.ndim, shape.shape)
    if v.array == NULL:
        raise MemoryError
    ad_kernel_fill(v.array.size, value, v.array.data)
    return 0


cdef Program differentiate(ad_program *p, list chosen, bint is_reverse, bint keeps_outputs,
                           bint unit_seeds):
    """Inline p into a new builder and derive it there."""
    cdef uint32_t k, n_in = p.n_inputs, n_out = p.n_outputs
    cdef uint32_t n_seeds = n_out if is_reverse else n_in
    cdef uint32_t n_made = n_in if is_reverse else n_out
    cdef uint32_t n = 0
    cdef ad_builder *b = ad_builder_new(False)
    cdef ad_value *inputs = <ad_value *>calloc(n_in + 1, sizeof(ad_value))
    cdef ad_value *values = <ad_value *>calloc(p.n + 1, sizeof(ad_value))
    cdef ad_value *seeds = <ad_value *>calloc(n_seeds + 1, sizeof(ad_value))
    cdef ad_value *made = <ad_value *>calloc(n_made + 1, sizeof(ad_value))
    cdef ad_value *outputs = <ad_value *>calloc(n_in + n_out + n_out + 1, sizeof(ad_value))
    cdef c_bool *is_chosen = <c_bool *>calloc(n_in + 1, sizeof(c_bool))
    cdef c_bool *has_made = <c_bool *>calloc(n_made + 1, sizeof(c_bool))
    cdef ad_program *q = NULL
    if len(chosen) != n_in:
        raise ValueError(f"one flag for each of {n_in} inputs, got {len(chosen)}")
    try:
        if (b == NULL or inputs == NULL or values == NULL or seeds == NULL or made == NULL
                or outputs == NULL or is_chosen == NULL or has_made == NULL):
            raise MemoryError
        b.tape.linalg = ad_py_tape().linalg
        for k in range(n_in):
            is_chosen[k] = chosen[k]
            add_input(b, ad_program_shape(p, k), &inputs[k])
        for k in range(n_seeds):
            if unit_seeds:
                set_filled(&seeds[k], ad_program_shape(p, p.outputs[k]), 1.0)
            elif is_reverse:
                add_input(b, ad_program_shape(p, p.outputs[k]), &seeds[k])
            elif chosen[k]:
                add_input(b, ad_program_shape(p, k), &seeds[k])
        b.keeps_carry = is_reverse
        check(b.tape, ad_builder_inline(b, p, inputs, values))
        if is_reverse:
            check(b.tape, ad_transform_reverse(b, p, values, is_chosen, seeds, made,
                                               has_made))
        else:
            check(b.tape, ad_transform_forward(b, p, values, seeds, is_chosen, made,
                                               has_made))
        for k in range(n_out if keeps_outputs else 0):
            outputs[n] = values[p.outputs[k]]
            n += 1
        for k in range(n_made):
            if is_reverse and not is_chosen[k]:
                continue
            if not has_made[k]:
                set_filled(&made[k], ad_program_shape(p, k if is_reverse else p.outputs[k]),
                           0.0)
            outputs[n] = made[k]
            n += 1
        check(b.tape, ad_builder_finish(b, n, outputs, True, &q))
        return program_new(q)
    finally:
        if values != NULL:
            ad_values_drop(p.n, values)
        if inputs != NULL:
            ad_values_drop(n_in, inputs)
        if seeds != NULL:
            ad_values_drop(n_seeds, seeds)
        if made != NULL:
            ad_values_drop(n_made, made)
        free(inputs)
        free(values)
        free(seeds)
        free(made)
        free(outputs)
        free(is_chosen)
        free(has_made)
        ad_builder_free(b)
