# ruff: noqa: E501 (texts are kept as they are printed)
"""repr and format are PyTorch's, character by character."""

import math

import numpy as np
import pytest

import autodiff as ad

TEXTS = {
    "3.0": (3.0, "tensor(3.)"),
    "0.1": (0.1, "tensor(0.1000)"),
    "minus zero": (-0.0, "tensor(-0.)"),
    "small": (1e-5, "tensor(1.0000e-05)"),
    "large": (123456789.5, "tensor(1.2346e+08)"),
    "nan": (math.nan, "tensor(nan)"),
    "-inf": (-math.inf, "tensor(-inf)"),
    "whole": ([1.0, -2.0], "tensor([ 1., -2.])"),
    "fractions": ([1.0, 2.5], "tensor([1.0000, 2.5000])"),
    "wide": ([1.0, 1001.5], "tensor([1.0000e+00, 1.0015e+03])"),
    "wide and whole": ([1.0, 1001.0], "tensor([1.0000e+00, 1.0010e+03])"),
    "with nan": ([1.0, math.nan], "tensor([1., nan])"),
    "with inf": ([1.5, math.inf], "tensor([1.5000,    inf])"),
    "empty": ([], "tensor([])"),
    "empty matrix": (np.zeros((0, 3)), "tensor([], size=(0, 3))"),
    "matrix": ([[1.0, 2.0], [3.0, 4.5]], "tensor([[1.0000, 2.0000],\n        [3.0000, 4.5000]])"),
    "three axes": (
        np.arange(4.0).reshape(2, 1, 2),
        "tensor([[[0., 1.]],\n\n        [[2., 3.]]])",
    ),
    "long": (
        np.arange(30.0),
        "tensor([ 0.,  1.,  2.,  3.,  4.,  5.,  6.,  7.,  8.,  9., 10., 11., 12., 13.,\n"
        "        14., 15., 16., 17., 18., 19., 20., 21., 22., 23., 24., 25., 26., 27.,\n"
        "        28., 29.])",
    ),
    "too long": (
        np.arange(1001.0),
        "tensor([   0.,    1.,    2.,  ...,  998.,  999., 1000.])",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TEXTS)
def test_a_tensor_is_written_as_pytorch_writes_it(name):
    data, text = TEXTS[name]
    assert repr(ad.tensor(data)) == str(ad.tensor(data)) == text


def test_a_leaf_says_that_it_requires_grad():
    assert repr(ad.tensor(2.0, requires_grad=True)) == "tensor(2., requires_grad=True)"


def test_a_result_says_which_operation_made_it():
    x = ad.tensor(2.0, requires_grad=True)
    assert repr(x * 2) == "tensor(4., grad_fn=<MulBackward0>)"
    assert repr(ad.ones(2, requires_grad=True).sum()).endswith(
        "grad_fn=<SumBackward0>)"
    )


def test_what_does_not_fit_on_the_line_stands_on_the_next():
    x = ad.tensor(np.arange(1001.0), requires_grad=True)
    assert repr(x * 1) == (
        "tensor([   0.,    1.,    2.,  ...,  998.,  999., 1000.],\n"
        "       grad_fn=<MulBackward0>)"
    )


def test_many_rows_are_cut_in_every_axis():
    lines = repr(ad.zeros(100, 100)).split("\n")
    assert len(lines) == 7
    assert lines[3] == "        ...,"
    assert lines[0] == "tensor([[0., 0., 0.,  ..., 0., 0., 0.],"


def test_writing_a_tensor_leaves_no_trace_on_the_tape():
    x = ad.tensor([1.0, 2.0], requires_grad=True)
    y = x * 2
    before = ad.tape_info().entries
    repr(y), str(y), f"{y}"
    assert ad.tape_info().entries == before


@pytest.mark.parametrize("spec", ["", ".3f", "10.2e", "+g", "08.3f"])
def test_a_scalar_is_formatted_as_its_number(spec):
    assert format(ad.tensor(2.5, requires_grad=True), spec) == format(2.5, spec)


def test_several_elements_take_no_format():
    x = ad.tensor([1.0, 2.0])
    assert f"{x}" == repr(x)
    with pytest.raises(TypeError, match=r"\.2f"):
        f"{x:.2f}"
