"""Values of every row are within its bound, however they are asked for."""

import numpy as np
import pytest
from ops import checks
from ops.checks import each_row


@each_row
def test_a_scalar_on_the_tape_is_within_the_bound(row):
    at = checks.points(row.name)
    computed = checks.values(checks.function_of(row), at)
    checks.assert_within(row.ulp, computed, checks.exact_values(row, at), at)


@each_row
def test_a_plain_number_has_the_same_bits_as_one_on_the_tape(row):
    at = checks.points(row.name)
    function = checks.function_of(row)
    plain = [function(*point) for point in at]
    assert all(type(z) is float for z in plain)
    np.testing.assert_array_equal(plain, checks.values(function, at))


@each_row
def test_an_array_is_within_the_bound_and_what_simd_adds(row):
    at = checks.points(row.name)
    computed = checks.array_values(checks.function_of(row), at)
    bound = checks.array_bound(row.ulp)
    checks.assert_within(bound, computed, checks.exact_values(row, at), at)


@each_row
@pytest.mark.parametrize("n", [1, 2, 3, 7, 8, 9, 17])
def test_an_array_of_any_length_is_within_the_bound(row, n):
    at = checks.points(row.name)[:n]
    operands = [np.array(v) for v in zip(*at, strict=True)]
    computed = checks.function_of(row)(*operands)
    bound = checks.array_bound(row.ulp)
    checks.assert_within(bound, computed, checks.exact_values(row, at), at)


@each_row
def test_a_plain_array_has_the_same_bits_as_a_tensor(row):
    at = checks.points(row.name)
    operands = [np.array(v) for v in zip(*at, strict=True)]
    plain = checks.function_of(row)(*operands)
    assert type(plain) is np.ndarray
    np.testing.assert_array_equal(
        plain, checks.array_values(checks.function_of(row), at)
    )
