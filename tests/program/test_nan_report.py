"""Where a NaN of a compiled function came from."""

from pathlib import Path

import numpy as np
import pytest

import autodiff as ad


@ad.compile
def product(x):
    y = ad.log(x[0])
    z = ad.sqrt(x[1])
    return y * z


def line_of(text):
    source = Path(__file__).read_text(encoding="utf-8").splitlines()
    [number] = [k + 1 for k, line in enumerate(source) if line.strip() == text]
    return f"line {number}"


def test_a_value_is_named_with_its_operand_and_line():
    found = product.nan_report(np.array([-1.0, 2.0])).value
    assert (found.operation, found.operands) == ("log", (-1.0,))
    assert found.line.endswith(line_of("y = ad.log(x[0])"))


def test_an_adjoint_is_named_with_the_line_of_its_operation():
    report = product.nan_report(np.array([1.5, 0.0]))
    assert report.value is None
    assert report.adjoint.line.endswith(line_of("z = ad.sqrt(x[1])"))
    assert "recorded at" in str(report)


def test_nothing_is_found_where_all_is_finite():
    assert not product.nan_report(np.array([1.5, 1.0]))


@pytest.mark.parametrize("x", [np.nan, np.inf])
def test_what_was_bad_from_the_start_is_said_to_be_an_input(x):
    assert product.nan_report(np.array([x, 1.0])).value.operation == "input"
