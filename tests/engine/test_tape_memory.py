"""Memory follows what live tensors can reach, in every shape a loop can have.

The steps are few and the assertions are on what the tape reports. A nursery holds
131,072 entries before the first collection, so each loop records several times that.
"""

import gc
import weakref

import numpy as np
import pytest

import autodiff as ad
from autodiff import _core

NURSERY = 1 << 17
PLENTY = 3 * NURSERY // 10  # steps of ten operations or more: three collections


@pytest.fixture(autouse=True)
def held():
    """Entries held beyond those before the test; none may be when it ends."""
    gc.collect()
    _core.collect()
    before = ad.tape_info()
    yield lambda: ad.tape_info().entries - before.entries
    gc.collect()
    _core.collect()
    after = ad.tape_info()
    assert after.entries <= before.entries
    assert after.array_bytes <= before.array_bytes


def some_operations(x, y):
    """Ten operations."""
    z = x * y + 1.0
    z = ad.sin(z) * z - y
    z = ad.exp(-z * z) + x
    return z * 0.5


def test_a_scalar_operation_takes_24_bytes():
    x = ad.tensor(1.5, requires_grad=True)
    before = ad.tape_info()
    y = x
    for _ in range(1000):
        y = y * 0.5
    after = ad.tape_info()
    assert after.bytes_per_entry == 24
    assert after.entries - before.entries == 1001  # and the leaf's own
    assert after.bytes == 24 * after.entries


def test_results_that_nobody_holds_leave_nothing(held):
    x = ad.tensor(1.5, requires_grad=True)
    for _ in range(1000):
        some_operations(x, x)
    assert held() == 0


def test_forward_only_is_flat():
    x, y = ad.tensor(0.5, requires_grad=True), ad.tensor(0.25, requires_grad=True)
    for _ in range(PLENTY):
        loss = some_operations(x, y)
    del loss
    assert ad.tape_info().capacity_bytes <= 24 * 2 * NURSERY


def test_training_with_updates_in_place_is_flat():
    w = ad.tensor(0.5, requires_grad=True)
    for _ in range(PLENTY):
        loss = some_operations(w, w)
        loss.backward()
        with ad.no_grad():
            w -= 0.01 * w.grad
        w.grad = None
    del loss
    assert ad.tape_info().capacity_bytes <= 24 * 2 * NURSERY


def test_leaves_rebuilt_every_step_are_flat():
    w = ad.tensor(0.5, requires_grad=True)
    for _ in range(PLENTY):
        loss = some_operations(w, w)
        loss.backward()
        w = (w - 0.01 * w.grad).detach().requires_grad_()
    del loss, w
    assert ad.tape_info().capacity_bytes <= 24 * 2 * NURSERY


def test_a_growing_list_of_swept_losses_pins_nothing(held):
    w = ad.tensor(0.5, requires_grad=True)
    losses = []
    for _ in range(PLENTY):
        loss = some_operations(w, w)
        loss.backward()
        losses.append(loss)
        w.grad = None
    assert held() < 2 * NURSERY
    assert ad.tape_info().capacity_bytes <= 24 * 3 * NURSERY


def test_a_growing_list_of_detached_losses_pins_nothing(held):
    w = ad.tensor(0.5, requires_grad=True)
    history = [some_operations(w, w).detach() for _ in range(1000)]
    assert held() == 0
    assert history[0].item() == history[-1].item()


def test_two_interleaved_graphs_are_flat(held):
    x, y = ad.tensor(0.5, requires_grad=True), ad.tensor(0.25, requires_grad=True)
    one, two = x * 1.0, y * 1.0
    for _ in range(PLENTY):
        one = some_operations(one.detach().requires_grad_(), 0.5)
        two = some_operations(two.detach().requires_grad_(), 0.25)
    assert held() < 100 + 2 * NURSERY
    assert ad.tape_info().capacity_bytes <= 24 * 3 * NURSERY


def test_small_graphs_on_top_of_a_large_one_are_flat(held):
    w = ad.tensor(0.5, requires_grad=True)
    large = w
    for _ in range(NURSERY):
        large = large * 0.999
    for _ in range(PLENTY):
        some_operations(w, w).backward()
        w.grad = None
    assert held() < 3 * NURSERY
    large.backward()
    assert w.grad.item() == pytest.approx(0.999**NURSERY)


def test_collections_look_at_the_young_entries_only():
    w = ad.tensor(0.5, requires_grad=True)
    large = w
    for _ in range(8 * NURSERY):
        large = large * 0.999
    _core.collect()
    before = ad.tape_info().collections
    total = w * 0.0  # keeps a handle on top, so that nothing is trimmed
    for _ in range(NURSERY):
        total = total * 0.5 + w * 0.25
        total = total.detach()
    assert ad.tape_info().collections - before <= 4


def test_the_tape_gives_back_a_large_block():
    w = ad.tensor(0.5, requires_grad=True)
    y = w
    for _ in range(8 * NURSERY):
        y = y * 0.999
    assert ad.tape_info().capacity_bytes > 24 * 8 * NURSERY
    del y
    assert ad.tape_info().capacity_bytes <= 24 * 2 * NURSERY


