# Operations that move, join and reduce elements. Shapes, strides and indices are
# checked and made here; NumPy does the index arithmetic, on views and not on data.


cdef int axis_of(object axis, int ndim) except -1:
    """A checked axis, counted from the front."""
    if isinstance(axis, bool) or not hasattr(axis, "__index__"):
        raise TypeError(f"an axis must be an integer, got {axis!r}")
    cdef Py_ssize_t i = axis.__index__()
    if not -max(ndim, 1) <= i < max(ndim, 1):
        raise IndexError(
            f"Dimension out of range (expected to be in range of "
            f"[{-max(ndim, 1)}, {max(ndim, 1) - 1}], but got {i})")
    return i + ndim if i < 0 and ndim > 0 else (0 if ndim == 0 else i)


cdef ad_array *ghost_of(object shape) except? NULL:
    """A header without elements; NULL for the shape ()."""
    cdef int64_t extents[64]
    cdef ad_array *ghost
    cdef int ndim = len(shape)
    if ndim == 0:
        return NULL
    if ndim > AD_MAX_NDIM:
        raise ValueError(f"arrays may have {AD_MAX_NDIM} axes at most, got {ndim}")
    for i in range(ndim):
        extents[i] = shape[i]
    ghost = ad_array_ghost(ndim, extents)
    if ghost == NULL:
        raise MemoryError
    return ghost


cdef object apply_shaped(int op, object x, object shape, ad_attr *attr):
    """op(x) with a result of `shape`."""
    cdef ad_array *ghost = ghost_of(shape)
    attr.shape = ghost
    try:
        return ad_py_apply_attr(op, x, attr)
    finally:
        ad_array_drop(ghost)


def reshape(x, tuple shape):
    """x with the same elements in another shape (sizes agree: checked above)."""
    cdef ad_attr attr
    memset(&attr, 0, sizeof(ad_attr))
    z = apply_shaped(AD_OP_RESHAPE, x, shape, &attr)
    return as_part(z) if is_part(x) else z


def follow_view(x, function):
    """The elements of x that function(view) shows, `function` being one of NumPy's
    that return views: slices, transposes, broadcasts, diagonals."""
    cdef ad_tensor *t = as_tensor(x)
    if t.array == NULL:
        base = np.zeros(())
    else:
        base = view_of(t.array, True)
    return take_view(x, base, function(base))


def strided(x, tuple shape, tuple strides, int64_t offset=0):
    """z[i] = x[offset + i . strides], in elements: all of them are inside x."""
    cdef int64_t steps[64]
    cdef ad_attr attr
    memset(&attr, 0, sizeof(ad_attr))
    for i, stride in enumerate(strides):
        steps[i] = stride
    attr.strides = steps
    attr.offset = offset
    return apply_shaped(AD_OP_STRIDED, x, shape, &attr)


def strided_add(x, tuple shape, tuple strides, int64_t offset=0):
    """z = 0, then z[offset + i . strides] += x[i]: all of them are inside z."""
    cdef int64_t steps[64]
    cdef ad_attr attr
    memset(&attr, 0, sizeof(ad_attr))
    for i, stride in enumerate(strides):
        steps[i] = stride
    attr.strides = steps
    attr.offset = offset
    rules = set_overrides(None) if ad_overrides != NULL else None  # it is no sum
    try:
        return apply_shaped(AD_OP_STRIDED_ADD, x, shape, &attr)
    finally:
        if rules is not None:
            set_overrides(rules)


def pool_winners(x, tuple places, tuple kernel, tuple stride, tuple dilation):
    """Flat positions of the largest of each window over the last two axes of x."""
    cdef ad_tensor *t = as_tensor(x)
    cdef ad_pool pool
    cdef int ndim = t.array.ndim
    positions = np.empty(shape_of(x)[:ndim - 2] + places, dtype=np.int64)
    pool.height, pool.width = t.array.shape[ndim - 2], t.array.shape[ndim - 1]
    pool.rows, pool.columns = places
    pool.n = positions.size // max(pool.rows * pool.columns, 1)
    for k in range(2):
        pool.kernel[k], pool.stride[k] = kernel[k], stride[k]
        pool.dilation[k] = dilation[k]
    cdef int64_t[::1] flat = positions.reshape(-1)
    if positions.size:
        ad_pool_winners(&pool, t.array.data, &flat[0])
    return positions


cdef object take_view(object x, object base, object view):
    cdef int64_t strides[64]
    cdef ad_attr attr
    memset(&attr, 0, sizeof(ad_attr))
    for i, stride in enumerate(view.strides):
        strides[i] = stride // 8
    attr.strides = strides
    attr.offset = (view.__array_interface__["data"][0]
                   - base.__array_interface__["data"][0]) // 8
    if view.size == 0:
        attr.offset = 0
    return apply_shaped(AD_OP_STRIDED, x, view.shape, &attr)


