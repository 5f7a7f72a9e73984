# Between Python's numbers and arrays and the core's values.


cdef class ArrayView:
    """The elements of an ad_array as a buffer, for NumPy to look at."""

    cdef ad_array *array
    cdef bint is_readonly
    cdef Py_ssize_t shape[64]
    cdef Py_ssize_t strides[64]

    def __dealloc__(self):
        ad_array_drop(self.array)

    def __getbuffer__(self, Py_buffer *buffer, int flags):
        cdef Py_ssize_t stride = 8
        cdef int i
        for i in range(self.array.ndim - 1, -1, -1):
            self.shape[i] = self.array.shape[i]
            self.strides[i] = stride
            stride *= self.shape[i]
        buffer.buf = self.array.data
        buffer.obj = self
        buffer.len = self.array.size * 8
        buffer.itemsize = 8
        buffer.readonly = self.is_readonly
        buffer.ndim = self.array.ndim
        buffer.format = b"d"
        buffer.shape = self.shape
        buffer.strides = self.strides
        buffer.suboffsets = NULL
        buffer.internal = NULL


cdef object view_of(ad_array *a, bint is_readonly=False):
    """An ndarray on the elements of `a`, without copying."""
    cdef ArrayView view = ArrayView()
    view.array = ad_array_keep(a)
    view.is_readonly = is_readonly
    return np.asarray(view)


cdef ad_array *copy_of(object array) except NULL:
    """A new ad_array with the elements of an ndarray of float64 in C order."""
    cdef int64_t shape[64]
    cdef int i, ndim = array.ndim
    cdef Py_buffer buffer
    cdef ad_array *a
    if ndim > AD_MAX_NDIM:
        raise ValueError(f"arrays may have {AD_MAX_NDIM} axes at most, got {ndim}")
    for i, extent in enumerate(array.shape):
        shape[i] = extent
    a = ad_array_new(ndim, shape)
    if a == NULL:
        raise MemoryError(f"no memory for an array of shape {array.shape}")
    if a.size > 0:
        PyObject_GetBuffer(array, &buffer, PyBUF_SIMPLE)
        memcpy(a.data, buffer.buf, a.size * 8)
        PyBuffer_Release(&buffer)
    return a


cdef object as_float64(object data):
    """An ndarray of float64 in C order, or a TypeError that says what was found."""
    if np.any(getattr(data, "mask", False)):
        raise TypeError("a masked array has no values where it is masked; use .filled() "
                        "or .compressed()")
    array = np.asarray(data)
    kind = array.dtype.kind
    if kind in "fiub":
        return np.asarray(array, dtype=np.float64, order="C")
    if kind == "O":
        return _from_objects(array)
    found = {"c": "complex numbers", "U": "text", "S": "bytes", "M": "dates",
             "m": "time spans", "V": "records"}.get(kind, str(array.dtype))
    fix = "differentiate the real and imaginary parts" if kind == "c" else \
        "convert them to real numbers first"
    raise TypeError(f"expected real numbers, got {found} (dtype {array.dtype}); {fix}")


def _from_objects(array):
    """Real numbers out of an object array: Fraction, Decimal, ints beyond 64 bits."""
    try:
        flat = [float(item) for item in array.ravel().tolist()]
    except errors.TraceError:
        raise
    except (TypeError, ValueError):
        kinds = sorted({type(item).__name__ for item in array.ravel().tolist()})
        raise TypeError(
            f"expected real numbers, got objects of type {', '.join(kinds)}; nested "
            "lists must be rectangular and hold numbers only"
        ) from None
    return np.array(flat, dtype=np.float64).reshape(array.shape)


