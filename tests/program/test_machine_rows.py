"""Every row of the op table, run as code: one point, arrays, loops, lanes."""

import numpy as np
import pytest
from ops import checks
from ops.checks import each_row
from program.machine import assert_same_bits, at_point, eagerly, in_lanes, record

import autodiff as ad
from autodiff import _core

LONG = 1100  # elements: more than a loop needs, and not a whole number of blocks


def points(row):
    return np.array(checks.points(row.name, 12))


def columns(row, n):
    """n points of the row's domain, as an array for each operand."""
    at = points(row)
    return list(np.resize(at, (n, row.n_args)).T)


@each_row
def test_a_scalar_row_at_one_point_is_the_eager_value(row):
    function = checks.function_of(row)
    program = record(function, *points(row)[0])
    for at in points(row):
        assert_same_bits(at_point(program, at), eagerly(program, at))


@each_row
@pytest.mark.parametrize("n", [1, 7, LONG])
def test_an_array_row_at_one_point_is_the_eager_value(row, n):
    function = checks.function_of(row)
    at = columns(row, n)
    program = record(function, *at)
    assert_same_bits(at_point(program, at), eagerly(program, at))


@each_row
@pytest.mark.parametrize("n", [3, LONG])
def test_a_scalar_beside_arrays_at_one_point_is_the_eager_value(row, n):
    function = checks.function_of(row)
    at = columns(row, n)
    for k in range(row.n_args):
        beside = [x if j == k else float(x[0]) for j, x in enumerate(at)]
        program = record(function, *beside)
        assert_same_bits(at_point(program, beside), eagerly(program, beside))


@each_row
def test_a_chain_of_arrays_at_one_point_is_the_eager_value(row):
    at = columns(row, LONG)

    def chain(*operands):
        z = checks.function_of(row)(*operands)
        return [ad.sum(z), z[1:] - z[:-1], ad.tanh(z) * 0.5]

    program = record(chain, *at)
    assert_same_bits(at_point(program, at), eagerly(program, at))


def in_units(x, y):
    """How far two results are apart, in units of the smaller one's last place."""
    if (np.isnan(x) and np.isnan(y)) or x == y:
        return 0.0
    return abs(x - y) / np.spacing(min(abs(x), abs(y)))


@each_row
@pytest.mark.parametrize("n_lanes", [8, 5])
def test_a_row_in_lanes_is_within_its_bound(row, n_lanes):
    function = checks.function_of(row)
    program = record(function, *points(row)[0])
    rows = list(points(row))[:11]
    exact = checks.is_bitwise(row.value)
    bound = 0.0 if exact else 2 * (row.ulp + checks.array_bound(row.ulp))
    for at, (z,) in zip(rows, in_lanes(program, rows, n_lanes), strict=True):
        (expected,) = at_point(program, at)
        assert in_units(float(z), float(expected)) <= bound, at


@each_row
def test_what_a_lane_comes_to_does_not_hang_on_its_place(row):
    program = record(checks.function_of(row), *points(row)[0])
    rows = list(points(row))[:11]
    forwards = in_lanes(program, rows, 8)
    backwards = in_lanes(program, rows[::-1], 32)[::-1]
    for x, y in zip(forwards, backwards, strict=True):
        assert_same_bits(x, y)


@each_row
def test_a_nan_operand_that_counts_makes_a_smooth_row_nan(row):
    """What lets code run plain products: NaNs get through, unless nothing counts."""
    if row.smoothness != "SMOOTH":
        return
    function = checks.function_of(row)
    for at in points(row):
        for k in range(row.n_args):
            z = float(function(*at[:k], np.nan, *at[k + 1 :]))
            others = {
                float(function(*at[:k], v, *at[k + 1 :])) for v in (-2.5, 0.5, 3.0)
            }
            assert np.isnan(z) or others == {z}


def test_a_square_of_an_array_takes_no_logarithm():
    x = np.array([3.0000000000000004, -1.1, 1e-160])
    program = record(lambda x, y: [x**2.0, x**y, x**2.5], x, 2.0)
    for y in (2.0, 3.0):
        assert_same_bits(at_point(program, [x, y]), eagerly(program, [x, y]))


def test_code_of_a_constant_function_has_its_constants():
    program = record(lambda x: [2.5, np.arange(3.0), x], 1.0)
    assert_same_bits(
        at_point(program, [4.0]), [2.5 * np.ones(()), np.arange(3.0), 4.0 * np.ones(())]
    )
    assert isinstance(_core.Code(program), _core.Code)