def get_item(x, key):
    """x[key] for a key of integers, slices, ... and None."""
    cdef ad_tensor *t = as_tensor(x)
    cdef ad_attr attr
    cdef Py_ssize_t i
    if ad_overrides != NULL and (<dict>ad_overrides).get(AD_OP_GATHER) is not None:
        positions = np.arange(size_of(x)).reshape(shape_of(x))  # a rule sees an index
        return gather(x, np.asarray(positions[key]))
    if type(key) is int and t.array != NULL and t.array.ndim == 1:
        i = key
        if i < 0:
            i += t.array.size
        if not 0 <= i < t.array.size:
            raise IndexError(f"index {key} is out of bounds for dimension 0 with size "
                             f"{t.array.size}")
        memset(&attr, 0, sizeof(ad_attr))
        attr.offset = i
        return as_part(ad_py_apply_attr(AD_OP_STRIDED, x, &attr))
    base = view_of(t.array, True) if t.array != NULL else np.zeros(())
    view = base[key]
    if not isinstance(view, np.ndarray):  # a full integer index
        position = np.ravel_multi_index(
            tuple(k + n if k < 0 else k
                  for k, n in zip(key if isinstance(key, tuple) else (key,), base.shape)),
            base.shape)
        memset(&attr, 0, sizeof(ad_attr))
        attr.offset = position
        return as_part(ad_py_apply_attr(AD_OP_STRIDED, x, &attr))
    return as_part(take_view(x, base, view))


def reduce_axes(x, axes, bint keepdim, str how):
    """Sum, largest or least ("sum", "max", "min") over axes; None: over all."""
    cdef ad_tensor *t = as_tensor(x)
    cdef ad_attr attr
    cdef int64_t strides[64]
    cdef int64_t stride = 1
    cdef int i, ndim = 0 if t.array == NULL else t.array.ndim
    memset(&attr, 0, sizeof(ad_attr))
    if axes is None:
        reduced = set(range(ndim))
    else:
        given = list(axes) if isinstance(axes, (tuple, list)) else [axes]
        if not given:
            given = list(range(ndim))
        reduced = {axis_of(axis, ndim) for axis in given}
        if len(reduced) < len(given):
            raise errors.ShapeError(f"an axis appears more than once in {tuple(given)}")
    if ndim == 0:
        return ad_py_apply_attr(AD_OP_RESHAPE, x, &attr)
    shape = []
    for i in range(ndim - 1, -1, -1):
        if i in reduced:
            strides[i] = 0
            if how != "sum" and t.array.shape[i] == 0:
                raise errors.ShapeError(f"zero-size axis {i} has no {how}; its values "
                                        "are an empty set")
            if keepdim:
                shape.insert(0, 1)
        else:
            strides[i] = stride
            stride *= t.array.shape[i]
            shape.insert(0, t.array.shape[i])
    attr.strides = strides
    attr.reverse = how == "min"
    return apply_shaped(AD_OP_STRIDED_ADD if how == "sum" else AD_OP_REDUCE_MAX, x,
                        tuple(shape), &attr)


cdef ad_index *index_from(object positions) except NULL:
    flat = np.ascontiguousarray(positions, dtype=np.int64).ravel()
    cdef Py_buffer buffer
    cdef ad_index *index = ad_index_new(flat.size)
    if index == NULL:
        raise MemoryError
    if flat.size > 0:
        PyObject_GetBuffer(flat, &buffer, PyBUF_SIMPLE)
        memcpy(index.at, buffer.buf, flat.size * 8)
        PyBuffer_Release(&buffer)
    return index


def gather(x, positions):
    """The elements of x at flat `positions` (in range; negative gives 0), in the
    shape of positions."""
    cdef ad_attr attr
    memset(&attr, 0, sizeof(ad_attr))
    attr.index = index_from(positions)
    try:
        return apply_shaped(AD_OP_GATHER, x, positions.shape, &attr)
    finally:
        ad_index_drop(attr.index)


def put(x, positions, y):
    """A copy of x with y, of as many elements, at distinct flat positions."""
    cdef ad_tape *tape = ad_py_tape()
    cdef ad_attr attr
    memset(&attr, 0, sizeof(ad_attr))
    attr.index = index_from(positions)
    try:
        return apply_many(AD_OP_PUT, [x, y], &attr)
    finally:
        ad_index_drop(attr.index)


