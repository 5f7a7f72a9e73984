"""PyTorch's words: what is a leaf, what has a gradient, what sweeps take and give."""

import copy
import pickle

import numpy as np
import pytest

import autodiff as ad


@pytest.fixture
def x():
    return ad.tensor(2.0, requires_grad=True)


# ---- Leaves and graphs -----------------------------------------------------------


def test_a_plain_tensor_is_a_leaf_without_gradient():
    x = ad.tensor(2.0)
    assert x.is_leaf
    assert not x.requires_grad
    assert x.grad_fn is None


def test_a_result_requires_grad_if_an_operand_does(x):
    y = x * ad.tensor(3.0)
    assert y.requires_grad
    assert not y.is_leaf


def test_a_result_of_passive_operands_is_passive():
    y = ad.tensor(2.0) * 3.0
    assert not y.requires_grad
    assert y.is_leaf


def test_requires_grad_can_be_set_on_a_leaf():
    x = ad.tensor(2.0)
    x.requires_grad = True
    (x * x).backward()
    assert x.grad.item() == 4.0


def test_requires_grad_method_returns_its_tensor():
    x = ad.tensor(2.0)
    assert x.requires_grad_() is x
    assert x.requires_grad


def test_requires_grad_cannot_be_taken_from_a_result(x):
    y = x * x
    with pytest.raises(RuntimeError, match=r"only change requires_grad flags of leaf"):
        y.requires_grad_(False)


def test_a_frozen_leaf_gets_no_gradient(x):
    y = x * x
    x.requires_grad_(False)
    y.backward()
    assert x.grad is None


def test_a_leaf_thawed_in_time_gets_what_was_recorded_before(x):
    y = x * x
    x.requires_grad_(False)
    x.requires_grad_(True)
    y.backward()
    assert x.grad.item() == 4.0


def test_a_frozen_leaf_that_is_dropped_leaves_its_graph_usable():
    v = ad.tensor(2.0, requires_grad=True)
    w = ad.tensor(3.0, requires_grad=True)
    y = v * w
    v.requires_grad_(False)
    del v
    y.backward()
    assert w.grad.item() == 2.0


def test_grad_fn_names_the_operation(x):
    assert (x * x).grad_fn.name() == "MulBackward0"
    assert ad.exp(x).grad_fn.name() == "ExpBackward0"
    assert repr(ad.exp(x).grad_fn) == "<ExpBackward0>"


def test_next_functions_lead_down_to_the_leaves(x):
    y = ad.exp(x * x)
    [(product, index)] = y.grad_fn.next_functions
    assert (product.name(), index) == ("MulBackward0", 0)
    leaves = [node for node, _ in product.next_functions]
    assert [leaf.name() for leaf in leaves] == ["AccumulateGrad", "AccumulateGrad"]
    assert leaves[0].variable is x


def test_a_passive_operand_has_no_node(x):
    z = ad.cat([x.reshape(1), ad.tensor([1.0])])
    nodes = [node for node, _ in z.grad_fn.next_functions]
    assert nodes[1] is None


def test_grad_fn_is_the_same_node_each_time(x):
    y = x * x
    z = x * x
    assert y.grad_fn == y.grad_fn
    assert hash(y.grad_fn) == hash(y.grad_fn)
    assert y.grad_fn != z.grad_fn


def test_a_graph_is_walked_without_its_tensors(x):
    node = ad.sin(ad.exp(x * x)).grad_fn
    names = []
    while node is not None and node.next_functions:
        names.append(node.name())
        node = node.next_functions[0][0]
    assert names == ["SinBackward0", "ExpBackward0", "MulBackward0"]


def test_grad_fn_of_a_swept_result_still_has_its_name(x):
    y = x * x
    y.backward()
    assert y.requires_grad
    assert y.grad_fn.name() == "MulBackward0"


# ---- Accumulating ----------------------------------------------------------------


def test_gradients_accumulate(x):
    (x * x).backward()
    (x * 3.0).backward()
    assert x.grad.item() == 7.0


