"""nan_report: the first operation that made a NaN or an infinity, after the fact."""

import math

import numpy as np
import pytest

import autodiff as ad

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


def leaf(values):
    return ad.tensor(values, requires_grad=True)


def test_a_finite_graph_has_nothing_to_report():
    report = ad.nan_report(ad.exp(leaf(1.0)))
    assert not report
    assert str(report) == "no operation made a NaN or an infinity"


def test_the_first_operation_is_named_with_its_operand():
    x = leaf(-2.0)
    report = ad.nan_report(ad.exp(ad.log(x * 1.5)) + 1.0)
    assert report.value.operation == "log"
    assert report.value.operands == (-3.0,)
    assert math.isnan(report.value.result)


def test_both_operands_are_given():
    report = ad.nan_report(leaf(3.0) / (leaf(2.0) - 2.0) * 0.5)
    assert report.value.operation == "div"
    assert report.value.operands == (3.0, 0.0)
    assert report.value.result == math.inf


def test_an_infinity_that_becomes_nan_later_names_both_operations():
    y = ad.exp(leaf(1000.0))
    report = ad.nan_report(y - y)
    assert (report.value.operation, report.nan.operation) == ("exp", "sub")
    assert report.nan.operands == (math.inf, math.inf)


def test_what_the_result_does_not_depend_on_is_not_looked_at():
    x = leaf(-2.0)
    bad = ad.log(x)
    assert not ad.nan_report(x * 2.0)
    assert math.isnan(bad.item())


def test_an_element_of_an_array_is_named():
    x = leaf([[1.0, 4.0], [0.0, -9.0]])
    finding = ad.nan_report(ad.sqrt(x * 1.0).sum()).value
    assert finding.operation == "sqrt"
    assert finding.element == (1, 1)
    np.testing.assert_array_equal(finding.operands[0], x.tolist())
    assert "operands: -9.0 at (1, 1) of (2, 2)" in str(finding)


def test_operands_that_broadcast_are_shown_where_the_element_meets_them():
    x, y = leaf([[1.0, 1.0], [1.0, 2.0]]), leaf([3.0, 0.0])
    finding = ad.nan_report((x / y).sum()).value
    assert finding.element == (0, 1)
    assert str(finding).endswith("operands: 1.0 at (0, 1) of (2, 2), 0.0 at 1 of (2,)")


def test_of_an_operand_that_was_not_kept_what_the_operation_gave_is_shown():
    x = leaf([1.0, 2.0])
    finding = ad.nan_report(ad.sqrt(x - np.array([1.0, 0.0])).sum()).adjoint
    assert finding.operands == (None,)
    assert finding.value[0] == 0.0
    assert str(finding).endswith("operands: unknown; it had given 0.0 at 0 of (2,)")


def test_only_the_operand_concerned_has_an_element_in_a_product_of_matrices():
    x = leaf([[1.0, 2.0], [3.0, 4.0]])
    constant = np.array([[math.inf, 1.0], [1.0, 1.0]])
    found = str(ad.nan_report((x @ constant).sum()).adjoint)
    assert found.endswith("1.0 at (0, 0) of (2, 2), an array of shape (2, 2)")


def test_results_that_were_not_kept_are_computed_again():
    x = leaf([1e308, 1.0])
    finding = ad.nan_report(((x + 0.0) + x).sum() * 0.5).value  # a sum keeps nothing
    assert finding.operation == "add"
    assert finding.element == (0,)
    assert finding.operands[0].tolist() == [1e308, 1.0]


def test_structure_is_followed():
    x = leaf([1e308, 1e308, 1.0])
    report = ad.nan_report(ad.cat([x, x]).reshape(2, 3)[:, :2].sum())
    assert report.value.operation == "sum"
    assert report.value.operands[0].tolist() == [[1e308] * 2] * 2


def test_what_is_not_known_is_counted():
    x = leaf([1.0, 2.0])
    y = (x + np.array([1.0, 2.0])) * 1.0  # the constant was not kept
    assert ad.nan_report(y.sum()).n_unknown == 2 - 1  # y itself is alive


def test_a_living_tensor_is_looked_at():
    x = leaf([1.0, 2.0])
    y = x + np.array([1.0, math.inf])
    report = ad.nan_report(y.sum())
    assert report.n_unknown == 0
    assert report.value.operation == "add"


def test_a_bad_input_is_named():
    x = leaf([1.0, math.nan])
    report = ad.nan_report((x * 2.0).sum())
    assert report.value.operation == "input"
    assert report.value.element == (1,)


def test_a_bad_constant_is_named():
    report = ad.nan_report(leaf(1.0) * math.inf)
    assert report.value.operation == "a constant operand of mul"


def test_the_first_operation_of_the_sweep_is_named():
    report = ad.nan_report(ad.sqrt(leaf(0.0)) * 2.0)
    assert report.value is None
    assert report.adjoint.operation == "sqrt"
    assert report.adjoint.operands == (0.0,)
    assert report.adjoint.operand == 0
    assert report.adjoint.adjoint == 2.0
    assert report.adjoint.result == math.inf


def test_the_element_of_an_adjoint_is_named():
    x = leaf([4.0, 0.0])
    finding = ad.nan_report((ad.sqrt(x) * 3.0).sum()).adjoint
    assert finding.operation == "sqrt"
    assert finding.element == (1,)
    assert finding.adjoint == 3.0


def test_the_rule_of_zeros_holds_unless_strict():
    x = leaf(0.0)
    y = x * ad.sqrt(x)
    assert not ad.nan_report(y)
    assert math.isnan(ad.nan_report(y * 0.0, strict_nan=True).adjoint.result)


def test_a_function_is_named():
    class Bad(ad.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1.0

        @staticmethod
        def backward(ctx, g):
            return g * math.nan

    report = ad.nan_report(Bad.apply(leaf(1.0)) * 2.0)
    assert report.adjoint.operation == "BadBackward"


def test_a_seed_can_be_given():
    x = leaf([4.0, 0.0])
    y = ad.sqrt(x)
    assert not ad.nan_report(y, ad.tensor([1.0, 0.0]))
    assert ad.nan_report(y, ad.tensor([1.0, 1.0]))


def test_lines_are_given_under_detect_anomaly():
    x = leaf(-1.0)
    with ad.detect_anomaly():
        y = ad.log(x)
    assert "test_nan_report.py" in ad.nan_report(y).value.line
    assert ad.nan_report(ad.log(x)).value.line is None


def test_nothing_is_changed():
    x = leaf([1.0, 0.0])
    y = ad.sqrt(x)
    y.retain_grad()
    seen = []
    y.register_hook(seen.append)
    loss = y.sum()
    ad.nan_report(loss)
    assert x.grad is None
    assert seen == []
    loss.backward()
    assert x.grad.tolist() == [0.5, math.inf]


def test_a_swept_graph_says_when_to_ask():
    y = ad.log(leaf(-1.0) * 1.0)
    y.backward()
    with pytest.raises(ad.GraphError, match="retain_graph=True"):
        ad.nan_report(y)


def test_a_passive_tensor_has_no_graph():
    with pytest.raises(RuntimeError, match="does not require grad"):
        ad.nan_report(ad.tensor(math.nan))


def test_it_looks_through_a_long_graph():
    x = leaf(-1.0)
    y = ad.log(x)
    for _ in range(100_000):
        y = y * 1.0
    assert ad.nan_report(y).value.operation == "log"
