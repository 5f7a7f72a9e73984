# Sparsity patterns of programs, and colourings of patterns. What comes in are checked
# arrays of autodiff.sparse: starts (int64) and columns (int32), sorted within a row.


cdef void *data_of(object array) except NULL:
    """The elements of a contiguous array; good while the caller holds it."""
    address = array.__array_interface__["data"][0]
    return <void *><size_t>address if address else <void *>&no_elements


cdef int64_t no_elements


cdef c_bool *flags_of(object flags, Py_ssize_t n) except NULL:
    """One flag for each of n; the caller frees it."""
    cdef Py_ssize_t k
    if len(flags) != n:
        raise ValueError(f"one flag for each of {n}, got {len(flags)}")
    cdef c_bool *to = <c_bool *>calloc(n + 1, sizeof(c_bool))
    if to == NULL:
        raise MemoryError
    for k in range(n):
        to[k] = flags[k]
    return to


def program_sparsity(Program program, wanted_inputs, wanted_outputs):
    """Pattern of the Jacobian of the wanted outputs in the wanted inputs, element by
    element: (n_rows, n_columns, starts, columns)."""
    cdef ad_tape *tape = ad_py_tape()
    cdef ad_program *p = program.p
    cdef ad_pattern pattern
    cdef ad_message message
    cdef ad_status status
    cdef c_bool *outputs = NULL
    cdef c_bool *inputs = flags_of(wanted_inputs, p.n_inputs)
    try:
        outputs = flags_of(wanted_outputs, p.n_outputs)
        message.text[0] = 0
        with nogil:
            status = ad_sparsity_jacobian(p, inputs, outputs, &pattern, &message)
        tape.message = message
        check(tape, status)
    finally:
        free(inputs)
        free(outputs)
    try:
        starts = np.empty(pattern.n_rows + 1, np.int64)
        columns = np.empty(pattern.starts[pattern.n_rows], np.int32)
        memcpy(data_of(starts), pattern.starts, starts.nbytes)
        if columns.size > 0:
            memcpy(data_of(columns), pattern.columns, columns.nbytes)
        return pattern.n_rows, pattern.n_columns, starts, columns
    finally:
        ad_pattern_free(&pattern)


def transpose_pattern(int32_t n_rows, int32_t n_columns, starts, columns):
    """The pattern by columns: (starts, rows)."""
    t_starts = np.empty(n_columns + 1, np.int64)
    t_columns = np.empty(columns.size, np.int32)
    cdef const int64_t *s = <const int64_t *>data_of(starts)
    cdef const int32_t *c = <const int32_t *>data_of(columns)
    cdef int64_t *t_s = <int64_t *>data_of(t_starts)
    cdef int32_t *t_c = <int32_t *>data_of(t_columns)
    with nogil:
        ad_pattern_transpose(n_rows, n_columns, s, c, t_s, t_c)
    return t_starts, t_columns


def color_pattern(int32_t n_rows, int32_t n_columns, starts, columns, bint is_symmetric):
    """A colour for each column, and how many there are."""
    color = np.empty(n_columns, np.int32)
    cdef const int64_t *s = <const int64_t *>data_of(starts)
    cdef const int32_t *c = <const int32_t *>data_of(columns)
    cdef int32_t *to = <int32_t *>data_of(color)
    cdef int32_t n_colors = 0
    cdef ad_status status
    with nogil:
        if is_symmetric:
            status = ad_color_star(n_columns, s, c, to, &n_colors)
        else:
            status = ad_color_columns(n_rows, n_columns, s, c, to, &n_colors)
    check(ad_py_tape(), status)
    return color, n_colors


def color_places(int32_t n, int32_t n_colors, starts, columns, color):
    """Where each entry of a symmetric matrix stands alone in the products, or None if
    one does nowhere."""
    places = np.empty(columns.size, np.int64)
    cdef const int64_t *s = <const int64_t *>data_of(starts)
    cdef const int32_t *c = <const int32_t *>data_of(columns)
    cdef const int32_t *colors = <const int32_t *>data_of(color)
    cdef int64_t *at = <int64_t *>data_of(places)
    cdef c_bool is_complete = False
    cdef ad_status status
    with nogil:
        status = ad_color_read(n, n_colors, s, c, colors, at, &is_complete)
    check(ad_py_tape(), status)
    return places if is_complete else None
