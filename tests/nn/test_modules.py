"""Modules: parameters, state, modes, and what they refuse."""

import copy
import pickle

import numpy as np
import pytest

import autodiff as ad

nn = ad.nn


def small():
    ad.manual_seed(3)
    return nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.ReLU(), nn.Linear(3, 1))


def values(module):
    return {name: x.numpy().copy() for name, x in module.state_dict().items()}


def same(a, b):
    return a.keys() == b.keys() and all(np.array_equal(a[k], b[k]) for k in a)


def test_parameters_are_named_by_where_they_are():
    names = [name for name, _ in small().named_parameters()]
    assert names == ["0.weight", "0.bias", "1.weight", "1.bias", "3.weight", "3.bias"]


def test_state_has_parameters_and_buffers():
    assert {
        "1.running_mean",
        "1.running_var",
        "0.weight",
    } <= small().state_dict().keys()


def test_state_that_is_loaded_is_the_state_that_was_saved():
    one, other = small(), small()
    other(ad.randn(5, 2))
    ad.nn.init.zeros_(other[0].weight)
    one.load_state_dict(other.state_dict())
    assert same(values(one), values(other))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("0.bias"), "missing: 0.bias"),
        (lambda s: s.update(extra=ad.ones(1)), "not expected: extra"),
        (
            lambda s: s.update({"3.weight": ad.ones(2, 3)}),
            r"3.weight: shape \(2, 3\) for \(1, 3\)",
        ),
    ],
)
def test_a_state_that_does_not_fit_says_where_and_changes_nothing(change, message):
    net, other = small(), small()
    ad.nn.init.zeros_(other[0].weight)
    state = other.state_dict()
    change(state)
    before = values(net)
    with pytest.raises(ad.ArgumentError, match=message):
        net.load_state_dict(state)
    assert same(values(net), before)


def test_what_is_missing_is_left_alone_when_not_strict():
    net = small()
    before = values(net)
    net.load_state_dict({"3.bias": ad.ones(1)}, strict=False)
    after = values(net)
    assert after["3.bias"].tolist() == [1.0]
    assert np.array_equal(after["0.weight"], before["0.weight"])


def test_modes_reach_every_module():
    net = nn.Sequential(nn.Sequential(nn.Dropout(0.5)), nn.BatchNorm1d(2))
    assert all(m.training for m in net.modules())
    assert not any(m.training for m in net.eval().modules())
    assert all(m.training for m in net.train().modules())


def test_dropout_drops_while_training_only():
    ad.manual_seed(0)
    layer = nn.Dropout(0.5)
    dropped = layer(ad.ones(100)).numpy()
    assert set(dropped) == {0.0, 2.0}
    assert layer.eval()(ad.ones(100)).numpy().tolist() == [1.0] * 100


def test_batch_norm_learns_its_statistics_while_training_only():
    layer, x = nn.BatchNorm1d(1), ad.tensor([[1.0], [3.0]])
    layer(x)
    assert layer.running_mean.item() == pytest.approx(0.2)
    assert layer.running_var.item() == pytest.approx(0.9 + 0.1 * 2.0)
    layer.eval()(x)
    assert layer.running_mean.item() == pytest.approx(0.2)


def test_a_module_that_is_used_twice_is_counted_once_and_gets_both_gradients():
    layer = nn.Linear(2, 2, bias=False)
    net = nn.Sequential(layer, layer)
    assert len(list(net.parameters())) == 1
    x = ad.ones(1, 2)
    net(x).sum().backward()
    w = layer.weight.detach().numpy()
    expected = np.outer(np.ones(2), w @ np.ones(2)) + np.outer(w.sum(0), np.ones(2))
    np.testing.assert_allclose(layer.weight.grad.numpy(), expected, rtol=1e-14)


def test_frozen_parameters_get_no_gradient_and_can_be_thawed():
    net = small()
    net[0].requires_grad_(False)
    net(ad.randn(4, 2)).sum().backward()
    assert net[0].weight.grad is None
    assert net[3].weight.grad is not None
    net.requires_grad_()
    net(ad.randn(4, 2)).sum().backward()
    assert net[0].weight.grad is not None


def test_zero_grad_clears_every_gradient():
    net = small()
    net(ad.randn(4, 2)).sum().backward()
    net.zero_grad()
    assert all(p.grad is None for p in net.parameters())


