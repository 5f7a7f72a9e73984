"""The examples run as a user would run them, and print what is true."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def run(name):
    done = subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLES / name)],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def numbers(text):
    return [float(n) for n in re.findall(r"-?\d+(?:\.\d*)?(?:e[-+]\d+)?", text)]


def test_compile_and_vmap_prints_the_price_and_its_slopes():
    price, path, _ = run("compile_and_vmap.py").splitlines()[:3]
    # Central differences of the same sum over arrays have these digits too.
    assert numbers(price) == [5.514182, 0.456742, 25.672528]
    assert numbers(path) == [12]


def test_scan_ode_prints_a_solution_and_slopes_that_are_exact_to_12_digits():
    lines = run("scan_ode.py").splitlines()
    for line, exact in zip(
        lines[:3], (-0.421909450392, 0.272297600024, 0.952327013371), strict=True
    ):
        value, error = numbers(line.split("=")[1])
        assert value == pytest.approx(exact, abs=2e-12)
        assert error < 1e-12
    assert lines[3] == "with less memory: True"


def test_newton_while_prints_slopes_that_the_implicit_function_theorem_gives():
    angles, steps, slopes, exact = map(numbers, run("newton_while.py").splitlines())
    assert angles == [0.10169539, 1.19094477, 2.40365715, 3.06894992]
    assert steps == [4, 5, 5, 3]
    assert slopes == exact == [1.0168944, 1.08252395, 0.69256134, 0.51348026]
