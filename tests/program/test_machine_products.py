"""Products of the sweep rule: plain ones at first, guarded where a NaN came of that."""

import numpy as np
import pytest
from program.machine import assert_same_bits, at_point, eagerly, in_lanes, record

import autodiff as ad
from autodiff import _core


def guarded_mul(x, y):
    return _core.apply_row("_guarded_mul", x, y)


POINTS = [[0.0, np.inf, 3.0], [2.0, 5.0, -1.0], [np.inf, 0.0, -2.0], [np.nan, 1.0, 1.0]]

CASES = {
    "alone": lambda x, y, w: guarded_mul(x, y),
    "added": lambda x, y, w: guarded_mul(x, y) + w,
    "added the other way": lambda x, y, w: w + guarded_mul(x, y),
    "less": lambda x, y, w: guarded_mul(x, y) - w,
    "taken away": lambda x, y, w: w - guarded_mul(x, y),
    "negated": lambda x, y, w: w + guarded_mul(x, -y),
    "negated twice": lambda x, y, w: [w + guarded_mul(-x, -y), x - w * -y],
    "compared": lambda x, y, w: ad.where(guarded_mul(x, y) > -1.0, w, w + 1.0),
    "added, then compared": lambda x, y, w: ad.where(
        guarded_mul(x, y) + w > -1.0, 1.0, 2.0
    ),
    "compared far away": lambda x, y, w: ad.fmax(
        ad.sin(guarded_mul(x, y) * w + 1.0), -5.0
    ),
    "by a guarded product": lambda x, y, w: ad.copysign(
        w, guarded_mul(guarded_mul(x, y), w)
    ),
}
each_case = pytest.mark.parametrize("case", CASES)


@each_case
def test_at_one_point_it_is_the_eager_value(case):
    program = record(CASES[case], 1.0, 2.0, 3.0)
    for at in POINTS:
        assert_same_bits(at_point(program, at), eagerly(program, at))


@each_case
@pytest.mark.parametrize("n_lanes", [8, 3])
def test_in_lanes_it_is_the_eager_value(case, n_lanes):
    program = record(CASES[case], 1.0, 2.0, 3.0)
    for at, found in zip(POINTS, in_lanes(program, POINTS, n_lanes), strict=True):
        assert_same_bits(found, eagerly(program, at))


@each_case
@pytest.mark.parametrize("n", [4, 1100])
def test_of_arrays_it_is_the_eager_value(case, n):
    at = [np.resize(column, n) for column in np.array(POINTS).T]
    program = record(CASES[case], *at)
    assert_same_bits(at_point(program, at), eagerly(program, at))


def test_a_choice_sees_the_guarded_product():
    def function(x, y):
        return x if guarded_mul(x, y) > -1.0 else y

    program = record(function, 1.0, 2.0)
    assert_same_bits(at_point(program, [0.0, np.inf]), [np.zeros(())])


def test_what_is_not_chosen_has_no_say_in_the_gradient():
    program = record(lambda x: ad.where(x > 0.0, ad.log(x), 0.0), 1.0)
    gradient = program.reverse([True])
    rows = [[0.0, 1.0], [2.0, 1.0]]
    for row, found in zip(rows, in_lanes(gradient, rows, 8), strict=True):
        assert_same_bits(found, eagerly(gradient, row))
        assert_same_bits(at_point(gradient, row), eagerly(gradient, row))


# ---- Pairs ---------------------------------------------------------------------------


def test_a_product_and_a_sum_in_one_step_are_rounded_twice():
    def function(x, y, w):
        return [x * y + w, x * y - w, w - x * y, w + x * -y, w + x * y * 1.0]

    program = record(function, 1.0, 2.0, 3.0)
    rng = np.random.default_rng(7)
    rows = [list(row) for row in rng.normal(size=(40, 3))]
    rows += [[0.1, 10.0, -1.0], [1e200, 1e200, -np.inf], [-0.0, 1.0, -0.0]]
    for row, found in zip(rows, in_lanes(program, rows, 16), strict=True):
        assert_same_bits(at_point(program, row), eagerly(program, row))
        assert_same_bits(found, eagerly(program, row))


def test_a_product_that_is_read_twice_keeps_its_step():
    def function(x, y, w):
        product, negated = x * y, -y
        return [product + w, product, w + x * negated, negated, x * y + x * y]

    program = record(function, 1.0, 2.0, 3.0)
    for row in ([0.3, 0.7, 0.9], [1e-3, 1e3, 0.1]):
        assert_same_bits(at_point(program, row), eagerly(program, row))