def test_a_hook_sees_and_replaces_what_a_module_returns():
    layer = nn.Identity()
    handle = layer.register_forward_hook(lambda module, args, out: out * 2.0)
    assert layer(ad.tensor(1.0)).item() == 2.0
    handle.remove()
    assert layer(ad.tensor(1.0)).item() == 1.0


def test_a_module_without_super_init_says_so():
    class Bad(nn.Module):
        def __init__(self):
            self.x = 1

    with pytest.raises(AttributeError, match="super"):
        Bad()(1.0)


def test_a_module_without_forward_says_so():
    with pytest.raises(NotImplementedError, match="forward"):
        nn.Module()(1.0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.Conv2d(3, 4, 3, groups=2), "groups = 2 does not divide"),
        (lambda: nn.Dropout(1.5), "probability"),
        (lambda: nn.Sequential(1.0), "takes modules"),
        (lambda: nn.ReLU(slope=1), "no option 'slope'"),
        (lambda: nn.Conv2d(1, 1, (1, 2, 3)), "kernel_size must be"),
    ],
)
def test_a_setting_that_makes_no_sense_is_an_error(make, message):
    with pytest.raises(ad.ArgumentError, match=message):
        make()


def test_clipping_the_norm_scales_all_gradients():
    p = ad.tensor([3.0, 4.0], requires_grad=True)
    (p * p).sum().backward()
    before = nn.utils.clip_grad_norm_([p], 1.0)
    assert before.item() == 10.0
    np.testing.assert_allclose(p.grad.numpy(), [0.6, 0.8], rtol=1e-6)


def test_a_norm_that_is_nan_is_an_error_on_request_and_changes_nothing():
    p = ad.tensor([3.0, 4.0], requires_grad=True)
    p.grad = ad.tensor([np.nan, 1.0])
    with pytest.raises(ad.ArgumentError, match="nan_report"):
        nn.utils.clip_grad_norm_([p], 1.0, error_if_nonfinite=True)
    assert p.grad[1].item() == 1.0


def test_clipping_values_keeps_each_within_bounds():
    p = ad.tensor([3.0, -4.0], requires_grad=True)
    (p * p).sum().backward()
    nn.utils.clip_grad_value_(p, 7.0)
    assert p.grad.tolist() == [6.0, -7.0]


@pytest.mark.parametrize("bad", [0.0, -1.0, float("nan")])
def test_a_bound_that_is_no_bound_is_an_error(bad):
    with pytest.raises(ad.ArgumentError, match="positive"):
        nn.utils.clip_grad_norm_([], bad)
    with pytest.raises(ad.ArgumentError, match="positive"):
        nn.utils.clip_grad_value_([], bad)


def test_parameters_make_a_vector_and_a_vector_parameters():
    net = nn.Linear(2, 3)
    flat = nn.utils.parameters_to_vector(net.parameters()).detach()
    nn.utils.vector_to_parameters(flat * 2.0, net.parameters())
    again = nn.utils.parameters_to_vector(net.parameters()).detach()
    np.testing.assert_array_equal(again.numpy(), 2.0 * flat.numpy())


def test_a_vector_of_another_length_is_an_error():
    with pytest.raises(ad.ShapeError, match="the vector has 2 elements"):
        nn.utils.vector_to_parameters(ad.ones(2), nn.Linear(2, 3).parameters())


def test_a_cell_says_what_shapes_it_takes():
    cell = nn.GRUCell(3, 2)
    with pytest.raises(ad.ShapeError, match="3 features"):
        cell(ad.ones(5, 4))
    with pytest.raises(ad.ShapeError, match=r"state of shape \(5, 2\)"):
        cell(ad.ones(5, 3), ad.ones(4, 2))


def test_a_network_learns():
    ad.manual_seed(0)
    net = nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1))
    optimizer = ad.optim.Adam(net.parameters(), lr=0.05)
    x = ad.linspace(-1.0, 1.0, 20).reshape(20, 1)
    for _ in range(200):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(net(x), x**2)
        loss.backward()
        optimizer.step()
    assert loss.item() < 1e-3


def test_a_compiled_network_has_the_gradient_of_the_plain_one():
    net = small().eval().requires_grad_(False)
    x = np.linspace(-1.0, 1.0, 8).reshape(4, 2)
    f = ad.compile(lambda x: net(x).sum())
    plain = ad.tensor(x, requires_grad=True)
    net(plain).sum().backward()
    np.testing.assert_allclose(f.grad(x), plain.grad.numpy(), rtol=1e-14)


