"""Nothing recurses: long chains record, sweep and go; so do long chains of objects."""

import gc

import pytest

import autodiff as ad

LONG = 200_000  # a recursion would end at some tens of thousands


@pytest.fixture(autouse=True)
def nothing_left():
    """What a test records is gone when it ends."""
    gc.collect()
    before = ad.tape_info().entries
    yield
    gc.collect()
    assert ad.tape_info().entries <= before


def chain(x, n):
    for _ in range(n):
        x = x * 1.0
    return x


def test_a_long_chain_of_scalars():
    x = ad.tensor(2.0, requires_grad=True)
    y = chain(x, LONG)
    assert ad.tape_info().entries >= LONG
    y.backward()
    assert x.grad.item() == 1.0


@pytest.mark.slow
def test_a_chain_of_ten_million_scalars():
    x = ad.tensor(2.0, requires_grad=True)
    y = chain(x, 10_000_000)
    y.backward()
    assert x.grad.item() == 1.0


def test_a_long_chain_that_is_never_swept():
    before = ad.tape_info().entries
    chain(ad.tensor(2.0, requires_grad=True), LONG)
    assert ad.tape_info().entries == before


def test_a_long_chain_of_arrays():
    v = ad.tensor([1.0, 2.0], requires_grad=True)
    y = chain(v, LONG // 10)
    y.sum().backward()
    assert v.grad.tolist() == [1.0, 1.0]


def test_a_long_chain_of_which_every_link_is_held():
    x = ad.tensor(2.0, requires_grad=True)
    held = [x]
    for _ in range(LONG):
        held.append(held[-1] * 1.0)
    held[-1].backward()
    assert x.grad.item() == 1.0
    del held[::2]
    held.clear()


def test_a_long_chain_with_a_graph_of_its_sweep():
    x = ad.tensor(2.0, requires_grad=True)
    y = x
    for _ in range(LONG // 10):
        y = y * x / x
    (g,) = ad.autograd.grad(y, x, create_graph=True)
    (h,) = ad.autograd.grad(g, x)
    assert g.item() == pytest.approx(1.0)
    assert h.item() == pytest.approx(0.0, abs=1e-9)


def test_a_long_chain_in_the_tangent_sweep():
    x = ad.tensor(2.0, requires_grad=True)
    (dy,) = ad.tangent(chain(x, LONG), x)
    assert dy.item() == 1.0


def test_a_long_chain_of_functions():
    class Same(ad.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * 1.0

        @staticmethod
        def backward(ctx, g):
            return g

    x = ad.tensor(2.0, requires_grad=True)
    y = x
    for _ in range(LONG // 20):
        y = Same.apply(y)
    y.backward()
    assert x.grad.item() == 1.0
    y = x
    for _ in range(LONG // 20):
        y = Same.apply(y)
    del y  # not swept


def test_a_long_chain_of_detached_tensors():
    x = ad.tensor(2.0)
    for _ in range(LONG):
        x = x.detach()
    assert x.item() == 2.0


def test_a_long_chain_of_attributes():
    x = ad.tensor(2.0)
    for _ in range(LONG):
        y = ad.tensor(2.0)
        y.previous = x
        x = y
    del x, y


def test_a_long_chain_of_gradients():
    x = ad.tensor(2.0)
    for _ in range(LONG):
        y = ad.tensor(2.0)
        y.grad = x
        x = y
    del x, y


def test_a_wide_sum():
    x = ad.tensor(2.0, requires_grad=True)
    total = ad.tensor(0.0)
    for _ in range(LONG):
        total = total + x
    total.backward()
    assert x.grad.item() == LONG


def test_many_leaves():
    leaves = [ad.tensor(1.0, requires_grad=True) for _ in range(LONG // 10)]
    total = ad.tensor(0.0)
    for leaf in leaves:
        total = total + leaf * leaf
    total.backward()
    assert {leaf.grad.item() for leaf in leaves} == {2.0}


def test_many_leaves_with_a_graph_of_their_gradients():
    leaves = [ad.tensor(1.0, requires_grad=True) for _ in range(2000)]
    total = ad.tensor(0.0)
    for leaf in leaves:
        total = total + leaf * leaf * leaf
    gradients = ad.autograd.grad(total, leaves[::-1], create_graph=True)
    again = ad.tensor(0.0)
    for g in gradients:
        again = again + g
    again.backward()
    assert {leaf.grad.item() for leaf in leaves} == {6.0}