def test_zero_grad_forgets(x):
    (x * x).backward()
    x.zero_grad()
    assert x.grad is None


def test_zero_grad_can_fill_with_zeros(x):
    (x * x).backward()
    g = x.grad
    x.zero_grad(set_to_none=False)
    assert x.grad is g
    assert g.item() == 0.0


def test_a_gradient_has_no_graph(x):
    (x * x * x).backward()
    assert not x.grad.requires_grad


def test_a_gradient_can_be_assigned(x):
    x.grad = ad.tensor(10.0)
    (x * x).backward()
    assert x.grad.item() == 14.0


def test_an_assigned_gradient_must_have_the_shape(x):
    with pytest.raises(RuntimeError, match="data of a different size"):
        x.grad = ad.ones(2)


def test_an_assigned_gradient_must_be_a_tensor(x):
    with pytest.raises(TypeError, match="grad must be a Tensor or None"):
        x.grad = 1.0


def test_data_of_another_shape_does_not_accumulate_in_the_old_gradient():
    v = ad.tensor([1.0, 2.0], requires_grad=True)
    (v * v).sum().backward()
    v.data = ad.ones(1000)
    with pytest.raises(ad.ShapeError, match="gradient"):
        (v * v).sum().backward()
    v.grad = None
    (v * v).sum().backward()
    assert v.grad.tolist() == [2.0] * 1000


# ---- backward --------------------------------------------------------------------


def test_a_seed_scales_the_gradient(x):
    (x * x).backward(ad.tensor(10.0))
    assert x.grad.item() == 40.0


def test_a_seed_may_carry_a_graph():
    x = ad.tensor(2.0, requires_grad=True)
    seed = ad.tensor(3.0, requires_grad=True)
    (g,) = ad.autograd.grad(x * x, x, seed, create_graph=True)  # 2 x s
    g.backward()
    assert (x.grad.item(), seed.grad.item()) == (6.0, 4.0)


def test_a_vector_takes_a_seed_of_its_shape():
    v = ad.tensor([1.0, 2.0], requires_grad=True)
    (v * v).backward(gradient=ad.tensor([1.0, 10.0]))
    assert v.grad.tolist() == [2.0, 40.0]


def test_a_vector_without_a_seed_is_an_error():
    v = ad.tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(
        RuntimeError, match="grad can be implicitly created only for scalar outputs"
    ):
        (v * v).backward()


def test_a_vector_of_one_element_needs_no_seed():
    v = ad.tensor([[3.0]], requires_grad=True)
    (v * v).backward()
    assert v.grad.tolist() == [[6.0]]


def test_a_second_sweep_is_an_error(x):
    y = x * x
    y.backward()
    with pytest.raises(RuntimeError, match="backward through the graph a second time"):
        y.backward()


def test_a_second_sweep_from_another_root_is_an_error(x):
    y = ad.exp(x)
    a, b = y * 2.0, y * 3.0
    a.backward()
    with pytest.raises(ad.GraphError, match="second time"):
        b.backward()


def test_retain_graph_allows_a_second_sweep(x):
    y = x * x
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.item() == 8.0


def test_a_linear_graph_can_be_swept_twice(x):
    y = x + 1.0
    z, w = y * 1.0, y + 2.0
    w.backward()
    z.backward()
    assert x.grad.item() == 2.0


def test_what_is_computed_from_a_swept_result_cannot_be_swept(x):
    y = x * x
    y.backward()
    for z in (y * 2.0, ad.cat([y.reshape(1), y.reshape(1)]).sum(), ad.exp(y)):
        with pytest.raises(ad.GraphError, match="second time"):
            z.backward()


def test_inputs_limit_what_accumulates(x):
    w = ad.tensor(3.0, requires_grad=True)
    (x * w).backward(inputs=[x])
    assert x.grad.item() == 3.0
    assert w.grad is None


