"""The checker of gradients can fail: a gradient that is 0.05 % off is found."""

import numpy as np
import pytest
from tensor.checks import check_gradients


def test_a_right_gradient_passes():
    check_gradients(lambda x: x**3, np.array([0.5, -1.5]))


def test_a_gradient_off_by_a_part_in_two_thousand_is_found():
    with pytest.raises(AssertionError):
        check_gradients(
            lambda x: x**3 - 5e-4 * (x**3 - (x**3).detach()), np.array([0.5, -1.5])
        )


def test_a_second_derivative_that_is_missing_is_found():
    def with_constant_slope(x):
        slope = 3 * x.detach() ** 2
        return (x**3).detach() + slope * (x - x.detach())

    with pytest.raises(AssertionError):
        check_gradients(with_constant_slope, np.array([0.5]))
