# Programs at work: over one point, or over rows.

from cpython.mem cimport PyMem_Calloc, PyMem_Free


cdef class Code:
    """A program made ready to run. Shared by threads; each run has its own workspace."""

    cdef ad_code *code
    cdef readonly Program program
    cdef double *spare      # a workspace for one point that nobody uses just now
    cdef list in_shapes, out_shapes
    cdef bint is_long, has_guarded
    cdef public int64_t n_used  # how many calls and rows it was right for
    cdef readonly dict turns  # by guard and outcome: the Code to try next, of like results

    def __cinit__(self, Program program not None):
        self.program = program
        self.code = ad_code_new(program.p)
        if self.code == NULL:
            raise MemoryError("no memory to make a program ready to run")
        ad_code_set_linalg(self.code, fill_decomposition)
        self.in_shapes, self.out_shapes = program.input_shapes, program.output_shapes
        self.turns = {}
        self.is_long = program.p.n > 4000
        self.has_guarded = ad_code_has_guarded(self.code)

    def __dealloc__(self):
        ad_code_free(self.code)
        ad_lines_free(self.spare)

    @property
    def n_doubles(self):
        """How many numbers a run holds at one time, over one point."""
        return ad_code_workspace(self.code, 1)

    cdef double *take_workspace(self) except NULL:
        cdef double *ws = self.spare
        self.spare = NULL
        if ws == NULL:
            ws = <double *>ad_lines_new(ad_code_workspace(self.code, 1) * sizeof(double))
            if ws == NULL:
                raise MemoryError("no memory for the workspace of a program")
            ad_code_prepare(self.code, ws, 1)
        return ws

    cdef void give_workspace(self, double *ws) noexcept:
        if self.spare == NULL:
            self.spare = ws
        else:
            ad_lines_free(ws)

    cdef int fill(self, uint32_t k, double *ws, object x) except -1:
        """Input k takes the value of x, which the caller holds until the run is over; 0 if
        it is of another type or shape."""
        cdef double *to = ws + ad_code_input(self.code, k)
        cdef Py_buffer buffer
        cdef tuple shape = <tuple>self.in_shapes[k]
        cdef int i, ndim = len(shape)
        cdef const char *letter
        cdef bint fits
        if ndim == 0:
            if type(x) is float:
                to[0] = x
                return 1
            if type(x) is int or isinstance(x, float):
                to[0] = float(x)
                return 1
            return 0
        if not isinstance(x, np.ndarray):
            return 0
        try:
            PyObject_GetBuffer(x, &buffer, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT)
        except (BufferError, ValueError):
            return 0
        # "=": native, at any address
        letter = buffer.format + (1 if buffer.format[0] in b"=^@" else 0)
        fits = buffer.ndim == ndim and letter[0] == c"d" and letter[1] == 0
        for i in range(ndim if fits else 0):
            fits = fits and buffer.shape[i] == <object>shape[i]
        if fits:
            ad_code_load(self.code, ws, k, <const double *>buffer.buf)
        PyBuffer_Release(&buffer)
        return fits

    cdef bint has_nan(self, const double *ws) noexcept:
        cdef uint32_t k
        for k in range(self.program.p.n_outputs):
            if ad_kernel_has_nan(ad_program_size(self.program.p, self.program.p.outputs[k]),
                                 ws + ad_code_output(self.code, k)):
                return True
        return False

    cdef int run_point(self, double *ws) except -1:
        """Inputs stand in ws; outputs will. The index of the first guard that came out
        otherwise goes to the caller through `first_differing`."""
        cdef ad_message message
        cdef ad_status status
        cdef bint guarded = False
        cdef ad_code *code = self.code
        message.text[0] = 0
        while True:
            if self.is_long:
                with nogil:
                    status = ad_code_run(code, ws, 1, 1, guarded, hook_with_gil, &message)
            else:
                status = ad_code_run(code, ws, 1, 1, guarded, large_matmul, &message)
            if status != AD_OK:
                ad_py_tape().message = message
                check(ad_py_tape(), status)
            if guarded or not self.has_guarded or not self.has_nan(ws):
                return 0
            guarded = True

    cdef int first_differing(self, const double *ws) noexcept:
        cdef const ad_program *p = self.program.p
        cdef uint32_t k
        for k in range(p.n_guards):
            if ws[ad_code_guard(self.code, k)] != p.guards[k].outcome:
                return k
        return -1

    cdef object output(self, const double *ws, uint32_t k):
        cdef const double *at = ws + ad_code_output(self.code, k)
        cdef tuple shape = <tuple>self.out_shapes[k]
        if not shape:
            return at[0]
        return self.copy_out(at, np.empty(shape))

    cdef object copy_out(self, const double *at, object array):
        """The array, which is a float64 array of the output's shape, with its values."""
        cdef Py_buffer buffer
        PyObject_GetBuffer(array, &buffer, PyBUF_C_CONTIGUOUS | PyBUF_WRITABLE)
        if buffer.len > 0:
            memcpy(buffer.buf, at, buffer.len)
        PyBuffer_Release(&buffer)
        return array

    cdef object copy_to(self, const double *ws, uint32_t k, object array):
        """Output k into an array of the user's."""
        cdef tuple shape = <tuple>self.out_shapes[k]
        if array.dtype != np.float64:
            raise TypeError(f"out=: expected a float64 array, got {array.dtype}")
        if array.shape != shape:
            raise errors.ShapeError(f"out=: the result has shape {shape}, got an array of "
                                    f"shape {array.shape}")
        if not array.flags.writeable:
            raise ValueError("out=: the array is read-only")
        if array.flags.c_contiguous:
            return self.copy_out(ws + ad_code_output(self.code, k), array)
        array[...] = self.output(ws, k)
        return array

    def run(self, inputs, out=None, bint ignores_guards=False):
        """Run over one point.

        Parameters
        ----------
        inputs
            A float or float64 ndarray for each input, of its shape.
        out
            None, or a list with an array (or None) for each output.
        ignores_guards
            Whether the caller knows that the path is right.

        Returns
        -------
        outputs, guard, outcome
            Outputs as floats and arrays; -1, or the first guard that came out otherwise
            and how (outputs are then None).
        """
        cdef double *ws
        cdef uint32_t k
        cdef int differs
        if len(inputs) != self.program.p.n_inputs:
            raise TypeError(f"the program has {self.program.p.n_inputs} inputs, got "
                            f"{len(inputs)}")
        ws = self.take_workspace()
        try:
            for k in range(self.program.p.n_inputs):
                if not self.fill(k, ws, inputs[k]):
                    raise TypeError(
                        f"input {k}: expected a float64 array of shape "
                        f"{self.in_shapes[k]}, got {type(inputs[k]).__name__} of shape "
                        f"{np.shape(inputs[k])}")
            self.run_point(ws)
            differs = -1 if ignores_guards else self.first_differing(ws)
            if differs >= 0:
                return None, differs, ws[ad_code_guard(self.code, differs)]
            self.n_used += 1
            if out is None:
                return ([self.output(ws, k) for k in range(self.program.p.n_outputs)],
                        -1, 0.0)
            return ([self.output(ws, k) if out[k] is None
                     else self.copy_to(ws, k, out[k])
                     for k in range(self.program.p.n_outputs)], -1, 0.0)
        finally:
            self.give_workspace(ws)

    cdef object try_call(self, tuple args, bint wants_all, list out=None):
        """The first output, or a list of all, for plain arguments that fit and take this
        path; else the Code to try next, or NotImplemented. out: an array or None for each
        of all."""
        cdef double *ws
        cdef uint32_t k
        cdef int differs
        if <uint32_t>len(args) != self.program.p.n_inputs:
            return NotImplemented
        ws = self.take_workspace()
        try:
            for k in range(self.program.p.n_inputs):
                if not self.fill(k, ws, <object>args[k]):
                    return NotImplemented
            try:
                self.run_point(ws)
            except errors.LinAlgError:  # perhaps of a path that the arguments do not take
                return NotImplemented
            differs = self.first_differing(ws)
            if differs >= 0:
                return self.turns.get((differs, ws[ad_code_guard(self.code, differs)]),
                                      NotImplemented)
            self.n_used += 1
            if not wants_all:
                return self.output(ws, 0)
            if out is not None:
                return [self.output(ws, k) if out[k] is None else
                        self.copy_to(ws, k, out[k]) for k in range(self.program.p.n_outputs)]
            return [self.output(ws, k) for k in range(self.program.p.n_outputs)]
        finally:
            self.give_workspace(ws)


