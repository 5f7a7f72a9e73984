"""Optimisers and schedules: what they refuse, and schedules against closed forms."""

import importlib.util
import math

import numpy as np
import pytest

import autodiff as ad

optim = ad.optim
OPTIMISERS = ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "LBFGS"]
each_optimiser = pytest.mark.parametrize("name", OPTIMISERS)


def leaf(data=(1.0, 2.0)):
    return ad.tensor(list(data), requires_grad=True)


@each_optimiser
@pytest.mark.parametrize("lr", [float("nan"), -0.1, float("inf"), "fast"])
def test_a_rate_that_makes_no_sense_is_an_error(name, lr):
    with pytest.raises(ad.ArgumentError, match="lr must be a finite number from 0"):
        getattr(optim, name)([leaf()], lr=lr)


@each_optimiser
def test_no_parameters_is_an_error(name):
    with pytest.raises(ad.ArgumentError, match="got no parameters"):
        getattr(optim, name)([], lr=0.1)


@each_optimiser
def test_a_single_tensor_is_an_error_that_shows_the_list(name):
    with pytest.raises(ad.ArgumentError, match=r"\(\[tensor\], \.\.\.\)"):
        getattr(optim, name)(leaf(), lr=0.1)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (lambda: [leaf() * 2.0], "parameter 0 is not a leaf"),
        (lambda: [leaf(), 1.0], "parameter 1 is a float"),
        (lambda: [leaf()] * 2, "parameter 1 appears twice"),
        (lambda: [{"params": [leaf()], "rate": 1.0}], "no setting 'rate'"),
    ],
)
def test_what_is_no_parameter_is_an_error(params, message):
    with pytest.raises(ad.ArgumentError, match=message):
        optim.SGD(params(), lr=0.1)


@pytest.mark.parametrize(
    "make",
    [
        lambda p: optim.SGD(p, momentum=-1.0),
        lambda p: optim.SGD(p, nesterov=True),
        lambda p: optim.Adam(p, betas=(0.9, 1.0)),
        lambda p: optim.Adam(p, betas=(0.9,)),
        lambda p: optim.Adam(p, eps=-1.0),
        lambda p: optim.RMSprop(p, alpha=2.0),
        lambda p: optim.LBFGS(p, line_search_fn="armijo"),
        lambda p: optim.LBFGS([{"params": p}, {"params": [leaf()]}]),
    ],
)
def test_a_setting_that_makes_no_sense_is_an_error(make):
    with pytest.raises(ad.ArgumentError):
        make([leaf()])


def test_a_rate_that_is_made_nonsense_later_is_an_error_and_nothing_moves():
    p, q = leaf(), leaf()
    optimizer = optim.SGD([{"params": [p]}, {"params": [q]}], lr=0.1)
    (p + q).sum().backward()
    optimizer.param_groups[1]["lr"] = float("nan")
    with pytest.raises(ad.ArgumentError, match="lr must be"):
        optimizer.step()
    assert p.tolist() == [1.0, 2.0]


def test_a_gradient_of_another_shape_is_an_error_and_nothing_moves():
    p, q = leaf(), leaf()
    optimizer = optim.Adam([p, q], lr=0.1)
    (p + q).sum().backward()
    q.data = ad.ones(3)
    with pytest.raises(ad.ShapeError, match=r"parameter 1 has shape \(3,\)"):
        optimizer.step()
    assert p.tolist() == [1.0, 2.0]


def test_a_parameter_without_a_gradient_stays():
    p, q = leaf(), leaf()
    optimizer = optim.Adam([p, q], lr=0.1)
    p.sum().backward()
    optimizer.step()
    assert q.tolist() == [1.0, 2.0]
    assert p.tolist() != [1.0, 2.0]


def test_groups_have_settings_of_their_own():
    p, q = leaf([1.0]), leaf([1.0])
    optimizer = optim.SGD([{"params": [p], "lr": 1.0}, {"params": [q]}], lr=0.5)
    (p + q).sum().backward()
    optimizer.step()
    assert (p.item(), q.item()) == (0.0, 0.5)