def test_arrays_go_when_their_graph_goes():
    x = ad.tensor(np.ones(1000), requires_grad=True)
    y = ad.exp(x) * x
    assert ad.tape_info().array_bytes >= 2 * 8000
    del y
    assert ad.tape_info().array_bytes == 0


def test_large_arrays_go_when_a_graph_in_the_middle_goes():
    x = ad.tensor(np.ones(1 << 18), requires_grad=True)
    lower = ad.exp(x) * x
    upper = ad.exp(x)
    held = ad.tape_info().array_bytes
    del lower
    assert ad.tape_info().array_bytes <= held - 2 * x.numel() * 8 + x.numel() * 8
    del upper


def test_what_a_rule_does_not_read_is_not_kept():
    x = ad.tensor(np.ones(1000), requires_grad=True)
    y = x + 1.0
    y = y - 2.0
    assert ad.tape_info().array_bytes == 0
    del y


def test_a_sweep_gives_the_arrays_back():
    x = ad.tensor(np.ones(1000), requires_grad=True)
    loss = (ad.exp(x) * x).sum()
    loss.backward()
    assert ad.tape_info().array_bytes == 0
    del loss


def test_a_kept_grad_fn_keeps_its_graph(held):
    x = ad.tensor(1.5, requires_grad=True)
    node = (x * x).exp().grad_fn
    for _ in range(10):
        some_operations(x, x)
        _core.collect()
    assert node.name() == "ExpBackward0"
    assert node.next_functions[0][0].name() == "MulBackward0"
    del node
    assert held() == 0


def test_what_a_function_saved_goes_with_its_graph(held):
    class Twice(ad.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(saved[0])
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g * 2

    x = ad.tensor(1.5, requires_grad=True)
    saved = [x * x]
    y = Twice.apply(x)
    saved.clear()
    assert held() > 0
    del y
    assert held() == 0


def test_detaching_again_and_again_is_flat():
    x = ad.tensor(1.5)
    for _ in range(1000):
        x = x.detach().requires_grad_()
    gc.collect()
    before = len(gc.get_objects())
    for _ in range(1000):
        x = x.detach().requires_grad_()
    gc.collect()
    assert len(gc.get_objects()) <= before + 10


def test_a_cycle_through_a_hook_is_collected(held):
    x = ad.tensor(1.5, requires_grad=True)

    def make():
        y = x * x
        y.register_hook(lambda g: y)
        return weakref.ref(y)

    gone = make()
    gc.collect()
    assert gone() is None
    assert held() == 0


def test_cycles_through_hooks_are_collected_in_the_middle_of_the_tape(held):
    x = ad.tensor(1.5, requires_grad=True)
    below = x * 1.0

    def make():
        y = below * x
        y.register_hook(lambda g: y)

    for _ in range(10):
        make()
    above = below * 2.0
    gc.collect()
    assert gc.collect() == 0
    del above
    assert held() == 2  # x and below


def test_a_cycle_through_an_attribute_is_collected():
    x = ad.tensor([1.5], requires_grad=True)
    y = x * x
    y.itself = y
    gone = weakref.ref(y)
    del y
    gc.collect()
    assert gone() is None
    assert ad.tape_info().array_bytes == 0


def test_a_cycle_through_the_gradient_is_collected():
    x = ad.tensor(1.5, requires_grad=True)
    x.grad = ad.tensor(1.0)
    x.grad.source = x
    gone = weakref.ref(x)
    del x
    gc.collect()
    assert gone() is None


def test_a_graph_of_gradients_goes_with_them(held):
    x = ad.tensor(1.5, requires_grad=True)
    (g,) = ad.autograd.grad(ad.sin(x) * x, x, create_graph=True)
    assert held() > 0
    del g
    assert held() == 0


def test_an_exception_in_a_sweep_leaves_no_array_behind():
    def fail(gradient):
        raise KeyError("no")

    x = ad.tensor(np.ones(1000), requires_grad=True)
    y = ad.exp(x)
    y.register_hook(fail)
    loss = (y * x).sum()
    with pytest.raises(KeyError, match="no"):
        loss.backward()
    del loss, y
    gc.collect()
    assert ad.tape_info().array_bytes == 0


def test_objects_do_not_accumulate_over_steps():
    class Scale(ad.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g * 2

    def step():
        x = ad.tensor([1.0, 2.0], requires_grad=True)
        s = ad.tensor(3.0, requires_grad=True)
        y = Scale.apply(x) * s
        y.retain_grad()
        y.register_hook(lambda g: g * s.detach())
        y.sum().backward(retain_graph=True)
        with pytest.raises(ad.ShapeError):
            y.backward(ad.tensor(1.0))
        (g,) = ad.autograd.grad(y.sum(), x, create_graph=True)
        with ad.no_grad():
            s.mul_(2.0)
        assert g.requires_grad

    for _ in range(20):
        step()
    gc.collect()
    before = len(gc.get_objects())
    for _ in range(20):
        step()
    gc.collect()
    assert len(gc.get_objects()) <= before + 5
