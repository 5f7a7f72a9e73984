"""Products: NumPy's values, gradients of two orders, and clear errors."""

import numpy as np
import pytest
from tensor.checks import check_gradients

import autodiff as ad

RNG = np.random.default_rng(7)
V, W = RNG.standard_normal((2, 4))
A = RNG.standard_normal((2, 3))
B = RNG.standard_normal((3, 4))
C = RNG.standard_normal((3, 3))
U = RNG.standard_normal((2, 3, 4))
S = np.array(0.7)
ONE = np.array([1.5])

PRODUCTS = {
    "vector by vector": (ad.matmul, np.matmul, V, W),
    "matrix by matrix": (ad.matmul, np.matmul, A, B),
    "matrix by vector": (ad.matmul, np.matmul, B, V),
    "vector by matrix": (ad.matmul, np.matmul, C[0], B),
    "batch by batch": (ad.matmul, np.matmul, U, U.swapaxes(1, 2)),
    "batch by matrix": (ad.matmul, np.matmul, U, B.T),
    "matrix by batch": (ad.matmul, np.matmul, A, U),
    "batch by vector": (ad.matmul, np.matmul, U, V),
    "vector by batch": (ad.matmul, np.matmul, C[0], U),
    "batches that broadcast": (ad.matmul, np.matmul, U[:, None], B.T[None]),
    "over nothing": (ad.matmul, np.matmul, np.zeros((2, 0)), np.zeros((0, 3))),
    "no rows": (ad.matmul, np.matmul, np.zeros((0, 3)), B),
    "one element": (ad.matmul, np.matmul, ONE, ONE),
    "the operator": (lambda x, y: x @ y, np.matmul, A, B),
    "a transposed operand": (lambda x, y: x.T @ y, lambda a, b: a.T @ b, A, A),
    "mm": (ad.mm, np.matmul, A, B),
    "mv": (ad.mv, np.matmul, B, V),
    "bmm": (ad.bmm, np.matmul, U, U.swapaxes(1, 2)),
    "dot of vectors": (ad.dot, np.dot, V, W),
    "dot with a scalar": (ad.dot, np.dot, S, V),
    "dot of matrices": (ad.dot, np.dot, A, B),
    "dot with a batch": (ad.dot, np.dot, A, U),
    "vdot": (ad.vdot, np.vdot, A, A + 1),
    "inner of vectors": (ad.inner, np.inner, V, W),
    "inner of matrices": (ad.inner, np.inner, A, C),
    "outer": (ad.outer, np.outer, V, ONE),
    "outer of nothing": (ad.outer, np.outer, np.zeros(0), V),
    "tensordot by number": (
        lambda x, y: ad.tensordot(x, y, 1),
        lambda a, b: np.tensordot(a, b, 1),
        A,
        B,
    ),
    "tensordot by axes": (
        lambda x, y: ad.tensordot(x, y, ([0, -1], [0, 2])),
        lambda a, b: np.tensordot(a, b, ([0, -1], [0, 2])),
        U,
        U + 1,
    ),
    "tensordot of no axes": (
        lambda x, y: ad.tensordot(x, y, 0),
        lambda a, b: np.tensordot(a, b, 0),
        A,
        V,
    ),
}


@pytest.mark.parametrize("name", PRODUCTS)
def test_values_are_those_of_numpy(name):
    ours, numpys, a, b = PRODUCTS[name]
    found, expected = ours(ad.tensor(a), ad.tensor(b)), numpys(a, b)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("name", PRODUCTS)
def test_first_and_second_derivatives_agree_with_differences(name):
    ours, _, a, b = PRODUCTS[name]
    check_gradients(lambda x, y: ours(x, y) ** 2, a, b)


@pytest.mark.parametrize(
    "name", ["matrix by matrix", "batch by batch", "dot of vectors"]
)
def test_one_operand_may_be_a_plain_array(name):
    ours, _, a, b = PRODUCTS[name]
    check_gradients(lambda x: ours(x, b), a)
    check_gradients(lambda y: ours(ad.tensor(a), y), b)


