"""One operation on 16 elements, forward and backward."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import peers
from harness import Answer, Bar, Case, TimeRow

SIZE = 16
A = [0.1 * (i + 1) for i in range(SIZE)]
B = [math.cos(i) + 1.5 for i in range(SIZE)]


def words_multiply(lib: Any, a: Any, b: Any, ones: Any, n: int) -> None:
    """Multiply and sweep n times, gradients cleared each time."""
    for _ in range(n):
        (a * b).backward(ones)
        a.grad = None
        b.grad = None


def words_exp(lib: Any, a: Any, b: Any, ones: Any, n: int) -> None:
    """Take exp and sweep n times."""
    exp = lib.exp
    for _ in range(n):
        exp(a).backward(ones)
        a.grad = None


def words_tanh(lib: Any, a: Any, b: Any, ones: Any, n: int) -> None:
    """Take tanh and sweep n times."""
    tanh = lib.tanh
    for _ in range(n):
        tanh(a).backward(ones)
        a.grad = None


def words_case(loop: Callable[..., None], peer: str) -> Case:
    """Autodiff and PyTorch."""
    lib = peers.load(peer)
    a = lib.tensor(A, requires_grad=True)
    b = lib.tensor(B, requires_grad=True)
    ones = lib.tensor([1.0] * SIZE)
    operations: dict[Callable[..., None], Callable[[], Any]] = {
        words_multiply: lambda: a * b,
        words_exp: lambda: lib.exp(a),
        words_tanh: lambda: lib.tanh(a),
    }

    def answer() -> Answer:
        result = operations[loop]()
        result.backward(ones)
        numbers = {"value": result.tolist(), "gradient": a.grad.tolist()}
        a.grad = None
        b.grad = None
        return numbers

    return Case(partial(loop, lib, a, b, ones), answer)


def numpy_multiply(np: Any, a: Any, b: Any, ones: Any) -> tuple[Any, Any, Any]:
    """Multiply; return value and both gradients."""
    return a * b, ones * b, ones * a


def numpy_exp(np: Any, a: Any, b: Any, ones: Any) -> tuple[Any, Any]:
    """Take exp; return value and gradient."""
    y = np.exp(a)
    return y, ones * y


def numpy_tanh(np: Any, a: Any, b: Any, ones: Any) -> tuple[Any, Any]:
    """Take tanh; return value and gradient."""
    y = np.tanh(a)
    return y, ones * (1.0 - y * y)


def numpy_case(operation: Callable[..., tuple[Any, ...]]) -> Case:
    """NumPy, the derivative worked out by hand."""
    np = peers.load("numpy")
    a, b, ones = np.array(A), np.array(B), np.ones(SIZE)

    def run(n: int) -> None:
        for _ in range(n):
            operation(np, a, b, ones)

    def answer() -> Answer:
        value, gradient = operation(np, a, b, ones)[:2]
        return {"value": value.tolist(), "gradient": gradient.tolist()}

    return Case(run, answer)


def _row(
    name: str,
    loop: Callable[..., None],
    by_hand: Callable[..., tuple[Any, ...]],
) -> TimeRow:
    return TimeRow(
        name,
        f"16-element {name}, forward and backward",
        "pass",
        {
            "autodiff": partial(words_case, loop, "autodiff"),
            "numpy": partial(numpy_case, by_hand),
            "torch": partial(words_case, loop, "torch"),
        },
        (Bar("faster", 8.0, "torch"),),
    )


ROWS = (
    _row("multiply", words_multiply, numpy_multiply),
    _row("exp", words_exp, numpy_exp),
    _row("tanh", words_tanh, numpy_tanh),
)
