"""register_hook on leaves and results: order, replacement, removal, life."""

import gc
import weakref

import pytest

import autodiff as ad


@pytest.fixture
def x():
    return ad.tensor(2.0, requires_grad=True)


def test_a_hook_sees_the_complete_gradient(x):
    seen = []
    y = x * 3.0
    y.register_hook(lambda g: seen.append(g.item()))
    (y * y + y).backward()
    assert seen == [13.0]


def test_a_hook_on_a_leaf_sees_the_complete_gradient(x):
    seen = []
    x.register_hook(lambda g: seen.append(g.item()))
    (x * x + x).backward()
    assert seen == [5.0]


def test_a_hook_may_replace_the_gradient(x):
    y = x * 3.0
    y.register_hook(lambda g: g * 10.0)
    (y * 1.0).backward()
    assert x.grad.item() == 30.0


def test_a_hook_on_a_leaf_may_replace_the_gradient(x):
    x.register_hook(lambda g: g * 10.0)
    (x * 3.0).backward()
    assert x.grad.item() == 30.0


def test_a_hook_on_an_array_may_replace_the_gradient():
    v = ad.tensor([1.0, 2.0], requires_grad=True)
    y = v * 3.0
    y.register_hook(lambda g: ad.clip(g, 0.0, 1.0))
    (y * ad.tensor([0.5, 5.0])).sum().backward()
    assert v.grad.tolist() == [1.5, 3.0]


def test_hooks_run_in_the_order_of_registration(x):
    y = x * 1.0
    y.register_hook(lambda g: g + 1.0)
    y.register_hook(lambda g: g * 10.0)
    (y * 1.0).backward()
    assert x.grad.item() == 20.0


def test_hooks_of_results_run_before_those_below(x):
    order = []
    y = x * 1.0
    z = y * 1.0
    y.register_hook(lambda g: order.append("y"))
    z.register_hook(lambda g: order.append("z"))
    x.register_hook(lambda g: order.append("x"))
    z.backward()
    assert order == ["z", "y", "x"]


def test_a_removed_hook_is_not_called(x):
    seen = []
    handle = x.register_hook(seen.append)
    handle.remove()
    handle.remove()  # harmless
    (x * x).backward()
    assert seen == []


def test_a_handle_is_a_context(x):
    seen = []
    with x.register_hook(seen.append):
        (x * x).backward()
    (x * x).backward()
    assert len(seen) == 1


def test_a_hook_may_remove_itself(x):
    seen = []

    def once(gradient):
        seen.append(gradient.item())
        handle.remove()

    handle = x.register_hook(once)
    (x * x).backward()
    (x * x).backward()
    assert seen == [4.0]


def test_a_hook_stays_when_its_tensor_goes(x):
    seen = []
    y = x * 3.0
    y.register_hook(lambda g: seen.append(g.item()))
    z = y * 2.0
    del y
    gc.collect()
    z.backward()
    assert seen == [2.0]


def test_a_hook_that_refers_to_its_tensor_stays_when_only_the_graph_is_left(x):
    seen = []
    y = x * 3.0
    y.register_hook(lambda g, y=y: seen.append(y.item()))
    z = y * 2.0
    del y
    gc.collect()
    z.backward()
    assert seen == [6.0]


def test_a_hook_of_a_leaf_stays_when_the_leaf_goes():
    seen = []
    x = ad.tensor(2.0, requires_grad=True)
    x.register_hook(lambda g: seen.append(g.item()))
    y = x * x
    del x
    gc.collect()
    y.backward()
    assert seen == [4.0]


def test_a_hook_goes_with_its_graph(x):
    def hook(gradient):
        return None

    y = x * 3.0
    y.register_hook(hook)
    gone = weakref.ref(hook)
    del hook, y
    assert gone() is None


def test_a_later_result_does_not_inherit_a_hook(x):
    seen = []
    y = x * 3.0
    y.register_hook(lambda g: seen.append("old"))
    del y
    z = x * 3.0
    z.register_hook(lambda g: seen.append("new"))
    z.backward()
    assert seen == ["new"]


def test_an_exception_in_a_hook_propagates_and_the_graph_stays_usable(x):
    def fail(gradient):
        raise KeyError("no")

    y = x * x
    handle = y.register_hook(fail)
    with pytest.raises(KeyError, match="no"):
        (y * 1.0).backward(retain_graph=True)
    handle.remove()
    assert x.grad is None
    (y * 1.0).backward()
    assert x.grad.item() == 4.0


