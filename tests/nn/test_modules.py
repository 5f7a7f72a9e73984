"""Modules: parameters, state, modes, and what they refuse."""

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
