"""NumPy's functions and arrays beside tensors: right, or an error with a way out."""

import math
import warnings

import numpy as np
import pytest
from tensor.checks import assert_values, check_gradients

import autodiff as ad

RNG = np.random.default_rng(3)
V = np.array([0.5, 1.25, 2.0])
M = RNG.standard_normal((2, 3))
Q = RNG.standard_normal((3, 3))

FUNCTIONS = {
    "sum": lambda x: np.sum(x),
    "sum over an axis": lambda x: np.sum(x, axis=0),
    "sum over axes": lambda x: np.sum(x, axis=(0, 1), keepdims=True),
    "mean": lambda x: np.mean(x, axis=1, keepdims=True),
    "prod": lambda x: np.prod(x, axis=0),
    "max": lambda x: np.max(x, axis=0),
    "amin": lambda x: np.amin(x),
    "ptp": lambda x: np.ptp(x, axis=0),
    "var": lambda x: np.var(x, axis=0),
    "var by ddof": lambda x: np.var(x, ddof=1),
    "std": lambda x: np.std(x, axis=1, keepdims=True),
    "median of an even number": lambda x: np.median(x),
    "median over an axis": lambda x: np.median(x, axis=0),
    "median of an odd number": lambda x: np.median(x, axis=1, keepdims=True),
    "average": lambda x: np.average(x, axis=0),
    "average by weights": lambda x: np.average(x, axis=1, weights=[1.0, 2.0, 3.0]),
    "norm": lambda x: np.linalg.norm(x),
    "norm of rows": lambda x: np.linalg.norm(x, axis=1),
    "norm of rows of order 1": lambda x: np.linalg.norm(x, 1, axis=1),
    "cumsum": lambda x: np.cumsum(x),
    "cumsum along an axis": lambda x: np.cumsum(x, axis=0),
    "cumprod": lambda x: np.cumprod(x, axis=1),
    "diff": lambda x: np.diff(x),
    "second diff": lambda x: np.diff(x, n=2, axis=1),
    "sort": lambda x: np.sort(x),
    "sort flat": lambda x: np.sort(x, axis=None),
    "dot": lambda x: np.dot(x, Q),
    "dot from the left": lambda x: np.dot(Q, x.T),
    "inner": lambda x: np.inner(x, Q),
    "vdot": lambda x: np.vdot(x, M),
    "outer": lambda x: np.outer(x, V),
    "matmul": lambda x: np.matmul(x, Q),
    "tensordot": lambda x: np.tensordot(x, Q, axes=1),
    "einsum": lambda x: np.einsum("ij,jk->ik", x, Q),
    "einsum optimised": lambda x: np.einsum("ij,kj->ik", x, Q, optimize=True),
    "matrix norm of order 1": lambda x: np.linalg.norm(x, 1),
    "matrix norm of order 2": lambda x: np.linalg.norm(x, 2),
    "solve": lambda x: np.linalg.solve(Q, x.T),
    "solve for the matrix": lambda x: np.linalg.solve(x[:, :2], Q[0, :2]),
    "inv": lambda x: np.linalg.inv(x[:, :2]),
    "pinv": lambda x: np.linalg.pinv(x),
    "lstsq": lambda x: np.linalg.lstsq(x.T, V, rcond=None)[0],
    "det": lambda x: np.linalg.det(x[:, :2]),
    "slogdet": lambda x: np.linalg.slogdet(x[:, :2])[1],
    "cholesky": lambda x: np.linalg.cholesky(x @ x.T),
    "eigh": lambda x: np.linalg.eigh(x @ x.T)[0],
    "eigvalsh": lambda x: np.linalg.eigvalsh(x @ x.T, UPLO="U"),
    "svd": lambda x: np.linalg.svd(x, full_matrices=False)[0],
    "singular values": lambda x: np.linalg.svd(x, compute_uv=False),
    "multi_dot": lambda x: np.linalg.multi_dot([x, Q, Q]),
    "trace": lambda x: np.trace(x, offset=1),
    "concatenate": lambda x: np.concatenate([x, M]),
    "concatenate along": lambda x: np.concatenate((x, x), axis=1),
    "concatenate flat": lambda x: np.concatenate([x, Q], axis=None),
    "stack": lambda x: np.stack([x, M], axis=1),
    "hstack": lambda x: np.hstack([x, M]),
    "vstack": lambda x: np.vstack([V, x]),
    "column_stack": lambda x: np.column_stack([x, [1.0, 2.0]]),
    "split": lambda x: np.split(x, 3, axis=1)[1],
    "split at": lambda x: np.split(x, [1], axis=1)[1],
    "reshape": lambda x: np.reshape(x, (3, 2)),
    "reshape to -1": lambda x: np.reshape(x, -1),
    "ravel": lambda x: np.ravel(x),
    "squeeze": lambda x: np.squeeze(x[:1], axis=0),
    "expand_dims": lambda x: np.expand_dims(x, 1),
    "transpose": lambda x: np.transpose(x),
    "transpose by axes": lambda x: np.transpose(x, (1, 0)),
    "swapaxes": lambda x: np.swapaxes(x, 0, 1),
    "moveaxis": lambda x: np.moveaxis(x, 0, -1),
    "broadcast_to": lambda x: np.broadcast_to(x, (2, 2, 3)),
    "flip": lambda x: np.flip(x),
    "flip an axis": lambda x: np.flip(x, axis=1),
    "roll": lambda x: np.roll(x, 1),
    "roll an axis": lambda x: np.roll(x, 1, axis=1),
    "repeat": lambda x: np.repeat(x, 2, axis=0),
    "tile": lambda x: np.tile(x, 2),
    "tile by axes": lambda x: np.tile(x, (2, 1)),
    "take": lambda x: np.take(x, [0, 5]),
    "take along": lambda x: np.take(x, [0, 2], axis=1),
    "take_along_axis": lambda x: np.take_along_axis(x, np.array([[0], [2]]), axis=1),
    "diag": lambda x: np.diag(x, 1),
    "diagonal": lambda x: np.diagonal(x),
    "triu": lambda x: np.triu(x),
    "tril": lambda x: np.tril(x, -1),
    "pad": lambda x: np.pad(x, ((0, 1), (2, 0))),
    "pad by a number": lambda x: np.pad(x, 1, constant_values=2.0),
    "pad edge": lambda x: np.pad(x, 1, mode="edge"),
    "pad reflect": lambda x: np.pad(x, (1, 1), mode="reflect"),
    "pad wrap": lambda x: np.pad(x, 1, mode="wrap"),
    "where": lambda x: np.where(M > 0, x, 2.0 * x),
    "where by itself": lambda x: np.where(x > 0, x, 0.0),
    "clip": lambda x: np.clip(x, -0.3, 0.4),
    "clip below": lambda x: np.clip(x, 0.1, None),
    "round": lambda x: np.round(x, 1) + x,
    "around": lambda x: np.around(x) * x,
    "sinc": lambda x: np.sinc(x),
    "copy": lambda x: np.copy(x),
    "zeros_like": lambda x: np.zeros_like(x) + x,
    "full_like": lambda x: np.full_like(x, 2.0) * x,
    "add": lambda x: np.add(x, M),
    "subtract": lambda x: np.subtract(M, x),
    "multiply": lambda x: np.multiply(x, x),
    "divide": lambda x: np.divide(1.0, x),
    "power": lambda x: np.power(x, 2),
    "square": lambda x: np.square(x),
    "exp": lambda x: np.exp(x),
    "log1p": lambda x: np.log1p(np.square(x)),
    "sin": lambda x: np.sin(x),
    "arctan2": lambda x: np.arctan2(x, M + 1),
    "logaddexp": lambda x: np.logaddexp(x, M),
    "maximum": lambda x: np.maximum(x, 0.1),
    "absolute": lambda x: np.abs(x),
    "negative": lambda x: np.negative(x),
    "positive": lambda x: np.positive(x),
    "conjugate": lambda x: np.conj(x),
    "floor_divide": lambda x: np.floor_divide(x, 0.3) + x,
    "remainder": lambda x: np.remainder(x, 0.3),
    "add.reduce": lambda x: np.add.reduce(x),
    "add.reduce along": lambda x: np.add.reduce(x, axis=1),
    "multiply.reduce": lambda x: np.multiply.reduce(x, axis=None),
    "maximum.reduce": lambda x: np.maximum.reduce(x, keepdims=True),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_of_numpy_gives_a_tensor_with_numpys_values(name):
    function = FUNCTIONS[name]
    found, expected = function(ad.tensor(M, requires_grad=True)), function(M)
    assert isinstance(found, ad.Tensor)
    assert found.shape == np.shape(expected)
    # Elementary functions of two libraries, and sums in another order.
    np.testing.assert_allclose(found.detach().numpy(), expected, rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("name", set(FUNCTIONS) - {"std"})
def test_a_function_of_numpy_has_right_first_and_second_derivatives(name):
    check_gradients(lambda x: FUNCTIONS[name](x) ** 2, M)


def test_a_standard_deviation_by_numpy_has_the_right_gradient():
    check_gradients(lambda x: np.std(x, axis=1), M, tolerance=1e-6)


# ---- Operators -----------------------------------------------------------------------

OPERATORS = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "**": lambda a, b: a**b,
    "%": lambda a, b: a % b,
    "//": lambda a, b: a // b,
    "@": lambda a, b: a @ b,
}


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("sign", OPERATORS)
def test_an_array_stands_on_either_side_of_an_operator(sign, side):
    operator = OPERATORS[sign]
    other = np.array([1.6, 0.75, 2.5])

    def apply(x, y):
        return operator(y, x) if side == "left" else operator(x, y)

    found = apply(ad.tensor(V, requires_grad=True), other)
    assert isinstance(found, ad.Tensor)
    np.testing.assert_allclose(found.detach().numpy(), apply(V, other), rtol=1e-15)
    check_gradients(lambda x: apply(x, other) * 1.0, V)


@pytest.mark.parametrize(
    "number", [np.float64(1.5), np.float32(1.5), np.int64(2), np.array(1.5)], ids=repr
)
@pytest.mark.parametrize("sign", set(OPERATORS) - {"@"})
def test_a_numpy_number_stands_on_either_side_of_an_operator(sign, number):
    operator = OPERATORS[sign]
    for x in (ad.tensor(0.8, requires_grad=True), ad.tensor(V, requires_grad=True)):
        plain = x.detach().numpy()
        for found, expected in (
            (operator(x, number), operator(plain, float(number))),
            (operator(number, x), operator(float(number), plain)),
        ):
            assert isinstance(found, ad.Tensor)
            np.testing.assert_allclose(found.detach().numpy(), expected, rtol=1e-15)


@pytest.mark.parametrize(
    "array", [V, V.astype(">f8"), np.arange(3)], ids=lambda a: a.dtype.str
)
def test_an_array_of_any_real_type_may_be_an_operand(array):
    assert_values(ad.tensor(V) + array, V + array)
    assert_values(array + ad.tensor(V), V + array)


def test_comparisons_with_arrays_give_plain_arrays():
    x = ad.tensor(V, requires_grad=True)
    for found, expected in (
        (x < np.array([1.0, 1.0, 2.0]), [True, False, False]),
        (np.array([1.0, 1.0, 2.0]) <= x, [False, True, True]),
        (np.array([0.5, 1.0, 2.0]) == x, [True, False, True]),
        (np.isnan(x), [False, False, False]),
    ):
        assert isinstance(found, np.ndarray)
        assert found.tolist() == expected


def test_comparing_shapes_that_do_not_broadcast_is_a_shape_error():
    for compare in (
        lambda x: x < np.ones(2),
        lambda x: x == ad.ones(2),
        lambda x: ad.lt(x, [1, 2]),
    ):
        with pytest.raises(ad.ShapeError):
            compare(ad.tensor(V))


@pytest.mark.parametrize(
    "name", ["argmax", "argmin", "argsort", "any", "all", "count_nonzero"]
)
def test_a_function_of_values_only_gives_numpys_own_types(name):
    function = getattr(np, name)
    found, expected = function(ad.tensor(V, requires_grad=True)), function(V)
    assert type(found) is type(expected)
    np.testing.assert_array_equal(found, expected)


def test_an_array_cannot_take_a_tensor_in_place_and_the_message_says_what_to_write():
    a, x = V.copy(), ad.tensor(V, requires_grad=True)
    with pytest.raises(TypeError, match="x = x op y"):
        a += x
    assert a.tolist() == V.tolist()
    y = x * 1
    y += V
    y.sum().backward()
    assert x.grad.tolist() == [1.0, 1.0, 1.0]


# ---- What is not supported -----------------------------------------------------------

UNSUPPORTED = {
    "a function": lambda x: np.linalg.qr(x),
    "a Fourier transform": lambda x: np.fft.fft(x),
    "a ufunc": lambda x: np.heaviside(x, 1.0),
    "a ufunc of two results": lambda x: np.divmod(x, 2.0),
    "accumulate": lambda x: np.add.accumulate(x),
    "outer of a ufunc": lambda x: np.multiply.outer(x, x),
    "at": lambda x: np.add.at(x, [0], 1.0),
    "where of a ufunc": lambda x: np.add(x, 1.0, where=np.array([True, False, True])),
    "out of a function": lambda x: np.sum(x, out=np.zeros(())),
    "out of a ufunc": lambda x: np.exp(x, out=np.zeros(3)),
    "an option": lambda x: np.sum(x, initial=3.0),
    "where of a function": lambda x: np.sum(x, where=np.array([True, False, True])),
    "another order": lambda x: np.ravel(x, order="F"),
    "a mode": lambda x: np.take(x, [9], mode="clip"),
    "a cutoff": lambda x: np.linalg.lstsq(np.outer(x, x), x, rcond=0.1),
    "copying into an array": lambda x: np.copyto(np.zeros(3), x),
}


@pytest.mark.parametrize("name", UNSUPPORTED)
def test_what_is_not_supported_raises_and_the_tape_stays_usable(name):
    x = ad.tensor(V, requires_grad=True)
    y = x * 2
    with pytest.raises((TypeError, ad.ArgumentError), match=r"support|x = x op y"):
        UNSUPPORTED[name](y)
    y.sum().backward()
    assert x.grad.tolist() == [2.0, 2.0, 2.0]


@pytest.mark.parametrize("name", ["a function", "a ufunc", "an option"])
def test_the_message_names_an_alternative(name):
    with pytest.raises(TypeError, match=r"detach\(\)\.numpy\(\)"):
        UNSUPPORTED[name](ad.tensor(V))


# ---- No silent loss ------------------------------------------------------------------

LOSSES = {
    "float": float,
    "int": int,
    "complex": complex,
    "math.sin": math.sin,
    "math.floor": math.floor,
    "np.asarray": np.asarray,
    "np.asarray with a type": lambda x: np.asarray(x, dtype=float),
    "np.array": np.array,
    "np.array of a vector": lambda x: np.array(x * np.ones(2)),
    "np.array of vectors": lambda x: np.array([x * np.ones(2), x * np.ones(2)]),
    "np.mean of vectors": lambda x: np.mean([x * np.ones(2), x * np.ones(2)]),
    "ndarray.dot": lambda x: np.ones(2).dot(x * np.ones(2)),
    "percent formatting": lambda x: "%.2f" % x,  # noqa: UP031
    "an index": lambda x: [1, 2, 3][x],
}


@pytest.mark.parametrize("name", LOSSES)
def test_a_conversion_of_a_tracked_value_warns_at_the_users_line(name):
    x = ad.tensor(2.0, requires_grad=True)
    with pytest.warns(ad.GradientLossWarning, match="detach") as caught:
        LOSSES[name](x)
    assert {warning.filename for warning in caught} == {__file__}


@pytest.mark.parametrize("name", LOSSES)
def test_a_conversion_of_a_detached_value_is_silent(name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        LOSSES[name](ad.tensor(2.0, requires_grad=True).detach())


def test_the_explicit_ways_to_a_plain_value_are_silent():
    x = ad.tensor(2.0, requires_grad=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert x.item() == x.detach().numpy() == x.tolist() == float(x.detach()) == 2.0
        assert bool(x)
        assert f"{x:.1f}" == "2.0"


def test_numpy_of_a_tracked_tensor_is_an_error_as_in_pytorch():
    with pytest.raises(RuntimeError, match=r"detach\(\)"):
        ad.tensor(V, requires_grad=True).numpy()
    assert ad.tensor(V, requires_grad=True).numpy(force=True).tolist() == V.tolist()


def test_an_array_of_tracked_scalars_keeps_them_and_names_the_better_way():
    x, y = (ad.tensor(v, requires_grad=True) for v in (2.0, 3.0))
    with pytest.warns(ad.GradientLossWarning, match=r"autodiff\.tensor\(\[x, y\]\)"):
        a = np.array([x, y])
    assert a.dtype == object
    (np.exp(a) * a)[0].backward()
    assert x.grad.item() == pytest.approx(3 * math.exp(2.0))


def test_an_object_array_takes_tracked_tensors_without_loss():
    x = ad.tensor(V, requires_grad=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        a = np.array(x, dtype=object)
        a.sum().backward()
    assert x.grad.tolist() == [1.0, 1.0, 1.0]


def test_an_array_shares_memory_with_a_tensor_that_has_no_gradient():
    x = ad.tensor(V)
    np.asarray(x)[0] = 9.0
    assert x[0].item() == 9.0
    np.array(x)[1] = 9.0
    assert x[1].item() == V[1]