def test_an_exception_in_a_hook_of_a_leaf_propagates(x):
    def fail(gradient):
        raise KeyError("no")

    x.register_hook(fail)
    with pytest.raises(KeyError, match="no"):
        (x * x).backward()


def test_a_hook_may_sweep_a_graph_of_its_own(x):
    def hook(gradient):
        with ad.enable_grad():
            t = ad.tensor(3.0, requires_grad=True)
            (t * t).backward()
        return gradient * t.grad

    y = x * x
    y.register_hook(hook)
    (y * 1.0).backward()
    assert x.grad.item() == 24.0


def test_a_hook_may_sweep_the_same_graph(x):
    found = []

    def hook(gradient):
        if not found:
            found.append(None)
            found.append(ad.autograd.grad(z, x, retain_graph=True)[0].item())

    y = x * x
    z = y * y
    with y.register_hook(hook):  # it holds z, and so the graph that holds it
        z.backward(retain_graph=True)
    assert found == [None, 32.0]
    assert x.grad.item() == 32.0


def test_a_hook_may_record_while_a_graph_is_created(x):
    y = x * x
    y.register_hook(lambda g: g * x)
    (g,) = ad.autograd.grad(y * 1.0, x, create_graph=True)  # x * 2 x
    g.backward()
    assert x.grad.item() == 8.0


def test_a_hook_may_drop_the_graph_above_it(x):
    held = []
    y = x * x
    y.register_hook(lambda g: held.clear())
    held.append(y * 2.0)
    held[0].backward()
    assert x.grad.item() == 8.0


def test_a_hook_that_returns_something_else_is_an_error(x):
    x.register_hook(lambda g: "text")
    with pytest.raises(TypeError, match=r"hook must return a Tensor or None.*str"):
        (x * x).backward()


def test_a_hook_that_changes_the_shape_is_an_error(x):
    x.register_hook(lambda g: ad.ones(2))
    with pytest.raises(ad.ShapeError, match="changed the shape"):
        (x * x).backward()


def test_a_hook_needs_a_tensor_that_requires_grad():
    with pytest.raises(RuntimeError, match="doesn't require gradient"):
        ad.tensor(1.0).register_hook(print)


def test_a_hook_must_be_callable(x):
    with pytest.raises(TypeError, match="callable"):
        x.register_hook("text")


def test_hooks_apply_to_what_grad_returns(x):
    x.register_hook(lambda g: g * 10.0)
    assert ad.autograd.grad(x * 3.0, x)[0].item() == 30.0


def test_a_hook_that_holds_the_result_above_goes_with_the_sweep(x):
    def step():
        y = x * 3.0
        z = y * y

        def hook(gradient):
            return gradient * z.item()

        y.register_hook(hook)
        z.backward()
        return weakref.ref(hook)

    gone = step()
    gc.collect()
    assert gone() is None


def test_a_hook_stays_with_the_value_it_was_registered_for(x):
    seen = []
    y = x * 3.0
    y.register_hook(lambda g: seen.append(("before", g.item())))
    y.mul_(2.0)
    y.register_hook(lambda g: seen.append(("after", g.item())))
    (y * 1.0).backward()
    assert seen == [("after", 1.0), ("before", 2.0)]


def test_ten_thousand_hooks_cost_no_more_each_than_ten():
    calls = [0]

    def count(gradient):
        calls[0] += 1

    y = ad.tensor(1.0, requires_grad=True)
    kept = []
    for _ in range(10_000):
        y = y * 1.0
        y.register_hook(count)
        kept.append(y)
    y.backward()
    assert calls[0] == 10_000


# ---- retain_grad -----------------------------------------------------------------


def test_retain_grad_fills_grad_of_a_result(x):
    y = x * 3.0
    y.retain_grad()
    (y * y).backward()
    assert y.grad.item() == 12.0
    assert y.retains_grad


def test_retain_grad_keeps_what_hooks_make_of_the_gradient(x):
    y = x * 3.0
    y.retain_grad()
    y.register_hook(lambda g: g * 10.0)
    (y * 1.0).backward()
    assert y.grad.item() == 10.0


def test_retain_grad_accumulates(x):
    y = x * 3.0
    y.retain_grad()
    (y * 1.0).backward(retain_graph=True)
    (y * 1.0).backward()
    assert y.grad.item() == 2.0