cdef int to_value(object o, ad_value *value) noexcept:
    """Hook: operands other than tensors, floats and ints."""
    value.scalar = 0.0
    value.array = NULL
    value.entry = AD_NONE
    try:
        if isinstance(o, float):
            value.scalar = o
            return 1
        if isinstance(o, np.ndarray):
            array = as_float64(o)
            if array.ndim == 0:
                value.scalar = array.item()
            else:
                value.array = copy_of(array)
            return 1
        if isinstance(o, (list, tuple, str, bytes, bytearray)):
            # Said here, for else Python repeats the sequence as often as x says.
            raise TypeError(f"unsupported operand: a {type(o).__name__} beside a tensor; "
                            "make it a tensor or an array first")
        if isinstance(o, complex) or o is None:
            return 0
        if isinstance(o, np.complexfloating) or not hasattr(o, "__float__"):
            return 0
        value.scalar = float(o)
        return 1
    except BaseException as error:
        restore(error)
        return -1


cdef PyObject *to_numpy(ad_value *value) noexcept:
    """Hook: an ndarray from a value, which it takes."""
    try:
        result = view_of(value.array)
        Py_INCREF(result)
        return <PyObject *>result
    except BaseException as error:
        restore(error)
        return NULL
    finally:
        ad_array_drop(value.array)


cdef PyObject *compare(object a, object b, int op) noexcept:
    """Hook: comparisons of n-d tensors and of anything with a tensor."""
    try:
        if not _is_comparable(b):
            result = NotImplemented
        else:
            try:
                result = _COMPARISONS[op](values_of(a), values_of(b))
            except ValueError:
                raise errors.ShapeError(
                    f"shapes {np.shape(peek(a))} and {np.shape(peek(b))} do "
                    "not broadcast") from None
            result = (bool(result) if isinstance(result, np.bool_)
                      else result.view(PlainArray))
        Py_INCREF(result)
        return <PyObject *>result
    except BaseException as error:
        restore(error)
        return NULL


_COMPARISONS = (np.less, np.less_equal, np.equal, np.not_equal, np.greater,
                np.greater_equal)


def _is_comparable(o):
    if ad_tensor_check(o) or isinstance(o, np.ndarray):
        return True
    return hasattr(o, "__float__") and not isinstance(o, str)


def values_of(x):
    """The plain values of an operand: a float, or a read-only ndarray without a copy.

    For this package: looks at values only, never warns. A TraceError for a value of a
    function that is being recorded: on replay it will be another.
    """
    refuse_number(x, "the plain value")
    return peek(x)


cdef int refuse_number(object x, str what) except -1:
    """Raise if x is a value of a function that is being recorded."""
    if not ad_tensor_check(x) or not ad_tensor_is_traced(as_tensor(x)):
        return 0
    if current_recording() is None:
        check(ad_py_tape(), AD_ESCAPED)
    instead = callsite.sparse_product() or (
        "the functions of autodiff or NumPy on the tensor itself (ad.sin instead of "
        "math.sin, ad.tensor([x, y]) or ad.stack instead of np.array([x, y])), or "
        "x.detach(), a tensor, to leave it out of the derivative")
    raise errors.TraceError(
        f"{what} of a tensor that depends on the arguments of a function which is being "
        f"recorded would stay what it is now when that runs again; use {instead}")


def refuse_graph(x, str what, str instead="autodiff.grad"):
    """Raise if x (or None: anything) belongs to a function that is being recorded, of
    which there is no tape to sweep."""
    if x is None:
        if current_recording() is None:
            return
    elif not ad_tensor_check(x) or not ad_tensor_is_traced(as_tensor(x)):
        return
    elif current_recording() is None:
        check(ad_py_tape(), AD_ESCAPED)
    raise errors.TraceError(
        f"{what} inside a function that is being recorded: it has no tape of its own; "
        f"use {instead}")


def peek(x):
    """The values that an operand has this time, for what needs shapes only or prints
    them: a float, or a read-only ndarray without a copy."""
    if not ad_tensor_check(x):
        return x
    cdef ad_tensor *t = as_tensor(x)
    if t.array == NULL:
        return ad_tensor_scalar(t)
    return view_of(t.array, True)


