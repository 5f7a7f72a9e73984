"""What the tests of the machine share: recording, and three ways to run a program."""

import numpy as np

import autodiff as ad
from autodiff import _core


def record(function, *values):
    """The program of a function that returns a tensor or a list of them."""
    recording = _core.Recording()
    inputs = [recording.input(value) for value in values]
    recording.begin()
    try:
        made = function(*inputs)
        outputs = made if isinstance(made, (list, tuple)) else [made]
        return recording.finish([ad.as_tensor(output) for output in outputs])
    finally:
        recording.end()


def plain(values):
    """Floats and arrays of float64, as inputs are given."""
    arrays = [np.array(value, dtype=float, order="C") for value in values]
    return [a if a.ndim else float(a) for a in arrays]


def eagerly(program, values):
    """Outputs by the operations of tensors."""
    outputs, _ = program.evaluate(plain(values))
    return [np.asarray(ad.as_tensor(output).numpy(force=True)) for output in outputs]


def at_point(program, values):
    """Outputs by code, over one point."""
    outputs, guard, _ = _core.Code(program).run(plain(values))
    assert guard == -1
    return [np.asarray(output) for output in outputs]


def in_lanes(program, rows, n_lanes):
    """Outputs by code for each row (a list of inputs), in blocks of lanes."""
    inputs = [np.stack(column) for column in zip(*map(plain, rows), strict=True)]
    outputs = [np.full((len(rows), *shape), -7.0) for shape in program.output_shapes]
    job = _core.RowsJob(
        _core.Code(program),
        [np.ascontiguousarray(column) for column in inputs],
        [False] * len(inputs),
        outputs,
        [False] * len(outputs),
        len(rows),
        None,
        n_lanes,
    )
    job.run(0, job.n_blocks)
    return [list(row) for row in zip(*outputs, strict=True)]


def assert_same_bits(found, expected):
    """Equal shapes and bits, but for what a NaN carries."""
    for x, y in zip(found, expected, strict=True):
        assert x.shape == y.shape
        np.testing.assert_array_equal(x, y)
        np.testing.assert_array_equal(np.signbit(x[x == 0]), np.signbit(y[y == 0]))


def assert_close(found, expected, rtol=1e-12):
    """Equal up to what SIMD functions may round otherwise."""
    for x, y in zip(found, expected, strict=True):
        np.testing.assert_allclose(x, y, rtol=rtol, atol=1e-300)
