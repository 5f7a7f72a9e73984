"""Arithmetic in twice the working precision, against exact fractions."""

from fractions import Fraction

import numpy as np
import pytest

from autodiff.fit.solve.doubled import Doubled

VALUES = np.array([0.1, -3.7, 1e-8, 12345.678, -6.860120914, 1.0])
OTHERS = np.array([7.3, 0.2, 3.1, -1e-5, 0.3333333333, 1e10])


def exact(value):
    pairs = zip(value.high.tolist(), value.low.tolist(), strict=True)
    return [Fraction(high) + Fraction(low) for high, low in pairs]


OPERATIONS = {
    "sum": lambda a, b: a + b,
    "difference": lambda a, b: a - b,
    "product": lambda a, b: a * b,
    "quotient": lambda a, b: a / b,
    "polynomial": lambda a, b: a * a * b - b + a / b,
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_keeps_thirty_digits(name):
    operation = OPERATIONS[name]
    found = exact(operation(Doubled(VALUES), Doubled(OTHERS)))
    for x, y, z in zip(VALUES.tolist(), OTHERS.tolist(), found, strict=True):
        expected = operation(Fraction(x), Fraction(y))
        assert abs(z - expected) <= abs(expected) * Fraction(1, 10**30)


@pytest.mark.parametrize("power", [0.0, 1.0, 2.0, 10.0, -3.0])
def test_a_whole_power_keeps_twenty_nine_digits(power):
    for x, z in zip(VALUES.tolist(), exact(Doubled(VALUES) ** power), strict=True):
        expected = Fraction(x) ** int(power)
        assert abs(z - expected) <= abs(expected) * Fraction(1, 10**29)


def test_plain_numbers_and_arrays_mix_on_either_side():
    a = Doubled(VALUES)
    for mixed in (2.0 * a, a * 2.0, a + VALUES, VALUES + a):
        assert mixed.high.tolist() == (2.0 * VALUES).tolist()
    assert (1.0 - a).high.tolist() == (1.0 - VALUES).tolist()
    assert (1.0 / a).high.tolist() == pytest.approx((1.0 / VALUES).tolist())


@pytest.mark.parametrize("n", [1, 2, 3, 7, 100])
def test_a_sum_of_cancelling_terms_is_exact(n):
    terms = np.repeat([1e16, 1.0, -1e16], n)
    assert float(Doubled(terms).sum().high) == n


def test_a_fractional_power_falls_back_to_working_precision():
    assert (Doubled(np.array([2.0])) ** 0.5).high[0] == 2.0**0.5
