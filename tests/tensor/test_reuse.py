"""What a sweep overwrites is its own: nobody who holds an adjoint sees it change.

A product takes the place of the adjoint it came from when nobody else has it, and is
added to what waits already. These are the cases in which somebody does have it.
"""

import numpy as np
import pytest

import autodiff as ad

X = np.array([0.5, -1.25, 2.0])


@pytest.fixture
def x():
    return ad.tensor(X, requires_grad=True)


def test_a_seed_keeps_its_values(x):
    seed = ad.tensor([1.0, 2.0, 3.0])
    (ad.exp(x) * 2.0).backward(seed)
    assert seed.tolist() == [1.0, 2.0, 3.0]
    np.testing.assert_allclose(x.grad.numpy(), 2.0 * np.exp(X) * seed.numpy())


def test_a_seed_that_goes_straight_to_a_leaf_is_not_shared_with_it(x):
    seed = ad.tensor([1.0, 2.0, 3.0])
    (x + 1.0).backward(seed)
    x.grad.mul_(5.0)
    assert seed.tolist() == [1.0, 2.0, 3.0]


def test_a_hook_may_keep_what_it_saw(x):
    seen = []
    y = x * 3.0
    y.register_hook(seen.append)
    ad.sin(y).sum().backward()
    np.testing.assert_allclose(seen[0].numpy(), np.cos(3.0 * X))
    np.testing.assert_allclose(x.grad.numpy(), 3.0 * np.cos(3.0 * X))


def test_a_retained_gradient_is_not_overwritten_further_down(x):
    y = x * x
    y.retain_grad()
    ad.exp(y).sum().backward()
    np.testing.assert_allclose(y.grad.numpy(), np.exp(X * X))
    np.testing.assert_allclose(x.grad.numpy(), 2.0 * X * np.exp(X * X))


def test_operands_that_share_an_adjoint_do_not_see_each_other(x):
    u, v = ad.sin(x), ad.cos(x)
    w = u + v  # hands the same adjoint to both
    (w * w).sum().backward()
    w_bar = 2.0 * (np.sin(X) + np.cos(X))
    np.testing.assert_allclose(x.grad.numpy(), w_bar * (np.cos(X) - np.sin(X)))


def test_one_operand_twice(x):
    for y, expected in [(x + x, 2.0 + 0.0 * X), (x - x, 0.0 * X), (x * x, 2.0 * X)]:
        x.grad = None
        y.sum().backward()
        np.testing.assert_allclose(x.grad.numpy(), expected)


def test_a_kept_graph_sweeps_twice_alike(x):
    y = (ad.tanh(x * 1.5) / (x * x + 1.0)).sum()
    y.backward(retain_graph=True)
    first = x.grad.numpy().copy()
    x.grad = None
    y.backward()
    assert np.array_equal(first, x.grad.numpy())


def test_a_square_by_power_is_a_square(x):
    (x**2).sum().backward()
    assert np.array_equal((x**2).detach().numpy(), X * X)
    assert np.array_equal(x.grad.numpy(), 2.0 * X)


@pytest.mark.parametrize("size", [1, 16, 511, 512, 513, 1025])
def test_sums_of_products_across_blocks(size):
    values = np.linspace(-2.0, 2.0, size)
    x = ad.tensor(values, requires_grad=True)
    (ad.exp(x) * x + 3.0 / (x + 5.0) - 2.0 * x).sum().backward()
    expected = np.exp(values) * (1.0 + values) - 3.0 / (values + 5.0) ** 2 - 2.0
    np.testing.assert_allclose(x.grad.numpy(), expected, rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("batch", [(), (2,)])
@pytest.mark.parametrize(
    ("m", "k", "n"),
    [(1, 1, 1), (3, 4, 5), (9, 1, 17), (16, 300, 1), (1, 16, 24), (140, 130, 150)],
)
def test_products_and_their_transposes_of_any_size(m, k, n, batch):
    rng = np.random.default_rng(0)
    left, right = rng.normal(size=(*batch, m, k)), rng.normal(size=(k, n))
    seed = rng.normal(size=(*batch, m, n))
    x, y = (ad.tensor(v, requires_grad=True) for v in (left, right))
    z = x @ y
    z.backward(ad.tensor(seed))
    np.testing.assert_allclose(z.detach().numpy(), left @ right, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(x.grad.numpy(), seed @ right.T, rtol=1e-12, atol=1e-12)
    expected = left.reshape(-1, k).T @ seed.reshape(-1, n)
    np.testing.assert_allclose(y.grad.numpy(), expected, rtol=1e-12, atol=1e-12)
