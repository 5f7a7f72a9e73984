"""Operations that move, add up and combine elements, run as code."""

import numpy as np
import pytest
from program.machine import (
    assert_close,
    assert_same_bits,
    at_point,
    eagerly,
    in_lanes,
    record,
)

import autodiff as ad

GRID, CUBE = (4, 5), (2, 3, 4)

# name -> (shapes of the operands, function)
CASES = {
    "reshape": ([GRID], lambda x: ad.reshape(x, (2, 10))),
    "an element": ([GRID], lambda x: x[1, 2]),
    "rows": ([GRID], lambda x: x[1:3]),
    "a row of rows": ([GRID], lambda x: x[1:3][1]),
    "columns": ([GRID], lambda x: x[:, 1:3]),
    "every other": ([(9,)], lambda x: x[::2]),
    "backwards": ([(9,)], lambda x: ad.flip(x, 0)),
    "transposed": ([GRID], lambda x: x.T),
    "broadcast": ([(5,)], lambda x: ad.broadcast_to(x, (3, 5))),
    "broadcast number": ([()], lambda x: ad.broadcast_to(x, (3, 5))),
    "sum": ([CUBE], ad.sum),
    "sum of many": ([(1500,)], ad.sum),
    "sum of rows": ([CUBE], lambda x: ad.sum(x, 1)),
    "sum of columns": ([(300, 3)], lambda x: ad.sum(x, 0)),
    "sum along rows": ([(3, 300)], lambda x: ad.sum(x, 1)),
    "gather": ([(9,)], lambda x: x[np.array([8, 0, 3, 3])]),
    "gather rows": ([GRID], lambda x: x[np.array([3, 0, 3])]),
    "cumsum": ([CUBE], lambda x: ad.cumsum(x, 1)),
    "cat": ([(2, 5), GRID, (1, 5), GRID, GRID], lambda *x: ad.cat(x, 0)),
    "cat along rows": ([(4, 2), GRID], lambda *x: ad.cat(x, 1)),
    "stack": ([()] * 6, lambda *x: ad.stack(x)),
    "matmul": ([GRID, (5, 3)], lambda x, y: x @ y),
    "matmul of vectors": ([(7,), (7,)], lambda x, y: x @ y),
    "matmul transposed": ([(5, 4), (5, 3)], lambda x, y: x.T @ y),
    "matmul of batches": ([(3, 4, 5), (5, 2)], lambda x, y: x @ y),
    "matmul large for lanes": ([(20, 21), (21, 22)], lambda x, y: x @ y),
    "matmul large": ([(140, 130), (130, 150)], lambda x, y: x @ y),
    "amax": ([CUBE], lambda x: ad.amax(x, 1)),
    "amin": ([CUBE], ad.amin),
    "row and column": ([(4, 1), (1, 5)], lambda x, y: ad.exp(x) * y),
    "row and grid": ([(5,), GRID], lambda x, y: x / y),
    "batch and number": ([(1, 1, 1), CUBE], lambda x, y: x - y),
}
each_case = pytest.mark.parametrize("case", CASES)


def operands(case, rng):
    return [rng.normal(size=shape) for shape in CASES[case][0]]


@each_case
def test_at_one_point_it_is_the_eager_value(case, rng):
    at = operands(case, rng)
    program = record(CASES[case][1], *at)
    assert_same_bits(at_point(program, at), eagerly(program, at))


@each_case
def test_its_derivative_at_one_point_is_the_eager_value(case, rng):
    at = operands(case, rng)
    program = record(CASES[case][1], *at)
    derivative = program.reverse([True] * len(at))
    seeds = [rng.normal(size=shape) for shape in program.output_shapes]
    assert_close(
        at_point(derivative, at + seeds), eagerly(derivative, at + seeds), 1e-14
    )


@each_case
@pytest.mark.parametrize("n_lanes", [1, 3, 8])
def test_each_lane_is_as_if_alone(case, n_lanes, rng):
    rows = [operands(case, rng) for _ in range(5)]
    program = record(CASES[case][1], *rows[0])
    for row, found in zip(rows, in_lanes(program, rows, n_lanes), strict=True):
        assert_close(found, at_point(program, row), 1e-13)


SUMS = ["sum", "sum of many", "sum of rows", "sum of columns", "sum along rows"]


@pytest.mark.parametrize("case", SUMS)
def test_a_sum_in_lanes_is_in_the_order_of_a_sum_alone(case, rng):
    rows = [operands(case, rng) for _ in range(9)]
    program = record(CASES[case][1], *rows[0])
    for row, found in zip(rows, in_lanes(program, rows, 16), strict=True):
        assert_same_bits(found, at_point(program, row))


# ---- Slots ---------------------------------------------------------------------------


def test_outputs_may_be_inputs_constants_and_one_another():
    def function(x, y):
        z = x * 2.0
        return [x, z, 3.0, z, y, z[1:], y, np.ones(2), ad.reshape(z, (1, 3))]

    at = [np.arange(3.0), 4.0]
    program = record(function, *at)
    assert_same_bits(at_point(program, at), eagerly(program, at))
    rows = [[np.arange(3.0) + k, float(k)] for k in range(5)]
    for row, found in zip(rows, in_lanes(program, rows, 2), strict=True):
        assert_same_bits(found, eagerly(program, row))


def test_runs_do_not_disturb_each_other():
    program = record(lambda x, y: [x * y + 2.0, ad.exp(x) * np.arange(3.0)], 1.0, 2.0)
    first = at_point(program, [0.3, 0.4])
    for _ in range(3):
        assert_same_bits(at_point(program, [0.3, 0.4]), first)


@pytest.mark.parametrize("n_lanes", [1, 8])
def test_empty_arrays_are_run(n_lanes):
    def function(x, y):
        z = ad.exp(x) * y
        return [z, ad.sum(z), ad.cat([z, x]), z[:0], ad.reshape(z, (0, 3)), y]

    at = [np.zeros(0), 2.0]
    program = record(function, *at)
    for found in [at_point(program, at), *in_lanes(program, [at] * 3, n_lanes)]:
        assert_same_bits(found, eagerly(program, at))


def test_a_value_outlives_views_of_it():
    def function(x):
        made = ad.exp(x)
        view = ad.reshape(made, (5, 2))[1:4][1]
        for _ in range(20):  # would take its slots, were they free
            x = x * 1.5 + 0.1
        return [view * 2.0, x]

    at = [np.linspace(0.0, 1.0, 10)]
    program = record(function, *at)
    assert_same_bits(at_point(program, at), eagerly(program, at))
