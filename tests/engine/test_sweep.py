"""Reverse and tangent sweeps: scalars and arrays on one tape, and what they visit."""

import numpy as np
import pytest

import autodiff as ad


def test_the_first_script_gives_5():
    w = ad.tensor([1.0], requires_grad=True)
    x = ad.tensor([2.0], requires_grad=True)
    a = ad.add(w, x)
    b = ad.add(w, 1)
    y = ad.mul(a, b)
    y.backward()
    assert w.grad.tolist() == [5.0]


@pytest.mark.parametrize(("seeds", "expected"), [([1.0, 1.0], 7.0), ([1.0, 2.0], 9.0)])
def test_the_second_script_weighs_outputs_by_seeds(seeds, expected):
    w = ad.tensor([1.0], requires_grad=True)
    x = ad.tensor([2.0], requires_grad=True)
    a = ad.add(w, x)
    b = ad.add(w, 1)
    y0 = ad.mul(a, b)
    y1 = ad.add(a, b)
    loss = ad.cat([y0, y1], dim=0)
    loss.backward(gradient=ad.tensor(seeds))
    assert w.grad.tolist() == [expected]


def test_scalars_and_arrays_mix_in_one_graph():
    s = ad.tensor(2.0, requires_grad=True)
    v = ad.tensor([1.0, 3.0], requires_grad=True)
    t = s * s
    loss = (v * t + s).sum() * s
    loss.backward()
    # s (s^2 (1 + 3) + 2 s) = 4 s^3 + 2 s^2
    assert s.grad.item() == 12 * 4 + 4 * 2
    assert v.grad.tolist() == [8.0, 8.0]


def test_an_operand_used_twice_adds_up():
    x = ad.tensor(3.0, requires_grad=True)
    (x * x * x).backward()
    assert x.grad.item() == 27.0


def test_a_diamond_is_swept_once_below_its_join():
    x = ad.tensor(2.0, requires_grad=True)
    seen = []
    y = x * x
    y.register_hook(lambda g: seen.append(g.item()))
    (y * 3.0 + y * 4.0).backward()
    assert seen == [7.0]
    assert x.grad.item() == 28.0


def test_a_chain_of_doublings_does_not_explode():
    x = ad.tensor(1.0, requires_grad=True)
    y = x
    for _ in range(60):
        y = y + y
    y.backward()
    assert x.grad.item() == 2.0**60


def test_a_sweep_visits_what_it_reaches_only():
    x = ad.tensor(1.0, requires_grad=True)
    z = ad.tensor(1.0, requires_grad=True)
    seen = []
    other = z * 2.0
    other.register_hook(seen.append)
    above = (x * 3.0) * z
    loss = x * 5.0
    loss.backward()
    assert seen == []
    assert z.grad is None
    assert x.grad.item() == 5.0
    assert above.item() == 3.0


def test_several_roots_share_one_sweep():
    x = ad.tensor(2.0, requires_grad=True)
    y = x * x
    ad.backward([y * 1.0, y * 10.0], [None, ad.tensor(2.0)])
    assert x.grad.item() == 4.0 * 21.0


def test_the_same_root_twice_counts_twice():
    x = ad.tensor(2.0, requires_grad=True)
    y = x * x
    ad.backward([y, y], [ad.tensor(1.0), ad.tensor(2.0)])
    assert x.grad.item() == 12.0


def test_a_root_below_another_root_gets_both():
    x = ad.tensor(2.0, requires_grad=True)
    y = x * x
    z = y * 3.0
    ad.backward([z, y])
    assert x.grad.item() == 16.0


def test_a_leaf_can_be_the_root():
    x = ad.tensor(2.0, requires_grad=True)
    x.backward()
    assert x.grad.item() == 1.0


def test_broadcast_operands_get_sums():
    row = ad.tensor([1.0, 2.0, 3.0], requires_grad=True)
    column = ad.tensor([[1.0], [2.0]], requires_grad=True)
    scalar = ad.tensor(2.0, requires_grad=True)
    (row * column * scalar).sum().backward()
    assert row.grad.tolist() == [6.0] * 3
    assert column.grad.tolist() == [[12.0], [12.0]]
    assert scalar.grad.item() == 18.0