cdef object apply_many(int op, list operands, ad_attr *attr):
    """op on several operands, tensors or anything that converts."""
    cdef ad_tape *tape = ad_py_tape()
    cdef Py_ssize_t k, n = len(operands)
    cdef ad_value *values
    cdef ad_array **owned
    cdef ad_value out
    if ad_overrides != NULL:
        found = override_of(op, operands, attr)
        if found is not None:
            return found
    ad_py_make_room(tape)
    values = <ad_value *>calloc(n + 1, sizeof(ad_value))
    owned = <ad_array **>calloc(n + 1, sizeof(void *))
    try:
        if values == NULL or owned == NULL:
            raise MemoryError
        for k in range(n):
            if not ad_operand_value(tape, operands[k], &values[k], &owned[k]):
                raise TypeError(f"{ad_op_name(op).decode()}: operand {k + 1} is a "
                                f"'{type(operands[k]).__name__}'; expected a tensor, a "
                                "real number or an array of real numbers")
        check(tape, ad_apply(tape, op, n, values, attr, &out))
        return ad_tensor_wrap(tape, &out)
    finally:
        for k in range(n):
            if owned != NULL:
                ad_array_drop(owned[k])
        free(values)
        free(owned)


def cumsum(x, int axis, bint reverse=False):
    """Running sum along an axis, from its end if reverse."""
    cdef ad_tensor *t = as_tensor(x)
    cdef ad_attr attr
    memset(&attr, 0, sizeof(ad_attr))
    if t.array == NULL:
        return ad_py_apply_attr(AD_OP_RESHAPE, x, &attr)
    attr.axis = axis_of(axis, t.array.ndim)
    attr.reverse = reverse
    return ad_py_apply_attr(AD_OP_CUMSUM, x, &attr)


def cat(list tensors, int axis):
    """Tensors joined along an axis; each has at least one."""
    cdef ad_attr attr
    memset(&attr, 0, sizeof(ad_attr))
    attr.axis = axis
    return apply_many(AD_OP_CAT, tensors, &attr)


def matmul(x, y):
    """Matrix product, batch by batch, of operands with two axes or more."""
    cdef ad_attr attr
    refuse_masks(x, y)
    memset(&attr, 0, sizeof(ad_attr))
    return apply_many(AD_OP_MATMUL, [x, y], &attr)


def matmul_transposed(x, y):
    """x @ y' of two matrices."""
    cdef ad_attr attr
    if ad_overrides != NULL:  # a rule sees the product that was written
        return matmul(x, follow_view(y, np.transpose))
    refuse_masks(x, y)
    memset(&attr, 0, sizeof(ad_attr))
    attr.trans_y = True
    return apply_many(AD_OP_MATMUL, [x, y], &attr)


cdef object matmul_function = None  # set by autodiff.linear: any number of axes


def set_matmul(function):
    """Say what `@` calls."""
    global matmul_function
    matmul_function = function


cdef bint is_matrix(object o) noexcept:
    """A tensor with two axes or more."""
    return ad_tensor_check(o) and as_tensor(o).array != NULL and as_tensor(o).array.ndim > 1


cdef object product_of_matrices(object a, object b):
    """a @ b of two matrices, or batches of them, that are tensors already."""
    cdef ad_tape *tape = ad_py_tape()
    cdef ad_attr attr
    cdef ad_value args[2]
    cdef ad_value out
    memset(&attr, 0, sizeof(ad_attr))
    refuse_masks(a, b)
    if ad_overrides != NULL:
        return apply_many(AD_OP_MATMUL, [a, b], &attr)
    ad_py_make_room(tape)
    ad_tensor_value(tape, as_tensor(a), &args[0])
    ad_tensor_value(tape, as_tensor(b), &args[1])
    check(tape, ad_apply(tape, AD_OP_MATMUL, 2, args, &attr, &out))
    return ad_tensor_wrap(tape, &out)


cdef PyObject *matmul_slot(object a, object b) noexcept:
    try:
        if is_matrix(a) and is_matrix(b):
            result = product_of_matrices(a, b)
            Py_INCREF(result)
            return <PyObject *>result
        for o in (a, b):
            if not ad_tensor_check(o) and not isinstance(o, np.ndarray):
                Py_INCREF(NotImplemented)
                return <PyObject *>NotImplemented
        result = matmul_function(a, b)
        Py_INCREF(result)
        return <PyObject *>result
    except BaseException as error:
        restore(error)
        return NULL


cdef object matrix_at(const double *data, int64_t rows, int64_t columns, bint is_transposed):
    """Memory as a matrix; if transposed, it holds the columns one after another."""
    if is_transposed:
        return np.asarray(<double[:columns, :rows]>data).T
    return np.asarray(<double[:rows, :columns]>data)


