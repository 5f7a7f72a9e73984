"""A scalar and the element of an array are computed alike: bitwise or within ULP."""

import numpy as np
import pytest
from ops import checks
from ops.checks import each_partial, each_row

import autodiff as ad


def assert_alike(scalars, elements, ulp, is_bitwise):
    """Same bits where both are plain arithmetic; else each within its bound."""
    if is_bitwise:
        np.testing.assert_array_equal(scalars, elements)
        return
    bound = ulp + checks.array_bound(ulp)
    for x, y in zip(scalars, elements, strict=True):
        if not (np.isnan(x) and np.isnan(y)) and x != y:
            # the unit of the smaller binade, if they lie in two
            unit = np.spacing(min(abs(x), abs(y)))
            assert abs(x - y) <= 2 * bound * unit, (x, y)


@each_row
def test_values_are_alike(row):
    at = checks.points(row.name)
    function = checks.function_of(row)
    assert_alike(
        checks.values(function, at),
        checks.array_values(function, at),
        row.ulp,
        checks.is_bitwise(row.value),
    )


@each_partial
def test_gradients_are_alike(row, k):
    function = checks.function_of(row)
    at = [
        point
        for point in checks.points(row.name)
        if checks.is_normal(abs(function(*point)))  # as the bounds are stated
    ]
    assert_alike(
        checks.partials(function, k, at),
        checks.array_partials(function, k, at),
        row.ulp_partial,
        checks.is_bitwise(row.partials[k], row.value),
    )


@each_row
def test_an_operand_that_broadcasts_is_the_same_as_one_repeated(row, rng):
    at = [p for p in checks.points(row.name) if checks.is_normal(abs(sum(p)))][:1]
    grid = np.array(at[0] * 2)[: row.n_args]
    columns = [np.full((3, 1) if k % 2 else (1, 5), v) for k, v in enumerate(grid)]
    function = checks.function_of(row)
    full = [np.full((3, 5), v) for v in grid]
    shape = np.broadcast_shapes(*(c.shape for c in columns))
    np.testing.assert_allclose(
        function(*columns), function(*full)[: shape[0], : shape[1]], rtol=1e-14
    )


# ---- Operands that no formula reads --------------------------------------------------

UNUSED = [
    pytest.param(row, k, i, id=f"{row.name}-{k}-{'xyw'[i]}")
    for row in checks.ROWS
    for k in range(row.n_args)
    for i in range(row.n_args)
    if not {"xyw"[i], "z"} & checks.names_in(row.partials[k])
]


@pytest.mark.parametrize(("row", "k", "i"), UNUSED)
def test_an_unused_operand_that_is_nan_does_not_change_a_gradient(row, k, i):
    function = checks.function_of(row)
    at = checks.points(row.name)
    poisoned = [(*p[:i], np.nan, *p[i + 1 :]) for p in at]
    for ways in (checks.partials, checks.array_partials):
        np.testing.assert_array_equal(
            ways(function, k, poisoned), ways(function, k, at)
        )


@pytest.mark.parametrize(("row", "k", "i"), UNUSED)
def test_an_unused_operand_may_change_in_place_before_the_sweep(row, k, i):
    at = checks.points(row.name)
    operands = [np.array(v) for v in zip(*at, strict=True)]
    others = [ad.tensor(v) for v in operands]
    x = others[k] = ad.tensor(operands[k], requires_grad=True)
    z = checks.function_of(row)(*others)
    if i != k:
        others[i].fill_(np.nan)
    z.backward(ad.ones_like(z))
    expected = checks.array_partials(checks.function_of(row), k, at)
    np.testing.assert_array_equal(x.grad.numpy(), expected)


@pytest.mark.parametrize(
    ("row", "k"),
    [
        pytest.param(row, k, id=f"{row.name}-{k}")
        for row in checks.ROWS
        for k in range(row.n_args)
        if "z" not in checks.names_in(row.partials[k])
    ],
)
def test_an_unused_result_may_be_overwritten_before_the_sweep(row, k):
    at = checks.points(row.name)
    leaves = checks.leaf_arrays(at)
    z = checks.function_of(row)(*leaves)
    z.data.fill_(np.nan)
    (gradient,) = ad.autograd.grad(z, [leaves[k]], ad.ones_like(z))
    expected = checks.array_partials(checks.function_of(row), k, at)
    np.testing.assert_array_equal(gradient.numpy(), expected)
