"""Shapes, views, joins and splits: NumPy's values, and gradients of two orders."""

import numpy as np
import pytest
from tensor.checks import assert_values, check_gradients

import autodiff as ad

X = np.linspace(-1.3, 2.1, 24).reshape(2, 3, 4) ** 3 + 0.1
M = X[0]
V = X[0, 0]
S = np.array(0.7)
ONE = np.array([1.5])
EMPTY = np.zeros((0, 3))

CASES = {
    "reshape": (lambda x: ad.reshape(x, (6, 4)), lambda a: a.reshape(6, 4), X),
    "reshape with -1": (lambda x: x.reshape(4, -1), lambda a: a.reshape(4, -1), X),
    "reshape 0-d": (lambda x: x.reshape(1, 1), lambda a: a.reshape(1, 1), S),
    "reshape to 0-d": (lambda x: x.reshape(()), lambda a: a.reshape(()), ONE),
    "reshape empty": (lambda x: x.reshape(3, 0), lambda a: a.reshape(3, 0), EMPTY),
    "view": (lambda x: x.view(-1), lambda a: a.reshape(-1), X),
    "flatten": (lambda x: x.flatten(1), lambda a: a.reshape(2, 12), X),
    "flatten 0-d": (lambda x: x.flatten(), lambda a: a.reshape(1), S),
    "unflatten": (
        lambda x: x.unflatten(-1, (2, -1)),
        lambda a: a.reshape(2, 3, 2, 2),
        X,
    ),
    "ravel": (ad.ravel, np.ravel, X),
    "squeeze": (lambda x: x.unsqueeze(1).squeeze(), lambda a: a, M),
    "squeeze one axis": (lambda x: x.squeeze(0), lambda a: a[0], X[:1]),
    "squeeze no axis": (lambda x: x.squeeze(0), lambda a: a, M),
    "unsqueeze": (lambda x: x.unsqueeze(-1), lambda a: a[..., None], M),
    "unsqueeze 0-d": (lambda x: x.unsqueeze(0), lambda a: a[None], S),
    "expand": (
        lambda x: x.expand(4, -1, 2),
        lambda a: np.broadcast_to(a, (4, 3, 2)),
        X[0, :, :1],
    ),
    "expand 0-d": (lambda x: x.expand(2, 3), lambda a: np.full((2, 3), a), S),
    "expand to nothing": (lambda x: x.expand(0), lambda a: np.zeros(0), ONE),
    "broadcast_to": (
        lambda x: ad.broadcast_to(x, (2, 4)),
        lambda a: np.broadcast_to(a, (2, 4)),
        V,
    ),
    "permute": (lambda x: x.permute(2, 0, 1), lambda a: a.transpose(2, 0, 1), X),
    "permute negative": (
        lambda x: x.permute(-1, 0, -2),
        lambda a: a.transpose(2, 0, 1),
        X,
    ),
    "transpose two": (lambda x: x.transpose(0, -1), lambda a: a.swapaxes(0, 2), X),
    "transpose all": (lambda x: x.transpose(), lambda a: a.T, X),
    "T": (lambda x: x.T, lambda a: a.T, M),
    "mT": (lambda x: x.mT, lambda a: a.swapaxes(-1, -2), X),
    "t": (lambda x: x.t(), lambda a: a.T, M),
    "swapaxes": (lambda x: ad.swapaxes(x, 0, 1), lambda a: a.swapaxes(0, 1), X),
    "swapaxes 0-d": (lambda x: ad.swapaxes(x, 0, -1), lambda a: a, S),
    "movedim": (
        lambda x: ad.movedim(x, (0, 1), (2, 0)),
        lambda a: np.moveaxis(a, (0, 1), (2, 0)),
        X,
    ),
    "flip": (lambda x: x.flip(0, -1), lambda a: np.flip(a, (0, 2)), X),
    "flip all": (lambda x: x.flip(), np.flip, X),
    "flip 0-d": (lambda x: x.flip(), lambda a: a, S),
    "diagonal": (lambda x: x.diagonal(1, 1, 2), lambda a: a.diagonal(1, 1, 2), X),
    "diagonal beyond": (lambda x: x.diagonal(9), lambda a: a.diagonal(9), M),
    "narrow": (lambda x: x.narrow(2, -3, 2), lambda a: a[:, :, 1:3], X),
    "select": (lambda x: x.select(-1, 2), lambda a: a[..., 2], X),
    "unbind": (lambda x: ad.stack(x.unbind(1)), lambda a: np.moveaxis(a, 1, 0), X),
    "split": (lambda x: ad.cat(x.split(2, 1)[::-1], 1), lambda a: a[:, [2, 0, 1]], X),
    "split by sizes": (lambda x: x.split([1, 3], -1)[1], lambda a: a[..., 1:], X),
    "chunk": (lambda x: ad.chunk(x, 2, 2)[1], lambda a: a[..., 2:], X),
    "clone": (ad.clone, lambda a: a, X),
    "clone of empty": (ad.clone, lambda a: a, EMPTY),
    "transpose of empty": (lambda x: x.T, lambda a: a.T, EMPTY),
}


@pytest.mark.parametrize("name", CASES)
def test_values_are_those_of_numpy(name):
    ours, numpys, a = CASES[name]
    assert_values(ours(ad.tensor(a)), numpys(a))


@pytest.mark.parametrize("name", CASES)
def test_first_and_second_derivatives_agree_with_differences(name):
    ours, _, a = CASES[name]
    check_gradients(lambda x: ours(x) ** 2, a)


@pytest.mark.parametrize("name", CASES)
def test_a_non_contiguous_array_gives_the_same(name):
    ours, numpys, a = CASES[name]
    strided = np.repeat(a, 2, axis=-1)[..., ::2] if a.ndim else a
    assert_values(ours(ad.tensor(strided)), numpys(a))


