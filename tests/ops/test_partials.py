"""First derivatives of every row, by a sweep over the tape, are within its bound."""

import numpy as np
from ops import checks
from ops.checks import each_partial


@each_partial
def test_a_scalar_gradient_is_within_the_bound(row, k):
    at = checks.points(row.name)
    computed = checks.partials(checks.function_of(row), k, at)
    checks.assert_within(
        row.ulp_partial, computed, checks.exact_partials(row, k, at), at
    )


@each_partial
def test_an_array_gradient_is_within_the_bound_and_what_simd_adds(row, k):
    at = checks.points(row.name)
    computed = checks.array_partials(checks.function_of(row), k, at)
    bound = checks.array_bound(row.ulp_partial)
    checks.assert_within(bound, computed, checks.exact_partials(row, k, at), at)


@each_partial
def test_constants_beside_an_operand_do_not_change_its_gradient(row, k):
    at = checks.points(row.name)
    function = checks.function_of(row)
    np.testing.assert_array_equal(
        checks.partials_beside_constants(function, k, at),
        checks.partials(function, k, at),
    )


@each_partial
def test_constant_arrays_beside_an_operand_do_not_change_its_gradient(row, k):
    at = checks.points(row.name)
    function = checks.function_of(row)
    np.testing.assert_array_equal(
        checks.array_partials_beside_constants(function, k, at),
        checks.array_partials(function, k, at),
    )
