"""The harness can fail: wrong answers, missed bars and broken peers are seen.

Run with ``python -m pytest benchmarks/test_harness.py``.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

import chains
import compare
import harness
import run
import scalars

QUICK = run.Options(quick=True, rounds=2, budget=0.001, target=0.001)


def entry(bar: harness.Bar, ours: float, theirs: float) -> dict[str, Any]:
    """A result of one row with two peers, as stored."""
    figures = {"autodiff": ours, "torch": theirs}
    return {
        "problem": "p",
        "row": "r",
        "title": "t",
        "units": {"time": "s/step"},
        "bars": [vars(bar)],
        "peers": {
            name: {"status": "ok", "metrics": {"time": {"min": v, "median": v}}}
            for name, v in figures.items()
        },
    }


@pytest.mark.parametrize(
    ("bar", "ours", "said"),
    [
        (harness.Bar("times", 1.5, "torch", reach=1.0), 1.6, "MISSED"),
        (harness.Bar("times", 1.5, "torch", reach=1.0), 1.4, "ok"),
        (harness.Bar("times", 1.5, "torch", reach=1.0), 0.9, "reached"),
        (harness.Bar("faster", 8.0, "torch"), 0.13, "MISSED"),
        (harness.Bar("faster", 8.0, "torch"), 0.12, "ok"),
        (harness.Bar("value", 6e-9), 7e-9, "MISSED"),
        (harness.Bar("beyond", 0.5, "torch"), 1.6, "MISSED"),
        (harness.Bar("beyond", 0.5, "torch"), 1.4, "ok"),
    ],
)
def test_a_bar_is_judged_by_its_kind(bar: harness.Bar, ours: float, said: str) -> None:
    lines = compare.row_lines(entry(bar, ours, 1.0), "autodiff", None)
    assert [line[6] for line in lines if line[5]] == [said]


def test_a_gradient_off_by_a_millionth_is_a_wrong_answer() -> None:
    good = {"value": [2.0], "gradient": [1.0, -3.0]}
    bad = {"value": [2.0], "gradient": [1.0, -3.000003]}
    assert list(run.wrong_answers({"torch": good, "autodiff": bad}, 1e-9)) == [
        "autodiff"
    ]


def test_an_answer_of_nan_is_a_wrong_answer() -> None:
    assert harness.disagreement({"value": [math.nan]}, {"value": [1.0]}) == math.inf


def test_a_peer_that_cannot_start_is_reported_and_the_others_are_timed() -> None:
    row = harness.load_problem("03_linear_step").row("step")
    assert isinstance(row, harness.TimeRow)
    results = run.run_time_row("03_linear_step", row, ["floats", "no such peer"], QUICK)
    assert results["floats"]["status"] == "ok"
    assert results["no such peer"]["status"] == "failed"


def test_the_complex_step_is_the_derivative() -> None:
    found = scalars.float_answer(lambda f, p: f.tanh(p[0]) * p[1] ** 1.5, (0.3, 2.0))
    slope = 2.0**1.5 / math.cosh(0.3) ** 2, math.tanh(0.3) * 1.5 * 2.0**0.5
    assert found["gradient"] == pytest.approx(slope, rel=1e-14)


@pytest.mark.parametrize("name", harness.problem_names())
def test_every_bar_names_a_peer_and_a_metric_of_its_row(name: str) -> None:
    for row in harness.load_problem(name).rows:
        for bar in row.bars:
            assert bar.metric in row.units
            assert bar.against is None or bar.against in row.peers


def test_the_chains_have_the_operations_they_are_divided_by() -> None:
    class Counted(float):
        count = 0

    def counting(function: Any) -> Any:
        def wrapped(*operands: float) -> Counted:
            Counted.count += 1
            return Counted(function(*operands))

        return wrapped

    for slot in "add sub mul truediv pow radd rsub rmul rtruediv".split():
        setattr(Counted, f"__{slot}__", counting(getattr(float, f"__{slot}__")))
    names = "sin exp log sqrt tanh".split()
    functions = scalars.Functions(*(counting(getattr(math, n)) for n in names))
    point = [Counted(v) for v in chains.POINT]
    chains.mixed(functions, point[0], point[1], 100)
    assert Counted.count == 100 * chains.OPERATIONS_PER_TRIP
    chains.arithmetic(point[0], point[1], 100)
    assert Counted.count == 200 * chains.OPERATIONS_PER_TRIP


def test_no_timing_inherits_a_blas_override() -> None:
    environment = run.worker_environment({"OPENBLAS_CORETYPE": "Zen", "HOME": "/"})
    assert "OPENBLAS_CORETYPE" not in environment
    assert environment["HOME"] == "/"
