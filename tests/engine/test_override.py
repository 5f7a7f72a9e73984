"""gradient_override and grad_reverse: rules of the user's in the place of gradients."""

import threading

import numpy as np
import pytest

import autodiff as ad


def tenfold(g, x, y):
    return 10.0 * g * y, 10.0 * g * x


@pytest.fixture
def x():
    return ad.tensor(3.0, requires_grad=True)


@pytest.fixture
def y():
    return ad.tensor(2.0, requires_grad=True)


def slopes(z, *inputs):
    return [g.item() for g in ad.autograd.grad(z, list(inputs))]


def test_a_rule_holds_inside_its_context_and_not_outside(x, y):
    with ad.gradient_override({"mul": tenfold}):
        inside = x * y
    assert slopes(inside, x, y) == [20.0, 30.0]
    assert slopes(x * y, x, y) == [2.0, 3.0]


def test_the_value_is_what_it_always_was(x, y):
    with ad.gradient_override({"mul": tenfold}):
        assert (x * y).item() == 6.0


@pytest.mark.parametrize("name", ["mul", "multiply"])
def test_any_name_of_a_row_will_do(name, x):
    with ad.gradient_override({name: tenfold}):
        assert slopes(x * x, x) == [60.0]


@pytest.mark.parametrize("product", [lambda x: x * 2.0, lambda x: 2.0 * x])
def test_numbers_are_inputs_too(product, x):
    with ad.gradient_override({"mul": tenfold}):
        z = product(x)
    assert slopes(z, x) == [20.0]


def test_none_is_no_gradient(x, y):
    with ad.gradient_override({"mul": lambda g, a, b: (None, g)}):
        z = x * y
    found = ad.autograd.grad(z, [x, y], allow_unused=True)
    assert found[0] is None or found[0].item() == 0.0
    assert found[1].item() == 1.0


def test_a_rule_of_one_input_needs_no_tuple(x):
    with ad.gradient_override({"exp": lambda g, x: ad.clip(g, -1.0, 1.0)}):
        z = ad.exp(x)
    assert slopes(5.0 * z, x) == [1.0]


def test_arrays_and_broadcast_operands_have_rules(rng):
    a = ad.tensor(rng.standard_normal(3), requires_grad=True)
    b = rng.standard_normal((2, 3))
    with ad.gradient_override({"mul": tenfold}):
        z = a * b
    z.sum().backward()
    np.testing.assert_allclose(a.grad.numpy(), 10.0 * b.sum(0), rtol=1e-15)


def test_structural_operations_have_rules(rng):
    a = ad.tensor(rng.standard_normal((2, 3)), requires_grad=True)
    b = rng.standard_normal((3, 4))
    rules = {
        "matmul": lambda g, x, y: (2.0 * (g @ y.t()), None),
        "sum": lambda g, x: 7.0 * g * ad.ones_like(x),
    }
    with ad.gradient_override(rules):
        (a @ b).sum().backward()
    expected = 14.0 * np.ones((2, 4)) @ b.T
    np.testing.assert_allclose(a.grad.numpy(), expected, rtol=1e-14)


def test_a_change_in_place_has_the_rule(x, y):
    with ad.gradient_override({"mul": tenfold}):
        z = x.clone()
        z *= y
    assert slopes(z, x, y) == [20.0, 30.0]


def test_contexts_nest_and_the_inner_one_comes_first(x, y):
    with ad.gradient_override({"mul": tenfold, "add": lambda g, a, b: (0 * g, g)}):
        with ad.gradient_override({"mul": None}):
            z, total = x * y, x + y
        again = x * y
    assert slopes(z, x, y) == [2.0, 3.0]
    assert slopes(total, x, y) == [0.0, 1.0]
    assert slopes(again, x, y) == [20.0, 30.0]


