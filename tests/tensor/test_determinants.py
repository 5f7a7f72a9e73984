"""Derivatives of determinants: polynomials, at singular matrices as anywhere."""

import numpy as np
import pytest

import autodiff as ad
from autodiff import linalg, vmap


def leibniz(a):
    """The determinant as the polynomial that it is."""
    if a.shape[0] == 1:
        return a[0, 0]
    rest = list(range(a.shape[0]))
    minors = [leibniz(a[1:, [j for j in rest if j != k]]) for k in rest]
    return sum((-1) ** k * a[0, k] * m for k, m in zip(rest, minors, strict=True))


@pytest.mark.parametrize(
    ("n", "rank"),
    [(2, 0), (2, 1), (3, 0), (3, 1), (3, 2), (3, 3), (4, 1), (4, 2), (4, 3), (5, 3)],
)
def test_derivatives_of_singular_determinants_are_those_of_the_polynomial(n, rank, rng):
    x = rng.standard_normal((n, rank)) @ rng.standard_normal((rank, n))
    exact, f = ad.compile(leibniz), ad.compile(linalg.det)
    wanted = exact.hessian(x)
    for found in (f.hessian(x), ad.hessian(linalg.det)(x)):
        np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(f.grad(x), exact.grad(x), rtol=1e-11, atol=1e-12)
    rows = vmap(ad.hessian(linalg.det))(np.stack([x, np.eye(n), x]))
    np.testing.assert_allclose(rows[2], wanted, rtol=1e-12, atol=1e-13)
    v = rng.standard_normal((n, n))

    def third(f):
        return ad.grad(lambda x: (ad.hvp(f)(x, v) * v).sum())(x)

    np.testing.assert_allclose(
        third(linalg.det), third(leibniz), rtol=1e-11, atol=1e-12
    )


def test_a_batch_of_determinants_has_second_derivatives(rng):
    x = rng.standard_normal((2, 2, 4, 4))
    x[0, 1] = 0
    assert ad.testing.gradgradcheck(linalg.det, ad.tensor(x, requires_grad=True))


@pytest.mark.parametrize("rank", [5, 6])
def test_second_derivatives_of_a_large_singular_determinant_are_nan(rank, rng):
    x = rng.standard_normal((7, rank)) @ rng.standard_normal((rank, 7))
    assert np.isnan(ad.hvp(linalg.det)(x, np.ones((7, 7)))).all()


def test_second_derivatives_of_a_large_determinant_are_right(rng):
    x = ad.tensor(rng.standard_normal((7, 7)), requires_grad=True)
    assert ad.testing.gradgradcheck(linalg.det, x)
