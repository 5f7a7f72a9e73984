"""Transforms among eager tensors: closures, threads, exceptions, memory."""

import gc
import threading

import numpy as np
import pytest

import autodiff as ad


def leaf(value):
    return ad.tensor(value, requires_grad=True)


# ---- Closures ------------------------------------------------------------------------


def test_a_gradient_through_a_closure_over_a_leaf_is_tracked():
    w = leaf(2.0)
    g = ad.grad(lambda x: w * x**3)(2.0)
    assert isinstance(g, ad.Tensor)
    assert g.item() == 24.0
    g.backward()
    assert w.grad.item() == 12.0


def test_a_closure_over_a_result_of_the_graph_is_tracked():
    w = leaf(3.0)
    u = w * w
    g = ad.grad(lambda x: u * x * x)(2.0)
    (found,) = ad.autograd.grad(g, [w])
    assert found.item() == 24.0


def test_nothing_is_added_to_grad_of_what_a_function_closes_over():
    w, u = leaf(2.0), leaf(np.ones(2))
    ad.grad(lambda x: (w * x * u).sum())(3.0)
    ad.jacobian(lambda x: w * x * u)(3.0)
    ad.hessian(lambda x: (w * x**2 * u).sum())(3.0)
    assert w.grad is None
    assert u.grad is None


def test_hooks_of_what_a_function_closes_over_are_not_called():
    w = leaf(2.0)
    v = w * 3.0
    calls = []
    w.register_hook(calls.append)
    v.register_hook(calls.append)
    ad.grad(lambda x: w * v * x)(3.0)
    assert calls == []


def test_the_graph_that_a_function_closes_over_can_still_be_swept():
    w = leaf(2.0)
    v = ad.exp(w)
    ad.grad(lambda x: v * x)(3.0)
    v.backward()
    assert w.grad.item() == v.item()


def test_a_function_may_close_over_what_was_swept():
    w = leaf(np.ones(2))
    v = ad.exp(w)
    (v * v).sum().backward()
    g = ad.grad(lambda x: (v * x).sum())(3.0)
    assert g.item() == pytest.approx(2 * np.e)
    with pytest.raises(ad.GraphError, match="second time"):
        g.backward()


def test_a_tracked_argument_gives_tracked_results():
    x = leaf(np.array([1.0, 2.0]))
    value, g = ad.value_and_grad(lambda x: (x**3).sum())(x)
    assert value.requires_grad
    g.sum().backward()
    assert x.grad.tolist() == [6.0, 12.0]


def test_tracked_values_are_plain_under_no_grad():
    x = leaf(2.0)
    with ad.no_grad():
        assert type(ad.grad(lambda y: x * y * y)(x)) is float
        assert ad.grad(ad.grad(lambda y: y**3))(2.0) == 12.0


def test_a_function_may_use_no_grad_inside():
    def f(x):
        with ad.no_grad():
            y = x * x
        return y * x

    assert ad.grad(f)(3.0) == 9.0


def test_a_tracked_leaf_changed_between_calls_is_seen():
    w = leaf(1.0)
    f = ad.grad(lambda x: w * x)
    assert f(1.0).item() == 1.0
    with ad.no_grad():
        w += 1.0
    assert f(1.0).item() == 2.0


def test_backward_inside_a_function_touches_only_its_own_graph():
    def f(x):
        w = leaf(3.0)
        (w * w).backward()
        return x * w.grad

    assert ad.grad(f)(2.0) == 6.0


def test_a_plain_tensor_argument_gives_plain_results():
    assert type(ad.grad(lambda x: x * x)(ad.tensor(2.0))) is float


# ---- Exceptions ----------------------------------------------------------------------


class Stop(BaseException):
    pass


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, Stop])
def test_an_exception_leaves_no_state_behind(error):
    def f(x):
        return ad.grad(lambda z: fail(z * x))(x)

    def fail(x):
        raise error

    gc.collect()
    before = ad.tape_info().entries
    for transform in (ad.grad(f), ad.jacobian(f), ad.hessian(f), ad.checkpoint(f)):
        with pytest.raises(error):
            transform(2.0)
    gc.collect()
    assert ad.tape_info().entries == before
    assert ad.is_grad_enabled()
    assert not ad._core.in_transform()
    assert ad.grad(lambda x: x * x)(3.0) == 6.0


