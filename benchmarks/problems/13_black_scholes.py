"""Black-Scholes: price and five sensitivities of 1,000,000 options.

Sensitivities are in spot, strike, time, rate and volatility. Then with three branches
by the ratio of spot to strike, and on two threads.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import floor
import peers
from harness import Answer, Bar, Case, TimeRow
from rows import branch_and_thread_rows, sampled

N = 1_000_000

SOURCE = """
/* price, then five sensitivities, each an array of n */
void price(const double *s, const double *k, const double *t, const double *r,
           const double *v, double *out, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        double w = sqrt(t[i]), q = v[i] * w;
        double d1 = (log(s[i] / k[i]) + (r[i] + 0.5 * v[i] * v[i]) * t[i]) / q;
        double d2 = d1 - q;
        double n1 = 0.5 + 0.5 * erf(0.70710678118654752440 * d1);
        double n2 = 0.5 + 0.5 * erf(0.70710678118654752440 * d2);
        double discount = exp(-r[i] * t[i]), kd = k[i] * discount;
        double density = 0.39894228040143267794 * exp(-0.5 * d1 * d1) * s[i];
        out[i] = s[i] * n1 - kd * n2;
        out[n + i] = n1;
        out[2 * n + i] = -discount * n2;
        out[3 * n + i] = density * v[i] / (2 * w) + r[i] * kd * n2;
        out[4 * n + i] = t[i] * kd * n2;
        out[5 * n + i] = density * w;
    }
}
"""


def data() -> tuple[Any, ...]:
    """Return spot, strike, time, rate and volatility."""
    random = peers.load("numpy").random.default_rng(2)
    u = [random.random(N) for _ in range(5)]
    return (
        80 + 40 * u[0], 80 + 40 * u[1], 0.1 + 2 * u[2], 0.01 + 0.05 * u[3],
        0.1 + 0.4 * u[4],
    )  # fmt: skip


def price(lib: Any, cdf: Any, s: Any, k: Any, t: Any, r: Any, v: Any) -> Any:
    """Return the price of a call."""
    q = v * lib.sqrt(t)
    d1 = (lib.log(s / k) + (r + 0.5 * v * v) * t) / q
    return s * cdf(d1) - k * lib.exp(-r * t) * cdf(d1 - q)


def smiling(lib: Any, cdf: Any, s: Any, k: Any, t: Any, r: Any, v: Any) -> Any:
    """Return the price with a volatility that depends on the side of the strike."""
    if s > 1.1 * k:
        v = v * 1.1
    elif s < 0.9 * k:
        v = v * (0.9 + 0.001 * t)
    return price(lib, cdf, s, k, t, r, v)


def erf_cdf(lib: Any) -> Any:
    """Return the normal distribution by a library's erf."""
    return lambda x: 0.5 + 0.5 * lib.erf(x * math.sqrt(0.5))


def case(call: Callable[[], Any]) -> Case:
    """Return a case of a call that returns price and sensitivities."""

    def run(n: int) -> Any:
        for _ in range(n):
            found = call()
        return found

    def answer() -> Answer:
        value, each = call()
        return sampled(
            price=value, **{f"by argument {k}": g for k, g in enumerate(each)}
        )

    return Case(run, answer, first=call)


def ours(function: Callable[..., Any], threads: int) -> Case:
    ad = peers.load("autodiff")
    arguments = data()
    f = ad.vmap(
        ad.value_and_grad(partial(function, ad, erf_cdf(ad)), argnums=(0, 1, 2, 3, 4)),
        threads=threads,
    )
    return case(lambda: f(*arguments))


def c_floor() -> Case:
    numpy = peers.load("numpy")
    out = numpy.empty((6, N))
    library, arguments = floor.build(SOURCE), data()
    given = *map(floor.at, (*arguments, out)), floor.count(N)

    def call() -> Any:
        library.price(*given)
        return out[0], out[1:]

    return case(call)


def torch_case(is_compiled: bool) -> Case:
    torch = peers.load("torch")
    arguments = [torch.tensor(a) for a in data()]
    cdf = erf_cdf(torch)

    def summed(*arguments: Any) -> Any:
        value = price(torch, cdf, *arguments)
        return value.sum(), value

    fast = torch.compile(summed) if is_compiled else summed

    def call() -> Any:
        leaves = [a.detach().requires_grad_() for a in arguments]
        total, value = fast(*leaves)
        return value.detach(), torch.autograd.grad(total, leaves)

    return case(call)


def jax_case() -> Case:
    jax = peers.load("jax")
    arguments = [jax.numpy.array(a) for a in data()]

    def summed(*arguments: Any) -> Any:
        class Functions:
            sqrt, log, exp = jax.numpy.sqrt, jax.numpy.log, jax.numpy.exp
            erf = jax.scipy.special.erf

        value = price(Functions, erf_cdf(Functions), *arguments)
        return value.sum(), value

    f = jax.jit(jax.grad(summed, argnums=(0, 1, 2, 3, 4), has_aux=True))

    def call() -> Any:
        each, value = jax.block_until_ready(f(*arguments))
        return value, each

    return case(call)


def casadi_case() -> Case:
    casadi, numpy = peers.load("casadi"), peers.load("numpy")
    arguments = data()
    out = [numpy.empty(N) for _ in range(6)]
    calls: list[Any] = []

    def call() -> Any:
        if not calls:
            s = [casadi.SX.sym(name) for name in "sktrv"]
            one = price(casadi, erf_cdf(casadi), *s)
            f = casadi.Function("f", s, [one, *(casadi.gradient(one, x) for x in s)])
            buffer, run = (f := f.map(N)).buffer()
            for k, array in enumerate(arguments):
                buffer.set_arg(k, memoryview(array))
            for k, array in enumerate(out):
                buffer.set_res(k, memoryview(array))
            calls[:] = [run, buffer, f]
        calls[0]()
        return out[0], out[1:]

    return case(call)


TITLE = "Black-Scholes, price and five sensitivities, 1,000,000 options"

ROWS = (
    TimeRow(
        "options",
        TITLE,
        "run",
        {
            "autodiff": partial(ours, price, 1),
            "floor": c_floor,
            "torch": partial(torch_case, False),
            "torch_compile": partial(torch_case, True),
            "jax": jax_case,
            "casadi": casadi_case,
        },
        (
            Bar("times", 0.8, "torch_compile"),
            Bar("value", 0.05, metric="first"),
            Bar("times", 2.0, "floor", reach=1.25),
        ),
        has_first=True,
    ),
    *branch_and_thread_rows(TITLE, ours, price, smiling),
)
