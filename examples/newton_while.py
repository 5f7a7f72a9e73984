"""Newton's method as a loop that ends when it is done, for many equations at once.

    python examples/newton_while.py

Kepler's equation, E - e sin E = M, gives the place of a planet on its orbit. Each row
is one planet at one time; `while_loop` iterates a row until that row has converged, and
its derivatives go back over the iterations that were done. The implicit function
theorem says what they must be: dE/dM = 1 / (1 - e cos E).
"""

import numpy as np

import autodiff as ad


def anomaly(mean, eccentricity):
    """Return (E, how many steps it took) for one M and e."""

    def residual(angle):
        return angle - eccentricity * ad.sin(angle) - mean

    def goes_on(carry):
        angle, _ = carry
        return abs(residual(angle)) > 1e-9

    def newton(carry):
        angle, n = carry
        by = residual(angle) / (1.0 - eccentricity * ad.cos(angle))
        return angle - by, n + 1.0

    # A last step by hand: its derivative is that of the solution, whatever the start.
    angle, n = newton(ad.while_loop(goes_on, newton, (np.pi, 0.0), max_steps=50))
    return angle, n


places = ad.vmap(anomaly)


def slopes(mean, eccentricity):
    """Return dE/dM for each row."""
    return ad.vmap(ad.grad(lambda m, e: anomaly(m, e)[0]))(mean, eccentricity)


MEAN = np.array([0.1, 1.0, 2.0, 3.0])
ECCENTRICITY = np.array([0.0167, 0.2056, 0.6, 0.95])

if __name__ == "__main__":
    angles, steps = places(MEAN, ECCENTRICITY)
    print("E:    ", angles)
    print("steps:", steps)
    print("dE/dM:", slopes(MEAN, ECCENTRICITY))
    print("exact:", 1.0 / (1.0 - ECCENTRICITY * np.cos(angles)))
