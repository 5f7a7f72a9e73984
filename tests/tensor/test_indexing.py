"""Indexing and elements by position: NumPy's values, gradients, and assignment."""

import numpy as np
import pytest
from tensor.checks import assert_values, check_gradients

import autodiff as ad

X = np.linspace(-1.3, 2.1, 24).reshape(2, 3, 4) ** 3 + 0.1
M, V = X[0], X[0, 0]
S = np.array(0.7)
EMPTY = np.zeros((0, 3))

KEYS = {
    "an integer": 1,
    "a negative integer": -1,
    "a NumPy integer": np.int64(1),
    "all integers": (1, 2, -1),
    "a slice": slice(1, None),
    "slices with steps": (slice(None), slice(None, None, 2), slice(3, 0, -1)),
    "an empty slice": (slice(None), slice(5, None)),
    "an ellipsis": (..., 0),
    "an ellipsis inside": (0, ..., slice(1, 3)),
    "None": (slice(None), None, 1),
    "nothing": (),
    "an integer array": np.array([1, 0, 1]),
    "a list": [1, 0],
    "a two-axis array": np.array([[1, 0], [0, 0]]),
    "arrays side by side": ([0, 1], [2, 0]),
    "arrays apart": ([0, 1], slice(None), [2, 0]),
    "arrays that broadcast": (slice(None), [[0], [2]], [1, 3]),
    "an array after an ellipsis": (..., [3, 3, 1]),
    "an empty list": [],
    "a boolean mask": X > 0.2,
    "a mask of an axis": np.array([False, True]),
    "a mask of two axes": X[..., 0] > 0,
    "a mask and a slice": (slice(None), np.array([True, False, True]), slice(1, 3)),
    "a mask and None": (None, X > 0.2),
    "an empty mask": np.zeros((2, 3, 4), bool),
    "True": True,
}


@pytest.mark.parametrize("name", KEYS)
def test_indexing_gives_the_elements_that_numpy_gives(name):
    assert_values(ad.tensor(X)[KEYS[name]], X[KEYS[name]])


@pytest.mark.parametrize("name", KEYS)
def test_indexing_has_right_first_and_second_derivatives(name):
    check_gradients(lambda x: x[KEYS[name]] ** 2, X)


@pytest.mark.parametrize("key", [(), ..., None, True], ids=str)
def test_a_scalar_may_be_indexed_without_naming_an_axis(key):
    check_gradients(lambda x: x[key] ** 2, S)
    assert_values(ad.tensor(S)[key], S[key])


def test_a_tensor_of_whole_numbers_is_an_index():
    assert_values(ad.tensor(V)[ad.tensor([2, 0])], V[[2, 0]])
    assert_values(ad.tensor(V)[ad.tensor(1)], V[1])


def test_an_integer_beside_an_array_is_taken_first_as_in_pytorch():
    assert ad.tensor(X)[0, :, [1, 2, 3]].shape == (3, 3)
    assert_values(ad.tensor(X)[0, :, [1, 2]], X[0][:, [1, 2]])


def test_an_index_that_comes_twice_adds_up_its_gradients():
    x = ad.tensor([1.0, 2.0], requires_grad=True)
    x[[0, 0, 1]].backward(ad.tensor([1.0, 10.0, 100.0]))
    assert x.grad.tolist() == [11.0, 100.0]


BAD_KEYS = {
    "out of range": (5, IndexError),
    "far below": ((0, -4), IndexError),
    "too many": ((0, 0, 0, 0), IndexError),
    "a float": (1.0, IndexError),
    "text": ("x", IndexError),
    "an array out of range": ([0, 9], IndexError),
    "a float array": ([0.5], IndexError),
    "a mask of another shape": ([True, False, True], IndexError),
    "two ellipses": ((..., ...), IndexError),
    "a dict": ({}, IndexError),
    "arrays that do not broadcast": (([0, 1], [0, 1, 2]), IndexError),
}


@pytest.mark.parametrize("name", BAD_KEYS)
def test_a_bad_index_is_an_index_error_and_the_tape_stays_usable(name):
    key, error = BAD_KEYS[name]
    x = ad.tensor(X, requires_grad=True)
    y = x * 2
    with pytest.raises(error):
        y[key]
    with pytest.raises(error):
        y[key] = 0.0
    y.sum().backward()
    assert_values(x.grad, np.full(X.shape, 2.0))


