"""The gradient of the solution of a differential equation, by scan.

    python examples/scan_ode.py

A damped oscillator, x'' = -k x - c x', by the classical Runge-Kutta method. `scan`
records one step and iterates it, however many there are; the reverse sweep is a loop
over the same steps backwards. The exact solution says how good the gradient is.
"""

import numpy as np

import autodiff as ad

N_STEPS, TIME = 10_000, 5.0


def slope(state, k, c):
    """Return (x', v')."""
    x, v = state
    return v, -k * x - c * v


def step(state, k, c, h):
    """Return the state after one step of Runge and Kutta."""

    def moved(slopes, by):
        return state[0] + by * slopes[0], state[1] + by * slopes[1]

    a = slope(state, k, c)
    b = slope(moved(a, h / 2), k, c)
    d = slope(moved(b, h / 2), k, c)
    e = slope(moved(d, h), k, c)
    slopes = zip(a, b, d, e, strict=True)
    return moved([(p + 2 * q + 2 * r + s) / 6 for p, q, r, s in slopes], h)


def final_position(k, c, *, checkpoint=None):
    """Return x(TIME), started from x = 1 at rest."""

    def body(state, _):
        return step(state, k, c, TIME / N_STEPS), None  # None: keep nothing of a step

    (x, _), _ = ad.scan(body, (1.0, 0.0), length=N_STEPS, checkpoint=checkpoint)
    return x


def exact_position(k, c):
    w = ad.sqrt(k - c * c / 4)
    return ad.exp(-c / 2 * TIME) * (ad.cos(w * TIME) + c / (2 * w) * ad.sin(w * TIME))


if __name__ == "__main__":
    found = ad.value_and_grad(final_position, argnums=(0, 1))(4.0, 0.3)
    exact = ad.value_and_grad(exact_position, argnums=(0, 1))(4.0, 0.3)
    print(f"x({TIME:g}) = {found[0]:.12f}, off by {abs(found[0] - exact[0]):.0e}")
    for name, ours, theirs in zip("kc", found[1], exact[1], strict=True):
        print(f"dx/d{name} = {ours:.12f}, off by {abs(ours - theirs):.0e}")

    # The same with the carry of 100 steps kept, instead of all 10,000.
    less = ad.grad(lambda k, c: final_position(k, c, checkpoint=100), argnums=(0, 1))
    print("with less memory:", np.allclose(less(4.0, 0.3), found[1], rtol=1e-12))