cdef class FastCall:
    """A callable with a short way: the code that fitted the last call is tried first.

    The long way, `call_slowly(args, kwargs)`, is a subclass's; it may set the short one
    with `set_fast` when arguments are flat and there is one result.
    """

    cdef Code fast

    def set_fast(self, Code code):
        """Say what to try first; None: nothing."""
        self.fast = code

    def try_code(self, Code code not None, tuple args):
        """All outputs of one code for plain arguments that fit and take its path, or
        None."""
        if ad_builder_of(ad_py_tape()) != NULL:
            return None
        result = code.try_call(args, True)
        return None if result is NotImplemented or type(result) is Code else result

    def try_fast(self, dict codes, key, tuple args, list out=None):
        """All outputs of the code under a key for plain arguments that fit, or None.

        If they take another path that is known, its code takes the place of that one."""
        cdef Code code = codes.get(key)
        if code is None or ad_builder_of(ad_py_tape()) != NULL:
            return None
        if out is not None and len(out) != code.program.p.n_outputs:
            return None
        result = code.try_call(args, True, out)
        if type(result) is Code:
            code, result = follow(result, args, True, out)
            if result is not NotImplemented:
                codes[key] = code
        return None if result is NotImplemented else result

    def __call__(self, *args, **kwargs):
        if self.fast is not None and not kwargs and ad_builder_of(ad_py_tape()) == NULL:
            result = self.fast.try_call(args, False)
            if type(result) is Code:
                code, result = follow(result, args, False, None)
                if result is not NotImplemented:
                    self.fast = code
            if result is not NotImplemented:
                return result
        return self.call_slowly(args, kwargs)