def test_inputs_may_be_one_tensor(x):
    (x * x).backward(inputs=x)
    assert x.grad.item() == 4.0


def test_empty_inputs_are_an_error(x):
    with pytest.raises(RuntimeError, match="cannot be empty"):
        (x * x).backward(inputs=[])


def test_create_graph_leaves_a_gradient_with_a_graph(x):
    (x * x * x).backward(create_graph=True)
    assert x.grad.requires_grad
    g = x.grad
    x.grad = None
    g.backward()
    assert x.grad.item() == 12.0


def test_backward_takes_as_many_seeds_as_tensors(x):
    with pytest.raises(RuntimeError, match="2 tensors and 1 gradients"):
        ad.backward([x * x, x * x], [ad.tensor(1.0)])


# ---- autograd.grad ---------------------------------------------------------------


def test_grad_returns_and_leaves_grad_alone(x):
    (g,) = ad.autograd.grad(x * x, x)
    assert g.item() == 4.0
    assert x.grad is None


def test_grad_takes_inputs_inside_the_graph(x):
    y = x * x
    (g,) = ad.autograd.grad(ad.exp(y), [y])
    assert g.item() == pytest.approx(np.exp(4.0))


def test_grad_of_an_input_and_of_what_is_below_it(x):
    y = x * x
    g_y, g_x = ad.autograd.grad(y * 3.0, [y, x])
    assert (g_y.item(), g_x.item()) == (3.0, 12.0)


def test_grad_of_the_output_itself_is_the_seed(x):
    y = x * x
    (g,) = ad.autograd.grad(y, [y], ad.tensor(5.0))
    assert g.item() == 5.0


def test_the_same_input_twice_gets_two_gradients(x):
    g, h = ad.autograd.grad(x * x, [x, x])
    assert (g.item(), h.item()) == (4.0, 4.0)


def test_grad_sums_over_outputs(x):
    (g,) = ad.autograd.grad([x * x, x * 3.0], x)
    assert g.item() == 7.0


def test_grad_of_a_leaf_that_changed_in_between_is_complete(x):
    a = x * 3.0
    with ad.no_grad():
        x -= 1.0
    (g,) = ad.autograd.grad(a + x * x, x)
    assert g.item() == 5.0


def test_an_unused_input_is_an_error(x):
    unused = ad.tensor(1.0, requires_grad=True)
    with pytest.raises(RuntimeError, match="not have been used in the graph"):
        ad.autograd.grad(x * x, [x, unused])


def test_an_unused_input_gives_none_if_allowed(x):
    unused = ad.tensor(1.0, requires_grad=True)
    assert ad.autograd.grad(x * x, [unused], allow_unused=True) == (None,)


def test_an_unused_input_gives_zeros_if_they_are_asked_for(x):
    unused = ad.ones(2, requires_grad=True)
    (g,) = ad.autograd.grad(x * x, [unused], materialize_grads=True)
    assert g.tolist() == [0.0, 0.0]


def test_an_input_must_require_grad(x):
    with pytest.raises(RuntimeError, match="does not require grad"):
        ad.autograd.grad(x * x, ad.tensor(1.0))


def test_an_output_must_require_grad(x):
    with pytest.raises(RuntimeError, match="does not require grad"):
        ad.autograd.grad(ad.tensor(1.0) * 2.0, x)


def test_grad_frees_the_graph(x):
    y = x * x
    ad.autograd.grad(y, x)
    with pytest.raises(ad.GraphError, match="second time"):
        ad.autograd.grad(y, x)


# ---- detach, data, clone ---------------------------------------------------------


def test_detach_cuts_the_graph(x):
    y = (x * x).detach()
    assert not y.requires_grad
    assert y.is_leaf


def test_detach_shares_the_value(x):
    y = x * 1.0
    y.detach().fill_(5.0)
    assert y.item() == 5.0


def test_detach_shares_memory_of_arrays():
    v = ad.tensor([1.0, 2.0], requires_grad=True)
    w = v.detach()
    w[0] = 9.0
    assert v.tolist() == [9.0, 2.0]


