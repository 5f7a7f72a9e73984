"""zero_grad, backward, step: which orders work, and what accumulating is good for.

backward() adds to `.grad`, it does not replace. So gradients must be cleared once in
each round; what counts is that nothing clears them between backward and step.
"""

from itertools import permutations

import numpy as np

import autodiff as torch

torch.set_default_dtype(torch.float64)
rng = np.random.default_rng(0)
x = torch.tensor(rng.standard_normal((32, 3)))
t = x @ torch.tensor([1.0, -2.0, 0.5]) + 0.3


def loss_of(w, rows=slice(None)):
    """Return the mean squared error of a line over some rows."""
    return ((x[rows] @ w[:3] + w[3] - t[rows]) ** 2).mean()


def train(order, rounds=40):
    """Return the loss after so many rounds of the three calls in this order."""
    w = torch.zeros(4, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=0.2)
    calls = {
        "zero_grad": optimizer.zero_grad,
        "backward": lambda: loss_of(w).backward(),
        "step": optimizer.step,
    }
    for _ in range(rounds):
        for name in order:
            calls[name]()
    return loss_of(w).item()


print(f"loss before: {loss_of(torch.zeros(4)).item():.4f}")
for order in permutations(["zero_grad", "backward", "step"]):
    loss = train(order)
    verdict = "learns" if loss < 0.01 else "learns nothing: cleared before the step"
    print(f"{' -> '.join(order):30} loss {loss:.4f}  {verdict}")
loss = train(["backward", "step"])
print(f"{'never zeroed':30} loss above 1: {loss > 1.0}  old gradients keep pushing")

# A large batch, four times smaller in memory: backward() of each part, one step at the
# end. Each part is divided by their number, so that the sum is the mean over all.
w = torch.zeros(4, requires_grad=True)
loss_of(w).backward()
at_once = w.grad.clone()
w.grad = None
for first in range(0, 32, 8):
    (loss_of(w, slice(first, first + 8)) / 4).backward()  # adds to w.grad
print("at once:  ", [round(g, 6) for g in at_once.tolist()])
print("four parts:", [round(g, 6) for g in w.grad.tolist()])
print("equal to 1e-14:", bool((w.grad - at_once).abs().max() < 1e-14))
