"""Gradient surgery: an operation that is computed as ever, with a gradient of yours.

TensorFlow 1 had `RegisterGradient` and `gradient_override_map`. Here it is a context:
the operations recorded inside have your rule, those outside their own. A rule gets the
gradient of the result and the inputs, and returns one gradient, or None, for each
input.
"""

import autodiff as ad


def times_ten(g, x, y):
    """Return ten times the gradients of x * y."""
    return 10 * g * y, 10 * g * x


def clipped(g, x, y):
    """Return the gradients of x * y, none of them outside of -1 to 1."""
    return (g * y).clamp(-1, 1), (g * x).clamp(-1, 1)


def only_first(g, x, y):
    """Return a gradient for x; y is treated as a constant."""
    return g * y, None


def gradients(rule=None):
    """Return the value of 3 * 4, and its gradients by a rule for multiplication."""
    x = ad.tensor(3.0, requires_grad=True)
    y = ad.tensor(4.0, requires_grad=True)
    if rule is None:
        z = x * y
    else:
        with ad.gradient_override({"mul": rule}):
            z = x * y
    z.backward()
    dy = None if y.grad is None else y.grad.item()
    return z.item(), x.grad.item(), dy


print("normal:       ", gradients())
print("times ten:    ", gradients(times_ten))
print("clipped:      ", gradients(clipped))
print("first only:   ", gradients(only_first))
print("normal again: ", gradients())

# In one graph: what counts is where an operation was recorded, not where it is swept.
x = ad.tensor(2.0, requires_grad=True)
outside = x * 5.0
with ad.gradient_override({"mul": times_ten}):
    inside = x * 5.0
(outside + inside).backward()
print("5 outside + 50 inside =", x.grad.item())

# A straight-through estimator: round has slope 0, learning needs another.
x = ad.tensor([0.2, 0.7, 1.6], requires_grad=True)
ad.round(x).sum().backward()
print("round, as it is:        ", x.grad.tolist())
x.grad = None
with ad.gradient_override({"round": lambda g, x: g}):
    y = ad.round(x)
y.sum().backward()
print("round, straight through:", x.grad.tolist(), "of", y.tolist())

# Mistakes say what is wrong.
try:
    ad.gradient_override({"mull": times_ten})
except ValueError as error:
    print("unknown name:", str(error).split("? ")[0] + "?")
x = ad.tensor(3.0, requires_grad=True)
with ad.gradient_override({"mul": lambda g, x, y: g}):
    z = x * 2.0
try:
    z.backward()
except ValueError as error:
    print("wrong number:", str(error).split(";")[0])
print("x.grad is untouched:", x.grad)