cdef tuple follow(Code code, tuple args, bint wants_all, list out):
    """The code whose path arguments take, along turns that are known, and its result;
    NotImplemented where these lead nowhere."""
    cdef int n_turns
    for n_turns in range(32):
        result = code.try_call(args, wants_all, out)
        if type(result) is not Code:
            return code, result
        code = result
    return code, NotImplemented


cdef c_bool hook_with_gil(int64_t m, int64_t n, int64_t k, const double *a, c_bool trans_a,
                          const double *b, c_bool trans_b, double *c) noexcept with gil:
    """Hook: a large product, called without the lock."""
    return large_matmul(m, n, k, a, trans_a, b, trans_b, c)


# ---- Rows ------------------------------------------------------------------------------

cdef class RowsJob:
    """A program over many rows: set up once, then run block by block by any thread."""

    cdef Code code
    cdef ad_batch batch
    cdef ad_batch_input *inputs
    cdef ad_batch_output *outputs
    cdef Py_buffer *buffers
    cdef int n_buffers
    cdef int stop
    cdef readonly object differs, outcome  # of each row, where the program has guards

    def __cinit__(self, Code code not None, inputs, is_shared, outputs, is_summed,
                  int64_t n_rows, rows=None, int64_t n_lanes=0):
        """inputs: contiguous float64 arrays, of one row where shared. outputs: arrays to
        write to; parts of blocks where summed."""
        cdef ad_program *p = code.program.p
        cdef uint32_t k
        self.code = code
        self.batch.code = code.code
        self.batch.n_rows = n_rows
        self.batch.n_lanes = n_lanes if n_lanes else ad_code_best_lanes(code.code)
        self.inputs = <ad_batch_input *>calloc(p.n_inputs + 1, sizeof(ad_batch_input))
        self.outputs = <ad_batch_output *>calloc(p.n_outputs + 1, sizeof(ad_batch_output))
        self.buffers = <Py_buffer *>calloc(p.n_inputs + p.n_outputs + 3, sizeof(Py_buffer))
        if self.inputs == NULL or self.outputs == NULL or self.buffers == NULL:
            raise MemoryError
        for k in range(p.n_inputs):
            self.inputs[k].data = <double *>self.hold(inputs[k], False)
            self.inputs[k].stride = 0 if is_shared[k] else ad_program_size(p, k)
        for k in range(p.n_outputs):
            self.outputs[k].data = <double *>self.hold(outputs[k], True)
            self.outputs[k].is_summed = is_summed[k]
        if rows is not None:
            self.batch.rows = <int64_t *>self.hold(rows, False)
        if p.n_guards > 0:
            self.differs = np.empty(n_rows, dtype=np.int32)
            self.outcome = np.empty(n_rows)
            self.batch.differs = <int32_t *>self.hold(self.differs, True)
            self.batch.outcome = <double *>self.hold(self.outcome, True)
        self.batch.inputs, self.batch.outputs = self.inputs, self.outputs

    cdef void *hold(self, object array, bint writes) except *:
        cdef Py_buffer *buffer = &self.buffers[self.n_buffers]
        PyObject_GetBuffer(array, buffer,
                           PyBUF_C_CONTIGUOUS | (PyBUF_WRITABLE if writes else 0))
        self.n_buffers += 1
        return buffer.buf

    def __dealloc__(self):
        cdef int k
        for k in range(self.n_buffers):
            PyBuffer_Release(&self.buffers[k])
        free(self.inputs)
        free(self.outputs)
        free(self.buffers)

    @property
    def n_blocks(self):
        """How many blocks the rows make."""
        return ad_batch_blocks(&self.batch)

    def cancel(self):
        """Let running threads return soon."""
        self.stop = 1

    def run(self, int64_t first, int64_t last):
        """Run blocks [first, last) with the interpreter's lock released."""
        cdef ad_message message
        cdef ad_status status
        cdef int64_t n = ad_batch_scratch(self.code.code, self.batch.n_lanes)
        cdef double *scratch = <double *>ad_lines_new(n * sizeof(double))
        message.text[0] = 0
        if scratch == NULL:
            raise MemoryError("no memory for a block of lanes")
        with nogil:
            status = ad_batch_run(&self.batch, scratch, first, last, &self.stop,
                                  hook_with_gil, &message)
        ad_lines_free(scratch)
        if status != AD_OK:
            ad_py_tape().message = message
            check(ad_py_tape(), status)