JOINS = {
    "cat": (lambda x, y: ad.cat([x, y, x]), lambda a, b: np.concatenate([a, b, a])),
    "cat along 1": (
        lambda x, y: ad.cat([x, y], dim=1),
        lambda a, b: np.concatenate([a, b], 1),
    ),
    "cat along -1": (
        lambda x, y: ad.cat([x, y], -1),
        lambda a, b: np.concatenate([a, b], -1),
    ),
    "cat with an empty vector": (
        lambda x, y: ad.cat([ad.tensor([]), x, y]),
        lambda a, b: np.concatenate([a, b]),
    ),
    "stack": (lambda x, y: ad.stack([x, y]), lambda a, b: np.stack([a, b])),
    "stack last": (
        lambda x, y: ad.stack([x, y], -1),
        lambda a, b: np.stack([a, b], -1),
    ),
    "hstack": (lambda x, y: ad.hstack([x, y]), lambda a, b: np.hstack([a, b])),
    "vstack": (lambda x, y: ad.vstack([x, y]), lambda a, b: np.vstack([a, b])),
}


@pytest.mark.parametrize("name", JOINS)
def test_joined_values_are_those_of_numpy(name):
    ours, numpys = JOINS[name]
    assert_values(ours(ad.tensor(M), ad.tensor(X[1])), numpys(M, X[1]))


@pytest.mark.parametrize("name", JOINS)
def test_joins_have_right_first_and_second_derivatives(name):
    ours, _ = JOINS[name]
    check_gradients(lambda x, y: ours(x, y) ** 2, M, X[1])


def test_scalars_stack_to_a_vector():
    check_gradients(lambda x, y: ad.stack([x, y, x * y]) ** 2, S, np.array(-1.2))


BAD = {
    "another size": (lambda x: x.reshape(5, 5), ad.ShapeError),
    "two unknown extents": (lambda x: x.reshape(-1, -1), ad.ShapeError),
    "an extent that does not divide": (lambda x: x.reshape(-1, 5), ad.ShapeError),
    "an extent that is no integer": (lambda x: x.reshape(2.5), TypeError),
    "flatten backwards": (lambda x: x.flatten(2, 1), ad.ShapeError),
    "flatten beyond": (lambda x: x.flatten(0, 5), IndexError),
    "squeeze beyond": (lambda x: x.squeeze(3), IndexError),
    "unsqueeze beyond": (lambda x: x.unsqueeze(-5), IndexError),
    "an axis that is no integer": (lambda x: x.unsqueeze(0.5), TypeError),
    "an axis that is a bool": (lambda x: x.unsqueeze(True), TypeError),
    "expand an extent": (lambda x: x.expand(2, 3, 5), ad.ShapeError),
    "expand to fewer axes": (lambda x: x.expand(4), ad.ShapeError),
    "expand keeping what is not": (lambda x: x.expand(-1, 2, 3, 4), ad.ShapeError),
    "permute an axis twice": (lambda x: x.permute(0, 0, 1), ad.ShapeError),
    "permute too few": (lambda x: x.permute(1, 0), ad.ShapeError),
    "permute beyond": (lambda x: x.permute(0, 1, 3), IndexError),
    "flip an axis twice": (lambda x: x.flip(0, -3), ad.ShapeError),
    "t of three axes": (lambda x: x.t(), ad.ShapeError),
    "diagonal of one axis": (lambda x: x.diagonal(0, 1, 1), ad.ShapeError),
    "narrow beyond": (lambda x: x.narrow(1, 2, 2), ad.ShapeError),
    "narrow to less than nothing": (lambda x: x.narrow(1, 0, -1), ad.ShapeError),
    "select beyond": (lambda x: x.select(1, 3), IndexError),
    "split by 0": (lambda x: x.split(0), ad.ShapeError),
    "split to another sum": (lambda x: x.split([1, 2]), ad.ShapeError),
    "0 chunks": (lambda x: x.chunk(0), ad.ShapeError),
    "cat of other extents": (lambda x: ad.cat([x, x[:, :2]]), ad.ShapeError),
    "cat of another number of axes": (lambda x: ad.cat([x, x[0]]), ad.ShapeError),
    "cat of scalars": (lambda x: ad.cat([x[0, 0, 0], x]), ad.ShapeError),
    "cat of nothing": (lambda x: ad.cat([]), ValueError),
    "stack of nothing": (lambda x: ad.stack([]), RuntimeError),
    "stack of other shapes": (lambda x: ad.stack([x, x[0]]), ad.ShapeError),
    "movedim of other counts": (lambda x: x.movedim((0, 1), 2), ad.ShapeError),
}


@pytest.mark.parametrize("name", BAD)
def test_what_does_not_fit_is_an_error_and_the_tape_stays_usable(name):
    function, error = BAD[name]
    x = ad.tensor(X, requires_grad=True)
    y = x * 2
    with pytest.raises(error):
        function(y)
    y.sum().backward()
    assert_values(x.grad, np.full(X.shape, 2.0))


@pytest.mark.parametrize("keyword", ["input", "tensors"])
def test_pytorchs_keywords_are_understood(keyword):
    x = ad.tensor(M)
    if keyword == "input":
        assert ad.reshape(input=x, shape=(4, 3)).shape == (4, 3)
        assert ad.permute(input=x, dims=(1, 0)).shape == (4, 3)
        assert ad.flip(x, dims=(0,)).shape == (3, 4)
    else:
        assert ad.cat(tensors=[x, x], dim=1).shape == (3, 8)
        assert ad.stack(tensors=[x, x], dim=2).shape == (3, 4, 2)