def warn_gradient_loss(str what):
    """Warn, at the user's line, that `what` drops a gradient; inside a transform, raise."""
    if ad_py_tape().n_transforms > 0:
        call = callsite.user_call(library_frames())
        raise errors.GradientLossError(
            f"{call or what} drops the gradient of a value that is being differentiated; "
            f"use {callsite.replacement(call)}, or autodiff.stop_gradient(x) to say that dropping "
            "it is meant")
    warnings.warn(
        f"{what} drops the gradient of a tensor that requires grad; use the functions "
        "of autodiff or NumPy on the tensor to keep it, or .item(), .detach() or "
        ".detach().numpy() to say that dropping it is meant",
        errors.GradientLossWarning, stacklevel=1 + library_frames())


cdef str numpy_folder = np.__path__[0]


cdef int library_frames():
    """Number of frames of this package, NumPy and scipy.sparse on top of the user's."""
    cdef int n = 0
    try:
        frame = sys._getframe(0)
    except ValueError:
        return 0
    while frame is not None and (
            frame.f_code.co_filename.startswith((package_folder, numpy_folder))
            or callsite.is_sparse(frame)):
        n += 1
        frame = frame.f_back
    return n


cdef int warn_lost(const char *what) noexcept:
    """Hook: a tracked value is about to become a plain number."""
    try:
        warn_gradient_loss(what.decode())
        return 0
    except BaseException as error:
        restore(error)
        return -1


def from_array(array, copy=True):
    """A passive tensor from an ndarray (or what NumPy makes one of).

    With copy=False a float64 array in C order that may be written to is shared.
    """
    cdef ad_tape *tape = ad_py_tape()
    cdef ad_value v
    cdef Py_buffer buffer
    v.scalar, v.array, v.entry = 0.0, NULL, AD_NONE
    values = as_float64(array)
    if values.ndim == 0:
        v.scalar = values.item()
    elif copy or values is not array or values.size == 0 or not values.flags.carray:
        v.array = copy_of(values)
    else:
        v.array = borrow(values)
    return ad_tensor_wrap(tape, &v)


cdef void release_owner(void *owner) noexcept:
    Py_DECREF(<object>owner)


cdef ad_array *borrow(object values) except NULL:
    """An ad_array on the memory of an ndarray, which it keeps alive."""
    cdef int64_t shape[64]
    cdef Py_buffer buffer
    cdef ad_array *a
    for i, extent in enumerate(values.shape):
        shape[i] = extent
    PyObject_GetBuffer(values, &buffer, PyBUF_SIMPLE)
    a = ad_array_borrow(values.ndim, shape, <double *>buffer.buf, <void *>values,
                        release_owner)
    PyBuffer_Release(&buffer)
    if a == NULL:
        raise MemoryError("no memory for an array header")
    Py_INCREF(values)
    return a


def scalar_tensor(double value):
    """A passive 0-d tensor."""
    cdef ad_value v
    v.scalar, v.array, v.entry = value, NULL, AD_NONE
    return ad_tensor_wrap(ad_py_tape(), &v)


def to_array(x, copy=False):
    """The values of a tensor as an ndarray that shares memory with an n-d one."""
    cdef ad_tensor *t = as_tensor(x)
    refuse_number(x, "an array")
    if t.array == NULL:
        return np.array(ad_tensor_scalar(t))
    result = view_of(t.array)
    return result.copy() if copy else result


def item(x):
    """The value of a tensor of one element as a float."""
    cdef ad_tensor *t = as_tensor(x)
    if t.array != NULL and t.array.size != 1:
        raise RuntimeError(
            f"a Tensor with {t.array.size} elements cannot be converted to Scalar; "
            "index it, or use .tolist()")
    refuse_number(x, "the number")
    return ad_tensor_scalar(t)


def shape_of(x):
    """Shape of a tensor as a tuple of ints."""
    cdef ad_tensor *t = as_tensor(x)
    if t.array == NULL:
        return ()
    return tuple([t.array.shape[i] for i in range(t.array.ndim)])


def size_of(x):
    """Number of elements of a tensor."""
    cdef ad_tensor *t = as_tensor(x)
    return 1 if t.array == NULL else t.array.size
