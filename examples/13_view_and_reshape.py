"""view and reshape: why `.grad` of a reshaped parameter is None, and what to do.

reshape is an operation like any other. Its result is no leaf, so backward() puts no
gradient there, and an optimiser that was given it would have nothing to do.
"""

import warnings

import autodiff as torch

torch.set_default_dtype(torch.float64)
x = torch.tensor([1.0, 2.0])

# The mistake: requires_grad first, reshape after. The leaf has no name any more.
w = torch.tensor([1.0, 2.0, 3.0, 4.0], requires_grad=True).reshape(2, 2)
(w @ x).sum().backward()
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it says what the next lines do
    print("reshaped after requires_grad:", w.grad, "| leaf:", w.is_leaf)
try:
    torch.optim.SGD([w], lr=0.1)
except ValueError:
    print("an optimiser refuses it: only leaves can be optimised")

# Cure 1: reshape first, then ask for the gradient.
w = torch.tensor([1.0, 2.0, 3.0, 4.0]).reshape(2, 2).requires_grad_()
(w @ x).sum().backward()
print("requires_grad after reshape: ", w.grad.tolist(), "| leaf:", w.is_leaf)

# Cure 2: keep the leaf, and reshape where it is used. The gradient goes back through
# reshape and has the shape of the leaf.
flat = torch.tensor([1.0, 2.0, 3.0, 4.0], requires_grad=True)
(flat.view(2, 2) @ x).sum().backward()
print("keep the leaf:               ", flat.grad.tolist(), "| leaf:", flat.is_leaf)

# Cure 3: for a look at it only, retain_grad().
w = flat.reshape(2, 2)
w.retain_grad()
flat.grad = None
(w @ x).sum().backward()
print("retain_grad:                 ", w.grad.tolist(), "| leaf:", w.is_leaf)

# view, reshape and detach share the memory: a step through one is seen through all.
with torch.no_grad():
    flat.view(2, 2)[0, 0] = 9.0
print("a view shares memory:", flat.tolist())
