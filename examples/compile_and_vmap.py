"""A payoff with an `if` in it, over many paths, with the gradient of its price.

    python examples/compile_and_vmap.py

A knock-out call: the right to buy at the strike, void once the price has been above a
barrier. The payoff is written for one path, with Python's own `if`. `vmap` runs it over
all paths: each way through the choices is recorded once, paths are sorted by the way
they take, and each group runs as lanes of its own program.

What is differentiated is the mean over these very paths: the derivative takes the ways
as they are, and does not see that another path would cross the barrier at another spot.
"""

import numpy as np

import autodiff as ad

N_PATHS, N_STEPS = 20_000, 12
STRIKE, BARRIER = 100.0, 140.0
NOISE = np.random.default_rng(0).standard_normal((N_PATHS, N_STEPS)) / np.sqrt(N_STEPS)


def payoff(spot, volatility, noise):
    """Return what one path pays; noise has one number for each month of a year."""
    price = spot
    for shock in noise:
        drift = -0.5 * volatility**2 / N_STEPS
        price = price * ad.exp(drift + volatility * shock)
        if price > BARRIER:
            return 0.0 * price
    return price - STRIKE if price > STRIKE else 0.0 * price


# spot and volatility are shared by all rows, noise has a row for each path.
payoffs = ad.vmap(payoff, in_axes=(None, None, 0))


def price(spot, volatility):
    return payoffs(spot, volatility, NOISE).mean()


def one_by_one(spot, volatility, n):
    """Return what the first n paths pay, by Python alone."""
    return np.array([payoff(spot, volatility, row) for row in NOISE[:n].tolist()])


# One path at a time, recorded once for each way and replayed.
payoff_of_one = ad.compile(payoff)


if __name__ == "__main__":
    value, (delta, vega) = ad.value_and_grad(price, argnums=(0, 1))(100.0, 0.2)
    print(f"price {value:.6f}, delta {delta:.6f}, vega {vega:.6f}")
    print(f"ways through the choices: {len(payoffs.programs)}")
    paid, slope = payoff_of_one.value_and_grad(100.0, 0.2, NOISE[4])
    print(f"path 4 pays {paid:.6f}, and {slope:.6f} more for each unit of spot")
