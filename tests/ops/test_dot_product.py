"""Tangent sweeps and adjoint sweeps agree: v . (J u) = (J' v) . u for any u and v."""

import math

import numpy as np
import pytest
from ops import checks
from ops.checks import each_partial, each_row

import autodiff as ad


def usable(row, n=32):
    """Points at which value and partials are normal numbers, so that sums are."""
    found = []
    function = checks.function_of(row)
    operands = active_operands(row)
    for point in checks.points(row.name):
        numbers = [checks.partials(function, k, [point])[0] for k in operands]
        numbers += [*point, *checks.values(function, [point])]
        if all(abs(v) < 1e100 and checks.is_normal(abs(v)) for v in numbers):
            found.append(point)
    return found[:n]


def active_operands(row):
    """Operands that have a partial: an order, which must be whole, has none."""
    return [k for k, text in enumerate(row.partials) if text != "0.0 / 0.0"]


@each_row
def test_tangent_against_adjoint_of_arrays(row, rng):
    at = usable(row)
    assert len(at) >= 8
    leaves = checks.leaf_arrays(at)
    active = [leaves[k] for k in active_operands(row)]
    z = checks.function_of(row)(*leaves)
    directions = [ad.tensor(rng.standard_normal(len(at))) for _ in active]
    seed = ad.tensor(rng.standard_normal(len(at)))
    (z_dot,) = ad.autograd.tangent(z, active, directions)
    gradients = ad.autograd.grad(z, active, seed)
    checks.assert_adjoint([z_dot.detach()], [seed], gradients, directions)


@each_partial
def test_tangent_and_adjoint_of_a_scalar_are_the_same_product(row, k):
    if k not in active_operands(row):
        pytest.skip("the operand has no partial")
    for point in usable(row, 12):
        leaves = checks.leaves_at(point)
        z = checks.function_of(row)(*leaves)
        seed = ad.tensor(0.7)
        with ad.no_grad():  # numbers, as in the sweep; a graph records the formula
            (z_dot,) = ad.autograd.tangent(z, [leaves[k]], [seed])
        (x_bar,) = ad.autograd.grad(z, [leaves[k]], seed)
        assert z_dot.item() == x_bar.item()


def test_tangent_against_adjoint_of_a_composite(rng):
    x = ad.tensor(rng.standard_normal((3, 4)), requires_grad=True)
    y = ad.tensor(rng.standard_normal((4, 2)), requires_grad=True)
    z = [ad.tanh(x @ y) * ad.sum(x), ad.cumsum(ad.exp(y) / ad.norm(x), 0)]
    directions = [ad.tensor(rng.standard_normal(v.shape)) for v in (x, y)]
    seeds = [ad.tensor(rng.standard_normal(v.shape)) for v in z]
    z_dots = [v.detach() for v in ad.autograd.tangent(z, [x, y], directions)]
    gradients = ad.autograd.grad(z, [x, y], seeds)
    checks.assert_adjoint(z_dots, seeds, gradients, directions)


@each_row
def test_the_tangent_of_a_tangent_is_the_second_derivative_of_the_adjoint(row):
    at = usable(row, 6)
    function = checks.function_of(row)
    for k in active_operands(row):
        for point in at:
            leaves = checks.leaves_at(point)
            (z_dot,) = ad.autograd.tangent(function(*leaves), [leaves[k]])
            (second,) = checks.scalar_seconds(function, k, k, [point])
            if not z_dot.requires_grad:
                assert second == 0
                continue
            (z_dot_dot,) = ad.autograd.tangent(z_dot, [leaves[k]])
            found = 0.0 if z_dot_dot is None else z_dot_dot.item()
            assert math.isclose(found, second, rel_tol=1e-12, abs_tol=1e-15) or (
                np.isnan(found) and np.isnan(second)
            )