def test_a_detached_number_outlives_its_source():
    x = ad.tensor(2.0)
    a, b = x.detach(), x.detach()
    c = a.detach()
    del x
    a.add_(1.0)
    assert (b.item(), c.item()) == (3.0, 3.0)
    del a
    c.add_(1.0)
    assert b.item() == 4.0


def test_a_detached_leaf_has_its_own_gradient(x):
    y = x.detach().requires_grad_()
    (x * y).backward()
    assert (x.grad.item(), y.grad.item()) == (2.0, 2.0)


def test_a_detached_leaf_follows_a_change_of_its_source():
    x = ad.tensor(2.0)
    y = x.detach().requires_grad_()
    first = y + 0.0
    x.mul_(3.0)
    second = y * y
    assert second.item() == 36.0
    (first + second).backward()
    assert y.grad.item() == 13.0


def test_detach_in_place_cuts_the_graph(x):
    y = x * x
    y.detach_()
    assert not y.requires_grad
    assert y.grad_fn is None


def test_writing_to_data_leaves_no_trace(x):
    y = x * 3.0
    z = y * y
    y.data.fill_(100.0)
    z.backward()
    assert x.grad.item() == 36.0  # by the values that were recorded


def test_what_data_holds_is_what_later_operations_see(x):
    y = x * 3.0
    y.data.add_(1.0)
    z = y * y
    assert z.item() == 49.0
    z.backward()
    assert x.grad.item() == 42.0


def test_data_can_be_assigned(x):
    x.data = ad.tensor(5.0)
    (x * x).backward()
    assert x.grad.item() == 10.0


def test_clone_passes_gradients(x):
    y = x.clone()
    (y * y).backward()
    assert y is not x
    assert x.grad.item() == 4.0


def test_clone_has_memory_of_its_own():
    v = ad.tensor([1.0, 2.0])
    w = v.clone()
    w[0] = 9.0
    assert v.tolist() == [1.0, 2.0]


# ---- Copies ----------------------------------------------------------------------


@pytest.mark.parametrize("value", [2.0, [1.0, 2.0]])
def test_deepcopy_makes_leaves_of_leaves(value):
    x = ad.tensor(value, requires_grad=True)
    x.grad = ad.ones(x.shape)
    one, two = copy.deepcopy([x, x])
    assert one is two
    assert one.is_leaf
    assert one.requires_grad
    assert one.grad is not x.grad
    assert one.shape == x.shape


def test_deepcopy_of_a_result_is_an_error(x):
    with pytest.raises(RuntimeError, match="graph leaves"):
        copy.deepcopy(x * x)


def test_a_copied_alias_is_independent():
    x = ad.tensor(2.0)
    c = copy.deepcopy(x.detach())
    x.add_(1.0)
    assert c.item() == 2.0


def test_a_leaf_can_be_pickled(x):
    y = pickle.loads(pickle.dumps(x))
    assert y.item() == 2.0
    assert y.requires_grad


def test_a_result_cannot_be_pickled(x):
    with pytest.raises(ad.GraphError, match="detach"):
        pickle.dumps(x * x)


def test_grad_takes_its_arguments_in_pytorchs_order():
    x, y = (ad.tensor(v, requires_grad=True) for v in (2.0, 3.0))
    found = ad.autograd.grad(x * x, (x, y), None, True, False, True, True)
    assert found[0].item() == 4.0
    assert found[1] is None
    with pytest.raises(RuntimeError, match="allow_unused"):
        ad.autograd.grad(x * x, (x, y), None, True, False, True)


@pytest.mark.parametrize("option", [{"only_inputs": False}, {"is_grads_batched": True}])
def test_options_of_grad_that_are_not_supported_are_refused(option):
    x = ad.tensor(2.0, requires_grad=True)
    with pytest.raises(ad.ArgumentError, match=next(iter(option))):
        ad.autograd.grad(x * x, x, **option)
