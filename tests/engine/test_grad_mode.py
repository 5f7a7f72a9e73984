"""no_grad, enable_grad and set_grad_enabled, as contexts and as decorators."""

import threading

import pytest

import autodiff as ad


@pytest.fixture
def x():
    return ad.tensor(2.0, requires_grad=True)


def test_no_grad_records_nothing(x):
    with ad.no_grad():
        y = x * x
    assert not y.requires_grad
    assert y.is_leaf
    assert y.grad_fn is None


def test_no_grad_ends_with_its_block(x):
    with ad.no_grad():
        pass
    assert (x * x).requires_grad


def test_an_exception_ends_no_grad(x):
    with pytest.raises(KeyError), ad.no_grad():
        raise KeyError
    assert ad.is_grad_enabled()


def test_enable_grad_works_inside_no_grad(x):
    with ad.no_grad():
        with ad.enable_grad():
            y = x * x
        assert not ad.is_grad_enabled()
    assert y.requires_grad


def test_a_mode_object_can_be_used_again():
    mode = ad.no_grad()
    for _ in range(2):
        with mode:
            assert not ad.is_grad_enabled()
        assert ad.is_grad_enabled()


def test_a_mode_object_can_be_entered_while_it_is():
    mode = ad.no_grad()
    with mode:
        with mode:
            assert not ad.is_grad_enabled()
        assert not ad.is_grad_enabled()
    assert ad.is_grad_enabled()


def test_no_grad_decorates_with_parentheses(x):
    @ad.no_grad()
    def square(v):
        """Return the square."""
        return v * v

    assert not square(x).requires_grad
    assert square.__doc__ == "Return the square."
    assert ad.is_grad_enabled()


def test_no_grad_decorates_without_parentheses(x):
    @ad.no_grad
    def square(v):
        return v * v

    assert not square(x).requires_grad
    assert ad.is_grad_enabled()


def test_no_grad_decorates_a_method(x):
    class Model:
        @ad.no_grad
        def square(self, v):
            return v * v

    assert not Model().square(x).requires_grad


def test_a_decorated_function_may_call_itself():
    @ad.no_grad()
    def depth(n):
        return depth(n - 1) if n else ad.is_grad_enabled()

    assert depth(5) is False
    assert ad.is_grad_enabled()


def test_set_grad_enabled_holds_at_once():
    ad.set_grad_enabled(False)
    assert not ad.is_grad_enabled()
    ad.set_grad_enabled(True)
    assert ad.is_grad_enabled()


@pytest.mark.parametrize("mode", [True, False])
def test_set_grad_enabled_is_a_context(mode):
    with ad.set_grad_enabled(mode):
        assert ad.is_grad_enabled() is mode
    assert ad.is_grad_enabled()


def test_set_grad_enabled_is_a_decorator():
    @ad.set_grad_enabled(False)
    def enabled():
        return ad.is_grad_enabled()

    assert ad.is_grad_enabled()
    assert enabled() is False
    assert ad.is_grad_enabled()


def test_a_leaf_made_under_no_grad_is_a_leaf():
    with ad.no_grad():
        x = ad.tensor(2.0, requires_grad=True)
    (x * x).backward()
    assert x.grad.item() == 4.0


def test_each_thread_has_its_own_mode():
    seen = []
    with ad.no_grad():
        thread = threading.Thread(target=lambda: seen.append(ad.is_grad_enabled()))
        thread.start()
        thread.join()
    assert seen == [True]


def test_inference_mode_records_nothing(x):
    with ad.inference_mode():
        assert not (x * x).requires_grad


def test_backward_works_under_no_grad(x):
    y = x * x
    with ad.no_grad():
        y.backward()
    assert x.grad.item() == 4.0


def test_create_graph_works_under_no_grad(x):
    y = x * x * x
    with ad.no_grad():
        (g,) = ad.autograd.grad(y, x, create_graph=True)
    assert g.requires_grad
    assert (g * 1.0).requires_grad


def test_a_hook_runs_in_the_mode_of_its_sweep(x):
    seen = []
    y = x * x
    y.register_hook(lambda g: seen.append(ad.is_grad_enabled()))
    y.backward(retain_graph=True)
    y.backward(create_graph=True)
    assert seen == [False, True]
    assert ad.is_grad_enabled()


def test_a_hook_that_changes_the_mode_does_not_leave_it_changed(x):
    y = x * x
    y.register_hook(lambda g: ad.set_grad_enabled(False) and None)
    y.backward()
    assert ad.is_grad_enabled()
