"""An elementwise chain on 1,000,000 elements, forward and backward, one thread."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import peers
from harness import Answer, Bar, Case, TimeRow

SIZE = 1_000_000
SHOWN = slice(None, None, 100_003)


def mixed(lib: Any, x: Any) -> Any:
    """Ten elementwise operations, then the sum."""
    u = lib.sin(x * 1.3 + 0.2)
    v = lib.exp(u / 2.0)
    w = lib.log(v + 1.0) ** 2
    return lib.tanh(lib.sqrt(w)).sum()


def arithmetic(lib: Any, x: Any) -> Any:
    """Ten elementwise operations of + - * / alone, then the sum."""
    u = x * 1.3 + 0.2
    v = u / (x + 3.0) - x
    w = v * u - x
    return (w / 2.0 + v * x).sum()


def start(np: Any) -> Any:
    """Return the (1000000,) input."""
    return np.linspace(-2.0, 2.0, SIZE)


def words_case(chain: Callable[[Any, Any], Any], peer: str) -> Case:
    """Autodiff and PyTorch."""
    np = peers.load("numpy")
    lib = peers.load(peer)
    x = lib.tensor(start(np), requires_grad=True)

    def run(n: int) -> None:
        for _ in range(n):
            x.grad = None
            chain(lib, x).backward()

    def answer() -> Answer:
        result = chain(lib, x)
        result.backward()
        gradient = x.grad.detach().numpy()
        return {"value": [float(result.item())], "gradient": gradient[SHOWN].tolist()}

    return Case(run, answer)


def jax_case(chain: Callable[[Any, Any], Any]) -> Case:
    """JAX: value and gradient compiled and fused."""
    np = peers.load("numpy")
    jax = peers.load("jax")
    x = jax.numpy.array(start(np))
    f = jax.jit(jax.value_and_grad(partial(chain, jax.numpy)))

    def run(n: int) -> None:
        for _ in range(n):
            jax.block_until_ready(f(x))

    def answer() -> Answer:
        value, gradient = f(x)
        return {"value": [float(value)], "gradient": gradient[SHOWN].tolist()}

    return Case(run, answer)


def numpy_mixed(np: Any, x: Any) -> tuple[Any, Any]:
    """Value and gradient of the mixed chain, worked out by hand."""
    a = x * 1.3 + 0.2
    u = np.sin(a)
    v = np.exp(u / 2.0)
    w = np.log(v + 1.0) ** 2
    r = np.sqrt(w)
    y = np.tanh(r)
    r_bar = 1.0 - y * y
    v_bar = r_bar / r * np.log(v + 1.0) / (v + 1.0)
    return y.sum(), v_bar * v / 2.0 * np.cos(a) * 1.3


def numpy_arithmetic(np: Any, x: Any) -> tuple[Any, Any]:
    """Value and gradient of the arithmetic chain, worked out by hand."""
    u = x * 1.3 + 0.2
    d = x + 3.0
    v = u / d - x
    w = v * u - x
    v_bar = 0.5 * u + x
    u_bar = 0.5 * v + v_bar / d
    x_bar = -0.5 + v - v_bar * (1.0 + u / (d * d)) + u_bar * 1.3
    return (w / 2.0 + v * x).sum(), x_bar


def numpy_case(operation: Callable[[Any, Any], tuple[Any, Any]]) -> Case:
    """NumPy, the derivative worked out by hand."""
    np = peers.load("numpy")
    x = start(np)

    def run(n: int) -> None:
        for _ in range(n):
            operation(np, x)

    def answer() -> Answer:
        value, gradient = operation(np, x)
        return {"value": [float(value)], "gradient": gradient[SHOWN].tolist()}

    return Case(run, answer)


def _row(
    name: str,
    chain: Callable[[Any, Any], Any],
    by_hand: Callable[[Any, Any], tuple[Any, Any]],
) -> TimeRow:
    return TimeRow(
        name,
        f"{name} elementwise chain on 1,000,000 elements, forward and backward",
        "pass",
        {
            "autodiff": partial(words_case, chain, "autodiff"),
            "numpy": partial(numpy_case, by_hand),
            "torch": partial(words_case, chain, "torch"),
            "jax": partial(jax_case, chain),
        },
        (Bar("times", 1.0, "torch"),),
    )


ROWS = (
    _row("mixed", mixed, numpy_mixed),
    _row("arithmetic", arithmetic, numpy_arithmetic),
)
