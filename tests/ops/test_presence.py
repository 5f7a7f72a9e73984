"""A row is everywhere it should be: functions, methods, NumPy, stub, pages."""

import re
from pathlib import Path

import numpy as np
import pytest
from ops import checks
from ops.checks import each_row

import autodiff as ad

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = Path(ad.__file__).resolve().parent


def cells(page):
    """Rows of the tables of a page, by the name in the first cell."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    rows = [re.split(r"(?<!\\)\|", line) for line in text.splitlines() if "| `" in line]
    return {row[1].strip(" `"): [cell.strip() for cell in row[2:-1]] for row in rows}


def inside(row):
    return next(p for p in checks.points(row.name) if all(0.05 < v < 9 for v in p))


def own_operand(row):
    """Which operand the tensor is whose method the row is, as in PyTorch."""
    return 1 if row.name in ("where", "polygamma") else 0


def public(row):
    return [name for name in row.names if not name.startswith("_")]


@each_row
def test_every_name_is_a_function_with_one_result(row):
    point = inside(row)
    results = {getattr(ad, name)(*point) for name in public(row)}
    assert len(results) == 1


@each_row
def test_every_name_is_a_method_with_the_result_of_the_function(row):
    point = inside(row)
    at = own_operand(row)
    for name in public(row):
        others = point[:at] + point[at + 1 :]
        result = getattr(ad.tensor(point[at]), name)(*others)
        assert result.item() == getattr(ad, name)(*point)


@each_row
def test_every_name_takes_its_operands_by_pytorchs_names(row):
    point = inside(row)
    keywords = dict(zip(row.operands, point, strict=True))
    at = own_operand(row)
    x = ad.tensor(point[at])
    del keywords[row.operands[at]]
    for name in public(row):
        z = getattr(ad, name)(*point)
        function, method = getattr(ad, name), getattr(x, name)
        assert function(**{row.operands[at]: point[at]}, **keywords) == z
        assert method(**keywords).item() == z


@each_row
def test_a_keyword_that_no_operand_has_is_named_in_the_error(row):
    with pytest.raises(TypeError, match="unexpected keyword argument 'out'"):
        checks.function_of(row)(*inside(row), out=None)


@each_row
def test_an_operand_that_is_given_twice_or_not_at_all_is_named(row):
    function, point, first = checks.function_of(row), inside(row), row.operands[0]
    with pytest.raises(TypeError, match=f"multiple values for argument '{first}'"):
        function(*point, **{first: point[0]})
    with pytest.raises(TypeError, match=f"missing .*'{row.operands[-1]}'"):
        function(*point[:-1])


@each_row
def test_the_function_of_numpy_with_a_name_of_the_row_keeps_the_gradient(row):
    x, *others = inside(row)
    for name in public(row):
        function = getattr(np, name, None)
        if not isinstance(function, np.ufunc) or function.nin != row.n_args:
            continue
        leaf = ad.tensor([x, x], requires_grad=True)
        z = function(leaf, *others)
        assert isinstance(z, ad.Tensor)
        z.backward(ad.ones(2))
        same = checks.array_partials(checks.function_of(row), 0, [(x, *others)] * 2)
        assert leaf.grad.tolist() == same
        np.testing.assert_allclose(
            z.numpy(force=True), function(x, *others), rtol=1e-14
        )


@each_row
def test_the_function_says_what_the_row_says(row):
    assert checks.function_of(row).__doc__ == row.synopsis


@each_row
def test_the_stubs_have_the_row(row):
    for stub in ("__init__.pyi", "_core.pyi"):
        text = (PACKAGE / stub).read_text(encoding="utf-8")
        for name in public(row):
            assert re.search(rf"\b{name}\b", text), (stub, name)


@each_row
def test_the_page_of_operations_has_the_row(row):
    names, value, *_ = cells("ops.md")[row.name]
    assert names.replace("`", "").split() == public(row)[1:]
    assert value.strip("`").replace("\\|", "|") == row.value


@each_row
def test_the_errors_on_the_page_are_within_the_bounds(row):
    value, scalar, array, partial, scalars, arrays = cells("accuracy.md")[row.name]
    assert (float(value), float(partial)) == (row.ulp, row.ulp_partial)
    assert float(scalar) <= row.ulp
    assert float(array) <= checks.array_bound(row.ulp)
    assert max(map(float, scalars.split(", "))) <= row.ulp_partial
    assert max(map(float, arrays.split(", "))) <= checks.array_bound(row.ulp_partial)


def test_what_pytorch_has_in_special_is_there_and_is_the_same():
    names = ad.special.__all__
    assert "ndtr" in names
    assert all(getattr(ad.special, name) is getattr(ad, name) for name in names)


@pytest.mark.parametrize(
    "row",
    [row for row in checks.ROWS if row.n_args < 3 and row.name != "polygamma"],
    ids=lambda row: row.name,
)
def test_every_name_is_a_method_in_place(row):
    x, *others = inside(row)
    for name in public(row):
        leaf = ad.tensor([x, x], requires_grad=True)
        y = leaf * 1.0
        assert getattr(y, name + "_")(*others) is y
        z = getattr(ad, name)(leaf, *others)
        assert y.tolist() == z.tolist()
        slopes = [ad.autograd.grad(v.sum(), leaf)[0].tolist() for v in (y, z)]
        assert slopes[0] == slopes[1]