cdef c_bool large_matmul(int64_t m, int64_t n, int64_t k, const double *a, c_bool trans_a,
                         const double *b, c_bool trans_b, double *c) noexcept:
    """Hook: NumPy's product, for operands so large that its BLAS gains time."""
    try:
        np.matmul(matrix_at(a, m, k, trans_a), matrix_at(b, k, n, trans_b),
                  out=matrix_at(c, m, n, False))
        return True
    except Exception:
        return False


cdef dict linalg_kernels = {}  # set by autodiff.linalg: name of a row -> its values


def set_linalg(dict kernels):
    """Say what computes the rows of linear algebra."""
    linalg_kernels.update(kernels)


def linalg(str name, list operands, bint trans=False, bint is_lenient=False):
    """A row of linear algebra by its name; trans: the transpose of the first operand."""
    cdef bytes key = name.encode()
    cdef ad_attr attr
    memset(&attr, 0, sizeof(ad_attr))
    attr.trans_x, attr.is_lenient = trans, is_lenient
    return apply_many(ad_op_find(key, len(key)), operands, &attr)


cdef object array_at(const ad_span *span, bint is_filled):
    """A new ndarray of a span's shape, with its elements."""
    cdef Py_buffer buffer
    array = np.empty(tuple([span.shape[i] for i in range(span.ndim)]))
    if is_filled and span.size > 0:
        PyObject_GetBuffer(array, &buffer, PyBUF_SIMPLE)
        memcpy(buffer.buf, span.data, span.size * 8)
        PyBuffer_Release(&buffer)
    return array


cdef ad_status fill_decomposition(int op, int n_args, const ad_span *args,
                                  const ad_attr *attr, const ad_span *z,
                                  ad_message *message) noexcept with gil:
    """Hook: z = op(args) by NumPy's LAPACK, on copies, which a traceback may keep."""
    cdef int k
    cdef Py_buffer buffer
    cdef bytes text
    try:
        result = array_at(z, False)
        operands = [array_at(&args[k], True) for k in range(n_args)]
        linalg_kernels[ad_op_name(op).decode()](result, *operands, attr.trans_x,
                                                attr.is_lenient)
        if z.size > 0:
            PyObject_GetBuffer(result, &buffer, PyBUF_SIMPLE)
            memcpy(z.data, buffer.buf, z.size * 8)
            PyBuffer_Release(&buffer)
        return AD_OK
    except errors.LinAlgError as error:
        text = str(error).encode()[:sizeof(message.text) - 1]
        memcpy(message.text, <const char *>text, len(text) + 1)
        return AD_LINALG
    except MemoryError:
        return AD_NO_MEMORY
    except BaseException as error:
        return keep_error(error)


def to_inplace(str name, x, y):
    """x op= y for a row's name, as the operators do it."""
    check_part(x)
    cdef bytes key = name.encode()
    return ad_tensor_inplace(ad_op_find(key, len(key)), x, y)


def put_inplace(x, positions, y):
    """x changes in place: y, of as many elements, at distinct flat positions."""
    cdef ad_tape *tape = ad_py_tape()
    cdef ad_tensor *t = as_tensor(x)
    cdef ad_tensor *s = as_tensor(y)
    cdef ad_index *index
    cdef int64_t k
    check_part(x)
    if tape.redirect != NULL:
        check_inplace(x)
    if ((tape.is_recording or tape.redirect != NULL)
            and (ad_tensor_requires_grad(t) or ad_tensor_requires_grad(s))):
        check_inplace(x)
        put_recorded(tape, x, positions, y)
        return
    if t.array == NULL:
        if positions.size:
            assign(x, y)
        return
    index = index_from(positions)
    for k in range(index.size):
        t.array.data[index.at[k]] = s.value if s.array == NULL else s.array.data[k]
    ad_index_drop(index)
    note_write(t)


cdef int put_recorded(ad_tape *tape, object x, object positions, object y) except -1:
    """Record the change on a copy of x, then let x take its value and its history."""
    cdef ad_tensor *t = as_tensor(x)
    cdef ad_value args[2]
    cdef ad_value out
    cdef ad_attr attr
    memset(&attr, 0, sizeof(ad_attr))
    ad_py_make_room(tape)
    ad_tensor_value(tape, t, &args[0])
    ad_tensor_value(tape, as_tensor(y), &args[1])
    attr.index = index_from(positions)
    try:
        check(tape, ad_apply(tape, AD_OP_PUT, 2, args, &attr, &out))
    finally:
        ad_index_drop(attr.index)
    ad_tensor_assign(tape, t, &out)
    return 0


cdef void note_write(ad_tensor *t) noexcept:
    """The elements of an n-d tensor were written to."""
    if not t.h.flags & AD_TENSOR_HIDDEN:
        ad_array_changed(ad_py_tape(), t.array)
