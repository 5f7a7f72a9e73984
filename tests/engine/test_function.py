"""autograd.Function: what is saved, checked, freed, and differentiated again."""

import gc
import weakref

import numpy as np
import pytest

import autodiff as ad


class Cube(ad.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return 3 * x**2 * g


class SumAndProduct(ad.autograd.Function):
    @staticmethod
    def forward(ctx, x, y):
        ctx.save_for_backward(x, y)
        return x + y, x * y

    @staticmethod
    def backward(ctx, g_sum, g_product):
        x, y = ctx.saved_tensors
        return g_sum + g_product * y, g_sum + g_product * x


@pytest.fixture
def x():
    return ad.tensor(2.0, requires_grad=True)


def test_backward_is_the_rule(x):
    Cube.apply(x).backward()
    assert x.grad.item() == 12.0


def test_an_array_goes_through(rng):
    v = ad.tensor(rng.normal(size=(2, 3)), requires_grad=True)
    Cube.apply(v).sum().backward()
    np.testing.assert_allclose(v.grad.tolist(), 3 * np.array(v.tolist()) ** 2)


def test_several_inputs_and_outputs(x):
    y = ad.tensor(5.0, requires_grad=True)
    s, p = SumAndProduct.apply(x, y)
    (s * 10.0 + p).backward()
    assert (x.grad.item(), y.grad.item()) == (15.0, 12.0)


def test_outputs_of_different_shapes(x):
    v = ad.tensor([1.0, 2.0, 3.0], requires_grad=True)
    s, p = SumAndProduct.apply(v, ad.tensor([1.0, 1.0, 1.0]))
    (s.sum() * x + p[0]).backward()
    assert v.grad.tolist() == [3.0, 2.0, 2.0]


def test_an_unused_output_has_a_zero_gradient(x):
    s, _ = SumAndProduct.apply(x, ad.tensor(5.0))
    s.backward()
    assert x.grad.item() == 1.0


def test_forward_records_nothing_inside(x):
    seen = []

    class Look(ad.autograd.Function):
        @staticmethod
        def forward(ctx, v):
            seen.append(ad.is_grad_enabled())
            return v * 2

        @staticmethod
        def backward(ctx, g):
            return g * 2

    y = Look.apply(x)
    assert seen == [False]
    assert y.grad_fn.name() == "LookBackward"


def test_needs_input_grad_says_which(x):
    seen = []

    class Look(ad.autograd.Function):
        @staticmethod
        def forward(ctx, *args):
            seen.append(ctx.needs_input_grad)
            return args[0] * args[1]

        @staticmethod
        def backward(ctx, g):
            return g, None, None

    Look.apply(x, ad.tensor(1.0), "text")
    assert seen == [(True, False, False)]


def test_none_means_no_gradient(x):
    class First(ad.autograd.Function):
        @staticmethod
        def forward(ctx, a, b):
            return a + b

        @staticmethod
        def backward(ctx, g):
            return g, None

    y = ad.tensor(3.0, requires_grad=True)
    First.apply(x, y).backward()
    assert x.grad.item() == 1.0
    assert y.grad is None


def test_under_no_grad_nothing_is_recorded(x):
    with ad.no_grad():
        assert not Cube.apply(x).requires_grad


def test_passive_inputs_record_nothing():
    assert not Cube.apply(ad.tensor(2.0)).requires_grad


def test_a_second_sweep_is_an_error(x):
    y = Cube.apply(x)
    y.backward()
    with pytest.raises(ad.GraphError, match="second time"):
        y.backward()


def test_retain_graph_keeps_what_was_saved(x):
    y = Cube.apply(x)
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.item() == 24.0


def test_the_rule_can_be_differentiated(x):
    (g,) = ad.autograd.grad(Cube.apply(x), x, create_graph=True)
    (h,) = ad.autograd.grad(g, x, create_graph=True)
    assert h.item() == 12.0


def test_a_saved_tensor_that_changes_is_an_error():
    x = ad.tensor(2.0, requires_grad=True)
    y = x * 1.0
    z = Cube.apply(y)
    y.add_(1.0)
    with pytest.raises(ad.GraphError, match="modified by an inplace operation"):
        z.backward()


def test_an_exception_in_forward_propagates(x):
    class Fails(ad.autograd.Function):
        @staticmethod
        def forward(ctx, v):
            raise KeyError("no")

    with pytest.raises(KeyError, match="no"):
        Fails.apply(x)
    assert ad.is_grad_enabled()


def test_an_exception_in_backward_propagates_and_the_graph_stays_usable(x):
    class Fails(ad.autograd.Function):
        @staticmethod
        def forward(ctx, v):
            return v * 2

        @staticmethod
        def backward(ctx, g):
            raise KeyError("no")

    y = Fails.apply(x)
    z = x * x
    for _ in range(3):
        with pytest.raises(KeyError, match="no"):
            (y + z).backward(retain_graph=True)
    x.grad = None
    z.backward()
    assert x.grad.item() == 4.0


@pytest.mark.parametrize("found", [(), (1.0, 1.0)], ids=["too few", "too many"])
def test_a_wrong_number_of_gradients_is_an_error(x, found):
    class Wrong(ad.autograd.Function):
        @staticmethod
        def forward(ctx, v):
            return v * 2

        @staticmethod
        def backward(ctx, g):
            return tuple(ad.tensor(f) for f in found)

    with pytest.raises(RuntimeError, match=r"number of gradients.*expected 1"):
        Wrong.apply(x).backward()


def test_a_gradient_of_another_shape_is_an_error(x):
    class Wrong(ad.autograd.Function):
        @staticmethod
        def forward(ctx, v):
            return v * 2

        @staticmethod
        def backward(ctx, g):
            return ad.ones(3)

    with pytest.raises(ad.ShapeError):
        Wrong.apply(x).backward()


def test_a_gradient_that_is_no_tensor_is_an_error(x):
    class Wrong(ad.autograd.Function):
        @staticmethod
        def forward(ctx, v):
            return v * 2

        @staticmethod
        def backward(ctx, g):
            return "text"

    with pytest.raises(TypeError, match="expected a Tensor or None"):
        Wrong.apply(x).backward()


class Thing:
    pass


def test_what_was_saved_goes_after_the_sweep():
    things = [Thing()]

    class Keep(ad.autograd.Function):
        @staticmethod
        def forward(ctx, v):
            ctx.thing = things.pop()
            return v * 2

        @staticmethod
        def backward(ctx, g):
            return g * 2

    gone = weakref.ref(things[0])
    x = ad.tensor(2.0, requires_grad=True)
    y = Keep.apply(x)
    y.backward()
    gc.collect()
    assert gone() is None


def test_a_rule_may_sweep_the_graph_it_is_part_of(x):
    found = []

    class Again(ad.autograd.Function):
        @staticmethod
        def forward(ctx, v):
            ctx.save_for_backward(v)
            return v * 2

        @staticmethod
        def backward(ctx, g):
            if not found:
                found.append("once")
                found.append(ad.autograd.grad(y, x)[0].item())  # frees the graph
            return g * 2

    y = Again.apply(x)
    (y * 3.0).backward()
    assert found == ["once", 2.0]
    assert x.grad.item() == 6.0


def test_an_output_can_be_marked_as_not_differentiable(x):
    class SignAndAbs(ad.autograd.Function):
        @staticmethod
        def forward(ctx, v):
            sign, size = ad.sign(v), abs(v)
            ctx.sign = sign
            ctx.mark_non_differentiable(sign)
            return sign, size

        @staticmethod
        def backward(ctx, g_sign, g_size):
            return g_size * ctx.sign

    sign, size = SignAndAbs.apply(x)
    assert not sign.requires_grad
    size.backward()
    assert x.grad.item() == 1.0


def test_a_function_without_forward_says_so(x):
    class Empty(ad.autograd.Function):
        pass

    with pytest.raises(TypeError, match="forward"):
        Empty.apply(x)


def test_gradcheck_passes_the_rule(x):
    assert ad.testing.gradcheck(Cube.apply, x)
    assert ad.testing.gradgradcheck(Cube.apply, x)


class Scale(ad.autograd.Function):
    @staticmethod
    def forward(x, k):
        return x * k

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.k = inputs[1]
        ctx.save_for_backward(output)

    @staticmethod
    def backward(ctx, g):
        assert ctx.saved_tensors[0].item() == 8.0
        return g * ctx.k, None


def test_the_context_may_be_set_up_apart_from_forward(x):
    Scale.apply(x, 4.0).backward()
    assert x.grad.item() == 4.0


def test_a_keyword_is_refused_for_its_gradient_would_be_lost(x):
    with pytest.raises(TypeError, match="by position"):
        Cube.apply(x=x)


class Seen(SumAndProduct):
    @staticmethod
    def forward(ctx, x, y):
        ctx.set_materialize_grads(False)
        return SumAndProduct.forward(ctx, x, y)

    @staticmethod
    def backward(ctx, g_sum, g_product):
        assert g_sum is None
        return SumAndProduct.backward(ctx, 0.0, g_product)


def test_a_missing_gradient_is_none_if_the_function_wants_it_so(x):
    y = ad.tensor(3.0, requires_grad=True)
    Seen.apply(x, y)[1].backward()
    assert x.grad.item() == 3.0
    assert y.grad.item() == 2.0


# ---- Results that were saved ---------------------------------------------------------


class Exp(ad.Function):
    @staticmethod
    def forward(ctx, x):
        y = ad.exp(x)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, g):
        (y,) = ctx.saved_tensors
        return g * y