def test_the_adjoint_of_an_array_is_not_shared_between_leaves():
    x = ad.tensor([1.0, 2.0], requires_grad=True)
    y = ad.tensor([3.0, 4.0], requires_grad=True)
    (x + y).sum().backward()
    x.grad.add_(1.0)
    assert y.grad.tolist() == [1.0, 1.0]


def test_the_seed_is_not_shared_with_the_gradient():
    x = ad.tensor([1.0, 2.0], requires_grad=True)
    seed = ad.tensor([1.0, 1.0])
    (x + 0.0).backward(seed)
    x.grad.add_(1.0)
    assert seed.tolist() == [1.0, 1.0]


def test_a_gradient_accumulates_in_the_same_tensor():
    x = ad.tensor([1.0, 2.0], requires_grad=True)
    (x * 2.0).sum().backward()
    first = x.grad
    (x * 3.0).sum().backward()
    assert x.grad is first
    assert first.tolist() == [5.0, 5.0]


# ---- Tangents --------------------------------------------------------------------


def test_a_tangent_is_the_derivative_along_a_direction():
    x = ad.tensor([1.0, 2.0], requires_grad=True)
    (dy,) = ad.tangent(x * x, x, ad.tensor([1.0, 10.0]))
    assert dy.tolist() == [2.0, 40.0]


def test_tangents_of_several_outputs_in_any_order():
    x = ad.tensor(2.0, requires_grad=True)
    square = x * x
    cube = square * x
    d_cube, d_square = ad.tangent([cube, square], x)
    assert (d_cube.item(), d_square.item()) == (12.0, 4.0)


def test_an_output_that_no_input_leads_to_has_no_tangent():
    x = ad.tensor(2.0, requires_grad=True)
    y = ad.tensor(2.0, requires_grad=True)
    assert ad.tangent(y * y, x * 1.0) == (None,)


def test_tangents_can_be_swept_again():
    x = ad.tensor(2.0, requires_grad=True)
    square = x * x
    cube = square * x
    d_cube, d_square = ad.tangent([cube, square], x)
    for _ in range(3):
        x * 2.0  # recorded and dropped on top
    (d_cube * d_square).backward()  # 6 x^3
    assert x.grad.item() == 72.0


def test_a_tangent_sweep_agrees_with_the_reverse_sweep(rng):
    a = rng.normal(size=(3, 3))
    x = ad.tensor(rng.normal(size=3), requires_grad=True)
    direction = ad.tensor(rng.normal(size=3))
    y = ad.tanh(ad.tensor(a) @ x) * x.sum()
    seed = ad.tensor(rng.normal(size=3))
    (dy,) = ad.tangent(y, x, direction)
    (g,) = ad.autograd.grad(y, x, seed)
    assert (dy * seed).sum().item() == pytest.approx((g * direction).sum().item())


def test_a_failed_tangent_sweep_leaves_the_next_one_right():
    class Opaque(ad.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            raise ArithmeticError

    x = ad.tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(ArithmeticError):
        ad.tangent(Opaque.apply(x * x), x, ad.tensor([1.0, 1.0]))
    (dy,) = ad.tangent(x * x, x, ad.tensor([1.0, 1.0]))
    np.testing.assert_array_equal(dy.numpy(force=True), [2.0, 4.0])


@pytest.mark.parametrize("value", [1.0, -1.0, 0.0, 2.0])
def test_a_number_times_an_array_has_the_sum_of_the_products_as_gradient(value):
    x = ad.tensor([1.0, 2.0, 4.0], requires_grad=True)
    y = ad.tensor(value, requires_grad=True)
    for z in (x * y, y * x):
        x_bar, y_bar = ad.autograd.grad(z, [x, y], ad.tensor([1.0, 10.0, 100.0]))
        assert y_bar.item() == 421.0
        assert x_bar.tolist() == [value, 10.0 * value, 100.0 * value]