EINSUMS = {
    "matrix product": ("ij,jk->ik", A, B),
    "no arrow": ("ij,jk", A, B),
    "spaces": ("i j, j k -> i k", A, B),
    "transpose": ("ij->ji", A),
    "sum": ("ij->", A),
    "sum over one": ("ij->j", A),
    "diagonal": ("ii->i", C),
    "trace": ("ii", C),
    "trace of pairs": ("iji->j", np.stack([C, C * 2, C + 1])),
    "dot": ("i,i", V, W),
    "outer": ("i,j->ij", V, W),
    "elementwise": ("ij,ij->ij", A, A + 1),
    "one summed alone": ("ij,jk->k", A, B),
    "batch": ("bij,bkj->bik", U, U + 1),
    "three": ("ij,jk,kl->il", A, B, B.T),
    "three that share": ("i,i,i->", V, W, V + W),
    "dots": ("...ij,...jk->...ik", U, U.swapaxes(1, 2)),
    "dots that broadcast": ("...i,i->...", U, V),
    "scalar": (",i->i", S, V),
    "alone": ("", S),
    "extent 1 that broadcasts": ("i,i->i", V, ONE),
    "extent 1 first": ("i,i->", ONE, V),
    "extent 1 on both": ("ij,ij->ij", A[:, :1], A[:1]),
    "diagonal in a product": ("ii,ij->j", C, C + 1),
    "over nothing": ("ij,jk->ik", np.zeros((2, 0)), np.zeros((0, 3))),
    "order of the result": ("ab,cd->dbca", A, B),
}


@pytest.mark.parametrize("name", EINSUMS)
def test_einsum_gives_what_numpy_gives(name):
    equation, *operands = EINSUMS[name]
    found, expected = ad.einsum(equation, *operands), np.einsum(equation, *operands)
    assert found.shape == np.shape(expected)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("name", EINSUMS)
def test_einsum_has_right_first_and_second_derivatives(name):
    equation, *operands = EINSUMS[name]
    check_gradients(lambda *xs: ad.einsum(equation, *xs) ** 2, *operands)


def test_einsum_of_one_tensor_twice_adds_up_both_gradients():
    x = ad.tensor(V, requires_grad=True)
    ad.einsum("i,i", x, x).backward()
    np.testing.assert_allclose(x.grad.numpy(), 2 * V, rtol=1e-15)


def test_einsum_takes_its_operands_in_a_list_too():
    assert ad.einsum("ij,jk", [A, B]).shape == (2, 4)


BAD = {
    "inner extents": (lambda: ad.matmul(A, A), ad.ShapeError),
    "batches": (lambda: ad.matmul(U, np.zeros((3, 4, 2))), ad.ShapeError),
    "a scalar": (lambda: ad.matmul(S, A), ad.ShapeError),
    "vectors of two lengths": (lambda: ad.dot(V, W[:3]), ad.ShapeError),
    "mm of vectors": (lambda: ad.mm(V, W), ad.ShapeError),
    "mv of matrices": (lambda: ad.mv(C, C), ad.ShapeError),
    "bmm of matrices": (lambda: ad.bmm(A, B), ad.ShapeError),
    "bmm of unlike batches": (lambda: ad.bmm(U, U.swapaxes(1, 2)[:1]), ad.ShapeError),
    "outer of matrices": (lambda: ad.outer(A, V), ad.ShapeError),
    "trace of a vector": (lambda: ad.trace(V), ad.ShapeError),
    "tensordot of unlike extents": (lambda: ad.tensordot(A, A, 1), ad.ShapeError),
    "too few letters": (lambda: ad.einsum("i", A), ad.ShapeError),
    "too few operands": (lambda: ad.einsum("ij,jk", A), ad.ShapeError),
    "unlike extents": (lambda: ad.einsum("ij,jk", A, A), ad.ShapeError),
    "no square to take a diagonal of": (lambda: ad.einsum("ii", A), ad.ShapeError),
    "an unknown letter after": (lambda: ad.einsum("ij->k", A), ad.ShapeError),
    "a letter twice after": (lambda: ad.einsum("ij->ii", A), ad.ShapeError),
    "no letters": (lambda: ad.einsum("ij;k", A), ad.ShapeError),
    "text": (lambda: ad.matmul("x", A), TypeError),
}


@pytest.mark.parametrize("name", BAD)
def test_what_does_not_fit_is_an_error(name):
    function, error = BAD[name]
    with pytest.raises(error):
        function()


def test_trace_has_the_identity_as_gradient():
    x = ad.tensor(C, requires_grad=True)
    ad.trace(x).backward()
    assert x.grad.tolist() == np.eye(3).tolist()
