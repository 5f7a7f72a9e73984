"""Random programs: whatever the order and the lives of values, replay is eager."""

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

UNARY = [ad.sin, ad.tanh, ad.square, ad.neg, ad.abs, ad.sigmoid, ad.relu, ad.cos]
BINARY = [ad.add, ad.sub, ad.mul, ad.mul, ad.add, ad.maximum, ad.hypot, ad.atan2]


def elementwise(rng, x, y):
    if rng.random() < 0.3:
        return UNARY[rng.integers(len(UNARY))](x)
    other = y if rng.random() < 0.8 else float(rng.integers(-2, 3))
    return BINARY[rng.integers(len(BINARY))](x, other)


def structural(rng, x):
    flat = ad.reshape(x, (-1,))
    choice = rng.integers(7)
    if choice == 0:
        return ad.sum(x)
    if choice == 1:
        return flat[1:]
    if choice == 2:
        return flat[-1]
    if choice == 3:
        return flat[::2]
    if choice == 4:
        return ad.cumsum(flat, 0)
    if choice == 5:
        return ad.cat([flat[:40], flat[:3]])
    return ad.where(x > 0.25, x, -x)


def random_function(seed, n_operations):
    """Make values of recent and old ones; return some, and an input."""

    def function(*inputs):
        rng = np.random.default_rng(seed)
        pool = list(inputs)
        for _ in range(n_operations):
            x = pool[rng.integers(max(0, len(pool) - 20), len(pool))]
            y = pool[rng.integers(len(pool))]
            try:
                np.broadcast_shapes(x.shape, y.shape)
            except ValueError:
                y = x
            if rng.random() < 0.75 or 0 in x.shape:
                z = elementwise(rng, x, y)
            else:
                z = structural(rng, x)
            if z.ndim <= 2:
                pool.append(ad.tanh(z) if rng.random() < 0.4 else z)
        chosen = rng.integers(len(inputs), len(pool), 6)
        return [pool[k] for k in chosen] + [inputs[0], pool[-1]]

    return function


def operands(rng, n):
    shapes = [(), (3,), (1,), (2, 3), (n,), (n,)]
    return [rng.normal(size=shape) for shape in shapes]


def assert_replays(program, rows, n_lanes):
    for row in rows:
        assert_same_bits(at_point(program, row), eagerly(program, row))
    for row, found in zip(rows, in_lanes(program, rows, n_lanes), strict=True):
        assert_close(found, at_point(program, row), 1e-9)


@pytest.mark.parametrize("n", [1, 6, 1030, 1700])
@pytest.mark.parametrize("seed", range(12))
def test_a_random_program_replays(seed, n):
    rng = np.random.default_rng(1000 + seed)
    rows = [operands(rng, n) for _ in range(5)]
    program = record(random_function(seed, 80), *rows[0])
    assert_replays(program, rows, [8, 3, 2][seed % 3])


@pytest.mark.parametrize("n", [1, 6, 1030])
@pytest.mark.parametrize("seed", range(12))
def test_the_gradient_of_a_random_program_replays(seed, n):
    rng = np.random.default_rng(2000 + seed)
    at = operands(rng, n)
    program = record(random_function(seed, 40), *at)
    gradient = program.reverse([True] * len(at))
    seeds = [rng.normal(size=shape) for shape in program.output_shapes]
    assert_close(at_point(gradient, at + seeds), eagerly(gradient, at + seeds), 1e-13)
    rows = [operands(rng, n) + seeds for _ in range(3)]
    for row, found in zip(rows, in_lanes(gradient, rows, 8), strict=True):
        for x, y in zip(found, at_point(gradient, row), strict=True):
            np.testing.assert_allclose(x, y, rtol=1e-8, atol=1e-10)