@each_optimiser
def test_state_that_is_loaded_goes_on_as_the_other_would(name):
    def run(optimizer, p, n):
        def closure():
            optimizer.zero_grad()
            loss = ((p - 3.0) ** 4).sum()
            loss.backward()
            return loss

        for _ in range(n):
            optimizer.step(closure)

    make = getattr(optim, name)
    p, q = leaf(), leaf()
    one, other = make([p], lr=0.01), make([q], lr=0.5)
    run(one, p, 3)
    with ad.no_grad():
        q.copy_(p)
    other.load_state_dict(one.state_dict())
    run(one, p, 3)
    run(other, q, 3)
    np.testing.assert_array_equal(q.detach().numpy(), p.detach().numpy())


def test_a_state_of_other_parameters_is_an_error_and_changes_nothing():
    one, other = optim.Adam([leaf()], lr=0.1), optim.Adam([leaf([1.0])], lr=0.2)
    with pytest.raises(ad.ArgumentError, match="parameters of other shapes"):
        one.load_state_dict(other.state_dict())
    assert one.param_groups[0]["lr"] == 0.1


def test_lbfgs_needs_a_closure():
    with pytest.raises(ad.ArgumentError, match="closure"):
        optim.LBFGS([leaf()]).step()


def test_a_step_counts_as_a_change_in_place():
    p = leaf()
    optimizer = optim.SGD([p], lr=0.1)
    loss = (p * p).sum()
    loss.backward(retain_graph=True)
    optimizer.step()
    with pytest.raises(ad.GraphError, match="modified by an inplace operation"):
        loss.backward()


def test_an_empty_parameter_is_taken():
    p = ad.tensor(np.zeros((0, 3)), requires_grad=True)
    optimizer = optim.Adam([p, leaf()], lr=0.1)
    p.sum().backward()
    optimizer.step()
    assert tuple(p.shape) == (0, 3)


# ---- Schedules -----------------------------------------------------------------------

SCHEDULES = {
    "StepLR": ({"step_size": 3, "gamma": 0.5}, lambda e: 0.5 ** (e // 3)),
    "MultiStepLR": (
        {"milestones": [2, 5], "gamma": 0.1},
        lambda e: 0.1 ** ((e >= 2) + (e >= 5)),
    ),
    "ExponentialLR": ({"gamma": 0.9}, lambda e: 0.9**e),
    "CosineAnnealingLR": (
        {"T_max": 10},
        lambda e: 0.5 * (1 + math.cos(math.pi * e / 10)),
    ),
    "LinearLR": (
        {"start_factor": 0.5, "end_factor": 0.1, "total_iters": 4},
        lambda e: 0.5 - 0.4 * min(e, 4) / 4,
    ),
    "ConstantLR": (
        {"factor": 0.5, "total_iters": 3},
        lambda e: 0.5 if e < 3 else 1.0,
    ),
    "PolynomialLR": (
        {"total_iters": 4, "power": 2.0},
        lambda e: (1 - min(e, 4) / 4) ** 2,
    ),
    "LambdaLR": ({"lr_lambda": lambda e: 1.0 / (1 + e)}, lambda e: 1.0 / (1 + e)),
}


def rates(module, name, n=10):
    p = module.tensor([1.0], requires_grad=True)
    optimizer = module.optim.SGD([p], lr=2.0)
    schedule = getattr(module.optim.lr_scheduler, name)(optimizer, **SCHEDULES[name][0])
    found = []
    for _ in range(n):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return found


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_is_its_closed_form(name):
    expected = [2.0 * SCHEDULES[name][1](e) for e in range(10)]
    np.testing.assert_allclose(rates(ad, name), expected, rtol=1e-14)


@pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="compares with PyTorch"
)
@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_agrees_with_pytorch(name):
    import torch

    np.testing.assert_allclose(rates(ad, name), rates(torch, name), rtol=1e-12)


def plateau(module, **options):
    p = module.tensor([1.0], requires_grad=True)
    optimizer = module.optim.SGD([p], lr=1.0)
    schedule = module.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, factor=0.5, patience=1, **options
    )
    found = []
    for metric in (5.0, 4.0, 4.0, 4.0, 4.0, 4.0, 3.0, 3.0, 3.0, 9.0):
        schedule.step(metric)
        found.append(optimizer.param_groups[0]["lr"])
    return found


