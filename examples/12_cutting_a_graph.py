"""Cutting a graph: what detach, .data, clone, no_grad and requires_grad_ each cut.

One computation, y = exp(x) * w, with a cut in five places; the table says who still
gets a gradient. Then the trap: detach() and .data both share memory with the original.
If you change what a gradient needs, detach() reports it and .data does not.
"""

import autodiff as torch

torch.set_default_dtype(torch.float64)


def attempt(how):
    """Return the gradients of x and w with a cut, and whether y has a graph."""
    x = torch.tensor([0.0, 1.0], requires_grad=True)
    w = torch.tensor([2.0, 3.0], requires_grad=True)
    if how == "requires_grad_(False)":
        w.requires_grad_(False)  # a leaf is frozen; the rest of the graph stays
    e = torch.exp(x)
    if how == "detach":
        e = e.detach()  # same numbers, no way back to x
    elif how == "data":
        e = e.data  # the same, without the check below
    elif how == "clone":
        e = e.clone()  # new memory; the gradient goes through
    if how == "no_grad":
        with torch.no_grad():
            y = (e * w).sum()  # nothing is recorded
    else:
        y = (e * w).sum()
    if y.requires_grad:
        y.backward()
    return x.grad, w.grad, y.requires_grad


def shown(gradient):
    """Return a gradient as text."""
    return "None" if gradient is None else str([round(g, 3) for g in gradient.tolist()])


print(f"{'cut':22} {'x.grad':15} {'w.grad':15} y has a graph")
for how in ("nothing", "detach", "data", "clone", "no_grad", "requires_grad_(False)"):
    x_grad, w_grad, has_graph = attempt(how)
    print(f"{how:22} {shown(x_grad):15} {shown(w_grad):15} {has_graph}")

# exp keeps its result: the derivative is exp(x) again. Zero it, and the derivative is
# 0.
x = torch.tensor([0.0, 1.0], requires_grad=True)
e = torch.exp(x)
e.data.zero_()
e.sum().backward()
print("after .data.zero_():", shown(x.grad), " - silently wrong; right is [1.0, 2.718]")

x.grad = None
e = torch.exp(x)
e.detach().zero_()
try:
    e.sum().backward()
except RuntimeError as error:
    print("after .detach().zero_():", str(error).split(":")[0])

# clone() has memory of its own, so it may be changed freely.
e = torch.exp(x)
e.detach().clone().zero_()
e.sum().backward()
print("after .detach().clone().zero_():", shown(x.grad))

# A leaf may change in place only where nothing is recorded: this is how steps are made.
try:
    x.add_(1.0)
except RuntimeError as error:
    print("x.add_(1):", str(error).split(";")[0].removesuffix("."))
with torch.no_grad():
    x.add_(1.0)
print("under no_grad:", x.tolist(), x.is_leaf)
