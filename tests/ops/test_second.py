"""Second derivatives of every row, recorded from its formulas."""

import pytest
import reference
from ops import checks

# The tape differentiates the formula of a partial, so a second derivative is a sum and
# product of a few rows, each within a few ULP. What costs digits is cancellation
# between its terms: at worst some 1e-15 of the first derivative over the operand, which
# is granted, and here and there a few digits more, for which this bound leaves room. A
# wrong rule errs in the first digits.
RELATIVE = 1e-10
GRANTED = 1e-15

each_pair = pytest.mark.parametrize(
    ("row", "j", "k"),
    [
        pytest.param(row, j, k, id=f"{row.name}-{j}{k}")
        for row in checks.ROWS
        for k in range(row.n_args)
        for j in range(row.n_args)
    ],
)


def expected(row, j, k, point):
    """(truth, granted error), or None where a test would say nothing.

    That is where value or first derivative have lost digits already; at jumps of the
    first derivative; and where the reference, a difference at 1300 bits with a step of
    2**-300, does not resolve it.
    """
    try:
        first = abs(reference.partial(row.name, k, *point))
        found = reference.second(row.name, j, k, *point)
    except (ZeroDivisionError, TypeError):  # a difference across the boundary
        return None
    lower = [first, abs(reference.value(row.name, *point))]
    scale = abs(point[j]) or 1.0
    size = abs(found) * scale
    is_jump = size > 2.0**250 * max(first, 1)
    is_unresolved = 0 < size < first * 2.0**-850 or scale < 1e-250
    if is_jump or is_unresolved or not all(map(checks.is_normal, lower)):
        return None
    return found, GRANTED * first / max(scale, 1.0)


def expected_at(row, j, k, at):
    return [expected(row, j, k, point) for point in at]


@each_pair
def test_a_scalar_second_derivative_is_right(row, j, k):
    at = checks.points(row.name, count=3)
    computed = checks.scalar_seconds(checks.function_of(row), j, k, at)
    checks.assert_close(RELATIVE, computed, expected_at(row, j, k, at), at)


@each_pair
def test_an_array_second_derivative_is_right(row, j, k):
    at = checks.points(row.name, count=3)
    computed = checks.seconds(checks.function_of(row), j, k, at)
    checks.assert_close(RELATIVE, computed, expected_at(row, j, k, at), at)


# Odd functions have a second derivative that is zero at zero: between terms that cancel
# there, no digit would be left. The bound is relative, nothing is granted.
SMALL = [1e-100, 1e-20, 1e-8, 3e-5, 1e-3, -1e-12, -0.1]


@pytest.mark.parametrize(
    "row", [r for r in checks.ROWS if r.n_args == 1], ids=lambda row: row.name
)
def test_a_second_derivative_next_to_zero_keeps_its_digits(row):
    at = [(x,) for x in SMALL]
    found = [expected(row, 0, 0, point) for point in at]
    at = [point for point, e in zip(at, found, strict=True) if e is not None]
    truth = [(e[0], 0.0) for e in found if e is not None]
    computed = checks.scalar_seconds(checks.function_of(row), 0, 0, at)
    checks.assert_close(1e-14, computed, truth, at)
