"""The checks can fail: a rule that is off by 0.05 % is found by each of them."""

import importlib.util
import os
import re
import shutil
from pathlib import Path

import pytest
import reference
from ops import checks, test_second
from ops.checks import each_row

import autodiff as ad

ROOT = Path(__file__).resolve().parents[2]
WRONG = 1.0005

differentiable = [row for row in checks.ROWS if row.smoothness == "smooth"]
each_smooth_row = pytest.mark.parametrize(
    "row", differentiable, ids=[row.name for row in differentiable]
)


def planted(row, value=1.0, partial=1.0, second=1.0):
    """The row as a function with factors planted in its value and its derivatives."""
    function = checks.function_of(row)

    class Rule(ad.autograd.Function):
        """partial_k * g, with a wrong derivative of its own."""

        @staticmethod
        def forward(ctx, k, g, *operands):
            ctx.k, ctx.given = k, (g, operands)
            return gradient(k, g, operands, False)

        @staticmethod
        def backward(ctx, z_bar):
            g, operands = ctx.given
            leaves = [ad.tensor(x.detach(), requires_grad=True) for x in operands]
            with ad.enable_grad():
                z = gradient(ctx.k, g.detach(), leaves, True)
            found = ad.autograd.grad(z, leaves, z_bar, materialize_grads=True)
            return None, None, *(h * second for h in found)

    def gradient(k, g, operands, creates):
        leaves = operands if creates else [
            ad.tensor(x.detach(), requires_grad=True) for x in operands
        ]  # fmt: skip
        with ad.enable_grad():
            z = function(*leaves)
        (found,) = ad.autograd.grad(z, [leaves[k]], g, create_graph=creates)
        return found * partial

    class Planted(ad.autograd.Function):
        @staticmethod
        def forward(ctx, *operands):
            ctx.save_for_backward(*operands)
            return function(*operands) * value

        @staticmethod
        def backward(ctx, z_bar):
            operands = ctx.saved_tensors
            return tuple(Rule.apply(k, z_bar, *operands) for k in range(row.n_args))

    return Planted.apply


def last_operand(row):
    """Every row has a partial in its last operand; an order, the first, has none."""
    return row.n_args - 1


@each_row
def test_a_wrong_value_is_found(row):
    at = checks.points(row.name)
    exact = checks.exact_values(row, at)
    checks.assert_within(row.ulp, checks.values(planted(row), at), exact, at)
    for ways in (checks.values, checks.array_values):
        computed = ways(planted(row, value=WRONG), at)
        with pytest.raises(AssertionError, match="ULP at"):
            checks.assert_within(checks.array_bound(row.ulp), computed, exact, at)


@each_smooth_row
def test_a_wrong_partial_is_found(row):
    at, k = checks.points(row.name), last_operand(row)
    exact = checks.exact_partials(row, k, at)
    right = checks.array_partials(planted(row), k, at)
    bound = checks.array_bound(row.ulp_partial)
    checks.assert_within(bound, right, exact, at)
    for ways in (checks.partials, checks.array_partials):
        computed = ways(planted(row, partial=WRONG), k, at)
        with pytest.raises(AssertionError, match="ULP at"):
            checks.assert_within(bound, computed, exact, at)


CURVED = "mul div square pow sqrt exp log sin tanh lgamma hypot atan2".split()


@pytest.mark.parametrize("name", CURVED)
def test_a_wrong_second_derivative_is_found(name):
    row = next(row for row in checks.ROWS if row.name == name)
    at, k = checks.points(name, count=3), last_operand(row)
    j = k if name != "mul" else 0
    exact = test_second.expected_at(row, j, k, at)
    right = checks.seconds(planted(row), j, k, at)
    checks.assert_close(test_second.RELATIVE, right, exact, at)
    wrong = checks.seconds(planted(row, second=WRONG), j, k, at)
    with pytest.raises(AssertionError, match="expected"):
        checks.assert_close(test_second.RELATIVE, wrong, exact, at)


def test_a_wrong_adjoint_is_found(rng):
    x = ad.tensor(rng.standard_normal(20), requires_grad=True)
    z = ad.tanh(x)
    u, v = (ad.tensor(rng.standard_normal(20)) for _ in range(2))
    (z_dot,) = ad.autograd.tangent(z, [x], [u])
    (x_bar,) = ad.autograd.grad(z, [x], v)
    checks.assert_adjoint([z_dot.detach()], [v], [x_bar], [u])
    with pytest.raises(AssertionError):
        checks.assert_adjoint([z_dot.detach()], [v], [x_bar * WRONG], [u])


def test_an_infinite_or_missing_number_is_found():
    for bad in (float("inf"), float("nan"), 0.0):
        with pytest.raises(AssertionError):
            checks.assert_within(4, [bad], [reference.mpf(1)], [(1.0,)])
        with pytest.raises(AssertionError):
            checks.assert_close(1e-10, [bad], [(reference.mpf(1), 1e-15)], [(1.0,)])


# ---- In C ----------------------------------------------------------------------------


def measuring_tool(csrc):
    """tools/measure_ulp.py, looking at another csrc."""
    path = ROOT / "tools" / "measure_ulp.py"
    spec = importlib.util.spec_from_file_location("measure_ulp", path)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    tool.ROOT = csrc.parent
    return tool


@pytest.mark.slow
@pytest.mark.skipif(
    shutil.which(os.environ.get("CC", "cc")) is None, reason="needs a C compiler"
)
def test_a_factor_planted_in_the_table_is_found(tmp_path):
    csrc = tmp_path / "csrc"
    shutil.copytree(ROOT / "csrc", csrc)
    table = (csrc / "ops.def").read_text(encoding="utf-8")
    wrong, count = re.subn(
        r'(OP1\(SIN, "sin", sin\(x\)), cos\(x\),', rf"\1, {WRONG} * cos(x),", table
    )
    assert count == 1
    (csrc / "ops.def").write_text(wrong, encoding="utf-8")
    tool = measuring_tool(csrc)
    library = tool.build(tmp_path)
    for name, is_wrong in (("sin", True), ("cos", False)):
        row = reference.rows()[name]
        at = checks.points(name)
        evaluate = tool.evaluator(library, row)
        computed = [evaluate(point)[1] for point in at]
        exact = [reference.partial(name, 0, *point) for point in at]
        if is_wrong:
            with pytest.raises(AssertionError, match="ULP at"):
                checks.assert_within(row.ulp_d, computed, exact, at)
        else:
            checks.assert_within(row.ulp_d, computed, exact, at)