def test_retain_grad_follows_a_change_in_place(x):
    y = x * 3.0
    y.retain_grad()
    y.mul_(2.0)
    (y * y).backward()
    assert y.grad.item() == 24.0


def test_retain_grad_is_harmless_on_a_leaf(x):
    x.retain_grad()
    (x * x).backward()
    assert x.grad.item() == 4.0


def test_retain_grad_needs_a_graph():
    with pytest.raises(RuntimeError, match="requires_grad=False"):
        ad.tensor(1.0).retain_grad()


def test_reading_grad_of_a_result_says_retain_grad(x):
    y = x * 3.0
    with pytest.warns(UserWarning, match=r"retain_grad\(\)"):
        assert y.grad is None


# ---- What a hook may do to what it is given, and keep of what it gives ---------------


@pytest.mark.parametrize("create_graph", [False, True])
def test_what_a_hook_on_a_leaf_returns_stays_its_own(create_graph):
    v = ad.tensor([9.0, 9.0])
    w = ad.tensor([2.0, 3.0], requires_grad=True)
    w.register_hook(lambda g: v)
    for _ in range(3):
        (w * 1.0).sum().backward(create_graph=create_graph)
    assert w.grad.tolist() == [27.0, 27.0]
    assert v.tolist() == [9.0, 9.0]


def test_what_a_hook_returns_is_not_what_autograd_grad_returns():
    v = ad.tensor([9.0, 9.0])
    w = ad.tensor([2.0, 3.0], requires_grad=True)
    y = w * 1.0
    w.register_hook(lambda g: v)
    y.register_hook(lambda g: v)
    for found in ad.autograd.grad((y * 1.0).sum(), [w, y]):
        found.mul_(2.0)
    assert v.tolist() == [9.0, 9.0]


def test_what_a_hook_has_kept_does_not_change_later():
    kept = []
    w = ad.tensor([2.0, 3.0], requires_grad=True)
    w.register_hook(kept.append)
    for _ in range(2):
        (w * 1.0).sum().backward()
    assert w.grad.tolist() == [2.0, 2.0]
    assert [g.tolist() for g in kept] == [[1.0, 1.0], [1.0, 1.0]]


@pytest.mark.parametrize("returned", [lambda g: g, lambda g: None])
@pytest.mark.parametrize("shape", [(), (2,)])
def test_a_hook_that_works_in_place_changes_its_branch_only(returned, shape):
    for first in (True, False):
        v, w = (ad.ones(shape, requires_grad=True) for _ in range(2))
        y = v * 1.0
        y.register_hook(lambda g: returned(g.clamp_(-0.1, 0.1)))
        ((y + w if first else w + y) * 5.0).sum().backward()
        assert v.grad.mean().item() == 0.1
        assert w.grad.mean().item() == 5.0


def test_a_hook_on_a_leaf_that_works_in_place_changes_this_leaf_only():
    for k in range(2):
        pair = [ad.ones(2, requires_grad=True) for _ in range(2)]
        pair[k].register_hook(lambda g: g.clamp_(-0.1, 0.1))
        ((pair[0] + pair[1]) * 5.0).sum().backward()
        assert pair[k].grad.tolist() == [0.1, 0.1]
        assert pair[1 - k].grad.tolist() == [5.0, 5.0]


@pytest.mark.parametrize("fails", [0, 1, 2])
def test_no_gradient_changes_if_a_hook_raises(fails):
    leaves = [ad.ones(2, requires_grad=True) for _ in range(3)]
    middle = leaves[0] * leaves[1]
    where = [leaves[0], leaves[2], middle][fails]

    def hook(g):
        raise KeyError("mine")

    where.register_hook(hook)
    with pytest.raises(KeyError, match="mine"):
        (middle * leaves[2]).sum().backward()
    assert [x.grad for x in leaves] == [None, None, None]


def test_a_hook_on_a_leaf_records_nothing_unless_a_graph_is_made(x):
    a = ad.tensor(3.0, requires_grad=True)
    x.register_hook(lambda g: g * a)
    (x * 2.0).backward()
    assert x.grad.item() == 6.0
    assert not x.grad.requires_grad
    x.grad = None
    (x * 2.0).backward(create_graph=True)
    assert ad.autograd.grad(x.grad, [a])[0].item() == 2.0