# ---- Copies, states, containers ------------------------------------------------------


@pytest.mark.parametrize(
    "again", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))]
)
def test_a_copy_of_a_module_has_parameters_of_its_own(again):
    net = small()
    other = again(net)
    assert same(values(net), values(other))
    names = [name for name, _ in net.named_parameters()]
    assert [name for name, _ in other.named_parameters()] == names
    other[0].weight.data.zero_()
    assert not same(values(net), values(other))


def test_a_shared_parameter_is_learned_once_and_saved_under_each_name():
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    net[1].weight = net[0].weight
    assert len(list(net.parameters())) == 3
    assert "0.weight" in net.state_dict()
    assert "1.weight" in net.state_dict()


def test_what_a_loose_load_did_not_meet_is_told():
    layer = nn.Linear(2, 1)
    left = layer.load_state_dict(
        {"bias": np.ones(1), "scale": np.ones(1)}, strict=False
    )
    assert (left.missing_keys, left.unexpected_keys) == (["weight"], ["scale"])
    assert layer.bias.item() == 1.0
    with pytest.raises(ad.ArgumentError, match="a dict of tensors"):
        layer.load_state_dict(3)


def test_a_buffer_that_is_not_persistent_is_not_saved():
    module = nn.Module()
    module.register_buffer("kept", ad.zeros(1))
    module.register_buffer("made", ad.zeros(1), persistent=False)
    assert [name for name, _ in module.named_buffers()] == ["kept", "made"]
    assert list(module.state_dict()) == ["kept"]


def test_containers_hold_modules_and_parameters():
    by_name = nn.ModuleDict({"a": nn.Linear(1, 2), "b": nn.Tanh()})
    assert (by_name.keys(), len(by_name), "a" in by_name) == (["a", "b"], 2, True)
    assert by_name["a"] is by_name.values()[0]
    several = nn.ModuleList([nn.Linear(1, 1)]).extend([nn.Tanh(), nn.ReLU()])
    assert [type(m).__name__ for m in several[1:]] == ["Tanh", "ReLU"]
    numbers = nn.ParameterList([ad.zeros(2), nn.Parameter(ad.ones(3))])
    assert [p.shape for p in numbers] == [(2,), (3,)]
    assert [name for name, _ in numbers.named_parameters()] == ["0", "1"]
    assert len(list(nn.Sequential(nn.Tanh()).append(by_name).parameters())) == 2
    assert len(list(nn.Sequential(by_name).parameters(recurse=False))) == 0


def test_a_cumulative_batch_norm_keeps_the_mean_of_all_batches():
    layer = nn.BatchNorm1d(1, momentum=None)
    for batch in ([1.0, 3.0], [5.0, 9.0], [0.0, 3.0]):
        layer(ad.tensor(batch).reshape(2, 1))
    assert layer.running_mean.item() == pytest.approx((2.0 + 7.0 + 1.5) / 3)
    assert layer.running_var.item() == pytest.approx((2.0 + 8.0 + 4.5) / 3)
    assert layer.num_batches_tracked.item() == 3


def test_pools_take_the_options_of_their_functions():
    x = ad.arange(25.0).reshape(1, 1, 5, 5)
    pool = nn.MaxPool2d(2, ceil_mode=True)
    assert pool(x).shape == (1, 1, 3, 3)
    assert (
        nn.AvgPool2d(2, padding=1, count_include_pad=False)(x)[0, 0, 0, 0].item() == 0
    )
    assert nn.AvgPool1d(5)(x[0]).flatten().tolist() == [2.0, 7.0, 12.0, 17.0, 22.0]
    assert nn.AdaptiveAvgPool2d(1)(x).item() == 12.0


def test_dropout2d_drops_channels():
    ad.manual_seed(0)
    layer = nn.Dropout2d(0.5)
    z = layer(ad.ones(4, 8, 2, 2)).numpy().reshape(32, 4)
    assert set(z.ravel()) == {0.0, 2.0}
    assert (z == z[:, :1]).all()
    assert layer.eval()(ad.ones(1, 1, 2, 2)).sum().item() == 4.0


# ---- Recurrent layers ----------------------------------------------------------------


def by_cells(layer, cell, x, state):
    """Run one layer of a network step by step, with a cell that has its numbers."""
    cell.load_state_dict(
        {name.removesuffix("_l0"): p for name, p in layer.state_dict().items()}
    )
    found = []
    for row in x.unbind():
        state = cell(row, state)
        found.append(state[0] if isinstance(state, tuple) else state)
    return ad.stack(found), state