cdef class RouteJob:
    """A function of several paths over rows, each row on its own; see csrc/route.h.

    After all chunks have run, `lost_path` has for each row -1, or the path on which it
    was lost, by guard `guard` with `outcome`: no known path has that.
    """

    cdef ad_route route
    cdef ad_route_path *paths
    cdef ad_batch_input *all_inputs
    cdef ad_batch_output *all_outputs
    cdef ad_turn *turns
    cdef Py_buffer *buffers
    cdef int n_buffers, stop
    cdef list codes
    cdef readonly object lost_path, guard, outcome, counts

    def __cinit__(self, list guards, list codes, list inputs, is_shared, list outputs,
                  is_summed, int64_t n_rows, rows, list turns, path_of):
        """guards: the Code of each path's guards or None; codes: what is to be run, whose
        inputs begin with those of the guards. inputs: of each path, contiguous float64
        arrays, of one row where shared; outputs: arrays to write to, for all paths;
        where summed, one part for each chunk, zeros. is_shared: of each input of each
        path. turns: of each path, (guard, outcome, path). path_of: int32 by number of
        row: its path, or -1 to be told."""
        cdef Py_ssize_t n = len(codes), n_out = len(outputs), k, i
        cdef Py_ssize_t n_turns = sum([len(t) for t in turns])
        cdef Py_ssize_t n_in = sum([len(each) for each in inputs])
        cdef ad_batch_input *given
        cdef ad_turn *turn
        cdef Code code
        self.codes = [guards, codes]
        self.paths = <ad_route_path *>calloc(n + 1, sizeof(ad_route_path))
        self.all_inputs = <ad_batch_input *>calloc(n_in + 1, sizeof(ad_batch_input))
        self.all_outputs = <ad_batch_output *>calloc(n_out + 1, sizeof(ad_batch_output))
        self.turns = <ad_turn *>calloc(n_turns + 1, sizeof(ad_turn))
        self.buffers = <Py_buffer *>calloc(n_in + n_out + 6, sizeof(Py_buffer))
        if (self.paths == NULL or self.all_inputs == NULL or self.all_outputs == NULL
                or self.turns == NULL or self.buffers == NULL):
            raise MemoryError
        for k in range(n_out):
            self.all_outputs[k].data = <double *>self.hold(outputs[k], True)
            self.all_outputs[k].is_summed = is_summed[k]
        turn, given = self.turns, self.all_inputs
        for i in range(n):
            code = <Code?>codes[i]
            self.set_batch(&self.paths[i].all, code, given, n_rows)
            if guards[i] is not None:
                self.set_batch(&self.paths[i].guards, <Code?>guards[i], given, n_rows)
            for k in range(code.program.p.n_inputs):
                given.data = <double *>self.hold(inputs[i][k], False)
                given.stride = 0 if is_shared[i][k] else ad_program_size(code.program.p, k)
                given += 1
            self.paths[i].turns = turn
            self.paths[i].n_turns = len(turns[i])
            for number, outcome, path in turns[i]:
                turn.guard, turn.outcome, turn.path = number, outcome, path
                turn += 1
        self.set_rows(n_rows, rows, n)
        self.route.path_of = <int32_t *>self.hold(path_of, True)

    cdef int set_rows(self, int64_t n_rows, rows, Py_ssize_t n) except -1:
        self.route.n_rows, self.route.n_paths, self.route.paths = n_rows, n, self.paths
        if rows is not None:
            self.route.rows = <int64_t *>self.hold(rows, False)
        self.lost_path = np.empty(n_rows, dtype=np.int32)
        self.guard = np.empty(n_rows, dtype=np.int32)
        self.outcome = np.empty(n_rows)
        self.counts = np.zeros(n, dtype=np.int64)
        self.route.lost_path = <int32_t *>self.hold(self.lost_path, True)
        self.route.guard = <int32_t *>self.hold(self.guard, True)
        self.route.outcome = <double *>self.hold(self.outcome, True)
        return 0

    cdef int set_batch(self, ad_batch *batch, Code code,
                       const ad_batch_input *inputs, int64_t n_rows) except -1:
        batch.code, batch.inputs, batch.outputs = code.code, inputs, self.all_outputs
        batch.n_lanes = ad_code_best_lanes(code.code)
        while batch.n_lanes > 8 and batch.n_lanes >= 2 * n_rows:
            batch.n_lanes //= 2
        return 0

    cdef void *hold(self, object array, bint writes) except *:
        cdef Py_buffer *buffer = &self.buffers[self.n_buffers]
        PyObject_GetBuffer(array, buffer,
                           PyBUF_C_CONTIGUOUS | (PyBUF_WRITABLE if writes else 0))
        self.n_buffers += 1
        return buffer.buf

    def __dealloc__(self):
        cdef int k
        for k in range(self.n_buffers):
            PyBuffer_Release(&self.buffers[k])
        free(self.paths)
        free(self.all_inputs)
        free(self.all_outputs)
        free(self.turns)
        free(self.buffers)

    @property
    def n_blocks(self):
        """How many chunks the rows make."""
        return ad_route_chunks(&self.route)

    def cancel(self):
        """Let running threads return soon."""
        self.stop = 1

    def run(self, int64_t first, int64_t last):
        """Run chunks [first, last) with the interpreter's lock released."""
        cdef ad_message message
        cdef ad_status status
        cdef Py_ssize_t k, n = len(self.codes[1])
        cdef int64_t *counts = <int64_t *>calloc(n + 1, sizeof(int64_t))
        if counts == NULL:
            raise MemoryError
        message.text[0] = 0
        with nogil:
            status = ad_route_run(&self.route, first, last, counts, &self.stop,
                                  hook_with_gil, &message)
        for k in range(n):
            self.counts[k] += counts[k]
        free(counts)
        if status != AD_OK:
            ad_py_tape().message = message
            check(ad_py_tape(), status)


def route_chunks(int64_t n_rows):
    """How many chunks a RouteJob makes of so many rows."""
    cdef ad_route route
    route.n_rows = n_rows
    return ad_route_chunks(&route)


def best_lanes(Code code not None):
    """How many rows make a block."""
    return ad_code_best_lanes(code.code)


def sum_parts(parts, total):
    """total = parts added up over their first axis, pairwise."""
    cdef Py_buffer source, target
    cdef int64_t n = parts.shape[0]
    PyObject_GetBuffer(parts, &source, PyBUF_C_CONTIGUOUS)
    PyObject_GetBuffer(total, &target, PyBUF_C_CONTIGUOUS | PyBUF_WRITABLE)
    ad_batch_sum(n, target.len // 8, <double *>source.buf, <double *>target.buf)
    PyBuffer_Release(&source)
    PyBuffer_Release(&target)