# ---- Assignment ----------------------------------------------------------------------


@pytest.mark.parametrize("name", KEYS)
def test_assignment_puts_a_number_where_numpy_does(name):
    x, a = ad.tensor(X), X.copy()
    x[KEYS[name]] = 9.0
    a[KEYS[name]] = 9.0
    assert_values(x, a)


@pytest.mark.parametrize("name", set(KEYS) - {"True"})
def test_assignment_has_right_first_and_second_derivatives(name):
    key = KEYS[name]
    value = np.linspace(0.5, 1.5, X[key].size).reshape(X[key].shape)

    def assign(x, v):
        y = x * 1.0
        y[key] = v
        return y**2

    check_gradients(assign, X, value)


def test_assignment_broadcasts_the_value():
    def assign(x, v):
        y = x * 1.0
        y[:, 1] = v
        return y**2

    check_gradients(assign, X, V)
    check_gradients(assign, X, S)
    check_gradients(assign, X, V.reshape(1, 1, 4))


def test_of_two_assignments_to_one_element_the_last_counts():
    v = ad.tensor([1.0, 2.0, 3.0], requires_grad=True)
    x = ad.zeros(2)
    x[[0, 1, 0]] = v
    assert x.tolist() == [3.0, 2.0]
    x.sum().backward()
    assert v.grad.tolist() == [0.0, 1.0, 1.0]


def test_assignment_to_a_leaf_that_requires_grad_is_an_error():
    x = ad.tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(RuntimeError, match="leaf"):
        x[0] = 3.0


def test_a_value_that_does_not_fit_is_an_error():
    with pytest.raises(ad.ShapeError):
        ad.zeros(2, 3)[0] = ad.ones(2)


# ---- By position ---------------------------------------------------------------------

AT = np.array([[2, 0], [1, 1], [3, 3]])
CASES = {
    "roll": (lambda x: x.roll(1), lambda a: np.roll(a, 1), M),
    "roll an axis": (lambda x: x.roll(5, -1), lambda a: np.roll(a, 5, -1), M),
    "roll axes": (
        lambda x: x.roll((1, -2), (0, 1)),
        lambda a: np.roll(a, (1, -2), (0, 1)),
        M,
    ),
    "roll of nothing": (lambda x: x.roll(1, 0), lambda a: a, EMPTY),
    "repeat": (lambda x: x.repeat(2, 1, 2), lambda a: np.tile(a, (2, 1, 2)), M),
    "repeat to nothing": (lambda x: x.repeat(0, 1), lambda a: a[:0], M),
    "repeat 0-d": (lambda x: x.repeat(3), lambda a: np.full(3, a), S),
    "tile": (lambda x: x.tile(2), lambda a: np.tile(a, 2), M),
    "repeat_interleave": (
        lambda x: x.repeat_interleave(2, 1),
        lambda a: a.repeat(2, 1),
        M,
    ),
    "repeat_interleave each": (
        lambda x: x.repeat_interleave([1, 0, 2], 0),
        lambda a: a.repeat([1, 0, 2], 0),
        M,
    ),
    "take": (
        lambda x: x.take([[5, 0], [-1, 5]]),
        lambda a: a.take([[5, 0], [-1, 5]]),
        M,
    ),
    "take along an axis": (
        lambda x: x.take([1, 1], -1),
        lambda a: a.take([1, 1], -1),
        M,
    ),
    "index_select": (lambda x: x.index_select(1, [3, 0]), lambda a: a[:, [3, 0]], M),
    "gather": (lambda x: x.gather(1, AT), lambda a: np.take_along_axis(a, AT, 1), M),
    "gather fewer lines": (
        lambda x: x.gather(1, AT[:1]),
        lambda a: np.take_along_axis(a[:1], AT[:1], 1),
        M,
    ),
    "take_along_dim": (
        lambda x: x.take_along_dim(AT, -1),
        lambda a: np.take_along_axis(a, AT, -1),
        M,
    ),
    "masked_select": (lambda x: x.masked_select(M > 0), lambda a: a[M > 0], M),
    "masked_fill": (
        lambda x: x.masked_fill(M > 0, 2.0),
        lambda a: np.where(M > 0, 2.0, a),
        M,
    ),
    "diag of a vector": (ad.diag, np.diag, V),
    "diag above": (lambda x: x.diag(2), lambda a: np.diag(a, 2), V),
    "diag below": (lambda x: x.diag(-1), lambda a: np.diag(a, -1), V),
    "diag of a matrix": (lambda x: x.diag(1), lambda a: np.diag(a, 1), M),
    "diag of nothing": (ad.diag, np.diag, np.zeros(0)),
    "triu": (lambda x: x.triu(1), lambda a: np.triu(a, 1), X),
    "tril": (lambda x: x.tril(-1), lambda a: np.tril(a, -1), X),
    "triu of nothing": (ad.triu, np.triu, EMPTY),
    "pad": (
        lambda x: ad.pad(x, (1, 2, 0, 1), value=2.5),
        lambda a: np.pad(a, ((0, 1), (1, 2)), constant_values=2.5),
        M,
    ),
    "pad by less than nothing": (lambda x: ad.pad(x, (-1, 1)), None, M),
    "pad reflect": (
        lambda x: ad.pad(x, (2, 1), "reflect"),
        lambda a: np.pad(a, ((0, 0), (2, 1)), "reflect"),
        M,
    ),
    "pad replicate": (
        lambda x: ad.pad(x, (2, 1), "replicate"),
        lambda a: np.pad(a, ((0, 0), (2, 1)), "edge"),
        M,
    ),
    "pad circular": (
        lambda x: ad.pad(x, (2, 1), mode="circular"),
        lambda a: np.pad(a, ((0, 0), (2, 1)), "wrap"),
        M,
    ),
}