def test_an_exception_ends_the_context(x, y):
    with pytest.raises(KeyError), ad.gradient_override({"mul": tenfold}):
        raise KeyError
    assert slopes(x * y, x, y) == [2.0, 3.0]


def test_another_thread_has_its_own_gradients():
    found = []

    def work():
        a = ad.tensor(3.0, requires_grad=True)
        found.extend(slopes(a * a, a))

    with ad.gradient_override({"mul": tenfold}):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert found == [6.0]


def test_second_derivatives_are_those_of_the_rule(x):
    with ad.gradient_override({"mul": tenfold}):
        (g,) = ad.autograd.grad(x * x, x, create_graph=True)
    assert g.item() == 60.0
    assert slopes(g, x) == [20.0]


def test_sweeps_inside_the_context_use_the_usual_gradients(x):
    z = ad.sin(x) * x
    with ad.gradient_override({"mul": tenfold}):
        (g,) = ad.autograd.grad(z, x, create_graph=True)
    expected = ad.grad(ad.grad(lambda x: ad.sin(x) * x))(3.0)
    assert slopes(g, x) == pytest.approx([expected], rel=1e-15)


def product(x):
    with ad.gradient_override({"mul": tenfold}):
        return x * x * 2.0


@pytest.mark.parametrize("wrap", [lambda f: f, ad.compile], ids=["eager", "compiled"])
def test_transforms_have_the_rule(wrap):
    f = wrap(product)
    assert ad.grad(f)(3.0) == 1200.0
    assert ad.grad(ad.grad(f))(3.0) == 400.0
    assert ad.jvp(f, (3.0,), (1.0,)) == (18.0, 1200.0)
    assert ad.vmap(ad.grad(f))(np.array([1.0, 2.0])).tolist() == [400.0, 800.0]


def test_a_compiled_function_keeps_the_rule_it_was_recorded_with():
    f, g = ad.compile(lambda x: x * x), ad.compile(lambda x: x * x)
    assert f.grad(3.0) == 6.0
    with ad.gradient_override({"mul": tenfold}):
        assert f.grad(3.0) == 6.0
        assert g.grad(3.0) == 60.0
    assert g.grad(3.0) == 60.0


def test_tangents_are_the_transpose_of_the_rule(x):
    with ad.gradient_override({"mul": tenfold}):
        z = x * x
    assert ad.tangent(z, x)[0].item() == 60.0


@pytest.mark.parametrize("rule", [lambda g, a, b: (g,), lambda g, a, b: (g, g, g)])
def test_a_wrong_number_of_gradients_is_an_error_and_changes_nothing(rule, x, y):
    with ad.gradient_override({"mul": rule}):
        z = x * y
    late = ad.tensor(1.0, requires_grad=True)
    with pytest.raises(ad.ArgumentError, match="expected 2, one \\(or None\\)"):
        (z * late).backward()
    assert x.grad is None
    assert late.grad is None


def test_a_wrong_shape_is_an_error_and_changes_nothing():
    a = ad.tensor([1.0, 2.0], requires_grad=True)
    with ad.gradient_override({"mul": lambda g, x, y: (g, ad.ones(3))}):
        z = (a * a).sum()
    late = ad.tensor(1.0, requires_grad=True)
    kept = z * late
    kept.retain_grad()
    with pytest.raises(ad.ShapeError, match=r"shape \(3,\) for input 2.* \(2,\)"):
        (kept * 2.0).backward()
    assert (a.grad, late.grad, kept.grad) == (None, None, None)


def test_hooks_and_retained_gradients_work_beside_a_rule(x, y):
    seen = []
    x.register_hook(lambda g: seen.append(g.item()))
    with ad.gradient_override({"mul": tenfold}):
        z = x * y
    z.retain_grad()
    (2.0 * z).backward()
    assert seen == [40.0]
    assert (x.grad.item(), y.grad.item(), z.grad.item()) == (40.0, 60.0, 2.0)


