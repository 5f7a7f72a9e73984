"""Bad input is a Python exception, and the tape is usable and clean afterwards."""

import gc
import os
import signal
import threading

import numpy as np
import pytest

import autodiff as ad


@pytest.fixture(autouse=True)
def usable():
    """After each test the tape works and holds nothing more than before."""
    gc.collect()
    before = ad.tape_info()
    yield
    x = ad.tensor([1.0, 2.0], requires_grad=True)
    s = ad.tensor(3.0, requires_grad=True)
    (ad.exp(x * 0.0) * s).sum().backward()
    assert s.grad.item() == 2.0
    assert ad.is_grad_enabled()
    del x, s
    gc.collect()
    ad._core.collect()
    after = ad.tape_info()
    assert (after.entries, after.array_bytes) == (before.entries, before.array_bytes)


@pytest.mark.parametrize(
    ("root", "seed"),
    [((), (1,)), ((2,), ()), ((2,), (3,)), ((2,), (2, 1)), ((2, 3), (3, 2))],
)
def test_a_seed_of_another_shape(root, seed):
    y = ad.ones(root, requires_grad=True) * 2.0
    with pytest.raises(ad.ShapeError, match="Mismatch in shape"):
        y.backward(ad.ones(seed))


def test_a_seed_that_is_no_tensor():
    y = ad.tensor(1.0, requires_grad=True) * 2.0
    with pytest.raises(TypeError, match=r"either Tensors or None.*str"):
        y.backward("text")


def test_a_complex_seed():
    y = ad.tensor([1.0], requires_grad=True) * 2.0
    with pytest.raises(TypeError, match="complex"):
        y.backward(np.array([1j]))


def test_a_list_as_seed():
    y = ad.tensor([1.0, 2.0], requires_grad=True) * 2.0
    with pytest.raises((TypeError, RuntimeError)):
        y.backward([1.0, 2.0])


def test_a_seed_that_was_swept():
    x = ad.tensor(2.0, requires_grad=True)
    seed = x * x
    seed.backward()
    (g,) = ad.autograd.grad(x * x * x, x, seed, create_graph=True)
    assert g.item() == 48.0
    with pytest.raises(ad.GraphError, match="second time"):
        g.backward()


def test_roots_of_which_one_is_bad():
    x = ad.tensor(2.0, requires_grad=True)
    y = x * x
    with pytest.raises(RuntimeError, match="does not require grad"):
        ad.backward([y, ad.tensor(1.0)])
    with pytest.raises(TypeError, match="expected a Tensor"):
        ad.backward([y, 1.0])
    assert x.grad is None
    y.backward()
    assert x.grad.item() == 4.0


def test_inputs_of_which_one_is_bad():
    x = ad.tensor(2.0, requires_grad=True)
    y = x * x
    for bad in (1.0, None, "text"):
        with pytest.raises(TypeError, match="inputs must be Tensors"):
            ad.autograd.grad(y, [y, x, bad])
    (g,) = ad.autograd.grad(y, x)
    assert g.item() == 4.0


def test_no_roots():
    x = ad.tensor(2.0, requires_grad=True)
    assert ad.autograd.grad([], x, allow_unused=True) == (None,)


def test_a_leaf_that_does_not_require_grad():
    with pytest.raises(RuntimeError, match="does not require grad"):
        ad.tensor(1.0).backward()


def test_a_failing_operation_records_nothing():
    x = ad.ones(2, requires_grad=True)
    before = ad.tape_info().entries
    with pytest.raises(ad.ShapeError):
        x + ad.ones(3)
    with pytest.raises(TypeError):
        x + "text"
    assert ad.tape_info().entries - before <= 1  # the leaf's own


def test_a_failing_operation_in_place_changes_nothing():
    x = ad.ones(2, requires_grad=True)
    y = x * 2.0
    with pytest.raises(RuntimeError):
        y += ad.ones(3)
    assert y.tolist() == [2.0, 2.0]
    y.sum().backward()
    assert x.grad.tolist() == [2.0, 2.0]


def test_a_failed_sweep_leaves_no_gradient_half_done_in_what_follows():
    def fail(gradient):
        raise KeyError("no")

    x = ad.tensor([1.0, 2.0], requires_grad=True)
    low = x * 2.0
    handle = low.register_hook(fail)
    high = ad.exp(low) * low
    for _ in range(3):
        with pytest.raises(KeyError, match="no"):
            high.sum().backward(retain_graph=True)
    handle.remove()
    high.sum().backward()
    v = np.array([2.0, 4.0])
    np.testing.assert_allclose(x.grad.tolist(), 2 * np.exp(v) * (1 + v))


def test_an_exception_that_is_no_error_passes_through():
    class Stop(BaseException):
        pass

    def stop(gradient):
        raise Stop

    x = ad.tensor(1.0, requires_grad=True)
    y = x * x
    y.register_hook(stop)
    with pytest.raises(Stop):
        (y * 1.0).backward()


def test_a_hook_that_recurses_without_end():
    x = ad.tensor(1.0, requires_grad=True)
    y = x * x
    handle = y.register_hook(lambda g: y.backward(retain_graph=True))
    with handle, pytest.raises(RecursionError):
        y.backward(retain_graph=True)


@pytest.mark.skipif(os.name != "posix", reason="sends a signal to itself")
def test_a_keyboard_interrupt_stops_a_long_sweep():
    interrupts = []

    def interrupt(gradient):
        interrupts.append(1)
        signal.raise_signal(signal.SIGINT)

    x = ad.tensor(1.0, requires_grad=True)
    y = x
    for _ in range(600_000):
        y = y * 1.0
    middle = y
    for _ in range(10):
        y = y * 1.0
    handle = middle.register_hook(interrupt)
    reached = []
    x.register_hook(reached.append)
    with pytest.raises(KeyboardInterrupt):
        y.backward(retain_graph=True)
    assert interrupts == [1]
    assert reached == []
    handle.remove()
    y.backward()
    assert x.grad.item() == 1.0


def test_a_signal_handler_may_use_the_tape():
    if threading.current_thread() is not threading.main_thread():
        pytest.skip("signals go to the main thread")
    x = ad.tensor(1.0, requires_grad=True)
    found = []

    def handler(number, frame):
        found.append((x * 3.0).item())

    y = x
    for _ in range(600_000):
        y = y * 1.0
    before = signal.signal(signal.SIGINT, handler)
    try:
        with y.register_hook(lambda g: signal.raise_signal(signal.SIGINT)):
            y.backward()
    finally:
        signal.signal(signal.SIGINT, before)
    assert found == [3.0]
    assert x.grad.item() == 1.0