@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
def test_a_recurrent_layer_is_its_cell_step_by_step(kind):
    ad.manual_seed(1)
    layer, cell = getattr(nn, kind)(3, 4), getattr(nn, f"{kind}Cell")(3, 4)
    x = ad.randn(5, 2, 3)
    expected, _ = by_cells(layer, cell, x, None)
    output, _ = layer(x)
    assert np.allclose(output.detach().numpy(), expected.detach().numpy(), atol=1e-15)
    single, _ = layer(x[:, 0].clone())
    assert np.allclose(single.detach().numpy(), expected[:, 0].detach().numpy())


@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
@pytest.mark.parametrize("is_both", [False, True])
def test_a_recurrent_network_agrees_with_pytorch(kind, is_both):
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    ad.manual_seed(2)
    options = {"num_layers": 2, "batch_first": True, "bidirectional": is_both}
    ours = getattr(nn, kind)(3, 4, **options)
    theirs = getattr(torch.nn, kind)(3, 4, **options).double()
    state = {k: torch.tensor(v.numpy()) for k, v in ours.state_dict().items()}
    theirs.load_state_dict(state)
    values = ad.randn(2, 5, 3).numpy()
    x, y = (
        ad.tensor(values, requires_grad=True),
        torch.tensor(values, requires_grad=True),
    )
    (a, _), (b, _) = ours(x), theirs(y)
    (a * a).sum().backward()
    (b * b).sum().backward()
    assert np.allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-13, atol=1e-14)
    assert np.allclose(x.grad.numpy(), y.grad.numpy(), rtol=1e-12, atol=1e-13)
    for name, p in theirs.named_parameters():
        mine = dict(ours.named_parameters())[name].grad.numpy()
        assert np.allclose(mine, p.grad.numpy(), rtol=1e-12, atol=1e-13)


def test_states_and_sequences_that_do_not_fit_are_errors():
    with pytest.raises(ad.ShapeError, match=r"states of shape \(1, 2, 4\)"):
        nn.GRU(3, 4)(ad.zeros(5, 2, 3), ad.zeros(1, 3, 4))
    with pytest.raises(ad.ShapeError, match="LSTM takes"):
        nn.LSTM(3, 4)(ad.zeros(0, 2, 3))
    with pytest.raises(ad.ArgumentError, match="nonlinearity"):
        nn.RNN(3, 4, nonlinearity="sign")


# ---- What would lose a parameter -----------------------------------------------------


@pytest.mark.parametrize("value", [ad.ones(1, 2), np.ones((1, 2)), 3.0])
def test_a_parameter_gives_way_to_a_parameter_or_none_only(value):
    layer = nn.Linear(2, 1)
    own = layer.weight
    with pytest.raises(TypeError, match=r"as parameter 'weight'.*copy_"):
        layer.weight = value
    assert layer.weight is own
    layer.weight = nn.Parameter(ad.ones(1, 2))
    assert len(list(layer.parameters())) == 2
    layer.weight = None
    assert len(list(layer.parameters())) == 1


def test_a_buffer_gives_way_to_a_tensor_or_none_only():
    norm = nn.BatchNorm1d(2)
    with pytest.raises(TypeError, match="as buffer 'running_mean'"):
        norm.running_mean = [0.0, 0.0]
    norm.running_mean = ad.ones(2)
    assert norm.state_dict()["running_mean"].tolist() == [1.0, 1.0]
    norm.running_mean = None
    assert "running_mean" not in norm.state_dict()


def test_a_module_gives_way_to_a_module_or_none_only():
    net = nn.ModuleDict({"a": nn.Linear(1, 1)})
    with pytest.raises(TypeError, match=r"as child module 'a'.*del module.a"):
        net.a = ad.tanh
    net.a = nn.Tanh()
    assert not list(net.parameters())
    net.a = None
    assert not list(net.children())


@pytest.mark.parametrize("part", [nn.Parameter(1.0), nn.Tanh()])
def test_a_part_before_super_init_is_an_error(part):
    class Forgetful(nn.Module):
        def __init__(self):
            self.setting = 3
            self.part = part

    with pytest.raises(AttributeError, match=r"Forgetful.*super\(\).__init__\(\)"):
        Forgetful()
