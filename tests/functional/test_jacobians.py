"""jacobian and hessian: blocks, modes, structures, orders."""

import numpy as np
import pytest

import autodiff as ad

MODES = ["forward", "reverse", None]
each_mode = pytest.mark.parametrize("mode", MODES)
X = np.array([1.0, 2.0, -0.5])


@each_mode
def test_a_jacobian_of_a_vector(mode):
    found = ad.jacobian(lambda x: ad.stack([x[0] * x[1], x[2] ** 2]), mode=mode)(X)
    np.testing.assert_array_equal(found, [[2.0, 1.0, 0.0], [0.0, 0.0, -1.0]])


@each_mode
def test_shapes_are_those_of_the_result_then_the_argument(mode):
    a = np.arange(6.0).reshape(2, 3)
    found = ad.jacobian(lambda x: (x[:, :2] * 2).T, mode=mode)(a)
    assert found.shape == (2, 2, 2, 3)
    assert found[1, 0, 0, 1] == 2.0
    assert found.sum() == 8.0


@each_mode
def test_numbers_in_and_out_are_floats_or_vectors(mode):
    assert ad.jacobian(lambda x: x * x, mode=mode)(3.0) == 6.0
    np.testing.assert_array_equal(
        ad.jacobian(lambda t: ad.stack([t, t * t]), mode=mode)(3.0), [1.0, 6.0]
    )
    np.testing.assert_array_equal(
        ad.jacobian(lambda x: x.sum(), mode=mode)(X), [1.0, 1.0, 1.0]
    )


@each_mode
def test_structures_nest_the_argument_in_the_result(mode):
    found = ad.jacobian(lambda p: [p["a"] * p["b"], {"s": p["b"].sum()}], mode=mode)(
        {"a": 2.0, "b": np.array([1.0, 3.0])}
    )
    np.testing.assert_array_equal(found[0]["a"], [1.0, 3.0])
    np.testing.assert_array_equal(found[0]["b"], 2.0 * np.eye(2))
    assert found[1]["s"]["a"] == 0.0
    np.testing.assert_array_equal(found[1]["s"]["b"], [1.0, 1.0])


@each_mode
def test_argnums_and_aux(mode):
    f = lambda x, y: (x * y, "aux")  # noqa: E731
    found, aux = ad.jacobian(f, (0, 1), True, mode=mode)(X, 2.0)
    np.testing.assert_array_equal(found[0], 2.0 * np.eye(3))
    np.testing.assert_array_equal(found[1], X)
    assert aux == "aux"


@each_mode
def test_a_jacobian_is_differentiable(mode):
    f = ad.jacobian(ad.jacobian(ad.jacobian(lambda x: x**4, mode=mode)), mode=mode)
    found = f(np.array([2.0, 3.0]))
    assert found.shape == (2, 2, 2, 2)
    assert found[0, 0, 0, 0] == 48.0
    assert found[1, 1, 1, 1] == 72.0
    assert found.sum() == 120.0


@each_mode
def test_a_jacobian_inside_a_gradient(mode):
    trace = lambda x: ad.jacobian(lambda y: y**3, mode=mode)(x).trace()  # noqa: E731
    np.testing.assert_array_equal(ad.grad(trace)(X), 6.0 * X)


@each_mode
@pytest.mark.parametrize("shape", [(0,), (2, 0)])
def test_empty_arrays(mode, shape):
    x = np.zeros(shape)
    assert ad.jacobian(lambda x: x * 2, mode=mode)(x).shape == shape + shape
    assert ad.jacobian(lambda x: x.sum(), mode=mode)(x).shape == shape
    assert ad.jacobian(lambda t: ad.ones(*shape) * t, mode=mode)(1.0).shape == shape
    assert ad.grad(lambda x: x.sum())(x).shape == shape
    inner = lambda x: ad.jacobian(lambda y: y * y, mode=mode)(x).sum()  # noqa: E731
    assert ad.grad(inner)(x).shape == shape


@each_mode
def test_a_hessian(mode):
    found = ad.hessian(lambda x: x[0] ** 2 * x[1] + x[2] ** 3, mode=mode)(X)
    np.testing.assert_array_equal(found, [[4.0, 2.0, 0.0], [2.0, 0.0, 0.0], [0, 0, -3]])


@each_mode
def test_a_hessian_of_several_arguments_is_a_tuple_of_tuples(mode):
    found = ad.hessian(lambda x, y: x**2 * y**3, (0, 1), mode=mode)(2.0, 3.0)
    assert found == ((54.0, 108.0), (108.0, 72.0))


def test_a_hessian_with_aux():
    found, aux = ad.hessian(lambda x: (x**3, x * 2), has_aux=True)(2.0)
    assert (found, aux) == (12.0, 4.0)


def test_the_third_derivative_of_the_determinant_free_cubic():
    f = ad.jacobian(ad.hessian(lambda x: x[0] * x[1] * x[2]))
    found = f(X)
    expected = np.zeros((3, 3, 3))
    for i, j, k in [(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)]:
        expected[i, j, k] = 1.0
    np.testing.assert_array_equal(found, expected)


def test_results_share_no_memory():
    a, b = ad.grad(lambda x, y: (x + y).sum(), (0, 1))(np.ones(2), np.ones(2))
    a += 1.0
    np.testing.assert_array_equal(b, [1.0, 1.0])