@pytest.mark.parametrize("name", ["mull", "MulBackward0"])
def test_an_unknown_name_is_an_error_with_suggestions(name):
    with pytest.raises(ad.ArgumentError, match=f"{name}.*did you mean 'mul'"):
        ad.gradient_override({name: tenfold})


def test_a_rule_must_be_callable():
    with pytest.raises(ad.ArgumentError, match="'float'; expected a function"):
        ad.gradient_override({"mul": 10.0})


def test_an_input_that_was_changed_since_is_an_error():
    a = ad.tensor([1.0, 2.0])
    b = ad.tensor([1.0, 2.0], requires_grad=True)
    with ad.gradient_override({"mul": tenfold}):
        z = (a * b).sum()
    a[0] = 5.0
    with pytest.raises(ad.GraphError, match="modified by an inplace operation"):
        z.backward()


def test_what_is_no_number_is_refused_as_ever(x):
    with ad.gradient_override({"mul": tenfold}), pytest.raises(TypeError):
        x * None


def test_memory_does_not_grow_with_overridden_steps(x):
    def step():
        with ad.gradient_override({"mul": tenfold}):
            (x * x).backward()

    for _ in range(10):
        step()
    before = ad.tape_info()
    for _ in range(1000):
        step()
    assert ad.tape_info().entries <= before.entries + 10


@pytest.mark.parametrize("wrap", [lambda f: f, ad.compile], ids=["eager", "compiled"])
def test_a_reversed_gradient_has_the_other_sign(wrap):
    f = wrap(lambda a: (ad.grad_reverse(a * a, 0.5) * 3.0).sum())
    a = np.array([1.0, 2.0])
    np.testing.assert_allclose(ad.grad(f)(a), -3.0 * a)
    assert f(a) == 15.0


def test_a_strength_that_is_no_number_is_an_error(x):
    with pytest.raises(ad.ArgumentError, match="strength must be a finite number"):
        ad.grad_reverse(x, float("nan"))


@pytest.mark.parametrize(
    "key",
    [0, -1, slice(1), (slice(None), 0), (1, 2), (None, 1), ..., [0], ([0], [1])],
    ids=str,
)
def test_index_is_indexing_of_every_kind(key):
    w = ad.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], requires_grad=True)
    seen = []

    def rule(g, a):
        seen.append(tuple(g.shape))
        return 10.0 * ad.ones(2, 3)

    with ad.gradient_override({"index": rule}):
        z = w[key]
    np.testing.assert_array_equal(z.detach().numpy(), w.detach().numpy()[key])
    z.sum().backward()
    assert seen == [tuple(z.shape)]
    assert w.grad.tolist() == [[10.0] * 3] * 2


def test_an_index_out_of_range_is_one_under_a_rule_too():
    w = ad.ones(2, requires_grad=True)
    with ad.gradient_override({"index": lambda g, a: g}), pytest.raises(IndexError):
        w[2]


@pytest.mark.parametrize("name", ["softmax", "conv2d", "linear", "mean", "max_pool2d"])
def test_a_function_of_others_has_no_rule_and_says_where_they_are(name):
    with pytest.raises(ad.ArgumentError, match=r"made of others.*grad_fn") as caught:
        ad.gradient_override({name: None})
    assert "did you mean" not in str(caught.value)


def test_rules_that_are_no_dict_are_refused():
    with pytest.raises(ad.ArgumentError, match="takes a dict of rules"):
        ad.gradient_override("mul")


def test_a_rule_that_works_in_place_changes_its_branch_only():
    for first in (True, False):
        v, w = (ad.ones(2, requires_grad=True) for _ in range(2))
        with ad.gradient_override({"exp": lambda g, a: g.clamp_(-0.1, 0.1)}):
            y = v.exp()
        ((y + w if first else w + y) * 5.0).sum().backward()
        assert v.grad.tolist() == [0.1, 0.1]
        assert w.grad.tolist() == [5.0, 5.0]
