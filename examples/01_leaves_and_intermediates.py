"""Leaves and intermediates: who gets a `.grad`, and how the graph hangs together.

y = (w + x)(w + 1) at w = 1, x = 2. Its derivative by w goes two ways: through a = w + x
and through b = w + 1. The sum of both is what `w.grad` holds.
"""

import warnings

import autodiff as torch  # the words are PyTorch's: only this line differs

w = torch.tensor(1.0, requires_grad=True)
x = torch.tensor(2.0, requires_grad=True)
a = w + x
b = w + 1
y = a * b

# A leaf is a tensor that you made; all others came out of an operation.
print("leaves:", w.is_leaf, x.is_leaf, "  not:", a.is_leaf, b.is_leaf, y.is_leaf)
print("made by:", w.grad_fn, a.grad_fn.name(), y.grad_fn.name())


# Every grad_fn knows the operations that its operands came from. A leaf's node is
# AccumulateGrad: the place where a gradient is added to `.grad`.
def walk(node, depth=1):
    """Print a node and what it reads, indented."""
    print("   " * depth + node.name().removeprefix("torch::autograd::"))
    for parent, _ in node.next_functions:
        if parent is not None:  # None: a constant
            walk(parent, depth + 1)


walk(y.grad_fn)

# Gradients of intermediates are given back during the sweep, unless you ask for them.
a.retain_grad()
y.backward()
print("dy/dw =", w.grad.item(), "  dy/dx =", x.grad.item())
print("dy/da =", a.grad.item(), " (kept by retain_grad)")

# Of b nobody asked to keep it. Reading b.grad is None, and says why.
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    print("b.grad:", b.grad)
print("warned:", str(caught[0].message).split(". ")[0])

# Once more, with both kept: dy/da = b = 2 and dy/db = a = 3; together dy/dw = 5.
w.grad = None
a, b = w + x, w + 1
a.retain_grad()
b.retain_grad()
(a * b).backward()
print("kept:", a.grad.item(), "+", b.grad.item(), "=", w.grad.item())
