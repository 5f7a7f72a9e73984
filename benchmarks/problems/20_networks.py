"""Training steps of small networks, in the words that autodiff and PyTorch share.

A convolutional network for 8x8 digits (conv-relu-pool, twice, then linear) on batches
of 64; a perceptron of modules; a gated recurrent cell over eight steps. Modules, losses
and optimisers are each library's own. Images are made up: the arithmetic is the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import peers
from harness import Answer, Bar, Case, TimeRow

CHECKED_STEPS = 3
BATCH, N_BATCHES = 64, 4
HIDDEN, SEQUENCE = 16, 8


def numbers(shape: Sequence[int], seed: float, scale: float = 1.0) -> Any:
    """Return nested lists of reproducible numbers within plus or minus `scale`."""
    import numpy as np

    count = math.prod(shape)
    return scale * np.sin(seed + 1.7 * np.arange(count) ** 1.1).reshape(tuple(shape))


def set_values(lib: Any, module: Any) -> None:
    """Give every parameter the same values for every peer."""
    with lib.no_grad():
        for k, p in enumerate(module.parameters()):
            scale = 1.0 / math.sqrt(max(math.prod(p.shape[1:]), 1))
            p.copy_(lib.tensor(numbers(tuple(p.shape), k, scale)))


def cnn(lib: Any) -> tuple[Any, Callable[[Any, Any], Any]]:
    """Return the convolutional network and its loss."""
    nn = lib.nn
    net = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(64, 10),
    )  # fmt: skip
    criterion = nn.CrossEntropyLoss()
    return net, lambda x, t: criterion(net(x), t)


def mlp(lib: Any) -> tuple[Any, Callable[[Any, Any], Any]]:
    """Return the perceptron and its loss."""
    nn = lib.nn
    net = nn.Sequential(
        nn.Linear(2, HIDDEN), nn.Tanh(), nn.Linear(HIDDEN, HIDDEN), nn.Tanh(),
        nn.Linear(HIDDEN, 1),
    )  # fmt: skip
    criterion = nn.MSELoss()
    return net, lambda x, t: criterion(net(x), t)


def gru(lib: Any) -> tuple[Any, Callable[[Any, Any], Any]]:
    """Return the recurrent cell and the loss of its last state."""
    cell = lib.nn.GRUCell(4, HIDDEN)
    mse = lib.nn.functional.mse_loss

    def loss(xs: Any, t: Any) -> Any:
        h = lib.zeros(t.shape[0], HIDDEN)
        for x in xs:
            h = cell(x, h)
        return mse(h, t)

    return cell, loss


def images(lib: Any) -> list[tuple[Any, Any]]:
    """Return batches of images and labels."""
    labels = [[(7 * i + k) % 10 for i in range(BATCH)] for k in range(N_BATCHES)]
    return [
        (lib.tensor(numbers((BATCH, 1, 8, 8), k)), lib.tensor(labels[k]))
        for k in range(N_BATCHES)
    ]


def points(lib: Any) -> list[tuple[Any, Any]]:
    """Return one batch for the perceptron."""
    return [(lib.tensor(numbers((16, 2), 1.0)), lib.tensor(numbers((16, 1), 2.0)))]


def sequences(lib: Any) -> list[tuple[Any, Any]]:
    """Return one batch of sequences for the cell."""
    xs = [lib.tensor(numbers((4, 4), k)) for k in range(SEQUENCE)]
    return [(xs, lib.tensor(numbers((4, HIDDEN), 9.0)))]


def case(peer: str, make: Callable[..., Any], data: Callable[..., Any]) -> Case:
    """Autodiff and PyTorch: an epoch over the batches."""
    lib = peers.load(peer)
    batches = data(lib)

    def run(n: int) -> Any:
        net, loss_of = make(lib)
        set_values(lib, net)
        optimizer = lib.optim.Adam(net.parameters(), lr=1e-3)
        for _ in range(n):
            for x, t in batches:
                optimizer.zero_grad()
                loss = loss_of(x, t)
                loss.backward()
                optimizer.step()
        return net

    def answer() -> Answer:
        named = run(CHECKED_STEPS).named_parameters()
        return {name: p.detach().reshape(-1).tolist() for name, p in named}

    return Case(run, answer)


def _row(
    name: str, title: str, make: Any, data: Any, at_least: float, unit: str
) -> TimeRow:
    cases = {peer: partial(case, peer, make, data) for peer in ("autodiff", "torch")}
    return TimeRow(name, title, unit, cases, (Bar("faster", at_least, "torch"),))


ROWS = (
    _row(
        "cnn", f"convolutional network on {N_BATCHES} batches of {BATCH} 8x8 images",
        cnn, images, 1.0, "epoch",
    ),
    _row("mlp", "perceptron of modules, batch of 16, Adam", mlp, points, 3.0, "step"),
    _row(
        "gru", f"recurrent cell over {SEQUENCE} steps, batch of 4, Adam",
        gru, sequences, 3.0, "step",
    ),
)  # fmt: skip
