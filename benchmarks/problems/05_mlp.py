"""One training step of a 2-16-16-1 perceptron, on 1 point and on 100 points.

Forward (tanh layers), mean squared error, backward, gradient descent, gradients
cleared. Autodiff and PyTorch run the same text; ``torch_fused`` is PyTorch in its own
best words (``linear``, ``mse_loss``, ``sub_`` with ``alpha``).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import peers
from harness import Answer, Bar, Case, TimeRow

LAYERS = ((2, 16), (16, 16), (16, 1))
RATE = 1e-6
CHECKED_STEPS = 20

Matrix = list[list[float]]


def start_values() -> list[tuple[Matrix, list[float]]]:
    """Return weights and biases of each layer, the same for every peer."""
    layers = []
    for k, (n_in, n_out) in enumerate(LAYERS):
        weights = [
            [math.sin(1.0 + k + 7.0 * i + 3.0 * j) / n_in**0.5 for j in range(n_out)]
            for i in range(n_in)
        ]
        layers.append((weights, [0.1 * math.cos(j + k) for j in range(n_out)]))
    return layers


def points(count: int) -> tuple[Matrix, Matrix]:
    """Return inputs (count, 2) and targets (count, 1)."""
    inputs = [[math.sin(0.7 * i), math.cos(1.3 * i)] for i in range(count)]
    return inputs, [[a * b + 0.5] for a, b in inputs]


def words_steps(lib: Any, parameters: list[Any], x: Any, t: Any, n: int) -> None:
    """Take n steps in the words autodiff and PyTorch share."""
    w1, b1, w2, b2, w3, b3 = parameters
    tanh, no_grad, rate = lib.tanh, lib.no_grad, RATE
    for _ in range(n):
        h = tanh(x @ w1 + b1)
        h = tanh(h @ w2 + b2)
        y = h @ w3 + b3
        loss = ((y - t) ** 2).mean()
        loss.backward()
        with no_grad():
            for p in parameters:
                p -= rate * p.grad
        for p in parameters:
            p.grad = None


def words_case(peer: str, count: int) -> Case:
    """Autodiff and PyTorch."""
    lib = peers.load(peer)
    x, t = (lib.tensor(values) for values in points(count))

    def parameters() -> list[Any]:
        flat = [values for layer in start_values() for values in layer]
        return [lib.tensor(values, requires_grad=True) for values in flat]

    def run(n: int) -> list[Any]:
        trained = parameters()
        words_steps(lib, trained, x, t, n)
        return trained

    def answer() -> Answer:
        trained = run(CHECKED_STEPS)
        return _answer([p.detach().reshape(-1).tolist() for p in trained])

    return Case(run, answer)


def fused_case(count: int) -> Case:
    """PyTorch with its fused layer, loss and update."""
    torch = peers.load("torch")
    functional = torch.nn.functional
    x, t = (torch.tensor(values) for values in points(count))

    def run(n: int) -> list[Any]:
        flat = []
        for weights, bias in start_values():
            flat.append(torch.tensor(weights).T.contiguous().requires_grad_())
            flat.append(torch.tensor(bias, requires_grad=True))
        w1, b1, w2, b2, w3, b3 = flat
        tanh, linear, no_grad = torch.tanh, functional.linear, torch.no_grad
        for _ in range(n):
            h = tanh(linear(x, w1, b1))
            h = tanh(linear(h, w2, b2))
            loss = functional.mse_loss(linear(h, w3, b3), t)
            loss.backward()
            with no_grad():
                for p in flat:
                    p.sub_(p.grad, alpha=RATE)
            for p in flat:
                p.grad = None
        return flat

    def answer() -> Answer:
        trained = run(CHECKED_STEPS)
        values = [p.detach().T if p.ndim == 2 else p.detach() for p in trained]
        return _answer([v.reshape(-1).tolist() for v in values])

    return Case(run, answer)


def numpy_case(count: int) -> Case:
    """NumPy, back-propagation worked out by hand."""
    np = peers.load("numpy")
    x, t = (np.array(values) for values in points(count))

    def run(n: int) -> list[Any]:
        flat = [np.array(values) for layer in start_values() for values in layer]
        w1, b1, w2, b2, w3, b3 = flat
        for _ in range(n):
            h1 = np.tanh(x @ w1 + b1)
            h2 = np.tanh(h1 @ w2 + b2)
            y_bar = (h2 @ w3 + b3 - t) * (2.0 / count)
            z2_bar = (y_bar @ w3.T) * (1.0 - h2 * h2)
            z1_bar = (z2_bar @ w2.T) * (1.0 - h1 * h1)
            w3 -= RATE * (h2.T @ y_bar)
            b3 -= RATE * y_bar.sum(0)
            w2 -= RATE * (h1.T @ z2_bar)
            b2 -= RATE * z2_bar.sum(0)
            w1 -= RATE * (x.T @ z1_bar)
            b1 -= RATE * z1_bar.sum(0)
        return flat

    def answer() -> Answer:
        return _answer([p.ravel().tolist() for p in run(CHECKED_STEPS)])

    return Case(run, answer)


def jax_case(count: int) -> Case:
    """JAX: the whole step compiled."""
    jax = peers.load("jax")
    jnp = jax.numpy
    x, t = (jnp.array(values) for values in points(count))

    def loss(p: Any, x: Any, t: Any) -> Any:
        h = jnp.tanh(x @ p[0] + p[1])
        h = jnp.tanh(h @ p[2] + p[3])
        return ((h @ p[4] + p[5] - t) ** 2).mean()

    def one_step(p: Any, x: Any, t: Any) -> Any:
        gradient = jax.grad(loss)(p, x, t)
        return [v - RATE * g for v, g in zip(p, gradient, strict=True)]

    step = jax.jit(one_step)

    def run(n: int) -> Any:
        p = [jnp.array(values) for layer in start_values() for values in layer]
        for _ in range(n):
            p = step(p, x, t)
        return jax.block_until_ready(p)

    def answer() -> Answer:
        return _answer([p.ravel().tolist() for p in run(CHECKED_STEPS)])

    return Case(run, answer)


def _answer(parameters: list[list[float]]) -> Answer:
    """Return the change of each parameter, scaled to order one.

    The change, not the parameter: with a tiny rate the parameters alone would agree
    whatever the gradients were.
    """
    start = [values for layer in start_values() for values in layer]
    numbers = {}
    for k, (trained, initial) in enumerate(zip(parameters, start, strict=True)):
        flat = [v for row in initial for v in (row if isinstance(row, list) else [row])]
        scale = RATE * CHECKED_STEPS
        numbers[f"parameter {k}"] = [
            (v - u) / scale for v, u in zip(trained, flat, strict=True)
        ]
    return numbers


def _row(count: int, at_least: float) -> TimeRow:
    cases: dict[str, Callable[[], Case]] = {
        "autodiff": partial(words_case, "autodiff", count),
        "numpy": partial(numpy_case, count),
        "torch": partial(words_case, "torch", count),
        "torch_fused": partial(fused_case, count),
        "jax": partial(jax_case, count),
    }
    return TimeRow(
        f"points_{count}",
        f"perceptron 2-16-16-1, one training step on {count} point"
        + ("s" if count > 1 else ""),
        "step",
        cases,
        (Bar("faster", at_least, "torch"),),
        # The change of a parameter is a difference of numbers near each other.
        tolerance=1e-8,
    )


ROWS = (_row(1, 8.0), _row(100, 3.0))