def test_an_exception_of_a_rule_leaves_no_state_behind():
    @ad.custom_vjp
    def f(x):
        return x * 2

    def backward(saved, g):
        raise KeyboardInterrupt

    f.defvjp(lambda x: (x * 2, None), backward)
    before = ad.tape_info().entries
    for transform in (ad.grad, ad.hessian, lambda f: lambda x: ad.jvp(f, (x,), (1.0,))):
        with pytest.raises(KeyboardInterrupt):
            transform(lambda x: f(x) * x)(1.0)
    gc.collect()
    assert ad.tape_info().entries == before
    assert not ad._core.in_transform()


def test_grad_mode_that_a_function_leaves_behind_is_put_back():
    def f(x):
        ad.set_grad_enabled(False)
        return x * x

    assert ad.grad(f)(3.0) == 0.0
    assert ad.is_grad_enabled()


# ---- Memory --------------------------------------------------------------------------


def test_repeated_calls_leave_nothing_on_the_tape():
    f = lambda x: (ad.sin(x) * x).sum()  # noqa: E731
    x = np.ones(5)
    before = ad.tape_info()
    for _ in range(20):
        ad.grad(f)(x)
        ad.hessian(f)(x)
        ad.hvp(f)(x, x)
        ad.jvp(f, (x,), (x,))
        ad.vjp(f, x)[1](1.0)
    after = ad.tape_info()
    assert (after.entries, after.array_bytes) == (before.entries, before.array_bytes)


def test_a_pull_back_keeps_its_graph_as_long_as_it_lives():
    before = ad.tape_info().entries
    _, pull_back = ad.vjp(lambda x: ad.exp(ad.sin(x)), 0.5)
    assert ad.tape_info().entries > before
    del pull_back
    gc.collect()
    assert ad.tape_info().entries == before


def test_collections_in_the_middle_of_a_function_do_no_harm():
    w = leaf(2.0)
    garbage = [w * k for k in range(50)]
    v = w * w
    del garbage

    @ad.checkpoint
    def inner(y):
        ad._core.collect()
        kept = y * v
        for _ in range(100):
            y = ad.sin(y)  # dead at once
        ad._core.collect()
        return kept

    def f(x):
        ad._core.collect()
        z = inner(x * x)
        ad._core.collect()
        return z * ad.grad(lambda t: (ad._core.collect(), t * x * v)[1])(1.0)

    # f = x^2 v * x v = x^3 w^4; f' = 3 x^2 w^4, f'' = 6 x w^4
    second = ad.grad(ad.grad(f))(3.0)
    assert second.item() == 18.0 * 16.0
    (found,) = ad.autograd.grad(second, [w])
    assert found.item() == 18.0 * 32.0


def test_a_long_loop_works_inside_a_gradient():
    def f(x):
        for _ in range(200_000):
            x = x * 0.99999 + 1e-6
        return x

    assert ad.grad(f)(1.0) == pytest.approx(0.99999**200_000, rel=1e-9)


# ---- Threads -------------------------------------------------------------------------


def test_threads_differentiate_at_once():
    results, errors = {}, []

    def work(k):
        try:
            f = ad.grad(ad.grad(lambda x: ad.sin(x * k) * x))
            results[k] = [f(0.1 * i) for i in range(200)]
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    for k, found in results.items():
        x = 0.1 * np.arange(200)
        expected = 2 * k * np.cos(k * x) - k * k * x * np.sin(k * x)
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


def test_a_transform_in_one_thread_makes_no_loss_an_error_in_another():
    caught = []

    def other():
        x = leaf(1.0)
        with pytest.warns(ad.GradientLossWarning):
            caught.append(float(x))

    def f(x):
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        return x * x

    assert ad.grad(f)(2.0) == 4.0
    assert caught == [1.0]


def test_a_pull_back_belongs_to_its_thread():
    _, pull_back = ad.vjp(lambda x: x * x, 2.0)
    errors = []

    def other():
        try:
            pull_back(1.0)
        except ad.ThreadError as error:
            errors.append(error)

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    assert len(errors) == 1
    assert pull_back(1.0) == (4.0,)