class SinCos(ad.Function):
    @staticmethod
    def forward(ctx, x):
        s, c = ad.sin(x), ad.cos(x)
        ctx.save_for_backward(s, c)
        return s, c

    @staticmethod
    def backward(ctx, gs, gc):
        s, c = ctx.saved_tensors
        return gs * c - gc * s


@pytest.mark.parametrize("shape", [(), (3,)])
def test_a_saved_result_is_differentiated_to_any_order(shape):
    x = ad.full(shape, 0.5).requires_grad_()
    y = Exp.apply(x).sum()
    for _ in range(4):
        (y,) = ad.autograd.grad(y, x, create_graph=True)
        assert np.allclose(y.detach().numpy(), np.exp(0.5), rtol=1e-14)
        y = y.sum()


def test_saved_results_of_several_outputs_are_differentiated_again():
    x = ad.tensor(0.5, requires_grad=True)
    s, c = SinCos.apply(x)
    (first,) = ad.autograd.grad(s * c, x, create_graph=True)
    (second,) = ad.autograd.grad(first, x)
    assert float(second) == pytest.approx(-2 * np.sin(1.0), rel=1e-14)


def test_a_saved_result_whose_input_was_changed_is_an_error():
    x = ad.tensor([0.5], requires_grad=True)
    y = Exp.apply(x).sum()
    with ad.no_grad():
        x += 1.0
    with pytest.raises(ad.errors.GraphError, match="inplace"):
        ad.autograd.grad(y, x, create_graph=True)


def test_a_function_that_saves_its_result_leaves_nothing_behind():
    before = ad.tape_info().entries
    for _ in range(3):
        x = ad.tensor(0.5, requires_grad=True)
        Exp.apply(x).backward()
    del x
    assert ad.tape_info().entries <= before


@pytest.mark.parametrize("shape", [(), (2,)])
def test_a_backward_that_works_in_place_changes_its_branch_only(shape):
    class Clamped(ad.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1.0

        @staticmethod
        def backward(ctx, g):
            return g.clamp_(-0.1, 0.1)

    for first in (True, False):
        v, w = (ad.ones(shape, requires_grad=True) for _ in range(2))
        y = Clamped.apply(v)
        ((y + w if first else w + y) * 5.0).sum().backward()
        assert v.grad.mean().item() == 0.1
        assert w.grad.mean().item() == 5.0