def test_a_plateau_halves_the_rate_after_its_patience():
    expected = [1.0, 1.0, 1.0, 0.5, 0.5, 0.25, 0.25, 0.25, 0.125, 0.125]
    assert plateau(ad) == expected


@pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="compares with PyTorch"
)
@pytest.mark.parametrize(
    "options", [{}, {"cooldown": 2}, {"mode": "max"}, {"threshold_mode": "abs"}]
)
def test_a_plateau_agrees_with_pytorch(options):
    import torch

    assert plateau(ad, **options) == plateau(torch, **options)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda o: optim.lr_scheduler.CosineAnnealingLR(o, 0), "T_max must be"),
        (lambda o: optim.lr_scheduler.ReduceLROnPlateau(o, factor=1.5), "factor"),
        (lambda o: optim.lr_scheduler.ReduceLROnPlateau(o, mode="up"), "mode must be"),
        (lambda o: optim.lr_scheduler.LambdaLR(o, [abs, abs]), "one for each"),
        (lambda o: optim.lr_scheduler.LambdaLR(o, lambda e: math.nan), "of epoch 0"),
        (lambda o: optim.lr_scheduler.LambdaLR(o, lambda e: -1.0), "of epoch 0"),
        (lambda o: optim.lr_scheduler.LambdaLR(o, lambda e: math.inf), "of epoch 0"),
    ],
)
def test_a_schedule_that_makes_no_sense_is_an_error(make, message):
    optimizer = optim.SGD([leaf()], lr=0.1)
    with pytest.raises(ad.ArgumentError, match=message):
        make(optimizer)
    group = optimizer.param_groups[0]
    assert group["lr"] == 0.1
    assert "initial_lr" not in group


@pytest.mark.parametrize("gamma", [math.nan, math.inf, -1.0])
def test_a_step_to_a_rate_that_makes_no_sense_changes_nothing(gamma):
    optimizer = optim.SGD([{"params": [leaf()]}, {"params": [leaf()]}], lr=0.1)
    schedule = optim.lr_scheduler.ExponentialLR(optimizer, gamma)
    for _ in range(2):
        with pytest.raises(ad.ArgumentError, match="the rate of epoch 1 must be"):
            schedule.step()
    assert schedule.get_last_lr() == [0.1, 0.1]
    assert schedule.last_epoch == 0


def test_a_schedule_goes_on_from_an_epoch():
    schedulers = optim.lr_scheduler
    with pytest.raises(ad.ArgumentError, match="initial_lr"):
        schedulers.StepLR(optim.SGD([leaf()], lr=1.0), 2, last_epoch=3)
    first = optim.SGD([leaf()], lr=1.0)
    schedule = schedulers.StepLR(first, 2)
    for _ in range(3):
        schedule.step()
    second = optim.SGD([leaf()], lr=7.0)
    second.load_state_dict(first.state_dict())
    again = schedulers.StepLR(second, 2, last_epoch=2)
    schedule.step()
    again.step()
    assert again.get_last_lr() == schedule.get_last_lr()


def test_a_plateau_schedule_keeps_and_takes_its_state():
    schedulers = optim.lr_scheduler
    one = schedulers.ReduceLROnPlateau(optim.SGD([leaf()], lr=1.0), patience=1)
    for metric in (1.0, 2.0):
        one.step(metric)
    other = schedulers.ReduceLROnPlateau(optim.SGD([leaf()], lr=1.0), patience=9)
    other.load_state_dict(one.state_dict())
    for schedule in (one, other):
        schedule.step(3.0)
        assert schedule.get_last_lr() == [0.1]


def test_groups_and_states_that_are_none_are_errors():
    optimizer = optim.SGD([leaf()], lr=0.1)
    with pytest.raises(ad.ArgumentError, match="a group is a dict"):
        optim.SGD([{"parms": [leaf()]}], lr=0.1)
    with pytest.raises(ad.ArgumentError, match="the state has no 'param_groups'"):
        optimizer.load_state_dict({})
    with pytest.raises(ad.ArgumentError, match="betas must be two numbers"):
        optim.Adam([leaf()], betas=0.9)
