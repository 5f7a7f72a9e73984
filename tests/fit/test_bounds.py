"""Bounds of parameters, fixed, tied and indexed ones."""

from dataclasses import replace

import numpy as np
import pytest
from fit.solving import bounded, by_level, posed, solved

from autodiff.fit.formula.parse import parse
from autodiff.fit.problem import Slot

X = np.arange(1.0, 9.0)
NOISE = 0.01 * np.array([0.3, -0.1, 0.2, -0.4, 0.1, 0.3, -0.2, -0.1])
DECAY = {"x": X, "y": 5.0 * np.exp(-0.3 * X) + 1.0 + NOISE}


def decay():
    return posed("y ~ a*exp(-b*x) + c", DECAY)


@pytest.mark.parametrize(("low", "high", "side"), [(0.4, 9.0, -1), (0.0, 0.2, 1)])
def test_a_parameter_that_is_pressed_outwards_stays_at_its_bound(low, high, side):
    solution = solved(bounded(decay(), b=(low, high)))
    assert solution.converged
    assert solution.point[1] == (low if side < 0 else high)
    assert solution.active.tolist() == [0, side, 0]
    assert [note.code for note in solution.notes] == ["W101"]
    e = np.exp(-solution.point[1] * X)
    rest = np.linalg.lstsq(np.stack([e, np.ones(8)], 1), DECAY["y"], rcond=None)[0]
    assert solution.point[[0, 2]] == pytest.approx(rest, rel=1e-11)


def test_bounds_that_do_not_bind_change_nothing():
    free, boxed = solved(decay()), solved(bounded(decay(), b=(0.0, 1.0), c=(0.0, 5.0)))
    assert boxed.point == pytest.approx(free.point, rel=1e-12)
    assert not boxed.active.any()


def test_a_start_at_a_bound_is_released_by_the_gradient():
    problem = posed("y ~ a*exp(-b*x) + c", DECAY, a=1.0, b=0.0, c=0.0)
    solution = solved(bounded(problem, b=(0.0, 1.0), a=(0.5, 9.0), c=(0.0, 9.0)))
    assert solution.point == pytest.approx(solved(decay()).point, rel=1e-10)


def test_a_linear_model_obeys_its_bounds():
    problem = bounded(posed("y ~ a*x + b", {"x": X, "y": 2 * X + 3}), a=(0.0, 1.0))
    solution = solved(problem)
    assert solution.converged
    assert solution.point == pytest.approx([1.0, (X + 3).mean()], rel=1e-13)


def test_all_parameters_at_bounds_is_an_answer():
    problem = posed("y ~ a*x + b", {"x": X, "y": 2 * X + 3})
    solution = solved(bounded(problem, a=(0.0, 1.0), b=(0.0, 2.0)))
    assert solution.converged
    assert solution.point.tolist() == [1.0, 2.0]


def _with_slot(problem, slot):
    """Return a problem with one slot replaced, its parameter gone."""
    left = [p for p in problem.parameters if p.name != slot.name]
    places = {p.name: k for k, p in enumerate(left)}
    kept = [
        replace(s, position=places[s.name])
        for s in problem.slots
        if s.name != slot.name
    ]
    return replace(problem, parameters=tuple(left), slots=(*kept, slot))


def test_a_fixed_parameter_is_a_number():
    solution = solved(_with_slot(decay(), Slot("c", "fixed", value=1.0)))
    moved = {"x": X, "y": DECAY["y"] - 1.0}
    other = solved(posed("y ~ a*exp(-b*x)", moved))
    assert solution.point == pytest.approx(other.point, rel=1e-12)


def test_a_tied_parameter_follows_the_others():
    slot = Slot("c", "tied", nodes=parse("a/5").rhs)
    solution = solved(_with_slot(decay(), slot))
    other = solved(posed("y ~ a*exp(-b*x) + a/5", DECAY))
    assert solution.point == pytest.approx(other.point, rel=1e-12)


@pytest.mark.parametrize("form", ["v*x + c", "v*x/(1 + k*x) + c"])
def test_an_indexed_parameter_has_a_value_for_each_level(form):
    x, codes = np.tile(X, 2), np.repeat([0, 1], 8)
    v = np.where(codes == 0, 2.0, 3.0)
    y = v * x / (1 + 0.2 * x) + 0.5 + np.r_[NOISE, NOISE[::-1]]
    data = {"x": x, "y": y, "one": codes == 0, "two": codes == 1}
    solution = solved(by_level(posed(f"y ~ {form}", data), "v", codes))
    other = solved(posed(f"y ~ {form.replace('v*', '(v*one + w*two)*')}", data))
    assert solution.converged
    named = dict(zip(other.model.names, other.point, strict=True))
    named |= {"v[0]": named["v"], "v[1]": named["w"]}
    expected = [named[name] for name in solution.model.names]
    assert solution.point == pytest.approx(expected, rel=1e-11)
