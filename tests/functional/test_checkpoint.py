"""checkpoint: same derivatives, less memory."""

import numpy as np
import pytest

import autodiff as ad

X = np.array([0.3, -1.2])


def plain(x):
    return ad.sin(ad.exp(x) * x).sum()


@pytest.mark.parametrize(
    "transform",
    [ad.grad, ad.hessian, lambda f: ad.jacobian(ad.hessian(f)), lambda f: f],
)
def test_derivatives_are_those_of_the_function(transform):
    np.testing.assert_allclose(
        transform(ad.checkpoint(plain))(X), transform(plain)(X), rtol=1e-13
    )


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_both_modes(mode):
    f = lambda x: ad.sin(x) * x[0]  # noqa: E731
    found = ad.jacobian(ad.checkpoint(f), mode=mode)(X)
    np.testing.assert_allclose(found, ad.jacobian(f)(X), rtol=1e-14)


def test_values_that_the_function_closes_over_have_their_gradient():
    def f(w):
        u = w * 2.0
        return ad.checkpoint(lambda x: (x * w * u).sum())(X * w) + u

    # 2 w^3 sum(X) + 2 w
    assert ad.grad(f)(1.5) == pytest.approx(6 * 1.5**2 * X.sum() + 2)
    assert ad.grad(ad.grad(f))(1.5) == pytest.approx(12 * 1.5 * X.sum())


def test_operands_that_depend_on_each_other_are_counted_once():
    def f(x):
        y = x * x
        return ad.checkpoint(lambda x, y: x * y + y)(x, y)

    assert ad.grad(f)(3.0) == 3 * 9.0 + 6.0


def test_trees_and_keywords():
    f = ad.checkpoint(lambda p, *, k, name: {"y": p["a"] * k, "z": (p["a"].sum(),)})
    g = ad.grad(lambda a: f({"a": a}, k=2.0, name="n")["z"][0])(X)
    np.testing.assert_array_equal(g, [1.0, 1.0])


def test_checkpoints_nest():
    inner = ad.checkpoint(lambda x: ad.sin(x) * x)
    outer = ad.checkpoint(lambda x: inner(inner(x)))
    f = lambda x: ad.sin(ad.sin(x) * x) * ad.sin(x) * x  # noqa: E731
    assert ad.grad(outer)(0.7) == pytest.approx(ad.grad(f)(0.7), rel=1e-14)
    assert ad.grad(ad.grad(outer))(0.7) == pytest.approx(ad.grad(ad.grad(f))(0.7))


def test_eager_tensors_are_checkpointed_too():
    w = ad.tensor(2.0, requires_grad=True)
    y = ad.checkpoint(lambda x: ad.exp(x * w))(ad.tensor(0.5))
    y.backward()
    assert w.grad.item() == pytest.approx(0.5 * np.e)


def test_arguments_that_the_caller_changes_later_do_no_harm():
    x = X.copy()
    w = ad.tensor(2.0, requires_grad=True)
    y = ad.checkpoint(lambda x: (x * w).sum())(x)
    x[:] = 100.0
    y.backward()
    assert w.grad.item() == pytest.approx(X.sum())


def test_a_tensor_that_is_changed_in_place_later_is_an_error():
    w = ad.tensor(2.0, requires_grad=True)
    v = w * 1.0
    y = ad.checkpoint(lambda x: x * x)(v)
    v += 1.0
    with pytest.raises(ad.GraphError, match="changed in place"):
        y.backward()


def test_only_the_arguments_are_kept():
    def chain(x):
        for _ in range(100):
            x = ad.sin(x)
        return x

    x = ad.tensor(np.ones(1000), requires_grad=True)
    before = ad.tape_info()
    y = ad.checkpoint(chain)(x)
    after = ad.tape_info()
    assert after.entries - before.entries <= 10
    assert after.array_bytes - before.array_bytes <= 4 * 8 * 1000
    y.sum().backward()
    assert x.grad.shape == (1000,)


def test_segments_are_dropped_one_by_one_while_they_are_swept():
    peaks = []

    def segment(x):
        for _ in range(50):
            x = ad.sin(x)
        peaks.append(ad.tape_info().array_bytes)
        return x

    def f(x):
        for _ in range(20):
            x = ad.checkpoint(segment)(x)
        return x.sum()

    ad.grad(f)(np.ones(1000))
    assert max(peaks) < 2 * 50 * 8 * 1000


def test_segments_of_scalars_are_dropped_one_by_one_too():
    peaks = []

    def segment(x):
        for _ in range(500):
            x = ad.sin(x)
        peaks.append(ad.tape_info().entries)
        return x

    def f(x):
        for _ in range(20):
            x = ad.checkpoint(segment)(x)
        return x

    before = ad.tape_info().entries
    ad.grad(f)(1.0)
    assert max(peaks) - before < 2 * 500


def test_passive_arguments_make_no_graph():
    assert ad.checkpoint(lambda x: x * 2)(3.0) == 6.0
    assert ad.grad(lambda x: ad.checkpoint(lambda: 2.0)() * x)(1.0) == 2.0
