"""Chain-rule circuits: expressions as gates, with the gradient flowing backwards.

Each gate knows only its own derivative. It takes the gradient of its output and sends
each input its share: that is back-propagation, done here by hand next to the tape.
"""

from math import exp

import autodiff as ad


def leaf(value):
    """Return a number whose gradient is wanted."""
    return ad.tensor(value, requires_grad=True)


def gradients(result, *leaves):
    """Return the gradients by leaves, rounded, as floats."""
    return [round(g.item(), 4) for g in ad.autograd.grad(result, leaves)]


# J = 3(a + bc): u = bc, v = a + u, J = 3v. Backwards: dJ/dv = 3, dJ/du = 3, and so on.
a, b, c = leaf(5.0), leaf(3.0), leaf(2.0)
J = 3 * (a + b * c)
print("J = 3(a + bc) =", J.item(), "  by a, b, c:", gradients(J, a, b, c))

# Three gates. Add hands its gradient to both, multiply swaps the values, max routes
# everything to the larger. f = 2 (xy + max(z, w)).
x, y, z, w = leaf(3.0), leaf(-4.0), leaf(2.0), leaf(-1.0)
f = 2 * (x * y + ad.maximum(z, w))
print("f = 2(xy + max(z, w)) =", f.item(), "  by x, y, z, w:", gradients(f, x, y, z, w))

# The sigmoid neuron. s' = (1 - s) s makes one gate of four.
weights, inputs = [leaf(2.0), leaf(-3.0), leaf(-3.0)], [leaf(-1.0), leaf(-2.0)]
dot = weights[0] * inputs[0] + weights[1] * inputs[1] + weights[2]
neuron = ad.sigmoid(dot)
print("neuron =", round(neuron.item(), 4), "  by w:", gradients(neuron, *weights))
s = 1 / (1 + exp(-dot.item()))
ddot = (1 - s) * s  # the gradient at the dot product; then multiply gates swap
print("by hand:", [round(v * ddot, 4) for v in (-1.0, -2.0, 1.0)])


def staged(x, y):
    """Return f = (x + s(y)) / (s(x) + (x + y)^2) and its gradient, gate by gate."""
    sig_y = 1 / (1 + exp(-y))
    top = x + sig_y
    sig_x = 1 / (1 + exp(-x))
    x_plus_y = x + y
    bottom = sig_x + x_plus_y**2
    inverse = 1 / bottom
    f = top * inverse
    # Backwards, line by line; a value used twice collects with +=.
    d_top = inverse
    d_inverse = top
    d_bottom = -(inverse**2) * d_inverse
    d_x_plus_y = 2 * x_plus_y * d_bottom
    dx = (1 - sig_x) * sig_x * d_bottom
    dx += d_x_plus_y
    dy = d_x_plus_y
    dx += d_top
    dy += (1 - sig_y) * sig_y * d_top
    return f, dx, dy


x, y = leaf(3.0), leaf(-4.0)
f = (x + ad.sigmoid(y)) / (ad.sigmoid(x) + (x + y) ** 2)
f.backward()
by_hand, by_tape = staged(3.0, -4.0), (f.item(), x.grad.item(), y.grad.item())
print("staged by hand:", *(f"{v:.12f}" for v in by_hand))
print("by the tape:   ", *(f"{v:.12f}" for v in by_tape))
