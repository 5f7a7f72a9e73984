"""A three-layer network: the formulas of back-propagation, written out.

    z_l = a_(l-1) W_l + b_l,   a_l = s(z_l),   loss = sum (a_3 - t)^2 / 2N

With delta_l, the gradient at z_l:
    delta_3 = (a_3 - t) s'(z_3) / N           at the output
    delta_l = (delta_(l+1) W_(l+1)') s'(z_l)  one layer back: the same for any depth
    dW_l = a_(l-1)' delta_l,   db_l = sum of delta_l over the examples
"""

from itertools import pairwise

import numpy as np

import autodiff as ad

rng = np.random.default_rng(0)
SIZES, N = [4, 6, 5, 3], 8
weights = [rng.standard_normal(s) for s in pairwise(SIZES)]
biases = [rng.standard_normal(n) for n in SIZES[1:]]
x, t = rng.standard_normal((N, SIZES[0])), rng.random((N, SIZES[-1]))


def by_formulas():
    """Return the loss, and the gradients of weights and of biases."""
    activations = [x]
    for w, b in zip(weights, biases, strict=True):
        activations.append(1 / (1 + np.exp(-(activations[-1] @ w + b))))
    # Backwards. s'(z) = a (1 - a) needs only what the way forward has kept.
    error = (activations[-1] - t) / N
    dw, db = [], []
    for layer in reversed(range(len(weights))):
        a = activations[layer + 1]
        delta = error * a * (1 - a)
        dw.insert(0, activations[layer].T @ delta)
        db.insert(0, delta.sum(axis=0))
        error = delta @ weights[layer].T  # handed to the layer below
    return ((activations[-1] - t) ** 2).sum() / (2 * N), dw, db


def by_engine():
    """Return the same, with nothing but the way forward written."""
    ws = [ad.tensor(w, requires_grad=True) for w in weights]
    bs = [ad.tensor(b, requires_grad=True) for b in biases]
    a = ad.tensor(x)
    for w, b in zip(ws, bs, strict=True):
        a = ad.sigmoid(a @ w + b)
    loss = ((a - t) ** 2).sum() / (2 * N)
    loss.backward()
    return loss.item(), [w.grad.numpy() for w in ws], [b.grad.numpy() for b in bs]


loss, dw, db = by_formulas()
engine_loss, engine_dw, engine_db = by_engine()
print(f"loss: {loss:.12f} by formulas, {engine_loss:.12f} by the engine")
for layer in range(len(weights)):
    for name, ours, theirs in (
        ("W", dw[layer], engine_dw[layer]),
        ("b", db[layer], engine_db[layer]),
    ):
        apart = np.abs(ours - theirs).max() / np.abs(ours).max()
        print(
            f"d{name}{layer + 1} {ours.shape!s:6} norm {np.linalg.norm(theirs):.6f}, "
            f"equal to 1e-12: {apart < 1e-12}"
        )