@pytest.mark.parametrize("name", set(CASES) - {"pad by less than nothing"})
def test_values_are_those_of_numpy(name):
    ours, numpys, a = CASES[name]
    assert_values(ours(ad.tensor(a)), numpys(a))


def test_a_negative_width_of_padding_cuts():
    assert_values(ad.pad(ad.tensor(V), (-1, 1)), [*V[1:], 0.0])


@pytest.mark.parametrize("name", CASES)
def test_first_and_second_derivatives_agree_with_differences(name):
    ours, _, a = CASES[name]
    check_gradients(lambda x: ours(x) ** 2, a)


BAD = {
    "gather out of range": (lambda x: x.gather(1, AT + 9), IndexError),
    "gather below": (lambda x: x.gather(1, AT - 9), IndexError),
    "gather by fewer axes": (lambda x: x.gather(1, [0, 1]), ad.ShapeError),
    "take out of range": (lambda x: x.take([99]), IndexError),
    "index_select by a matrix": (lambda x: x.index_select(0, AT), IndexError),
    "index_select from the end": (lambda x: x.index_select(0, [-1]), IndexError),
    "roll beyond": (lambda x: x.roll(1, 5), IndexError),
    "repeat too few": (lambda x: x.repeat(2), ad.ShapeError),
    "repeat less than never": (lambda x: x.repeat(-1, 1), ad.ShapeError),
    "diag of three axes": (lambda x: ad.diag(x.unsqueeze(0)), ad.ShapeError),
    "triu of a vector": (lambda x: x[0].triu(), ad.ShapeError),
    "pad in odd number": (lambda x: ad.pad(x, (1, 2, 3)), ad.ShapeError),
    "pad of too many axes": (lambda x: ad.pad(x, (1,) * 6), ad.ShapeError),
    "pad of another kind": (lambda x: ad.pad(x, (1, 1), "mirror"), ValueError),
}


@pytest.mark.parametrize("name", BAD)
def test_what_does_not_fit_is_an_error_and_the_tape_stays_usable(name):
    function, error = BAD[name]
    x = ad.tensor(M, requires_grad=True)
    y = x * 2
    with pytest.raises(error):
        function(y)
    y.sum().backward()
    assert_values(x.grad, np.full(M.shape, 2.0))
