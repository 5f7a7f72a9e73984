"""What the tests of the rows share: points, ways through the tape, and the checks.

A check is given numbers and raises AssertionError with the worst point; test_checker.py
proves of each that it can fail.
"""

import math
import re
from functools import cache

import numpy as np
import pytest
import reference

import autodiff as ad
from autodiff import _core

ROWS = ad.ops()
each_row = pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
each_partial = pytest.mark.parametrize(
    ("row", "k"),
    [
        pytest.param(row, k, id=f"{row.name}-{k}")
        for row in ROWS
        for k in range(row.n_args)
    ],
)

# Beyond a row's bound, where the loop over an array calls a SIMD function of the C
# library: glibc promises 4 ULP for those. Rows that state less than 1 call none.
SIMD_ULP = 4.0
# IEEE arithmetic, bit by bit the same in every kernel.
EXACT = set("x y w z fabs sqrt fma fmod floor_mod rint floor ceil trunc copysign "
            "maximum minimum sign".split())  # fmt: skip


def function_of(row):
    """The row as a function, without the options that some names add."""
    return _core.FUNCTIONS[row.name]


@cache
def points(name, count=6):
    """Points over a row's domain: boundary, subnormal, huge, log-spaced, random."""
    row = reference.find(name)
    return reference.samples(row.domain, seed=1, count=count)


def names_in(formula):
    """Operands and functions that a formula names."""
    return set(re.findall(r"(?<![\w.])[A-Za-z_]\w*", formula))


def is_bitwise(*formulas):
    """Whether formulas have nothing in them that an array kernel could round anew."""
    return all(names_in(text) <= EXACT for text in formulas)


def array_bound(ulp):
    return ulp + SIMD_ULP if ulp >= 1 else ulp


# ---- Ways through the tape -----------------------------------------------------------


def leaves_at(point):
    return [ad.tensor(v, requires_grad=True) for v in point]


def leaf_arrays(at):
    return [ad.tensor(list(v), requires_grad=True) for v in zip(*at, strict=True)]


def values(function, at):
    """Values of scalars on the tape, one point after the other."""
    return [function(*leaves_at(point)).item() for point in at]


def array_values(function, at):
    """The same of leaves that hold all points."""
    return function(*leaf_arrays(at)).numpy(force=True).tolist()


def partials(function, k, at):
    """Gradients in operand k of scalars, every operand a leaf."""
    found = []
    for point in at:
        leaves = leaves_at(point)
        function(*leaves).backward()
        found.append(leaves[k].grad.item())
    return found


def partials_beside_constants(function, k, at):
    """Gradients in operand k, the others plain numbers."""
    found = []
    for point in at:
        x = ad.tensor(point[k], requires_grad=True)
        function(*point[:k], x, *point[k + 1 :]).backward()
        found.append(x.grad.item())
    return found


def array_partials(function, k, at):
    """Gradients in operand k of arrays, every operand a leaf."""
    leaves = leaf_arrays(at)
    z = function(*leaves)
    z.backward(ad.ones_like(z))
    return leaves[k].grad.tolist()


def array_partials_beside_constants(function, k, at):
    """Gradients in operand k of an array, the others plain arrays."""
    operands = [np.array(v) for v in zip(*at, strict=True)]
    x = ad.tensor(operands[k], requires_grad=True)
    z = function(*operands[:k], x, *operands[k + 1 :])
    z.backward(ad.ones_like(z))
    return x.grad.tolist()


def seconds(function, j, k, at):
    """Derivatives in operand j of the gradient in operand k, of arrays."""
    leaves = leaf_arrays(at)
    z = function(*leaves)
    one = ad.ones_like(z)
    (g,) = ad.autograd.grad(z, [leaves[k]], one, create_graph=True)
    if not g.requires_grad:
        return [0.0] * len(at)
    (h,) = ad.autograd.grad(g, [leaves[j]], one, materialize_grads=True)
    return h.tolist()


def scalar_seconds(function, j, k, at):
    """The same of scalars, where the short ways of the tape are taken."""
    found = []
    for point in at:
        leaves = leaves_at(point)
        (g,) = ad.autograd.grad(function(*leaves), [leaves[k]], create_graph=True)
        h = 0.0
        if g.requires_grad:
            (h,) = ad.autograd.grad(g, [leaves[j]], materialize_grads=True)
        found.append(float(h))
    return found


# ---- Checks --------------------------------------------------------------------------


def is_normal(x):
    """Whether x is 0 or a number with all its digits."""
    return x == 0 or reference.LEAST_NORMAL <= abs(x) <= reference.LARGEST


def assert_within(bound, computed, exact, at):
    """Every number within `bound` ULP of the truth, where that is a number."""
    worst, where = 0.0, None
    for got, truth, point in zip(computed, exact, at, strict=True):
        if truth is not None and reference.mp.isfinite(truth):
            error = reference.ulp_error(float(got), truth)
            if error > worst:
                worst, where = error, (point, float(got), float(truth))
    assert worst <= bound, f"{worst:.3g} ULP at {where}, bound {bound:g}"


def assert_close(relative, computed, expected, at):
    """Every number within a relative error of (truth, error granted besides)."""
    for got, wanted, point in zip(computed, expected, at, strict=True):
        if wanted is None or (wanted[0] and not is_normal(abs(wanted[0]))):
            continue
        truth, granted = wanted
        error = abs(reference.mpf(float(got)) - truth)
        assert error <= relative * abs(truth) + granted, (
            f"{float(got)!r} at {point}, expected {float(truth)!r}"
        )


def assert_adjoint(outputs, output_seeds, inputs, input_seeds, relative=1e-13):
    """v . (J u) = (J' v) . u, which no mistake in only one of the sweeps survives.

    `relative` is to the sum of the sizes of the terms: sums of up to a hundred terms
    of 53 bits.
    """
    right = sum(
        ad.sum(ad.mul(v, u)) for v, u in zip(outputs, output_seeds, strict=True)
    )
    left = sum(ad.sum(ad.mul(v, u)) for v, u in zip(inputs, input_seeds, strict=True))
    size = sum(
        float(np.abs(np.asarray(v) * np.asarray(u)).sum())
        for v, u in zip(inputs, input_seeds, strict=True)
    )
    assert math.isfinite(size)
    assert abs(float(right) - float(left)) <= relative * size


def exact_values(row, at):
    return [reference.value(row.name, *point) for point in at]


def exact_partials(row, k, at):
    """Partials, None where the value has overflowed or is subnormal: see ops.def."""
    return [
        reference.partial(row.name, k, *point)
        if is_normal(abs(reference.value(row.name, *point)))
        else None
        for point in at
    ]
