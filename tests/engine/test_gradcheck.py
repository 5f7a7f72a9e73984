"""gradcheck and gradgradcheck pass right rules and catch wrong ones."""

import pytest

import autodiff as ad
from autodiff.errors import GradcheckError


def scaled_rule(factor):
    class Double(ad.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2.0

        @staticmethod
        def backward(ctx, g):
            return g * factor

    return Double.apply


def leaf(values):
    return ad.tensor(values, requires_grad=True)


@pytest.mark.parametrize("values", [0.5, [0.5, 1.5]], ids=["0-d", "n-d"])
def test_a_right_rule_passes(values):
    assert ad.testing.gradcheck(scaled_rule(2.0), leaf(values))


@pytest.mark.parametrize("values", [0.5, [0.5, 1.5]], ids=["0-d", "n-d"])
def test_a_rule_off_by_half_a_thousandth_is_caught(values):
    with pytest.raises(GradcheckError, match="Jacobian mismatch"):
        ad.testing.gradcheck(scaled_rule(2.001), leaf(values))


def test_a_mismatch_can_be_returned():
    wrong = scaled_rule(2.001)
    assert ad.testing.gradcheck(wrong, leaf(0.5), raise_exception=False) is False


def test_the_error_names_elements_and_both_derivatives():
    class Twisted(ad.autograd.Function):
        @staticmethod
        def forward(ctx, x, y):
            return x + 0.0, x * y

        @staticmethod
        def backward(ctx, g, h):
            wrong = h * ad.tensor([1.0, 1.001])
            return g, wrong

    x, y = leaf([1.0, 1.0]), leaf([2.0, 2.0])
    with pytest.raises(GradcheckError) as error:
        ad.testing.gradcheck(Twisted.apply, (x.detach(), y))
    text = str(error.value)
    assert "output 1 with respect to input 1" in text
    assert "output element (1,) in input element (1,)" in text
    assert "numerical:  1.0" in text
    assert "analytical: 1.001" in text
    assert "1 of 4 entries" in text


def test_tolerances_are_options():
    wrong = scaled_rule(2.001)
    assert ad.testing.gradcheck(wrong, leaf(0.5), rtol=1e-3)
    assert ad.testing.gradcheck(wrong, leaf(0.5), atol=1e-2)


def test_a_wrong_second_derivative_is_caught():
    class Square(ad.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return 2.0 * x.detach() * g  # right, but not to be differentiated

    x = leaf([0.5, 1.5])
    assert ad.testing.gradcheck(Square.apply, x)
    with pytest.raises(GradcheckError, match="Jacobian mismatch"):
        ad.testing.gradgradcheck(Square.apply, x)


def test_an_output_that_has_no_gradient_passes_if_it_is_constant():
    assert ad.testing.gradcheck(lambda x: (x * 2.0, ad.tensor(1.0)), leaf(0.5))


def test_a_lost_gradient_is_caught():
    with pytest.raises(GradcheckError, match=r"analytical: 0\.0"):
        ad.testing.gradcheck(lambda x: x.detach() * 2.0, leaf(0.5))


def test_an_unused_input_passes():
    assert ad.testing.gradcheck(lambda x, y: x * 2.0, (leaf(0.5), leaf([1.0, 2.0])))


def test_inputs_are_left_alone():
    x = leaf([0.5, 1.5])
    ad.testing.gradcheck(lambda v: v * v, x)
    assert x.grad is None
    assert x.tolist() == [0.5, 1.5]


def test_seeds_of_the_second_check_can_be_given():
    assert ad.testing.gradgradcheck(lambda x: x**3, leaf([0.5, 1.5]), ad.ones(2))


def test_an_input_must_require_grad():
    with pytest.raises(ValueError, match="at least one input tensor to require"):
        ad.testing.gradcheck(lambda x: x, ad.tensor(1.0))


def test_the_function_must_return_tensors():
    with pytest.raises(TypeError, match=r"returns tensors; output 0 is a 'float'"):
        ad.testing.gradcheck(lambda x: x.item(), leaf(1.0))


def test_it_is_found_where_pytorch_has_it():
    assert ad.autograd.gradcheck is ad.testing.gradcheck
    assert ad.autograd.gradgradcheck is ad.testing.gradgradcheck
