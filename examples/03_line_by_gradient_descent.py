"""y = 5x + 3 by gradient descent: by hand, by the engine, and compiled.

Three ways to the same numbers. By hand somebody differentiated the loss on paper; the
engine records what you compute and sweeps it; `compile` records once, and replays value
and gradient natively from then on.
"""

import numpy as np

import autodiff as ad
from gallery import picture

x = np.linspace(-1.0, 1.0, 20)
t = 5.0 * x + 3.0
RATE, STEPS = 0.3, 60


def by_hand():
    """Descend along the gradient that paper gives."""
    w = b = 0.0
    losses = []
    for _ in range(STEPS):
        error = w * x + b - t
        losses.append(np.mean(error**2))
        dw, db = np.mean(2 * error * x), np.mean(2 * error)
        w, b = w - RATE * dw, b - RATE * db
    return w, b, losses


def by_engine():
    """Write the loss only; backward() has the gradient."""
    w = ad.tensor(0.0, requires_grad=True)
    b = ad.tensor(0.0, requires_grad=True)
    losses = []
    for _ in range(STEPS):
        loss = ((w * x + b - t) ** 2).mean()
        loss.backward()
        losses.append(loss.item())
        with ad.no_grad():  # the step itself is not part of any graph
            w -= RATE * w.grad
            b -= RATE * b.grad
        w.grad = b.grad = None
    return w.item(), b.item(), losses


@ad.compile
def loss_of(p):
    """Return the loss of the line p = (w, b)."""
    return ((p[0] * x + p[1] - t) ** 2).mean()


def by_program():
    """Replay a program of value and gradient."""
    p, losses = np.zeros(2), []
    for _ in range(STEPS):
        loss, gradient = loss_of.value_and_grad(p)
        losses.append(loss)
        p -= RATE * gradient
    return p[0], p[1], losses


results = {"by hand": by_hand(), "engine": by_engine(), "compiled": by_program()}
print("step " + "".join(f"{name:>14}" for name in results))
for step in range(0, STEPS, 10):
    print(f"{step:4} " + "".join(f"{r[2][step]:14.6e}" for r in results.values()))
for name, (w, b, losses) in results.items():
    print(f"{name:8}: y = {w:.6f} x + {b:.6f}, last loss {losses[-1]:.2e}")
apart = max(
    np.abs(np.array(r[2]) - results["by hand"][2]).max() for r in results.values()
)
print("largest difference of losses below 1e-13:", apart < 1e-13)
picture(("log10 of the loss", {"all three": np.log10(results["engine"][2])}))
