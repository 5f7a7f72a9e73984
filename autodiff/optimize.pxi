# optimize.pxi - steps of the optimisers, over parameters and flat state.
#
# A parameter keeps its own elements, which users may replace; an optimiser's state is
# one flat array for each quantity, a part of it for each parameter, in order.


cdef double *elements_of(object x, double *inline) except NULL:
    """The elements of a tensor; of a 0-d one, a copy in `inline`."""
    cdef ad_tensor *t = as_tensor(x)
    if t.array != NULL:
        return t.array.data
    inline[0] = ad_tensor_root(t).value
    return inline


def optimizer_step(str kind, list params, list grads, int64_t[::1] counts, list states,
                   dict how):
    """Each parameter with a gradient takes a step; counts says which it is."""
    cdef ad_tape *tape = ad_py_tape()
    cdef double *parts[3]
    cdef double[::1] state
    cdef double x_inline, g_inline
    cdef double *x
    cdef double *g
    cdef ad_tensor *t
    cdef int64_t size
    cdef int k
    cdef ad_sgd sgd
    cdef ad_adam adam
    cdef ad_rmsprop rmsprop
    cdef ad_adagrad adagrad
    if kind == "sgd":
        sgd = how
    elif kind == "adam":
        adam = how
    elif kind == "rmsprop":
        rmsprop = how
    else:
        adagrad = how
    for k in range(3):
        parts[k] = NULL
        if k < len(states):
            state = states[k]
            parts[k] = &state[0] if state.shape[0] > 0 else NULL
    for i, (param, grad) in enumerate(zip(params, grads)):
        t = as_tensor(param)
        size = t.array.size if t.array != NULL else 1
        if grad is not None:
            counts[i] += 1
            x = elements_of(param, &x_inline)
            g = elements_of(grad, &g_inline)
            if kind == "sgd":
                ad_step_sgd(&sgd, size, counts[i], x, g, parts[0])
            elif kind == "adam":
                ad_step_adam(&adam, size, counts[i], x, g, parts[0], parts[1], parts[2])
            elif kind == "rmsprop":
                ad_step_rmsprop(&rmsprop, size, x, g, parts[0], parts[1], parts[2])
            else:
                ad_step_adagrad(&adagrad, size, counts[i], x, g, parts[0])
            if t.array == NULL:
                take(param, x_inline)
            else:
                ad_array_changed(tape, t.array)
                if t.leaf != NULL:
                    ad_leaf_changed(t.leaf)
        for k in range(3):
            if parts[k] != NULL:
                parts[k] += size
